//! What is taken, what is refused, what is told.

use serde_json::json;

use super::*;

fn rollout(canary: &Value) -> Rollout {
    Rollout {
        manifest: 0,
        document: 0..0,
        object: vec![],
        line: 1,
        value: json!({"spec": {"strategy": {"canary": canary}}}),
    }
}

fn problem(step: Value, canary: &Value) -> Option<String> {
    validate(&[json!({"pause": {}}), step], &rollout(canary))
        .err()
        .map(|e| e.to_string())
}

#[test]
fn what_the_controller_takes() {
    let none = json!({});
    let plugin = json!({"trafficRouting": {"plugins": {"a/b": {}}, "managedRoutes": [{"name": "r"}], "maxTrafficWeight": 1000}});
    for (step, canary) in [
        (json!({"setWeight": 0}), &none),
        (json!({"setWeight": 100}), &none),
        (json!({"setWeight": 1000}), &plugin),
        (json!({"pause": {}}), &none),
        (json!({"pause": {"duration": 30}}), &none),
        (json!({"pause": {"duration": "1h30m"}}), &none),
        (json!({"setCanaryScale": {"replicas": 2}}), &plugin),
        (json!({"setCanaryScale": {"matchTrafficWeight": true}}), &plugin),
        (
            json!({"setHeaderRoute": {"name": "r", "match": [{"headerName": "x", "headerValue": {"exact": "y"}}]}}),
            &plugin,
        ),
        (json!({"setHeaderRoute": {"name": "r"}}), &plugin),
        (
            json!({"setWeight": 5, "setCanaryScale": {"replicas": 2}}),
            &plugin,
        ),
        (
            json!({"setMirrorRoute": {"name": "r", "percentage": 5, "match": [{"path": {"prefix": "/"}}]}}),
            &plugin,
        ),
        (json!({"analysis": {"templates": [{"templateName": "a"}]}}), &none),
        (
            json!({"experiment": {"templates": [{"name": "a", "specRef": "canary"}]}}),
            &none,
        ),
        (
            json!({"experiment": {"templates": [{"name": "a", "weight": 5}]}}),
            &plugin,
        ),
        (
            json!({"plugin": {"name": "x", "config": {"any": "thing"}}}),
            &none,
        ),
    ] {
        assert_eq!(problem(step.clone(), canary), None, "{step}");
    }
}

#[test]
fn what_the_controller_refuses_is_named() {
    let none = json!({});
    let nginx = json!({"trafficRouting": {"nginx": {"stableIngress": "x"}}});
    let alb = json!({"trafficRouting": {"alb": {"ingress": "x"}, "managedRoutes": [{"name": "r"}]}});
    let istio = json!({"trafficRouting": {"istio": {"virtualService": {"name": "x"}}, "managedRoutes": [{"name": "r"}]}});
    for (step, canary, expected) in [
        (json!({}), &none, "step 2 is empty; write pause: {} to wait"),
        (
            json!(25),
            &none,
            "step 2 is 25, not an object like {\"setWeight\": 25}",
        ),
        (
            json!({"pause": {}, "setWeight": 5}),
            &none,
            "step 2 has 2 kinds (pause, setWeight); write one",
        ),
        (
            json!({"setWeigth": 5}),
            &none,
            "step 2 has the unknown kind \"setWeigth\"; did you mean \"setWeight\"?",
        ),
        (
            json!({"setWeight": 101}),
            &none,
            "step 2 sets the weight 101; it must be between 0 and 100",
        ),
        (
            json!({"setWeight": "5"}),
            &none,
            "step 2 has setWeight: \"5\"; it takes a whole number between 0 and 100",
        ),
        (
            json!({"pause": null}),
            &none,
            "step 2 has pause: null; it takes an object, e.g. pause: {}",
        ),
        (
            json!({"pause": {"duration": "1d"}}),
            &none,
            "step 2 pauses for \"1d\"; write seconds or a duration like 30s, 5m, 1h",
        ),
        (
            json!({"pause": {"duration": -1}}),
            &none,
            "step 2 pauses for -1; write seconds or a duration like 30s, 5m, 1h",
        ),
        (
            json!({"pause": {"durations": 1}}),
            &none,
            "step 2 has the unknown field pause.durations; did you mean duration?",
        ),
        (
            json!({"setCanaryScale": {"replicas": 1}}),
            &none,
            "step 2 sets the canary's scale, which needs trafficRouting",
        ),
        (
            json!({"setCanaryScale": {}}),
            &nginx,
            "step 2 has an empty setCanaryScale; write weight, replicas or matchTrafficWeight",
        ),
        (
            json!({"setHeaderRoute": {"name": "r"}}),
            &nginx,
            "step 2 sets a header route, which needs trafficRouting by Istio, ALB, Apisix or a plugin",
        ),
        (
            json!({"setHeaderRoute": {"name": "other"}}),
            &istio,
            "step 2 has the setHeaderRoute \"other\", which trafficRouting.managedRoutes does not name",
        ),
        (
            json!({"setHeaderRoute": {"name": "r", "match": [{"headerValue": {"prefix": "y"}}]}}),
            &alb,
            "step 2 matches a header otherwise than with exact, all that ALB knows",
        ),
        (
            json!({"setHeaderRoute": {"name": "r", "match": [{"headerValue": {"prefix": "y", "exact": "z"}}]}}),
            &istio,
            "step 2 matches a header with none or several of exact, prefix, regex; write one",
        ),
        (
            json!({"setMirrorRoute": {"name": "r"}}),
            &alb,
            "step 2 sets a mirror route, which needs trafficRouting by Istio or a plugin",
        ),
        (
            json!({"setMirrorRoute": {"name": "r", "match": [{"path": {}}]}}),
            &istio,
            "step 2 matches a path with none or several of exact, prefix, regex; write one",
        ),
        (
            json!({"experiment": {"templates": [{"weight": 5}]}}),
            &nginx,
            "step 2 gives an experiment a weight, which needs trafficRouting by SMI, ALB, Istio or a plugin",
        ),
        (
            json!({"analysis": {}}),
            &none,
            "step 2 runs an analysis without templates",
        ),
        (
            json!({"analysis": {"templates": [{}]}}),
            &none,
            "step 2 runs an analysis whose template 1 has no templateName",
        ),
        (json!({"plugin": {}}), &none, "step 2 names no plugin"),
    ] {
        assert_eq!(problem(step.clone(), canary).as_deref(), Some(expected), "{step}");
    }
}

#[test]
fn surprises_are_told() {
    let steps = |list: Value| list.as_array().unwrap().clone();
    let plain = rollout(&json!({"analysis": {"startingStep": 2}}));
    assert_eq!(
        warnings(
            &steps(json!([{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}])),
            &plain
        ),
        [] as [&str; 0]
    );
    assert_eq!(
        warnings(&steps(json!([{"setWeight": 50}, {"setWeight": 5}])), &plain),
        [
            "the weight falls from 50 to 5",
            "the background analysis starts at step 2 and never runs"
        ]
    );
    assert_eq!(
        warnings(
            &steps(json!([{"pause": {}}, {"pause": {}}, {"pause": {}}])),
            &plain
        ),
        ["no step sets a weight"]
    );
}
