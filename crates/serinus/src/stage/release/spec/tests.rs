//! What is read of a Rollout, and what is refused.

use serde_json::json;

use super::*;

fn rollout(canary: &Value) -> Value {
    let mut all = json!({
        "canaryService": "web-canary", "stableService": "web-stable",
        "trafficRouting": {
            "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web"}}, "managedRoutes": [{"name": "h"}],
        },
    });
    json_patch::merge(&mut all, canary);
    json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}},
            "strategy": {"canary": all},
        },
    })
}

#[test]
fn steps() {
    let spec = Spec::read(&rollout(&json!({"steps": [
        {"setWeight": 20}, {"pause": {}}, {"pause": {"duration": 30}}, {"pause": {"duration": "90"}},
        {"pause": {"duration": "1h1m1.5s"}}, {"setCanaryScale": {"replicas": 2}},
        {"setHeaderRoute": {"name": "h"}}, {"analysis": {"templates": []}},
    ]})))
    .unwrap();
    let secs = |s| Step::Pause(Some(Duration::from_secs_f64(s)));
    let want = [
        Step::SetWeight(20),
        Step::Pause(None),
        secs(30.0),
        secs(90.0),
        secs(3661.0),
        Step::SetCanaryScale(CanaryScale::Replicas(2)),
        Step::SetHeaderRoute(json!({"name": "h"})),
        Step::Analysis { dry: false },
    ];
    assert_eq!(spec.steps, want);
    assert_eq!(
        (spec.replicas, spec.max_weight, spec.plugin.as_str()),
        (1, 100, "argoproj-labs/gatewayAPI")
    );
}

#[test]
fn what_cannot_be_played_is_named() {
    let cases = [
        (
            json!({"steps": [{"setWeight": 101}]}),
            "steps[0].setWeight: 101 is more than maxTrafficWeight, 100",
        ),
        (
            json!({"steps": [{"setWeight": -1}]}),
            "steps[0].setWeight: -1 is not an integer from 0 on",
        ),
        (
            json!({"steps": [{"pause": {"duration": "soon"}}]}),
            r#"steps[0].pause.duration: "soon" is not a duration; write seconds, or a number with s, m or h"#,
        ),
        (
            json!({"steps": [{"pause": {"duration": 999_999_999_999_u64}}]}),
            "steps[0].pause.duration: 999999999999 is longer than the controller takes, 2147483647 seconds",
        ),
        (
            json!({"steps": [{"pause": {"duration": "99999999h"}}]}),
            r#"steps[0].pause.duration: "99999999h" is longer than the controller takes, 2147483647 seconds"#,
        ),
        (
            json!({"steps": [{"setCanaryScale": {"replicas": 1001}}]}),
            "steps[0].setCanaryScale: 1001 pods are more than the stage plays, 1000; the split is the same with fewer",
        ),
        (
            json!({"steps": [{"setCanaryScale": {"weight": 2_000_000_000}}]}),
            "steps[0].setCanaryScale: 20000000 pods are more than the stage plays, 1000; the split is the same with fewer",
        ),
        (
            json!({"steps": [{}]}),
            "steps[0]: a step has exactly one member, such as setWeight or pause",
        ),
        (
            json!({"steps": [{"experiment": {}}]}),
            "steps[0].experiment: the stage does not play this kind of step yet",
        ),
        (
            json!({"dynamicStableScale": true}),
            "dynamicStableScale: the stage does not play this yet",
        ),
        (
            json!({"stableService": "web-canary"}),
            r#"stableService: "web-canary" is canaryService too; the controller needs two"#,
        ),
        (
            json!({"trafficRouting": {"istio": {"virtualService": {}}}}),
            r#"trafficRouting.istio: {"virtualService":{}} is a router beside the plugin; the stage plays the plugin alone"#,
        ),
        (
            json!({"steps": {"setWeight": 20}}),
            r#"steps: {"setWeight":20} is not a list of steps"#,
        ),
        (
            json!({"steps": [{"setHeaderRoute": {"name": "other"}}]}),
            r#"steps[0].setHeaderRoute.name: "other" is not in spec.strategy.canary.trafficRouting.managedRoutes, and the controller refuses it; add it there"#,
        ),
        (
            json!({"steps": [{"setHeaderRoute": {"name": "h", "match": [{"headerName": "x", "headerValue": {"exact": "a", "prefix": "b"}}]}}]}),
            r#"steps[0].setHeaderRoute.match[0].headerValue: {"exact":"a","prefix":"b"} is not one of exact, regex and prefix"#,
        ),
        (
            json!({"stableService": ""}),
            "stableService: missing; a traffic router needs the name of a Service",
        ),
        (
            json!({"trafficRouting": {"plugins": {"b": {}}}}),
            "trafficRouting.plugins: name exactly one plugin",
        ),
    ];
    for (canary, want) in cases {
        let error = Spec::read(&rollout(&canary)).unwrap_err().to_string();
        assert_eq!(error, format!("rollout shop/web: spec.strategy.canary.{want}"));
    }
}

#[test]
fn what_the_controller_does_not_take_is_named() {
    let cases = [
        ("/metadata", json!([]), "metadata: [] is not an object"),
        ("/spec", json!("foo"), r#"spec: "foo" is not an object"#),
        (
            "/spec/template",
            json!("foo"),
            r#"spec.template: "foo" is not an object"#,
        ),
        (
            "/spec/template",
            json!({"metadata": {"annotations": []}}),
            "spec.template.metadata.annotations: [] is not an object",
        ),
        (
            "/spec/selector",
            json!({}),
            "spec.selector: missing or empty; name labels of the pod template",
        ),
        (
            "/spec/selector",
            json!({"matchLabels": {"app": "other"}}),
            r#"spec.template.metadata.labels: {"app":"web"} is not selected by spec.selector, {"matchLabels":{"app":"other"}}"#,
        ),
        (
            "/spec/paused",
            json!(true),
            "spec.paused: true, and the controller does not move it; delete this",
        ),
        (
            "/spec/replicas",
            json!(2_000_000_000),
            "spec.replicas: 2000000000 pods are more than the stage plays, 1000; the split is the same with fewer",
        ),
    ];
    for (pointer, value, want) in cases {
        let mut rollout = rollout(&json!({}));
        rollout["spec"]["replicas"] = json!(1);
        rollout["spec"]["paused"] = json!(false);
        *rollout.pointer_mut(pointer).unwrap() = value;
        let error = Spec::read(&rollout).unwrap_err();
        assert_eq!(format!("{}: {}", error.field, error.problem), want);
    }
}

#[test]
fn what_is_not_played_is_listed() {
    let mut rollout = rollout(&json!({"replicaProgressThreshold": {"value": 50}, "minPodsPerReplicaSet": 3}));
    rollout["spec"]["minReadySeconds"] = json!(5);
    let spec = Spec::read(&rollout).unwrap();
    assert_eq!(
        spec.unplayed,
        [
            "spec.minReadySeconds",
            "spec.strategy.canary.replicaProgressThreshold"
        ]
    );
    assert_eq!(spec.min_pods, 3);
}

#[test]
fn dry_runs_of_all_metrics() {
    for (rules, want) in [
        (json!(null), false),
        (json!([]), false),
        (json!([{"metricName": "success-rate"}]), false),
        (json!([{"metricName": "latency"}, {"metricName": ".*"}]), true),
    ] {
        let analysis = json!({"dryRun": rules});
        let spec = Spec::read(&rollout(
            &json!({"analysis": analysis, "steps": [{"analysis": analysis}]}),
        ))
        .unwrap();
        assert_eq!(
            (spec.background_dry, &spec.steps[0]),
            (want, &Step::Analysis { dry: want }),
            "{analysis}"
        );
    }
}
