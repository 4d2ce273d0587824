//! Plays a script with a plugin, shows it and writes what was found.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::{NobodyLooks, confidence, print};
use crate::plugin::Plugin;
use crate::rehearsal::journal::Journal;
use crate::rehearsal::play::{Settings, play};
use crate::rehearsal::script::Script;
use crate::report::{Report, RouterReport, html, judge, text};
use crate::stage::api::store::rfc3339;
use crate::stage::gateway::{self, route};
use crate::stage::release::analysis;
use crate::stage::{Config, Stage};
use crate::view::live::View;

/// Flags that every rehearsal has.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Show {
    /// The traffic router's executable.
    ///
    /// Default: `rollouts-plugin-trafficrouter-gatewayapi` beside this program.
    #[arg(long, env = "SERINUS_PLUGIN", value_name = "FILE")]
    pub(super) plugin: Option<PathBuf>,
    /// An argument for it, as `args:` in argo-rollouts-config; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(super) plugin_arg: Vec<OsString>,
    /// How much faster than ours the controller's clock runs: at 20 a pause of a minute takes 3 seconds.
    #[arg(long, default_value_t = 20.0, value_name = "TIMES", value_parser = speed)]
    pub(super) speed: f64,
    /// A pause is cut short after so many of our seconds.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS", value_parser = pause)]
    pub(super) longest_pause: f64,
    /// As fast as counting allows: the same as `--speed 60`.
    #[arg(long, conflicts_with = "speed")]
    pub(super) fast: bool,
    /// Requests a second.
    #[arg(long, default_value_t = 600.0, value_name = "N", value_parser = rate)]
    pub(super) rate: f64,
    /// How often a correct split passes a check, in percent.
    ///
    /// The default lets one correct rehearsal in some ten thousand fail; a lower value finds smaller faults.
    #[arg(long, default_value_t = 99.999, value_name = "PERCENT", value_parser = confidence)]
    pub(super) confidence: f64,
    /// Makes the gateway's draws repeatable.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// From a changed route to a gateway that obeys it, in milliseconds.
    #[arg(long, default_value_t = 150, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub(super) route_delay: u64,
    /// From changed endpoints to a gateway that uses them, in milliseconds.
    ///
    /// Make it longer than --route-delay to see the promotion race of gateways that learn endpoints late.
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub(super) endpoint_delay: u64,
    /// From a pod asked for to a ready pod, in milliseconds.
    #[arg(long, default_value_t = 400, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub(super) pod_start: u64,
    /// Add lines instead of redrawing, as on a pipe.
    #[arg(long)]
    pub(super) plain: bool,
    /// Where to write the HTML report.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Where to write the report as JSON; `-` is standard output, which then carries nothing else.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

/// Plays, shows, reports. `true`: all was as it should be. What stops the program stops it in order: the stage's folder
/// is removed, the router ended, the cursor given back.
pub(super) async fn show(script: &Script, show: &Show, settings: Settings) -> anyhow::Result<bool> {
    tokio::select! {
        shown = rehearse(script, show, settings) => shown,
        stopped = stopped() => {
            stopped.context("cannot listen for signals")?;
            anyhow::bail!("interrupted")
        }
    }
}

/// Waits for what ends a program: Ctrl-C, or the SIGTERM of a supervisor.
async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

async fn rehearse(script: &Script, show: &Show, settings: Settings) -> anyhow::Result<bool> {
    let program = program(show)?;
    let stage = Stage::start(&Config {
        namespace: script.namespace(),
        pod_start_delay: Duration::from_millis(show.pod_start),
        gateway: gateway::Config {
            port: 0,
            seed: show.seed,
            route_delay: Duration::from_millis(show.route_delay),
            endpoint_delay: Duration::from_millis(show.endpoint_delay),
        },
    })
    .await
    .context("cannot set the stage")?;
    let plugin = Plugin::start(&program, &show.plugin_arg, &script.router_env, &stage).await?;

    let journal = Arc::new(Journal::default());
    let started = rfc3339(Timestamp::now());
    let confidence = show.confidence / 100.0;
    let silent = show.json.as_deref() == Some(Path::new("-"));
    let view = View::suitable(&script.title, settings.speed, confidence, show.plain);
    let paint = view.paint;
    {
        let watched = view.follow(Arc::clone(&journal), silent);
        tokio::pin!(watched);
        tokio::select! {
            played = play(script, &stage, &plugin, &journal, &settings) => played?,
            () = &mut watched => return Err(NobodyLooks.into()),
        }
    }

    let pages = journal.read();
    let took = journal.now();
    let judged = judge::judge(&pages, took, confidence, |phase| journal.tally(phase));
    let report = Report {
        title: script.title.clone(),
        started,
        took,
        speed: settings.speed,
        router: RouterReport {
            name: script.plugin_name(),
            program: program.display().to_string(),
            started_in: plugin.started_in(),
            resident: plugin.resident().unwrap_or(0),
        },
        confidence,
        acts: judged.acts,
        phases: judged.phases,
        calls: pages.calls,
        events: pages.events,
        requests: requests(&stage),
        samples: pages.samples,
        failing: pages.failing,
        notes: notes(script)
            .into_iter()
            .chain(slower(show.rate, journal.rate()))
            .collect(),
        problems: judged.problems,
    };
    plugin.quit().await.context("the traffic router did not end")?;
    write(&report, show, paint, silent)
}

fn write(
    report: &Report,
    show: &Show,
    paint: crate::view::paint::Paint,
    silent: bool,
) -> anyhow::Result<bool> {
    if !silent {
        print(&text::render(report, paint));
    }
    if let Some(path) = &show.html {
        std::fs::write(path, html::render(report))
            .with_context(|| format!("cannot write {}", path.display()))?;
        if !silent {
            print(&format!("report  {}\n", path.display()));
        }
    }
    if let Some(path) = &show.json {
        let json = format!("{:#}\n", serde_json::to_value(report)?);
        if silent {
            print(&json);
        } else {
            std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(report.passed())
}

fn notes(script: &Script) -> Vec<String> {
    let unheeded = script
        .objects
        .iter()
        .filter(|o| o["kind"] == "HTTPRoute")
        .flat_map(|route| {
            let name = route["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let fields = route::unheeded(route).into_iter();
            fields.map(move |field| format!("the stage's gateway does not heed {field} of HTTPRoute {name}"))
        });
    script.notes.iter().cloned().chain(unheeded).collect()
}

/// A note if the load was clearly slower than it should have been.
fn slower(wanted: f64, kept: Option<f64>) -> Option<String> {
    let kept = kept.filter(|kept| *kept < 0.8 * wanted)?;
    Some(format!(
        "the load sent {kept:.0} requests a second, not the {wanted} of --rate: the answers took too long"
    ))
}

fn requests(stage: &Stage) -> std::collections::BTreeMap<String, u64> {
    let mut requests = std::collections::BTreeMap::new();
    for request in stage.api.log().since(0) {
        *requests.entry(request.verb.to_owned()).or_default() += 1;
    }
    requests
}

fn program(show: &Show) -> anyhow::Result<PathBuf> {
    if let Some(program) = &show.plugin {
        return Ok(program.clone());
    }
    let own = std::env::current_exe()
        .context("cannot tell where this program is; name the router with --plugin")?;
    Ok(own.with_file_name("rollouts-plugin-trafficrouter-gatewayapi"))
}

/// Settings of the play, from the flags.
pub(super) fn settings(show: &Show) -> Settings {
    Settings {
        speed: if show.fast { 60.0 } else { show.speed },
        rate: show.rate,
        path: "/".to_owned(),
        host: String::new(),
        analysis: analysis::Settings::default(),
        least_requests: 500,
        patience: Duration::from_secs(60),
        promote_after: Duration::from_secs(60),
        longest_pause: Duration::from_secs_f64(show.longest_pause),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    number(text, 1.0, 1000.0)
}

fn pause(text: &str) -> Result<f64, String> {
    number(text, 0.1, 86_400.0)
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 1.0, 100_000.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|n| (least..=most).contains(n))
        .ok_or_else(|| format!("not a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_that_lags_is_noted() {
        let note = "the load sent 79 requests a second, not the 100 of --rate: the answers took too long";
        for (kept, want) in [(None, None), (Some(80.0), None), (Some(79.0), Some(note))] {
            assert_eq!(slower(100.0, kept).as_deref(), want);
        }
    }

    #[test]
    fn numbers_that_cannot_be_played_are_refused() {
        let cases = [
            (
                speed as fn(&str) -> _,
                "20",
                "1e300",
                "not a number from 1 to 1000",
            ),
            (speed, "1", "1e-300", "not a number from 1 to 1000"),
            (pause, "4", "1e300", "not a number from 0.1 to 86400"),
            (rate, "600", "1e-300", "not a number from 1 to 100000"),
            (rate, "1", "NaN", "not a number from 1 to 100000"),
        ];
        for (parse, good, bad, want) in cases {
            assert!(parse(good).is_ok(), "{good}");
            assert_eq!(parse(bad), Err(want.to_owned()), "{bad}");
        }
    }

    #[tokio::test]
    async fn sigterm_stops_as_ctrl_c_does() {
        let own = std::process::id().to_string();
        let (stopped, sent) = tokio::join!(biased; stopped(), async {
            std::process::Command::new("kill").args(["-TERM", &own]).status()
        });
        assert!(sent.unwrap().success());
        stopped.unwrap();
    }
}
