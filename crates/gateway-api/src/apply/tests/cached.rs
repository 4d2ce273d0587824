//! What is asked of the API server's cache, and what of etcd, where nothing is watched.

use super::*;

/// The readings since the last look: of which version at least, or `now`.
fn readings(fake: &Fake) -> Vec<String> {
    let readings = fake.requests().into_iter().filter_map(|request| {
        let url = request.strip_prefix("GET ")?.to_owned();
        Some(match url.split_once("?resourceVersion=") {
            Some((_, version)) => version.to_owned(),
            None => "now".to_owned(),
        })
    });
    let readings = readings.collect();
    fake.verbs();
    readings
}

async fn update(applier: &Applier, weight: i32) -> Result<Applied, ApplyError> {
    applier.update(&key(), applier.deadline(), plan(weight)).await
}

#[tokio::test(start_paused = true)]
async fn a_reading_is_never_older_than_our_last_write() {
    let fake = Fake::new(vec![]);
    let applier = fake.applier();
    for (weight, expected) in [(0, "now"), (0, "1"), (20, "1"), (20, "2"), (20, "2")] {
        update(&applier, weight).await.unwrap();
        assert_eq!(readings(&fake), [expected]);
    }
    applier.route_now(&key()).await.unwrap();
    assert_eq!(readings(&fake), ["now"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_conflict_the_route_is_read_as_it_is_now() {
    let fake = Fake::new(vec![]);
    let applier = fake.applier();
    update(&applier, 0).await.unwrap();
    fake.fault(Method::PUT, Fault::OtherWriter);
    update(&applier, 20).await.unwrap();
    assert_eq!(readings(&fake), ["now", "1", "now"]);
    assert_eq!(fake.web()["metadata"]["annotations"]["other"], "1");
}

/// The write was carried out, and the cache may not have it yet.
#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_route_is_read_as_it_is_now() {
    let fake = Fake::new(vec![]);
    let applier = fake.applier();
    update(&applier, 0).await.unwrap();
    fake.fault(Method::PUT, Fault::LostAnswer);
    update(&applier, 20).await.unwrap();
    assert_eq!(readings(&fake), ["now", "1", "now"]);
    // So it is after the last attempt.
    let limits = Limits {
        attempts: 1,
        ..Limits::default()
    };
    let applier = Applier::without_watches(fake.api(), limits);
    applier.refuse_patches();
    update(&applier, 20).await.unwrap();
    fake.fault(Method::PUT, Fault::LostAnswer);
    update(&applier, 40).await.unwrap_err();
    update(&applier, 40).await.unwrap();
    assert_eq!(readings(&fake), ["now", "2", "now"]);
}

/// As after etcd was restored from a backup, or where a route was made anew a moment ago.
#[tokio::test(start_paused = true)]
async fn what_the_cache_does_not_have_is_read_as_it_is_now() {
    for fault in [Fault::Status(504, "Timeout"), Fault::Status(404, "NotFound")] {
        let fake = Fake::new(vec![]);
        let applier = fake.applier();
        update(&applier, 0).await.unwrap();
        fake.fault(Method::GET, fault);
        applier.route(&key()).await.unwrap();
        assert_eq!(readings(&fake), ["now", "1", "now"]);
    }
}
