//! Whose the rules of a route are.

use super::*;

/// Issues #215 and #217 of the Go plugin: users' rules that look like managed ones.
#[test]
fn a_users_rule_is_never_taken_for_ours() {
    let mut like_ours = rule("/", &[("web-canary", 1)]);
    like_ours["matches"][0]["headers"] = json!([{"name": "x-canary", "type": "Exact", "value": "0"}]);
    let mut same_name = rule("/named", &[("web-stable", 1), ("web-canary", 0)]);
    same_name["name"] = json!("header");
    let original = route(vec![
        rule("/", &[("web-stable", 1), ("web-canary", 0)]),
        rule("/preview", &[("web-canary", 1)]),
        like_ours,
        same_name,
    ]);
    let mut with_step = rollout("web");
    with_step["spec"]["strategy"]["canary"]["steps"] = json!([
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x-canary", "headerValue": {"exact": "1"}}]}}]);
    let planned = apply(&web(), &original, &weights(&with_step, 0));
    check(
        &planned,
        expect![[r#"
        header-web / x-canary=1 web-canary:1
        header-1 /named x-canary=1 web-canary:1
        - / web-stable:1 web-canary:0
        - /preview web-canary:1
        - / x-canary=0 web-canary:1
        header /named web-stable:1 web-canary:0"#]],
    );
    assert_eq!(apply(&web(), &planned, &weights(&rollout("web"), 0)), original);
}

/// CRDs up to 1.3 prune `rules[].name`.
#[test]
fn managed_rules_without_their_names_are_found_again() {
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let step = header("header", "1");
    let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
    let mut stored = apply(&web(), &original, &intent);
    stored["spec"]["rules"][0].as_object_mut().unwrap().remove("name");
    assert_eq!(
        plan_route(&web(), &stored, &intent, Some(&Label::in_progress()))
            .unwrap()
            .object,
        None
    );
    let remove = derive(&rollout("web"), Call::RemoveManagedRoutes);
    assert_eq!(apply(&web(), &stored, &remove), original);
}

#[test]
fn a_managed_rule_that_somebody_changed_is_set_right() {
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let step = header("header", "1");
    let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
    let planned = apply(&web(), &original, &intent);
    let mut changed = planned.clone();
    changed["spec"]["rules"][0]["matches"][0]["path"]["value"] = json!("/elsewhere");
    assert_eq!(apply(&web(), &changed, &intent), planned);
    let mut moved = planned.clone();
    moved["spec"]["rules"].as_array_mut().unwrap().reverse();
    assert_eq!(apply(&web(), &moved, &intent), planned);
}

/// What the Go plugin leaves when it is replaced during a release.
#[test]
fn the_go_plugins_managed_rules_are_taken_over_and_removed() {
    let mut with_step = rollout("web");
    with_step["spec"]["strategy"]["canary"]["steps"] = json!([
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x", "headerValue": {"prefix": "v"}}]}}]);
    let mut left = rule("/", &[("web-canary", 1)]);
    left["matches"][0]["headers"] = json!([{"name": "x", "type": "RegularExpression", "value": "v.*"}]);
    let mut named = left.clone();
    named["name"] = json!("header-1");
    let mut original = route(vec![
        rule("/", &[("web-stable", 80), ("web-canary", 20)]),
        left,
        named,
    ]);
    original["metadata"]["labels"] = json!({"rollouts.argoproj.io/gatewayapi-canary": "in-progress"});
    check(
        &apply(&web(), &original, &weights(&with_step, 20)),
        expect![[r#"
        header / x=^v.* web-canary:1
        - / web-stable:80 web-canary:20"#]],
    );
    let mut unlabelled = original.clone();
    unlabelled["metadata"].as_object_mut().unwrap().remove("labels");
    assert_eq!(
        lines(&apply(&web(), &unlabelled, &weights(&rollout("web"), 0)))
            .lines()
            .count(),
        3,
        "without the step or the label nothing tells it from a user's rule"
    );
    with_step["status"]["currentPodHash"] = json!("a");
    let done = apply(&web(), &original, &weights(&with_step, 0));
    check(&done, expect!["- / web-stable:100 web-canary:0"]);
    assert_eq!(
        done["metadata"],
        route(vec![])["metadata"],
        "no label, no annotation"
    );
}

#[test]
fn two_rollouts_share_a_route_without_touching_each_other() {
    let original = route(vec![
        rule("/a", &[("a-stable", 100), ("a-canary", 0)]),
        rule("/b", &[("b-stable", 100), ("b-canary", 0)]),
    ]);
    let step = header("header", "1");
    let header_of = |name: &str| derive(&rollout(name), Call::SetHeaderRoute(&step));
    let remove = |name: &str| derive(&rollout(name), Call::RemoveManagedRoutes);
    for order in [["a", "b"], ["b", "a"]] {
        let one = apply(&web(), &original, &header_of(order[0]));
        let both = apply(&web(), &one, &header_of(order[1]));
        assert_eq!(both["spec"]["rules"].as_array().unwrap().len(), 4);
        assert_eq!(lines(&both).matches("header").count(), 2, "{}", lines(&both));
        for name in order {
            let again = plan_route(&web(), &both, &header_of(name), Some(&Label::in_progress())).unwrap();
            assert_eq!(again.object, None);
        }
        let left = apply(&web(), &both, &remove(order[0]));
        assert_eq!(
            left["metadata"]["labels"].as_object().unwrap().len(),
            1,
            "the label stays for the other"
        );
        assert_eq!(apply(&web(), &left, &remove(order[1])), original);
    }
}

#[test]
fn a_deleted_rollout_leaves_nothing_behind() {
    let original = route(vec![
        rule("/a", &[("a-stable", 3), ("a-canary", 0)]),
        rule("/b", &[("b-stable", 100), ("b-canary", 0)]),
    ]);
    let step = header("header", "1");
    let with_header = |name: &str, route: &Value| {
        let intent = derive(&rollout(name), Call::SetHeaderRoute(&step));
        apply(&web(), route, &intent)
    };
    let only_b = with_header("b", &original);
    let both = apply(&web(), &with_header("a", &only_b), &weights(&rollout("a"), 40));
    let plan = plan_orphan(&web().key, &with_header("a", &both), "shop/a").unwrap();
    assert_eq!(plan.object.unwrap(), only_b, "the other one's stay");
    assert_eq!(
        plan_orphan(&web().key, &only_b, "shop/a").unwrap(),
        Plan::default()
    );
    let mut replaced = both.clone();
    let rules = replaced["spec"]["rules"].as_array_mut().unwrap();
    rules.retain(|rule| {
        view::backends(rule)
            .iter()
            .all(|backend| backend["name"] != "a-stable")
    });
    let plan = plan_orphan(&web().key, &replaced, "shop/a").unwrap();
    assert!(
        Ledger::read(&plan.object.unwrap()).entry("shop/a").is_none(),
        "also where its Services are gone"
    );
}

#[test]
fn a_deleted_rollout_leaves_rules_alone_that_were_not_its_own() {
    let named = |name: &str, path: &str, canary: u64| {
        let mut rule = rule(path, &[("web-stable", 100 - canary), ("web-canary", canary)]);
        rule["name"] = json!(name);
        rule
    };
    let live = json!({"path": {"value": "/live"}});
    let choices = json!({"httpRoutes": [{"name": "web", "ruleNames": ["other"], "ruleMatches": [live]}]});
    let original = route(vec![
        named("fixed", "/fixed", 70),
        named("live", "/live", 0),
        named("other", "/other", 0),
    ]);
    let during = apply(&target(choices), &original, &weights(&rollout("web"), 40));
    let end = |route: &Value| {
        plan_orphan(&web().key, route, "shop/web")
            .unwrap()
            .object
            .unwrap()
    };
    assert_eq!(end(&during), original);
    // The user took what was its own, one rule after the other.
    let without = |route: &Value, name: &str| {
        let mut route = route.clone();
        let rules = route["spec"]["rules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["name"] != *name);
        route
    };
    let fewer = without(&during, "other");
    assert_eq!(end(&fewer), without(&original, "other"));
    let fewest = without(&fewer, "live");
    assert_eq!(end(&fewest), without(&without(&original, "other"), "live"));
}
