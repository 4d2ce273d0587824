//! The plugins under test: the static binaries that an operator would install.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{console, plan};

/// A plugin of this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugin {
    /// The crate.
    pub package: &'static str,
    /// The executable.
    pub binary: &'static str,
}

/// The traffic router.
pub const ROUTER: Plugin = Plugin {
    package: "gateway-api",
    binary: "rollouts-plugin-trafficrouter-gatewayapi",
};

/// The metric provider.
pub const DATADOG: Plugin = Plugin {
    package: "datadog",
    binary: "rollouts-plugin-metric-datadog",
};

/// The Config Management Plugin of Argo CD.
pub const CANARY_STEPS: Plugin = Plugin {
    package: "canary-steps",
    binary: "argocd-cmp-canary-steps",
};

/// Builds a plugin from this workspace: static, with the profile that links quickly.
///
/// # Errors
/// When cargo fails.
pub fn build(plugin: Plugin) -> Result<PathBuf> {
    let Plugin { package, binary } = plugin;
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    console::say("plugin", &format!("building {binary} for {target}"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(plan::repository())
        .args([
            "build",
            "--quiet",
            "--profile",
            "quick",
            "--package",
            package,
            "--bin",
            binary,
        ])
        .args(["--target", &target, "--message-format", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("start cargo")?;
    if !output.status.success() {
        bail!("cargo could not build {binary}; is the target there? `rustup target add {target}`");
    }
    executable(binary, &String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("cargo built no {binary}"))
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

/// The executable of that name in cargo's JSON messages.
fn executable(binary: &str, messages: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages
        .filter(|message| message["target"]["name"] == binary)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_taken_from_cargos_messages() {
        let binary = ROUTER.binary;
        let messages = format!(
            "{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"gob\"}},\"executable\":null}}\n\
             {{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"{binary}\"}},\"executable\":\"/target/{binary}\"}}\n\
             {{\"reason\":\"build-finished\",\"success\":true}}\n"
        );
        assert_eq!(
            executable(binary, &messages),
            Some(format!("/target/{binary}").into())
        );
    }

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
