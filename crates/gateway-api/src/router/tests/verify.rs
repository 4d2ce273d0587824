//! Whether gateways follow, and what waits for them.

use super::*;

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
