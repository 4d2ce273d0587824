//! Contour: its control plane and one Envoy.
//!
//! One Gateway is its own by name, so that nothing has to be provisioned. The Envoy is as its authors build it, with the
//! configuration that Contour writes for it.

mod live;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::credentials::ADMIN;
use super::gateway::{GATEWAY_NAMESPACE, Gateway, LiveRoute};
use super::proxy::Proxy;
use super::{Ground, control_plane, envoy_dump};
use crate::cluster::Cluster;
use crate::process::Process;
use crate::traffic;
use crate::wait::Seen;

/// The namespace of its locks.
pub(super) const NAMESPACE: &str = "projectcontour";

const NAME: &str = "contour";
const PROXY: &str = "contour-envoy";

/// Where Envoys get their configuration.
const DISCOVERY: (&str, &str) = ("127.0.0.1", "18101");
/// Its own state. Its defaults are ports of every address which others want.
const STATE: (&str, &str) = ("127.0.0.1", "18102");
/// Where its Envoy tells about itself.
const ADMINISTRATION: &str = "127.0.0.1:9001";

/// The running gateway.
#[derive(Debug)]
pub struct Contour {
    control_plane: Process,
    proxy: Proxy,
}

impl Contour {
    pub(super) async fn start(ground: &Ground, cluster: &Cluster) -> Result<Self> {
        control_plane::define(ground, cluster, NAME, "01-crds", ".yaml").await?;
        let folder = ground.folder.join(PROXY);
        std::fs::create_dir_all(&folder)?;
        let file = |name: &str| folder.join(name).display().to_string();
        let config = json!({"gateway": {"gatewayRef": {"namespace": GATEWAY_NAMESPACE, "name": Gateway::Contour.name()}}});
        std::fs::write(file("contour.yaml"), config.to_string())?;
        let objects = Gateway::Contour.objects(NAME, "projectcontour.io/gateway-controller");
        cluster.apply_all("", &objects).await?;
        let control_plane = ground
            .start(
                NAME,
                &[
                    "serve",
                    &format!("--kubeconfig={}", ground.credentials.kubeconfig(&ADMIN).display()),
                    &format!("--config-path={}", file("contour.yaml")),
                    "--disable-leader-election",
                    // In versions of the Gateway API that are no longer served.
                    "--disable-feature=tlsroutes",
                    "--disable-feature=tcproutes",
                    "--disable-feature=backendtlspolicies",
                    // Without certificates.
                    "--insecure",
                    &format!("--xds-address={}", DISCOVERY.0),
                    &format!("--xds-port={}", DISCOVERY.1),
                    &format!("--health-address={}", STATE.0),
                    &format!("--health-port={}", STATE.1),
                    &format!("--http-address={}", STATE.0),
                    &format!("--http-port={}", STATE.1),
                    "--stats-address=127.0.0.1",
                    "--stats-port=18103",
                    "--debug-http-port=18104",
                ],
                &[("CONTOUR_NAMESPACE", NAMESPACE)],
            )
            .await?;
        let state = format!("http://{}:{}/healthz", STATE.0, STATE.1);
        control_plane
            .ready("Contour", async || {
                let (code, body) = traffic::fetch(&state).await?;
                Ok(Seen::when(code == 200, (), || format!("{code} {body}")))
            })
            .await?;
        let bootstrap = tokio::process::Command::new(ground.toolbox.program(NAME)?)
            .args(["bootstrap", &file("bootstrap.json")])
            .args(["--admin-address", &file("admin.sock")])
            .args(["--xds-address", DISCOVERY.0, "--xds-port", DISCOVERY.1])
            .output()
            .await?;
        ensure!(
            bootstrap.status.success(),
            "contour bootstrap: {}",
            String::from_utf8_lossy(&bootstrap.stderr)
        );
        let options = ["--service-cluster", NAMESPACE, "--service-node", PROXY];
        let bootstrap = folder.join("bootstrap.json");
        let proxy = Proxy::start(ground, PROXY, &bootstrap, &options, ADMINISTRATION).await?;
        Ok(Self { control_plane, proxy })
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> [&Process; 2] {
        [&self.control_plane, self.proxy.process()]
    }

    /// All that Envoy tells about the configuration it works with, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn live(&self) -> Result<String> {
        self.proxy.live().await
    }

    /// What the data plane works with for an HTTPRoute, without services that get nothing.
    ///
    /// # Errors
    /// When Envoy does not answer, or serves other rules than those of the route.
    pub async fn live_route(&self, route: &Value) -> Result<LiveRoute> {
        let dump = serde_json::from_str(&self.live().await?).context("Envoy's configuration")?;
        envoy_dump::parse(&dump, route, &live::ContourNames(route))
    }
}
