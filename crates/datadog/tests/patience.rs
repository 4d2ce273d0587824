//! Throttling, outages, slow and missing answers.

mod scene;

use std::time::Duration;

use datadog::client::{Budget, ExchangeSettings};
use rollouts_plugin::MetricProvider;
use rollouts_plugin::types::AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
use scene::{Behaviour, Scene, asking, asking_as};
use serde_json::json;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_429_keeps_the_measurement_running_until_the_reset() {
    let scene = Scene::in_memory();
    scene.emulator.on("errors", Behaviour::Value(0.01));
    scene.emulator.limit(60, Duration::from_secs(2), true);
    scene.emulator.storm(Duration::from_millis(1500));
    let metric = asking(
        json!({"apiVersion": "v2", "query": "avg:errors{*}"}),
        "result < 0.05",
    );
    let first = scene.run(&metric).await;
    assert_eq!(first.phase, Running, "{first:?}");
    assert!(first.message.contains("rate limit"), "{}", first.message);
    assert!(first.finished_at.is_none());
    let measured = scene.measure(&metric).await;
    assert_eq!(measured.phase, Successful, "{}", measured.message);
    assert!(
        scene.emulator.count_status(429) <= 3,
        "{}",
        scene.emulator.count_status(429)
    );
}

#[tokio::test(start_paused = true)]
async fn a_storm_over_many_runs_ends_in_no_error_and_costs_few_requests() {
    let scene = Scene::in_memory();
    scene.emulator.on("errors", Behaviour::Value(0.01));
    scene.emulator.limit(60, Duration::from_secs(3), true);
    scene.emulator.storm(Duration::from_secs(4));
    let metrics = (0..100).map(|run| {
        let block = json!({"apiVersion": "v2", "query": format!("avg:errors{{service:s{run}}}")});
        asking_as(&format!("run-{run}"), block, "result < 0.05", "")
    });
    let measured = scene.measure_all(metrics).await;
    let bad = measured.iter().find(|one| one.phase != Successful);
    assert_eq!(bad, None);
    assert!(scene.emulator.count() < 30, "{} requests", scene.emulator.count());
}

#[tokio::test(start_paused = true)]
async fn a_429_as_a_page_without_headers() {
    let scene = Scene::in_memory();
    let page = "<html><title>Too many requests</title></html>".to_owned();
    scene.emulator.on("errors", Behaviour::Status(429, page));
    let metric = asking(json!({"query": "avg:errors{*}"}), "result < 0.05");
    let first = scene.run(&metric).await;
    assert_eq!(first.phase, Running);
    assert!(
        first.message.contains("a web page: Too many requests"),
        "{}",
        first.message
    );
    scene.emulator.on("errors", Behaviour::Value(0.01));
    assert_eq!(scene.measure(&metric).await.phase, Successful);
}

/// Something on the way answers for Datadog: a proxy, a firewall, a page about maintenance. Keys and query are not at
/// fault, and the release least of all.
#[tokio::test(start_paused = true)]
async fn a_web_page_is_an_outage_whatever_its_status() {
    for (status, page) in [
        (200, "<html><title>Captive portal</title></html>"),
        (401, "<html><title>Log in</title></html>"),
        (403, "<html><title>Blocked</title></html>"),
        (
            404,
            "\u{feff}\n<!DOCTYPE html><html><title>Not here</title></html>",
        ),
    ] {
        let scene = Scene::in_memory();
        scene
            .emulator
            .on("errors", Behaviour::Status(status, page.to_owned()));
        let metric = asking(json!({"query": "avg:errors{*}"}), "result < 0.05");
        let first = scene.run(&metric).await;
        assert_eq!(first.phase, Running, "{first:?}");
        assert!(
            first
                .message
                .contains("a web page came in the place of an answer")
                && first
                    .message
                    .contains(&format!("(status {status}): a web page: ")),
            "{}",
            first.message
        );
        scene.emulator.on("errors", Behaviour::Value(0.01));
        assert_eq!(scene.measure(&metric).await.phase, Successful);
    }
}

#[tokio::test(start_paused = true)]
async fn outages_are_waited_out_for_so_long_and_then_said() {
    for behaviour in [Behaviour::Status(503, "upstream".to_owned()), Behaviour::Hang] {
        let scene = Scene::in_memory();
        scene.emulator.on("errors", behaviour);
        let block =
            json!({"query": "avg:errors{*}", "requestTimeout": "300ms", "onError": {"retryFor": "2s"}});
        let metric = asking(block, "result < 0.05");
        let first = scene.run(&metric).await;
        assert_eq!(first.phase, Running, "{first:?}");
        assert!(first.metadata.contains_key("failingSince"));
        let measured = scene.measure(&metric).await;
        assert_eq!(measured.phase, Error);
        assert!(
            measured.message.ends_with("gave up after 2s (onError.retryFor)"),
            "{}",
            measured.message
        );
        assert!(scene.emulator.count() >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_fetched_by_resume_from_memory() {
    let scene = Scene::in_memory();
    let slow = Behaviour::Slow(
        Duration::from_millis(1200),
        Box::new(Behaviour::Json(json!({
            "data": {"attributes": {"columns": [{"name": "query", "type": "number", "values": [0.01]}]}},
        }))),
    );
    scene.emulator.on("errors", slow);
    let metric = asking(
        json!({"apiVersion": "v2", "query": "avg:errors{*}"}),
        "result < 0.05",
    );
    let began = Instant::now();
    let first = scene.run(&metric).await;
    assert_eq!(first.phase, Running);
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    let began = Instant::now();
    let again = scene.provider.resume(&metric.run, &metric.metric, &first).await;
    assert_eq!(again.phase, Running);
    assert!(
        began.elapsed() < Duration::from_millis(50),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(scene.measure(&metric).await.phase, Successful);
    assert_eq!(scene.emulator.count(), 1, "one request in all");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_plugin_goes_on() {
    let scene = Scene::in_memory();
    scene.emulator.on("errors", Behaviour::Status(503, String::new()));
    let metric = asking(
        json!({"query": "avg:errors{*}", "onError": {"retryFor": "1h"}}),
        "result < 0.05",
    );
    let first = scene.run(&metric).await;
    let restarted = datadog::Provider::new(scene.engine.clone(), Duration::from_millis(500));
    let again = restarted.resume(&metric.run, &metric.metric, &first).await;
    assert_eq!(again.phase, Running);
    assert_eq!(again.metadata["failingSince"], first.metadata["failingSince"]);
    assert_eq!(again.started_at, first.started_at);
}

#[tokio::test(start_paused = true)]
async fn terminate_answers_at_once_and_holds_nothing_against_the_version() {
    let scene = Scene::in_memory();
    scene.emulator.on("errors", Behaviour::Hang);
    let metric = asking(json!({"query": "avg:errors{*}"}), "result < 0.05");
    let first = scene.run(&metric).await;
    let began = Instant::now();
    let ended = scene
        .provider
        .terminate(&metric.run, &metric.metric, &first)
        .await;
    assert!(
        began.elapsed() < Duration::from_millis(50),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((ended.phase, ended.resume_at), (Successful, None));
    assert!(ended.finished_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn no_data_has_a_policy() {
    for (policy, expected) in [
        ("error", Error),
        ("inconclusive", Inconclusive),
        ("success", Successful),
        ("fail", Failed),
        ("retry(1s)", Error),
    ] {
        let scene = Scene::in_memory_with(ExchangeSettings {
            cache: Duration::ZERO,
            ..ExchangeSettings::default()
        });
        scene.emulator.on("errors", Behaviour::Nothing);
        let block = json!({"apiVersion": "v2", "query": "avg:errors{*}", "onNoData": policy});
        let metric = asking(block, "result < 0.05");
        let measured = scene.measure(&metric).await;
        assert_eq!(measured.phase, expected, "{policy}: {}", measured.message);
        assert!(measured.message.contains("no data"), "{}", measured.message);
        let looks = scene.emulator.count();
        assert!(
            (policy == "retry(1s)") == (looks > 1),
            "{policy}: {looks} requests"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn too_few_samples_are_inconclusive() {
    let scene = Scene::in_memory();
    scene
        .emulator
        .on("sum:errors", Behaviour::Value(1.0))
        .on("sum:hits", Behaviour::Value(3.0));
    for (at_least, expected) in [(2, Failed), (10, Inconclusive)] {
        let block = json!({
            "queries": {"a": "sum:errors{*}", "b": "sum:hits{*}"},
            "formula": "a / b",
            "minSamples": {"formula": "b", "atLeast": at_least},
        });
        let metric = asking_as(&format!("r{at_least}"), block, "result < 0.05", "");
        let measured = scene.measure(&metric).await;
        assert_eq!(measured.phase, expected, "{}", measured.message);
        assert_eq!(measured.metadata["samples"], "3");
    }
    let own = json!({"apiVersion": "v2", "query": "sum:errors{*}", "minSamples": {"query": "sum:hits{*}", "atLeast": 5}});
    let measured = scene.measure(&asking(own, "result < 0.05")).await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Inconclusive, "1"),
        "{}",
        measured.message
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_stands_in_where_that_is_allowed() {
    let settings = ExchangeSettings {
        cache: Duration::ZERO,
        ..ExchangeSettings::default()
    };
    let scene = Scene::in_memory_with(settings);
    scene.emulator.on("errors", Behaviour::Value(0.01));
    let block = json!({"query": "avg:errors{*}", "onError": {"useLastGood": "10m"}});
    assert_eq!(
        scene
            .measure(&asking_as("a", block.clone(), "result < 0.05", ""))
            .await
            .phase,
        Successful
    );
    scene.emulator.on("errors", Behaviour::Status(502, String::new()));
    let metric = asking_as("b", block, "result < 0.05", "");
    let measured = scene.measure(&metric).await;
    assert_eq!(measured.phase, Successful);
    assert!(
        measured.metadata["stale"].contains("Datadog is unavailable: status 502"),
        "{:?}",
        measured.metadata
    );
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_is_an_answer_to_the_same_question() {
    let settings = ExchangeSettings {
        cache: Duration::ZERO,
        ..ExchangeSettings::default()
    };
    let scene = Scene::in_memory_with(settings);
    scene
        .emulator
        .on("errors", Behaviour::Value(0.01))
        .on("silent", Behaviour::Nothing);
    let block = |query: &str, more: serde_json::Value| {
        let mut block = json!({"apiVersion": "v2", "query": query, "onError": {"useLastGood": "10m"}});
        for (name, value) in more.as_object().unwrap() {
            block[name] = value.clone();
        }
        block
    };
    let known = [
        ("hour", block("avg:errors{*}", json!({"interval": "1h"}))),
        ("run", block("avg:errors{*}", json!({"since": "run"}))),
        ("silent", block("avg:silent{*}", json!({"onNoData": "success"}))),
    ];
    for (name, block) in known {
        let measured = scene.measure(&asking_as(name, block, "result < 0.05", "")).await;
        assert_eq!(measured.phase, Successful, "{name}: {}", measured.message);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    scene
        .emulator
        .on("errors", Behaviour::Status(502, String::new()))
        .on("silent", Behaviour::Status(502, String::new()));
    for (name, block, expected) in [
        (
            "an hour",
            block("avg:errors{*}", json!({"interval": "1h"})),
            Successful,
        ),
        (
            "since then",
            block("avg:errors{*}", json!({"since": "run"})),
            Successful,
        ),
        ("five minutes", block("avg:errors{*}", json!({})), Running),
        (
            "no data",
            block("avg:silent{*}", json!({"onNoData": "success"})),
            Running,
        ),
        (
            "none yet",
            block("avg:silent{*}", json!({"onNoData": "retry(1m)"})),
            Running,
        ),
    ] {
        let measured = scene.run(&asking_as(name, block, "result < 0.05", "")).await;
        assert_eq!(measured.phase, expected, "{name}: {}", measured.message);
        assert_eq!(measured.resume_at.is_some(), expected == Running, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_kept_from_the_first_call_on() {
    let settings = ExchangeSettings {
        budget: Budget {
            share: 1.0,
            per_minute: None,
        },
        gather: Duration::ZERO,
        ..ExchangeSettings::default()
    };
    let scene = Scene::in_memory_with(settings);
    scene.emulator.limit(20, Duration::from_secs(60), true);
    scene.emulator.on(
        "/api/v1/monitor/",
        Behaviour::Json(json!({"id": 1, "name": "m", "overall_state": "OK"})),
    );
    let metrics: Vec<_> = (0..60)
        .map(|run| asking_as(&format!("r{run}"), json!({"monitor": {"id": run}}), "", ""))
        .collect();
    let mut measured = Vec::new();
    for metric in &metrics {
        measured.push(scene.run(metric).await.phase);
    }
    assert_eq!(
        scene.emulator.count_status(429),
        0,
        "never refused, because never asked"
    );
    assert!(measured.iter().filter(|phase| **phase == Successful).count() >= 15);
    assert!(measured.contains(&Running));
}
