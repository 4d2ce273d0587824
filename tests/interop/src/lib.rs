//! Go programs against our libraries.
//!
//! The peers of this project are Go programs, so the evidence that counts is a run against one. Each folder below
//! `tests/interop/go` is a Go module of ours; [`go_program`] builds it and the tests in `tests/interop/tests` talk to it.
//!
//! A machine without Go still runs `cargo test`: the tests say `skipped: no go on PATH` and end. Where Go is required
//! (`CI=true` or `SERINUS_REQUIRE_GO=1`) its absence is a failure instead.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the Go module `tests/interop/go/<dir>` and returns the path of its program.
///
/// The program lands beside the build's other output (`<target>/<profile>/go/<dir>`), never in the source tree.
/// Builds of one module by several test processes wait for each other; Go's own cache makes the second one cheap.
///
/// `None` means that there is no `go` on `PATH` and that nobody requires it; a line on stderr says so.
///
/// # Panics
/// When `go` is absent although `CI=true` or `SERINUS_REQUIRE_GO=1`, when the module does not exist, or when it does
/// not build; the message carries what the compiler said.
#[must_use]
pub fn go_program(dir: &str) -> Option<PathBuf> {
    go_package(dir, ".")
}

/// As [`go_program`], for one package of a module that holds several programs: a folder of it (`./host`), or a package
/// of a module that it requires. The program is named after the module's folder and the package's last element.
///
/// # Panics
/// As [`go_program`].
#[must_use]
pub fn go_package(dir: &str, package: &str) -> Option<PathBuf> {
    if !has_go() {
        return None;
    }
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(dir);
    assert!(
        module.join("go.mod").is_file(),
        "tests/interop/go/{dir} is not a Go module: it has no go.mod"
    );

    let out = output_folder();
    fs::create_dir_all(&out).unwrap_or_else(|e| panic!("create {}: {e}", out.display()));
    let name = match package.rsplit('/').next() {
        None | Some(".") => dir.replace('/', "-"),
        Some(last) => format!("{}-{last}", dir.replace('/', "-")),
    };
    let program = out.join(name);
    let lock = File::create(program.with_extension("lock")).expect("the output folder is writable");
    lock.lock()
        .expect("a lock file in the output folder can be locked");

    let go_build = || {
        Command::new("go")
            // As `tests/realworld` builds its programs, so that both share what Go has compiled.
            .args([
                "build",
                "-trimpath",
                "-buildvcs=false",
                "-gcflags=all=-dwarf=false",
                "-o",
            ])
            .arg(&program)
            .arg(package)
            .current_dir(&module)
            // A toolchain download or a changed go.mod would make the run depend on the network.
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            .output()
            .expect("go was found a moment ago")
    };
    // What the module depends on may have to be fetched, and the network is not what is tested.
    let mut build = go_build();
    for _ in 0..2 {
        if !build.status.success() {
            build = go_build();
        }
    }
    assert!(
        build.status.success(),
        "go build in tests/interop/go/{dir} failed ({}):\n{}",
        build.status,
        String::from_utf8_lossy(&build.stderr)
    );
    Some(program)
}

/// Whether `go` can be run; where it cannot, says so once for each caller, or panics where it is required.
#[expect(
    clippy::print_stderr,
    reason = "the reader of a test run must see what was skipped"
)]
fn has_go() -> bool {
    if Command::new("go")
        .arg("version")
        .output()
        .is_ok_and(|v| v.status.success())
    {
        return true;
    }
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|v| v == value);
    assert!(
        !set("CI", "true") && !set("SERINUS_REQUIRE_GO", "1"),
        "no go on PATH, and CI=true or SERINUS_REQUIRE_GO=1 requires it"
    );
    eprintln!("skipped: no go on PATH");
    false
}

/// `<target>/<profile>/go`: test programs live in `<target>/<profile>/deps`.
fn output_folder() -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let folder = this.parent().expect("a program lies in a folder");
    match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).join("go"),
        _ => folder.join("go"),
    }
}
