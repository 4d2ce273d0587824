//! The demo with a router in this process: what the stage counts is what the weights say, and it tells when not.

mod common;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use serinus::rehearsal::demo;
use serinus::rehearsal::journal::Journal;
use serinus::rehearsal::play::{Settings, play};
use serinus::report::judge::{Judgement, judge};
use serinus::stage::release::analysis;
use serinus::stage::release::call::{Answer, Call, CallError, Router};
use serinus::stage::{Config, Stage, gateway};

use common::FakeRouter;

async fn rehearse(patience: Duration, router: impl FnOnce(FakeRouter) -> Box<dyn Router>) -> Judgement {
    let stage = Stage::start(&Config {
        namespace: "demo".into(),
        pod_start_delay: Duration::from_millis(100),
        gateway: gateway::Config::default(),
    })
    .await
    .expect("loopback can be listened on");
    let router = router(FakeRouter::new(stage.api_url()));
    let journal = Arc::new(Journal::default());
    let settings = Settings {
        speed: 100.0,
        rate: 500.0,
        path: "/".into(),
        host: String::new(),
        analysis: analysis::Settings::default(),
        least_requests: 100,
        patience,
        promote_after: Duration::from_secs(10),
        longest_pause: Duration::from_secs(10),
    };
    play(
        &demo::script().expect("the demo's manifests are right"),
        &stage,
        router.as_ref(),
        &journal,
        &settings,
    )
    .await
    .expect("the demo can be played");
    judge(&journal.read(), journal.now(), 0.999_999, |phase| {
        journal.tally(phase)
    })
}

#[tokio::test]
async fn promoted_then_rolled_back() {
    let judged = rehearse(Duration::from_secs(30), |router| Box::new(router)).await;
    assert_eq!(judged.problems, Vec::<String>::new());
    let counted: Vec<(Option<usize>, i32)> = judged
        .phases
        .iter()
        .filter(|p| !p.checks.is_empty())
        .map(|p| (p.act, p.weight))
        .collect();
    let want = [
        (None, 0),
        (Some(0), 20),
        (Some(0), 60),
        (Some(0), 100),
        (Some(1), 20),
        (Some(1), 0),
        (Some(2), 50),
        (Some(2), 100),
    ];
    assert_eq!(counted, want);
}

/// A router that sets no weight and claims that it did is found out. (Its bad version never gets a request, so nothing
/// ever ends that release.)
struct Liar(FakeRouter);

impl Router for Liar {
    fn call<'a>(&'a self, rollout: &'a Value, call: &'a Call) -> BoxFuture<'a, Result<Answer, CallError>> {
        async move {
            match call {
                Call::SetWeight(_) => Ok(Answer::Done),
                other => self.0.call(rollout, other).await,
            }
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_router_that_lies_is_found_out() {
    let judged = rehearse(Duration::from_secs(6), |router| Box::new(Liar(router))).await;
    let found = judged
        .problems
        .iter()
        .any(|p| p.starts_with("v2 got ") && p.contains("its share was 60.0 %"));
    assert!(found, "{:?}", judged.problems);
}
