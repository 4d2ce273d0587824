//! The executable: a plugin where the controller starts it, a tool by hand.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rollouts_plugin::{Plugin, started_by_controller};

use crate::client::{AllowList, Budget, Credentials, Environment, Exchange, ExchangeSettings};
use crate::config::duration;
use crate::measure::{Engine, WallClock};
use crate::plan::batch::Limits;
use crate::{Provider, cli};

/// Metric provider of Argo Rollouts for Datadog.
///
/// The controller starts it; its flags are `args:` of the entry in argo-rollouts-config. By hand it checks
/// AnalysisTemplates before they are deployed.
#[derive(Parser)]
#[command(name = "rollouts-plugin-metric-datadog", version, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Resolve the arguments of AnalysisTemplates, check fields and conditions, measure once and say why.
    Check(cli::Check),
    /// Print the requests of AnalysisTemplates without sending them.
    Explain(cli::Explain),
    /// Check keys, site, permissions and rate limits.
    Doctor(cli::Doctor),
}

/// Settings of the operator, for all metrics.
#[derive(clap::Args)]
struct Settings {
    /// Share of Datadog's rate limits that is spent here, above 0 and at most 1: they belong to the whole organisation.
    #[arg(long, env = "DATADOG_BUDGET_SHARE", default_value = "0.5", value_parser = share, global = true)]
    budget_share: f64,
    /// At most so many requests a minute to each rate limit bucket, whatever Datadog allows.
    #[arg(long, env = "DATADOG_BUDGET_PER_MINUTE", value_parser = clap::value_parser!(u64).range(1..), global = true)]
    budget_per_minute: Option<u64>,
    /// How long a metric waits for others that are due together, up to eight times as long in a crowd; 0 sends each at once.
    #[arg(long, env = "DATADOG_GATHER", default_value = "30ms", value_parser = parse_duration, global = true)]
    gather: Duration,
    /// The most queries in one request.
    #[arg(long, env = "DATADOG_BATCH", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500), global = true)]
    batch: u32,
    /// How long an answer stands for the same question about the same window; 0 asks always.
    #[arg(long, env = "DATADOG_CACHE", default_value = "15s", value_parser = parse_duration, global = true)]
    cache: Duration,
    /// How long one of the controller's workers waits for an answer before the measurement goes on in the background.
    #[arg(long, env = "DATADOG_PATIENCE", default_value = "500ms", value_parser = parse_duration, global = true)]
    patience: Duration,
    /// Secrets that metrics may name, as namespace/name with *; may be repeated. All that RBAC allows where it is absent.
    #[arg(long, env = "DATADOG_ALLOWED_SECRETS", value_delimiter = ',', global = true)]
    allowed_secrets: Vec<String>,
    /// host:port to which counts of requests are sent every minute as DogStatsD metrics.
    #[arg(long, env = "DATADOG_DOGSTATSD", global = true)]
    dogstatsd: Option<String>,
}

/// The whole of `main`.
pub fn run() -> ExitCode {
    let Args { settings, command } = Args::parse();
    // Whoever installed a provider before means the same: there is no other in this executable.
    _ = rustls::crypto::ring::default_provider().install_default();
    let dogstatsd = settings.dogstatsd.clone();
    let patience = settings.patience;
    let engine = settings.engine();
    match command.filter(|_| !started_by_controller()) {
        None => Plugin::metric_provider(Provider::new(engine, patience).reporting_to(dogstatsd)).serve(),
        Some(command) => {
            let runtime = match tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
            {
                Ok(runtime) => runtime,
                Err(error) => return cli::fail(&anyhow::anyhow!(error).context("no runtime")),
            };
            let done = match command {
                Command::Check(check) => runtime.block_on(check.run(&engine)),
                Command::Explain(explain) => explain.run(),
                Command::Doctor(doctor) => runtime.block_on(doctor.run(&engine)),
            };
            done.unwrap_or_else(|error| cli::fail(&error))
        }
    }
}

impl Settings {
    fn engine(self) -> Engine {
        let Self {
            budget_share,
            budget_per_minute,
            gather,
            batch,
            cache,
            patience: _,
            allowed_secrets,
            dogstatsd: _,
        } = self;
        let settings = ExchangeSettings {
            gather,
            batch: Limits {
                queries: batch as usize,
                ..ExchangeSettings::default().batch
            },
            budget: Budget {
                share: budget_share,
                per_minute: budget_per_minute,
            },
            cache,
            ..ExchangeSettings::default()
        };
        Engine {
            exchange: Exchange::new(settings),
            credentials: Arc::new(Credentials::new(Environment::read(), AllowList(allowed_secrets))),
            clock: WallClock::of_the_machine(),
        }
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|why| format!("write a duration such as 50ms or 15s ({why})"))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("write a number above 0 and at most 1".to_owned()),
    }
}
