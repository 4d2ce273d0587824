//! What users of the Go plugin reported, by the numbers of its issues and pull requests. Those that are about calls and
//! requests rather than about a plan are tested with the router; docs/gateway-api.md has the whole table.

use super::*;

fn plain() -> Value {
    route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])])
}

fn set_header(name: &str, value: &str) -> Intent {
    derive(&rollout("web"), Call::SetHeaderRoute(&header(name, value)))
}

fn remove() -> Intent {
    derive(&rollout("web"), Call::RemoveManagedRoutes)
}

fn with_header_step(value: Value, index: usize) -> Value {
    let mut rollout = rollout("web");
    rollout["spec"]["strategy"]["canary"]["steps"] = json!([
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x", "headerValue": value}]}}, {"setWeight": 20}]);
    rollout["status"]["currentStepIndex"] = json!(index);
    rollout
}

#[test]
fn issue_32_mirrors_are_made() {
    let step: SetMirrorRoute = serde_json::from_value(
        json!({"name": "mirror", "percentage": 30, "match": [{"path": {"prefix": "/"}}]}),
    )
    .unwrap();
    let intent = derive(&rollout("web"), Call::SetMirrorRoute(&step));
    let planned = apply(&web(), &plain(), &intent);
    assert_eq!(
        planned["spec"]["rules"][0]["filters"][0]["requestMirror"]["percent"],
        30
    );
}

#[test]
fn issues_52_and_156_timeouts_cors_and_what_is_unheard_of_stay() {
    let mut original = plain();
    let rule = &mut original["spec"]["rules"][0];
    rule["timeouts"] = json!({"request": "10s"});
    rule["filters"] = json!([{"type": "CORS", "cors": {"allowOrigins": ["*"]}}]);
    rule["ofTheNextVersion"] = json!({"a": [1, null]});
    let planned = apply(&web(), &original, &weights(&rollout("web"), 20));
    let mut expected = original.clone();
    expected["spec"]["rules"][0]["backendRefs"] = planned["spec"]["rules"][0]["backendRefs"].clone();
    assert_eq!(planned["spec"], expected["spec"]);
}

#[test]
fn issues_67_and_123_the_namespace_is_the_rollouts() {
    assert_eq!(target(json!({"httpRoute": "web"})).key.namespace, "shop");
    assert_eq!(
        target(json!({"httpRoute": "web", "namespace": ""})).key.namespace,
        "shop"
    );
}

#[test]
fn issues_87_and_143_filters_and_matches_of_the_rule_are_kept() {
    let mut original = plain();
    original["spec"]["rules"][0]["filters"] =
        json!([{"type": "URLRewrite", "urlRewrite": {"hostname": "a"}}]);
    let planned = apply(&web(), &original, &set_header("header", "1"));
    assert_eq!(
        planned["spec"]["rules"][0]["filters"],
        original["spec"]["rules"][0]["filters"]
    );
    assert_eq!(planned["spec"]["rules"][1], original["spec"]["rules"][0]);
}

#[test]
fn issue_88_a_rule_with_one_service_is_left_alone_and_a_route_without_both_is_told() {
    let original = route(vec![
        rule("/", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/stable", &[("web-stable", 1)]),
    ]);
    check(
        &apply(&web(), &original, &weights(&rollout("web"), 100)),
        expect![[r#"
            - / web-stable:0 web-canary:100
            - /stable web-stable:1"#]],
    );
    let only = route(vec![rule("/", &[("web-stable", 1)])]);
    let error = plan_route(&web(), &only, &weights(&rollout("web"), 20), None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no rule of spec.rules has backendRefs to both"),
        "{error}"
    );
}

#[test]
fn issues_90_and_151_header_rules_neither_stay_nor_double() {
    let mut route = plain();
    for value in ["1", "2", "1", "1"] {
        route = apply(&web(), &route, &set_header("header", value));
        assert_eq!(route["spec"]["rules"].as_array().unwrap().len(), 2);
    }
    assert_eq!(apply(&web(), &route, &remove()), plain());
}

#[test]
fn issue_109_services_and_route_may_lie_in_two_namespaces() {
    let edge = target(json!({"httpRoute": "web", "namespace": "edge"}));
    let mut original = plain();
    for at in 0..2 {
        original["spec"]["rules"][0]["backendRefs"][at]["namespace"] = json!("shop");
    }
    check(
        &apply(&edge, &original, &weights(&rollout("web"), 20)),
        expect!["- / web-stable:80 web-canary:20"],
    );
}

#[test]
fn issues_112_224_and_225_experiments_get_their_share_and_leave() {
    let experiment = |weight| {
        let destination = WeightDestination {
            service_name: "exp".into(),
            weight,
            ..Default::default()
        };
        let call = Call::SetWeight(10, std::slice::from_ref(&destination));
        let mut intent = derive(&rollout("web"), call);
        intent.split.as_mut().unwrap().experiments[0].ports = vec![80];
        intent
    };
    let five = apply(&web(), &plain(), &experiment(5));
    check(&five, expect!["- / web-stable:85 web-canary:10 exp:5"]);
    let thirty = apply(&web(), &five, &experiment(30));
    check(&thirty, expect!["- / web-stable:60 web-canary:10 exp:30"]);
    check(
        &apply(&web(), &thirty, &weights(&rollout("web"), 10)),
        expect!["- / web-stable:90 web-canary:10"],
    );
}

#[test]
fn issues_115_158_and_159_a_header_rule_is_never_weighed() {
    let with_step = with_header_step(json!({"exact": "1"}), 1);
    for weight in [0, 20, 100, 0] {
        let planned = apply(&web(), &plain(), &weights(&with_step, weight));
        assert!(
            lines(&planned).starts_with("header / x=1 web-canary:1\n"),
            "{}",
            lines(&planned)
        );
    }
}

#[test]
fn issues_145_203_and_204_other_backends_stay_with_their_share() {
    let original = route(vec![rule(
        "/",
        &[("web-stable", 50), ("web-canary", 0), ("legacy", 50)],
    )]);
    check(
        &apply(&web(), &original, &weights(&rollout("web"), 20)),
        expect!["- / web-stable:40 web-canary:10 legacy:50"],
    );
}

#[test]
fn issues_147_and_191_a_header_route_comes_back_by_itself() {
    let with_step = with_header_step(json!({"exact": "1"}), 1);
    let gone = apply(
        &web(),
        &apply(&web(), &plain(), &weights(&with_step, 20)),
        &remove(),
    );
    check(
        &apply(&web(), &gone, &weights(&with_step, 20)),
        expect![[r#"
            header / x=1 web-canary:1
            - / web-stable:80 web-canary:20"#]],
    );
}

#[test]
fn issues_155_and_190_the_label_is_there_also_without_weight() {
    let label = |route: &Value| {
        route["metadata"]["labels"]
            .get("rollouts.argoproj.io/gatewayapi-canary")
            .is_some()
    };
    assert!(label(&apply(&web(), &plain(), &weights(&rollout("web"), 20))));
    let by_header = apply(&web(), &plain(), &set_header("header", "1"));
    assert!(label(&by_header) && !label(&apply(&web(), &by_header, &remove())));
}

#[test]
fn issue_164_the_label_stays_for_the_other_rollout() {
    let shared = route(vec![
        rule("/a", &[("a-stable", 100), ("a-canary", 0)]),
        rule("/b", &[("b-stable", 100), ("b-canary", 0)]),
    ]);
    let both = apply(
        &web(),
        &apply(&web(), &shared, &weights(&rollout("a"), 20)),
        &weights(&rollout("b"), 20),
    );
    let one = apply(&web(), &both, &weights(&rollout("a"), 0));
    assert!(one["metadata"]["labels"].is_object());
    assert_eq!(apply(&web(), &one, &weights(&rollout("b"), 0)), shared);
}

#[test]
fn issue_207_every_rule_gets_its_header_rule() {
    let original = route(vec![
        rule("/a", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/b", &[("web-stable", 100), ("web-canary", 0)]),
    ]);
    check(
        &apply(&web(), &original, &set_header("header", "1")),
        expect![[r#"
            header /a x-canary=1 web-canary:1
            header-1 /b x-canary=1 web-canary:1
            - /a web-stable:100 web-canary:0
            - /b web-stable:100 web-canary:0"#]],
    );
}

#[test]
fn issue_208_after_a_release_nothing_differs_from_git() {
    let with_step = with_header_step(json!({"prefix": "v"}), 1);
    let busy = apply(&web(), &plain(), &weights(&with_step, 20));
    let mut promoted = with_step;
    promoted["status"]["currentPodHash"] = json!("a");
    assert_eq!(apply(&web(), &busy, &weights(&promoted, 0)), plain());
}

#[test]
fn issue_215_two_routes_on_one_header_live_side_by_side() {
    let mut rollout = rollout("web");
    let step = |name: &str, value: &str| json!({"setHeaderRoute": {"name": name, "match": [{"headerName": "x", "headerValue": {"exact": value}}]}});
    rollout["spec"]["strategy"]["canary"]["steps"] = json!([step("header", "1"), step("mirror", "2")]);
    rollout["status"]["currentStepIndex"] = json!(1);
    check(
        &apply(&web(), &plain(), &weights(&rollout, 0)),
        expect![[r#"
            mirror / x=2 web-canary:1
            header / x=1 web-canary:1
            - / web-stable:100 web-canary:0"#]],
    );
}

#[test]
fn issue_217_a_users_rule_to_the_canary_stays() {
    let original = route(vec![
        rule("/", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/preview", &[("web-canary", 1)]),
    ]);
    assert_eq!(
        plan_route(&web(), &original, &remove(), Some(&Label::in_progress()))
            .unwrap()
            .object,
        None
    );
}

#[test]
fn issue_219_weights_are_parts_of_max_traffic_weight() {
    let mut thousand = rollout("web");
    thousand["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = json!(1000);
    check(
        &apply(&web(), &plain(), &weights(&thousand, 400)),
        expect!["- / web-stable:600 web-canary:400"],
    );
}

#[test]
fn issue_230_nothing_is_written_where_nothing_differs() {
    let planned = apply(&web(), &plain(), &weights(&rollout("web"), 20));
    let again = plan_route(
        &web(),
        &planned,
        &weights(&rollout("web"), 20),
        Some(&Label::in_progress()),
    );
    assert_eq!(again.unwrap().object, None);
}

/// Gaps 8, 11, 12 and 15 of the Go plugin's source, which nobody has reported yet.
#[test]
fn gaps_nobody_reported() {
    let two = apply(&web(), &plain(), &set_header("header", "1"));
    let mut with_both = with_header_step(json!({"exact": "1"}), 0);
    with_both["spec"]["strategy"]["canary"]["steps"] = json!([
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}},
        {"setHeaderRoute": {"name": "mirror", "match": [{"headerName": "y", "headerValue": {"exact": "1"}}]}},
        {"setHeaderRoute": {"name": "header"}}]);
    with_both["status"]["currentStepIndex"] = json!(2);
    check(
        &apply(&web(), &two, &weights(&with_both, 0)),
        expect![[r#"
            mirror / y=1 web-canary:1
            - / web-stable:100 web-canary:0"#]],
    );

    let mut matched = plain();
    matched["spec"]["rules"][0]["matches"][0]["headers"] =
        json!([{"name": "X-Canary", "type": "Exact", "value": "1"}]);
    let planned = apply(&web(), &matched, &set_header("header", "1"));
    assert_eq!(
        planned["spec"]["rules"][0]["matches"][0]["headers"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "no header twice"
    );

    let prefixed = apply(
        &web(),
        &plain(),
        &weights(&with_header_step(json!({"prefix": "v1."}), 0), 0),
    );
    assert_eq!(
        prefixed["spec"]["rules"][0]["matches"][0]["headers"][0]["value"],
        r"^v1\..*"
    );

    let mut numbered = plain();
    numbered["spec"]["rules"][0]["name"] = json!("header-2");
    let with = apply(&web(), &numbered, &set_header("header", "1"));
    assert_eq!(
        apply(&web(), &with, &remove()),
        numbered,
        "header-2 is the user's"
    );
}
