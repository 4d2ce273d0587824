//! `serinus rehearse`

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::read_file;
use super::show::{Show, settings, show};
use crate::manifests;
use crate::rehearsal::yours::{Wishes, script};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A manifest: the Rollout, its HTTPRoute, Services, Gateways; may be repeated. `-` is standard input.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which Rollout, where the manifests have several.
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Other steps, as they are typed in Argo CD: `25,pause:30s,100`, `off`, a preset.
    #[arg(long, value_name = "STEPS")]
    steps: Option<String>,
    /// Share of the canary's requests that fail, in percent.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT", value_parser = percent)]
    canary_errors: f64,
    /// How long the canary thinks before it answers, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    canary_latency: u64,
    /// What an analysis asks of the canary: share of good answers, in percent.
    #[arg(long, default_value_t = 95.0, value_name = "PERCENT", value_parser = percent)]
    success_rate: f64,
    /// After how many seconds, on the controller's clock, somebody ends a pause that has no duration.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    promote_after: u64,
    /// What to ask for; default: what the split rule matches.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The Host to ask for; default: the route's first.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    #[command(flatten)]
    show: Show,
}

pub(super) async fn run(args: Args) -> anyhow::Result<bool> {
    let mut settings = settings(&args.show);
    settings.analysis.success_rate = args.success_rate / 100.0;
    settings.promote_after = Duration::from_secs(args.promote_after);

    let mut objects = Vec::new();
    for file in &args.files {
        objects.extend(read(file, args.steps.as_deref(), args.rollout.as_deref())?);
    }
    let wishes = Wishes {
        rollout: args.rollout.clone(),
        error_rate: args.canary_errors / 100.0,
        latency: Duration::from_millis(args.canary_latency),
        analysis: settings.analysis.clone(),
        path: args.path.clone(),
        host: args.host.clone(),
    };
    let mut yours = script(objects, &wishes)?;
    let cut = settings.longest_pause.mul_f64(settings.speed);
    if yours.longest_pause > cut {
        yours.script.notes.push(format!(
            "pauses end after {} s on the controller's clock",
            cut.as_secs()
        ));
    }
    (settings.path, settings.host) = (yours.path, yours.host);
    show(&yours.script, &args.show, settings).await
}

fn read(file: &Path, steps: Option<&str>, rollout: Option<&str>) -> anyhow::Result<Vec<serde_json::Value>> {
    let (name, mut text) = read_file(file)?;
    let objects = manifests::read(&name, &text)?;
    let Some(steps) = steps else { return Ok(objects) };
    let mut named: Vec<String> = objects
        .iter()
        .filter(|o| o["kind"] == "Rollout")
        .filter_map(|o| o["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    named.retain(|name| rollout.is_none_or(|r| r == name));
    for name_of_rollout in named {
        text = manifests::switch_steps(&name, &text, &name_of_rollout, steps)?;
    }
    Ok(manifests::read(&name, &text)?)
}

fn percent(text: &str) -> Result<f64, String> {
    let accepted = |n: &f64| (0.0..=100.0).contains(n);
    text.parse()
        .ok()
        .filter(accepted)
        .ok_or_else(|| "not a percentage from 0 to 100".to_owned())
}
