//! An outage of Datadog while a hundred releases are judged, all of them healthy.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Behaviour, Provider, Runs, ended, expect_all, make, metric, open, phases, read_all};
use crate::plan::Form;
use crate::scenarios::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::stage::Stage;
use crate::wait::{Seen, wait_for};

const NAME: &str = "serinus/datadog-storm";

pub(in crate::scenarios) const SCENE: Scene = Scene {
    name: "datadog-storm",
    proves: "Datadog throttles, fails and hangs: of 100 healthy analyses none ends Error or Failed; the controller's own provider aborts them",
    plugins: Plugins::Datadog(NAME, &[]),
    turn: Turn::Alone,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

const RUNS: usize = 100;
/// A minute of rate limits in real life; a tenth of it where ten minutes of storm take one.
fn period(form: Form) -> Duration {
    match form {
        Form::Short => Duration::from_secs(6),
        Form::Long => Duration::from_secs(60),
    }
}

/// The plugin's default of `onError.retryFor`: a storm that lasts longer is an Error each time, and the controller bears
/// four in a row.
const RETRY_FOR: Duration = Duration::from_secs(300);

fn length(form: Form) -> Duration {
    10 * period(form)
}

async fn run(stage: Stage) -> Result<()> {
    let (period, length) = (period(stage.form()), length(stage.form()));
    let mut sides = Vec::new();
    for (side, provider) in [
        ("plugin", Provider::Plugin(NAME)),
        ("built-in", Provider::BuiltIn),
    ] {
        let secret = format!("storm-{side}");
        let datadog = open(&stage, &secret).await?;
        datadog.on("avg:errors", Behaviour::Value(0.01));
        datadog.limit(600, period, true);
        sides.push((datadog, runs(side, provider, &secret)));
    }
    for (datadog, runs) in &sides {
        datadog.storm_of(4 * length, refusals());
        make(&stage, runs).await?;
    }
    let [(datadog, ours), (built_in, theirs)] = &sides[..] else {
        unreachable!("there are two sides")
    };
    let began = Instant::now();

    // Until it has lasted so long, and was a storm: on a busy machine the built-in provider gives up later.
    wait_for(
        "the controller's own provider to give up more than half of its runs",
        3 * length,
        async || {
            let phases = phases(&read_all(&stage, theirs).await?);
            let given_up = phases.get("Error").copied().unwrap_or_default();
            let is_over = given_up > RUNS / 2 && began.elapsed() >= length;
            Ok(Seen::when(is_over, (), || format!("{phases:?}")))
        },
    )
    .await?;
    datadog.calm();
    built_in.calm();
    let length = began.elapsed();
    let aborted = ended(&stage, theirs, 3 * length + Duration::from_secs(60)).await?;
    stage.say(&format!(
        "a storm of {} s; the controller's own provider: {:?} after {} s and {} requests, {} of them 429",
        length.as_secs(),
        phases(&aborted),
        began.elapsed().as_secs(),
        built_in.count(),
        built_in.count_status(429),
    ));
    let runs = ended(&stage, ours, 3 * length + Duration::from_secs(180)).await?;
    expect_all(&runs, "Successful")?;
    let errors: u64 = measurements(&runs, "error");
    stage.say(&format!(
        "the plugin: {:?} after {} s and {} requests, {} of them 429; {errors} Error measurements",
        phases(&runs),
        began.elapsed().as_secs(),
        datadog.count(),
        datadog.count_status(429),
    ));
    let allowed = 3 * RUNS * (length.as_secs() / RETRY_FOR.as_secs()) as usize;
    ensure!(
        errors <= allowed as u64,
        "{errors} measurements were Errors, more than {allowed}"
    );
    let after = datadog.seen().into_iter().filter(|seen| seen.at > began + length);
    let over = after.filter(|seen| seen.status == 429).count();
    ensure!(
        over == 0,
        "{over} requests over the budget once the storm had passed"
    );
    Ok(())
}

/// In turn: throttled with and without headers, broken, silent.
fn refusals() -> Vec<Behaviour> {
    vec![
        Behaviour::Status(
            429,
            r#"{"errors":["Rate limit of requests exceeded"]}"#.to_owned(),
        ),
        Behaviour::Status(
            503,
            "<html><title>503 Service Unavailable</title></html>".to_owned(),
        ),
        Behaviour::Status(429, "<html><title>Too many requests</title></html>".to_owned()),
        Behaviour::Hang,
        Behaviour::Status(500, r#"{"errors":["Internal error"]}"#.to_owned()),
    ]
}

fn runs(side: &str, provider: Provider, secret: &str) -> Runs {
    let metrics = |run: usize| -> Vec<Value> {
        (0..3)
            .map(|index| {
                let block = json!({
                    "apiVersion": "v2",
                    "query": format!("avg:errors{{service:s{run},part:{index}}}"),
                    "secretRef": {"name": secret},
                    "requestTimeout": "2s",
                });
                metric(&format!("m{index}"), provider, &block)
            })
            .collect()
    };
    (0..RUNS)
        .map(|run| (format!("{side}-{run}"), metrics(run)))
        .collect()
}

/// The sum of a counter over all metrics.
fn measurements(runs: &[Value], counter: &str) -> u64 {
    runs.iter()
        .flat_map(|run| run["status"]["metricResults"].as_array().into_iter().flatten())
        .map(|result| result[counter].as_u64().unwrap_or_default())
        .sum()
}
