//! Sticky releases: the rules that keep users where they are.

mod users;

use super::gateway::{Gateway, Request};
use super::*;

/// Names, prices and what else a user may have stored.
const OTHER_COOKIES: &str = "theme=dark; canary=no";

fn sticky() -> Config {
    let config = json!({"httpRoute": "web", "sessionAffinity": {"cookieName": "version"}});
    Config::parse("plugin", config.to_string().as_bytes(), "shop").unwrap()
}

/// The Rollout at this of its `setWeight` steps.
fn at(max: i32, weights: &[i32], step: usize) -> Value {
    let mut rollout = rollout("web");
    let canary = &mut rollout["spec"]["strategy"]["canary"];
    canary["trafficRouting"]["maxTrafficWeight"] = json!(max);
    canary["steps"] = weights
        .iter()
        .map(|weight| json!({"setWeight": weight}))
        .collect();
    rollout["status"]["currentStepIndex"] = json!(step);
    rollout
}

fn intent(rollout: &Value, weight: i32) -> Intent {
    Intent::derive(&parse(rollout), &sticky(), Call::SetWeight(weight, &[]), false).unwrap()
}

fn simple() -> Value {
    route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])])
}

#[test]
fn a_sticky_step_is_three_rules() {
    let planned = apply(&web(), &simple(), &intent(&at(100, &[10, 28, 50], 1), 28));
    check(
        &planned,
        expect![[r#"
            session-affinity / Cookie=^(?:.*;\s*)?version=b-(?:1-28|0-10)of100-canary(?:;.*)?$ web-canary:1
            session-affinity-1 / Cookie=^(?:.*;\s*)?version=b-1-28of100-stable(?:;.*)?$ web-stable:1
            session-affinity-2 / Cookie=^(?:.*;\s*)?version=b-0-10of100-stable(?:;.*)?$ web-stable:4 web-canary:1
            - / web-stable:72 web-canary:28"#]],
    );
    let cookie = |rule: usize, backend: usize| {
        planned["spec"]["rules"][rule]["backendRefs"][backend]["filters"][0]["responseHeaderModifier"]["add"]
            [0]["value"]
            .as_str()
    };
    assert_eq!(
        cookie(3, 1),
        Some("version=b-1-28of100-canary; Path=/; Max-Age=86400; SameSite=Lax; HttpOnly")
    );
    assert_eq!(
        cookie(2, 0).map(|text| &text[..26]),
        Some("version=b-1-28of100-stable")
    );
    assert!(
        cookie(0, 0).is_some(),
        "who came with an old cookie gets the present one"
    );
    assert_eq!(cookie(1, 0), None, "who has the present one needs none");
}

#[test]
fn a_sticky_route_that_is_as_it_should_be_is_not_written() {
    let half = intent(&at(100, &[10, 50], 1), 50);
    let planned = apply(&web(), &simple(), &half);
    let again = plan_route(&web(), &planned, &half, Some(&Label::in_progress())).unwrap();
    assert_eq!((again.object, again.changes), (None, vec![]));
    let mut pruned = planned.clone();
    for rule in pruned["spec"]["rules"].as_array_mut().unwrap() {
        rule.as_object_mut().unwrap().remove("name");
    }
    assert_eq!(
        plan_route(&web(), &pruned, &half, Some(&Label::in_progress()))
            .unwrap()
            .object,
        None
    );
    let mut synced = planned.clone();
    synced["spec"] = simple()["spec"].clone();
    let repaired = plan_route(&web(), &synced, &half, Some(&Label::in_progress())).unwrap();
    assert!(repaired.changes.contains(&Change::Affinity { set: true }));
    assert_eq!(repaired.object.unwrap(), planned);
    let mut edited = planned.clone();
    edited["spec"]["rules"][1]["backendRefs"][0]["port"] = json!(81);
    assert_eq!(
        apply(&web(), &edited, &half),
        planned,
        "also where only the name tells that a rule is ours"
    );
}

#[test]
fn calls_that_say_no_weight_leave_users_where_they_are() {
    let mut rollout = at(100, &[10, 50], 1);
    let planned = apply(&web(), &simple(), &intent(&rollout, 50));
    rollout["status"]["canary"] = json!({"weights": {"canary": {"weight": 50, "podTemplateHash": "b"}}});
    let mirror: SetMirrorRoute =
        serde_json::from_value(json!({"name": "mirror", "match": [{"method": {"exact": "GET"}}]})).unwrap();
    let derive = |call| Intent::derive(&parse(&rollout), &sticky(), call, false).unwrap();
    let mirrored = apply(&web(), &planned, &derive(Call::SetMirrorRoute(&mirror)));
    check(
        &mirrored,
        expect![[r#"
            mirror / Cookie=^(?:.*;\s*)?version=b-(?:1-5|0-1)0of100-canary(?:;.*)?$ RequestMirror web-canary:1
            mirror-1 / Cookie=^(?:.*;\s*)?version=b-1-50of100-stable(?:;.*)?$ RequestMirror web-stable:1
            mirror-2 / Cookie=^(?:.*;\s*)?version=b-0-10of100-stable(?:;.*)?$ RequestMirror web-stable:5 web-canary:4
            mirror-3 / RequestMirror web-stable:50 web-canary:50
            session-affinity / Cookie=^(?:.*;\s*)?version=b-(?:1-5|0-1)0of100-canary(?:;.*)?$ web-canary:1
            session-affinity-1 / Cookie=^(?:.*;\s*)?version=b-1-50of100-stable(?:;.*)?$ web-stable:1
            session-affinity-2 / Cookie=^(?:.*;\s*)?version=b-0-10of100-stable(?:;.*)?$ web-stable:5 web-canary:4
            - / web-stable:50 web-canary:50"#]],
    );
    assert_eq!(
        apply(&web(), &mirrored, &derive(Call::RemoveManagedRoutes)),
        planned
    );
}

#[test]
fn other_backends_and_experiments_keep_their_share_of_sticky_users() {
    let shared = route(vec![rule(
        "/",
        &[("web-stable", 500), ("web-canary", 0), ("legacy", 500)],
    )]);
    let planned = apply(&web(), &shared, &intent(&at(100, &[10, 50], 1), 50));
    check(
        &planned,
        expect![[r#"
            session-affinity / Cookie=^(?:.*;\s*)?version=b-(?:1-5|0-1)0of100-canary(?:;.*)?$ web-canary:1 legacy:1
            session-affinity-1 / Cookie=^(?:.*;\s*)?version=b-1-50of100-stable(?:;.*)?$ web-stable:1 legacy:1
            session-affinity-2 / Cookie=^(?:.*;\s*)?version=b-0-10of100-stable(?:;.*)?$ web-stable:5 web-canary:4 legacy:9
            - / web-stable:250 web-canary:250 legacy:500"#]],
    );
    assert!(
        planned["spec"]["rules"][3]["backendRefs"][2]
            .get("filters")
            .is_none(),
        "no version, no cookie"
    );

    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 10,
        ..Default::default()
    };
    let rollout = at(100, &[10, 50], 0);
    let mut with = Intent::derive(
        &parse(&rollout),
        &sticky(),
        Call::SetWeight(10, &[destination]),
        false,
    )
    .unwrap();
    with.split.as_mut().unwrap().experiments[0].ports = vec![80];
    check(
        &apply(&web(), &simple(), &with),
        expect![[r#"
            session-affinity / Cookie=^(?:.*;\s*)?version=b-0-10of100-canary(?:;.*)?$ web-canary:1
            session-affinity-1 / Cookie=^(?:.*;\s*)?version=b-0-10of100-stable(?:;.*)?$ web-stable:8 exp:1
            - / web-stable:80 web-canary:10 exp:10"#]],
    );
}

#[test]
fn a_rule_that_was_chosen_before_ours_still_is() {
    let mut internal = rule("/", &[("internal", 1)]);
    internal["matches"][0]["headers"] = json!([{"name": "x-internal", "value": "1"}]);
    let mut query = rule("/", &[("search", 1)]);
    query["matches"][0]["queryParams"] = json!([{"name": "q", "value": "1"}]);
    let original = route(vec![
        rule("/", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/docs", &[("docs", 1)]),
        internal,
        query,
    ]);
    let planned = apply(&web(), &original, &intent(&at(100, &[50], 0), 50));
    check(
        &planned,
        expect![[r#"
            session-affinity / Cookie=^(?:.*;\s*)?version=b-0-50of100-canary(?:;.*)?$ web-canary:1
            session-affinity-1 / Cookie=^(?:.*;\s*)?version=b-0-50of100-stable(?:;.*)?$ web-stable:1
            session-affinity-2 / x-internal=1 Cookie=^(?:.*;\s*)?version=b-[^;]*(?:;.*)?$ internal:1
            session-affinity-3 / Cookie=^(?:.*;\s*)?version=b-[^;]*(?:;.*)?$ search:1
            - / web-stable:50 web-canary:50
            - /docs docs:1
            - / x-internal=1 internal:1
            - / search:1"#]],
    );
    let gateway = Gateway::new(&planned);
    let headers = [
        ("cookie", "version=b-0-50of100-canary".to_owned()),
        ("x-internal", "1".to_owned()),
    ];
    for chance in [0.0, 0.99] {
        let request = Request {
            path: "/",
            headers: &headers,
        };
        assert_eq!(gateway.serve(&request, chance).unwrap().backend, "internal");
    }
}

#[test]
fn where_rules_are_scarce_the_oldest_users_share_one() {
    let steps = (1..=30).map(|step| step * 3).collect::<Vec<_>>();
    let mut rules = vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])];
    rules.extend((0..9).map(|n| rule(&format!("/{n}"), &[("other", 1)])));
    let planned = apply(&web(), &route(rules), &intent(&at(100, &steps, 29), 90));
    let text = lines(&planned);
    assert_eq!(text.lines().count(), MAX_RULES);
    let oldest = text.lines().nth(5).unwrap();
    assert!(
        oldest.contains("b-(?:25-78|24-75|")
            && oldest.contains("|0-3)of100-stable")
            && oldest.contains("web-stable:5 web-canary:6"),
        "(90-78)/(100-78), which is less than is due to those who were seen earlier: {oldest}"
    );
    let full = (0..6)
        .map(|n| rule(&format!("/{n}"), &[("web-stable", 100), ("web-canary", 0)]))
        .collect();
    let error = plan_route(&web(), &route(full), &intent(&at(100, &[10, 50], 1), 50), None).unwrap_err();
    assert!(error.to_string().contains("at most 16 are accepted"), "{error}");
}

#[test]
fn what_cannot_be_sticky_is_refused_while_users_would_be_drawn_and_never_in_an_abort() {
    let by = |controller: &str| {
        let mut served = simple();
        served["status"] = json!({"parents": [{"controllerName": controller}]});
        served
    };
    let mut cookie_matched = simple();
    cookie_matched["spec"]["rules"][0]["matches"][0]["headers"] = json!([{"name": "cookie", "value": "a=b"}]);
    let mut cookie_set = simple();
    cookie_set["spec"]["rules"][0]["backendRefs"][1]["filters"] = json!([{"type": "ResponseHeaderModifier",
        "responseHeaderModifier": {"add": [{"name": "set-cookie", "value": "a=b"}]}}]);
    let cases = [
        (
            by("traefik.io/gateway-controller"),
            "HTTPRoute shop/web: sessionAffinity cannot be had from \"traefik.io/gateway-controller\": it ignores filters on \
             backendRefs before version 3.7",
        ),
        (
            by("gateway.nginx.org/nginx-gateway-controller"),
            "answers 500 for a backendRef with a filter",
        ),
        (
            by("networking.gke.io/gateway"),
            "does not match headers by regular expressions",
        ),
        (
            cookie_matched,
            "spec.rules[0] cannot be made sticky: the rule already matches header Cookie by another expression",
        ),
        (
            cookie_set,
            "spec.rules[0].backendRefs: a ResponseHeaderModifier adds Set-Cookie already",
        ),
    ];
    for (route, expected) in cases {
        let error = plan_route(&web(), &route, &intent(&at(100, &[10], 0), 10), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(plan_route(&web(), &route, &intent(&at(100, &[10], 0), 0), None).is_ok());
    }
    let warnings = |route: &Value, config: Value| {
        let config = Config::parse("plugin", config.to_string().as_bytes(), "shop").unwrap();
        let intent = Intent::derive(
            &parse(&at(100, &[10], 0)),
            &config,
            Call::SetWeight(10, &[]),
            false,
        )
        .unwrap();
        plan_route(&web(), route, &intent, None)
            .unwrap()
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let unknown = by("example.com/gateway");
    let found = warnings(&unknown, json!({"httpRoute": "web", "sessionAffinity": {}}));
    assert!(
        found[0].starts_with("HTTPRoute shop/web: whether \"example.com/gateway\" adds response headers"),
        "{found:?}"
    );
    for controller in ["example.com/gateway", "traefik.io/gateway-controller"] {
        let trusted = json!({"httpRoute": "web", "sessionAffinity": {"trustedControllers": [controller]}});
        assert!(
            warnings(&by(controller), trusted).is_empty(),
            "{controller} is vouched for"
        );
    }
}

#[test]
fn a_header_that_is_added_already_stays() {
    let mut own = simple();
    own["spec"]["rules"][0]["backendRefs"][0]["filters"] = json!([{"type": "RequestHeaderModifier"},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x", "value": "1"}], "add": [{"name": "y", "value": "2"}]}}]);
    let planned = apply(&web(), &own, &intent(&at(100, &[10], 0), 10));
    let added = &planned["spec"]["rules"][2]["backendRefs"][0]["filters"][1]["responseHeaderModifier"]["add"];
    assert_eq!(added.as_array().unwrap().len(), 2);
    assert_eq!(apply(&web(), &planned, &intent(&at(100, &[10], 0), 0)), own);
}

proptest::proptest! {
    /// Whatever a rule's weights: the copies for users with a cookie divide as their users are to be drawn, never more to
    /// the canary, and other backends keep their share.
    #[test]
    fn copies_divide_as_users_are_drawn(
        ours in 1000..1_000_000u64,
        other in 0..1_000_000u64,
        before in 1..99i32,
        weight in 1..99i32,
    ) {
        let rule = rule("/", &[("web-stable", ours), ("web-canary", 0), ("other", other)]);
        let now = intent(&at(100, &[before, weight], 1), weight);
        let affinity = now.affinity.clone().unwrap();
        let planned = apply(&web(), &route(vec![rule]), &now);
        for (draw, copy) in affinity.draws().iter().zip(planned["spec"]["rules"].as_array().unwrap()) {
            let of = |name: &str| {
                let found = view::backends(copy).iter().find(|backend| backend["name"] == name);
                found.map_or(0, view::weight) as f64
            };
            let (stable, canary) = (of("web-stable"), of("web-canary"));
            let wanted = draw.share.of as f64 / draw.share.all as f64;
            let found = canary / (stable + canary);
            proptest::prop_assert!(found <= wanted + 1e-9 && wanted - found < 1e-3, "{found} for {wanted}");
            let (share, was) = (of("other") / (of("other") + stable + canary), other as f64 / (other + ours) as f64);
            proptest::prop_assert!((share - was).abs() < 1e-3, "{share} for {was}");
            proptest::prop_assert!(view::backends(copy).iter().all(|backend| view::weight(backend) <= 1_000_000));
        }
    }
}
