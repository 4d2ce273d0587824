//! A whole rehearsal with a router in this process.

mod common;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use serinus::rehearsal::journal::Journal;
use serinus::rehearsal::play::{Settings, play};
use serinus::rehearsal::script::{Act, Ending, Script, Version};
use serinus::report::judge::judge;
use serinus::stage::app::Behaviour;
use serinus::stage::release::analysis;
use serinus::stage::{Config, Stage, gateway};

fn version(image: &str, behaviour: Behaviour) -> Version {
    let rollout = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}},
            "strategy": {"canary": {
                "canaryService": "web-canary", "stableService": "web-stable",
                "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web", "namespace": "demo"}}},
                "analysis": {"templates": [{"templateName": "success-rate"}]},
                "steps": [{"setWeight": 20}, {"pause": {"duration": "60s"}}, {"setWeight": 60}, {"pause": {"duration": "60s"}}],
            }},
        },
    });
    Version { rollout, behaviour }
}

fn objects() -> Vec<Value> {
    let service = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "demo"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        })
    };
    vec![
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "stage"},
            "spec": {"controllerName": gateway::CONTROLLER_NAME}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gw", "namespace": "demo"},
            "spec": {"gatewayClassName": "stage", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}),
        service("web-stable"),
        service("web-canary"),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web", "namespace": "demo"},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [
                {"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]}]}}),
    ]
}

#[tokio::test]
async fn promoted_then_rolled_back() {
    let stage = Stage::start(&Config {
        namespace: "demo".into(),
        pod_start_delay: Duration::from_millis(200),
        gateway: gateway::Config::default(),
    })
    .await
    .unwrap();
    let router = common::FakeRouter::new(stage.api_url());
    let journal = Arc::new(Journal::default());
    let script = Script {
        title: "test".into(),
        objects: objects(),
        before: version("v1", Behaviour::healthy("v1")),
        acts: vec![
            Act {
                title: "v2".into(),
                version: version("v2", Behaviour::healthy("v2")),
                ending: Ending::Promoted,
            },
            Act {
                title: "v3".into(),
                version: version(
                    "v3",
                    Behaviour {
                        error_rate: 0.3,
                        ..Behaviour::healthy("v3")
                    },
                ),
                ending: Ending::Aborted,
            },
        ],
    };
    let settings = Settings {
        speed: 60.0,
        rate: 400.0,
        path: "/".into(),
        host: String::new(),
        analysis: analysis::Settings::default(),
        least_requests: 200,
        patience: Duration::from_secs(20),
    };
    play(&script, &stage, &router, &journal, &settings).await.unwrap();
    let pages = journal.read();
    let judged = judge(&pages, journal.now(), 0.99999, |phase| journal.tally(phase));
    assert_eq!(judged.problems, Vec::<String>::new());
    let judged_weights: Vec<(Option<usize>, i32)> = judged
        .phases
        .iter()
        .filter(|p| !p.checks.is_empty())
        .map(|p| (p.act, p.weight))
        .collect();
    let want = [
        (None, 0),
        (Some(0), 20),
        (Some(0), 60),
        (Some(0), 100),
        (Some(1), 20),
        (Some(1), 0),
    ];
    assert_eq!(judged_weights, want);
}
