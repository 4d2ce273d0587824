//! Properties over generated routes that carry fields nobody here knows.

use proptest::prelude::*;
use serde_json::Map;

use super::*;

/// JSON that stands for what later versions of the Gateway API bring.
fn unknown() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{1,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}X", inner, 1..3)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn with_unknown(object: Value, field: Option<Value>) -> Value {
    let mut object = object;
    if let Some(value) = field {
        object["unheardOf"] = value;
    }
    object
}

fn generated_backend() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("web-stable"),
        Just("web-canary"),
        Just("api-stable"),
        Just("api-canary"),
        Just("other")
    ];
    (
        name,
        prop_oneof![Just(None), (0..200u64).prop_map(Some)],
        prop::option::weighted(0.2, unknown()),
        prop::option::weighted(0.2, any::<bool>()),
    )
        .prop_map(|(name, weight, field, adds)| {
            let mut backend = json!({"name": name, "port": 80});
            if let Some(adds) = adds {
                let verb = if adds { "add" } else { "set" };
                backend["filters"] = json!([{"type": "ResponseHeaderModifier",
                    "responseHeaderModifier": {verb: [{"name": "x-version", "value": name}]}}]);
            }
            if let Some(weight) = weight {
                backend["weight"] = json!(weight);
            }
            with_unknown(backend, field)
        })
}

fn generated_rule() -> impl Strategy<Value = Value> {
    let one_match = (0..4u8, prop::option::weighted(0.3, 0..3u8)).prop_map(|(path, header)| {
        let mut one = json!({"path": {"type": "PathPrefix", "value": format!("/{path}")}});
        if let Some(value) = header {
            one["headers"] = json!([{"name": "x-canary", "type": "Exact", "value": format!("user-{value}")}]);
        }
        one
    });
    (
        prop::collection::vec(one_match, 0..3),
        prop::collection::vec(generated_backend(), 0..4),
        prop::option::weighted(
            0.3,
            prop_oneof![Just("header"), Just("header-1"), Just("mirror"), Just("main")],
        ),
        prop::option::weighted(0.3, unknown()),
    )
        .prop_map(|(matches, backends, name, field)| {
            // Each Service at most once, as the API asks for distinct backends.
            let mut seen = Vec::new();
            let backends = backends.into_iter().filter(|backend| {
                let name = backend["name"].clone();
                let new = !seen.contains(&name);
                seen.push(name);
                new
            });
            let mut rule = json!({"backendRefs": backends.collect::<Vec<_>>()});
            if !matches.is_empty() {
                rule["matches"] = matches.into();
            }
            if let Some(name) = name {
                rule["name"] = json!(name);
            }
            with_unknown(rule, field)
        })
}

fn generated_route() -> impl Strategy<Value = Value> {
    (
        prop::collection::vec(generated_rule(), 1..6),
        prop::option::of(unknown()),
        prop::option::of(unknown()),
    )
        .prop_map(|(mut rules, spec, status)| {
            // Names are unique in a route.
            let mut seen = Vec::new();
            for rule in &mut rules {
                let name = rule.get("name").cloned();
                if name.is_some() && seen.contains(&name) {
                    rule.as_object_mut().unwrap().remove("name");
                }
                seen.push(name);
            }
            let mut route = route(rules);
            route["spec"] = with_unknown(route["spec"].take(), spec);
            with_unknown(route, status)
        })
}

/// What a Rollout may ask for in the course of a release.
fn generated_intent(name: &'static str) -> impl Strategy<Value = Intent> {
    let headers = prop::collection::vec((prop_oneof![Just("header"), Just("other")], 0..3u8), 0..3);
    (
        0..=1000i32,
        prop_oneof![Just(100), Just(1000)],
        headers,
        any::<bool>(),
        any::<bool>(),
        prop::option::of(prop::collection::vec(0..=100i32, 0..3)),
    )
        .prop_map(move |(weight, max, headers, mirror, only_managed, sticky)| {
            let mut rollout = rollout(name);
            let mut steps: Vec<Value> = headers
                .into_iter()
                .map(|(name, value)| {
                    json!({"setHeaderRoute": {"name": name, "match": [
                        {"headerName": "x-canary", "headerValue": {"exact": value.to_string()}}]}})
                })
                .collect();
            if mirror {
                steps.push(
                    json!({"setMirrorRoute": {"name": "mirror", "match": [{"method": {"exact": "GET"}}]}}),
                );
            }
            let affinity = if sticky.is_some() { json!({}) } else { Value::Null };
            steps.extend(
                sticky
                    .into_iter()
                    .flatten()
                    .map(|weight| json!({"setWeight": weight})),
            );
            rollout["status"]["currentStepIndex"] = json!(steps.len());
            rollout["spec"]["strategy"]["canary"]["steps"] = steps.into();
            rollout["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = json!(max);
            let config = json!({"httpRoute": "web", "sessionAffinity": affinity});
            let config = Config::parse("plugin", config.to_string().as_bytes(), "shop").unwrap();
            let call = Call::SetWeight(weight * max / 1000, &[]);
            let mut intent = Intent::derive(&parse(&rollout), &config, call, false).unwrap();
            if only_managed {
                intent.split = None;
            }
            intent
        })
}

fn end(name: &str) -> Intent {
    let mut rollout = rollout(name);
    rollout["status"]["currentPodHash"] = json!("a");
    weights(&rollout, 0)
}

/// The route after a plan; as it was where the plan is refused.
fn after(route: &Value, intent: &Intent) -> Value {
    match plan_route(&web(), route, intent, Some(&Label::in_progress())) {
        Ok(plan) => plan.object.unwrap_or_else(|| route.clone()),
        Err(_) => route.clone(),
    }
}

/// Our weights, divided by what they have in common: a rule that divides as asked keeps its weights, so a release that
/// counted in thousandths ends at 0 of 1000 where another one ends at 0 of 100.
fn in_lowest_terms(mut route: Value) -> Value {
    for rule in route["spec"]["rules"].as_array_mut().into_iter().flatten() {
        let backends = rule["backendRefs"].as_array_mut().into_iter().flatten();
        let ours = backends
            .filter(|backend| {
                backend["name"]
                    .as_str()
                    .is_some_and(|name| name.starts_with("web-"))
            })
            .collect::<Vec<_>>();
        let common = ours
            .iter()
            .map(|backend| view::weight(backend))
            .fold(0, gcd)
            .max(1);
        for backend in ours {
            backend["weight"] = (view::weight(backend) / common).into();
        }
    }
    route
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn users_rules(route: &Value) -> Vec<Value> {
    let ledger = Ledger::read(route);
    let rules = route["spec"]["rules"].as_array().unwrap();
    claims(rules, &ledger, &end("web"), "shop", false)
        .claims
        .into_iter()
        .zip(rules)
        .filter(|(claim, _)| *claim == Claim::User)
        .map(|(_, rule)| rule.clone())
        .collect()
}

fn without_our_weights(mut rule: Value) -> Value {
    let is_weighed = weights::pair(&rule, &end("web"), "shop").is_some();
    for backend in view::backends_mut(&mut rule).into_iter().flatten() {
        if is_weighed && backend["name"].as_str().unwrap().starts_with("web-") {
            backend.as_object_mut().unwrap().remove("weight");
        }
    }
    rule
}

fn without_our_cookie(rule: Value) -> Value {
    let mut rule = std::borrow::Cow::Owned(rule);
    affinity::without_cookie(&mut rule, "rollout-shop-web");
    rule.into_owned()
}

fn shares(rule: &Value) -> (u64, Vec<u64>) {
    let (ours, others): (Vec<_>, Vec<_>) = view::backends(rule)
        .iter()
        .partition(|backend| backend["name"].as_str().unwrap().starts_with("web-"));
    (
        ours.into_iter().map(view::weight).sum(),
        others.into_iter().map(view::weight).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn planning_twice_changes_nothing(route in generated_route(), intent in generated_intent("web")) {
        if let Ok(plan) = plan_route(&web(), &route, &intent, Some(&Label::in_progress())) {
            prop_assert_eq!(plan.object.is_some(), !plan.changes.is_empty());
            let planned = plan.object.unwrap_or(route);
            let again = plan_route(&web(), &planned, &intent, Some(&Label::in_progress())).unwrap();
            prop_assert_eq!(again.object, None, "{:?}", again.changes);
        }
    }

    #[test]
    fn a_release_leaves_what_it_found(
        route in generated_route(),
        intents in prop::collection::vec(generated_intent("web"), 1..5),
    ) {
        let released = intents.iter().fold(route.clone(), |route, intent| after(&route, intent));
        let (released, untouched) = (after(&released, &end("web")), after(&route, &end("web")));
        prop_assert_eq!(in_lowest_terms(released), in_lowest_terms(untouched));
    }

    #[test]
    fn users_rules_keep_content_and_order(
        route in generated_route(),
        intents in prop::collection::vec(generated_intent("web"), 1..4),
    ) {
        let planned = intents.iter().fold(route.clone(), |route, intent| after(&route, intent));
        let before = users_rules(&route).into_iter().map(without_our_weights).collect::<Vec<_>>();
        let now = users_rules(&planned).into_iter().map(without_our_cookie).map(without_our_weights).collect::<Vec<_>>();
        prop_assert_eq!(now, before);
        let mut rest = planned.clone();
        rest["spec"]["rules"] = route["spec"]["rules"].clone();
        rest["metadata"] = route["metadata"].clone();
        prop_assert_eq!(rest, route);
    }

    #[test]
    fn other_backends_keep_weight_and_share(route in generated_route(), intent in generated_intent("web")) {
        let planned = after(&route, &intent);
        for (before, now) in users_rules(&route).iter().zip(users_rules(&planned)) {
            let ((ours, others), (ours_now, others_now)) = (shares(before), shares(&now));
            prop_assert_eq!(&others, &others_now);
            if others.iter().sum::<u64>() > 0 {
                prop_assert_eq!(ours, ours_now);
            }
        }
    }

    #[test]
    fn the_canary_gets_its_share_and_never_more(route in generated_route(), intent in generated_intent("web")) {
        let Some(split) = &intent.split else { return Ok(()) };
        let Ok(plan) = plan_route(&web(), &route, &intent, None) else { return Ok(()) };
        let planned = plan.object.unwrap_or(route);
        for rule in users_rules(&planned) {
            if let Some([stable, canary]) = weights::pair(&rule, &intent, "shop") {
                prop_assert!(canary * split.max <= split.canary * (stable + canary));
                if shares(&rule).1.iter().sum::<u64>() == 0 {
                    prop_assert_eq!(canary * split.max, split.canary * (stable + canary));
                }
            }
        }
    }

    #[test]
    fn another_rollouts_rules_stay(
        route in generated_route(),
        first in generated_intent("api"),
        second in generated_intent("web"),
    ) {
        let of_api = |route: &Value| {
            let rules = route["spec"]["rules"].as_array().unwrap();
            claims(rules, &Ledger::read(route), &end("api"), "shop", false)
                .claims
                .into_iter()
                .zip(rules)
                .filter(|(claim, _)| matches!(claim, Claim::Own(_)))
                .map(|(_, rule)| rule.clone())
                .collect::<Vec<_>>()
        };
        let one = after(&route, &first);
        let both = after(&one, &second);
        prop_assert_eq!(of_api(&both), of_api(&one));
        let ended = after(&both, &end("web"));
        prop_assert_eq!(of_api(&ended), of_api(&one));
    }

    #[test]
    fn limits_hold(route in generated_route(), intents in prop::collection::vec(generated_intent("web"), 1..4)) {
        let planned = intents.iter().fold(route, |route, intent| after(&route, intent));
        let rules = planned["spec"]["rules"].as_array().unwrap();
        let mut names = rules.iter().filter_map(view::name).collect::<Vec<_>>();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), count, "names are unique");
        prop_assert!(rules.len() <= MAX_RULES);
    }

    /// Level-based: what a route is follows from the last call, not from those before.
    #[test]
    fn history_does_not_matter(
        route in generated_route(),
        before in prop::collection::vec(generated_intent("web"), 1..4),
        last in generated_intent("web"),
    ) {
        prop_assume!(last.split.is_some());
        let history = before.iter().fold(route.clone(), |route, intent| after(&route, intent));
        let label = Label::in_progress();
        let (Ok(fresh), Ok(late)) = (
            plan_route(&web(), &route, &last, Some(&label)),
            plan_route(&web(), &history, &last, Some(&label)),
        ) else {
            return Ok(());
        };
        let spec = |plan: Plan, was: Value| in_lowest_terms(plan.object.unwrap_or(was))["spec"].clone();
        prop_assert_eq!(spec(late, history), spec(fresh, route));
    }
}
