//! The command line.

mod demo;
mod logs;
mod measure;
mod migrate;
mod rehearse;
mod show;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::view::live::write_out;

/// Progressive delivery, seen before it happens.
#[derive(Debug, Parser)]
#[command(name = "serinus", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log what the stage and the plugin do on stderr; twice for more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A whole release on an embedded stage: no cluster, no account.
    Demo(demo::Args),
    /// Your own Rollout and route on the same stage.
    Rehearse(rehearse::Args),
    /// A Rollout from your Deployment, and how to get there without losing a request.
    Migrate(migrate::Args),
    /// Ask a URL many times, and tell whether the traffic is split as it should be.
    Measure(measure::Args),
}

/// Runs the command line and says how it went: 0 if all was well, 1 if something measured was not as it should be,
/// 2 if the arguments are wrong or nothing could be measured.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    logs::init(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start")),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Rehearse(args) => rehearse::run(args).await,
            Command::Migrate(args) => migrate::run(&args),
            Command::Measure(args) => measure::run(args).await,
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    if !error.is::<NobodyLooks>() {
        tracing::error!("{error:#}");
    }
    ExitCode::from(2)
}

/// Standard output was closed before the end, as by `head`: the program ends, and there is nothing to say.
#[derive(Debug, thiserror::Error)]
#[error("standard output is gone")]
struct NobodyLooks;

/// What a file is called in messages, and what is in it; `-` is standard input.
fn read_file(file: &Path) -> anyhow::Result<(String, String)> {
    let name = file.display().to_string();
    let text = if name == "-" {
        std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?
    };
    Ok((name, text))
}

/// Writes to standard output; a closed pipe is nobody's error.
fn print(text: &str) {
    drop(write_out(text));
}

fn confidence(text: &str) -> Result<f64, String> {
    let accepted = |n: &f64| (50.0..=99.999_999).contains(n);
    text.parse()
        .ok()
        .filter(accepted)
        .ok_or_else(|| "not a percentage from 50 to 99.999999".to_owned())
}
