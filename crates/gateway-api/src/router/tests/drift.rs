//! What somebody else changed in a release.

use super::*;

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

/// As Argo CD syncs a route from Git.
fn sync(fake: &Fake, stable: u64) {
    fake.edit_web(|route| {
        let rules = route["spec"]["rules"].as_array_mut().unwrap();
        rules.last_mut().unwrap()["backendRefs"][0]["weight"] = json!(stable);
        let entry = json!({"manager": "argocd-controller", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}});
        route["metadata"]["managedFields"] = json!([entry]);
    });
}

async fn guarded(fake: &Arc<Fake>) -> Router {
    let router = Router::new(PluginName::default(), fake.watching(), Settings::default());
    router.init().await.unwrap();
    // Until it watches.
    for _ in 0..3 {
        router.set_weight(&web(), 20, &[]).await.unwrap();
        fake.settle().await;
    }
    fake.verbs();
    router
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_drift_and_it_is_set_right_at_once() {
    let fake = Fake::new(vec![]);
    let router = guarded(&fake).await;
    // News that change nothing, such as a gateway's report, are no repair.
    fake.tell_again();
    sleep(Duration::from_millis(10)).await;
    sync(&fake, 100);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(
        (fake.weights().as_str(), fake.verbs().as_str()),
        ("80:20", "PATCH")
    );
    let events = fake.events().await.concat();
    assert!(
        events.contains("argocd-controller had changed what a release needs"),
        "{events}"
    );

    // Who insists is not answered each time.
    for _ in 0..20 {
        sync(&fake, 100);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(fake.verbs(), "");
    sleep(standing::AGAIN).await;
    assert_eq!(
        (fake.weights().as_str(), fake.verbs().as_str()),
        ("80:20", "PATCH")
    );

    // A new weight is nobody's drift, and what comes after a release is not defended.
    sleep(standing::AGAIN).await;
    router.set_weight(&web(), 40, &[]).await.unwrap();
    sleep(standing::AGAIN).await;
    assert_eq!(
        (fake.weights().as_str(), fake.verbs().as_str()),
        ("60:40", "PATCH")
    );
    let mut promoted = web();
    promoted.status.current_pod_hash = "a".into();
    router.set_weight(&promoted, 0, &[]).await.unwrap();
    fake.edit_web(|route| route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(50));
    sleep(standing::AGAIN).await;
    assert_eq!(fake.weights(), "100:50");
}

/// The Rollout may have another router by now, or none.
#[tokio::test(start_paused = true)]
async fn what_nobody_confirmed_for_long_is_not_defended() {
    for (minutes, expected) in [(19, "80:20"), (21, "70:20")] {
        let fake = Fake::new(vec![]);
        fake.add(
            "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web",
            stored(json!({"httpRoute": "web"}), 1),
        );
        let router = guarded(&fake).await;
        for _ in 0..minutes {
            sleep(Duration::from_secs(60)).await;
            fake.bookmark();
        }
        sync(&fake, 70);
        sleep(standing::AGAIN).await;
        assert_eq!(fake.weights(), expected, "after {minutes} minutes");
        drop(router);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_stands_for_any_more_is_not_defended() {
    let fake = Fake::new(vec![]);
    let router = guarded(&fake).await;
    // The controller has begun another reconcile.
    router.remove_managed_routes(&web()).await.unwrap();
    sync(&fake, 70);
    sleep(standing::AGAIN).await;
    assert_eq!(fake.weights(), "70:20");
    router.set_weight(&web(), 20, &[]).await.unwrap();
    // The Rollout was deleted.
    sleep(Duration::from_secs(300)).await;
    assert_eq!(fake.weights(), "100:0");
    sync(&fake, 70);
    sleep(standing::AGAIN).await;
    assert_eq!(fake.weights(), "70:0");
}
