//! Sticky releases: the rules, and simulated users who meet them.

use std::collections::BTreeMap;

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

/// A pseudo-random number from 0 to 1 (SplitMix64): the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Users with a cookie jar each, and the version that each saw last.
struct Users {
    jars: Vec<BTreeMap<String, String>>,
    last: Vec<String>,
    dice: Dice,
}

impl Users {
    fn new(count: usize, seed: u64) -> Self {
        Self {
            jars: vec![BTreeMap::new(); count],
            last: vec![String::new(); count],
            dice: Dice(seed),
        }
    }

    /// A number of requests by each user of whom `comes` says so; answers how many saw more than one version.
    fn visit(&mut self, route: &Value, requests: usize, comes: impl Fn(usize) -> bool) -> usize {
        let gateway = Gateway::new(route);
        let mut torn = 0;
        for user in (0..self.jars.len()).filter(|user| comes(*user)) {
            let mut seen = None;
            let mut is_torn = false;
            for _ in 0..requests {
                let jar = self.jars[user]
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"));
                let cookies = jar.fold(OTHER_COOKIES.to_owned(), |all, cookie| all + "; " + &cookie);
                let request = Request {
                    path: "/",
                    headers: &[("cookie", cookies)],
                };
                let response = gateway.serve(&request, self.dice.roll()).unwrap();
                for (name, value) in response.cookies {
                    self.jars[user].insert(name.to_owned(), value.to_owned());
                }
                is_torn |= seen
                    .replace(response.backend)
                    .is_some_and(|before| before != response.backend);
                self.last[user] = response.backend.to_owned();
            }
            torn += usize::from(is_torn);
        }
        torn
    }

    fn on_canary(&self) -> usize {
        self.last
            .iter()
            .filter(|backend| *backend == "web-canary")
            .count()
    }
}

/// Whether a share of users is within 4 standard deviations of what was asked: one run in 16,000 is not.
fn is_within(users: usize, found: usize, wanted: f64) -> bool {
    let users = users as f64;
    (found as f64 - users * wanted).abs() <= 4.0 * (users * wanted * (1.0 - wanted)).sqrt()
}

const STEPS: [i32; 5] = [1, 10, 100, 500, 1000];
const USERS: usize = 20_000;

#[test]
fn the_share_of_users_is_the_weight_at_every_step() {
    let mut users = Users::new(USERS, 1);
    let mut route = simple();
    let mut before = Vec::new();
    for (step, weight) in STEPS.iter().enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &STEPS, step), *weight));
        let torn = users.visit(&route, 4, |_| true);
        let found = users.on_canary();
        assert_eq!(torn, 0, "step {step}: nobody sees two versions within a step");
        assert!(
            is_within(USERS, found, f64::from(*weight) / 1000.0),
            "step {step}: {found} of {USERS}"
        );
        let left = before
            .iter()
            .zip(&users.last)
            .filter(|(was, is)| **was == "web-canary" && *is != "web-canary");
        assert_eq!(
            left.count(),
            0,
            "step {step}: nobody leaves the canary while the weight rises"
        );
        before.clone_from(&users.last);
    }
    let ended = apply(&web(), &route, &end_of(&STEPS));
    users.visit(&ended, 1, |_| true);
    assert_eq!((ended, users.on_canary()), (simple(), 0), "nothing to clean up");
}

fn end_of(steps: &[i32]) -> Intent {
    let mut done = at(1000, steps, steps.len());
    done["status"]["currentPodHash"] = json!("a");
    intent(&done, 0)
}

#[test]
fn users_who_stay_away_for_some_steps_are_drawn_as_if_they_had_come() {
    let mut users = Users::new(USERS, 2);
    let mut route = simple();
    for (step, weight) in STEPS.iter().take(4).enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &STEPS, step), *weight));
        // Each comes at another set of steps, and all to the last.
        users.visit(&route, 2, |user| step == 3 || (user >> step) & 1 == 1);
    }
    assert!(
        is_within(USERS, users.on_canary(), 0.5),
        "{} of {USERS}",
        users.on_canary()
    );
    for group in 0..8 {
        let of_group = |user: &&usize| *user % 8 == group;
        let found = (0..USERS)
            .filter(|user| of_group(&user))
            .filter(|user| users.last[*user] == "web-canary")
            .count();
        assert!(
            is_within(USERS / 8, found, 0.5),
            "those who came at {group:03b}: {found} of {}",
            USERS / 8
        );
    }
}

#[test]
fn falling_weight_an_abort_and_a_second_try_bring_users_back_at_once() {
    let steps = [100, 500, 200];
    let mut users = Users::new(USERS, 3);
    let mut route = simple();
    for (step, weight) in steps.iter().enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &steps, step), *weight));
        users.visit(&route, 2, |_| true);
        assert!(
            is_within(USERS, users.on_canary(), f64::from(*weight) / 1000.0),
            "{weight}: {}",
            users.on_canary()
        );
    }
    let mut aborted = at(1000, &steps, 0);
    aborted["status"]["abort"] = json!(true);
    route = apply(&web(), &route, &intent(&aborted, 0));
    assert_eq!(route, simple());
    users.visit(&route, 1, |_| true);
    assert_eq!(users.on_canary(), 0);
    // The same pods again: the cookies of the first try must not bring more users than the first step asks for.
    for (step, weight) in steps.iter().enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &steps, step), *weight));
        users.visit(&route, 2, |_| true);
        assert!(
            is_within(USERS, users.on_canary(), f64::from(*weight) / 1000.0),
            "again {weight}: {}",
            users.on_canary()
        );
    }
}

/// What Flagger 1.44 writes (`pkg/router/gateway_api.go` `makeSessionAffinityRoute`) for the same weights: one value for
/// the canary's cookie, a stable cookie that ends with each interval or, without `primaryCookieName`, none.
#[test]
fn flaggers_shape_would_have_drifted() {
    let flagger = |weight: i32, interval: Option<usize>| {
        let set = |name: &str, value: &str| {
            json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [
                {"name": "Set-Cookie", "value": format!("{name}={value}; Max-Age=60")}]}}])
        };
        let cookie = |name: &str, value: &str| json!([{"headers": [{"name": "Cookie", "type": "RegularExpression", "value": format!(".*{name}.*{value}.*")}]}]);
        let mut stable = backend("web-stable", (1000 - weight).try_into().unwrap());
        let mut canary = backend("web-canary", weight.try_into().unwrap());
        canary["filters"] = set("flagger-cookie", "AbCdEfGhIj");
        let mut rules = vec![
            json!({"matches": cookie("flagger-cookie", "AbCdEfGhIj"), "backendRefs": [backend("web-canary", 100)]}),
        ];
        if let Some(interval) = interval {
            let value = format!("KlMnOpQrSt{interval}");
            stable["filters"] = set("primary-cookie", &value);
            rules.push(json!({"matches": cookie("primary-cookie", &value), "backendRefs": [backend("web-stable", 100)]}));
        }
        rules.push(json!({"backendRefs": [stable, canary]}));
        route(rules)
    };
    let shares = |with_stable_cookie: bool| {
        let mut users = Users::new(USERS, 4);
        let share = |(step, weight): (usize, &i32)| {
            // A new value stands for the expiry of the old one.
            users.visit(&flagger(*weight, with_stable_cookie.then_some(step)), 4, |_| true);
            users.on_canary()
        };
        STEPS.iter().take(4).enumerate().map(share).collect::<Vec<_>>()
    };
    let drawn_at_each_interval = shares(true);
    let drawn_at_each_request = shares(false);
    // 1 - 0.999 * 0.99 * 0.9 * 0.5, and the same with each factor to the fourth power.
    assert!(
        is_within(USERS, drawn_at_each_interval[3], 0.5550),
        "{drawn_at_each_interval:?}"
    );
    assert!(
        is_within(USERS, drawn_at_each_request[3], 0.9608),
        "{drawn_at_each_request:?}"
    );
    assert!(
        !is_within(USERS, drawn_at_each_interval[3], 0.5)
            && !is_within(USERS, drawn_at_each_request[0], 0.001)
    );
}

#[test]
fn a_sticky_step_is_three_rules() {
    let planned = apply(&web(), &simple(), &intent(&at(100, &[10, 28, 50], 1), 28));
    check(
        &planned,
        expect![[r#"
            session-affinity / Cookie=^(?:.*;\s*)?version=(?:b-1-28of100-canary|b-0-10of100-canary)(?:;.*)?$ web-canary:1
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
            mirror / Cookie=^(?:.*;\s*)?version=(?:b-1-50of100-canary|b-0-10of100-canary)(?:;.*)?$ RequestMirror web-canary:1
            mirror-1 / Cookie=^(?:.*;\s*)?version=b-1-50of100-stable(?:;.*)?$ RequestMirror web-stable:1
            mirror-2 / Cookie=^(?:.*;\s*)?version=b-0-10of100-stable(?:;.*)?$ RequestMirror web-stable:5 web-canary:4
            mirror-3 / RequestMirror web-stable:50 web-canary:50
            session-affinity / Cookie=^(?:.*;\s*)?version=(?:b-1-50of100-canary|b-0-10of100-canary)(?:;.*)?$ web-canary:1
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
            session-affinity / Cookie=^(?:.*;\s*)?version=(?:b-1-50of100-canary|b-0-10of100-canary)(?:;.*)?$ web-canary:1 legacy:1
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
        oldest.contains("b-25-78of100-stable|")
            && oldest.contains("b-0-3of100-stable")
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
            "HTTPRoute shop/web: sessionAffinity cannot be had from \"traefik.io/gateway-controller\": it accepts filters on backendRefs and \
             ignores them",
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
