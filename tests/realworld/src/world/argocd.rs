//! Argo CD beside a world: repo-server, application controller and API server, all of one binary, and the plugin under
//! test as their sidecar.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{World, credentials};
use crate::cluster::{Address, Kind, read};
use crate::process::{Launch, Process};
use crate::wait::{Seen, wait_for};

/// Its namespace: objects and Applications.
pub const NAMESPACE: &str = "argocd";
/// A namespace beside its own in which Applications may be ("apps in any namespace").
pub const TEAM_NAMESPACE: &str = "team-a";
/// The plugin, as Applications name it.
pub const PLUGIN: &str = "canary-steps@v1";

const REDIS: &str = "127.0.0.1:16379";
const REPO_SERVER: &str = "127.0.0.1:18281";
/// Where its API and the dashboard are served, over plain HTTP.
pub const API: &str = "127.0.0.1:18283";

/// How long a call may take: a Save renders the manifests.
const CALL: Duration = Duration::from_secs(90);
/// How long it may take to compare an Application before it is asked again.
const REFRESH: Duration = Duration::from_secs(20);
/// How long a refresh or a sync may take.
const SYNC: Duration = Duration::from_secs(120);

/// A running Argo CD. Its programs end when it is dropped.
#[derive(Debug)]
pub struct ArgoCd {
    processes: Vec<Process>,
    cluster: crate::cluster::Cluster,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl ArgoCd {
    /// Starts all of it; the namespaces [`NAMESPACE`] and [`TEAM_NAMESPACE`] must be there.
    ///
    /// # Errors
    /// When a program does not start or does not become ready; its log is in the plan's folder.
    pub async fn start(world: &World) -> Result<Self> {
        define(world).await?;
        let folder = world.plan.folder.join("argocd");
        // Paths of sockets are limited to 107 bytes.
        let sockets = world.plan.sockets.join("cmp");
        for part in ["tls", "ssh", "gpg", "tmp", "work"] {
            std::fs::create_dir_all(folder.join(part))?;
        }
        // Beside them each socket would be taken for a plugin's.
        let askpass = world.plan.sockets.join("ask");
        std::fs::create_dir_all(&sockets)?;
        std::fs::create_dir_all(&askpass)?;
        std::fs::write(folder.join("ssh/ssh_known_hosts"), "")?;
        let mut argocd = Self {
            processes: Vec::new(),
            cluster: world.cluster.clone(),
            http: Client::builder(TokioExecutor::new()).build_http(),
        };
        let binary = world.plan.toolbox.program("argocd")?.clone();
        let plugin = world.plan.canary_steps.clone();
        let plugin = plugin.context("no Config Management Plugin in the plan")?;
        let redis = world.plan.toolbox.program("redis")?.clone();
        let work = folder.join("work").display().to_string();
        argocd.launch(world, "redis", &redis, &[REDIS], &[]).await?;
        let plugin_env = [
            ("ARGOCD_PLUGINSOCKFILEPATH", &*sockets.display().to_string()),
            ("ARGOCD_CMP_WORKDIR", &work),
        ];
        argocd
            .launch(world, "canary-steps", &plugin, &["serve"], &plugin_env)
            .await?;

        let kubeconfig = world.credentials.kubeconfig(&credentials::ADMIN);
        let place = |part: &str| folder.join(part).display().to_string();
        let common = [
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("TMPDIR", place("tmp")),
            ("ARGOCD_GPG_ENABLED", "false".to_owned()),
            ("ARGOCD_FAKE_IN_CLUSTER", "true".to_owned()),
            ("ARGOCD_TLS_DATA_PATH", place("tls")),
            ("ARGOCD_SSH_DATA_PATH", place("ssh")),
            ("ARGOCD_PLUGINSOCKFILEPATH", sockets.display().to_string()),
            (
                "ARGOCD_ASK_PASS_SOCK",
                askpass.join("ask.sock").display().to_string(),
            ),
        ];
        let dashboard = world.plan.dashboard.as_deref();
        let dashboard =
            dashboard.map_or_else(|| "/nonexistent".into(), |folder| folder.display().to_string());
        let roles: [(&str, &[&str]); 3] = [
            (
                "argocd-repo-server",
                &["--disable-tls", "--port", "18281", "--metrics-port", "18284"],
            ),
            (
                "argocd-application-controller",
                &[
                    "--metrics-port",
                    "18282",
                    "--repo-server",
                    REPO_SERVER,
                    "--repo-server-plaintext",
                    "--application-namespaces",
                    TEAM_NAMESPACE,
                    "--namespace",
                    NAMESPACE,
                ],
            ),
            (
                "argocd-server",
                &[
                    "--insecure",
                    "--disable-auth",
                    "--port",
                    "18283",
                    "--metrics-port",
                    "18285",
                    "--repo-server",
                    REPO_SERVER,
                    "--repo-server-plaintext",
                    "--staticassets",
                    &dashboard,
                    "--application-namespaces",
                    TEAM_NAMESPACE,
                    "--namespace",
                    NAMESPACE,
                ],
            ),
        ];
        for (role, args) in roles {
            let mut env: Vec<_> = common
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            env.push(("ARGOCD_BINARY_NAME", role));
            let args: Vec<_> = args.iter().copied().chain(["--redis", REDIS]).collect();
            argocd.launch(world, role, &binary, &args, &env).await?;
        }
        argocd.is_ready(&sockets.join(format!("{PLUGIN}.sock"))).await?;
        Ok(argocd)
    }

    async fn launch(
        &mut self,
        world: &World,
        name: &str,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<()> {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let process = Process::start(Launch {
            name: name.to_owned(),
            program: program.to_owned(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env.collect::<BTreeMap<_, _>>(),
            folder: world.plan.folder.join(name),
            logs: world.plan.folder.join("logs"),
        });
        self.processes.push(process.await?);
        Ok(())
    }

    async fn is_ready(&self, socket: &PathBuf) -> Result<()> {
        let named = |name: &str| {
            let found = self.processes.iter().find(|process| process.name() == name);
            found.with_context(|| format!("{name} was not started"))
        };
        named("canary-steps")?
            .ready("the plugin's socket", async || {
                let there = std::os::unix::net::UnixStream::connect(socket).is_ok();
                Ok(Seen::when(there, (), || "nobody listens".to_owned()))
            })
            .await?;
        named("argocd-repo-server")?
            .ready("the repo-server to listen", async || {
                let there = tokio::net::TcpStream::connect(REPO_SERVER).await.is_ok();
                Ok(Seen::when(there, (), || "nobody listens".to_owned()))
            })
            .await?;
        named("argocd-server")?
            .ready("Argo CD's API to answer", async || {
                let (status, body) = self.call(Method::GET, "/api/v1/applications", None).await?;
                Ok(Seen::when(status == 200, (), || format!("{status} {body}")))
            })
            .await
    }

    /// Calls its API, as the dashboard does: the status and the JSON that came back.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let text = body.map(ToString::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{API}{path}"))
            .header("content-type", "application/json")
            .body(Full::from(text))?;
        let answer = async {
            let response = self.http.request(request).await?;
            let status = response.status().as_u16();
            let bytes = response.into_body().collect().await?.to_bytes();
            Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
        };
        timeout(CALL, answer).await?
    }

    /// The parameters that the dashboard shows for a source: name, title and value.
    ///
    /// # Errors
    /// When the details are refused.
    pub async fn announced(&self, app: &str, source: &Value) -> Result<Vec<(String, String, String)>> {
        let url = source["repoURL"].as_str().unwrap_or_default();
        let escaped = url.replace('%', "%25").replace(':', "%3A").replace('/', "%2F");
        let body = json!({"source": source, "appName": app, "appProject": "default"});
        let path = format!("/api/v1/repositories/{escaped}/appdetails");
        let (status, details) = self.call(Method::POST, &path, Some(&body)).await?;
        ensure!(status == 200, "{status} {details}");
        let list = details["plugin"]["parametersAnnouncement"].as_array();
        let list = list.with_context(|| format!("no parameters announced: {details}"))?;
        let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
        Ok(list
            .iter()
            .map(|one| (text(one, "name"), text(one, "title"), text(one, "string")))
            .collect())
    }

    /// An Application as the API server has it.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn application(&self, namespace: &str, name: &str) -> Result<Value> {
        let address = Address {
            kind: Kind::new("argoproj.io/v1alpha1", "Application"),
            namespace,
            name,
        };
        self.cluster.read(&address).await
    }

    /// Saves parameters as the dashboard's editor does: the newest Application, with its whole spec replaced.
    ///
    /// # Errors
    /// Argo CD's refusal, in its words.
    pub async fn save(&self, namespace: &str, name: &str, parameters: &Value) -> Result<()> {
        let mut application = self.application(namespace, name).await?;
        application["spec"]["source"]["plugin"]["parameters"] = parameters.clone();
        let path = format!("/api/v1/applications/{name}?validate=true");
        let (status, answer) = self.call(Method::PUT, &path, Some(&application)).await?;
        if status != 200 {
            bail!("{}", answer["message"].as_str().unwrap_or_default());
        }
        Ok(())
    }

    /// Has it read Git again, and waits until it has compared.
    ///
    /// The request is an annotation, which goes with the status that the application controller writes; one that comes
    /// while a comparison is about to end goes unseen, and the API waits for it until the caller gives up. To ask once more
    /// for what the annotation says already would change nothing, so it is taken away before it is made again.
    ///
    /// # Errors
    /// When the Application cannot be compared.
    pub async fn refresh(&self, namespace: &str, name: &str) -> Result<Value> {
        let path = format!("/api/v1/applications/{name}?refresh=normal&appNamespace={namespace}");
        let mut tries = 0;
        let (status, answer) = loop {
            tries += 1;
            match timeout(REFRESH, self.call(Method::GET, &path, None)).await {
                Ok(answer) => break answer?,
                Err(_) if tries < 4 => {
                    let application = Address {
                        kind: Kind::new("argoproj.io/v1alpha1", "Application"),
                        namespace,
                        name,
                    };
                    let none = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": null}}});
                    self.cluster.merge(&application, "", &none).await?;
                }
                Err(_) => bail!("application {name} was not compared within {tries} times {REFRESH:?}"),
            }
        };
        ensure!(status == 200, "{status} {answer}");
        Ok(answer)
    }

    /// Syncs and waits for the end.
    ///
    /// # Errors
    /// When it fails, with the operation's message.
    pub async fn sync(&self, namespace: &str, name: &str) -> Result<Value> {
        self.refresh(namespace, name).await?;
        let before = self.application(namespace, name).await?;
        let path = format!("/api/v1/applications/{name}/sync");
        let body = json!({"name": name, "appNamespace": namespace});
        let (status, answer) = self.call(Method::POST, &path, Some(&body)).await?;
        ensure!(status == 200, "{status} {answer}");
        let started = |app: &Value| app["status"]["operationState"]["startedAt"].clone();
        let ended = wait_for(format!("application {name} to be synced"), SYNC, async || {
            let app = self.application(namespace, name).await?;
            let state = &app["status"]["operationState"];
            let words = format!("phase {}: {}", state["phase"], state["message"]);
            let phase = state["phase"].as_str().unwrap_or_default();
            let ended = app["operation"].is_null() && matches!(phase, "Succeeded" | "Failed" | "Error");
            // A second is the finest that it writes; a sync of the same second has another id in the history.
            let new =
                started(&app) != started(&before) || app["status"]["history"] != before["status"]["history"];
            Ok(Seen::when(ended && new, app, || words))
        })
        .await?;
        let state = &ended["status"]["operationState"];
        if state["phase"] != "Succeeded" {
            let results = state["syncResult"]["resources"].as_array().into_iter().flatten();
            let said: Vec<_> = results.filter_map(|one| one["message"].as_str()).collect();
            bail!("{}: {}", state["message"], said.join("; "));
        }
        Ok(ended)
    }

    /// The ends of its logs, for a failure.
    #[must_use]
    pub fn tails(&self) -> String {
        let tails = self.processes.iter();
        tails
            .map(|one| format!("--- {}\n{}\n", one.name(), one.tail(4)))
            .collect()
    }
}

/// Its definitions, settings and the project `default`.
async fn define(world: &World) -> Result<()> {
    let folder = world.plan.toolbox.source("argocd")?;
    for file in [
        "application-crd.yaml",
        "applicationset-crd.yaml",
        "appproject-crd.yaml",
    ] {
        world
            .cluster
            .apply_all("", &read(&folder.join(file), "", "")?)
            .await?;
    }
    let labelled = |name: &str| json!({"name": name, "labels": {"app.kubernetes.io/part-of": "argocd"}});
    let map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled(name), "data": data});
    let objects = [
        map(
            "argocd-cm",
            json!({"resource.customLabels": "serinus.dev/canary-steps"}),
        ),
        map("argocd-rbac-cm", json!({})),
        map("argocd-ssh-known-hosts-cm", json!({"ssh_known_hosts": ""})),
        map("argocd-tls-certs-cm", json!({})),
        map("argocd-gpg-keys-cm", json!({})),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": labelled("argocd-secret"), "stringData": {"server.secretkey": "of-this-test-only"}}),
    ];
    world.cluster.apply_all(NAMESPACE, &objects).await?;
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default"},
        "spec": {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "sourceNamespaces": [TEAM_NAMESPACE],
        },
    });
    wait_for("AppProject to be served", SYNC, async || {
        let applied = world.cluster.apply(NAMESPACE, &project).await;
        Ok(match applied {
            Ok(_) => Seen::Yes(()),
            Err(error) => Seen::Not(format!("{error:#}")),
        })
    })
    .await
}
