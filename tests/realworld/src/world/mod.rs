//! One world: an API server with its storage and controllers, pods, a gateway and the Argo Rollouts controller.

pub mod argocd;
mod contour;
mod control_plane;
pub mod credentials;
mod data_plane;
mod diagnostics;
mod envoy;
mod envoy_dump;
mod gateway;
mod istio;
mod proxy;
mod rollouts;
mod traefik;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::console;
use crate::kubelet::Kubelet;
use crate::plan::Plan;
use crate::process::{Launch, Process};
use crate::tools::Toolbox;
use control_plane::ControlPlane;
use credentials::Credentials;

pub use contour::Contour;
pub use data_plane::DataPlane;
pub use envoy::EnvoyGateway;
pub use gateway::{GATEWAY_NAMESPACE, Gateway, LiveRoute};
pub use istio::Istio;
pub use rollouts::{PluginKind, Registration, RolloutsController};
pub use traefik::Traefik;

/// The definitions of Gateway API's experimental channel.
const EXPERIMENTAL: &str = "gateway-api-experimental";

/// A running world.
#[derive(Debug)]
pub struct World {
    /// What it was started from.
    pub plan: Plan,
    /// The API server, as one who may do anything.
    pub cluster: Cluster,
    /// Who may talk to the API server.
    pub credentials: Credentials,
    /// The stand-in for the kubelet.
    pub kubelet: Kubelet,
    /// The Argo Rollouts controller with its plugins.
    pub controller: RolloutsController,
    /// The gateways of its plan.
    pub gateways: BTreeMap<Gateway, DataPlane>,
    control_plane: Vec<Process>,
}

/// What programs are started with.
pub(crate) struct Ground {
    toolbox: Toolbox,
    folder: PathBuf,
    credentials: Credentials,
}

impl Ground {
    /// Starts a program of the table of tools, in a folder of its own.
    async fn start(&self, name: &str, args: &[&str], env: &[(&str, &str)]) -> Result<Process> {
        self.start_as(name, name, args, env).await
    }

    /// Starts the program `program` under the shorter `name`.
    async fn start_as(
        &self,
        name: &str,
        program: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Process> {
        self.start_command(name, self.toolbox.program(program)?, args, env)
            .await
    }

    /// Starts an executable that is not in the table of tools.
    async fn start_command(
        &self,
        name: &str,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Process> {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Process::start(Launch {
            name: name.to_owned(),
            program: program.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env.collect::<BTreeMap<_, _>>(),
            folder: self.folder.join(name),
            logs: self.folder.join("logs"),
        })
        .await
    }
}

impl World {
    /// Starts everything and waits until it is ready. Call it inside of the namespace ([`crate::private`]).
    ///
    /// # Errors
    /// When a program does not start or does not become ready; its log is in the plan's folder.
    pub async fn start(plan: Plan, registrations: &[Registration]) -> Result<Self> {
        let begin = Instant::now();
        let speaker = format!("{} world", plan.controller);
        let tell = |what: &str| {
            console::say(
                &speaker,
                &format!("{what} ({:.1} s)", begin.elapsed().as_secs_f64()),
            );
        };
        let ground = Ground {
            toolbox: plan.toolbox.clone(),
            folder: plan.folder.clone(),
            credentials: Credentials::make(&plan)?,
        };
        let ControlPlane {
            cluster,
            mut processes,
        } = ControlPlane::start(&ground).await?;
        tell("etcd and kube-apiserver are up");
        let rollouts = format!("argo-rollouts-{}", plan.controller);
        for namespace in [
            rollouts::NAMESPACE,
            GATEWAY_NAMESPACE,
            envoy::NAMESPACE,
            contour::NAMESPACE,
            istio::NAMESPACE,
        ] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            cluster.apply("", &namespace).await?;
        }
        let (kubelet, ..) = futures::try_join!(
            Kubelet::start(cluster.clone()),
            control_plane::define(&ground, &cluster, "gateway-api", "gateway", ".yaml"),
            // What the standard channel does not have.
            control_plane::define(
                &ground,
                &cluster,
                EXPERIMENTAL,
                "gateway.networking.k8s.io_tcp",
                ".yaml"
            ),
            control_plane::define(
                &ground,
                &cluster,
                EXPERIMENTAL,
                "gateway.networking.k8s.io_udp",
                ".yaml"
            ),
            control_plane::define(&ground, &cluster, &rollouts, "", "-crd.yaml"),
        )?;
        processes.push(control_plane::start_controller_manager(&ground).await?);
        tell("the kubelet stand-in runs, Gateway API and Argo Rollouts are defined");
        let gateways = plan.gateways.iter().map(async |gateway| {
            let running = DataPlane::start(*gateway, &ground, &cluster).await?;
            anyhow::Ok((*gateway, running))
        });
        let (controller, gateways) = futures::try_join!(
            RolloutsController::start(&ground, &plan, &cluster, registrations),
            futures::future::try_join_all(gateways),
        )?;
        let names = plan.gateways.iter().map(|gateway| format!(", {gateway:?}"));
        tell(&format!(
            "Argo Rollouts {}{} are ready",
            plan.controller,
            names.collect::<String>()
        ));
        Ok(Self {
            plan,
            cluster,
            credentials: ground.credentials,
            kubelet,
            controller,
            gateways: gateways.into_iter().collect(),
            control_plane: processes,
        })
    }

    /// Ends the controller as a supervisor would and sees that its plugins end with it; then all the rest.
    ///
    /// # Errors
    /// When a program had ended by itself before, or a plugin or a socket of one outlives the controller.
    pub async fn stop(&self) -> Result<()> {
        for process in self.processes() {
            if let Some(status) = process.ended().await {
                bail!("{} ended by itself: {status}", process.name());
            }
        }
        self.controller.stop().await?;
        self.kubelet.stop();
        for process in self.processes().rev() {
            // Storage is thrown away: nothing needs to be written in order.
            process.kill().await?;
        }
        Ok(())
    }

    /// What a gateway's data plane works with for an HTTPRoute, without services that get nothing.
    ///
    /// # Errors
    /// When the world has no such gateway, or it does not answer.
    pub async fn live_route(&self, gateway: Gateway, route: &Value) -> Result<LiveRoute> {
        let running = self.gateways.get(&gateway);
        let running = running.with_context(|| format!("this world has no {gateway:?}"))?;
        running.live_route(route).await
    }

    /// The processes, in the order of their start.
    fn processes(&self) -> impl DoubleEndedIterator<Item = &Process> {
        self.control_plane
            .iter()
            .chain(self.gateways.values().flat_map(DataPlane::processes))
            .chain([self.controller.process()])
    }
}
