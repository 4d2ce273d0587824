//! The hold after a promotion.

use super::*;

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
