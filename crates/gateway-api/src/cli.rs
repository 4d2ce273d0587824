//! The subcommands that people run by hand.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::config::PluginName;
use crate::preview;

/// What the program does for people.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows what a release will do to its routes, step by step, from files; no cluster is asked.
    Preview(Preview),
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
    let Command::Preview(Preview { files, step, json }) = command;
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
