//! A driver on a stage whose time is made up, with a router that obeys at once.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::analysis::Settings;
use super::call::{Answer, Call, CallError, Router};
use super::driver::{Clock, DriveError, Driver, Happening, Observer, Way};
use super::state::{Observed, Release};
use crate::stage::app::Behaviour;
use crate::stage::{Config, Stage, gateway};

struct Obedient;

impl Router for Obedient {
    fn call<'a>(&'a self, _: &'a Value, call: &'a Call) -> BoxFuture<'a, Result<Answer, CallError>> {
        let answer = match call {
            Call::Type => Answer::Kind("obedient".to_owned()),
            Call::VerifyWeight(_) => Answer::Verified(Some(true)),
            _ => Answer::Done,
        };
        async move { Ok(answer) }.boxed()
    }
}

struct Nobody;

impl Observer for Nobody {
    fn note(&self, _: Happening) {}
}

fn rollout(image: &str, steps: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"image": image}},
            "strategy": {"canary": {
                "canaryService": "canary", "stableService": "stable",
                "trafficRouting": {"plugins": {"p": {}}},
                "steps": steps,
            }},
        },
    })
}

async fn stage() -> Stage {
    let stage = Stage::start(&Config {
        namespace: "shop".to_owned(),
        pod_start_delay: Duration::from_millis(10),
        gateway: gateway::Config::default(),
    })
    .await
    .expect("loopback can be listened on");
    for name in ["canary", "stable"] {
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        });
        stage.api.apply(service).expect("a Service is accepted");
    }
    stage
}

async fn deploy(stage: &Stage, driver: &Driver<'_>, version: &str) {
    let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    let hash = &driver.release.status.current_pod_hash;
    stage
        .workload
        .deploy(hash, labels, Behaviour::healthy(version))
        .await
        .expect("loopback can be listened on");
}

/// v1 is healthy and v2 applied.
async fn updated<'a>(stage: &'a Stage, steps: &Value) -> Driver<'a> {
    let (release, events) =
        Release::new(rollout("v1", steps), Settings::default()).expect("the Rollout is right");
    let mut driver = Driver::new(release, stage, &Obedient, &Nobody, Clock::start(1.0));
    deploy(stage, &driver, "v1").await;
    driver.publish(events).expect("a Rollout is accepted");
    let patience = Duration::from_secs(5);
    driver
        .until("a healthy first version", patience, promoted)
        .await
        .expect("the first version is deployed");
    let events = driver
        .release
        .apply(rollout("v2", steps))
        .expect("the Rollout is right");
    deploy(stage, &driver, "v2").await;
    driver.publish(events).expect("a Rollout is accepted");
    driver
}

fn promoted(release: &Release, _: &Observed) -> Way {
    if release.is_fully_promoted() && release.status.phase == "Healthy" {
        Way::Reached
    } else if release.status.abort {
        Way::Ended("rolled back".to_owned())
    } else {
        Way::Open
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_release_that_gets_on_is_waited_for() {
    let steps: Vec<Value> = (1..20)
        .flat_map(|i| [json!({"setWeight": 5 * i}), json!({"pause": {"duration": "60s"}})])
        .collect();
    let stage = stage().await;
    let mut driver = updated(&stage, &steps.into()).await;
    driver.longest_pause = Some(Duration::from_secs(9));
    driver
        .until("promotion", Duration::from_secs(5), promoted)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_release_that_stands_still_is_given_up() {
    let stage = stage().await;
    let mut driver = updated(&stage, &json!([{"setWeight": 20}, {"pause": {}}])).await;
    let error = driver
        .until("promotion", Duration::from_secs(5), promoted)
        .await
        .unwrap_err();
    assert!(matches!(error, DriveError::Stuck { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "promotion was not reached: the release is Paused at step 1, and nothing has moved for 5s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_that_has_ended_otherwise_is_given_up_at_once() {
    let stage = stage().await;
    let mut driver = updated(&stage, &json!([{"setWeight": 20}, {"pause": {}}])).await;
    driver.release.abort();
    let began = tokio::time::Instant::now();
    let error = driver
        .until("promotion", Duration::from_secs(5), promoted)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "promotion was not reached: rolled back");
    assert!(began.elapsed() < Duration::from_secs(5));
}
