//! Whose fault it is: missing data, outages, refusals and slowness are nobody else's verdict.

mod scene;

use std::sync::Arc;
use std::time::Duration;

use rollouts_plugin::MetricProvider;
use rollouts_plugin::types::{AnalysisPhase, Measurement};
use scene::{Asking, Behaviour, Scene, asking_as};
use serde_json::json;

/// Asks again and again, as the controller does, until there is a verdict.
async fn measure(scene: &Scene, asking: &Asking) -> Measurement {
    let mut measurement = scene.provider.run(&asking.run, &asking.metric).await;
    while !measurement.phase.is_completed() {
        let at = measurement.resume_at.expect("it wants to be resumed").0;
        let wait = at.duration_since(scene.engine.clock.now());
        tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
        measurement = scene
            .provider
            .resume(&asking.run, &asking.metric, &measurement)
            .await;
    }
    measurement
}

/// `all` of no group is true, and a canary that reported nothing was promoted.
#[tokio::test(start_paused = true)]
async fn groups_without_a_value_are_no_data() {
    let columns = |groups: serde_json::Value, values: serde_json::Value| {
        json!({"data": {"attributes": {"columns": [
            {"name": "host", "type": "group", "values": groups}, {"name": "query", "type": "number", "values": values}]}}})
    };
    for answer in [
        columns(json!([]), json!([])),
        columns(json!([["a"], ["b"]]), json!([null, null])),
        json!({"data": {"attributes": {"columns": []}}}),
    ] {
        let scene = Scene::in_memory();
        scene.emulator.on("errors", Behaviour::Json(answer));
        let plain = json!({"apiVersion": "v2", "query": "avg:errors{*} by {host}"});
        let named = json!({"queries": {"a": "sum:errors{x:1} by {host}"}, "formulas": {"err": "a"}});
        for (name, block, success, failure) in [
            ("success", &plain, "all(result, # < 0.05)", ""),
            ("failure", &plain, "", "any(result, # > 0.05)"),
            ("named", &named, "all(values(result.err), # < 0.05)", ""),
        ] {
            let measured = measure(&scene, &asking_as(name, block.clone(), success, failure)).await;
            assert_eq!(
                measured.phase,
                AnalysisPhase::Error,
                "{name}: {}",
                measured.message
            );
        }
    }
}

/// The first metric's lacking permission was told to all that travelled with it.
#[tokio::test(start_paused = true)]
async fn a_metric_that_the_keys_may_not_read_fails_alone() {
    for guilty_at in 0..6 {
        let scene = Scene::in_memory();
        scene.emulator.on("avg:errors", Behaviour::Value(0.01));
        let forbidden = r#"{"errors":["Forbidden: logs_read_data"]}"#.to_owned();
        scene.emulator.on("guilty", Behaviour::Status(403, forbidden));
        let mut all: Vec<Asking> = (0..5)
            .map(|n| {
                let query = format!("avg:errors{{service:s{n}}}");
                asking_as(
                    &format!("r{n}"),
                    json!({"apiVersion": "v2", "query": query}),
                    "result < 0.05",
                    "",
                )
            })
            .collect();
        let logs = json!({"queries": {"a": {"source": "logs", "search": "guilty", "compute": "count"}}});
        all.insert(guilty_at, asking_as("guilty", logs, "result < 5", ""));
        let measured = scene.measure_all(all.into_iter()).await;
        let failed = measured.iter().filter(|m| m.phase != AnalysisPhase::Successful);
        assert_eq!(failed.count(), 1, "guilty at {guilty_at}");
    }
}

/// Ten seconds of 503 put each metric into a request of its own for ten minutes, which no budget allows.
#[tokio::test(start_paused = true)]
async fn after_an_outage_metrics_travel_together_again() {
    let scene = Arc::new(Scene::in_memory());
    scene.emulator.on("avg:errors", Behaviour::Value(0.01));
    scene.emulator.limit(60, Duration::from_secs(60), true);
    for (wave, outage) in [(0, 0), (1, 20), (2, 0)] {
        if outage > 0 {
            let storm = vec![Behaviour::Status(503, "upstream".to_owned())];
            scene.emulator.storm_of(Duration::from_secs(outage), storm);
        }
        let before = scene.emulator.count();
        let mut all = tokio::task::JoinSet::new();
        for n in 0..300 {
            let scene = scene.clone();
            all.spawn(async move {
                let query = format!("avg:errors{{service:s{n}}}");
                let block = json!({"apiVersion": "v2", "query": query});
                measure(
                    &scene,
                    &asking_as(&format!("r{wave}-{n}"), block, "result < 0.05", ""),
                )
                .await
            });
        }
        let measured = all.join_all().await;
        let failed = measured.iter().filter(|m| m.phase != AnalysisPhase::Successful);
        assert_eq!(failed.count(), 0, "wave {wave}");
        let requests = scene.emulator.count() - before;
        assert!(outage > 0 || requests <= 10, "wave {wave}: {requests} requests");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Both shared the request of the first, and its time.
#[tokio::test(start_paused = true)]
async fn a_patient_metric_waits_for_itself() {
    let scene = Scene::in_memory();
    let answer =
        json!({"data": {"attributes": {"columns": [{"name": "query", "type": "number", "values": [0.01]}]}}});
    let slow = Behaviour::Slow(Duration::from_millis(600), Box::new(Behaviour::Json(answer)));
    scene.emulator.on("errors", slow);
    let block = |timeout: &str| json!({"apiVersion": "v2", "query": "avg:errors{*}", "requestTimeout": timeout, "onError": {"retryFor": "0s"}});
    let hasty = asking_as("hasty", block("300ms"), "result < 0.05", "");
    let patient = asking_as("patient", block("10s"), "result < 0.05", "");
    let (hasty, patient) = tokio::join!(measure(&scene, &hasty), measure(&scene, &patient));
    assert_eq!(hasty.phase, AnalysisPhase::Error);
    assert_eq!(patient.phase, AnalysisPhase::Successful, "{}", patient.message);
}
