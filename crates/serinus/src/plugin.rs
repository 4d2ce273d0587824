//! The traffic router as the controller has it: an executable, started and called over go-plugin.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use rollouts_plugin::host::{Host, HostError, TrafficRouterClient};
use rollouts_plugin::types::Rollout;
use rollouts_plugin::{RpcError, Verified};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::stage::Stage;
use crate::stage::release::call::{Answer, Call, CallError, Router};

/// A running traffic router.
pub struct Plugin {
    host: Host<TrafficRouterClient>,
    client: TrafficRouterClient,
    started_in: Duration,
}

/// Why a router could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// No executable.
    #[error("{0} is not an executable file; name the traffic router with --plugin")]
    Missing(PathBuf),
    /// It does not start, or does not speak the protocol.
    #[error(transparent)]
    Host(#[from] HostError),
    /// `InitPlugin` failed.
    #[error("InitPlugin: {0}")]
    Init(RpcError),
}

impl Plugin {
    /// Starts the executable with the stage's API as its cluster, and initialises it as the controller does
    /// (Go: `rollout/trafficrouting/plugin/client/client.go` `startPlugin`).
    pub async fn start(
        program: &Path,
        args: &[OsString],
        env: &[(String, String)],
        stage: &Stage,
    ) -> Result<Self, PluginError> {
        if !program.is_file() {
            return Err(PluginError::Missing(program.to_owned()));
        }
        let began = Instant::now();
        let mut launch = Host::traffic_router(program).env("KUBECONFIG", stage.kubeconfig());
        launch.command.args(args);
        for (name, value) in env {
            launch.command.env(name, value);
        }
        // A rehearsal inside a cluster must not reach for that cluster.
        launch.command.env_remove("KUBERNETES_SERVICE_HOST");
        launch.options.unix_socket_dir = Some(stage.folder().to_owned());
        let host = launch.start().await?;
        let client = host.connect().await?;
        client.init().await.map_err(PluginError::Init)?;
        Ok(Self {
            host,
            client,
            started_in: began.elapsed(),
        })
    }

    /// From starting the process to the answer of `InitPlugin`.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Resident memory, bytes; `None` where the system does not tell (Linux's /proc does).
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.host.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    /// Ends it as the controller would, and says whether it ended well.
    pub async fn quit(self) -> Result<(), HostError> {
        self.host.quit().await.map(drop)
    }

    async fn ask(&self, rollout: &Value, call: &Call) -> Result<Answer, CallError> {
        let rollout: Rollout = typed(rollout)?;
        let client = &self.client;
        let done = match call {
            Call::Type => {
                // The controller makes sure that the plugin is there before each reconcile (`GetTrafficPlugin`).
                self.host
                    .ping()
                    .await
                    .map_err(|error| said(&RpcError::chain(&error)))?;
                return client.kind().await.map(Answer::Kind).map_err(|e| said(&e));
            }
            Call::VerifyWeight(weight) => {
                let verified = client
                    .verify_weight(&rollout, *weight, &[])
                    .await
                    .map_err(|e| said(&e))?;
                return Ok(Answer::Verified(match verified {
                    Verified::Verified => Some(true),
                    Verified::NotVerified => Some(false),
                    Verified::NotImplemented => None,
                }));
            }
            Call::RemoveManagedRoutes => client.remove_managed_routes(&rollout).await,
            Call::SetHeaderRoute(route) => client.set_header_route(&rollout, &typed(route)?).await,
            Call::SetMirrorRoute(route) => client.set_mirror_route(&rollout, &typed(route)?).await,
            Call::UpdateHash { canary, stable } => client.update_hash(&rollout, canary, stable, &[]).await,
            Call::SetWeight(weight) => client.set_weight(&rollout, *weight, &[]).await,
        };
        done.map(|()| Answer::Done).map_err(|e| said(&e))
    }
}

impl Router for Plugin {
    fn call<'a>(&'a self, rollout: &'a Value, call: &'a Call) -> BoxFuture<'a, Result<Answer, CallError>> {
        self.ask(rollout, call).boxed()
    }
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, CallError> {
    serde_json::from_value(value.clone()).map_err(|e| CallError(format!("cannot be sent: {e}")))
}

fn said(error: &RpcError) -> CallError {
    CallError(error.to_string())
}
