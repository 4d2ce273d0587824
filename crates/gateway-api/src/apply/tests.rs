//! Against a fake API server, with paused time.

mod cached;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::Instant;

use super::fake::{Fake, Fault};
use super::*;
use crate::config::RouteTarget;
use crate::intent::{Call, Intent};
use crate::plan::{Plan, PlanError, plan_route};
use crate::{RouteKey, RouteKind};

fn key() -> RouteKey {
    RouteKey {
        kind: RouteKind::Http,
        namespace: "shop".into(),
        name: "web".into(),
    }
}

fn plan(weight: i32) -> impl Fn(&Object) -> Result<Plan, PlanError> {
    let rollout = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary"}}}}))
    .unwrap();
    let config = crate::config::Config::parse("plugin", br#"{"httpRoute": "web"}"#, "shop").unwrap();
    let intent = Intent::derive(&rollout, &config, Call::SetWeight(weight, &[]), false).unwrap();
    let target = RouteTarget::new(key(), true);
    move |route| plan_route(&target, route, &intent, None)
}

async fn set(fake: &Arc<Fake>, weight: i32) -> Result<Applied, String> {
    let applier = fake.applier();
    let deadline = applier.deadline();
    applier
        .update(&key(), deadline, plan(weight))
        .await
        .map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            text
        })
}

#[tokio::test(start_paused = true)]
async fn a_change_is_one_get_and_one_put() {
    let fake = Fake::new(vec![]);
    let applied = set(&fake, 20).await.unwrap();
    assert_eq!(
        fake.requests(),
        [
            "GET /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web",
            "PUT /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web?fieldManager=serinus.dev/gateway-api"
        ]
    );
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(applied.object["metadata"]["resourceVersion"], "2");
    assert_eq!(fake.web()["spec"]["later"], true);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_where_nothing_changes() {
    let fake = Fake::new(vec![]);
    set(&fake, 0).await.unwrap();
    assert_eq!(fake.verbs(), "GET");
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_planned_anew_and_lose_nobodys_update() {
    let storm = vec![(Method::PUT, Fault::OtherWriter); 8];
    let fake = Fake::new(storm);
    set(&fake, 20).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(fake.web()["metadata"]["annotations"]["other"], "8");
    assert_eq!(fake.verbs(), ["GET PUT"; 9].join(" "));
}

#[tokio::test(start_paused = true)]
async fn an_endless_storm_ends_with_an_error() {
    let fake = Fake::new(vec![(Method::PUT, Fault::OtherWriter); 100]);
    let error = set(&fake, 20).await.unwrap_err();
    assert_eq!(
        error,
        "HTTPRoute shop/web: update failed after 12 attempts: the API server answered 409 Conflict: because of Conflict"
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_told_at_once() {
    let cases = [
        (
            Method::GET,
            Fault::Status(403, "Forbidden"),
            "HTTPRoute shop/web: get failed: the API server answered 403 Forbidden: because of Forbidden",
            "GET",
        ),
        (
            Method::GET,
            Fault::Status(404, "NotFound"),
            "HTTPRoute shop/web: get failed: the API server answered 404 NotFound",
            "GET",
        ),
        (
            Method::GET,
            Fault::Status(401, "Unauthorized"),
            "get failed: the API server answered 401",
            "GET",
        ),
        (
            Method::PUT,
            Fault::Status(403, "Forbidden"),
            "HTTPRoute shop/web: update failed: the API server answered 403",
            "GET PUT",
        ),
        (
            Method::PUT,
            Fault::Status(422, "Invalid"),
            "update failed: the API server answered 422 Invalid",
            "GET PUT",
        ),
    ];
    for (method, fault, expected, verbs) in cases {
        let fake = Fake::new(vec![(method, fault)]);
        let start = Instant::now();
        let error = set(&fake, 20).await.unwrap_err();
        assert!(error.starts_with(expected) || error.contains(expected), "{error}");
        assert_eq!(fake.verbs(), verbs);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(fake.weights(), "100:0");
    }
}

#[tokio::test(start_paused = true)]
async fn passing_faults_pass() {
    let faults = [
        (Method::GET, Fault::Status(500, "InternalError"), "GET GET PUT"),
        (
            Method::PUT,
            Fault::Status(503, "ServiceUnavailable"),
            "GET PUT GET PUT",
        ),
        (Method::GET, Fault::Cut, "GET GET PUT"),
        (Method::GET, Fault::Hang, "GET GET PUT"),
        (Method::PUT, Fault::Hang, "GET PUT GET PUT"),
        (Method::GET, Fault::Plain(200, "<html>"), "GET GET PUT"),
        (Method::PUT, Fault::LostAnswer, "GET PUT GET"),
    ];
    for (method, fault, verbs) in faults {
        let fake = Fake::new(vec![(method, fault)]);
        set(&fake, 20).await.unwrap();
        assert_eq!(fake.verbs(), verbs);
        assert_eq!(fake.weights(), "80:20");
    }
}

#[tokio::test(start_paused = true)]
async fn the_api_server_says_when_to_come_back() {
    let fake = Fake::new(vec![
        (Method::GET, Fault::RetryAfter(3)),
        (Method::PUT, Fault::RetryAfter(2)),
    ]);
    let start = Instant::now();
    set(&fake, 20).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    let fake = Fake::new(vec![(Method::GET, Fault::RetryAfter(3600))]);
    let start = Instant::now();
    let error = set(&fake, 20).await.unwrap_err();
    assert!(error.contains("429 TooManyRequests"), "{error}");
    assert_eq!(
        start.elapsed(),
        Duration::ZERO,
        "nobody waits for what cannot come in time"
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_costs_a_bounded_time() {
    let fake = Fake::new(vec![(Method::GET, Fault::Hang); 100]);
    let start = Instant::now();
    let error = set(&fake, 20).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(
        error,
        "HTTPRoute shop/web: get failed after 3 attempts: the API server did not answer within 4 s"
    );
}

#[tokio::test(start_paused = true)]
async fn the_served_version_is_found_and_remembered() {
    let fake = Fake::serving("v1beta1", vec![]);
    let applier = fake.applier();
    for weight in [20, 40] {
        applier
            .update(&key(), applier.deadline(), plan(weight))
            .await
            .unwrap();
    }
    let log = fake.requests();
    let versions = log
        .iter()
        .map(|line| line.split('/').nth(3).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(versions, ["v1", "v1beta1", "v1beta1", "v1beta1", "v1beta1"]);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_the_crds_is_told_apart_from_a_missing_route() {
    let fake = Fake::serving("v2", vec![]);
    let error = set(&fake, 20).await.unwrap_err();
    assert!(
        error.contains("serves no httproutes (v1, v1beta1 were tried), are the Gateway API CRDs"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_writers_of_this_process_do_not_conflict() {
    let fake = Fake::new(vec![]);
    let applier = fake.applier();
    let key = key();
    let deadline = applier.deadline();
    let (one, two) = tokio::join!(
        applier.update(&key, deadline, plan(20)),
        applier.update(&key, deadline, plan(40))
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(fake.verbs(), "GET GET PUT GET PUT");
}

/// The route was locked while it was read, so that ten callers asked the API server one after another: 661 calls/s
/// where a Go router made 1,156.
#[tokio::test(start_paused = true)]
async fn who_has_nothing_to_write_waits_for_nobody() {
    let fake = Fake::new(vec![(Method::GET, Fault::Hang)]);
    let applier = fake.applier();
    let key = key();
    let deadline = applier.deadline();
    let slow = applier.update(&key, deadline, plan(0));
    let quick = async {
        tokio::task::yield_now().await;
        let begin = Instant::now();
        applier.update(&key, deadline, plan(0)).await.unwrap();
        begin.elapsed()
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert!(slow.is_ok());
    assert_eq!(quick, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_impossible_plan_writes_nothing() {
    let fake = Fake::new(vec![]);
    fake.edit_web(|route| route["spec"]["rules"] = json!([]));
    let error = set(&fake, 20).await.unwrap_err();
    assert!(
        error.starts_with("HTTPRoute shop/web: no rule of spec.rules has backendRefs"),
        "{error}"
    );
    assert_eq!(fake.verbs(), "GET");
}
