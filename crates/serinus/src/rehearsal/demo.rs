//! The script of `serinus demo`.

use serde_json::{Value, json};

use super::script::{Act, Ending, Script, Version};
use crate::stage::app::Behaviour;
use crate::stage::gateway::CONTROLLER_NAME;

/// The script.
pub fn script() -> Script {
    let bad = Behaviour {
        error_rate: 0.3,
        ..Behaviour::healthy("v3")
    };
    Script {
        title: "serinus demo".to_owned(),
        objects: objects(),
        before: version("v1", Behaviour::healthy("v1")),
        acts: vec![
            Act {
                title: "v2 is good: promoted by 20, 60, 100 %".to_owned(),
                version: version("v2", Behaviour::healthy("v2")),
                ending: Ending::Promoted,
            },
            Act {
                title: "v3 fails 30 % of its requests: rolled back".to_owned(),
                version: version("v3", bad),
                ending: Ending::Aborted,
            },
        ],
    }
}

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
            "spec": {"controllerName": CONTROLLER_NAME}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "gw", "namespace": "demo"},
            "spec": {"gatewayClassName": "stage", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}),
        service("web-stable"),
        service("web-canary"),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web", "namespace": "demo"},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [
                {"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]}]}}),
    ]
}
