//! What a route looks like follows from the Rollout and the call alone, whatever happened before.

use super::*;

/// A release with all that a Rollout can ask for.
fn busy(step: usize) -> Value {
    let mut rollout = rollout("web");
    let canary = &mut rollout["spec"]["strategy"]["canary"];
    canary["trafficRouting"]["maxTrafficWeight"] = json!(1000);
    canary["steps"] = json!([
        {"setCanaryScale": {"replicas": 1}},
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}},
        {"setMirrorRoute": {"name": "mirror", "percentage": 10, "match": [{"method": {"exact": "GET"}}]}},
        {"setCanaryScale": {"matchTrafficWeight": true}},
        {"setWeight": 1},
        {"experiment": {"templates": [{"name": "a", "weight": 5}]}},
        {"setHeaderRoute": {"name": "header"}},
        {"setWeight": 400}]);
    rollout["status"]["currentStepIndex"] = json!(step);
    rollout
}

fn simple() -> Value {
    route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])])
}

fn of_call(rollout: &Value, weight: i32, additional: &[WeightDestination], removed: bool) -> Intent {
    let mut intent = Intent::derive(
        &parse(rollout),
        &config(),
        Call::SetWeight(weight, additional),
        removed,
    )
    .unwrap();
    for experiment in intent.split.iter_mut().flat_map(|split| &mut split.experiments) {
        experiment.ports = vec![80];
    }
    intent
}

#[test]
fn each_step_says_what_the_route_is() {
    let experiment = [WeightDestination {
        service_name: "exp".into(),
        weight: 50,
        ..Default::default()
    }];
    let header = "header / x=1 web-canary:1";
    let stable = "- / web-stable:100 web-canary:0";
    let cases: [(usize, i32, &[WeightDestination], Vec<&str>); 8] = [
        (0, 0, &[], vec![stable]),
        (1, 0, &[], vec![header, stable]),
        (
            2,
            0,
            &[],
            vec![
                "mirror / RequestMirror web-stable:100 web-canary:0",
                header,
                stable,
            ],
        ),
        (
            3,
            0,
            &[],
            vec![
                "mirror / RequestMirror web-stable:100 web-canary:0",
                header,
                stable,
            ],
        ),
        (
            4,
            1,
            &[],
            vec![
                "mirror / RequestMirror web-stable:999 web-canary:1",
                header,
                "- / web-stable:999 web-canary:1",
            ],
        ),
        (
            5,
            1,
            &experiment,
            vec![
                "mirror / RequestMirror web-stable:949 web-canary:1 exp:50",
                header,
                "- / web-stable:949 web-canary:1 exp:50",
            ],
        ),
        (
            6,
            1,
            &[],
            vec![
                "mirror / RequestMirror web-stable:999 web-canary:1",
                "- / web-stable:999 web-canary:1",
            ],
        ),
        (
            7,
            400,
            &[],
            vec![
                "mirror / RequestMirror web-stable:600 web-canary:400",
                "- / web-stable:600 web-canary:400",
            ],
        ),
    ];
    let mut history = simple();
    for (step, weight, additional, expected) in &cases {
        let intent = of_call(&busy(*step), *weight, additional, false);
        let fresh = apply(&web(), &simple(), &intent);
        assert_eq!(
            lines(&fresh).lines().collect::<Vec<_>>(),
            *expected,
            "step {step}"
        );
        history = apply(&web(), &history, &intent);
        assert_eq!(
            lines(&history),
            lines(&fresh),
            "step {step}, after all that came before"
        );
        // The canary has no pods for one reconcile: routes and weight go, and with the next call they are back.
        let removal = derive(&busy(*step), Call::RemoveManagedRoutes);
        let flapped = apply(&web(), &history, &removal);
        let flapped = apply(&web(), &flapped, &of_call(&busy(*step), 0, &[], true));
        assert_eq!(flapped, simple(), "step {step}, flapped");
        assert_eq!(
            lines(&apply(&web(), &flapped, &intent)),
            lines(&fresh),
            "step {step}, back"
        );
    }
    for state in [
        json!({"abort": true}),
        json!({"promoteFull": true}),
        json!({"currentPodHash": "a"}),
    ] {
        let mut over = busy(7);
        over["status"]
            .as_object_mut()
            .unwrap()
            .extend(state.as_object().unwrap().clone());
        assert_eq!(
            apply(&web(), &history, &of_call(&over, 0, &[], false)),
            simple(),
            "{state}"
        );
    }
}

#[test]
fn ping_pong_moves_to_the_other_service_and_stays() {
    let at = |stable: &str, hash: &str| {
        json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"strategy": {"canary": {"pingPong": {"pingService": "ping", "pongService": "pong"}}}},
            "status": {"stableRS": "a", "currentPodHash": hash, "canary": {"stablePingPong": stable}}})
    };
    let original = route(vec![rule("/", &[("ping", 0), ("pong", 100)])]);
    let half = apply(&web(), &original, &weights(&at("pong", "b"), 50));
    check(&half, expect!["- / ping:50 pong:50"]);
    let full = apply(&web(), &half, &weights(&at("pong", "b"), 100));
    check(&full, expect!["- / ping:100 pong:0"]);
    let promoted = apply(&web(), &full, &weights(&at("ping", "a"), 0));
    check(&promoted, expect!["- / ping:100 pong:0"]);
    let next = apply(&web(), &promoted, &weights(&at("ping", "b"), 20));
    check(&next, expect!["- / ping:80 pong:20"]);
}

#[test]
fn a_weight_below_one_percent_is_exact() {
    for (max, weight, expected) in [
        (1000, 1, "- / web-stable:999 web-canary:1"),
        (1_000_000, 1, "- / web-stable:999999 web-canary:1"),
        (3, 1, "- / web-stable:2 web-canary:1"),
    ] {
        let mut rollout = rollout("web");
        rollout["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = json!(max);
        assert_eq!(
            lines(&apply(&web(), &simple(), &weights(&rollout, weight))),
            expected
        );
    }
}
