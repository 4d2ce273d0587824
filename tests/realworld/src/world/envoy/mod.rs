//! Envoy Gateway, and the Envoy that it starts.
//!
//! Its provider `Custom` reads the Gateway API from the API server and runs Envoy as a child process (`Host`), so that
//! no container is needed. It would download Envoy; the one that it looks for first is ours ([`crate::tools`]).

mod live;
mod root;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::credentials::ADMIN;
use super::gateway::{GATEWAY_NAMESPACE, Gateway, LiveRoute};
use super::{Ground, control_plane, envoy_dump};
use crate::cluster::{Address, Cluster, Kind, parse};
use crate::process::Process;
use crate::tools::ENVOY;
use crate::traffic;
use crate::wait::Seen;

/// The namespace of its secrets.
pub(super) const NAMESPACE: &str = "envoy-gateway-system";

const NAME: &str = "envoy-gateway";

/// The running gateway.
#[derive(Debug)]
pub struct EnvoyGateway {
    process: Process,
    folder: PathBuf,
}

impl EnvoyGateway {
    pub(super) async fn start(ground: &Ground, cluster: &Cluster) -> Result<Self> {
        // Inside of the controller's folder, beside its log.
        let folder = ground.folder.join(NAME);
        define(ground, cluster).await?;
        certify(ground, cluster, &folder).await?;
        let root = folder.join("root");
        root::with_certificates(&root, &certificates(&folder).join(NAME))?;
        install(ground, &folder)?;
        let config = folder.join("envoy-gateway.json");
        std::fs::write(&config, configuration(&folder).to_string())?;
        let text = |path: &Path| path.display().to_string();
        let process = ground
            .start_command(
                NAME,
                Path::new("chroot"),
                &[
                    &text(&root),
                    &text(ground.toolbox.program(NAME)?),
                    "server",
                    "--config-path",
                    &text(&config),
                ],
                &[
                    ("KUBECONFIG", &text(&ground.credentials.kubeconfig(&ADMIN))),
                    ("ENVOY_GATEWAY_NAMESPACE", NAMESPACE),
                ],
            )
            .await?;
        let gateway = Self { process, folder };
        let objects = Gateway::Envoy.objects("envoy", "gateway.envoyproxy.io/gatewayclass-controller");
        cluster.apply_all("", &objects).await?;
        gateway.ready(cluster).await?;
        Ok(gateway)
    }

    /// Its process; Envoy is a child of it.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All that Envoy tells about the configuration it works with, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn live(&self) -> Result<String> {
        envoy_dump::fetch(&self.administration()?).await
    }

    /// What the data plane works with for an HTTPRoute, without services that get nothing.
    ///
    /// # Errors
    /// When Envoy does not answer, or serves other rules than those of the route.
    pub async fn live_route(&self, route: &Value) -> Result<LiveRoute> {
        live::parse(&serde_json::from_str(&self.live().await?)?, route)
    }

    /// Waits until requests reach Envoy's listener. The condition `Programmed` of the Gateway is about a Deployment of
    /// Envoy, which there is not.
    async fn ready(&self, cluster: &Cluster) -> Result<()> {
        let gateway = Address {
            kind: Kind::gateway(),
            namespace: GATEWAY_NAMESPACE,
            name: Gateway::Envoy.name(),
        };
        self.process
            .ready(
                "Envoy Gateway to accept the Gateway and Envoy to listen",
                async || {
                    let status = cluster.read(&gateway).await?["status"].take();
                    if !control_plane::is_true(&status["conditions"], "Accepted") {
                        return Ok(Seen::Not(status.to_string()));
                    }
                    // No route is there: Envoy answers 404 itself.
                    let (code, body) =
                        traffic::fetch(&format!("http://{}/", Gateway::Envoy.address())).await?;
                    Ok(Seen::when(code == 404, (), || format!("{code} {body}")))
                },
            )
            .await
    }

    /// The address of Envoy's administration interface, on a port of its own choice.
    fn administration(&self) -> Result<String> {
        let runs = self.folder.join("runtime");
        let run = std::fs::read_dir(&runs)
            .with_context(|| format!("read {}", runs.display()))?
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .map(std::fs::DirEntry::path)
            .max()
            .context("Envoy Gateway has not started Envoy yet")?;
        let file = run.join("admin-address.txt");
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
    }
}

/// Applies Envoy Gateway's own definitions: templates whose only directives are a condition around the whole.
async fn define(ground: &Ground, cluster: &Cluster) -> Result<()> {
    let mut objects = Vec::new();
    let folder = ground.toolbox.source(NAME)?;
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let file = entry?.path();
        let text = std::fs::read_to_string(&file)?;
        let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with("{{")).collect();
        objects.extend(parse(&plain.join("\n")).with_context(|| format!("parse {}", file.display()))?);
    }
    control_plane::define_objects(cluster, &objects).await
}

/// Makes the certificates with which Envoy and its control plane know each other, and the secrets that the latter
/// asks for.
async fn certify(ground: &Ground, cluster: &Cluster, folder: &Path) -> Result<()> {
    let home = folder.display().to_string();
    let maker = ground
        .start_as(
            "envoy-gateway-certgen",
            NAME,
            &["certgen", "--local", "--config-home", &home],
            &[],
        )
        .await?;
    let made = maker
        .ready("Envoy Gateway's certificates", async || {
            Ok(Seen::<()>::Not("still at it".to_owned()))
        })
        .await;
    let certificates = certificates(folder);
    // It ends when it is done, and a program that ends is an error to `ready`.
    if let (Err(error), false) = (made, certificates.is_dir()) {
        return Err(error);
    }
    let read = |file: &str| {
        let file = certificates.join(file);
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
    };
    let secret = |name: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data,
        })
    };
    let mut secrets = vec![secret(
        "envoy-oidc-hmac",
        json!({"hmac-secret": "0123456789abcdef0123456789abcdef"}),
    )];
    for name in [NAME, "envoy"] {
        let mut data = json!({});
        for file in ["ca.crt", "tls.crt", "tls.key"] {
            data[file] = json!(read(&format!("{name}/{file}"))?);
        }
        secrets.push(secret(name, data));
    }
    cluster.apply_all("", &secrets).await
}

/// Where `certgen` puts certificates, by who uses them.
fn certificates(folder: &Path) -> PathBuf {
    folder.join("certs")
}

/// Puts our Envoy where Envoy Gateway (func-e) looks before it downloads one, and says which version it is:
/// `extractSemver` of its `internal/infrastructure/host` does not find that in an image's name with a digest.
fn install(ground: &Ground, folder: &Path) -> Result<()> {
    std::fs::write(folder.join("envoy-version"), ENVOY.version)?;
    let folder = folder.join(format!("data/envoy-versions/{}/bin", ENVOY.version));
    std::fs::create_dir_all(&folder)?;
    std::os::unix::fs::symlink(ground.toolbox.program(ENVOY.name)?, folder.join("envoy"))?;
    Ok(())
}

fn configuration(folder: &Path) -> Value {
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": {
            "resource": {"type": "Kubernetes", "kubernetes": {"leaderElection": {"disable": true}}},
            "infrastructure": {"type": "Host", "host": {
                "configHome": folder, "dataHome": folder.join("data"), "stateHome": folder.join("state"),
                "runtimeDir": folder.join("runtime"),
            }},
        }},
    })
}
