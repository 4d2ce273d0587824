//! The embedded stage: a Kubernetes API, a gateway that obeys it, an application in several versions, and the
//! controller's part played around a traffic router. Everything is in this process, on 127.0.0.1, and gone with it.

pub mod api;
pub mod app;
pub mod gateway;
pub mod http;
pub mod release;
pub mod workload;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use self::api::Api;
use self::gateway::Gateway;
use self::http::Server;
use self::workload::Workload;

/// How the stage is set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Namespace of the Rollout.
    pub namespace: String,
    /// From a pod asked for to a ready pod.
    pub pod_start_delay: Duration,
    /// The gateway.
    pub gateway: gateway::Config,
}

/// The stage.
#[derive(Debug)]
pub struct Stage {
    /// The objects.
    pub api: Api,
    /// The pods.
    pub workload: Workload,
    /// The gateway.
    pub gateway: Gateway,
    server: Server,
    folder: TempDir,
}

impl Stage {
    /// Sets the stage; it is empty but for its namespace.
    pub async fn start(config: &Config) -> io::Result<Self> {
        let api = Api::default();
        let server = api.serve().await?;
        let folder = tempfile::Builder::new().prefix("serinus-").tempdir()?;
        api::kubeconfig::write(
            &folder.path().join("kubeconfig"),
            &server.url(),
            &config.namespace,
        )?;
        let workload = Workload::start(&api, &config.namespace, config.pod_start_delay);
        let gateway = Gateway::start(&api, &config.gateway).await?;
        Ok(Self {
            api,
            workload,
            gateway,
            server,
            folder,
        })
    }

    /// The file by which a plugin finds the API: its `KUBECONFIG`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// A folder for the run, removed with the stage.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the API listens.
    pub fn api_url(&self) -> String {
        self.server.url()
    }
}
