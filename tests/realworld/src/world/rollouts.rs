//! The Argo Rollouts controller and the plugins it starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Ground;
use super::credentials::{ADMIN, ROLLOUTS};
use crate::cluster::{Cluster, read};
use crate::plan::{self, Plan};
use crate::private::sockets_in;
use crate::process::{Process, has_ended, pids_of, signal};
use crate::stage::STEP;
use crate::traffic;
use crate::wait::{Seen, wait_for};

/// The namespace of an Argo Rollouts installation.
pub(super) const NAMESPACE: &str = "argo-rollouts";

/// Ports that pods do not want; the defaults are 8080 and 8090.
const HEALTH: u16 = 18080;
const METRICS: u16 = 18090;

/// How long a plugin may outlive its controller.
pub(super) const PLUGIN_OUTLIVES: Duration = Duration::from_secs(2);

/// A kind of plugin, which decides under which key of `argo-rollouts-config` it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PluginKind {
    /// `trafficRouterPlugins`
    TrafficRouter,
    /// `metricProviderPlugins`
    MetricProvider,
    /// `stepPlugins`, since 1.8
    Step,
}

impl PluginKind {
    const ALL: [Self; 3] = [Self::TrafficRouter, Self::MetricProvider, Self::Step];

    /// The key of the `ConfigMap`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::TrafficRouter => "trafficRouterPlugins",
            Self::MetricProvider => "metricProviderPlugins",
            Self::Step => "stepPlugins",
        }
    }
}

/// An entry of `argo-rollouts-config`. The controller reads them when it starts, so a world is started with those of
/// all its scenes. One binary may be registered under several names; the controller starts a process for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What it is.
    pub kind: PluginKind,
    /// `organisation/name`, as Rollouts refer to it.
    pub name: String,
    /// What the controller executes (a copy of).
    pub program: PathBuf,
    /// Arguments; since 1.8.
    pub args: Vec<String>,
    /// Variables of its environment. The controller has no such setting: a script that sets them and then becomes the
    /// program is registered in its place.
    pub env: Vec<(String, String)>,
}

/// The running controller.
#[derive(Debug)]
pub struct RolloutsController {
    process: Process,
    folder: PathBuf,
    sockets: PathBuf,
}

impl RolloutsController {
    pub(super) async fn start(
        ground: &Ground,
        plan: &Plan,
        cluster: &Cluster,
        registrations: &[Registration],
    ) -> Result<Self> {
        let folder = ground.folder.join("rollouts-controller");
        let wrapped = wrap(&folder.join(WRAPPED), registrations)?;
        install(cluster, &wrapped).await?;
        let kubeconfig = |user| ground.credentials.kubeconfig(user).display().to_string();
        let process = ground
            .start_as(
                "rollouts-controller",
                &format!("rollouts-controller-{}", plan.controller),
                &[
                    &format!("--kubeconfig={}", kubeconfig(&ADMIN)),
                    "--leader-elect=false",
                    &format!("--healthzPort={HEALTH}"),
                    &format!("--metricsport={METRICS}"),
                    "--loglevel=info",
                ],
                &[
                    ("POD_NAMESPACE", NAMESPACE),
                    // The controller does not look at this, its plugins do.
                    ("KUBECONFIG", &kubeconfig(&ROLLOUTS)),
                    ("TMPDIR", &plan.sockets.display().to_string()),
                ],
            )
            .await?;
        let controller = Self {
            process,
            folder,
            sockets: plan.sockets.clone(),
        };
        controller.ready().await?;
        Ok(controller)
    }

    /// The controller's own process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The ids of the living processes of a plugin, by the name it is registered under: one at most, when all is well.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn plugin_pids(&self, name: &str) -> Result<Vec<u32>> {
        // The controller executes its own copy; what a script becomes is ours.
        let copies = [COPIES, WRAPPED].map(|copies| pids_of(&self.folder.join(copies).join(name)));
        copies
            .into_iter()
            .collect::<Result<Vec<_>>>()
            .map(|pids| pids.concat())
    }

    /// Ids of the living processes of all plugins.
    ///
    /// # Errors
    /// When `/proc` or the controller's folder cannot be read.
    pub fn all_plugin_pids(&self) -> Result<Vec<u32>> {
        let mut pids = Vec::new();
        for copies in [COPIES, WRAPPED] {
            for organisation in folders(&self.folder.join(copies))? {
                for plugin in folders(&organisation)? {
                    pids.extend(pids_of(&plugin)?);
                }
            }
        }
        Ok(pids)
    }

    /// Names of the unix sockets that plugins listen on.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn plugin_sockets(&self) -> Result<Vec<String>> {
        sockets_in(&self.sockets)
    }

    /// Names of the sockets that nobody listens on any more: what a process killed by SIGKILL leaves behind.
    ///
    /// # Errors
    /// When `/proc` or their folder cannot be read.
    pub fn dead_sockets(&self) -> Result<Vec<String>> {
        // First their names: whoever begins meanwhile is bound before he has one.
        let mut sockets = self.plugin_sockets()?;
        let bound = std::fs::read_to_string("/proc/net/unix").context("read /proc/net/unix")?;
        let left = self.plugin_sockets()?;
        sockets.retain(|name| {
            left.contains(name) && !bound.contains(&*self.sockets.join(name).to_string_lossy())
        });
        Ok(sockets)
    }

    /// Ends a process of a plugin with SIGKILL and waits until it is gone; one that has just ended by itself is fine.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn kill_plugin(&self, pid: u32) -> Result<()> {
        signal(Some(pid), Signal::KILL)?;
        wait_for("the killed plugin to be gone", STEP, async || {
            Ok(Seen::when(has_ended(pid), (), || {
                format!("process {pid} is there")
            }))
        })
        .await
    }

    /// How often the controller has reconciled a Rollout of this namespace, by its log: each time it calls the plugin.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn reconciles(&self, namespace: &str) -> Result<usize> {
        let log = std::fs::read_to_string(self.process.log()).context("read the controller's log")?;
        let field = format!("namespace={namespace} ");
        Ok(log
            .lines()
            .filter(|line| line.contains("Started syncing rollout") && line.contains(&field))
            .count())
    }

    /// Waits until no plugin and no socket of one is left, at most for two seconds.
    ///
    /// # Errors
    /// When one is.
    pub async fn plugins_gone(&self) -> Result<()> {
        self.plugins_gone_but_for(&[]).await
    }

    /// The same where there may be sockets that were dead already, of plugins that were killed: the next plugin of the
    /// same folder removes them, and it may not have begun.
    ///
    /// # Errors
    /// When one is.
    pub async fn plugins_gone_but_for(&self, dead: &[String]) -> Result<()> {
        wait_for(
            "the plugins of the ended controller to end and to remove their sockets",
            PLUGIN_OUTLIVES,
            async || {
                let (pids, mut sockets) = (self.all_plugin_pids()?, self.plugin_sockets()?);
                sockets.retain(|socket| !dead.contains(socket));
                Ok(Seen::when(pids.is_empty() && sockets.is_empty(), (), || {
                    format!("processes {pids:?}, sockets {sockets:?}")
                }))
            },
        )
        .await
    }

    /// Ends the controller with SIGKILL.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(&self) -> Result<()> {
        self.process.kill().await
    }

    /// Starts the controller again and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_again(&self) -> Result<()> {
        self.process.restart().await?;
        self.ready().await
    }

    pub(super) async fn stop(&self) -> Result<()> {
        self.process.terminate(Duration::from_secs(20)).await?;
        self.plugins_gone().await
    }

    async fn ready(&self) -> Result<()> {
        self.process
            .ready("the Rollouts controller to be healthy", async || {
                let (status, body) = traffic::fetch(&format!("http://127.0.0.1:{HEALTH}/healthz")).await?;
                Ok(Seen::when(status == 200, (), || format!("{status} {body}")))
            })
            .await
    }
}

/// Where the controller puts its copies of the registered programs, `organisation/name` each.
const COPIES: &str = "plugin-bin";
/// Where the programs are that registered scripts become.
const WRAPPED: &str = "wrapped";

/// Puts a script in the place of every program that wants variables of its own.
fn wrap(folder: &Path, registrations: &[Registration]) -> Result<Vec<Registration>> {
    let mut wrapped = registrations.to_vec();
    for registration in wrapped
        .iter_mut()
        .filter(|registration| !registration.env.is_empty())
    {
        let program = folder.join(&registration.name);
        std::fs::create_dir_all(program.parent().context("a plugin's name has two parts")?)?;
        std::fs::copy(&registration.program, &program)
            .with_context(|| format!("copy {}", registration.program.display()))?;
        let script = program.with_extension("sh");
        std::fs::write(&script, script_for(&program, &registration.env))?;
        registration.program = script;
    }
    Ok(wrapped)
}

/// A shell script that sets variables and becomes the program.
fn script_for(program: &Path, env: &[(String, String)]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let exports: String = env
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
        .collect();
    format!(
        "#!/bin/sh\n{exports}exec {} \"$@\"\n",
        quoted(&program.display().to_string())
    )
}

/// Applies the role and the registration that `manifests/` offers to users, with `registrations` in place of the
/// released plugin.
async fn install(cluster: &Cluster, registrations: &[Registration]) -> Result<()> {
    let folder = plan::repository().join("manifests/gateway-api");
    let mut objects = read(&folder.join("rbac.yaml"), "", "")?;
    let mut config = read(&folder.join("argo-rollouts-config.yaml"), "", "")?
        .pop()
        .context("an empty manifest")?;
    ensure!(
        config["kind"] == "ConfigMap",
        "argo-rollouts-config.yaml holds no ConfigMap"
    );
    config["data"] = config_data(registrations);
    objects.push(config);
    cluster.apply_all(NAMESPACE, &objects).await
}

/// The `data` of the `ConfigMap`: a YAML list (here its subset JSON) for each kind of plugin.
fn config_data(registrations: &[Registration]) -> Value {
    let mut data = json!({});
    for kind in PluginKind::ALL {
        let entries: Vec<Value> = registrations
            .iter()
            .filter(|one| one.kind == kind)
            .map(entry)
            .collect();
        if !entries.is_empty() {
            data[kind.key()] = json!(json!(entries).to_string());
        }
    }
    data
}

fn entry(registration: &Registration) -> Value {
    let mut entry =
        json!({"name": registration.name, "location": format!("file://{}", registration.program.display())});
    if !registration.args.is_empty() {
        entry["args"] = json!(registration.args);
    }
    entry
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(vec![]);
    };
    Ok(entries
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .map(std::fs::DirEntry::path)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_sets_the_variables_and_becomes_the_program() {
        let env = [("KUBECONFIG".to_owned(), "/it's here".to_owned())];
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                &script_for(Path::new("/bin/sh"), &env),
                "sh",
                "-c",
                "echo $KUBECONFIG",
            ])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "/it's here\n");
    }

    #[test]
    fn registrations_stand_under_their_kind() {
        let router = Registration {
            kind: PluginKind::TrafficRouter,
            name: "argoproj-labs/gatewayAPI".into(),
            program: "/bin/router".into(),
            args: vec![],
            env: vec![],
        };
        let step = Registration {
            kind: PluginKind::Step,
            name: "a/b".into(),
            args: vec!["--x".into()],
            ..router.clone()
        };
        let data = config_data(&[router, step]);
        let read = |key: &str| serde_json::from_str::<Value>(data[key].as_str().unwrap()).unwrap();
        assert_eq!(
            read("trafficRouterPlugins"),
            json!([{"name": "argoproj-labs/gatewayAPI", "location": "file:///bin/router"}])
        );
        assert_eq!(
            read("stepPlugins"),
            json!([{"name": "a/b", "location": "file:///bin/router", "args": ["--x"]}])
        );
        assert!(data.get("metricProviderPlugins").is_none());
    }
}
