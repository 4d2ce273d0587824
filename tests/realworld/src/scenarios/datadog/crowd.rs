//! Hundreds of metrics that are due together.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Behaviour, Emulator, Provider, Runs, ended, expect_all, make, metric, open, phases};
use crate::plan::Form;
use crate::scenarios::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::stage::{STEP, Stage};

const NAME: &str = "serinus/datadog-crowd";

pub(in crate::scenarios) const SCENE: Scene = Scene {
    name: "datadog-crowd",
    proves: "300 metrics that are due together take at most 10 requests, and a budget of 60 requests is kept from the first one on",
    plugins: Plugins::Datadog(NAME, &["--budget-share=1"]),
    turn: Turn::Alone,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// Three hundred metrics.
struct Crowd {
    /// In a word: part of names.
    name: &'static str,
    /// How many AnalysisRuns have them.
    runs: usize,
    /// How many different queries they ask.
    queries: usize,
}

const METRICS: usize = 300;
/// The most requests for them.
const MOST: usize = 10;

const CROWDS: [Crowd; 3] = [
    Crowd {
        name: "distinct",
        runs: 10,
        queries: METRICS,
    },
    Crowd {
        name: "same",
        runs: 100,
        queries: 10,
    },
    // The controller works with thirty AnalysisRuns at a time, so these are due together and come over a second or two.
    Crowd {
        name: "scattered",
        runs: 100,
        queries: METRICS,
    },
];

async fn run(stage: Stage) -> Result<()> {
    for crowd in CROWDS {
        together(&stage, &crowd).await?;
    }
    budget(&stage).await
}

async fn together(stage: &Stage, crowd: &Crowd) -> Result<()> {
    let mut counts = Vec::new();
    for (side, provider) in [
        ("plugin", Provider::Plugin(NAME)),
        ("built-in", Provider::BuiltIn),
    ] {
        let secret = format!("{}-{side}", crowd.name);
        let datadog = open(stage, &secret).await?;
        datadog.on("avg:errors", Behaviour::Value(0.01));
        datadog.limit(1600, Duration::from_secs(60), true);
        let each = METRICS / crowd.runs;
        let block = |run: usize, index: usize| {
            let query = format!("avg:errors{{service:s{}}}", (each * run + index) % crowd.queries);
            json!({"apiVersion": "v2", "query": query, "secretRef": {"name": secret}})
        };
        let began = Instant::now();
        let ended = play(stage, &runs((crowd.runs, each), &secret, provider, block)).await?;
        expect_all(&ended, "Successful")?;
        let seconds = began.elapsed().as_secs_f64();
        stage.say(&format!(
            "{METRICS} metrics of {} AnalysisRuns, {} queries, {side}: {} requests, the last {} ms after the first; all done after {seconds:.1} s",
            crowd.runs,
            crowd.queries,
            datadog.count(),
            spread(&datadog),
        ));
        let explained = explained(&datadog);
        ensure!(
            provider == Provider::BuiltIn || datadog.count() <= explained.max(MOST),
            "{} requests are more than {MOST}, and than the {explained} that the controller's pace explains",
            datadog.count()
        );
        counts.push(datadog.count());
    }
    // Where answers can be shared the built-in provider shares none.
    ensure!(counts[0] * 10 <= counts[1], "plugin and built-in: {counts:?}");
    Ok(())
}

/// How many requests metrics take that come as slowly as the controller made them come: a hundred travel in one; a crowd is
/// gathered for 30 ms at first, and 240 ms later on; and each window of time is a question of its own.
fn explained(datadog: &Emulator) -> usize {
    let asked = |seen: &super::emulator::Seen| {
        let attributes = &seen.body["data"]["attributes"];
        (attributes["from"].to_string(), attributes["to"].to_string())
    };
    let windows: BTreeSet<_> = datadog.seen().iter().map(asked).collect();
    METRICS.div_ceil(100) + 3 + (spread(datadog) / 240) as usize + windows.len()
}

/// Ninety metrics that cannot share requests, and sixty requests a period.
async fn budget(stage: &Stage) -> Result<()> {
    let period = match stage.form() {
        Form::Short => Duration::from_secs(15),
        Form::Long => Duration::from_secs(60),
    };
    for (side, provider, by) in [
        ("plugin", Provider::Plugin(NAME), " by {host}"),
        ("built-in", Provider::BuiltIn, ""),
    ] {
        let secret = format!("budget-{side}");
        let datadog = open(stage, &secret).await?;
        let hosts = vec![("a".to_owned(), Some(0.01)), ("b".to_owned(), Some(0.02))];
        datadog
            .on("avg:errors", Behaviour::Value(0.01))
            .on("by {host}", Behaviour::Groups(hosts));
        datadog.limit(60, period, true);
        let block = |run, index| {
            let query = format!("avg:errors{{service:s{run},part:{index}}}{by}");
            json!({"apiVersion": "v2", "query": query, "secretRef": {"name": secret}})
        };
        let mut runs = runs((30, 3), &secret, provider, block);
        for metric in runs.values_mut().flatten().filter(|_| !by.is_empty()) {
            metric["successCondition"] = json!("all(result, # < 0.05)");
        }
        let began = Instant::now();
        let ended = play(stage, &runs).await?;
        let over = datadog.count_status(429);
        stage.say(&format!(
            "90 metrics, 60 requests in {} s, {side}: {} requests, {over} of them over the budget; {:?} after {:.1} s",
            period.as_secs(),
            datadog.count(),
            phases(&ended),
            began.elapsed().as_secs_f64(),
        ));
        // The built-in provider gives up where a period is longer than four of its retries.
        if provider != Provider::BuiltIn {
            ensure!(over == 0, "{over} requests over the budget");
            expect_all(&ended, "Successful")?;
        }
    }
    Ok(())
}

/// So many AnalysisRuns with so many metrics each.
fn runs(
    (count, each): (usize, usize),
    prefix: &str,
    provider: Provider,
    block: impl Fn(usize, usize) -> Value,
) -> Runs {
    let metrics = |run| -> Vec<Value> {
        let one = |index| metric(&format!("m{index}"), provider, &block(run, index));
        (0..each).map(one).collect()
    };
    (0..count)
        .map(|run| (format!("{prefix}-{run}"), metrics(run)))
        .collect()
}

/// Makes the runs and waits until all have ended.
async fn play(stage: &Stage, runs: &Runs) -> Result<Vec<Value>> {
    make(stage, runs).await?;
    ended(stage, runs, STEP).await
}

/// Milliseconds from the first request to the last.
fn spread(datadog: &Emulator) -> u128 {
    let seen = datadog.seen();
    let at = |seen: Option<&super::emulator::Seen>| seen.map(|seen| seen.at);
    match (at(seen.first()), at(seen.last())) {
        (Some(first), Some(last)) => (last - first).as_millis(),
        _ => 0,
    }
}
