//! Readings by watches and writes by patches.

use std::sync::atomic::Ordering;

use super::*;

async fn update(fake: &Fake, applier: &Applier, weight: i32) -> String {
    applier
        .update(&key(), applier.deadline(), plan(weight))
        .await
        .unwrap();
    let verbs = fake.verbs();
    fake.settle().await;
    fake.verbs();
    verbs
}

/// A watch is up, and follows the route.
async fn followed(fake: &Arc<Fake>) -> Applier {
    let applier = fake.watching();
    assert_eq!(
        update(fake, &applier, 0).await,
        "GET",
        "the first call waits for no watch"
    );
    assert_eq!(
        update(fake, &applier, 0).await,
        "GET",
        "from here on changes are heard of"
    );
    assert_eq!(update(fake, &applier, 0).await, "");
    applier
}

#[tokio::test(start_paused = true)]
async fn with_a_watch_nothing_costs_nothing_and_a_change_one_request() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    assert_eq!(update(&fake, &applier, 20).await, "PATCH");
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(
        fake.web()["metadata"]["managedFields"][1]["manager"],
        FIELD_MANAGER
    );
    assert_eq!(update(&fake, &applier, 20).await, "");
    fake.edit_web(|route| route["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(100));
    fake.settle().await;
    assert_eq!(update(&fake, &applier, 20).await, "PATCH", "drift is heard of");
    assert_eq!(fake.weights(), "80:20");
}

/// What was read before a watch began is no longer the newest that is known when it ends, so it must not be what the API
/// server's cache is asked for.
#[tokio::test(start_paused = true)]
async fn a_route_whose_watch_has_ended_is_read_as_it_is_now() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    assert_eq!(update(&fake, &applier, 20).await, "PATCH");
    fake.forbidden.lock().unwrap().push("watch");
    fake.end_watches(Some(410));
    fake.settle().await;
    applier.route(&key()).await.unwrap();
    let reading = fake.requests().pop().unwrap();
    assert!(reading.ends_with("/httproutes/web"), "{reading}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_cache_never_forgets_our_own_write_and_loses_nobodys() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    fake.is_silent.store(true, Ordering::Relaxed);
    assert_eq!(update(&fake, &applier, 20).await, "PATCH");
    assert_eq!(
        update(&fake, &applier, 20).await,
        "",
        "our own write is known at once"
    );
    assert_eq!(
        applier.route(&key()).await.unwrap()["metadata"]["resourceVersion"],
        "2"
    );
    fake.edit_web(|route| route["spec"]["timeouts"] = json!({"request": "1s"}));
    assert_eq!(update(&fake, &applier, 40).await, "PATCH GET PATCH");
    assert_eq!(
        (
            fake.weights().as_str(),
            &fake.web()["spec"]["timeouts"]["request"]
        ),
        ("60:40", &json!("1s"))
    );
    fake.edit_web(|route| route["metadata"]["labels"]["team"] = json!("shop"));
    assert_eq!(
        update(&fake, &applier, 60).await,
        "PATCH",
        "a label is no conflict with weights"
    );
    assert_eq!(fake.web()["metadata"]["labels"]["team"], "shop");
    // An old event comes late.
    fake.is_silent.store(false, Ordering::Relaxed);
    assert_eq!(update(&fake, &applier, 60).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_looked_up() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    fake.is_silent.store(true, Ordering::Relaxed);
    fake.fault(Method::PATCH, Fault::LostAnswer);
    assert_eq!(update(&fake, &applier, 20).await, "PATCH GET");
    assert_eq!(fake.weights(), "80:20");
}

#[tokio::test(start_paused = true)]
async fn what_rbac_does_not_grant_is_done_without() {
    let cases: [(&[&str], [&str; 4]); 6] = [
        (&[], ["GET", "GET", "", "PATCH"]),
        (&["patch"], ["GET", "GET", "", "PATCH PUT"]),
        (&["watch"], ["GET", "GET", "GET", "GET PATCH"]),
        (&["list", "watch"], ["GET", "GET", "GET", "GET PATCH"]),
        (&["list cluster"], ["GET", "GET", "GET", "PATCH"]),
        (&["watch cluster", "patch"], ["GET", "GET", "GET", "PATCH PUT"]),
    ];
    for (forbidden, expected) in cases {
        let fake = Fake::new(vec![]);
        fake.forbidden.lock().unwrap().extend(forbidden);
        let applier = fake.watching();
        for (weight, expected) in [0, 0, 0, 20].into_iter().zip(expected) {
            assert_eq!(
                update(&fake, &applier, weight).await,
                expected,
                "without {forbidden:?}"
            );
        }
        let again = update(&fake, &applier, 40).await;
        let asks_in_vain = forbidden.contains(&"patch") && again.contains("PATCH");
        assert!(!asks_in_vain, "a refusal is remembered");
        assert_eq!(fake.weights(), "60:40");
    }
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_granted_later_is_used() {
    let fake = Fake::new(vec![]);
    fake.forbidden.lock().unwrap().extend(["watch", "patch"]);
    let applier = fake.watching();
    for _ in 0..4 {
        assert_eq!(update(&fake, &applier, 0).await, "GET");
    }
    fake.forbidden.lock().unwrap().clear();
    tokio::time::advance(Duration::from_secs(600)).await;
    for expected in ["GET", "GET", ""] {
        assert_eq!(update(&fake, &applier, 0).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_drops_costs_readings_and_no_news() {
    for code in [None, Some(410), Some(500)] {
        let fake = Fake::new(vec![]);
        let applier = followed(&fake).await;
        fake.is_silent.store(true, Ordering::Relaxed);
        fake.end_watches(code);
        fake.settle().await;
        // What happened meanwhile is told when the watch is back, or read.
        fake.edit_web(|route| route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(7));
        fake.is_silent.store(false, Ordering::Relaxed);
        if code.is_none() {
            fake.tell_again();
        }
        fake.settle().await;
        update(&fake, &applier, 0).await;
        assert_eq!(fake.weights(), "100:0", "after {code:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        update(&fake, &applier, 0).await;
        update(&fake, &applier, 0).await;
        assert_eq!(
            update(&fake, &applier, 0).await,
            "",
            "after {code:?} it is up again"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_not_believed_for_ever() {
    let fake = Fake::new(vec![]);
    let _applier = followed(&fake).await;
    fake.is_silent.store(true, Ordering::Relaxed);
    let watches = || {
        fake.requests()
            .iter()
            .filter(|line| line.starts_with("WATCH"))
            .count()
    };
    assert_eq!(watches(), 0);
    tokio::time::sleep(Duration::from_secs(149)).await;
    assert_eq!(watches(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(watches(), 1, "it is opened anew");
    assert!(
        fake.requests()[0].ends_with("resourceVersion=1"),
        "where it stood"
    );
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_made_anew_is_another() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    fake.remove_route("httproutes", "web");
    fake.settle().await;
    let error = applier
        .update(&key(), applier.deadline(), plan(0))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ApplyError::Api { source, .. } if source.is_missing()),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_asks_and_the_watch_ends() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    assert_eq!(fake.watching_now(), 1);
    tokio::time::advance(Duration::from_secs(3601)).await;
    fake.bookmark();
    fake.settle().await;
    fake.bookmark();
    assert_eq!(fake.watching_now(), 0);
    assert_eq!(update(&fake, &applier, 0).await, "GET");
}

#[tokio::test(start_paused = true)]
async fn a_selector_is_asked_again_when_labels_changed() {
    let fake = Fake::new(vec![]);
    let applier = followed(&fake).await;
    let selector = crate::config::RouteSelector {
        kind: RouteKind::Http,
        namespace: "shop".into(),
        labels: "app=web".into(),
    };
    let select = async || {
        let found = applier.select(&selector, applier.deadline()).await;
        (found.map_or(0, |found| found.len()), fake.verbs())
    };
    assert_eq!(select().await, (1, "GET".into()));
    assert_eq!(select().await, (1, String::new()));
    fake.edit_web(|route| route["spec"]["hostnames"] = json!(["a"]));
    fake.settle().await;
    assert_eq!(select().await, (1, String::new()), "labels are as they were");
    fake.edit_web(|route| route["metadata"]["labels"]["app"] = json!("other"));
    fake.settle().await;
    assert_eq!(select().await, (0, "GET".into()));
    assert_eq!(
        select().await,
        (0, "GET".into()),
        "nothing found is an error, and told anew"
    );
}
