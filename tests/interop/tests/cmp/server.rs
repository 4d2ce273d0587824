//! Our server as a process, and Argo CD's client as another.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use interop::go_package;
use serde_json::Value;

/// Our plugin.
pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_canary-steps");

/// A running `serve`; ended when dropped.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts one with `tools`, folders of programs, before its own `PATH`.
    pub(crate) fn start(args: &[&str], tools: &[&Path]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        let child = Command::new(OURS)
            .arg("serve")
            .args(args)
            .env("ARGOCD_PLUGINSOCKFILEPATH", folder.path())
            .env("ARGOCD_CMP_WORKDIR", folder.path().join("work"))
            .env("CANARY_STEPS_LOG_LEVEL", "error")
            .env("PATH", path(tools))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, folder };
        server.wait_for("the socket", || {
            std::os::unix::net::UnixStream::connect(server.socket()).is_ok()
        });
        server
    }

    /// The folder in which Argo CD looks for sockets.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("canary-steps@v1.sock")
    }

    /// Waits until nothing of any request is left on the disk.
    pub(crate) fn is_clean(&self) {
        let work = self.folder.path().join("work/_canary-steps@v1");
        self.wait_for("an empty folder", || {
            std::fs::read_dir(&work).unwrap().count() == 0
        });
    }

    fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{what} did not come: process {}",
                self.child.id()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `PATH` with `tools` in front.
pub(crate) fn path(tools: &[&Path]) -> std::ffi::OsString {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let tools = tools.iter().map(|tool| tool.to_path_buf());
    std::env::join_paths(tools.chain(std::env::split_paths(&own))).unwrap()
}

/// Argo CD's client.
pub(crate) struct Client(PathBuf);

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) json: Value,
    pub(crate) succeeded: bool,
}

impl Client {
    /// Builds it; `None` where there is no Go.
    pub(crate) fn build() -> Option<Self> {
        go_package("cmp", ".").map(Self)
    }

    /// Calls a server: a command of `tests/interop/go/cmp/main.go` and what comes behind it.
    pub(crate) fn call(&self, server: &Server, command: &str, args: &[&str]) -> Answer {
        let output = Command::new(&self.0)
            .arg(command)
            .arg("-socket")
            .arg(server.socket())
            .args(args)
            .output()
            .unwrap();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            let text = String::from_utf8_lossy(&output.stderr);
            panic!("{command} {args:?}: {error}: {text}")
        });
        Answer {
            json,
            succeeded: output.status.success(),
        }
    }

    /// The names of the requests that no repo-server sends.
    pub(crate) fn hostile_names(&self) -> Vec<String> {
        let output = Command::new(&self.0).arg("hostiles").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}
