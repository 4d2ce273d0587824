//! The plugins under test: the static binaries that an operator would install.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{console, plan};

/// A plugin of this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugin {
    /// The executable.
    pub binary: &'static str,
}

/// The traffic router.
pub const ROUTER: Plugin = Plugin {
    binary: "rollouts-plugin-trafficrouter-gatewayapi",
};

/// The metric provider.
pub const DATADOG: Plugin = Plugin {
    binary: "rollouts-plugin-metric-datadog",
};

/// The Config Management Plugin of Argo CD.
pub const CANARY_STEPS: Plugin = Plugin {
    binary: "argocd-cmp-canary-steps",
};

/// Builds a plugin from this workspace as `make e2e` does: static, with the profile that links quickly.
///
/// # Errors
/// When `tools/dist` fails; it has said why.
pub fn build(plugin: Plugin) -> Result<PathBuf> {
    let Plugin { binary } = plugin;
    let (repository, architecture) = (plan::repository(), architecture()?);
    console::say("plugin", &format!("building {binary} for {architecture}"));
    let status = Command::new(repository.join("tools/dist"))
        .arg(binary)
        .envs([("ARCH", architecture), ("PROFILE", "quick")])
        .stdout(Stdio::null())
        .status()
        .context("start tools/dist")?;
    ensure!(status.success(), "tools/dist could not build {binary}");
    Ok(repository
        .join("dist")
        .join(format!("linux-{architecture}"))
        .join(binary))
}

/// This machine's, as Go and `tools/dist` spell it.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("tools/dist builds for x86_64 and aarch64, this machine is {other}"),
    }
}

/// Refuses a file that the controller's image, which has no dynamic linker, could not start.
///
/// # Errors
/// When it is not there, no ELF executable, or dynamically linked.
pub fn check_static(binary: &PathBuf) -> Result<()> {
    let content = std::fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    ensure!(
        content.starts_with(b"\x7fELF"),
        "{} is no ELF executable",
        binary.display()
    );
    ensure!(
        !needs_interpreter(&content),
        "{} is dynamically linked; the controller's image has no dynamic linker",
        binary.display()
    );
    Ok(())
}

/// Whether a 64-bit little-endian ELF file has a program header of type `PT_INTERP` (ELF-64 object file format,
/// "Program Header").
fn needs_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    let word = |at: usize| {
        elf.get(at..at + 4)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    };
    let half = |at: usize| {
        elf.get(at..at + 2)
            .map(|bytes| u16::from_le_bytes(bytes.try_into().expect("two bytes")))
    };
    // e_phoff, e_phentsize, e_phnum
    let (Some(offset), Some(size), Some(count)) = (word(0x20), half(0x36), half(0x38)) else {
        return false;
    };
    (0..usize::from(count))
        .any(|header| word(offset as usize + header * usize::from(size)) == Some(PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test is linked dynamically on glibc systems, and statically for musl.
    #[test]
    fn a_dynamic_executable_is_told_from_a_static_one() {
        let me = std::env::current_exe().unwrap();
        let content = std::fs::read(&me).unwrap();
        assert_eq!(needs_interpreter(&content), cfg!(target_env = "gnu"));
        assert!(
            check_static(&"/etc/passwd".into())
                .unwrap_err()
                .to_string()
                .contains("no ELF")
        );
    }
}
