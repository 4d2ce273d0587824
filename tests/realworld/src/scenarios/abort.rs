//! A release that is stopped.

use anyhow::Result;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "abort",
    proves: "an aborted release returns all requests to v1; retried, it begins again; v1 set again ends it",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let shop = stage.deploy(&Example::read()?).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.paused_at(3, STEP).await?;
    shop.count(NEW, 0.6).await?;
    shop.rollout.abort().await?;
    let aborted = |rollout: &serde_json::Value| rollout["status"]["phase"] == "Degraded";
    shop.rollout
        .becomes("to be degraded by the abort", STEP, aborted)
        .await?;
    stage.say("aborted");
    shop.count(OLD, 1.0).await?;
    shop.rollout.retry().await?;
    shop.rollout.paused_at(1, STEP).await?;
    stage.say("retried");
    shop.count(NEW, 0.2).await?;
    shop.rollout.set_version(OLD).await?;
    shop.rollout.healthy(STEP).await?;
    stage.say(&format!("{OLD} set again"));
    shop.count(OLD, 1.0).await
}
