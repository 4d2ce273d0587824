//! Whether gateways follow, and what waits for them.

use super::*;

/// At weight 20, with a stable version that shrinks as the weight rises.
fn shrinking() -> Rollout {
    let mut rollout = web();
    let canary = rollout.spec.strategy.canary.as_mut().unwrap();
    canary.dynamic_stable_scale = true;
    rollout
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
    let mut dynamic = shrinking();
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

/// What the route was when it had been asked for was not remembered then, and the generation before was believed.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_is_not_verified_before_the_gateway_has_it() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::Verified
    );
    fake.gateway_works.store(false, Ordering::Relaxed);
    fake.fault(Method::PUT, Fault::LostAnswer);
    router.set_weight(&web(), 40, &[]).await.unwrap();
    assert_eq!(fake.weights(), "60:40");
    assert_eq!(
        router.verify_weight(&web(), 40, &[]).await.unwrap(),
        Verified::NotVerified
    );
}

/// The gateway served what Git has, and had not heard of the repair.
#[tokio::test(start_paused = true)]
async fn a_repair_is_not_verified_before_the_gateway_has_it() {
    let fake = Fake::new(vec![]);
    let router = Router::new(PluginName::default(), fake.watching(), Settings::default());
    router.init().await.unwrap();
    for _ in 0..2 {
        router.set_weight(&web(), 20, &[]).await.unwrap();
        fake.settle().await;
    }
    fake.edit_web(|route| {
        route["spec"]["rules"][1]["backendRefs"][0]["weight"] = json!(100);
        route["spec"]["rules"][1]["backendRefs"][1]["weight"] = json!(0);
        let next = json!(route["metadata"]["generation"].as_i64().unwrap() + 1);
        for condition in 0..2 {
            route["status"]["parents"][0]["conditions"][condition]["observedGeneration"] = next.clone();
        }
    });
    fake.gateway_works.store(false, Ordering::Relaxed);
    fake.settle().await;
    sleep(Duration::from_millis(100)).await;
    fake.settle().await;
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::NotVerified
    );
}

/// The generations of a route that is deleted and applied again begin at 1, and no later write was believed.
#[tokio::test(start_paused = true)]
async fn a_route_that_was_made_anew_is_verified_by_its_own_generations() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    for weight in [5, 10, 20] {
        router.set_weight(&web(), weight, &[]).await.unwrap();
    }
    let mut new = fake.web();
    (new["metadata"]["uid"], new["metadata"]["generation"]) = (json!("new"), json!(1));
    new["status"]["parents"][0]["conditions"] = json!([
        {"type": "Accepted", "status": "True", "observedGeneration": 1},
        {"type": "ResolvedRefs", "status": "True", "observedGeneration": 1},
    ]);
    fake.add(
        "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web",
        new,
    );
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        router.verify_weight(&web(), 20, &[]).await.unwrap(),
        Verified::Verified
    );
}

/// The five minutes of a release that was aborted counted for the next one.
#[tokio::test(start_paused = true)]
async fn each_release_has_the_whole_time_to_wait_for_the_gateway() {
    let fake = Fake::new(vec![]);
    fake.gateway_works.store(false, Ordering::Relaxed);
    let router = router(&fake);
    let dynamic = shrinking();
    router.set_weight(&dynamic, 20, &[]).await.unwrap_err();
    let mut aborted = dynamic.clone();
    aborted.status.abort = true;
    for hash in ["b", "c"] {
        router.set_weight(&aborted, 0, &[]).await.unwrap();
        tokio::time::advance(GUARD * 10).await;
        let mut next = dynamic.clone();
        next.status.current_pod_hash = hash.into();
        let error = router.set_weight(&next, 20, &[]).await.unwrap_err().to_string();
        assert!(
            error.contains("waiting for the gateway before the stable version shrinks"),
            "{error}"
        );
    }
    let mut next = dynamic;
    next.status.current_pod_hash = "d".into();
    tokio::time::advance(GUARD * 10).await;
    router.set_weight(&next, 20, &[]).await.unwrap_err();
}

/// Reading, writing and the wait for the gateway had a deadline each.
#[tokio::test(start_paused = true)]
async fn a_call_takes_ten_seconds_at_most() {
    let fake = Fake::new(vec![]);
    fake.fault(Method::GET, Fault::Hang);
    fake.fault(Method::PUT, Fault::Hang);
    fake.gateway_works.store(false, Ordering::Relaxed);
    let router = router(&fake);
    let dynamic = shrinking();
    let start = Instant::now();
    router.set_weight(&dynamic, 20, &[]).await.unwrap_err();
    assert!(
        start.elapsed() <= Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}
