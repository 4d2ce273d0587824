//! `helm` and `kustomize` as children: no shell, a clean environment, a bounded number at once, and the whole process
//! group ended before the deadline.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::environment::Environment;

/// How children are run.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Bounds the children that run at once, over all requests.
    slots: Arc<Semaphore>,
    /// The most that a child may write.
    most_output: usize,
}

/// A child's failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program is not there.
    #[error(
        "{program} cannot be started: {source}; copy it from the image of the running Argo CD into the plugin's PATH"
    )]
    Start {
        /// Its name.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {}", last_words(.stderr))]
    Failed {
        /// Its name and first argument.
        program: String,
        /// What it wrote on stderr.
        stderr: String,
    },
    /// It was still running.
    #[error(
        "{program} was still running when the time was over and was ended; raise the repo-server's timeout"
    )]
    Deadline {
        /// Its name and first argument.
        program: String,
    },
    /// No child could be started in time, as too many were running.
    #[error("{program} could not be started in time: too many are running")]
    Crowded {
        /// Its name and first argument.
        program: String,
    },
    /// It wrote too much.
    #[error("{program} wrote more than {most} bytes")]
    TooMuch {
        /// Its name and first argument.
        program: String,
        /// The most it may write.
        most: usize,
    },
}

/// A program to run.
pub(super) struct Call<'c> {
    pub(super) program: &'c str,
    pub(super) args: Vec<OsString>,
    pub(super) folder: &'c Path,
    /// Variables beside those of [`clean`].
    pub(super) env: Vec<(String, OsString)>,
    pub(super) deadline: Option<Instant>,
}

impl Runner {
    /// At most `parallelism` children at once, each writing at most `most_output` bytes.
    #[must_use]
    pub fn new(parallelism: usize, most_output: usize) -> Runner {
        Runner {
            slots: Arc::new(Semaphore::new(parallelism.max(1))),
            most_output,
        }
    }

    /// Runs a program to its end and returns what it wrote on stdout.
    pub(super) async fn run(&self, call: Call<'_>) -> Result<String, ProcessError> {
        let first = call
            .args
            .first()
            .map(|a| a.to_string_lossy().into_owned())
            .unwrap_or_default();
        let name = format!("{} {first}", call.program);
        let crowded = ProcessError::Crowded {
            program: name.clone(),
        };
        let Ok(slot) = before(call.deadline, self.slots.acquire()).await else {
            return Err(crowded);
        };
        let _slot = slot.map_err(|_| crowded)?;

        let mut command = Command::new(call.program);
        command
            .args(&call.args)
            .current_dir(call.folder)
            .env_clear()
            .envs(call.env);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|source| ProcessError::Start {
            program: call.program.to_owned(),
            source,
        })?;
        // Ends the group also when this future is dropped, as it is when the client has gone.
        let group = Group(child.id());
        let stdout = child.stdout.take().map(|pipe| read(pipe, self.most_output));
        let stderr = child.stderr.take().map(|pipe| read(pipe, 1 << 20));
        let all = async {
            let (out, err) = tokio::join!(join(stdout), join(stderr));
            if out.len() > self.most_output {
                return (None, out, err);
            }
            (child.wait().await.ok(), out, err)
        };
        let grace = call.deadline.map(grace);
        let ended = before(grace, all).await;
        let Ok((status, out, err)) = ended else {
            group.terminate();
            // It may clean up for as long as there is time; then the group is killed by the drop.
            let _ = before(call.deadline, child.wait()).await;
            return Err(ProcessError::Deadline { program: name });
        };
        let Some(status) = status else {
            let most = self.most_output;
            return Err(ProcessError::TooMuch { program: name, most });
        };
        finish(name, status, out, &err)
    }
}

/// The variables that a child always gets: what it needs to find programs, certificates and proxies, and homes of its own.
pub(super) fn clean(home: &Path, request: &Environment) -> Vec<(String, OsString)> {
    const PASSED: [&str; 10] = [
        "PATH",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ];
    // What the repo-server sends where `provideGitCreds` is on (util/git `Creds.Environ`).
    const GIT: [&str; 12] = [
        "GIT_ASKPASS",
        "ARGOCD_GIT_ASKPASS_NONCE",
        "GIT_TERMINAL_PROMPT",
        "ARGOCD_BINARY_NAME",
        "ARGOCD_ASK_PASS_SOCK",
        "GIT_SSH_COMMAND",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CERT",
        "GIT_SSL_KEY",
        "GIT_SSL_NO_VERIFY",
        "ARGOCD_GIT_BEARER_AUTH_HEADER",
        "GIT_CONFIG_GLOBAL",
    ];
    let mut env: Vec<(String, OsString)> = Vec::new();
    for name in PASSED {
        env.extend(std::env::var_os(name).map(|value| (name.to_owned(), value)));
    }
    for (name, value) in request.filtered(|name| GIT.contains(&name)) {
        env.push((name.to_owned(), value.into()));
    }
    let home = |part: &str| home.join(part).into_os_string();
    env.extend([
        ("HOME".to_owned(), home("home")),
        ("XDG_CACHE_HOME".to_owned(), home("cache")),
        ("XDG_CONFIG_HOME".to_owned(), home("config")),
        ("XDG_DATA_HOME".to_owned(), home("data")),
        ("HELM_CONFIG_HOME".to_owned(), home("config")),
        ("KUSTOMIZE_PLUGIN_HOME".to_owned(), home("plugin")),
    ]);
    env
}

fn finish(program: String, status: ExitStatus, out: Vec<u8>, err: &[u8]) -> Result<String, ProcessError> {
    let stderr = String::from_utf8_lossy(err).trim().to_owned();
    if !status.success() {
        let stderr = if stderr.is_empty() {
            status.to_string()
        } else {
            stderr
        };
        return Err(ProcessError::Failed { program, stderr });
    }
    if !stderr.is_empty() {
        tracing::debug!(program, stderr, "a child has written warnings");
    }
    String::from_utf8(out).map_err(|_| ProcessError::Failed {
        program,
        stderr: "it wrote text that is not UTF-8".into(),
    })
}

/// Reads up to one byte more than `most`; the rest stays in the pipe and the child is ended.
async fn read(pipe: impl AsyncRead + Unpin, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A pipe that breaks has ended; the child's status says why.
    let _ = pipe.take(most as u64 + 1).read_to_end(&mut bytes).await;
    bytes
}

async fn join(read: Option<impl Future<Output = Vec<u8>>>) -> Vec<u8> {
    match read {
        Some(read) => read.await,
        None => Vec::new(),
    }
}

async fn before<T>(
    at: Option<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, tokio::time::error::Elapsed> {
    match at {
        Some(at) => tokio::time::timeout_at(at, work).await,
        None => Ok(work.await),
    }
}

/// When a child is asked to end, so that it can before the deadline.
fn grace(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline - (left / 10).min(Duration::from_secs(1))
}

/// A child's process group. Dropping it kills what is left of the group.
struct Group(Option<u32>);

impl Group {
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self
            .0
            .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            // An error means that the group has ended.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::KILL);
    }
}

/// The lines of an error that say what is wrong, in one.
fn last_words(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim).filter(|l| !l.is_empty());
    let said: Vec<_> = lines
        .map(|l| l.strip_prefix("Error: ").unwrap_or(l))
        .filter(|l| !(l.starts_with("WARNING") || l.starts_with("# Warning") || l.starts_with("level=")))
        .collect();
    let text = if said.is_empty() {
        stderr.trim().to_owned()
    } else {
        said.join("; ")
    };
    match text.char_indices().nth(2000) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'c>(script: &str, folder: &'c Path, deadline: Option<Duration>) -> Call<'c> {
        Call {
            program: "sh",
            args: vec!["-c".into(), script.into()],
            folder,
            env: vec![("PATH".into(), std::env::var_os("PATH").unwrap())],
            deadline: deadline.map(|d| Instant::now() + d),
        }
    }

    #[tokio::test]
    async fn output_and_failure() {
        let runner = Runner::new(2, 100);
        let here = Path::new("/");
        assert_eq!(
            runner
                .run(call("echo hi; echo warn >&2", here, None))
                .await
                .unwrap(),
            "hi\n"
        );
        let failed = runner
            .run(call(
                "echo 'WARNING: x' >&2; echo 'Error: no chart' >&2; exit 1",
                here,
                None,
            ))
            .await;
        assert_eq!(failed.unwrap_err().to_string(), "sh -c failed: no chart");
        let much = runner.run(call("yes", here, None)).await.unwrap_err();
        assert!(matches!(much, ProcessError::TooMuch { most: 100, .. }), "{much}");
        let none = Call {
            program: "no-such-program",
            ..call("", here, None)
        };
        assert!(
            runner
                .run(none)
                .await
                .unwrap_err()
                .to_string()
                .starts_with("no-such-program cannot be started")
        );
    }

    #[tokio::test]
    async fn the_environment_is_clean() {
        let text = Runner::new(1, 1 << 16)
            .run(call("env", Path::new("/"), None))
            .await
            .unwrap();
        let names: Vec<_> = text
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|(n, _)| n)
            .collect();
        assert!(
            names
                .iter()
                .all(|n| ["PATH", "PWD", "SHLVL", "_", "OLDPWD"].contains(n)),
            "{names:?}"
        );
    }

    /// Real time, but no more than the deadline of 300 ms: what is measured is the kernel's end of a process group.
    #[tokio::test]
    async fn the_whole_group_ends_before_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; (trap '' TERM; echo $BASHPID $$ > pid; exec sleep 1000) & echo $! > child; wait; sleep 1000";
        let started = Instant::now();
        let ended = Runner::new(1, 100)
            .run(call(script, folder.path(), Some(Duration::from_millis(300))))
            .await;
        assert!(matches!(ended, Err(ProcessError::Deadline { .. })));
        assert!(started.elapsed() < Duration::from_secs(5));
        let child: i32 = std::fs::read_to_string(folder.path().join("child"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // Killed means gone, or waiting for its new parent to notice; the kernel may take its time.
        let alive =
            || std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|s| !s.contains(") Z "));
        while alive() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "{child} is still alive"
            );
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn those_who_wait_too_long_are_told() {
        let runner = Runner::new(1, 100);
        let here = Path::new("/");
        let long = runner.run(call("sleep 10", here, None));
        let short = runner.run(call("true", here, Some(Duration::from_millis(20))));
        tokio::select! {
            biased;
            _ = long => panic!("the first holds the only slot"),
            result = short => assert!(matches!(result, Err(ProcessError::Crowded { .. }))),
        }
    }
}
