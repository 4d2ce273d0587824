//! The command line.

mod application;
mod diff;
mod folder;
mod generate;
mod lint;
mod migrate;
mod serve;
mod stream;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Argo CD Config Management Plugin: canary steps of Rollouts, switched in the dashboard.
#[derive(Debug, Parser)]
#[command(name = "argocd-cmp-canary-steps", version, about, long_about = None)]
struct Cli {
    /// Least level of the events on stderr: error, warn, info, debug, trace, off, or by target, as info,h2=warn.
    /// Default: info for serve, off for all others, whose stderr argocd-cmp-server shows to developers.
    #[arg(long, env = "CANARY_STEPS_LOG_LEVEL", global = true)]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve Argo CD's plugin service on a socket.
    Serve(Box<serve::Serve>),
    /// Ask the server on a socket for its health; for exec probes.
    Probe(Probe),
    /// Print a folder's manifests with the steps switched; for argocd-cmp-server.
    Generate(Quiet),
    /// Print the parameters that the dashboard shows; for argocd-cmp-server.
    Announce(Quiet),
    /// Switch the steps in the manifests on stdin; as the last stage of another plugin.
    Filter(generate::Filter),
    /// Show what a switch changes.
    Diff(diff::Diff),
    /// Find the mistakes in presets and parameters; for CI.
    Lint(lint::Lint),
    /// Turn an Application with helm, kustomize or directory fields into the plugin's form.
    Migrate(migrate::Migrate),
}

#[derive(Debug, clap::Args)]
struct Quiet {
    #[command(flatten)]
    folder: folder::Folder,
}

#[derive(Debug, clap::Args)]
struct Probe {
    /// The socket.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// The folder of the socket, where --socket is not given.
    #[arg(long, env = "ARGOCD_PLUGINSOCKFILEPATH", default_value = crate::server::PLUGIN_FOLDER)]
    plugin_folder: PathBuf,
    /// The socket's name without `.sock`.
    #[arg(long, env = "CANARY_STEPS_NAME", default_value = serve::NAME)]
    name: String,
    /// How long to wait for an answer, in milliseconds.
    #[arg(long, default_value = "1000")]
    timeout_ms: u64,
}

/// Runs the program and returns its exit code: 0 for success, 1 where the work failed, 64 for wrong settings.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { log_level, command } = Cli::parse();
    let Some(command) = command else {
        let mut out = std::io::stdout().lock();
        let text = if out.is_terminal() { INTRODUCTION } else { SHORT };
        return if out.write_all(text.as_bytes()).is_ok() {
            ExitCode::from(64)
        } else {
            ExitCode::FAILURE
        };
    };
    let log_level = log_level.unwrap_or_else(|| match command {
        Command::Serve(_) => "info".to_owned(),
        _ => "off".to_owned(),
    });
    if let Err(error) = crate::logging::install(&log_level) {
        return fail(64, &anyhow::anyhow!("--log-level {log_level:?}: {error}"));
    }
    let result = match command {
        Command::Serve(serve) => serve.run().map(|()| false),
        Command::Probe(probe) => probe.run().map(|()| false),
        Command::Generate(Quiet { folder }) => generate::generate(&folder).map(|()| false),
        Command::Announce(Quiet { folder }) => generate::announce(&folder).map(|()| false),
        Command::Filter(filter) => filter.run().map(|()| false),
        Command::Diff(diff) => diff.run(),
        Command::Lint(lint) => lint.run(),
        Command::Migrate(migrate) => migrate.run().map(|()| false),
    };
    match result {
        Ok(false) => ExitCode::SUCCESS,
        // It has said itself what there is.
        Ok(true) => ExitCode::FAILURE,
        Err(error) => fail(1, &error),
    }
}

/// A runtime for a command that does one thing.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

const SHORT: &str = "argocd-cmp-canary-steps is a plugin of Argo CD. --help says what it can do.\n";

const INTRODUCTION: &str = "\
argocd-cmp-canary-steps is a Config Management Plugin of Argo CD: beside the name of a
Rollout in the dashboard a developer types on, off, a preset, or 25,pause,75,pause:30s,100.

Argo CD starts it as a sidecar of its repo-server:

    argocd-cmp-canary-steps serve

and an Application uses it with

    spec:
      source:
        plugin:
          name: canary-steps@v1

See what a switch would do to the manifests in a folder:

    argocd-cmp-canary-steps diff --set web=off .

--help lists all commands.
";

impl Probe {
    fn run(self) -> anyhow::Result<()> {
        let Probe {
            socket,
            plugin_folder,
            name,
            timeout_ms,
        } = self;
        let socket = socket.unwrap_or_else(|| plugin_folder.join(format!("{name}.sock")));
        Ok(runtime()?.block_on(crate::server::probe(&socket, Duration::from_millis(timeout_ms)))?)
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the last word of a command to the one who called it"
)]
fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many an error says its cause itself.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    eprintln!("{text}");
    ExitCode::from(code)
}
