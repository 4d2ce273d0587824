//! The blocks of the controller's own provider, unchanged, against an emulator of Datadog.

mod scene;

use rollouts_plugin::types::AnalysisPhase::{Error, Failed, Inconclusive, Successful};
use scene::{API_KEY, APP_KEY, Behaviour, Scene, asking, asking_as};
use serde_json::json;

#[tokio::test]
async fn v1_query() {
    let scene = Scene::start().await;
    scene
        .emulator
        .on("avg:errors{*}", Behaviour::Points(vec![Some(9.0), Some(0.02)]));
    let metric = asking(
        json!({"interval": "5m", "query": "avg:errors{*}"}),
        "result < 0.05",
    );
    let measured = scene.measure(&metric).await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Successful, "0.02"),
        "{}",
        measured.message
    );
    let seen = &scene.emulator.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("GET", "/api/v1/query")
    );
    let parameter = |name: &str| {
        let found = seen
            .query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name))
            .unwrap();
        found.parse::<i64>().unwrap()
    };
    assert_eq!(parameter("to=") - parameter("from="), 300);
    let header = |name: &str| {
        seen.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(header("dd-api-key"), Some(API_KEY), "trimmed");
    assert_eq!(header("dd-application-key"), Some(APP_KEY));
    assert_eq!(measured.metadata["query"], "avg:errors{*}");
    assert!(measured.metadata["link"].starts_with("https://app.datadoghq.com/metric/explorer?"));
}

#[tokio::test]
async fn v2_query_is_sent_as_the_controllers_own_provider_sends_it() {
    let scene = Scene::start().await;
    scene.emulator.on("avg:errors{*}", Behaviour::Value(0.07));
    let metric = asking(
        json!({"apiVersion": "v2", "interval": "1m", "query": "avg:errors{*}"}),
        "result < 0.05",
    );
    let measured = scene.measure(&metric).await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Failed, "0.07"),
        "{}",
        measured.message
    );
    let body = &scene.emulator.seen()[0].body["data"];
    assert_eq!(body["type"], "scalar_request");
    assert_eq!(body["attributes"]["formulas"], json!([]));
    let query =
        json!([{"aggregator": "last", "data_source": "metrics", "name": "query", "query": "avg:errors{*}"}]);
    assert_eq!(body["attributes"]["queries"], query);
    let moment = |name: &str| body["attributes"][name].as_i64().unwrap();
    assert_eq!(moment("to") - moment("from"), 60_000);
    assert_eq!(measured.metadata["unit"], "percent");
}

#[tokio::test]
async fn queries_formula_and_aggregator() {
    let scene = Scene::start().await;
    scene
        .emulator
        .on("sum:errors", Behaviour::Value(3.0))
        .on("sum:hits", Behaviour::Value(200.0));
    let block = json!({
        "apiVersion": "v2",
        "queries": {"a": "sum:errors{*}.as_count()", "b": "sum:hits{*}.as_count()"},
        "formula": "a / b * 100",
        "aggregator": "sum",
    });
    let measured = scene
        .measure(&asking_as("r", block, "result < 1", "result >= 2"))
        .await;
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Inconclusive, "1.5"),
        "{}",
        measured.message
    );
    let body = &scene.emulator.seen()[0].body["data"]["attributes"];
    assert_eq!(body["formulas"], json!([{"formula": "a / b * 100"}]));
    assert_eq!(body["queries"][0]["aggregator"], "sum");
}

#[tokio::test]
async fn no_data_is_never_zero() {
    for (version, behaviour) in [
        ("v1", Behaviour::Null),
        ("v1", Behaviour::Nothing),
        ("v2", Behaviour::Null),
        ("v2", Behaviour::Nothing),
    ] {
        let scene = Scene::start().await;
        scene.emulator.on("errors", behaviour.clone());
        let block = json!({"apiVersion": version, "query": "avg:errors{*}"});
        let measured = scene.measure(&asking(block, "result < 0.05")).await;
        assert_eq!(
            (measured.phase, measured.value.as_str()),
            (Error, "[]"),
            "{version} {behaviour:?}"
        );
        assert!(
            measured
                .message
                .contains("no data returned from the metric provider; write onNoData"),
            "{}",
            measured.message
        );
    }
}

#[tokio::test]
async fn every_shape_of_an_error_is_an_error_that_says_why() {
    for (version, status, body, expected) in [
        (
            "v1",
            400,
            r#"{"errors":["Error parsing query: rule didn't match"]}"#,
            "rule didn't match",
        ),
        (
            "v1",
            200,
            r#"{"status":"error","error":"Invalid metric"}"#,
            "Invalid metric",
        ),
        (
            "v2",
            400,
            r#"{"errors":[{"status":"400","title":"Bad Request","detail":"attribute missing"}]}"#,
            "Bad Request: attribute missing",
        ),
        ("v2", 200, r#"{"errors":"Query timed out"}"#, "Query timed out"),
        ("v2", 403, r#"{"errors":["Forbidden"]}"#, "timeseries_query"),
        (
            "v2",
            401,
            r#"{"errors":["Unauthorized"]}"#,
            "is it the right site?",
        ),
        (
            "v2",
            200,
            r#"{"data":{"attributes":{"columns":[{"name":"query","type":"number","values":["x"]}]}}}"#,
            "no number",
        ),
        ("v2", 200, r#"[]"#, "cannot be read"),
    ] {
        let scene = Scene::start().await;
        scene
            .emulator
            .on("errors", Behaviour::Status(status, body.to_owned()));
        let block = json!({"apiVersion": version, "query": "avg:errors{*}"});
        let measured = scene.measure(&asking(block, "result < 0.05")).await;
        assert_eq!(measured.phase, Error, "{body}");
        assert!(
            measured.message.contains(expected),
            "{body}: {}",
            measured.message
        );
        assert!(measured.message.len() <= 1024);
    }
}

#[tokio::test]
async fn a_redirect_does_not_carry_the_keys_away() {
    let scene = Scene::start().await;
    let thief = scene::Emulator::start().await;
    scene.emulator.on("errors", Behaviour::Redirect(thief.url()));
    let measured = scene
        .measure(&asking(json!({"query": "avg:errors{*}"}), "result < 1"))
        .await;
    assert_eq!(measured.phase, Error);
    assert!(measured.message.contains("redirects"), "{}", measured.message);
    assert_eq!(thief.count(), 0);
}

#[tokio::test]
async fn bad_blocks_name_the_field_and_what_to_write() {
    let scene = Scene::start().await;
    for (block, expected) in [
        (
            json!({"query": "a", "intervall": "5m"}),
            "intervall: no such field; did you mean interval?",
        ),
        (
            json!({"query": "a", "queries": {"b": "c"}}),
            "queries: there is a query as well; keep one of them",
        ),
        (
            json!({"query": "a", "interval": "5 minutes"}),
            "interval: \"5 minutes\" is not accepted; write a duration such as 30s",
        ),
        (
            json!({"query": "a", "site": "datadog.eu"}),
            "site: \"datadog.eu\" is not accepted; write one of datadoghq.com",
        ),
        (
            json!({"queries": {"a": "x"}, "formula": "a/b"}),
            "formula: no query is named b;",
        ),
        (
            json!({}),
            "query: the block asks nothing; write query, queries, monitor, slo or gate",
        ),
        (
            json!({"apiVersion": "v3", "query": "a"}),
            "apiVersion: \"v3\" is not accepted; write one of v1, v2",
        ),
        (
            json!({"query": "a", "aggregator": "sum"}),
            "aggregator: apiVersion v1 has none; write apiVersion: v2",
        ),
        (
            json!("x"),
            "provider.plugin: \"x\" is not accepted; write the fields of the metric below the plugin's name",
        ),
    ] {
        let measured = scene.run(&asking(block.clone(), "result < 1")).await;
        assert_eq!(measured.phase, Error, "{block}");
        assert!(
            measured.message.starts_with(expected),
            "{block}: {}",
            measured.message
        );
    }
    assert_eq!(scene.emulator.count(), 0, "nothing of this was sent");
}
