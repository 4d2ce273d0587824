//! The stage's gateway over HTTP: it obeys its route, and says truthfully when it does.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderMap;
use serde_json::{Value, json};
use serinus::stage::api::resource::{Resource, find};
use serinus::stage::api::store::Part;
use serinus::stage::app::Behaviour;
use serinus::stage::workload::HASH_LABEL;
use serinus::stage::{Config, Stage, gateway};

fn httproutes() -> &'static Resource {
    find("gateway.networking.k8s.io", "httproutes").unwrap()
}

/// A stage with versions `v1` behind Service `one` and `v2` behind Service `two`, and a route with these rules.
async fn stage(rules: Value, gateway: gateway::Config) -> Stage {
    let config = Config {
        namespace: "shop".into(),
        pod_start_delay: Duration::ZERO,
        gateway,
    };
    let stage = Stage::start(&config).await.unwrap();
    for (service, hash) in [("one", "h1"), ("two", "h2"), ("empty", "h3")] {
        stage
            .api
            .apply(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": service, "namespace": "shop"},
                "spec": {"selector": {"app": "web", HASH_LABEL: hash}, "ports": [{"port": 80}]},
            }))
            .unwrap();
    }
    for (hash, version) in [("h1", "v1"), ("h2", "v2")] {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        stage
            .workload
            .deploy(hash, labels, Behaviour::healthy(version))
            .await
            .unwrap();
        stage.workload.scale(hash, 2);
    }
    for object in common::gateway_objects("shop") {
        stage.api.apply(object).unwrap();
    }
    stage.api.apply(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": rules},
    })).unwrap();
    programmed(&stage).await;
    stage
}

/// Waits until the gateway says that it serves the route as it is, and returns its conditions.
async fn programmed(stage: &Stage) -> Vec<Value> {
    let mut revisions = stage.api.revisions();
    let wait = async {
        loop {
            revisions.borrow_and_update();
            let route = stage.api.get(httproutes(), "shop", "web").unwrap();
            let conditions = route["status"]["parents"][0]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if conditions
                .first()
                .is_some_and(|c| c["observedGeneration"] == route["metadata"]["generation"])
            {
                return conditions;
            }
            revisions.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("the gateway answers for its routes")
}

/// Waits until the endpoints have reached the gateway.
async fn served(stage: &Stage, path: &str, status: u16) -> common::Seen {
    for _ in 0..500 {
        let seen = common::get(&format!("{}{path}", stage.gateway.url()), HeaderMap::new()).await;
        if seen.status == status {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} never answered {status}");
}

fn backend(service: &str, weight: u32) -> Value {
    json!({"name": service, "port": 80, "weight": weight})
}

#[tokio::test]
async fn headers_change_on_the_rule_and_on_the_backend() {
    let mut one = backend("one", 1);
    one["filters"] = json!([
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-from", "value": "backend"}]}},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "Set-Cookie", "value": "canary=no"}]}},
    ]);
    let rules = json!([{
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {
            "add": [{"name": "x-rule", "value": "yes"}, {"name": "x-from", "value": "rule"}]}}],
        "backendRefs": [one],
    }]);
    let stage = stage(rules, gateway::Config::default()).await;
    let seen = served(&stage, "/some/path?q=1", 200).await;
    let sent = &seen.json["headers"];
    assert_eq!(
        (&sent["x-rule"], &sent["x-from"]),
        (&json!("yes"), &json!("backend"))
    );
    assert_eq!(seen.json["path"], "/some/path");
    assert_eq!(seen.headers["set-cookie"], "canary=no");
}

fn mirror(service: &str, share: &Value) -> Value {
    let mut mirror = json!({"backendRef": {"name": service, "port": 80}});
    json_patch::merge(&mut mirror, share);
    json!({"type": "RequestMirror", "requestMirror": mirror})
}

#[tokio::test]
async fn mirrors_copy_their_share_and_nobody_waits_for_them() {
    let rules = json!([
        {"matches": [{"path": {"value": "/all"}}], "filters": [mirror("two", &json!({}))], "backendRefs": [backend("one", 1)]},
        {"matches": [{"path": {"value": "/none"}}], "filters": [mirror("two", &json!({"percent": 0})), mirror("empty", &json!({}))],
         "backendRefs": [backend("one", 1)]},
    ]);
    let stage = stage(rules, gateway::Config::default()).await;
    served(&stage, "/none", 200).await;
    let before = stage.workload.served("h2");
    assert_eq!(before, 0);
    for _ in 0..20 {
        let seen = common::get(&format!("{}/all", stage.gateway.url()), HeaderMap::new()).await;
        assert_eq!(seen.json["version"], "v1");
    }
    let copied = async {
        while stage.workload.served("h2") < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), copied)
        .await
        .expect("all 20 are copied");
    assert_eq!(
        stage.gateway.stats().of_hash("h2").requests,
        0,
        "a mirror is no answer"
    );
}

/// A filter of a backendRef is for requests that go to that backend.
#[tokio::test]
async fn mirrors_of_a_backend_copy_what_goes_there() {
    let mirroring = |weight: u32| {
        let mut backend = backend("one", weight);
        backend["filters"] = json!([mirror("two", &json!({}))]);
        backend
    };
    let rules = json!([
        {"matches": [{"path": {"value": "/other"}}], "backendRefs": [mirroring(0), backend("one", 1)]},
        {"matches": [{"path": {"value": "/mirrored"}}], "backendRefs": [mirroring(1), backend("one", 0)]},
    ]);
    let stage = stage(rules, gateway::Config::default()).await;
    served(&stage, "/other", 200).await;
    for path in ["/other", "/other", "/mirrored"] {
        common::get(&format!("{}{path}", stage.gateway.url()), HeaderMap::new()).await;
    }
    let copied = async {
        while stage.workload.served("h2") < 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), copied)
        .await
        .expect("what goes there is copied");
    assert_eq!(stage.workload.served("h2"), 1, "what does not is not");
}

#[tokio::test]
async fn what_cannot_be_served_says_so() {
    let rules = json!([
        {"matches": [{"path": {"value": "/gone"}}], "backendRefs": [backend("gone", 1)]},
        {"matches": [{"path": {"value": "/zero"}}], "backendRefs": [backend("one", 0)]},
        {"matches": [{"path": {"value": "/empty"}}], "backendRefs": [backend("empty", 1)]},
        {"matches": [{"path": {"value": "/one"}}], "backendRefs": [backend("one", 1)]},
    ]);
    let stage = stage(rules, gateway::Config::default()).await;
    served(&stage, "/one", 200).await;
    // path, status, body
    let cases = [
        ("/gone", 500, "shop/web: Service shop/gone not found\n"),
        ("/zero", 500, "shop/web: no backend has a weight\n"),
        ("/empty", 503, "shop/empty has no ready endpoint\n"),
        ("/", 404, "no route matches\n"),
    ];
    for (path, status, body) in cases {
        let seen = common::get(&format!("{}{path}", stage.gateway.url()), HeaderMap::new()).await;
        assert_eq!((seen.status, seen.text.as_str()), (status, body), "{path}");
    }
    let conditions = programmed(&stage).await;
    let seen: Vec<String> = conditions
        .iter()
        .map(|c| format!("{} {} {}", c["type"], c["status"], c["reason"]))
        .collect();
    assert_eq!(
        seen,
        [
            r#""Accepted" "True" "Accepted""#,
            r#""ResolvedRefs" "False" "BackendNotFound""#
        ]
    );
}

/// The status speaks of a generation only once requests are served by it.
#[tokio::test]
async fn the_status_follows_the_data_plane() {
    let slow = gateway::Config {
        route_delay: Duration::from_millis(300),
        ..gateway::Config::default()
    };
    let stage = stage(
        json!([{"backendRefs": [backend("one", 1), backend("two", 0)]}]),
        slow,
    )
    .await;
    served(&stage, "/", 200).await;
    for (one, two, version) in [(0, 1, "v2"), (1, 0, "v1"), (0, 1, "v2")] {
        stage
            .api
            .update(httproutes(), "shop", "web", Part::Main, |route| {
                route["spec"]["rules"][0]["backendRefs"] = json!([backend("one", one), backend("two", two)]);
            })
            .unwrap();
        let written = stage.api.get(httproutes(), "shop", "web").unwrap();
        let observed = &written["status"]["parents"][0]["conditions"][0]["observedGeneration"];
        assert!(
            observed.as_u64() < written["metadata"]["generation"].as_u64(),
            "not before it is so"
        );
        programmed(&stage).await;
        let seen = common::get(&stage.gateway.url(), HeaderMap::new()).await;
        assert_eq!(seen.json["version"], version);
    }
}

#[tokio::test]
async fn a_route_that_no_listener_takes_is_not_served() {
    let stage = stage(
        json!([{"backendRefs": [backend("one", 1)]}]),
        gateway::Config::default(),
    )
    .await;
    served(&stage, "/", 200).await;
    stage
        .api
        .update(httproutes(), "shop", "web", Part::Main, |route| {
            route["spec"]["parentRefs"][0]["sectionName"] = "nonesuch".into();
        })
        .unwrap();
    let accepted = &programmed(&stage).await[0];
    assert_eq!(accepted["status"], "False");
    assert_eq!(accepted["reason"], "NoMatchingParent");
    served(&stage, "/", 404).await;
}

#[tokio::test]
async fn another_namespace_needs_a_grant() {
    let rules = json!([{"backendRefs": [{"name": "far", "namespace": "elsewhere", "port": 80}]}]);
    let stage = stage(rules, gateway::Config::default()).await;
    stage
        .api
        .apply(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "far", "namespace": "elsewhere"},
            "spec": {"selector": {}, "ports": [{"port": 80}]},
        }))
        .unwrap();
    assert_eq!(programmed(&stage).await[1]["reason"], "RefNotPermitted");
    stage
        .api
        .apply(json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"name": "g", "namespace": "elsewhere"},
            "spec": {
                "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop"}],
                "to": [{"group": "", "kind": "Service"}],
            },
        }))
        .unwrap();
    served(&stage, "/", 503).await;
}

/// Counts are binomial with the weights as shares: 2,000 draws lie in an interval that 999,999 of 1,000,000 correct
/// runs keep to. The seed makes it the same run every time.
#[tokio::test]
async fn weights_hold() {
    let stage = stage(
        json!([{"backendRefs": [backend("one", 95), backend("two", 5)]}]),
        gateway::Config::default(),
    )
    .await;
    served(&stage, "/", 200).await;
    let before = stage.gateway.stats().of_hash("h2").requests;
    for _ in 0..2000 {
        common::get(&stage.gateway.url(), HeaderMap::new()).await;
    }
    let count = stage.gateway.stats().of_hash("h2").requests - before;
    let allowed = serinus::measure::interval::binomial_interval(2000, 0.05, 0.999_999);
    assert!(allowed.contains(&count), "{count} not in {allowed:?}");
}
