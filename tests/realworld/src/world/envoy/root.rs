//! A root folder that has `/certs`, where Envoy Gateway's control plane looks for its certificate whatever it is told.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Makes `root` a view of the machine's root folder with one more folder, `/certs`, which has the files of `certs`.
/// The view exists in this mount namespace alone: outside, `root` is a handful of empty folders.
///
/// # Errors
/// When the folder cannot be written or `mount` of util-linux refuses.
pub(super) fn with_certificates(root: &Path, certs: &Path) -> Result<()> {
    fs::create_dir_all(root)?;
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let (there, kind) = (entry.path(), entry.file_type()?);
        let here = root.join(entry.file_name());
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&there)?, &here)?;
        } else if kind.is_dir() {
            fs::create_dir(&here)?;
            mount(&there, &here)?;
        }
    }
    let certificates = root.join("certs");
    // A machine that has the folder already would have been changed by what follows.
    ensure!(!certificates.exists(), "this machine has a folder /certs");
    fs::create_dir(&certificates)?;
    for entry in fs::read_dir(certs).with_context(|| format!("read {}", certs.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), certificates.join(entry.file_name()))?;
    }
    Ok(())
}

fn mount(there: &Path, here: &Path) -> Result<()> {
    let output = Command::new("mount")
        .arg("--rbind")
        .args([there, here])
        .output()
        .context("start `mount` of util-linux: is it installed and on the PATH?")?;
    ensure!(
        output.status.success(),
        "mount --rbind {} {}: {}",
        there.display(),
        here.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
