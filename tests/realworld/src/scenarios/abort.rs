//! A release that is stopped.

use anyhow::Result;

use super::{Plugins, Scene, Turn};
use crate::example::{NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "abort",
    proves: "an aborted release returns all requests to v1; retried, it begins again; v1 set again ends it",
    plugins: Plugins::Router,
    turn: Turn::Together,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let rollout = stage.deploy(&stage.example()?).await?;
    rollout.set_version(NEW).await?;
    rollout.paused_at(1, STEP).await?;
    rollout.promote(Promotion::Next).await?;
    rollout.paused_at(3, STEP).await?;
    stage.count(NEW, 0.6).await?;
    rollout.abort().await?;
    let aborted = |rollout: &serde_json::Value| rollout["status"]["phase"] == "Degraded";
    rollout
        .becomes("to be degraded by the abort", STEP, aborted)
        .await?;
    stage.say("aborted");
    stage.count(OLD, 1.0).await?;
    rollout.retry().await?;
    rollout.paused_at(1, STEP).await?;
    stage.say("retried");
    stage.count(NEW, 0.2).await?;
    rollout.set_version(OLD).await?;
    rollout.healthy(STEP).await?;
    stage.say(&format!("{OLD} set again"));
    stage.count(OLD, 1.0).await
}
