//! How long the plan of one HTTPRoute with 16 rules takes, and that of a sticky one: `cargo bench -p gateway-api --bench plan`.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use allocator as _; // as in the binary
use gateway_api::config::{Config, Label};
use gateway_api::intent::{Call, Intent};
use gateway_api::plan::plan_route;
use serde_json::{Value, json};

fn main() {
    let config = config(&json!({"httpRoute": "web"}));
    let idle = route(16);
    // What any plan that changes each rule has to do, and how fast this machine is at it.
    let copy = median(|| drop(black_box(black_box(&idle).clone()))).as_secs_f64() * 1e6;
    println!("a copy of an HTTPRoute with 16 rules: p50 {copy:.1} µs");
    let half = plan(&config, &idle, 50);
    for (what, route, weight) in [("a change", &idle, 50), ("no change", &half, 50)] {
        print(
            &format!("an HTTPRoute with 16 rules, {what}"),
            &config,
            route,
            weight,
        );
    }
    // The most a route has place for: each rule of the user's, and what three levels make of it.
    let sticky = self::config(&json!({"httpRoute": "web", "sessionAffinity": {}}));
    let idle = route(4);
    let tenth = plan(&sticky, &idle, 50);
    for (what, route) in [("a change", &idle), ("no change", &tenth)] {
        print(
            &format!("a sticky HTTPRoute with 4 and 12 rules, {what}"),
            &sticky,
            route,
            50,
        );
    }
}

fn print(what: &str, config: &Config, route: &Value, weight: i32) {
    let intent = intent(config, weight);
    let label = Label::in_progress();
    let took = median(|| {
        drop(black_box(plan_route(
            &config.routes[0],
            black_box(route),
            black_box(&intent),
            Some(&label),
        )));
    });
    let micros = took.as_secs_f64() * 1e6;
    match config.affinity.is_none() {
        true => println!("plan of {what}: p50 {micros:.1} µs (goal 50)"),
        false => println!("plan of {what}: p50 {micros:.1} µs"),
    }
}

fn config(json: &Value) -> Config {
    Config::parse("plugin", json.to_string().as_bytes(), "shop").unwrap()
}

fn intent(config: &Config, weight: i32) -> Intent {
    let rollout = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary",
            "steps": [{"setWeight": 10}, {"setWeight": 50}]}}},
        "status": {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": 1}}))
    .unwrap();
    Intent::derive(&rollout, config, Call::SetWeight(weight, &[]), false).unwrap()
}

/// The route as planned: as many rules as a route takes.
fn plan(config: &Config, route: &Value, weight: i32) -> Value {
    let plan = plan_route(
        &config.routes[0],
        route,
        &intent(config, weight),
        Some(&Label::in_progress()),
    )
    .unwrap();
    let object = plan.object.unwrap();
    let rules = object["spec"]["rules"].as_array().unwrap().len();
    assert!(rules == 16, "{rules}");
    object
}

fn route(rules: usize) -> Value {
    let rule = |n: usize| {
        json!({"name": format!("rule-{n}"),
            "matches": [{"path": {"type": "PathPrefix", "value": format!("/api/v{n}")},
                "headers": [{"type": "Exact", "name": "x-tenant", "value": "a"}]}],
            "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}],
            "timeouts": {"request": "3s"},
            "backendRefs": [
                {"group": "", "kind": "Service", "name": "stable", "port": 80, "weight": 100},
                {"group": "", "kind": "Service", "name": "canary", "port": 80, "weight": 0}]})
    };
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop", "generation": 3, "resourceVersion": "7"},
        "spec": {"parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}],
            "hostnames": ["shop.example.com"], "rules": (0..rules).map(rule).collect::<Vec<_>>()}})
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times = (0..5000)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect::<Vec<_>>();
    times.sort_unstable();
    times[times.len() / 2]
}
