use expect_test::{Expect, expect};
use serde_json::json;

use super::claims::{Claim, claims};
use super::limits::MAX_RULES;
use super::*;
use crate::config::Config;
use crate::intent::Call;
use rollouts_plugin::types::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};

mod features;
mod gateway;
mod issues;
mod levels;
mod managed;
mod owners;
mod properties;
mod sticky;

fn target(config: Value) -> RouteTarget {
    Config::parse("plugin", config.to_string().as_bytes(), "shop")
        .unwrap()
        .routes
        .remove(0)
}

fn config() -> Config {
    Config::parse("plugin", br#"{"httpRoute": "web"}"#, "shop").unwrap()
}

fn web() -> RouteTarget {
    target(json!({"httpRoute": "web"}))
}

fn rollout(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": format!("{name}-stable"), "canaryService": format!("{name}-canary"),
            "trafficRouting": {"managedRoutes": [{"name": "mirror"}, {"name": "header"}]}}}},
        "status": {"stableRS": "a", "currentPodHash": "b"}})
}

fn parse(rollout: &Value) -> Rollout {
    serde_json::from_value(rollout.clone()).unwrap()
}

fn derive(rollout: &Value, call: Call<'_>) -> Intent {
    Intent::derive(&parse(rollout), &config(), call, false).unwrap()
}

fn weights(rollout: &Value, weight: i32) -> Intent {
    derive(rollout, Call::SetWeight(weight, &[]))
}

fn header(name: &str, value: &str) -> SetHeaderRoute {
    serde_json::from_value(
        json!({"name": name, "match": [{"headerName": "x-canary", "headerValue": {"exact": value}}]}),
    )
    .unwrap()
}

fn backend(name: &str, weight: u64) -> Value {
    json!({"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight})
}

fn rule(path: &str, backends: &[(&str, u64)]) -> Value {
    json!({"matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "backendRefs": backends.iter().map(|(name, weight)| backend(name, *weight)).collect::<Vec<_>>()})
}

fn route(rules: Vec<Value>) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": rules}})
}

fn apply(target: &RouteTarget, route: &Value, intent: &Intent) -> Value {
    let plan = plan_route(target, route, intent, Some(&Label::in_progress())).unwrap();
    assert_eq!(plan.refused, []);
    plan.object.unwrap_or_else(|| route.clone())
}

/// Rules as lines: name, first match's path and headers, mirror, backends.
fn lines(route: &Value) -> String {
    let rules = route["spec"]["rules"].as_array().unwrap();
    let line = |rule: &Value| {
        let mut words = vec![view::name(rule).unwrap_or("-").to_owned()];
        for one in view::list(rule, "matches") {
            words.push(
                one.pointer("/path/value")
                    .and_then(Value::as_str)
                    .unwrap_or("*")
                    .to_owned(),
            );
            for header in view::list(one, "headers") {
                words.push(format!(
                    "{}={}",
                    header["name"].as_str().unwrap(),
                    header["value"].as_str().unwrap()
                ));
            }
        }
        for filter in view::list(rule, "filters") {
            words.push(filter["type"].as_str().unwrap().to_owned());
        }
        for backend in view::backends(rule) {
            words.push(format!(
                "{}:{}",
                backend["name"].as_str().unwrap(),
                view::weight(backend)
            ));
        }
        words.join(" ")
    };
    rules.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn check(route: &Value, expected: Expect) {
    expected.assert_eq(&lines(route));
}

#[test]
fn a_release_moves_weights_and_nothing_else() {
    let original = route(vec![
        rule("/", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/docs", &[("docs", 1)]),
    ]);
    let plan = plan_route(&web(), &original, &weights(&rollout("web"), 20), None).unwrap();
    let planned = plan.object.unwrap();
    assert_eq!(
        plan.changes.iter().map(Change::to_string).collect::<Vec<_>>(),
        ["spec.rules[0]: stable 100 to 80, canary 0 to 20"]
    );
    let mut expected = original.clone();
    expected["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(80);
    expected["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(20);
    // Whose release is under way is on record also where it has no label, or nobody could end it.
    assert_eq!(
        planned["metadata"]["annotations"],
        json!({"serinus.dev/routing": r#"{"shop/web":{"services":["web-stable","web-canary"]}}"#})
    );
    assert_eq!(planned["spec"], expected["spec"]);
    let back = plan_route(&web(), &planned, &weights(&rollout("web"), 0), None)
        .unwrap()
        .object
        .unwrap();
    assert_eq!(back, original);
}

#[test]
fn weights_as_in_git_come_back_after_the_release() {
    let original = route(vec![rule("/", &[("web-stable", 1), ("web-canary", 0)])]);
    let idle = plan_route(
        &web(),
        &original,
        &weights(&rollout("web"), 0),
        Some(&Label::in_progress()),
    )
    .unwrap();
    assert_eq!(idle.object, None, "1:0 is all stable");
    let half = apply(&web(), &original, &weights(&rollout("web"), 50));
    check(&half, expect!["- / web-stable:50 web-canary:50"]);
    assert_eq!(apply(&web(), &half, &weights(&rollout("web"), 0)), original);
}

#[test]
fn equal_shares_are_no_difference() {
    let original = route(vec![rule("/", &[("web-stable", 4), ("web-canary", 1)])]);
    let plan = plan_route(&web(), &original, &weights(&rollout("web"), 20), None).unwrap();
    assert_eq!(plan.changes, [Change::Record]);
    let recorded = plan.object.unwrap();
    assert_eq!(recorded["spec"], original["spec"]);
    assert_eq!(
        plan_route(&web(), &recorded, &weights(&rollout("web"), 20), None).unwrap(),
        Plan {
            object: None,
            changes: vec![],
            refused: vec![],
            warnings: vec![]
        }
    );
}

#[test]
fn every_rule_with_both_services_is_weighed_and_no_other() {
    let original = route(vec![
        rule("/", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/stable", &[("web-stable", 1)]),
        rule("/preview", &[("web-canary", 1)]),
        rule("/api", &[("web-canary", 0), ("web-stable", 100)]),
    ]);
    check(
        &apply(&web(), &original, &weights(&rollout("web"), 100)),
        expect![[r#"
        - / web-stable:0 web-canary:100
        - /stable web-stable:1
        - /preview web-canary:1
        - /api web-canary:100 web-stable:0"#]],
    );
}

/// Issues #145 and #203 of the Go plugin.
#[test]
fn other_backends_keep_their_share() {
    let original = route(vec![rule(
        "/",
        &[("web-stable", 50), ("web-canary", 0), ("legacy", 50)],
    )]);
    let at = |weight| lines(&apply(&web(), &original, &weights(&rollout("web"), weight)));
    assert_eq!(at(20), "- / web-stable:40 web-canary:10 legacy:50");
    assert_eq!(
        at(33),
        "- / web-stable:34 web-canary:16 legacy:50",
        "never more than asked for"
    );
    assert_eq!(at(100), "- / web-stable:0 web-canary:50 legacy:50");
    assert_eq!(at(0), "- / web-stable:50 web-canary:0 legacy:50");
    let idle = route(vec![rule(
        "/",
        &[("web-stable", 1), ("web-canary", 0), ("spare", 0)],
    )]);
    assert_eq!(
        lines(&apply(&web(), &idle, &weights(&rollout("web"), 20))),
        "- / web-stable:80 web-canary:20 spare:0"
    );
}

#[test]
fn what_cannot_be_weighed_is_named() {
    let problem = |rules| {
        plan_route(&web(), &route(rules), &weights(&rollout("web"), 20), None)
            .unwrap_err()
            .to_string()
    };
    let mut elsewhere = rule("/", &[("web-stable", 1), ("web-canary", 1)]);
    elsewhere["backendRefs"][0]["namespace"] = json!("other");
    elsewhere["name"] = json!("main");
    let mut kind = rule("/", &[("web-stable", 1), ("web-canary", 1)]);
    kind["backendRefs"][1]["kind"] = json!("ServiceImport");
    let cases = [
        (vec![], "in namespace \"shop\", it has no rules"),
        (
            vec![rule("/", &[("web-stable", 1)]), json!({})],
            "HTTPRoute shop/web: no rule of spec.rules has backendRefs to both the stable Service \"web-stable\" and the \
             canary Service \"web-canary\" in namespace \"shop\", spec.rules[0] has Service shop/web-stable; \
             spec.rules[1] has none",
        ),
        (
            vec![elsewhere],
            "spec.rules[0] (main) has Service other/web-stable, Service shop/web-canary",
        ),
        (vec![kind], "ServiceImport shop/web-canary"),
        (
            vec![rule(
                "/",
                &[("web-stable", 1), ("web-canary", 1), ("web-canary", 1)],
            )],
            "spec.rules[0].backendRefs names Service \"web-canary\" twice",
        ),
        (
            vec![rule(
                "/",
                &[("web-stable", u64::MAX), ("web-canary", 1), ("other", 4)],
            )],
            "spec.rules[0].backendRefs: the weight of \"web-stable\" is 18446744073709551615, accepted is 0 to 1000000",
        ),
        (
            vec![rule("/", &[("web-stable", 1), ("web-canary", 1), ("other", 4)])],
            "the Rollout's weights sum to 2 beside 4 of other backends, 20 of 100 is less than one of them",
        ),
    ];
    for (rules, expected) in cases {
        let found = problem(rules);
        assert!(found.contains(expected), "{found}");
    }
    let coarse = route(vec![rule(
        "/",
        &[("web-stable", 1), ("web-canary", 1), ("other", 4)],
    )]);
    assert_eq!(
        lines(&apply(&web(), &coarse, &weights(&rollout("web"), 0))),
        "- / web-stable:2 web-canary:0 other:4",
        "an abort always can be said"
    );
}

#[test]
fn services_are_looked_for_where_the_rollout_is() {
    let edge = target(json!({"httpRoute": "edge/web"}));
    let mut original = route(vec![rule("/", &[("web-stable", 1), ("web-canary", 0)])]);
    original["metadata"]["namespace"] = json!("edge");
    assert!(plan_route(&edge, &original, &weights(&rollout("web"), 20), None).is_err());
    for at in 0..2 {
        original["spec"]["rules"][0]["backendRefs"][at]["namespace"] = json!("shop");
    }
    check(
        &apply(&edge, &original, &weights(&rollout("web"), 20)),
        expect!["- / web-stable:80 web-canary:20"],
    );
}

#[test]
fn experiments_join_and_leave_without_a_trace() {
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 5,
        ..Default::default()
    };
    let mut intent = derive(
        &rollout("web"),
        Call::SetWeight(10, std::slice::from_ref(&destination)),
    );
    let error = plan_route(&web(), &original, &intent, None).unwrap_err();
    assert_eq!(
        *error.problem,
        Problem::NeedsPorts {
            service: "exp".into()
        }
    );
    intent.split.as_mut().unwrap().experiments[0].ports = vec![8080, 9090];
    let error = plan_route(&web(), &original, &intent, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "experiment Service \"exp\" has no port 80 as the canary's backendRef, it has 8080, 9090"
        )
    );
    intent.split.as_mut().unwrap().experiments[0].ports = vec![8080];
    let with = apply(&web(), &original, &intent);
    check(&with, expect!["- / web-stable:85 web-canary:10 exp:5"]);
    assert_eq!(with["spec"]["rules"][0]["backendRefs"][2]["port"], 8080);
    intent.split.as_mut().unwrap().experiments[0].ports.clear();
    assert_eq!(
        plan_route(&web(), &with, &intent, Some(&Label::in_progress()))
            .unwrap()
            .object,
        None
    );
    check(
        &apply(&web(), &with, &weights(&rollout("web"), 10)),
        expect!["- / web-stable:90 web-canary:10"],
    );
    assert_eq!(apply(&web(), &with, &weights(&rollout("web"), 0)), original);
}

/// `experiment.templates[].service.name` lets a user choose the name, and so name it in the route beforehand.
#[test]
fn an_experiments_service_that_the_user_named_stays_when_it_ends() {
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 5,
        ..Default::default()
    };
    let call = Call::SetWeight(10, std::slice::from_ref(&destination));
    let running = derive(&rollout("web"), call);
    for (users, during) in [
        (vec![("exp", 0)], "- / web-stable:85 web-canary:10 exp:5"),
        (
            vec![("exp", 0), ("legacy", 100)],
            "- / web-stable:85 web-canary:10 exp:5 legacy:100",
        ),
    ] {
        let backends = [&[("web-stable", 100), ("web-canary", 0)], &users[..]].concat();
        let original = route(vec![rule("/", &backends)]);
        let with = apply(&web(), &original, &running);
        assert_eq!(lines(&with), during, "no port has to be asked for");
        let again = plan_route(&web(), &with, &running, Some(&Label::in_progress())).unwrap();
        assert_eq!(again.object, None);
        let ended = apply(&web(), &with, &weights(&rollout("web"), 10));
        assert!(lines(&ended).contains(" exp:0"), "{}", lines(&ended));
        assert_eq!(apply(&web(), &ended, &weights(&rollout("web"), 0)), original);
        assert_eq!(
            apply(&web(), &with, &weights(&rollout("web"), 0)),
            original,
            "an abort"
        );
    }
}

#[test]
fn dangers_of_a_release_are_told_while_it_lasts() {
    let mut original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    original["spec"]["rules"][0]["sessionPersistence"] = json!({"type": "Cookie"});
    original["metadata"]["generation"] = json!(3);
    original["status"] = json!({"parents": [{"controllerName": "example.com/gw", "conditions": [
        {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "no canary", "observedGeneration": 3}]}]});
    let warnings = |route: &Value, weight: i32| {
        let plan = plan_route(&web(), route, &weights(&rollout("web"), weight), None).unwrap();
        plan.warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = warnings(&original, 20);
    assert!(
        told[0]
            .starts_with("HTTPRoute shop/web: spec.rules[0] has sessionPersistence, which wins over weights"),
        "{told:?}"
    );
    assert_eq!(
        told[1],
        "HTTPRoute shop/web: \"example.com/gw\" reports ResolvedRefs=False (BackendNotFound): no canary; requests that are \
         drawn for this backend fail"
    );
    assert!(warnings(&original, 0).is_empty());
    original["metadata"]["generation"] = json!(4);
    assert_eq!(
        warnings(&original, 20).len(),
        1,
        "what is reported of an older generation does not count"
    );
}
