//! The private namespaces that a world lives in: its own users, network, processes and mounts.
//!
//! * network: every port is free, nothing can be reached but this machine, and all of `10.244.0.0/16` (pods) and
//!   `10.96.0.0/16` (services) is local, so that a pod's address can be bound without being configured. EndpointSlices
//!   refuse loopback addresses; these are not.
//! * processes: the harness is process 1. When it ends, in whatever way, the kernel ends everything it started,
//!   grandchildren too.
//! * users: the caller is mapped to root, so that none of this needs root.
//!
//! The process outside holds a pipe to the one inside. When the one outside ends, in whatever way, the one inside reads
//! the end of that pipe and stops the world in order.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

/// The address range of pods.
pub const PODS: &str = "10.244.0.0/16";
/// The address range of services' cluster addresses.
pub const SERVICES: &str = "10.96.0.0/16";

/// How long a world has to stop in order before it is killed.
const STOP: Duration = Duration::from_secs(30);

/// Runs this executable with `args` in new namespaces and waits until it ends. When `stop` becomes ready first, asks
/// it to end and waits for that.
///
/// # Errors
/// When namespaces are not to be had (the message says what is needed), or the process inside does not end in time.
pub async fn run_inside(args: &[&str], stop: impl Future<Output = ()>) -> Result<ExitStatus> {
    let mut child = enter(args)?
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context(NEEDS)?;
    let held_open = child.stdin.take();
    tokio::select! {
        status = child.wait() => Ok(status?),
        () = stop => {
            drop(held_open);
            match timeout(STOP, child.wait()).await {
                Ok(status) => Ok(status?),
                Err(_elapsed) => {
                    child.kill().await?;
                    bail!("the world did not stop within {} s and was killed", STOP.as_secs());
                }
            }
        }
    }
}

/// As [`run_inside`], on this terminal: the process inside reads what is typed, and is killed when it is to `stop`.
///
/// # Errors
/// As [`run_inside`].
pub async fn run_inside_on_terminal(args: &[&OsStr], stop: impl Future<Output = ()>) -> Result<ExitStatus> {
    let mut child = enter(args)?.spawn().context(NEEDS)?;
    tokio::select! {
        status = child.wait() => status.context("wait for the world"),
        () = stop => {
            child.kill().await?;
            bail!("stopped from outside");
        }
    }
}

const NEEDS: &str = "start `unshare` of util-linux: is it installed and on the PATH?";

fn enter(args: &[impl AsRef<OsStr>]) -> Result<Command> {
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--pid",
            "--fork",
            "--mount",
            "--mount-proc",
            "--kill-child",
            "--",
        ])
        .arg(std::env::current_exe()?)
        .args(args)
        .kill_on_drop(true);
    Ok(command)
}

/// Makes the network of a world. Call it once, inside.
///
/// # Errors
/// When `ip` of iproute2 is missing, or this is not a network namespace of our own.
pub async fn set_up_network() -> Result<()> {
    if std::process::id() != 1 {
        bail!("not process 1 of a namespace: this subcommand is for the harness itself");
    }
    for args in [
        vec!["link", "set", "lo", "up"],
        vec!["route", "add", "local", PODS, "dev", "lo"],
        vec!["route", "add", "local", SERVICES, "dev", "lo"],
    ] {
        let output = Command::new("ip")
            .args(&args)
            .output()
            .await
            .context("start `ip` of iproute2: is it installed and on the PATH?")?;
        if !output.status.success() {
            bail!(
                "ip {}: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    Ok(())
}

/// Ready when the process outside has ended or wants the world to stop: its pipe is our stdin.
pub async fn outside_is_gone() {
    let mut byte = [0];
    // Both the end of the pipe and an error of it mean that nobody holds it any more.
    while tokio::io::stdin()
        .read(&mut byte)
        .await
        .is_ok_and(|read| read > 0)
    {}
}

/// The names of unix sockets in `folder`: what plugins leave there while they run.
///
/// # Errors
/// When the folder cannot be read.
pub fn sockets_in(folder: &Path) -> Result<Vec<String>> {
    use std::os::unix::fs::FileTypeExt;

    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        // A file that vanishes between the two looks is not there.
        if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
