//! etcd, kube-apiserver and kube-controller-manager; what they must know before anything else can start.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Ground;
use super::credentials::ADMIN;
use crate::cluster::{Address, Cluster, Kind, read};
use crate::process::{Process, READY};
use crate::wait::{Seen, wait_for};

/// Storage and API server, and the connection of one who may do anything.
#[derive(Debug)]
pub(super) struct ControlPlane {
    pub(super) cluster: Cluster,
    pub(super) processes: Vec<Process>,
}

const ETCD: &str = "http://127.0.0.1:2379";

/// The controllers that scenes depend on. `horizontalpodautoscaler-controller` and `disruption-controller` would be
/// added here.
const CONTROLLERS: &str = "replicaset-controller,deployment-controller,endpointslice-controller,endpoints-controller,\
    garbage-collector-controller,namespace-controller,serviceaccount-controller";

impl ControlPlane {
    pub(super) async fn start(ground: &Ground) -> Result<Self> {
        let credentials = &ground.credentials;
        let file = |path: std::path::PathBuf| path.display().to_string();
        let data = file(ground.folder.join("etcd"));
        let etcd = ground
            .start(
                "etcd",
                &[
                    "--unsafe-no-fsync",
                    &format!("--data-dir={data}"),
                    &format!("--listen-client-urls={ETCD}"),
                    &format!("--advertise-client-urls={ETCD}"),
                    "--listen-peer-urls=http://127.0.0.1:2380",
                    "--log-level=warn",
                ],
                &[],
            )
            .await?;
        let api_server = ground
            .start(
                "kube-apiserver",
                &[
                    &format!("--etcd-servers={ETCD}"),
                    "--secure-port=6443",
                    "--bind-address=127.0.0.1",
                    // Not loopback, which the endpoint of the service `kubernetes` may not be.
                    "--advertise-address=10.96.255.1",
                    "--endpoint-reconciler-type=none",
                    "--service-cluster-ip-range=10.96.0.0/16",
                    &format!("--tls-cert-file={}", file(credentials.certificate())),
                    &format!("--tls-private-key-file={}", file(credentials.key())),
                    &format!("--token-auth-file={}", file(credentials.tokens())),
                    "--authorization-mode=RBAC",
                    // Pods need no service account, and nobody mounts one.
                    "--disable-admission-plugins=ServiceAccount",
                    "--service-account-issuer=https://kubernetes.default.svc",
                    &format!(
                        "--service-account-key-file={}",
                        file(credentials.service_account_public_key())
                    ),
                    &format!(
                        "--service-account-signing-key-file={}",
                        file(credentials.service_account_key())
                    ),
                ],
                &[],
            )
            .await?;
        let cluster = Cluster::connect(&credentials.kubeconfig(&ADMIN)).await?;
        api_server
            .ready("the API server to be ready", async || {
                Ok(Seen::when(cluster.is_ready().await, (), || {
                    "not ready".to_owned()
                }))
            })
            .await?;
        Ok(Self {
            cluster,
            processes: vec![etcd, api_server],
        })
    }
}

/// Starts the controllers that make pods of ReplicaSets and endpoints of services. To be called when all kinds are
/// defined: the garbage collector looks for new ones only every half minute.
pub(super) async fn start_controller_manager(ground: &Ground) -> Result<Process> {
    ground
        .start(
            "kube-controller-manager",
            &[
                &format!("--kubeconfig={}", ground.credentials.kubeconfig(&ADMIN).display()),
                "--leader-elect=false",
                "--secure-port=0",
                &format!("--controllers={CONTROLLERS}"),
                // The defaults (20 and 30) would make ten releases at once wait for each other.
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ],
            &[],
        )
        .await
}

/// Applies the custom resource definitions of a module's folder and waits until the API server serves them.
pub(super) async fn define(
    ground: &Ground,
    cluster: &Cluster,
    source: &str,
    prefix: &str,
    suffix: &str,
) -> Result<()> {
    let objects = read(ground.toolbox.source(source)?, prefix, suffix)?;
    define_objects(cluster, &objects)
        .await
        .with_context(|| format!("apply the definitions of {source}"))
}

/// Applies custom resource definitions, among other objects perhaps, and waits until the API server serves them.
pub(super) async fn define_objects(cluster: &Cluster, objects: &[Value]) -> Result<()> {
    cluster.apply_all("", objects).await?;
    for object in objects
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
    {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let address = Address {
            kind: Kind::custom_resource_definition(),
            namespace: "",
            name,
        };
        wait_for(format!("{name} to be served"), READY, async || {
            let conditions = cluster.read(&address).await?["status"]["conditions"].take();
            Ok(Seen::when(is_true(&conditions, "Established"), (), || {
                conditions.to_string()
            }))
        })
        .await?;
        // Established comes a moment before discovery knows of it.
        let versions = object["spec"]["versions"].as_array().into_iter().flatten();
        for version in versions.filter(|version| version["served"] == true) {
            let group = object["spec"]["group"].as_str().unwrap_or_default();
            let version = version["name"].as_str().unwrap_or_default();
            let kind = Kind::of(&json!({
                "apiVersion": format!("{group}/{version}"), "kind": object["spec"]["names"]["kind"],
            }))?;
            wait_for(format!("{name} {version} to be known"), READY, async || {
                cluster.discover(&kind).await.map(|_| Seen::Yes(()))
            })
            .await?;
        }
    }
    Ok(())
}

/// Whether a list of conditions has the one of this type with status `True`.
pub(super) fn is_true(conditions: &Value, kind: &str) -> bool {
    let wanted = json!(kind);
    conditions
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == wanted && one["status"] == "True")
}
