//! The controller's calls against a fake API server, with paused time.

mod drift;
mod experiments;
mod orphans;
mod ownership;
mod promotion;
mod verify;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::apply::fake::{Fake, Fault};

fn router(fake: &Arc<Fake>) -> Router {
    Router::new(PluginName::default(), fake.applier(), Settings::default())
}

/// A release at the step of this index, as the API server has it.
fn stored(config: Value, step: i32) -> Value {
    let header = json!({"name": "header", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]});
    json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "5"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary",
            "steps": [{"setHeaderRoute": header}, {"setWeight": 20}, {"pause": {}}],
            "trafficRouting": {"managedRoutes": [{"name": "header"}], "plugins": {"x/y": config}}}}},
        "status": {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": step}})
}

fn parse(stored: &Value) -> Rollout {
    serde_json::from_value(stored.clone()).unwrap()
}

/// The same as the controller sends it.
fn rollout(config: Value, step: i32) -> Rollout {
    parse(&stored(config, step))
}

fn web() -> Rollout {
    rollout(json!({"httpRoute": "web"}), 1)
}

fn rules(fake: &Fake) -> usize {
    fake.web()["spec"]["rules"].as_array().unwrap().len()
}

fn header_route(rollout: &Rollout) -> SetHeaderRoute {
    rollout.steps()[0].set_header_route.clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_release_as_the_controller_plays_it() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let original = fake.web()["spec"].clone();
    let at_header = rollout(json!({"httpRoute": "web"}), 0);
    router
        .set_header_route(&at_header, &header_route(&at_header))
        .await
        .unwrap();
    assert_eq!(fake.verbs(), "GET PUT");
    router.set_weight(&at_header, 0, &[]).await.unwrap();
    assert_eq!(
        (fake.verbs().as_str(), rules(&fake)),
        ("GET", 2),
        "nothing more to write"
    );

    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(
        (fake.verbs().as_str(), fake.weights().as_str()),
        ("GET PUT", "80:20")
    );
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::Verified
    );
    assert_eq!(fake.verbs(), "GET");
    assert_eq!(
        router
            .verify_weight(&rollout(json!({"httpRoute": "web"}), 2), 20, &[])
            .await
            .unwrap(),
        Verified::Verified
    );
    assert_eq!(fake.verbs(), "", "at a pause nobody asks");

    let mut promoted = web();
    promoted.status.current_pod_hash = "a".into();
    router.remove_managed_routes(&promoted).await.unwrap();
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    assert_eq!(fake.web()["spec"], original);
    assert_eq!(fake.web()["metadata"]["annotations"], Value::Null);
}

/// Issues #147 and #191 of the Go plugin, #4486 and #4716 of argo-rollouts: the step has passed, so the controller
/// never asks for the header route again.
#[tokio::test(start_paused = true)]
async fn a_header_route_comes_back_after_the_canary_flapped() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(rules(&fake), 2);
    // No canary pod is available: the controller removes managed routes and sets the weight to 0.
    router.remove_managed_routes(&web()).await.unwrap();
    router.set_weight(&web(), 0, &[]).await.unwrap();
    assert_eq!(
        (rules(&fake), fake.weights().as_str()),
        (1, "100:0"),
        "not in the reconcile that removed it"
    );
    router.verify_weight(&web(), 0, &[]).await.unwrap();
    // A pod is available again.
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!((rules(&fake), fake.weights().as_str()), (2, "80:20"));
}

#[tokio::test(start_paused = true)]
async fn a_removal_is_forgotten_with_its_reconcile() {
    let fake = Fake::new(vec![(Method::PUT, Fault::Status(403, "Forbidden"))]);
    let router = router(&fake);
    router.remove_managed_routes(&web()).await.unwrap();
    router.set_weight(&web(), 20, &[]).await.unwrap_err();
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(rules(&fake), 2, "the reconcile that removed ended with the error");
    router.remove_managed_routes(&web()).await.unwrap();
    let mut later = web();
    later.metadata.resource_version = "6".into();
    router.set_weight(&later, 20, &[]).await.unwrap();
    assert_eq!(
        rules(&fake),
        2,
        "another state of the Rollout is another reconcile"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_gateways_class_does_not_list_is_refused_by_name() {
    let fake = Fake::new(vec![]);
    fake.add(
        "/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways/gw",
        json!({"spec": {"gatewayClassName": "edge"}}),
    );
    fake.add(
        "/apis/gateway.networking.k8s.io/v1/gatewayclasses/edge",
        json!({"metadata": {"name": "edge"}, "spec": {"controllerName": "example.com/gw"},
            "status": {"supportedFeatures": [{"name": "HTTPRouteMethodMatching"}]}}),
    );
    let router = router(&fake);
    let mirror: SetMirrorRoute =
        serde_json::from_value(json!({"name": "header", "match": [{"path": {"prefix": "/"}}]})).unwrap();
    for verbs in ["GET GET GET GET", "GET"] {
        let error = router
            .set_mirror_route(&web(), &mirror)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("GatewayClass \"edge\" (example.com/gw) does not list HTTPRouteRequestMirror"),
            "{error}"
        );
        assert_eq!(fake.verbs(), verbs, "it is asked once");
    }
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
}

#[tokio::test(start_paused = true)]
async fn each_route_is_tried_and_every_failure_is_told() {
    let fake = Fake::new(vec![]);
    fake.add_route("grpcroutes", "api");
    let router = router(&fake);
    let several = rollout(
        json!({"httpRoutes": [{"name": "web"}, {"name": "gone"}, {"name": "lost"}], "grpcRoute": "api"}),
        1,
    );
    let error = router
        .set_weight(&several, 20, &[])
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "rollout shop/web: HTTPRoute shop/gone: get failed: the API server answered 404 NotFound: because of NotFound; \
         HTTPRoute shop/lost: get failed: the API server answered 404 NotFound: because of NotFound; \
         done: HTTPRoute shop/web, GRPCRoute shop/api"
    );
    assert_eq!(fake.weights(), "80:20");
    // Issue #95 of the Go plugin.
    router.remove_managed_routes(&several).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn selectors_find_routes() {
    let fake = Fake::new(vec![]);
    fake.add_route("httproutes", "other");
    let router = router(&fake);
    let labelled = |labels: Value| rollout(json!({"httpRouteSelector": {"matchLabels": labels}}), 1);
    router
        .set_weight(&labelled(json!({"app": "web"})), 20, &[])
        .await
        .unwrap();
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(
        fake.requests()[0],
        "GET /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes?labelSelector=app%3Dweb"
    );
    let error = router
        .set_weight(&labelled(json!({"app": "none"})), 20, &[])
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "rollout shop/web: no HTTPRoute in namespace \"shop\" has the labels \"app=none\" of the selector"
    );
}

/// The routes that are named get their weights, in an abort above all.
#[tokio::test(start_paused = true)]
async fn a_selector_that_finds_nothing_holds_up_no_other_route() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let selecting = |status: Value| {
        let nothing = json!({"matchLabels": {"app": "none"}});
        let mut rollout = stored(json!({"httpRoute": "web", "grpcRouteSelector": nothing}), 1);
        let all = rollout["status"].as_object_mut().unwrap();
        all.extend(status.as_object().unwrap().clone());
        parse(&rollout)
    };
    let nothing = "no GRPCRoute in namespace \"shop\" has the labels \"app=none\" of the selector";
    for (status, weight, weights) in [(json!({"abort": true}), 0, "100:0"), (json!({}), 20, "80:20")] {
        let error = router
            .set_weight(&selecting(status), weight, &[])
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("rollout shop/web: {nothing}; done: HTTPRoute shop/web")
        );
        assert_eq!(fake.weights(), weights);
    }
    assert_eq!(
        router
            .verify_weight(&selecting(json!({})), 20, &[])
            .await
            .unwrap(),
        Verified::NotVerified
    );
    fake.events().await;
    // As with a route that is not there yet: nothing is divided, and pods must start.
    for status in [json!({"stableRS": ""}), json!({"currentPodHash": "a"})] {
        let one_version = selecting(status);
        router.remove_managed_routes(&one_version).await.unwrap();
        router.set_weight(&one_version, 0, &[]).await.unwrap();
    }
    let events = fake.events().await;
    assert_eq!(
        events,
        [format!(
            "RouteMissing: {nothing}; there is one version only, so nothing is divided until it is there"
        )]
    );
}

#[tokio::test(start_paused = true)]
async fn header_routes_that_cannot_be_are_refused() {
    let fake = Fake::new(vec![]);
    fake.add_route("tcproutes", "web");
    let router = router(&fake);
    let tcp = rollout(json!({"tcpRoute": "web"}), 0);
    let error = router
        .set_header_route(&tcp, &header_route(&tcp))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("setHeaderRoute \"header\" needs an HTTPRoute or a GRPCRoute with useHeaderRoutes"),
        "{error}"
    );
    let mut broken = rollout(json!({"httpRoute": "web"}), 0);
    broken.spec.strategy.canary.as_mut().unwrap().steps[0]
        .set_header_route
        .as_mut()
        .unwrap()
        .matches[0]
        .header_value = None;
    let error = router
        .set_header_route(&broken, &header_route(&broken))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "rollout shop/web: HTTPRoute shop/web: managed route \"header\": headerValue of header x needs one of exact, \
         prefix and regex"
    );
    router.set_weight(&broken, 0, &[]).await.unwrap();
    assert_eq!(
        fake.weights(),
        "100:0",
        "an invalid managed route never blocks weights or an abort"
    );
}

/// The controller asks to remove managed routes before it takes the weight from a canary without pods, and gives up at an
/// error: 20 % of the requests stayed with nobody.
#[tokio::test(start_paused = true)]
async fn what_can_be_sticky_no_more_holds_up_no_end_of_a_release() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let mut sticky = stored(json!({"httpRoute": "web", "sessionAffinity": {}}), 1);
    router.set_weight(&parse(&sticky), 20, &[]).await.unwrap();
    sticky["status"]["canary"] = json!({"weights": {"canary": {"weight": 20, "podTemplateHash": "b"}}});
    fake.edit_web(|route| {
        let rules = route["spec"]["rules"].as_array_mut().unwrap();
        let cookie = json!({"name": "Cookie", "type": "RegularExpression", "value": "a.*"});
        rules.last_mut().unwrap()["matches"] = json!([{"headers": [cookie]}]);
    });
    fake.events().await;
    let flapping = parse(&sticky);
    router.remove_managed_routes(&flapping).await.unwrap();
    let events = fake.events().await;
    assert!(
        events[0].starts_with("ManagedRouteRefused: HTTPRoute shop/web: managed route \"sessionAffinity\": "),
        "{events:?}"
    );
    // At a header step the controller calls for it before it takes the weight.
    let mut at_header = flapping.clone();
    at_header.status.current_step_index = Some(0);
    router.remove_managed_routes(&at_header).await.unwrap();
    router
        .set_header_route(&at_header, &header_route(&at_header))
        .await
        .unwrap();
    router.set_weight(&flapping, 0, &[]).await.unwrap();
    assert_eq!((fake.weights().as_str(), rules(&fake)), ("100:0", 1));

    let error = router.set_weight(&flapping, 20, &[]).await.unwrap_err();
    assert!(error.to_string().contains("Cookie"), "{error}");
    let mut promoted = flapping;
    promoted.status.promote_full = true;
    router.remove_managed_routes(&promoted).await.unwrap();
    router.set_weight(&promoted, 20, &[]).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
    // Where the stable version shrinks with the weight, `SetWeight` looks at the gateway, too.
    promoted
        .spec
        .strategy
        .canary
        .as_mut()
        .unwrap()
        .dynamic_stable_scale = true;
    router.set_weight(&promoted, 40, &[]).await.unwrap();
    assert_eq!(fake.weights(), "60:40");
}

/// After an abort the controller begins again at the first step and calls for it before it sets the weight.
#[tokio::test(start_paused = true)]
async fn a_step_that_cannot_be_holds_up_no_abort() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let mut aborted = stored(json!({"httpRoute": "web"}), 1);
    router.set_weight(&parse(&aborted), 20, &[]).await.unwrap();
    aborted["status"]["abort"] = json!(true);
    aborted["status"]["currentStepIndex"] = json!(0);
    let misspelt = json!([{"name": "heder", "match": [{"headers": {"x": {"exact": "1"}}}]}]);
    for config in [
        json!({"httpRoute": "web", "managedRoutes": misspelt}),
        json!({"httpRoutes": [{"name": "web"}]}),
    ] {
        aborted["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["x/y"] = config;
        let aborted = parse(&aborted);
        router.remove_managed_routes(&aborted).await.unwrap();
        router
            .set_header_route(&aborted, &header_route(&aborted))
            .await
            .unwrap();
        router.set_weight(&aborted, 0, &[]).await.unwrap();
        assert_eq!((fake.weights().as_str(), rules(&fake)), ("100:0", 1));
    }
}

/// An answer that says nothing for now was believed for ten minutes: an unsupported mirror was taken, and then away again.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_could_not_be_asked_is_asked_again() {
    let fake = Fake::new(vec![]);
    let path = |rest: &str| format!("/apis/gateway.networking.k8s.io/v1/{rest}");
    fake.add(
        &path("namespaces/shop/gateways/gw"),
        json!({"spec": {"gatewayClassName": "edge"}}),
    );
    let class = json!({"metadata": {"name": "edge"}, "spec": {"controllerName": "example.com/gw"},
        "status": {"supportedFeatures": [{"name": "X"}]}});
    fake.add(&path("gatewayclasses/edge"), class);
    let router = router(&fake);
    let mirror = json!({"name": "header", "match": [{"path": {"prefix": "/"}}]});
    let mut mirroring = stored(json!({"httpRoute": "web"}), 0);
    mirroring["spec"]["strategy"]["canary"]["steps"] = json!([{"setMirrorRoute": mirror}, {"setWeight": 20}]);
    let mirroring = parse(&mirroring);
    let mirror = serde_json::from_value(mirror).unwrap();
    router.set_weight(&web(), 0, &[]).await.unwrap();
    fake.fault(Method::GET, Fault::Status(503, "ServiceUnavailable"));
    router.set_mirror_route(&mirroring, &mirror).await.unwrap();
    let error = router.set_mirror_route(&mirroring, &mirror).await.unwrap_err();
    assert!(error.to_string().contains("HTTPRouteRequestMirror"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_is_told() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let cases = [
        (
            rollout(json!({"httpRuote": "web"}), 1),
            "rollout shop/web: trafficRouting.plugins[\"x/y\"].httpRuote is not a known field, did you mean httpRoute?",
        ),
        (
            Rollout::default(),
            "plugins is missing, this plugin has nothing to route",
        ),
    ];
    for (rollout, expected) in cases {
        let error = router
            .set_weight(&rollout, 20, &[])
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(fake.verbs(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_the_api_server_refuses_does_not_hold_up_the_weights() {
    let fake = Fake::new(vec![(Method::PUT, Fault::Status(422, "Invalid"))]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!((rules(&fake), fake.weights().as_str()), (1, "80:20"));
    let twice = vec![(Method::PUT, Fault::Status(422, "Invalid")); 2];
    let fake = Fake::new(twice);
    let error = self::router(&fake)
        .set_weight(&web(), 20, &[])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("update failed: the API server answered 422"),
        "{error}"
    );
}

/// A webhook is asked about each write; what it refuses is no right that is missing.
#[tokio::test(start_paused = true)]
async fn a_rule_that_a_webhook_refuses_does_not_hold_up_the_weights() {
    let denied =
        Fault::Denied("admission webhook \"policy.example.com\" denied the request: no regular expressions");
    for verb in [Method::PATCH, Method::PUT] {
        let fake = Fake::new(vec![]);
        let applier = match verb {
            Method::PATCH => Applier::without_watches(fake.api(), crate::apply::Limits::default()),
            _ => fake.applier(),
        };
        fake.fault(verb.clone(), denied.clone());
        let router = Router::new(PluginName::default(), applier, Settings::default());
        router.set_weight(&web(), 20, &[]).await.unwrap();
        assert_eq!((rules(&fake), fake.weights().as_str()), (1, "80:20"));
        assert_eq!(fake.verbs(), format!("GET {verb} GET {verb}"));
        let events = fake.events().await.concat();
        assert!(events.contains("no regular expressions"), "{events}");
    }
}

/// The plugin's `managedRoutes` names one that the Rollout has not, or has no more.
#[tokio::test(start_paused = true)]
async fn a_match_for_no_managed_route_fails_its_step_and_no_weight() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let config = json!({"httpRoute": "web", "managedRoutes": [{"name": "haeder", "match": [{"method": {"exact": "GET"}}]}]});
    let told = "managedRoutes of the plugin's configuration names \"haeder\", \
                spec.strategy.canary.trafficRouting.managedRoutes has \"header\"";
    let at_step = rollout(config.clone(), 0);
    let error = router
        .set_header_route(&at_step, &header_route(&at_step))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), format!("rollout shop/web: {told}"));
    assert_eq!(fake.verbs(), "");
    router
        .set_weight(&rollout(config.clone(), 1), 20, &[])
        .await
        .unwrap();
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(fake.events().await, [format!("ManagedRouteRefused: {told}")]);
    let mut aborted = rollout(config, 1);
    aborted.status.abort = true;
    router.set_weight(&aborted, 0, &[]).await.unwrap();
    assert_eq!((rules(&fake), fake.weights().as_str()), (1, "100:0"));
}

/// Issue #95 of the Go plugin: a Rollout that is applied before its route never got pods.
#[tokio::test(start_paused = true)]
async fn a_route_that_is_missing_is_told_and_holds_up_nothing_while_there_is_one_version() {
    let mut first = web();
    first.status.stable_rs.clear();
    let mut promoted = web();
    promoted.status.current_pod_hash = "a".into();
    for (rollout, weight) in [(&first, 0), (&first, 100), (&promoted, 0)] {
        let fake = Fake::new(vec![]);
        fake.remove_route("httproutes", "web");
        let router = router(&fake);
        router.set_weight(rollout, weight, &[]).await.unwrap();
        assert_eq!(
            fake.events().await,
            [
                "RouteMissing: HTTPRoute shop/web: get failed: the API server answered 404 NotFound: because of NotFound; \
              there is one version only, so nothing is divided until it is there"
            ]
        );
    }
    let fake = Fake::new(vec![]);
    fake.remove_route("httproutes", "web");
    router(&fake).set_weight(&web(), 0, &[]).await.unwrap_err();
}

/// argo-rollouts #3589 and #4424: arithmetic on replica counts goes beyond the bounds, in an abort of all times.
#[tokio::test(start_paused = true)]
async fn a_weight_out_of_range_is_taken_for_the_nearest_bound() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    for (weight, expected) in [(120, "0:100"), (-20, "100:0")] {
        router.set_weight(&web(), weight, &[]).await.unwrap();
        assert_eq!(fake.weights(), expected);
    }
    assert!(fake.events().await[0].contains("asked for weight 120, which lies outside of 0 to 100"));
}
