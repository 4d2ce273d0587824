//! Everything that can go wrong between the router and the API server, through a proxy in front of the real one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::{join, try_join_all};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::driven::{Driven, Trouble, are_requests};
use super::{Plugins, Scene, Turn};
use crate::stage::Stage;
use crate::world::Gateway;
use crate::world::credentials::ROLLOUTS;

pub(super) const SCENE: Scene = Scene {
    name: "faults",
    proves: "refusals, conflicts, throttling, hangs and cuts end in time with a clear sentence, lose no update, and the next call converges",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: super::Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// A call takes 10 s at most; so much longer than a clock that was set for them.
const LONGEST: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(2);
/// What somebody else adds to a route. It is there at the end of every fault.
const THEIRS: &str = "example.com/theirs";

/// What goes wrong, and what the call in which it does makes of it.
struct Fault {
    /// In a few words: the name of its route.
    name: &'static str,
    /// Whether the router watches.
    watches: bool,
    trouble: fn(&Driven),
    /// What its error says; none if the call succeeds all the same.
    says: Option<&'static [&'static str]>,
    /// The requests of the call; empty where their number depends on time.
    requests: &'static str,
}

#[rustfmt::skip]
fn faults() -> Vec<Fault> {
    let fault = |name, trouble, says, requests| Fault { name, watches: true, trouble, says, requests };
    let read = |name, trouble, says, requests| Fault { name, watches: false, trouble, says, requests };
    vec![
        read("get-403", |d| d.proxy.trouble("get", 1, Trouble::Refuse(403, "Forbidden")),
            Some(&["HTTPRoute faults/get-403", "get failed", "403 Forbidden"]), "get"),
        read("get-500", |d| d.proxy.trouble("get", 2, Trouble::Refuse(500, "InternalError")), None, "get get get patch"),
        read("get-cut", |d| d.proxy.trouble("get", 2, Trouble::Cut), None, ""),
        fault("list-403", |d| d.proxy.trouble("list", 9, Trouble::Refuse(403, "Forbidden")), None, "patch"),
        fault("watch-403", |d| { d.proxy.trouble("watch", 9, Trouble::Refuse(403, "Forbidden")); d.proxy.cut_watches(); }, None, ""),
        fault("patch-403", |d| d.proxy.trouble("patch", 9, Trouble::Refuse(403, "Forbidden")), None, "patch update"),
        fault("write-403", |d| { d.proxy.trouble("patch", 9, Trouble::Refuse(403, "Forbidden"));
            d.proxy.trouble("update", 9, Trouble::Refuse(403, "Forbidden")); },
            Some(&["HTTPRoute faults/write-403", "update failed", "403 Forbidden"]), "patch update"),
        fault("patch-422", |d| d.proxy.trouble("patch", 1, Trouble::Refuse(422, "Invalid")), None, "patch get update"),
        fault("write-422", |d| { d.proxy.trouble("patch", 9, Trouble::Refuse(422, "Invalid"));
            d.proxy.trouble("update", 9, Trouble::Refuse(422, "Invalid")); },
            Some(&["HTTPRoute faults/write-422", "update failed", "422 Invalid"]), "patch get update"),
        fault("write-429", |d| d.proxy.trouble("patch", 2, Trouble::Later(1)), None, "patch get patch get patch"),
        fault("429-for-ever", |d| d.proxy.trouble("patch", 99, Trouble::Later(3600)),
            Some(&["patch failed", "429 TooManyRequests"]), "patch"),
        fault("write-500", |d| d.proxy.trouble("patch", 2, Trouble::Refuse(500, "InternalError")), None, "patch get patch get patch"),
        fault("write-hangs", |d| d.proxy.trouble("patch", 1, Trouble::Hang), None, "patch get patch"),
        fault("all-hangs", |d| { d.proxy.trouble("patch", 99, Trouble::Hang); d.proxy.trouble("get", 99, Trouble::Hang); },
            Some(&["HTTPRoute faults/all-hangs", "did not answer within"]), ""),
        fault("write-cut", |d| d.proxy.trouble("patch", 1, Trouble::Cut), None, ""),
        fault("answer-lost", |d| d.proxy.trouble("patch", 1, Trouble::LoseAnswer), None, ""),
        // Conflicts: somebody else is always a little faster.
        fault("storm-of-annotations", |d| for n in 0..8 { d.proxy.trouble("patch", 1, second_writer(n, &json!({}))); }, None, ""),
        fault("storm-of-specs", |d| for n in 0..8 {
            d.proxy.trouble("patch", 1, second_writer(n, &json!({"hostnames": [format!("n{n}.test")]}))); }, None, ""),
        fault("storm-of-replacements", |d| { d.proxy.trouble("patch", 99, Trouble::Refuse(403, "Forbidden"));
            for n in 0..8 { d.proxy.trouble("update", 1, second_writer(n, &json!({}))); } }, None, ""),
        fault("watch-drops", |d| d.proxy.cut_watches(), None, ""),
        fault("watch-refused-after-drop", |d| { d.proxy.trouble("watch", 3, Trouble::Refuse(500, "InternalError"));
            d.proxy.cut_watches(); }, None, ""),
        fault("cache-is-stale", |d| d.proxy.hold_watches(), None, "patch get patch"),
    ]
}

fn second_writer(n: u32, spec: &Value) -> Trouble {
    Trouble::SecondWriter(
        json!({"metadata": {"annotations": {"example.com/n": n.to_string()}}, "spec": spec}),
    )
}

async fn run(stage: Stage) -> Result<()> {
    let faults = faults();
    try_join_all(
        faults
            .iter()
            .map(async |fault| survive(&stage, fault).await.context(fault.name)),
    )
    .await?;
    stage.say(&format!(
        "{} faults, each followed by a call that converged",
        faults.len()
    ));
    Ok(())
}

async fn survive(stage: &Stage, fault: &Fault) -> Result<()> {
    let driven = Driven::start(stage, fault.name, &ROLLOUTS, fault.watches).await?;
    let theirs =
        json!({"metadata": {"annotations": {THEIRS: "kept"}}, "spec": {"hostnames": ["theirs.test"]}});
    // Where the number of requests depends on time, or the change is what is not heard of, it comes in the middle.
    let is_late = fault.requests.is_empty() || fault.name == "cache-is-stale";
    if !is_late {
        driven.patch(&theirs).await?;
    }
    driven.rest(if fault.watches { "" } else { "get" }).await?;
    driven.proxy.seen();
    (fault.trouble)(&driven);
    if is_late {
        driven.patch(&theirs).await?;
    }
    let begin = Instant::now();
    let clock = async {
        sleep(LONGEST).await;
        begin.elapsed()
    };
    let call = async { (driven.set(20).await, begin.elapsed(), driven.proxy.seen()) };
    let ((answer, took, requests), clock) = join(call, clock).await;
    stage.say(&format!(
        "{}: {:.1} s, {requests}: {}",
        fault.name,
        took.as_secs_f32(),
        answer.as_ref().map_or_else(String::as_str, |()| "set")
    ));
    ensure!(took < clock + LATER, "the call took {took:?}");
    ensure!(
        fault.requests.is_empty() || are_requests(&requests, fault.requests),
        "requests: {requests}, and {} were expected",
        fault.requests
    );
    match (&answer, fault.says) {
        (Ok(()), None) => ensure!(
            driven.weights().await? == "80:20",
            "weights are {}",
            driven.weights().await?
        ),
        (Err(error), Some(words)) => {
            ensure!(
                words.iter().all(|word| error.contains(word)),
                "{error:?} does not say {words:?}"
            );
        }
        (answer, says) => anyhow::bail!("{answer:?}, and {says:?} was expected"),
    }

    driven.proxy.peace();
    driven
        .set(60)
        .await
        .map_err(anyhow::Error::msg)
        .context("the next call")?;
    let route = driven.route().await?;
    ensure!(
        driven.weights().await? == "40:60",
        "the next call: weights are {}",
        driven.weights().await?
    );
    ensure!(
        route["metadata"]["annotations"][THEIRS] == "kept",
        "their annotation is gone: {route}"
    );
    ensure!(
        route["spec"]["rules"][0]["timeouts"]["request"] == "7s",
        "a field of the rule is gone: {route}"
    );
    let hostnames = &route["spec"]["hostnames"];
    let newest = if fault.name == "storm-of-specs" {
        "n7.test"
    } else {
        "theirs.test"
    };
    ensure!(
        *hostnames == json!([newest]),
        "their hostnames are gone: {hostnames}"
    );
    let metrics = driven.metrics().await.context("metrics")?;
    let name = fault.name;
    let observed =
        format!("observed_weight{{rollout=\"faults/{name}\",route=\"HTTPRoute faults/{name}\"}} 60");
    ensure!(
        metrics.contains(&observed),
        "metrics do not tell the weight:\n{metrics}"
    );
    if name == "storm-of-replacements" {
        ensure!(
            metrics.contains("\nserinus_gateway_api_conflicts_total 8\n"),
            "metrics do not tell the conflicts:\n{metrics}"
        );
    }
    driven.quit().await
}
