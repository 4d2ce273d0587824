//! Constant load from before a release until after it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tokio::time::sleep;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

const PROVES: &str = "under constant load no request fails from the first step to the end of v1's last pod, nor in an aborted release";

pub(super) const ON_TRAEFIK: Scene = Scene {
    name: "no-503",
    proves: PROVES,
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

pub(super) const ON_ENVOY: Scene = Scene {
    name: "no-503-envoy",
    gateway: Gateway::Envoy,
    ..ON_TRAEFIK
};

pub(super) const ON_CONTOUR: Scene = Scene {
    name: "no-503-contour",
    gateway: Gateway::Contour,
    ..ON_TRAEFIK
};

pub(super) const ON_ISTIO: Scene = Scene {
    name: "no-503-mesh",
    gateway: Gateway::Istio,
    ..ON_TRAEFIK
};

/// Shorter than the default of 30 s, longer than the promotion hold and the controller's 10 s until it asks again.
const SCALE_DOWN: u64 = 20;

async fn run(stage: Stage) -> Result<()> {
    let mut example = Example::read()?.steps(json!([
        {"setWeight": 50}, {"pause": {}}, {"setWeight": 100}, {"pause": {"duration": "2s"}},
    ]));
    example.canary()["scaleDownDelaySeconds"] = json!(SCALE_DOWN);
    example.canary()["abortScaleDownDelaySeconds"] = json!(5);
    let shop = stage.deploy(&example).await?;
    shop.settled().await?;

    let load = shop.load().keep_sending()?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    shop.rollout
        .becomes("to have the pods of one version", STEP, |rollout| {
            rollout["status"]["replicas"] == rollout["spec"]["replicas"]
        })
        .await?;
    shop.settled().await?;
    linger().await;
    let sentence = load.stop().await.expect_no_failure().context("a release")?;
    stage.say(&format!("a release: {sentence}"));

    let load = shop.load().keep_sending()?;
    shop.rollout.set_version("v3").await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.rollout.abort().await?;
    shop.rollout.aborted(STEP).await?;
    shop.rollout
        .becomes("to have the pods of one version", STEP, |rollout| {
            rollout["status"]["replicas"] == rollout["spec"]["replicas"]
        })
        .await?;
    shop.settled().await?;
    linger().await;
    let sentence = load.stop().await.expect_no_failure().context("an abort")?;
    stage.say(&format!("an abort: {sentence}"));
    Ok(())
}

/// The last pod that leaves still answers for a second.
async fn linger() {
    sleep(Duration::from_secs(2)).await;
}
