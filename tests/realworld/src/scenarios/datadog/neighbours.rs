//! Tenants whose questions hang, whose answers are huge, whose conditions are hostile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    Behaviour, Emulator, Provider, Runs, become_so, ended, expect_all, make, metric, open, phases, remove,
    resident,
};
use crate::scenarios::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

const NAME: &str = "serinus/datadog-neighbours";

pub(in crate::scenarios) const SCENE: Scene = Scene {
    name: "datadog-neighbours",
    proves: "beside 40 hanging analyses a healthy one ends in less than half the built-in provider's time; answers of 50 MB, gzip bombs and hostile conditions leave the plugin below 30 MB",
    plugins: Plugins::Datadog(NAME, &[]),
    turn: Turn::Alone,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// How long a healthy AnalysisRun should take beside hanging ones; a busy machine takes longer, for the built-in provider
/// too.
const GOAL: Duration = Duration::from_secs(3);
/// Megabytes that the plugin may have resident, at most and at rest.
const MOST_RESIDENT: f64 = 30.0;

async fn run(stage: Stage) -> Result<()> {
    let mut times = Vec::new();
    for (side, provider) in [
        ("plugin", Provider::Plugin(NAME)),
        ("built-in", Provider::BuiltIn),
    ] {
        let secret = format!("neighbours-{side}");
        let datadog = open(&stage, &secret).await?;
        datadog
            .on("avg:errors", Behaviour::Value(0.01))
            .on("service:hang", Behaviour::Hang);
        let took = beside_hanging(&stage, &datadog, provider, &secret).await?;
        stage.say(&format!(
            "{side}: a healthy analysis beside 40 hanging ones took {:.1} s (goal {} s)",
            took.as_secs_f64(),
            GOAL.as_secs()
        ));
        times.push(took);
    }
    ensure!(times[0] * 2 < times[1], "plugin and built-in: {times:?}");
    huge_and_hostile(&stage).await?;
    beside_the_built_in(&stage).await
}

fn asking(provider: Provider, secret: &str, service: &str) -> Value {
    let block = json!({
        "apiVersion": "v2", "query": format!("avg:errors{{service:{service}}}"), "secretRef": {"name": secret},
    });
    metric("m", provider, &block)
}

/// How long a healthy AnalysisRun takes that comes when forty hang.
async fn beside_hanging(
    stage: &Stage,
    datadog: &Emulator,
    provider: Provider,
    secret: &str,
) -> Result<Duration> {
    let hanging: Runs = (0..40)
        .map(|run| {
            (
                format!("{secret}-hang-{run}"),
                vec![asking(provider, secret, &format!("hang{run}"))],
            )
        })
        .collect();
    let healthy = Runs::from([(
        format!("{secret}-healthy"),
        vec![asking(provider, secret, "healthy")],
    )]);
    make(stage, &hanging).await?;
    // As many as the controller has workers (Go: `DefaultAnalysisThreads`).
    wait_for("thirty questions to hang", STEP, async || {
        let seen = datadog.seen();
        let asked = |run: &usize| {
            let service = format!("service:hang{run}}}");
            seen.iter().any(|seen| seen.body.to_string().contains(&service))
        };
        let hanging = (0..40).filter(asked).count();
        Ok(Seen::when(hanging >= 30, (), || hanging.to_string()))
    })
    .await?;
    let began = Instant::now();
    make(stage, &healthy).await?;
    expect_all(&ended(stage, &healthy, STEP).await?, "Successful")?;
    let took = began.elapsed();
    remove(stage, &hanging).await?;
    Ok(took)
}

async fn huge_and_hostile(stage: &Stage) -> Result<()> {
    let secret = "neighbours-plugin-huge";
    let datadog = serve_monsters(stage, secret).await?;
    let pid = stage.plugin_pid(NAME)?;
    // What it had at most begins anew (proc(5), /proc/pid/clear_refs).
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("reset the most that was resident")?;
    let before = resident(pid, "VmRSS")?;
    let provider = Provider::Plugin(NAME);
    let mut runs = Runs::new();
    for service in ["huge", "bomb", "endless"] {
        for run in 0..6 {
            runs.insert(
                format!("{service}-{run}"),
                vec![asking(provider, secret, &format!("{service}{run}"))],
            );
        }
    }
    let nested = format!("{}result{} < 1", "(".repeat(5000), ")".repeat(5000));
    for (index, condition) in [
        "len(1..1000000000) > 0",
        nested.as_str(),
        "result matches '(a+)+$'",
    ]
    .iter()
    .enumerate()
    {
        let mut metric = asking(provider, secret, "healthy");
        metric["successCondition"] = json!(condition);
        runs.insert(format!("hostile-{index}"), vec![metric]);
    }
    for metric in runs.values_mut().flatten() {
        // One Error is enough to see it; five would take 40 s.
        metric["consecutiveErrorLimit"] = json!(0);
    }
    make(stage, &runs).await?;
    let seen = ended(stage, &runs, STEP).await?;
    let most = resident(pid, "VmHWM")?;
    stage.say(&format!(
        "the plugin: 12 answers of 50 MB or more, 6 gzip bombs of 100 MB, 3 hostile conditions: {:?}, {} requests; resident {before:.1} MB before, {most:.1} MB at most",
        phases(&seen),
        datadog.count(),
    ));
    for run in &seen {
        let result = &run["status"]["metricResults"][0]["measurements"][0];
        let text = result.to_string();
        ensure!(text.len() < 16 << 10, "a measurement of {} bytes", text.len());
    }
    ensure!(most <= MOST_RESIDENT, "more than {MOST_RESIDENT} MB");
    ensure!(
        stage.plugin_pid(NAME)? == pid,
        "the plugin did not live through it"
    );
    Ok(())
}

/// Two answers of 50 MB, for the controller's own provider.
async fn beside_the_built_in(stage: &Stage) -> Result<()> {
    let secret = "neighbours-built-in-huge";
    let _datadog = serve_monsters(stage, secret).await?;
    let pid = stage
        .world
        .controller
        .process()
        .pid()
        .await
        .context("the controller does not run")?;
    let before = resident(pid, "VmRSS")?;
    let runs: Runs = (0..2)
        .map(|run| {
            let mut metric = asking(Provider::BuiltIn, secret, &format!("huge{run}"));
            metric["consecutiveErrorLimit"] = json!(0);
            (format!("built-in-huge-{run}"), vec![metric])
        })
        .collect();
    make(stage, &runs).await?;
    become_so(stage, &runs, "to have asked", STEP, |run| {
        run["status"]["metricResults"][0]["error"]
            .as_u64()
            .unwrap_or_default()
            > 0
    })
    .await?;
    let most = resident(pid, "VmHWM")?;
    stage.say(&format!(
        "the controller with its own provider: 2 answers of 50 MB: resident {before:.0} MB before, {most:.0} MB at most"
    ));
    Ok(())
}

async fn serve_monsters(stage: &Stage, secret: &str) -> Result<Emulator> {
    let datadog = open(stage, secret).await?;
    datadog
        .on("avg:errors", Behaviour::Value(0.01))
        .on("service:huge", Behaviour::Huge(50 << 20))
        .on("service:bomb", Behaviour::GzipBomb(100 << 20))
        .on("service:endless", Behaviour::Endless);
    Ok(datadog)
}
