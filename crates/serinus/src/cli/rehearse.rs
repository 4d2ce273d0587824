//! `serinus rehearse`

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};

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
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=600_000))]
    canary_latency: u64,
    /// What an analysis asks of the canary: share of good answers, in percent.
    #[arg(long, default_value_t = 95.0, value_name = "PERCENT", value_parser = percent)]
    success_rate: f64,
    /// After how many seconds, on the controller's clock, somebody ends a pause that has no duration.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=2_147_483_647))]
    promote_after: u64,
    /// What to ask for; default: what the split rule matches.
    #[arg(long, value_name = "PATH", value_parser = path)]
    path: Option<String>,
    /// The Host to ask for; default: the route's first.
    #[arg(long, value_name = "HOST", value_parser = host)]
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

fn path(text: &str) -> Result<String, String> {
    let good = text.starts_with('/') && !text.contains('#') && text.parse::<PathAndQuery>().is_ok();
    if good {
        Ok(text.to_owned())
    } else {
        Err("not a path; write /PATH, with %20 for a space".to_owned())
    }
}

fn host(text: &str) -> Result<String, String> {
    let good = !text.contains('@') && text.parse::<Authority>().is_ok();
    if good {
        Ok(text.to_owned())
    } else {
        Err("not a host; write a name such as shop.example, or NAME:PORT".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_hosts() {
        for (text, good) in [
            ("/", true),
            ("/buy/it?now=1", true),
            ("x", false),
            ("", false),
            ("/a b", false),
            ("/a#b", false),
            ("http://shop.example/", false),
        ] {
            assert_eq!(path(text).is_ok(), good, "{text}");
        }
        for (text, good) in [
            ("shop.example", true),
            ("shop.example:8080", true),
            ("", false),
            ("a b", false),
            ("a\nb", false),
            ("me@shop.example", false),
            ("shop.example/buy", false),
        ] {
            assert_eq!(host(text).is_ok(), good, "{text}");
        }
    }
}
