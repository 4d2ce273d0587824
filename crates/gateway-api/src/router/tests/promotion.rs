//! The hold after a promotion.

use super::*;
use crate::router::orphans::{ASK_AGAIN, SILENCE};

/// After the last step, as the controller tells it when it has promoted a canary that had all of the traffic.
fn promoted() -> Rollout {
    parse(&stored_promotion())
}

fn stored_promotion() -> Value {
    let mut promoted = stored(json!({"httpRoute": "web"}), 3);
    promoted["status"]["currentPodHash"] = json!("a");
    promoted["status"]["canary"] = json!({"weights": {"canary": {"weight": 100, "podTemplateHash": "a"}}});
    promoted
}

/// A release whose traffic is held on the canary Service.
async fn held(fake: &Arc<Fake>) -> Router {
    let router = router(fake);
    let done = rollout(json!({"httpRoute": "web"}), 3);
    router.set_weight(&done, 100, &[]).await.unwrap();
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "0:100");
    router
}

/// argo-rollouts #4710: the stable Service's new endpoints reach the gateway after the weight.
#[tokio::test(start_paused = true)]
async fn a_promotion_moves_traffic_only_when_gateways_had_time() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let done = rollout(json!({"httpRoute": "web"}), 3);
    router.set_weight(&done, 100, &[]).await.unwrap();
    let mut promoted = promoted();
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
    let router = held(&fake).await;
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
    assert_eq!(fake.events().await, [""; 0]);
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
    let router = held(&fake).await;
    let mut next = promoted();
    next.status.current_pod_hash = "c".into();
    router.set_weight(&next, 0, &[]).await.unwrap();
    assert_eq!(fake.weights(), "100:0");
}

const WEB: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web";

/// A process that is killed while it answers `VerifyWeight` is asked again only at the controller's resync (15 minutes).
/// The next process finds the release by its record.
#[tokio::test(start_paused = true)]
async fn a_hold_whose_end_was_lost_is_ended_by_the_next_process() {
    for (stable, pods, expected, why) in [
        ("a", "a", "100:0", "promoted"),
        ("a", "b", "0:100", "its last step waits for the gateway"),
        ("", "", "0:100", "the controller has not seen it yet"),
    ] {
        let fake = Fake::new(vec![]);
        drop(held(&fake).await);
        let mut rollout = stored_promotion();
        rollout["status"]["stableRS"] = json!(stable);
        rollout["status"]["currentPodHash"] = json!(pods);
        fake.add(WEB, rollout);
        let next = router(&fake);
        next.init().await.unwrap();
        sleep(SILENCE - Duration::from_secs(1)).await;
        assert_eq!(fake.weights(), "0:100", "the controller may still come");
        sleep(ASK_AGAIN).await;
        assert_eq!(fake.weights(), expected, "{why}");
        let metadata = &fake.web()["metadata"];
        assert_eq!(metadata["annotations"].is_null(), expected == "100:0", "{why}");
    }
}

/// The same process, where the answer of `VerifyWeight` did not reach the controller.
#[tokio::test(start_paused = true)]
async fn a_hold_that_nobody_comes_back_for_ends_when_its_time_is_over() {
    let fake = Fake::new(vec![]);
    let settings = Settings {
        promotion_hold: Duration::from_secs(290),
        ..Settings::default()
    };
    let router = Router::new(PluginName::default(), fake.applier(), settings);
    router.init().await.unwrap();
    fake.add(WEB, stored_promotion());
    let done = rollout(json!({"httpRoute": "web"}), 3);
    router.set_weight(&done, 100, &[]).await.unwrap();
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    sleep(Duration::from_secs(280)).await;
    assert_eq!(fake.weights(), "0:100");
    sleep(ASK_AGAIN).await;
    assert_eq!(fake.weights(), "100:0");
    fake.verbs();
    sleep(ASK_AGAIN * 3).await;
    assert_eq!(fake.verbs(), "", "it is forgotten");
}

/// What the record says of Services is what they were before the promotion; with ping-pong they have changed places.
#[tokio::test(start_paused = true)]
async fn with_ping_pong_traffic_stays_where_the_promoted_version_is() {
    let fake = Fake::new(vec![]);
    fake.edit_web(|route| {
        route["spec"]["rules"][0]["backendRefs"][0]["name"] = json!("pong");
        route["spec"]["rules"][0]["backendRefs"][1]["name"] = json!("ping");
    });
    let of = |hash: &str, stable: &str| {
        let mut rollout = stored(json!({"httpRoute": "web"}), 3);
        let canary = &mut rollout["spec"]["strategy"]["canary"];
        canary["pingPong"] = json!({"pingService": "ping", "pongService": "pong"});
        for service in ["stableService", "canaryService"] {
            canary.as_object_mut().unwrap().remove(service);
        }
        rollout["status"]["currentPodHash"] = json!(hash);
        rollout["status"]["canary"] = json!({"stablePingPong": stable});
        rollout
    };
    router(&fake)
        .set_weight(&parse(&of("b", "pong")), 100, &[])
        .await
        .unwrap();
    assert_eq!(fake.weights(), "0:100");
    fake.add(WEB, of("a", "ping"));
    let next = router(&fake);
    next.init().await.unwrap();
    sleep(SILENCE + ASK_AGAIN).await;
    assert_eq!(fake.weights(), "0:100");
    assert_eq!(fake.web()["metadata"]["annotations"], Value::Null);
}

/// Equal hashes are no promotion: with `dynamicStableScale` the stable version gets its traffic back as its pods come up
/// (Go: `utils/rollout/rolloututil.go` `IsDynamicallyRollingBackToStable`), and all of it went to the few that there were.
#[tokio::test(start_paused = true)]
async fn a_rollback_that_waits_for_stable_pods_is_not_ended_by_the_sweep() {
    let mut back = stored(json!({"httpRoute": "web"}), 3);
    back["spec"]["strategy"]["canary"]["dynamicStableScale"] = json!(true);
    back["status"]["currentPodHash"] = json!("a");
    back["status"]["canary"] = json!({"weights": {"canary": {"weight": 80, "podTemplateHash": "b"}}});
    for is_watching in [false, true] {
        let fake = Fake::new(vec![]);
        let applier = if is_watching {
            fake.watching()
        } else {
            fake.applier()
        };
        let router = Router::new(PluginName::default(), applier, Settings::default());
        router.init().await.unwrap();
        fake.add(
            "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web",
            back.clone(),
        );
        for _ in 0..2 {
            router.set_weight(&parse(&back), 80, &[]).await.unwrap();
            router.verify_weight(&parse(&back), 80, &[]).await.unwrap();
            fake.settle().await;
        }
        fake.events().await;
        sleep(SILENCE + ASK_AGAIN).await;
        assert_eq!(fake.weights(), "20:80", "{is_watching}");
        assert_eq!(fake.events().await, [""; 0]);
    }
}
