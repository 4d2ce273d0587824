//! A program that the world runs: started, watched, ended, killed, started again, with one log file for all its lives.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::wait::{Seen, wait_for};

/// How long any one program may take until it is ready: seconds on a quiet machine, a minute beside a release build on
/// the same two cores.
pub(crate) const READY: Duration = Duration::from_secs(180);

/// How a program is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What it is called in messages, and the name of its log file.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables added to the harness's own environment.
    pub env: BTreeMap<String, String>,
    /// Its working directory, made if missing.
    pub folder: PathBuf,
    /// The folder of log files.
    pub logs: PathBuf,
}

/// A program of the world. All methods take `&self`, so that scenes can share it.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts the program. Its process is killed when the handle is dropped, and whatever happens when the namespace
    /// ends ([`crate::private`]).
    ///
    /// # Errors
    /// When the program cannot be executed or its log file not be written.
    pub async fn start(launch: Launch) -> Result<Self> {
        let process = Self {
            launch,
            child: Mutex::new(None),
        };
        process.restart().await?;
        Ok(process)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.launch.name
    }

    /// Its log file: stdout and stderr of all its lives.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.launch.logs.join(format!("{}.log", self.launch.name))
    }

    /// The process id; none after it ended.
    pub async fn pid(&self) -> Option<u32> {
        self.child.lock().await.as_ref().and_then(Child::id)
    }

    /// How it ended, if it did; none while it runs or after [`Process::terminate`] or [`Process::kill`].
    pub async fn ended(&self) -> Option<ExitStatus> {
        self.child
            .lock()
            .await
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten())
    }

    /// Waits until `look` finds what it wants, as [`wait_for`] does, but no longer than the program lives.
    ///
    /// # Errors
    /// When it ends, with the end of its log; or when it takes longer than three minutes.
    pub async fn ready<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<Seen<T>>) -> Result<T> {
        wait_for(what, READY, async || match self.ended().await {
            Some(status) => Ok(Seen::Yes(Err(status))),
            None => Ok(match look().await? {
                Seen::Yes(value) => Seen::Yes(Ok(value)),
                Seen::Not(words) => Seen::Not(words),
            }),
        })
        .await?
        .map_err(|status| {
            anyhow!(
                "{} ended: {status}; its last words:\n{}",
                self.name(),
                self.tail(5)
            )
        })
    }

    /// The last lines of its log.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Ends it with SIGTERM, as a supervisor would, and with SIGKILL after `grace`.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn terminate(&self, grace: Duration) -> Result<()> {
        let Some(mut child) = self.child.lock().await.take() else {
            return Ok(());
        };
        signal(child.id(), Signal::TERM)?;
        if timeout(grace, child.wait()).await.is_err() {
            child
                .kill()
                .await
                .with_context(|| format!("kill {}", self.name()))?;
            bail!(
                "{} did not end within {} s of SIGTERM",
                self.name(),
                grace.as_secs_f64()
            );
        }
        Ok(())
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&self) -> Result<()> {
        let Some(mut child) = self.child.lock().await.take() else {
            return Ok(());
        };
        child
            .kill()
            .await
            .with_context(|| format!("kill {}", self.name()))
    }

    /// Starts it again as it was started first; ends a life that still runs by SIGKILL.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart(&self) -> Result<()> {
        self.kill().await?;
        let launch = &self.launch;
        std::fs::create_dir_all(&launch.folder)?;
        let mut log = append(&self.log())?;
        writeln!(log, "--- {} {}", launch.program.display(), launch.args.join(" "))?;
        let child = Command::new(&launch.program)
            .args(&launch.args)
            .envs(&launch.env)
            .current_dir(&launch.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C on the terminal reaches the harness alone, which ends the world in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", launch.program.display()))?;
        *self.child.lock().await = Some(child);
        Ok(())
    }
}

/// Sends a signal to a process; a process that is gone already is fine.
///
/// # Errors
/// When the system refuses.
pub fn signal(pid: Option<u32>, signal: Signal) -> Result<()> {
    let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) else {
        return Ok(());
    };
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("send {signal:?} to process {}", pid.as_raw_nonzero()))
        }
    }
}

/// Ids of the living processes whose executable is `program`.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn pids_of(program: &Path) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").context("read /proc")? {
        let folder = entry?.path();
        let Some(pid) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else {
            continue;
        };
        // A zombie's link does not resolve, and a process may end between the two looks: neither is alive.
        let Ok(executable) = std::fs::read_link(folder.join("exe")) else {
            continue;
        };
        // The kernel appends this when the file was replaced, as the controller does when it starts again.
        let executable = executable.to_string_lossy();
        if Path::new(executable.trim_end_matches(" (deleted)")) == program {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    Ok(pids)
}

/// Whether a process has ended, so that nothing is open any more that it had opened: its memory, and with it the name of its
/// executable, goes before its sockets do (Linux, `do_exit`).
#[must_use]
pub fn has_ended(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // "pid (name) state …", and the name may hold anything (proc(5)).
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

fn append(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_ended_when_only_its_parent_knows_of_it() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        assert!(!has_ended(pid) && !has_ended(std::process::id()));
        child.kill().unwrap();
        while !has_ended(pid) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(has_ended(pid));
    }

    fn launch(folder: &Path, script: &str) -> Launch {
        Launch {
            name: "script".to_owned(),
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            env: BTreeMap::new(),
            folder: folder.join("work"),
            logs: folder.join("logs"),
        }
    }

    #[tokio::test]
    async fn both_lives_write_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(launch(
            folder.path(),
            "echo out; echo err >&2; read never </dev/zero",
        ))
        .await
        .unwrap();
        let said = |times: usize| {
            let log = process.log();
            async move {
                while std::fs::read_to_string(&log).unwrap().matches("err").count() < times + times {
                    tokio::task::yield_now().await;
                }
            }
        };
        said(1).await;
        let first = process.pid().await;
        process.restart().await.unwrap();
        said(2).await;
        assert_ne!(first, process.pid().await);
        process.kill().await.unwrap();
        assert_eq!(process.pid().await, None);
    }

    #[tokio::test]
    async fn an_end_of_its_own_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(launch(folder.path(), "exit 3")).await.unwrap();
        let status = loop {
            if let Some(status) = process.ended().await {
                break status;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(status.code(), Some(3));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_program_that_ended() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(launch(folder.path(), "echo no such flag; exit 3"))
            .await
            .unwrap();
        let error = process
            .ready::<()>("the script to be ready", async || {
                Ok(Seen::Not("not ready".into()))
            })
            .await;
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("script ended: exit status: 3") && error.ends_with("no such flag"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn one_who_ignores_sigterm_is_killed_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(launch(
            folder.path(),
            "trap '' TERM; echo ready; while :; do sleep 1; done",
        ))
        .await
        .unwrap();
        while !std::fs::read_to_string(process.log())
            .unwrap()
            .contains("\nready")
        {
            tokio::task::yield_now().await;
        }
        let error = process.terminate(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error.to_string(), "script did not end within 0.05 s of SIGTERM");
    }

    #[test]
    fn this_process_is_found_by_its_executable() {
        let me = std::env::current_exe().unwrap();
        assert!(pids_of(&me).unwrap().contains(&std::process::id()));
    }
}
