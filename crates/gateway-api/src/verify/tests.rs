//! Routes and reports as values.

use serde_json::json;

use super::*;
use crate::intent::Call;
use crate::{GROUP, RouteKey, RouteKind};

fn route() -> Value {
    let report = json!({"parentRef": {"group": GROUP, "kind": "Gateway", "name": "gw"}, "controllerName": "example.com/gw",
        "conditions": [
            {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 3},
            {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", "observedGeneration": 3}]});
    json!({"metadata": {"generation": 3, "managedFields": [
            {"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z"}, {"manager": "gw", "time": "2026-01-01T00:00:09Z"}]},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [
            {"name": "stable", "weight": 80}, {"name": "canary", "weight": 20}]}]},
        "status": {"parents": [report]}})
}

fn verdict_after(route: &Value, written: Option<i64>, seconds: i64) -> Verdict {
    let rollout = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary"}}}}))
    .unwrap();
    let config = crate::config::Config::parse("plugin", br#"{"httpRoute": "web"}"#, "shop").unwrap();
    let intent = Intent::derive(&rollout, &config, Call::SetWeight(20, &[]), false).unwrap();
    let key = RouteKey {
        kind: RouteKind::Http,
        namespace: "shop".into(),
        name: "web".into(),
    };
    let target = RouteTarget::new(key, true);
    let now = "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds);
    let written = written.map(|generation| Written {
        uid: String::new(),
        generation,
    });
    judge(&target, route, &intent, written.as_ref(), &Settle::default(), now)
}

fn verdict(route: &Value) -> Verdict {
    verdict_after(route, None, 60)
}

#[track_caller]
fn pending(route: &Value, expected: &str) {
    match verdict(route) {
        Verdict::Pending(reason) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("{other:?}"),
    }
}

fn condition(route: &mut Value, at: usize) -> &mut Value {
    &mut route["status"]["parents"][0]["conditions"][at]
}

#[test]
fn a_gateway_that_accepted_our_generation_is_believed() {
    assert_eq!(verdict(&route()), Verdict::Verified);
}

#[test]
fn weights_that_are_not_there_are_not_verified() {
    let mut drifted = route();
    drifted["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(100);
    pending(
        &drifted,
        "HTTPRoute shop/web: the weights are not those that were set (spec.rules[0]: stable 100 to 80",
    );
}

#[test]
fn an_older_generation_is_not_ours() {
    let mut old = route();
    old["metadata"]["generation"] = json!(4);
    pending(
        &old,
        "Gateway shop/gw has seen generation 3 of the route, 4 carries the weights",
    );
    // The weights that were written may have been changed and set right since.
    assert!(matches!(verdict_after(&old, Some(3), 60), Verdict::Pending(_)));
    // A cache that lags behind our write does not have it.
    assert!(matches!(
        verdict_after(&route(), Some(4), 60),
        Verdict::Pending(_)
    ));
    // Of a route that was made anew the generations begin again.
    let mut new = route();
    new["metadata"]["uid"] = json!("new");
    assert_eq!(verdict_after(&new, Some(4), 60), Verdict::Verified);
}

#[test]
fn the_gateways_words_are_quoted() {
    let mut refused = route();
    let accepted = condition(&mut refused, 0);
    accepted["status"] = json!("False");
    accepted["reason"] = json!("UnsupportedValue");
    accepted["message"] = json!("no such thing");
    pending(
        &refused,
        "Gateway shop/gw reports Accepted=False (UnsupportedValue): no such thing",
    );
    let mut unresolved = route();
    condition(&mut unresolved, 1)["status"] = json!("False");
    pending(&unresolved, "reports ResolvedRefs=False");
    for (kind, status) in [
        ("PartiallyInvalid", "True"),
        ("Programmed", "False"),
        ("Ready", "False"),
    ] {
        let mut bad = route();
        let conditions = bad["status"]["parents"][0]["conditions"].as_array_mut().unwrap();
        conditions.push(json!({"type": kind, "status": status, "reason": "R", "message": "m"}));
        pending(&bad, &format!("reports {kind}={status} (R): m"));
    }
}

#[test]
fn every_parent_and_every_controller_counts() {
    let mut two = route();
    two["spec"]["parentRefs"] =
        json!([{"name": "gw"}, {"name": "other", "namespace": "edge", "sectionName": "https"}]);
    pending(
        &two,
        "Gateway edge/other listener https has not reported on the route",
    );
    let mut second = route();
    let mut report = second["status"]["parents"][0].clone();
    report["conditions"][0]["status"] = json!("False");
    second["status"]["parents"].as_array_mut().unwrap().push(report);
    pending(&second, "Accepted=False");
    let mut missing = route();
    missing["status"]["parents"][0]["conditions"]
        .as_array_mut()
        .unwrap()
        .pop();
    pending(&missing, "has not reported the condition ResolvedRefs");
    let mut none = route();
    none.as_object_mut().unwrap().remove("status");
    pending(&none, "Gateway shop/gw has not reported on the route");
}

#[test]
fn a_mesh_parent_is_a_service() {
    let mut mesh = route();
    let parent = json!({"group": "", "kind": "Service", "name": "web"});
    mesh["spec"]["parentRefs"] = json!([parent]);
    pending(&mesh, "Service shop/web has not reported");
    mesh["status"]["parents"][0]["parentRef"] = parent;
    assert_eq!(verdict(&mesh), Verdict::Verified);
}

#[test]
fn the_data_plane_gets_time_to_follow() {
    assert!(
        matches!(verdict_after(&route(), None, 0), Verdict::Pending(reason) if reason.contains("given 1 s"))
    );
    assert_eq!(verdict_after(&route(), None, 1), Verdict::Verified);
    let mut gke = route();
    gke["status"]["parents"][0]["controllerName"] = json!("networking.gke.io/gateway");
    assert!(
        matches!(verdict_after(&gke, None, 9), Verdict::Pending(reason) if reason.contains("given 10 s"))
    );
    assert_eq!(verdict_after(&gke, None, 10), Verdict::Verified);
}

/// linkerd2 #14964, APISIX before its #2768.
#[test]
fn a_gateway_that_tells_no_generation_does_not_stall_the_release() {
    for observed in [Value::Null, json!(0)] {
        let mut silent = route();
        for at in 0..2 {
            condition(&mut silent, at)["observedGeneration"] = observed.clone();
        }
        assert!(matches!(verdict(&silent), Verdict::Unconfirmed(_)));
    }
}

#[test]
fn the_question_is_only_asked_where_the_answer_counts() {
    let asked = |status: Value, weight: i32| {
        let rollout: Rollout = serde_json::from_value(json!({"spec": {"strategy": {"canary": {"steps": [
            {"setWeight": 0}, {"pause": {}}, {"setWeight": 100}]}}}, "status": status}))
        .unwrap();
        is_asked(&rollout, weight)
    };
    let at = |index: i32| json!({"stableRS": "a", "currentPodHash": "b", "currentStepIndex": index});
    assert!(
        asked(at(0), 0) && !asked(at(1), 0) && asked(at(2), 100) && asked(at(3), 100) && !asked(at(3), 99)
    );
    assert!(!asked(json!({"currentPodHash": "b"}), 100), "first deployment");
    assert!(
        !asked(
            json!({"stableRS": "b", "currentPodHash": "b", "currentStepIndex": 3}),
            0
        ),
        "promoted"
    );
}

#[test]
fn only_where_nothing_else_protects_users_set_weight_waits() {
    let protects = |steps: Value, dynamic: bool, status: Value, weight: i32| {
        let rollout: Rollout = serde_json::from_value(json!({"spec": {"strategy": {"canary": {
            "dynamicStableScale": dynamic, "steps": steps}}}, "status": status}))
        .unwrap();
        only_failure_protects(&rollout, weight)
    };
    let status = |recorded: i32, hash: &str| {
        json!({"stableRS": "a", "currentPodHash": "b",
            "canary": {"weights": {"canary": {"weight": recorded, "podTemplateHash": hash}}}})
    };
    let steps = json!([{"setWeight": 20}, {"setWeight": 50}]);
    let cases = [
        (
            json!([]),
            false,
            status(0, "b"),
            100,
            true,
            "no steps, full weight",
        ),
        (json!([]), false, status(0, "b"), 0, false, "no steps, no weight"),
        (
            steps.clone(),
            false,
            status(20, "b"),
            50,
            false,
            "the step waits by itself",
        ),
        (
            steps.clone(),
            true,
            status(20, "b"),
            50,
            true,
            "the stable version is about to shrink",
        ),
        (steps.clone(), true, status(50, "b"), 50, false, "it has shrunk"),
        (steps.clone(), true, status(50, "b"), 20, false, "it grows"),
        (
            steps.clone(),
            true,
            status(50, "a"),
            20,
            true,
            "what was recorded is another release's",
        ),
        (
            steps.clone(),
            true,
            json!({"stableRS": "a", "currentPodHash": "b", "abort": true}),
            50,
            false,
            "an abort",
        ),
        (
            steps.clone(),
            true,
            json!({"currentPodHash": "b"}),
            50,
            false,
            "the first deployment",
        ),
        (
            steps,
            true,
            json!({"stableRS": "b", "currentPodHash": "b"}),
            50,
            false,
            "promoted",
        ),
    ];
    for (steps, dynamic, status, weight, expected, why) in cases {
        assert_eq!(protects(steps, dynamic, status, weight), expected, "{why}");
    }
}
