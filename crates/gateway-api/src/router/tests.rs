//! The controller's calls against a fake API server, with paused time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::apply::fake::{Fake, Fault};

fn router(fake: &Arc<Fake>) -> Router {
    Router::new(PluginName::default(), fake.applier(), Settings::default())
}

/// A release at the step of this index.
fn rollout(config: Value, step: i32) -> Rollout {
    let header = json!({"name": "header", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]});
    serde_json::from_value(
        json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "5"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary",
            "steps": [{"setHeaderRoute": header}, {"setWeight": 20}, {"pause": {}}],
            "trafficRouting": {"managedRoutes": [{"name": "header"}], "plugins": {"x/y": config}}}}},
        "status": {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": step}}),
    )
    .unwrap()
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
async fn a_gateway_that_does_not_follow_is_not_verified_and_never_an_error() {
    let fake = Fake::new(vec![]);
    fake.gateway_works.store(false, Ordering::Relaxed);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    fake.verbs();
    let start = Instant::now();
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::NotVerified
    );
    assert!(start.elapsed() <= VERIFY_WAIT);
    assert_eq!(
        fake.verbs().split(' ').count(),
        11,
        "a short wait, four looks a second"
    );
    fake.gateway_works.store(true, Ordering::Relaxed);
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::Verified
    );

    let mut broken = web();
    broken
        .spec
        .strategy
        .canary
        .as_mut()
        .unwrap()
        .canary_service
        .clear();
    assert_eq!(
        router.verify_weight(&broken, 20, &[]).await.unwrap(),
        Verified::NotVerified
    );
    fake.remove_route("httproutes", "web");
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::NotVerified
    );
}

/// A watch that fell behind must not cost the controller's 10 s.
#[tokio::test(start_paused = true)]
async fn a_weight_is_verified_without_requests_and_at_last_by_one() {
    let fake = Fake::new(vec![]);
    let router = Router::new(PluginName::default(), fake.watching(), Settings::default());
    for _ in 0..2 {
        router.set_weight(&web(), 20, &[]).await.unwrap();
        fake.settle().await;
    }
    fake.verbs();
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::Verified
    );
    assert_eq!(fake.verbs(), "");

    fake.gateway_works.store(false, Ordering::Relaxed);
    router.set_weight(&web(), 40, &[]).await.unwrap();
    fake.is_silent.store(true, Ordering::Relaxed);
    fake.gateway_works.store(true, Ordering::Relaxed);
    assert_eq!(
        router.verify_weight(&web(), 40, &[]).await.unwrap(),
        Verified::Verified
    );
    assert_eq!(fake.verbs(), "PATCH GET");
}

/// "Not verified" at full weight makes the controller dereference the nil `currentStepIndex` of a Rollout without steps.
#[tokio::test(start_paused = true)]
async fn without_steps_it_is_set_weight_that_holds_up_a_promotion_but_not_for_ever() {
    let fake = Fake::new(vec![]);
    fake.gateway_works.store(false, Ordering::Relaxed);
    let router = router(&fake);
    let mut plain = web();
    plain.spec.strategy.canary.as_mut().unwrap().steps.clear();
    plain.status.current_step_index = None;
    let error = router.set_weight(&plain, 100, &[]).await.unwrap_err().to_string();
    assert!(
        error.starts_with(
            "rollout shop/web: waiting for the gateway before the stable version shrinks: HTTPRoute shop/web: \
             Gateway shop/gw has not reported"
        ),
        "{error}"
    );
    assert_eq!(
        router.verify_weight(&plain, 100, &[]).await.unwrap(),
        Verified::Verified
    );
    assert_eq!(fake.weights(), "0:100", "it is set all the same");
    tokio::time::advance(GUARD).await;
    router.set_weight(&plain, 100, &[]).await.unwrap();
}

/// The controller shrinks the stable version as soon as a weight is set, verified or not (argo-rollouts #3926).
#[tokio::test(start_paused = true)]
async fn a_stable_version_that_shrinks_with_the_weight_waits_for_the_gateway() {
    let fake = Fake::new(vec![]);
    fake.gateway_works.store(false, Ordering::Relaxed);
    let router = router(&fake);
    let mut dynamic = web();
    dynamic
        .spec
        .strategy
        .canary
        .as_mut()
        .unwrap()
        .dynamic_stable_scale = true;
    let error = router
        .set_weight(&dynamic, 20, &[])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("waiting for the gateway before the stable version shrinks"),
        "{error}"
    );
    assert_eq!(fake.weights(), "80:20", "it is set all the same");
    fake.gateway_works.store(true, Ordering::Relaxed);
    router.set_weight(&dynamic, 20, &[]).await.unwrap();
    fake.gateway_works.store(false, Ordering::Relaxed);
    router.set_weight(&dynamic, 40, &[]).await.unwrap_err();
    tokio::time::advance(GUARD).await;
    router.set_weight(&dynamic, 40, &[]).await.unwrap();
    assert!(
        fake.events()
            .await
            .concat()
            .contains("weight 40 is taken for served after 5 minutes")
    );
    router.set_weight(&dynamic, 60, &[]).await.unwrap_err();
    dynamic.status.abort = true;
    router.set_weight(&dynamic, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0", "an abort does not wait");
}

/// Row by row: a Rollout that is deleted in mid-release, beside another one on the same route, and alone.
#[tokio::test(start_paused = true)]
async fn a_deleted_rollouts_release_is_ended_by_another_ones_call() {
    let named = |name: &str| {
        let mut rollout = web();
        rollout.metadata.name = name.into();
        rollout
    };
    let fake = Fake::new(vec![]);
    fake.edit_web(|route| {
        let other = json!({"backendRefs": [{"name": "other-stable", "port": 80, "weight": 100}, {"name": "other-canary", "port": 80, "weight": 0}]});
        route["spec"]["rules"].as_array_mut().unwrap().insert(0, other);
    });
    let original = fake.web();
    let mut other = named("other");
    let canary = other.spec.strategy.canary.as_mut().unwrap();
    (canary.stable_service, canary.canary_service) = ("other-stable".into(), "other-canary".into());
    fake.add(
        "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web",
        json!({}),
    );
    router(&fake).set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(rules(&fake), 3);

    let router = router(&fake);
    router.set_weight(&other, 0, &[]).await.unwrap();
    assert_eq!(
        rules(&fake),
        3 + 1,
        "the header route of the other one came, nothing went: the Rollout is there"
    );
    fake.remove("/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web");
    router.set_weight(&other, 0, &[]).await.unwrap();
    assert_eq!(rules(&fake), 4, "who was looked up is not looked up at each call");
    tokio::time::advance(Duration::from_secs(60)).await;
    router.set_weight(&other, 0, &[]).await.unwrap();
    assert_eq!((rules(&fake), fake.weights().as_str()), (3, "100:0"));
    assert!(
        fake.events()
            .await
            .concat()
            .contains("Rollout shop/web was deleted in mid-release, all of its traffic is stable again")
    );
    other.status.abort = true;
    router.set_weight(&other, 0, &[]).await.unwrap();
    assert_eq!(fake.web()["spec"], original["spec"]);

    // On a route of its own it is missed when the controller has been silent about it.
    router.set_weight(&web(), 20, &[]).await.unwrap();
    fake.add_route("httproutes", "elsewhere");
    let elsewhere = || {
        let mut rollout = rollout(json!({"httpRoute": "elsewhere"}), 1);
        rollout.metadata.name = "elsewhere".into();
        rollout
    };
    router.set_weight(&elsewhere(), 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
    tokio::time::advance(Duration::from_secs(1200)).await;
    router.set_weight(&elsewhere(), 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
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

#[tokio::test(start_paused = true)]
async fn an_experiments_ports_are_looked_up_once() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 10,
        ..Default::default()
    };
    let error = router
        .set_weight(&web(), 20, std::slice::from_ref(&destination))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("experiment Service \"exp\" cannot be read: the API server answered 404"),
        "{error}"
    );
    fake.add(
        "/api/v1/namespaces/shop/services/exp",
        json!({"spec": {"ports": [{"port": 8080}]}}),
    );
    fake.verbs();
    for verbs in ["GET GET GET PUT", "GET"] {
        router
            .set_weight(&web(), 20, std::slice::from_ref(&destination))
            .await
            .unwrap();
        assert_eq!(fake.verbs(), verbs);
    }
    let rule = fake.web()["spec"]["rules"][1].clone();
    assert_eq!(
        rule["backendRefs"][2],
        json!({"name": "exp", "port": 8080, "weight": 10})
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

/// argo-rollouts #4710: the stable Service's new endpoints reach the gateway after the weight.
#[tokio::test(start_paused = true)]
async fn a_promotion_moves_traffic_only_when_gateways_had_time() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let done = rollout(json!({"httpRoute": "web"}), 3);
    router.set_weight(&done, 100, &[]).await.unwrap();
    let mut promoted = done.clone();
    promoted.status.current_pod_hash = "a".into();
    promoted.status.canary.weights =
        serde_json::from_value(json!({"canary": {"weight": 100, "podTemplateHash": "a"}})).unwrap();
    router.remove_managed_routes(&promoted).await.unwrap();
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    assert_eq!(
        (rules(&fake), fake.weights().as_str()),
        (1, "0:100"),
        "managed routes go at once"
    );
    assert_eq!(
        router.verify_weight(&promoted, 0, &[]).await.unwrap(),
        Verified::NotVerified,
        "so that it comes back"
    );
    tokio::time::advance(Duration::from_secs(5)).await;
    // By now the controller's status says 0.
    promoted.status.canary.weights.as_mut().unwrap().canary.weight = 0;
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
    assert_eq!(
        router.verify_weight(&promoted, 0, &[]).await.unwrap(),
        Verified::Verified
    );
}

/// The weight 0 of a held promotion was taken for set, so that setting it in the end looked like drift.
#[tokio::test(start_paused = true)]
async fn no_weights_reverted_event_after_the_promotion_hold() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router
        .set_weight(&rollout(json!({"httpRoute": "web"}), 3), 100, &[])
        .await
        .unwrap();
    let mut promoted = web();
    promoted.status.current_pod_hash = "a".into();
    promoted.status.canary.weights =
        serde_json::from_value(json!({"canary": {"weight": 100, "podTemplateHash": "a"}})).unwrap();
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
    assert_eq!(fake.events().await, [""; 0]);
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

#[tokio::test(start_paused = true)]
async fn a_rollback_to_the_stable_version_does_not_wait() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    let mut back = web();
    back.status.current_pod_hash = "a".into();
    back.status.canary.weights =
        serde_json::from_value(json!({"canary": {"weight": 20, "podTemplateHash": "b"}})).unwrap();
    router.set_weight(&back, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
}

#[tokio::test(start_paused = true)]
async fn a_new_release_ends_the_hold() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router
        .set_weight(&rollout(json!({"httpRoute": "web"}), 3), 100, &[])
        .await
        .unwrap();
    let mut promoted = web();
    promoted.status.current_pod_hash = "a".into();
    promoted.status.canary.weights =
        serde_json::from_value(json!({"canary": {"weight": 100, "podTemplateHash": "a"}})).unwrap();
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "0:100");
    let mut next = promoted.clone();
    next.status.current_pod_hash = "c".into();
    router.set_weight(&next, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stays_behind_is_told_with_its_own_words() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    fake.gateway_works.store(false, Ordering::Relaxed);
    fake.edit_web(|route| {
        route["status"]["parents"][0]["conditions"][0]["status"] = json!("False");
        route["status"]["parents"][0]["conditions"][0]["reason"] = json!("UnsupportedValue");
        route["status"]["parents"][0]["conditions"][0]["message"] = json!("no");
    });
    router.verify_weight(&web(), 20, &[]).await.unwrap();
    assert!(fake.events().await.is_empty(), "patience first");
    tokio::time::advance(PATIENCE).await;
    router.verify_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(
        fake.events().await,
        [
            "WeightNotServed: weight 20 is not served yet: HTTPRoute shop/web: Gateway shop/gw reports Accepted=False \
          (UnsupportedValue): no"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn who_changed_the_weights_is_told() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    fake.edit_web(|route| {
        let rules = route["spec"]["rules"].as_array_mut().unwrap();
        rules.last_mut().unwrap()["backendRefs"][0]["weight"] = json!(100);
        route["metadata"]["managedFields"] =
            json!([{"manager": "argocd-controller", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}]);
    });
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(
        fake.events().await,
        [
            "RouteReverted: HTTPRoute shop/web: argocd-controller had changed what a release needs, it is set right: \
          spec.rules[1]: stable 100 to 80, canary 20 to 20"
        ]
    );
    router.set_weight(&web(), 40, &[]).await.unwrap();
    assert!(fake.events().await.is_empty(), "a new weight is no drift");
}

/// A sync of Argo CD writes Git's rules: those of the release are put back, whichever call comes first.
#[tokio::test(start_paused = true)]
async fn who_took_rules_away_is_told() {
    let fake = Fake::new(vec![]);
    let original = fake.web();
    let router = router(&fake);
    let sync = || {
        fake.edit_web(|route| {
            route["spec"] = original["spec"].clone();
            route["metadata"]["managedFields"] =
                json!([{"manager": "argocd-controller", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}}]);
        });
    };
    let in_step = rollout(json!({"httpRoute": "web"}), 0);
    for _ in 0..2 {
        router
            .set_header_route(&in_step, &header_route(&in_step))
            .await
            .unwrap();
        router.set_weight(&in_step, 0, &[]).await.unwrap();
        assert!(fake.events().await.is_empty(), "nobody changed anything");
    }
    sync();
    router
        .set_header_route(&in_step, &header_route(&in_step))
        .await
        .unwrap();
    assert!(
        fake.events().await.concat().contains(
            "argocd-controller had changed what a release needs, it is set right: rule header added"
        )
    );
    sync();
    router.set_weight(&in_step, 0, &[]).await.unwrap();
    assert_eq!(rules(&fake), 2);
    // A canary that loses its pods for a moment changes its routes by itself.
    tokio::time::advance(Duration::from_secs(3600)).await;
    fake.events().await;
    router.remove_managed_routes(&in_step).await.unwrap();
    router.set_weight(&in_step, 0, &[]).await.unwrap();
    router.verify_weight(&in_step, 0, &[]).await.unwrap();
    router.set_weight(&in_step, 0, &[]).await.unwrap();
    // So does an experiment.
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 10,
        ..Default::default()
    };
    fake.add(
        "/api/v1/namespaces/shop/services/exp",
        json!({"spec": {"ports": [{"port": 80}]}}),
    );
    router
        .set_weight(&in_step, 0, std::slice::from_ref(&destination))
        .await
        .unwrap();
    assert!(fake.events().await.is_empty());
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
