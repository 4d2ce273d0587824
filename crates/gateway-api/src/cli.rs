//! The subcommands that people run by hand.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::apply::Api;
use crate::config::PluginName;
use crate::doctor::{self, Level, Patient};
use crate::preview;

/// What the program does for people.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows what a release will do to its routes, step by step, from files; no cluster is asked.
    Preview(Preview),
    /// Says whether a cluster, and a Rollout in it, is ready for releases: rights, versions, gateways, limits. Reads
    /// the cluster of KUBECONFIG, and writes nothing. The exit code is 1 if something is bad.
    Doctor(Doctor),
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// The Rollout; without one only the cluster is examined.
    rollout: Option<String>,
    /// Its namespace.
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Checks the rights of this service account instead of one's own: argo-rollouts/argo-rollouts is the controller's.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = service_account)]
    service_account: Option<(String, String)>,
}

fn service_account(text: &str) -> Result<(String, String), String> {
    let parts = text
        .split_once('/')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
    let (namespace, name) = parts.ok_or("namespace/name is accepted")?;
    Ok((namespace.to_owned(), name.to_owned()))
}

#[derive(Args)]
pub(crate) struct Preview {
    /// Files with the Rollout and its routes, YAML or JSON, any number of objects in each; other objects are ignored.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only this step, counted from 0.
    #[arg(long)]
    step: Option<usize>,
    /// JSON with the whole routes, instead of differences.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand.
pub(crate) fn run(command: Command, name: &PluginName) -> Result<()> {
    match command {
        Command::Preview(args) => preview(args, name),
        Command::Doctor(args) => doctor(args, name),
    }
}

fn doctor(args: Doctor, name: &PluginName) -> Result<()> {
    let patient = Patient {
        namespace: args.namespace,
        rollout: args.rollout,
        service_account: args.service_account,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let diagnosis = runtime.block_on(doctor::examine(Api::of_environment(), name, &patient));
    let mut stdout = io::stdout().lock();
    for finding in &diagnosis.findings {
        writeln!(stdout, "{finding}")?;
    }
    if let Some(block) = &diagnosis.ignore_differences {
        writeln!(stdout, "\nFor the Argo CD Application:\n\n{block}")?;
    }
    let bad = diagnosis
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Bad)
        .count();
    ensure!(bad == 0, "{bad} of {} findings are bad", diagnosis.findings.len());
    Ok(())
}

fn preview(Preview { files, step, json }: Preview, name: &PluginName) -> Result<()> {
    let mut objects = Vec::new();
    for file in &files {
        objects.extend(read(file).with_context(|| format!("read {}", file.display()))?);
    }
    let stages = preview::only(preview::preview(name, &objects)?, step)?;
    let mut stdout = io::stdout().lock();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match json {
        true => writeln!(stdout, "{:#}", preview::to_json(&stages)),
        false => stdout.write_all(preview::render(&stages, colour).as_bytes()),
    }
    .context("write to stdout")
}

/// The objects of a file. YAML is a superset of JSON; empty documents are skipped.
fn read(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file)?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}
