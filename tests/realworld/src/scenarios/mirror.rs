//! A canary that gets copies of requests, and whose answers nobody sees.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::App;
use crate::binomial::{CONFIDENCE, accepted};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "mirror",
    proves: "30 % of the requests are mirrored to v2 while v1 answers all; a mirror step without match ends it",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    // Traefik knows no RequestMirror.
    gateway: Gateway::Envoy,
    run: |stage| Box::pin(run(stage)),
};

const REQUESTS: u64 = 600;

async fn run(stage: Stage) -> Result<()> {
    let example = Example::read()?.managed_routes(&["shadow"]).steps(json!([
        {"setCanaryScale": {"replicas": 1}},
        {"setMirrorRoute": {"name": "shadow", "percentage": 30, "match": [{"path": {"prefix": "/"}}]}},
        {"pause": {}},
        {"setMirrorRoute": {"name": "shadow"}},
        {"pause": {}},
        {"setCanaryScale": {"matchTrafficWeight": true}},
        {"setWeight": 100}, {"pause": {}},
    ]));
    let shop = stage.deploy(&example).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(2, STEP).await?;
    let mirrored = mirrored(&stage, &shop).await?;
    let range = accepted(REQUESTS, 0.3, CONFIDENCE);
    stage.say(&format!(
        "{NEW} received {mirrored} copies; 30 % of {REQUESTS}, {} % binomial: {range:?}",
        CONFIDENCE * 100.0
    ));
    ensure!(range.contains(&mirrored), "outside of the interval");
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.paused_at(4, STEP).await?;
    let mirrored = self::mirrored(&stage, &shop).await?;
    ensure!(mirrored == 0, "{mirrored} copies after the mirror was removed");
    stage.say("no copies after the mirror was removed");
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.paused_at(7, STEP).await?;
    shop.count(NEW, 1.0).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}

/// Sends requests, all of which the old version must answer, and counts what the new one received of them.
async fn mirrored(stage: &Stage, shop: &App) -> Result<u64> {
    let received = || {
        let served = stage.world.kubelet.served(&stage.namespace);
        served.get(NEW).copied().unwrap_or_default()
    };
    shop.settled().await?;
    let before = arrived(&received).await?;
    shop.count_of("mirrored", &shop.load(), REQUESTS, OLD, 1.0)
        .await?;
    // Nobody waits for the answer to a copy: they may still be on their way.
    let after = arrived(&received).await?;
    Ok(after - before)
}

/// How many have arrived, once no more have for a second.
async fn arrived(received: &impl Fn() -> u64) -> Result<u64> {
    let mut last = (received(), Instant::now());
    wait_for("the last copies to arrive", STEP, async || {
        let now = received();
        if now != last.0 {
            last = (now, Instant::now());
        }
        let rests = last.1.elapsed() >= Duration::from_secs(1);
        Ok(Seen::when(rests, now, || format!("{now}")))
    })
    .await
}
