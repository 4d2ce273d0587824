//! A server of ours as a process, and a client for it.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use canary_steps::generated::plugin::app_stream_request::Request;
use canary_steps::generated::plugin::config_management_plugin_service_client::ConfigManagementPluginServiceClient;
use canary_steps::generated::plugin::{AppStreamRequest, EnvEntry, File, ManifestRequestMetadata};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tonic::transport::{Channel, Endpoint, Uri};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_argocd-cmp-canary-steps");

/// A running `serve`; ended when dropped.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), args)
    }

    pub(crate) fn start_in(folder: tempfile::TempDir, args: &[&str]) -> Server {
        std::fs::create_dir_all(folder.path().join("work")).unwrap();
        let child = Command::new(BINARY)
            .arg("serve")
            .args(args)
            .env("ARGOCD_PLUGINSOCKFILEPATH", folder.path())
            .env("ARGOCD_CMP_WORKDIR", folder.path().join("work"))
            .env("CANARY_STEPS_LOG_LEVEL", "error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { child, folder };
        server.wait_for("the socket", |s| {
            std::os::unix::net::UnixStream::connect(s.socket()).is_ok()
        });
        server
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("canary-steps@v1.sock")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Files and folders that requests have left.
    pub(crate) fn left_on_disk(&self) -> usize {
        let work = self.folder.path().join("work/_canary-steps@v1");
        std::fs::read_dir(work).map_or(0, Iterator::count)
    }

    /// Waits for something that another process does, and asks again and again; blocks its thread.
    pub(crate) fn wait_for(&self, what: &str, mut done: impl FnMut(&Server) -> bool) {
        let started = Instant::now();
        while !done(self) {
            assert!(started.elapsed() < Duration::from_secs(30), "{what} did not come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) async fn client(&self) -> ConfigManagementPluginServiceClient<Channel> {
        ConfigManagementPluginServiceClient::new(channel(&self.socket()).await)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn channel(socket: &Path) -> Channel {
    let socket = socket.to_owned();
    let connect = move |_: Uri| {
        let socket = socket.clone();
        async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
    };
    Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(connect))
        .await
        .unwrap()
}

/// The gzipped tar of some files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// The first message for an archive.
pub(crate) fn metadata(archive: &[u8], app: &str, env: &[(&str, &str)]) -> AppStreamRequest {
    let entry = |(name, value): &(&str, &str)| EnvEntry {
        name: (*name).into(),
        value: (*value).into(),
    };
    message(Request::Metadata(ManifestRequestMetadata {
        app_name: "ignored".into(),
        app_rel_path: app.into(),
        checksum: Sha256::digest(archive)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        size: archive.len().try_into().unwrap(),
        env: env.iter().map(entry).collect(),
    }))
}

pub(crate) fn message(request: Request) -> AppStreamRequest {
    AppStreamRequest {
        request: Some(request),
    }
}

pub(crate) fn chunk(bytes: &[u8]) -> AppStreamRequest {
    message(Request::File(File {
        chunk: bytes.to_vec(),
    }))
}

/// All messages for an archive, in pieces of 1 KiB as Argo CD sends them.
pub(crate) fn messages(archive: &[u8], app: &str, env: &[(&str, &str)]) -> Vec<AppStreamRequest> {
    let mut all = vec![metadata(archive, app, env)];
    all.extend(archive.chunks(1024).map(chunk));
    all
}

pub(crate) const WEB: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n  strategy:\n    canary:\n      steps:\n      - setWeight: 20\n";

/// The variable with parameters, as Argo CD sends it.
pub(crate) fn parameters(pairs: &[(&str, &str)]) -> String {
    let list: Vec<_> = pairs
        .iter()
        .map(|(n, v)| serde_json::json!({"name": n, "string": v}))
        .collect();
    serde_json::to_string(&list).unwrap()
}
