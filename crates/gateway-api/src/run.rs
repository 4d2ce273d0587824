//! The program: arguments, and serving the controller.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rollouts_plugin::Plugin;

use crate::apply::{Api, Applier, Limits};
use crate::cli::{self, Command};
use crate::config::PluginName;
use crate::verify::Settle;
use crate::{Router, Settings};

/// Answers leave a little before the SDK gives up on a call, so that it is our error that the user reads.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// Argo Rollouts traffic router for the Gateway API.
///
/// The Argo Rollouts controller starts this program; registered in the ConfigMap argo-rollouts-config, under
/// trafficRouterPlugins, its arguments are the entry's args. By hand it explains itself, and previews releases.
#[derive(Parser)]
#[command(name = "rollouts-plugin-trafficrouter-gatewayapi", version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// The name under which the plugin is registered. Needed only where a Rollout configures several plugins and the
    /// executable is not started from the controller's plugin-bin/<org>/<name>.
    #[arg(long, env = "SERINUS_PLUGIN_NAME", value_name = "ORG/NAME", global = true)]
    plugin_name: Option<String>,

    /// Time that gateways get to follow a route they accepted, before a weight counts as verified: 0 to 300 seconds.
    /// Raise it for load balancers that report early; slow ones that are known get more by themselves.
    #[arg(long, env = "SERINUS_SETTLE_SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=300))]
    settle_seconds: u64,

    /// Time for which traffic stays on the canary Service after a promotion, while gateways learn the stable Service's
    /// new endpoints; both select the same pods then. 0 to 300 seconds; 0 switches it off. Raise it where requests fail
    /// at the moment of promotion.
    #[arg(long, env = "SERINUS_PROMOTION_HOLD_SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=300))]
    promotion_hold_seconds: u64,

    /// Read routes at each reconcile even where they could be watched. For clusters in which so many routes change that
    /// following them costs more than reading a few.
    #[arg(long, env = "SERINUS_NO_WATCH", value_parser = clap::builder::FalseyValueParser::new())]
    no_watch: bool,

    /// Serve Prometheus metrics there, under /metrics: 127.0.0.1:8085, or :8085 for every address. Off without.
    #[arg(long, env = "SERINUS_METRICS_ADDRESS", value_name = "ADDRESS", value_parser = crate::metrics::parse_address)]
    metrics_address: Option<SocketAddr>,

    /// Accepted for the Go plugin's sake and without effect: there is no client-side rate limit here.
    #[arg(long = "kubeClientQPS", value_name = "N", hide_short_help = true)]
    kube_client_qps: Option<u32>,

    /// Accepted for the Go plugin's sake and without effect.
    #[arg(long = "kubeClientBurst", value_name = "N", hide_short_help = true)]
    kube_client_burst: Option<u32>,

    /// Accepted for the Go plugin's sake and without effect: log lines are always JSON, in the controller's form.
    #[arg(long = "logformat", value_name = "FORMAT", hide_short_help = true)]
    log_format: Option<String>,
}

/// Runs the program: the whole `main`.
pub fn run() -> ExitCode {
    let args = match Args::try_parse_from(with_double_dashes(std::env::args_os())) {
        Ok(args) => args,
        Err(error) => {
            // stdout belongs to the controller once it has started us; a wrong argument is told on stderr either way.
            let code = if error.use_stderr() {
                ExitCode::from(64)
            } else {
                ExitCode::SUCCESS
            };
            _ = error.print();
            return code;
        }
    };
    let Args {
        command,
        plugin_name,
        settle_seconds,
        promotion_hold_seconds,
        no_watch,
        metrics_address,
        kube_client_qps: _,
        kube_client_burst: _,
        log_format: _,
    } = args;
    let executable = std::env::current_exe().ok();
    let name = PluginName::new(plugin_name, executable.as_deref());
    if let Some(command) = command {
        return match cli::run(command, &name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody is left to tell when stderr is closed.
                _ = writeln!(io::stderr(), "{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let (api, limits) = (Api::of_environment(), Limits::default());
    let applier = match no_watch {
        true => Applier::without_watches(api, limits),
        false => Applier::new(api, limits),
    };
    let router = Router::new(
        name,
        applier,
        Settings {
            settle: Settle {
                default: Duration::from_secs(settle_seconds),
            },
            promotion_hold: Duration::from_secs(promotion_hold_seconds),
            metrics: metrics_address,
        },
    );
    // Started by hand, this says what the program is and how to register it.
    Plugin::traffic_router(router)
        .call_deadline(CALL_DEADLINE)
        .serve()
}

/// The Go plugin's arguments have one dash, as Go's `flag` takes them: `-kubeClientQPS=40`.
fn with_double_dashes(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    args.map(|arg| match arg.to_str() {
        Some(text) if text.len() > 2 && text.starts_with('-') && !text.starts_with("--") => {
            format!("-{text}").into()
        }
        _ => arg,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        let all = std::iter::once("plugin")
            .chain(args.iter().copied())
            .map(OsString::from);
        Args::try_parse_from(with_double_dashes(all))
    }

    #[test]
    fn the_go_plugins_arguments_are_taken() {
        let args = parse(&["-kubeClientQPS=40", "--kubeClientBurst", "80", "-logformat=json"])
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (args.kube_client_qps, args.kube_client_burst),
            (Some(40), Some(80))
        );
    }

    #[test]
    fn a_wrong_argument_is_named() {
        for (args, expected) in [
            (&["--settle-seconds", "900"][..], "900 is not in 0..=300"),
            (&["--plugin-nam=x"], "--plugin-name"),
        ] {
            let error = parse(args)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains(expected), "{error}");
        }
    }
}
