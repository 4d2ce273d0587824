//! Rollouts that are deleted in mid-release, about which the controller says nothing.

use super::*;
use crate::router::orphans::{ASK_AGAIN, SILENCE};

const WEB: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web";
const OTHER: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/other";

/// Long enough for a look at each suspect.
async fn a_while() {
    sleep(SILENCE + ASK_AGAIN).await;
}

async fn started(fake: &Arc<Fake>) -> Router {
    let router = router(fake);
    router.init().await.unwrap();
    router.init().await.unwrap();
    router
}

/// Requests for a Rollout since the last look.
fn look_ups(fake: &Fake, path: &str) -> usize {
    let asked = fake.requests();
    fake.verbs();
    asked.iter().filter(|line| line.ends_with(path)).count()
}

#[tokio::test(start_paused = true)]
async fn the_release_of_a_deleted_rollout_is_ended_although_nobody_calls() {
    let fake = Fake::new(vec![]);
    let original = fake.web();
    fake.add(WEB, json!({"metadata": {}}));
    let router = started(&fake).await;
    router.set_weight(&web(), 20, &[]).await.unwrap();
    look_ups(&fake, WEB);
    sleep(SILENCE - Duration::from_secs(1)).await;
    assert_eq!(look_ups(&fake, WEB), 0, "who was just heard of is not looked up");
    sleep(ASK_AGAIN * 10).await;
    assert_eq!(look_ups(&fake, WEB), 10, "and not all the time then");
    assert_eq!(
        (rules(&fake), fake.weights().as_str()),
        (2, "80:20"),
        "it is there"
    );

    fake.remove(WEB);
    a_while().await;
    let (spec, metadata) = (&fake.web()["spec"], &fake.web()["metadata"]);
    assert_eq!(*spec, original["spec"]);
    assert_eq!(
        (&metadata["annotations"], &metadata["labels"]),
        (&Value::Null, &original["metadata"]["labels"])
    );
    let events = fake.events().await.concat();
    assert!(
        events.contains(
            "ReleaseAbandoned: Rollout shop/web was deleted in mid-release: all of its traffic is stable"
        ),
        "{events}"
    );
    look_ups(&fake, WEB);
    a_while().await;
    assert_eq!(look_ups(&fake, WEB), 0, "it is forgotten");
}

/// A finalizer may keep it for long, and nobody can take the deletion back.
#[tokio::test(start_paused = true)]
async fn a_rollout_that_is_being_deleted_is_gone() {
    let fake = Fake::new(vec![]);
    let timestamp =
        json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]});
    fake.add(WEB, json!({ "metadata": timestamp }));
    let router = started(&fake).await;
    router.set_weight(&web(), 20, &[]).await.unwrap();
    a_while().await;
    assert_eq!((rules(&fake), fake.weights().as_str()), (1, "100:0"));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_found_out_changes_nothing() {
    for (code, reason) in [(403, "Forbidden"), (503, "ServiceUnavailable")] {
        let fake = Fake::new(vec![]);
        let router = started(&fake).await;
        router.set_weight(&web(), 20, &[]).await.unwrap();
        sleep(SILENCE - Duration::from_secs(1)).await;
        look_ups(&fake, WEB);
        fake.fault(Method::GET, Fault::Status(code, reason));
        sleep(Duration::from_secs(15)).await;
        assert_eq!(
            (look_ups(&fake, WEB), fake.weights().as_str()),
            (1, "80:20"),
            "{code}"
        );
    }
}

/// Beside another Rollout on its route, whose rules stay.
#[tokio::test(start_paused = true)]
async fn another_rollout_on_the_route_keeps_what_is_its_own() {
    let fake = Fake::new(vec![]);
    fake.edit_web(|route| {
        let rule = json!({"backendRefs": [{"name": "other-stable", "port": 80, "weight": 100},
            {"name": "other-canary", "port": 80, "weight": 0}]});
        route["spec"]["rules"].as_array_mut().unwrap().insert(0, rule);
    });
    let original = fake.web()["spec"].clone();
    let mut other = web();
    other.metadata.name = "other".into();
    let canary = other.spec.strategy.canary.as_mut().unwrap();
    (canary.stable_service, canary.canary_service) = ("other-stable".into(), "other-canary".into());
    fake.add(OTHER, json!({"metadata": {}}));
    // A process that ended since had set it.
    router(&fake).set_weight(&web(), 20, &[]).await.unwrap();
    fake.forbidden.lock().unwrap().push("list");

    let router = started(&fake).await;
    router.set_weight(&other, 40, &[]).await.unwrap();
    assert_eq!(rules(&fake), 4);
    a_while().await;
    assert_eq!((rules(&fake), fake.weights().as_str()), (3, "100:0"));
    other.status.abort = true;
    router.set_weight(&other, 0, &[]).await.unwrap();
    assert_eq!(fake.web()["spec"], original);
}

/// A call that could not read the route says nothing about what is on it.
#[tokio::test(start_paused = true)]
async fn a_release_whose_last_call_failed_is_not_forgotten() {
    let fake = Fake::new(vec![]);
    let router = started(&fake).await;
    // Nothing but the calls tells of it.
    fake.forbidden.lock().unwrap().push("list");
    router.set_weight(&web(), 20, &[]).await.unwrap();
    fake.fault(Method::GET, Fault::Status(403, "Forbidden"));
    router.set_weight(&web(), 40, &[]).await.unwrap_err();
    a_while().await;
    assert_eq!((rules(&fake), fake.weights().as_str()), (1, "100:0"));
}

/// Neither one that ended nor one whose route is gone is asked for any more.
#[tokio::test(start_paused = true)]
async fn a_release_of_which_nothing_is_left_is_forgotten() {
    for is_removed in [true, false] {
        let fake = Fake::new(vec![]);
        let router = started(&fake).await;
        fake.forbidden.lock().unwrap().push("list");
        fake.add(WEB, json!({"metadata": {}}));
        router.set_weight(&web(), 20, &[]).await.unwrap();
        if is_removed {
            fake.remove_route("httproutes", "web");
            router.set_weight(&web(), 20, &[]).await.unwrap_err();
        } else {
            let mut aborted = web();
            aborted.status.abort = true;
            router.set_weight(&aborted, 0, &[]).await.unwrap();
        }
        look_ups(&fake, WEB);
        a_while().await;
        assert_eq!(look_ups(&fake, WEB), 0, "removed: {is_removed}");
    }
}

/// What a Rollout had on a route that it does not name any more goes with its release.
#[tokio::test(start_paused = true)]
async fn a_route_that_is_named_no_more_is_not_forgotten() {
    let fake = Fake::new(vec![]);
    fake.add_route("httproutes", "other");
    let router = started(&fake).await;
    router.set_weight(&web(), 20, &[]).await.unwrap();
    let mut moved = stored(json!({"httpRoute": "other"}), 1);
    router.set_weight(&parse(&moved), 20, &[]).await.unwrap();
    moved["status"]["currentPodHash"] = json!("a");
    router.set_weight(&parse(&moved), 0, &[]).await.unwrap();
    assert_eq!((rules(&fake), fake.weights().as_str()), (2, "80:20"));
    fake.add(WEB, moved);
    a_while().await;
    assert_eq!((rules(&fake), fake.weights().as_str()), (1, "100:0"));
    assert_eq!(fake.web()["metadata"]["annotations"], Value::Null);
}

/// The records on routes tell a new process what was under way.
#[tokio::test(start_paused = true)]
async fn a_restart_forgets_no_release() {
    let fake = Fake::new(vec![]);
    for name in ["another", "yet-another"] {
        fake.add_route("httproutes", name);
    }
    router(&fake).set_weight(&web(), 20, &[]).await.unwrap();
    fake.fault(Method::GET, Fault::Status(503, "ServiceUnavailable"));
    let router = started(&fake).await;
    a_while().await;
    assert_eq!((rules(&fake), fake.weights().as_str()), (1, "100:0"));
    let asked = fake.requests().join("\n");
    assert!(
        asked.contains("/httproutes?limit=100&continue=2"),
        "page by page: {asked}"
    );
    drop(router);
    fake.verbs();
    a_while().await;
    assert_eq!(fake.requests(), [""; 0], "nothing goes on after the router");
}

/// A thousand releases that rest are looked up a few at a time, and each one's turn comes.
#[tokio::test(start_paused = true)]
async fn who_has_waited_longest_is_looked_up_first() {
    let orphans = Orphans::default();
    let key = crate::RouteKey {
        kind: crate::RouteKind::Http,
        namespace: "shop".into(),
        name: "web".into(),
    };
    let names = (0..20).map(|n| format!("shop/{}", 99 - n)).collect::<Vec<_>>();
    for name in &names {
        orphans.found(name, &key);
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert!(orphans.due().is_empty(), "the controller may still come");
    tokio::time::advance(SILENCE).await;
    let asked = [orphans.due(), orphans.due(), orphans.due(), orphans.due()];
    assert_eq!(asked.each_ref().map(Vec::len), [8, 8, 4, 0]);
    assert_eq!(asked.concat(), names);
    tokio::time::advance(ASK_AGAIN).await;
    assert_eq!(orphans.due().len(), 8, "and again");
}

/// The same name may come back between the look-up and the write.
#[tokio::test(start_paused = true)]
async fn a_rollout_that_came_back_is_left_alone() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    sleep(SILENCE).await;
    let asked = Instant::now();
    assert_eq!(router.orphans.due(), ["shop/web"]);
    assert!(router.orphans.silent_since("shop/web", asked).is_some());
    router.set_weight(&web(), 20, &[]).await.unwrap();
    assert_eq!(router.orphans.silent_since("shop/web", asked), None);
}

/// Nothing was on record then, so that nobody could end it, or defend it.
#[tokio::test(start_paused = true)]
async fn a_release_without_label_and_rules_is_ended_too() {
    let fake = Fake::new(vec![]);
    let router = started(&fake).await;
    let mut plain = stored(json!({"httpRoute": "web", "disableInProgressLabel": true}), 1);
    plain["spec"]["strategy"]["canary"]["steps"] = json!([{"setWeight": 10}, {"setWeight": 20}]);
    router.set_weight(&parse(&plain), 20, &[]).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
    a_while().await;
    assert_eq!(fake.weights(), "100:0");
}
