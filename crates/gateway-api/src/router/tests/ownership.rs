//! What is left of a release in `metadata.managedFields`.

use super::*;

fn promoted() -> Rollout {
    let mut promoted = web();
    promoted.status.current_pod_hash = "a".into();
    promoted
}

fn managers(fake: &Fake) -> String {
    let route = fake.web();
    let entries = route["metadata"]["managedFields"].as_array().unwrap();
    let names = entries.iter().map(|entry| entry["manager"].as_str().unwrap());
    names.collect::<Vec<_>>().join(" ")
}

/// The end of a release as the controller plays it: `SetWeight(0)`, and reconciles in which nothing happens.
async fn release(fake: &Arc<Fake>, router: &Router) -> Vec<String> {
    let mut verbs = Vec::new();
    for rollout in [web(), promoted(), promoted(), promoted(), promoted()] {
        fake.verbs();
        let weight = if rollout.status.current_pod_hash == "a" {
            0
        } else {
            20
        };
        router.set_weight(&rollout, weight, &[]).await.unwrap();
        fake.settle().await;
        verbs.push(fake.verbs());
    }
    verbs
}

#[tokio::test(start_paused = true)]
async fn one_write_after_a_release_takes_our_name_away() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let verbs = release(&fake, &router).await;
    assert_eq!(verbs, ["GET PUT", "GET PUT", "GET GET PUT", "GET", "GET"]);
    assert_eq!(managers(&fake), "kubectl");
}

#[tokio::test(start_paused = true)]
async fn with_a_watch_and_patches_it_is_one_request() {
    let fake = Fake::new(vec![]);
    let router = Router::new(PluginName::default(), fake.watching(), Settings::default());
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    fake.settle().await;
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    fake.settle().await;
    let verbs = release(&fake, &router).await;
    assert_eq!(verbs, ["PATCH", "PATCH", "PATCH", "", ""]);
    assert_eq!(managers(&fake), "kubectl");
}

/// Nothing depends on it, so it neither fails a call nor costs one all the time.
#[tokio::test(start_paused = true)]
async fn where_it_is_not_permitted_it_is_left_alone() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router.set_weight(&web(), 20, &[]).await.unwrap();
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    fake.fault(Method::PUT, Fault::Status(422, "Invalid"));
    fake.verbs();
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    assert_eq!(fake.verbs(), "GET GET PUT");
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    assert_eq!(fake.verbs(), "GET");
    tokio::time::advance(Duration::from_secs(600)).await;
    router.set_weight(&promoted(), 0, &[]).await.unwrap();
    // By then a patch is tried again, too.
    assert_eq!(
        (fake.verbs().as_str(), managers(&fake).as_str()),
        ("GET PATCH GET PUT", "kubectl")
    );
}
