//! How long the plan of one HTTPRoute with 16 rules takes: `cargo bench -p gateway-api --bench plan`.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use gateway_api::config::{Config, Label};
use gateway_api::intent::{Call, Intent};
use gateway_api::plan::plan_route;
use serde_json::{Value, json};

// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let config = Config::parse("plugin", br#"{"httpRoute": "web"}"#, "shop").unwrap();
    let rollout = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary"}}}}))
    .unwrap();
    let intent = |weight| Intent::derive(&rollout, &config, Call::SetWeight(weight, &[]), false).unwrap();
    let label = Label::in_progress();
    let plan =
        |route: &Value, intent: &Intent| plan_route(&config.routes[0], route, intent, Some(&label)).unwrap();

    let idle = route();
    let half = plan(&idle, &intent(50)).object.unwrap();
    for (what, route, weight) in [("a change", &idle, 50), ("no change", &half, 50)] {
        let intent = intent(weight);
        let took = median(|| drop(black_box(plan(black_box(route), black_box(&intent)))));
        println!(
            "plan of an HTTPRoute with 16 rules, {what}: p50 {:.1} µs (goal 50)",
            took.as_secs_f64() * 1e6
        );
    }
}

fn route() -> Value {
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
            "hostnames": ["shop.example.com"], "rules": (0..16).map(rule).collect::<Vec<_>>()}})
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
