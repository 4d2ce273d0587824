use rollouts_plugin::types::{Rollout, SetHeaderRoute, WeightDestination};
use serde_json::{Value, json};

use super::*;
use crate::config::Config;

fn config() -> Config {
    Config::parse("plugin", br#"{"httpRoute": "web"}"#, "shop").unwrap()
}

fn rollout(canary: Value, status: Value) -> Rollout {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": canary}}, "status": status}))
    .unwrap()
}

fn plain(canary: Value) -> Rollout {
    let mut base = json!({"stableService": "stable", "canaryService": "canary"});
    base.as_object_mut()
        .unwrap()
        .extend(canary.as_object().unwrap().clone());
    rollout(base, json!({"stableRS": "a", "currentPodHash": "b"}))
}

fn destination(service: &str, weight: i32) -> WeightDestination {
    WeightDestination {
        service_name: service.into(),
        weight,
        ..Default::default()
    }
}

fn derive(rollout: &Rollout, weight: i32, additional: &[WeightDestination]) -> Result<Split, String> {
    Intent::derive(rollout, &config(), Call::SetWeight(weight, additional), false)
        .map(|intent| intent.split.unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn weights_are_shares_of_the_maximum() {
    let thousand = plain(json!({"trafficRouting": {"maxTrafficWeight": 1000}}));
    let cases = [
        (&plain(json!({})), 20, (80, 20)),
        (&plain(json!({})), 0, (100, 0)),
        (&plain(json!({})), 100, (0, 100)),
        (&thousand, 1, (999, 1)),
        (&plain(json!({})), -20, (100, 0)),
        (&plain(json!({})), 120, (0, 100)),
    ];
    for (rollout, desired, (stable, canary)) in cases {
        let split = derive(rollout, desired, &[]).unwrap();
        assert_eq!((split.stable(), split.canary), (stable, canary), "{desired}");
    }
}

#[test]
fn experiments_take_from_the_stable_share() {
    let split = derive(
        &plain(json!({})),
        20,
        &[destination("e1", 5), destination("", 7), destination("e1", 5)],
    )
    .unwrap();
    assert_eq!((split.stable(), split.canary), (70, 20));
    assert_eq!(
        split.experiments,
        [Experiment {
            service: "e1".into(),
            weight: 10,
            is_derived: false,
            ports: Vec::new()
        }]
    );
}

/// What the controller calls a template's Service is what it lost the name of.
#[test]
fn the_services_of_nameless_experiments_follow_from_the_rollout() {
    let of = |templates: Value, status: Value, additional: &[WeightDestination]| {
        let canary = json!({"stableService": "stable", "canaryService": "canary", "steps": [
            {"experiment": {"templates": [{"name": "earlier", "weight": 5}]}},
            {"experiment": {"templates": templates}}, {"pause": {}}, {"setWeight": 20},
        ]});
        let split = derive(&rollout(canary, status), 20, additional).unwrap();
        let services = split
            .experiments
            .into_iter()
            .map(|experiment| match experiment.is_derived {
                true => format!("{}? {}", experiment.service, experiment.weight),
                false => format!("{} {}", experiment.service, experiment.weight),
            });
        (services.collect::<Vec<_>>().join(", "), split.unnamed)
    };
    let two = json!([{"name": "a", "weight": 5}, {"name": "no-weight"}, {"name": "b", "weight": 7}]);
    let equal = json!([{"name": "a", "weight": 5}, {"name": "b", "weight": 5}]);
    let own_name = json!([{"name": "a", "weight": 5, "service": {"name": "mine"}}, {"name": "b", "weight": 7, "service": {}}]);
    let at = |step: i32| json!({"currentStepIndex": step, "canary": {"currentExperiment": "web-1"}});
    let cases = [
        (
            &two,
            at(1),
            vec![destination("", 5), destination("", 7)],
            "web-1-a? 5, web-1-b? 7",
            0,
        ),
        // Another order than the step's, and the pause behind it, in which the experiment may still run.
        (
            &two,
            at(2),
            vec![destination("", 7), destination("", 5)],
            "web-1-b? 7, web-1-a? 5",
            0,
        ),
        (
            &two,
            at(1),
            vec![destination("web-1-a", 5), destination("", 7)],
            "web-1-a 5, web-1-b? 7",
            0,
        ),
        (
            &two,
            at(1),
            vec![destination("", 5), destination("web-1-b", 7)],
            "web-1-a? 5, web-1-b 7",
            0,
        ),
        (
            &equal,
            at(1),
            vec![destination("", 5), destination("web-1-a", 5)],
            "web-1-b? 5, web-1-a 5",
            0,
        ),
        (
            &own_name,
            at(1),
            vec![destination("", 5), destination("", 7)],
            "mine? 5, web-1-b? 7",
            0,
        ),
        (
            &two,
            at(1),
            vec![destination("", 5), destination("", 7), destination("", 0)],
            "web-1-a? 5, web-1-b? 7",
            0,
        ),
        // What cannot be told is not guessed.
        (&equal, at(1), vec![destination("", 5)], "", 5),
        (&two, at(1), vec![destination("", 6), destination("", 8)], "", 14),
        (&two, at(0), vec![destination("", 5), destination("", 7)], "", 12),
        (
            &two,
            json!({"currentStepIndex": 1}),
            vec![destination("", 5), destination("", 7)],
            "",
            12,
        ),
    ];
    for (templates, status, additional, services, unnamed) in cases {
        let found = of(templates.clone(), status.clone(), &additional);
        assert_eq!(found, (services.to_owned(), unnamed), "{status} {additional:?}");
    }
}

#[test]
fn weights_that_do_not_add_up_are_named() {
    let wide = plain(json!({"trafficRouting": {"maxTrafficWeight": 2_000_000}}));
    let cases = [
        (
            derive(&wide, 1, &[]),
            "maxTrafficWeight is 2000000, accepted is 1 to 1000000",
        ),
        (
            derive(&plain(json!({})), 1, &[destination("e", -1)]),
            "Service \"e\" is -1, accepted is 0 to 100",
        ),
        (
            derive(&plain(json!({})), 60, &[destination("e", 50)]),
            "weight 60 and the experiments' 50 exceed",
        ),
        (
            derive(&rollout(json!({"stableService": "s"}), json!({})), 1, &[]),
            "canary.canaryService is empty",
        ),
        (
            derive(
                &rollout(json!({"pingPong": {"pingService": "p"}}), json!({})),
                1,
                &[],
            ),
            "canary.pingPong.pongService is empty",
        ),
        (
            derive(
                &rollout(json!({"stableService": "s", "canaryService": "s"}), json!({})),
                1,
                &[],
            ),
            "the same Service \"s\" for both",
        ),
        (
            derive(&Rollout::default(), 1, &[]),
            "spec.strategy.canary is missing",
        ),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn ping_pong_takes_turns() {
    let pair = json!({"pingPong": {"pingService": "ping", "pongService": "pong"}});
    for (stable, expected) in [
        ("", ("pong", "ping")),
        ("pong", ("pong", "ping")),
        ("ping", ("ping", "pong")),
    ] {
        let rollout = rollout(pair.clone(), json!({"canary": {"stablePingPong": stable}}));
        let services = services(&rollout).unwrap();
        assert_eq!(
            (services.stable.as_str(), services.canary.as_str()),
            expected,
            "{stable:?}"
        );
    }
    let both = plain(json!({"pingPong": {"pingService": "ping", "pongService": "pong"}}));
    assert_eq!(
        services(&both).unwrap().stable,
        "stable",
        "ping-pong is not preferred for plugins"
    );
}

fn header(name: &str, value: &str) -> Value {
    json!({"setHeaderRoute": {"name": name, "match": [{"headerName": "x", "headerValue": {"exact": value}}]}})
}

fn managed(status: Value, call: Call<'_>, removed: bool) -> Vec<String> {
    let rollout = rollout(
        json!({"stableService": "stable", "canaryService": "canary",
            "trafficRouting": {"managedRoutes": [{"name": "b"}, {"name": "a"}]},
            "steps": [header("a", "1"), {"setWeight": 20}, header("b", "2"), {"setWeight": 40}, header("a", "3"),
                {"setHeaderRoute": {"name": "b"}}]}),
        status,
    );
    match Intent::derive(&rollout, &config(), call, removed)
        .unwrap()
        .managed
    {
        Managed::Keep => vec!["keep".into()],
        Managed::Exactly(routes) => routes
            .iter()
            .map(|route| match route {
                ManagedRoute::Header(route) => {
                    format!(
                        "{}={}",
                        route.name,
                        route.matches[0].header_value.as_ref().unwrap().exact
                    )
                }
                ManagedRoute::Mirror(route) => format!("mirror {}", route.name),
            })
            .collect(),
    }
}

#[test]
fn managed_routes_follow_the_steps_that_were_reached() {
    let weight = Call::SetWeight(0, &[]);
    let at = |index: i32| json!({"stableRS": "a", "currentPodHash": "b", "currentStepIndex": index});
    let cases: [(i32, &[&str]); 6] = [
        (0, &["a=1"]),
        (1, &["a=1"]),
        (2, &["b=2", "a=1"]),
        (4, &["b=2", "a=3"]),
        (5, &["a=3"]),
        (6, &["a=3"]),
    ];
    for (index, expected) in cases {
        assert_eq!(managed(at(index), weight, false), expected, "step {index}");
    }
    assert!(
        managed(at(4), weight, true).is_empty(),
        "removed in this reconcile"
    );
    assert!(managed(at(4), Call::RemoveManagedRoutes, false).is_empty());
    let nothing = SetHeaderRoute {
        name: "a".into(),
        matches: Vec::new(),
    };
    assert_eq!(
        managed(at(3), Call::SetHeaderRoute(&nothing), false),
        ["b=2"],
        "only the named one goes"
    );
}

#[test]
fn managed_routes_end_with_the_release() {
    let weight = Call::SetWeight(0, &[]);
    for (state, extra) in [
        ("promoted", json!({"currentPodHash": "a"})),
        ("aborted", json!({"abort": true})),
        ("promote full", json!({"promoteFull": true})),
    ] {
        let mut status = json!({"stableRS": "a", "currentPodHash": "b", "currentStepIndex": 4});
        status
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        assert!(managed(status, weight, false).is_empty(), "{state}");
    }
}
