//! Istio: its control plane and the sidecar of one client, so that routes can attach to Services.
//!
//! The sidecar is Envoy as its authors build it; what only Istio's own build of it knows is switched off. No packets are
//! redirected to it (Istio's interception mode `NONE`): it listens itself at each port that a Service has, and the `Host`
//! header says which Service is meant.

mod live;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::credentials::ADMIN;
use super::gateway::LiveRoute;
use super::proxy::Proxy;
use super::{Ground, control_plane, envoy_dump};
use crate::cluster::Cluster;
use crate::process::Process;
use crate::traffic;
use crate::wait::Seen;

/// The namespace of its secrets and locks.
pub(super) const NAMESPACE: &str = "istio-system";

const NAME: &str = "istiod";
const SIDECAR: &str = "istio-sidecar";

/// Where the control plane serves: its readiness, and what sidecars work with. Its defaults listen on every address,
/// port 8080 among them, which pods want.
const STATE: &str = "127.0.0.1:18092";
const DISCOVERY: &str = "127.0.0.1:15010";
/// Where the sidecar tells about itself.
const ADMINISTRATION: &str = "127.0.0.1:15000";

/// Certificates would have to come from an agent beside the sidecar. The control plane gives each route that it sees a
/// status, also those of other gateways; namespaces with [`super::Gateway::labels`] are hidden from it.
const MESH_CONFIG: &str = "\
enableAutoMtls: false
discoverySelectors:
- matchExpressions:
  - {key: istio-discovery, operator: NotIn, values: [disabled]}
";

/// The running mesh.
#[derive(Debug)]
pub struct Istio {
    control_plane: Process,
    sidecar: Proxy,
}

impl Istio {
    pub(super) async fn start(ground: &Ground, cluster: &Cluster) -> Result<Self> {
        control_plane::define(ground, cluster, "istio", "crd-all", ".yaml").await?;
        let folder = ground.folder.join(SIDECAR);
        std::fs::create_dir_all(&folder)?;
        let (mesh_config, config) = (folder.join("mesh.yaml"), folder.join("bootstrap.json"));
        std::fs::write(&mesh_config, MESH_CONFIG)?;
        std::fs::write(&config, bootstrap().to_string())?;
        let control_plane = ground
            .start(
                NAME,
                &[
                    "discovery",
                    &format!("--kubeconfig={}", ground.credentials.kubeconfig(&ADMIN).display()),
                    &format!("--meshConfig={}", mesh_config.display()),
                    &format!("--httpAddr={STATE}"),
                    &format!("--grpcAddr={DISCOVERY}"),
                    "--httpsAddr=127.0.0.1:15017",
                    "--secureGRPCAddr=127.0.0.1:15012",
                    "--monitoringAddr=127.0.0.1:15014",
                    "--ctrlz_port=0",
                ],
                &[
                    ("POD_NAMESPACE", NAMESPACE),
                    ("POD_NAME", NAME),
                    // What only Istio's build of Envoy knows.
                    ("PILOT_ENABLE_ALPN_FILTER", "false"),
                    ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
                    // Pods and webhooks that it would care for are not here.
                    ("PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER", "false"),
                    ("PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER", "false"),
                    ("INJECTION_WEBHOOK_CONFIG_NAME", ""),
                    ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
                ],
            )
            .await?;
        control_plane
            .ready("Istio's control plane", async || {
                let (code, body) = traffic::fetch(&format!("http://{STATE}/ready")).await?;
                Ok(Seen::when(code == 200, (), || format!("{code} {body}")))
            })
            .await?;
        let sidecar = Proxy::start(ground, SIDECAR, &config, &[], ADMINISTRATION).await?;
        Ok(Self {
            control_plane,
            sidecar,
        })
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> [&Process; 2] {
        [&self.control_plane, self.sidecar.process()]
    }

    /// All that the sidecar tells about the configuration it works with, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn live(&self) -> Result<String> {
        self.sidecar.live().await
    }

    /// What the sidecar works with for an HTTPRoute of a Service, without services that get nothing.
    ///
    /// # Errors
    /// When it does not answer, or serves other rules than those of the route.
    pub async fn live_route(&self, route: &Value) -> Result<LiveRoute> {
        let dump = serde_json::from_str(&self.live().await?).context("the sidecar's configuration")?;
        envoy_dump::parse(&dump, route, &live::IstioNames(route))
    }
}

/// What a sidecar of a pod would be started with (Istio's `tools/packaging/common/envoy_bootstrap.json`), cut down to
/// how it finds its control plane.
fn bootstrap() -> Value {
    let from_control_plane = json!({"ads": {}, "resource_api_version": "V3"});
    let (host, port) = DISCOVERY.split_once(':').unwrap_or_default();
    let (admin, admin_port) = ADMINISTRATION.split_once(':').unwrap_or_default();
    let at = |host: &str, port: &str| json!({"socket_address": {"address": host, "port_value": port.parse::<u16>().ok()}});
    json!({
        "node": {
            "id": format!("sidecar~127.0.0.1~client.{NAMESPACE}~{NAMESPACE}.svc.cluster.local"),
            "cluster": format!("client.{NAMESPACE}"),
            "metadata": {
                "NAME": "client", "NAMESPACE": NAMESPACE, "CLUSTER_ID": "Kubernetes",
                "INTERCEPTION_MODE": "NONE",
            },
        },
        "admin": {"address": at(admin, admin_port)},
        // As the agent beside a sidecar sets it.
        "layered_runtime": {"layers": [{
            "name": "global config", "static_layer": {"re2.max_program_size.error_level": "32768"},
        }]},
        "dynamic_resources": {
            "lds_config": from_control_plane,
            "cds_config": from_control_plane,
            "ads_config": {
                "api_type": "GRPC", "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": "control-plane"}}],
            },
        },
        "static_resources": {"clusters": [{
            "name": "control-plane", "type": "STATIC",
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "control-plane", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": at(host, port)}},
            ]}]},
        }]},
    })
}
