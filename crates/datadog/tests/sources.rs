//! Every kind of source beside plain queries: data sources, groups, several formulas, monitors, SLOs, gates, comparisons.

#![allow(clippy::unwrap_used)]

mod scene;

use std::time::Duration;

use rollouts_plugin::MetricProvider;
use rollouts_plugin::types::AnalysisPhase::{Error, Failed, Inconclusive, Running, Successful};
use scene::{API_KEY, APP_KEY, Behaviour, Scene, asking, asking_as};
use serde_json::{Value, json};

#[tokio::test]
async fn grouped_queries_name_the_failing_groups() {
    let groups = |values: &[(&str, Option<f64>)]| {
        Behaviour::Groups(
            values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        )
    };
    let scene = Scene::start().await;
    scene.emulator.on(
        "errors",
        groups(&[
            ("web", Some(0.01)),
            ("cart", Some(0.3)),
            ("idle", None),
            ("pay", Some(0.2)),
        ]),
    );
    let block = json!({"apiVersion": "v2", "query": "avg:errors{*} by {service}"});
    let measured = scene
        .measure(&asking(block.clone(), "all(result, # < 0.05)"))
        .await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Failed, "[0.01,0.3,0.2]"),
        "{}",
        measured.message
    );
    assert_eq!(measured.message, "fail: 2 of 3 groups: cart=0.3, pay=0.2");
    let listed: Value = serde_json::from_str(&measured.metadata["groups"]).unwrap();
    assert_eq!(listed[1], json!({"name": "cart", "value": 0.3}));
    // One group is a list as well, as in the controller's own provider.
    scene.emulator.on("errors", groups(&[("web", Some(0.01))]));
    let other = Scene::start().await;
    other.emulator.on("errors", groups(&[("web", Some(0.01))]));
    assert_eq!(
        other.measure(&asking(block, "max(result) < 0.05")).await.phase,
        Successful
    );
}

#[tokio::test]
async fn other_data_sources_travel_as_datadog_has_them() {
    let scene = Scene::start().await;
    scene
        .emulator
        .on(r#""data_source":"logs""#, Behaviour::Value(3.0));
    scene
        .emulator
        .on(r#""data_source":"apm_metrics""#, Behaviour::Value(100.0));
    let block = json!({
        "queries": {
            "errors": {"source": "logs", "search": "service:web status:error", "compute": "count"},
            "hits": {"data_source": "apm_metrics", "stat": "hits", "service": "web", "query_filter": "env:prod"},
        },
        "formulas": {"rate": "errors / hits", "hits": "hits"},
    });
    let measured = scene
        .measure(&asking(block, "result.rate < 0.05 && result.hits > 50"))
        .await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Successful, r#"{"hits":100,"rate":0.03}"#),
        "{}",
        measured.message
    );
    let queries = &scene.emulator.seen()[0].body["data"]["attributes"]["queries"];
    assert_eq!(
        queries[0],
        json!({"name": "errors", "data_source": "logs", "search": {"query": "service:web status:error"}, "compute": {"aggregation": "count"}})
    );
}

#[tokio::test]
async fn monitors_by_id_and_by_search() {
    let scene = Scene::start().await;
    let monitor = |state: &str, silenced: Value| {
        Behaviour::Json(
            json!({"id": 7, "name": "error rate", "overall_state": state, "options": {"silenced": silenced},
            "state": {"groups": {"env:prod": {"status": state}}}}),
        )
    };
    scene.emulator.on("/api/v1/monitor/1?", monitor("OK", json!({})));
    scene
        .emulator
        .on("/api/v1/monitor/2?", monitor("Alert", json!({})));
    scene
        .emulator
        .on("/api/v1/monitor/3?", monitor("Alert", json!({"*": null})));
    scene
        .emulator
        .on("/api/v1/monitor/4?", monitor("No Data", json!({})));
    let mut check = Vec::new();
    for (id, more, expected) in [
        (1, json!({}), Successful),
        (2, json!({}), Failed),
        (3, json!({}), Failed),
        (3, json!({"muted": "ignore"}), Successful),
        (4, json!({}), Error),
        (4, json!({"noData": "success"}), Successful),
        (9, json!({}), Error),
    ] {
        let mut block = json!({"monitor": more});
        block["monitor"]["id"] = id.into();
        let measured = scene
            .measure(&asking_as(&format!("r{}", check.len()), block.clone(), "", ""))
            .await;
        assert_eq!(measured.phase, expected, "{block}: {}", measured.message);
        check.push(measured.message);
    }
    assert_eq!(check[1], "1 of 1 monitored groups: error rate (env:prod): Alert");
    assert!(
        check[6].starts_with("monitor.id: no such monitor at this site;"),
        "{}",
        check[6]
    );

    let page = json!({
        "counts": {"status": [{"name": "Alert", "count": 1}, {"name": "OK", "count": 41}], "tag": [{"name": "x", "count": 1}]},
        "groups": [
            {"monitor_name": "latency", "group": "env:prod", "status": "Alert", "monitor_id": 5},
            {"monitor_name": "errors", "group": "env:prod", "status": "OK", "monitor_id": 6},
        ],
        "metadata": {"total_count": 42, "page_count": 1},
    });
    scene
        .emulator
        .on("/groups/search?query=tag:web", Behaviour::Json(page));
    let block = json!({"monitor": {"query": "tag:web"}});
    let condition = "none(result.counts.status, {.name == 'Alert' && .count > 0})";
    let measured = scene
        .measure(&asking_as("search", block.clone(), condition, ""))
        .await;
    assert_eq!(measured.phase, Failed, "{}", measured.message);
    assert_eq!(
        measured.message,
        "1 of 42 monitored groups: latency (env:prod): Alert"
    );
    assert!(
        !measured.value.contains(r#""muted":true"#),
        "nothing said that any is"
    );
    assert!(measured.value.len() < 4096 && !measured.value.contains("\"tag\""));
    let none =
        json!({"counts": {"status": []}, "groups": [], "metadata": {"total_count": 0, "page_count": 0}});
    scene.emulator.on("query=tag:none", Behaviour::Json(none));
    let measured = scene
        .measure(&asking_as(
            "none",
            json!({"monitor": {"query": "tag:none"}}),
            "",
            "",
        ))
        .await;
    assert_eq!(
        (measured.phase, measured.message.as_str()),
        (Error, "no monitor matches; check monitor.query")
    );
}

/// Groups as the search gives them: they do not say whether they are muted (datadog-api-client 0.38
/// `MonitorGroupSearchResult`), the attribute of the search does.
fn search(groups: &[(&str, &str)], counts: &[(&str, usize)], pages: usize) -> Behaviour {
    let groups: Vec<Value> = groups
        .iter()
        .map(|(name, status)| json!({"monitor_name": name, "group": "*", "status": status, "monitor_id": 1}))
        .collect();
    let status: Vec<Value> = counts
        .iter()
        .map(|(name, count)| json!({"name": name, "count": count}))
        .collect();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    Behaviour::Json(json!({
        "counts": {"status": status, "type": [], "muted": [{"name": false, "count": total}]},
        "groups": groups,
        "metadata": {"total_count": total, "page": 0, "page_count": pages, "per_page": 100},
    }))
}

#[tokio::test]
async fn muted_monitors_of_a_search_are_told_by_the_search() {
    let scene = Scene::start().await;
    let emulator = &scene.emulator;
    emulator
        .on(
            "query=tag:duty&",
            search(&[("a", "OK"), ("b", "Alert")], &[("OK", 1), ("Alert", 1)], 1),
        )
        .on(
            "query=(tag:duty) AND muted:false&",
            search(&[("a", "OK")], &[("OK", 1)], 1),
        )
        .on(
            "query=(tag:duty) AND muted:true&",
            search(&[("b", "Alert")], &[("Alert", 1)], 1),
        )
        .on("query=(tag:quiet) AND muted:false&", search(&[], &[], 0))
        .on(
            "query=(tag:quiet) AND muted:true&",
            search(&[("b", "Alert")], &[("Alert", 1)], 1),
        )
        .on("query=(tag:none) AND muted:", search(&[], &[], 0));
    for (query, muted, expected, message) in [
        (
            "tag:duty",
            "state",
            Failed,
            "1 of 2 monitored groups: b (*): Alert",
        ),
        ("tag:duty", "ignore", Successful, ""),
        (
            "tag:duty",
            "inconclusive",
            Inconclusive,
            "1 of 2 monitored groups: b (*): Alert, muted",
        ),
        ("tag:quiet", "ignore", Successful, ""),
        (
            "tag:none",
            "ignore",
            Error,
            "no monitor matches; check monitor.query",
        ),
    ] {
        let block = json!({"monitor": {"query": query, "muted": muted}});
        let measured = scene
            .measure(&asking_as(&format!("{query}-{muted}"), block, "", ""))
            .await;
        assert_eq!(
            (measured.phase, measured.message.as_str()),
            (expected, message),
            "{query} {muted}"
        );
    }
}

#[tokio::test]
async fn groups_beyond_the_pages_read_count_by_their_state() {
    let scene = Scene::start().await;
    let page = || search(&[("a", "OK"), ("b", "OK")], &[("OK", 700), ("Alert", 3)], 8);
    scene
        .emulator
        .on("query=(tag:many) AND muted:false&", page())
        .on("query=tag:many&", page());
    for muted in ["ignore", "state"] {
        let block = json!({"monitor": {"query": "tag:many", "muted": muted}});
        let measured = scene.measure(&asking_as(muted, block, "", "")).await;
        assert_eq!(
            (measured.phase, measured.message.as_str()),
            (Failed, "3 of 703 monitored groups: 3 more in Alert"),
            "{muted}"
        );
    }
}

/// Neither the groups nor the counts say how these three are.
#[tokio::test]
async fn groups_whose_state_the_search_does_not_tell_are_not_healthy() {
    let scene = Scene::start().await;
    let page = |groups: Value| {
        Behaviour::Json(json!({"counts": {"status": []}, "groups": groups, "metadata": {"total_count": 3}}))
    };
    let healthy = json!([{"monitor_name": "a", "group": "*", "status": "OK", "monitor_id": 1}]);
    for (query, groups, message) in [
        (
            "tag:untold",
            json!([]),
            "3 of 3 monitored groups: 3 more in Unknown",
        ),
        ("tag:half", healthy, "2 of 3 monitored groups: 2 more in Unknown"),
    ] {
        scene.emulator.on(&format!("query={query}"), page(groups));
        let block = json!({"monitor": {"query": query}});
        let measured = scene.measure(&asking_as(query, block, "", "")).await;
        assert_eq!(
            (measured.phase, measured.message.as_str()),
            (Error, message),
            "{query}"
        );
    }
}

#[tokio::test]
async fn slo_status_and_burn_rate() {
    let scene = Scene::start().await;
    let slo = |state: &str| {
        Behaviour::Json(json!({"data": {"id": "x", "type": "slo_status", "attributes": {
            "sli": 99.2, "error_budget_remaining": -12.5, "state": state, "span_precision": 2,
            "raw_error_budget_remaining": {"unit": "requests", "value": -3}}}}))
    };
    for (state, expected) in [
        ("ok", Successful),
        ("warning", Inconclusive),
        ("breached", Failed),
    ] {
        scene.emulator.on("/api/v2/slo/abc/status", slo(state));
        let measured = scene
            .measure(&asking_as(state, json!({"slo": {"id": "abc"}}), "", ""))
            .await;
        assert_eq!(measured.phase, expected, "{}", measured.message);
    }
    let measured = scene
        .measure(&asking_as(
            "c",
            json!({"slo": {"id": "abc"}}),
            "result.sli > 99",
            "",
        ))
        .await;
    assert_eq!(measured.phase, Successful, "{}", measured.message);
    scene
        .emulator
        .on(r#""measure":"burn_rate""#, Behaviour::Value(14.0));
    let block =
        json!({"interval": "1h", "slo": {"id": "abc", "measure": "burn_rate", "filter": "version:2"}});
    let measured = scene.measure(&asking_as("b", block, "result < 10", "")).await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Failed, "14"),
        "{}",
        measured.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_deployment_gate_is_started_once_and_polled() {
    let scene = Scene::in_memory();
    scene
        .emulator
        .on("gate:web", Behaviour::Gate(1, true))
        .on("gate:cart", Behaviour::Gate(0, false));
    let gate = |service: &str| json!({"gate": {"service": service, "env": "prod", "version": "2", "pollInterval": "1s"}});
    let passing = asking_as("passing", gate("web"), "", "");
    let first = scene.run(&passing).await;
    assert_eq!(first.phase, Running);
    assert_eq!(first.metadata["gateEvaluationId"], "fb1d7aef-236f-433d-ab3e-web");
    // The controller could not write it down and calls again.
    assert_eq!(scene.run(&passing).await.phase, Running);
    // The plugin restarts.
    let restarted = datadog::Provider::new(scene.engine.clone(), Duration::from_millis(100));
    assert_eq!(
        restarted
            .resume(&passing.run, &passing.metric, &first)
            .await
            .phase,
        Running
    );
    let measured = scene.measure(&passing).await;
    assert_eq!(measured.phase, Successful, "{}", measured.message);
    assert!(measured.metadata["link"].contains("/ci/deployment-gates/evaluations"));
    assert_eq!(
        scene
            .emulator
            .seen()
            .iter()
            .filter(|seen| seen.method == "POST")
            .count(),
        1
    );

    let measured = scene.measure(&asking_as("failing", gate("cart"), "", "")).await;
    assert_eq!(measured.phase, Failed);
    assert_eq!(
        measured.message,
        "the gate failed: error monitors: 1 of 1 monitors are in ALERT"
    );
    let measured = scene.measure(&asking_as("none", gate("unknown"), "", "")).await;
    assert_eq!(measured.phase, Error);
    assert!(
        measured
            .message
            .contains("no gate found for service unknown, env prod"),
        "{}",
        measured.message
    );
}

/// An outage that ended is not held against one an hour later.
#[tokio::test(start_paused = true)]
async fn a_gate_has_patience_with_every_outage_anew() {
    let scene = Scene::in_memory();
    scene.emulator.on("gate:web", Behaviour::Gate(60, true));
    let outage = || {
        scene.emulator.storm_of(
            Duration::from_secs(12),
            vec![Behaviour::Status(503, String::new())],
        );
    };
    outage();
    let block = json!({
        "gate": {"service": "web", "env": "prod", "pollInterval": "10s"}, "onError": {"retryFor": "1m"},
    });
    let metric = asking_as("gate", block, "", "");
    let mut measurement = scene.run(&metric).await;
    assert!(
        measurement.metadata.contains_key("failingSince"),
        "{measurement:?}"
    );
    for (pause, is_failing) in [(300, false), (11, true)] {
        if is_failing {
            outage();
        }
        tokio::time::sleep(Duration::from_secs(pause)).await;
        measurement = scene
            .provider
            .resume(&metric.run, &metric.metric, &measurement)
            .await;
        assert_eq!(measurement.phase, Running, "{}", measurement.message);
        assert_eq!(measurement.metadata.contains_key("failingSince"), is_failing);
    }
    let measured = scene.measure(&metric).await;
    assert_eq!(measured.phase, Successful, "{}", measured.message);
}

#[tokio::test]
async fn no_data_has_a_policy_for_groups_with_names_and_for_comparisons() {
    let scene = Scene::start().await;
    let grouped = json!({
        "queries": {"a": "sum:errors{*} by {host}", "b": "sum:hits{*} by {host}"},
        "formulas": {"rate": "a / b", "hits": "b"},
    });
    let compare = json!({
        "apiVersion": "v2", "query": "avg:errors{*}", "compare": {"canary": "version:2", "baseline": "version:1"},
    });
    let ranks = json!({
        "apiVersion": "v2", "query": "avg:errors{*}",
        "compare": {"canary": "version:2", "baseline": "version:1", "method": "mannWhitney"},
    });
    for (name, mut block, condition) in [
        ("grouped", grouped, "all(values(result.rate), # < 0.05)"),
        ("compare", compare, ""),
        ("ranks", ranks, ""),
    ] {
        block["onNoData"] = "fail".into();
        let measured = scene.measure(&asking_as(name, block, condition, "")).await;
        assert_eq!(
            (measured.phase, measured.message.as_str()),
            (Failed, "no data returned from Datadog; onNoData is fail"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn new_against_old_in_one_request() {
    let scene = Scene::start().await;
    scene
        .emulator
        .on("version:2", Behaviour::Value(0.13))
        .on("version:1", Behaviour::Value(0.10));
    let compare = |more: Value| {
        let mut block = json!({"apiVersion": "v2", "query": "avg:latency{service:web}", "compare": more});
        block["compare"]["canary"] = "version:2".into();
        block["compare"]["baseline"] = "version:1".into();
        block
    };
    for (index, (more, expected)) in [
        (json!({}), Failed),
        (json!({"tolerance": 0.5}), Successful),
        (json!({"method": "difference", "tolerance": 0.05}), Successful),
        (json!({"method": "difference", "tolerance": 0.01}), Failed),
        (json!({"direction": "decrease"}), Successful),
    ]
    .into_iter()
    .enumerate()
    {
        let measured = scene
            .measure(&asking_as(&format!("r{index}"), compare(more.clone()), "", ""))
            .await;
        assert_eq!(measured.phase, expected, "{more}: {}", measured.message);
    }
    let first = &scene.emulator.seen()[0];
    assert_eq!(
        first.body["data"]["attributes"]["queries"][0]["query"],
        "avg:latency{service:web,version:2}"
    );

    scene.emulator.on("version:1", Behaviour::Nothing);
    let scene2 = Scene::start().await;
    scene2.emulator.on("version:2", Behaviour::Value(0.13));
    let measured = scene2.measure(&asking(compare(json!({})), "")).await;
    assert_eq!(measured.phase, Inconclusive, "{}", measured.message);
}

#[tokio::test]
async fn new_against_old_by_ranks() {
    let points =
        |base: f64| Behaviour::Points((0..40).map(|n| Some(base + f64::from(n % 7) / 100.0)).collect());
    for (canary, expected) in [(1.0, Successful), (1.5, Failed)] {
        let scene = Scene::start().await;
        scene
            .emulator
            .on("version:2", points(canary))
            .on("version:1", points(1.0));
        let block = json!({"apiVersion": "v2", "query": "avg:latency{service:web}",
            "compare": {"canary": "version:2", "baseline": "version:1", "method": "mannWhitney"}});
        let measured = scene.measure(&asking(block, "")).await;
        assert_eq!(measured.phase, expected, "{}", measured.message);
        assert_eq!(scene.emulator.seen()[0].path, "/api/v2/query/timeseries");
        assert_eq!(scene.emulator.count(), 1);
    }
    let scene = Scene::start().await;
    scene
        .emulator
        .on("version:", Behaviour::Points(vec![Some(1.0); 5]));
    let block = json!({"apiVersion": "v2", "query": "avg:latency{service:web}",
        "compare": {"canary": "version:2", "baseline": "version:1", "method": "mannWhitney"}});
    let measured = scene.measure(&asking(block, "")).await;
    assert_eq!(measured.phase, Inconclusive);
    assert!(
        measured
            .message
            .starts_with("too few points to compare: canary 5, baseline 5"),
        "{}",
        measured.message
    );
}

#[tokio::test]
async fn marks_are_left_only_where_asked_for() {
    let scene = Scene::start().await;
    scene.emulator.on("errors", Behaviour::Value(0.01));
    scene
        .measure(&asking_as("silent", json!({"query": "avg:errors{*}"}), "", ""))
        .await;
    assert_eq!(scene.emulator.count(), 1);
    let annotate = json!({"event": true, "dora": {"service": "web", "env": "prod", "version": "2"}});
    scene
        .measure(&asking_as(
            "loud",
            json!({"query": "avg:errors{*}", "annotate": annotate}),
            "",
            "",
        ))
        .await;
    let marks = |path: &str| {
        scene
            .emulator
            .seen()
            .into_iter()
            .filter(|seen| seen.path == path)
            .collect::<Vec<_>>()
    };
    for _ in 0..100 {
        if marks("/api/v2/dora/deployment").len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(marks("/api/v1/events")[0].body["alert_type"], "success");
    let dora = &marks("/api/v2/dora/deployment")[0].body["data"]["attributes"];
    assert_eq!(
        (dora["service"].as_str(), dora["version"].as_str()),
        (Some("web"), Some("2"))
    );
    assert!(
        dora["started_at"].as_i64() > Some(1_000_000_000_000_000_000),
        "nanoseconds"
    );
}

/// Everything that comes back, in every state, from a Datadog that repeats the keys in its answers.
#[tokio::test]
async fn keys_and_secret_arguments_are_nowhere() {
    let scene = Scene::start().await;
    let echo = format!("key {API_KEY} app {APP_KEY} token hunter2222");
    let behaviours = [
        Behaviour::Status(400, json!({"errors": [echo]}).to_string()),
        Behaviour::Status(403, json!({"errors": [echo]}).to_string()),
        Behaviour::Status(503, format!("<html>{echo}</html>")),
        Behaviour::Status(200, json!({"status": "error", "error": echo}).to_string()),
        Behaviour::Status(429, echo.clone()),
        Behaviour::Status(
            400,
            json!({"errors": [format!("{} {API_KEY}", "x".repeat(280))]}).to_string(),
        ),
        Behaviour::Status(503, format!("{} hunter2222", "x".repeat(290))),
        Behaviour::Groups(vec![(echo.clone(), Some(1.0)), ("b".to_owned(), Some(0.0))]),
        Behaviour::Json(
            json!({"data": {"attributes": {"columns": [{"name": echo, "type": "number", "values": [echo]}]}}}),
        ),
        Behaviour::Value(0.1),
    ];
    for (index, behaviour) in behaviours.into_iter().enumerate() {
        scene.emulator.on(&format!("case:{index},"), behaviour.clone());
        let block = json!({"apiVersion": "v2", "query": format!("avg:a{{case:{index},token:hunter2222}} by {{x}}"), "onError": {"retryFor": "1s"}});
        let mut metric = asking_as(&format!("r{index}"), block, "all(result, # < 0.5)", "");
        metric.run.spec.args = serde_json::from_value(json!([
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ]))
        .unwrap();
        let template = json!({"apiVersion": "v2", "query": format!("avg:a{{case:{index},token:{{{{args.token}}}}}} by {{x}}"), "onError": {"retryFor": "1s"}});
        metric.run.spec.metrics[0]
            .provider
            .plugin
            .insert("any/name".to_owned(), (&template).into());
        for measured in [scene.run(&metric).await, scene.measure(&metric).await] {
            let all = format!("{measured:?}");
            // Nor what a cut leaves of them.
            for secret in [API_KEY, APP_KEY, "hunte", "api-key-0"] {
                assert!(!all.contains(secret), "{behaviour:?}: {all}");
            }
        }
        let metadata = format!("{:?}", scene.provider.metadata(&metric.metric).await);
        assert!(!metadata.contains("hunter2222"), "{metadata}");
    }
}
