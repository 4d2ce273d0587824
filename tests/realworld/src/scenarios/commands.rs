//! What `kubectl argo rollouts` can ask for in mid-release.

use anyhow::Result;
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "commands",
    proves: "abort, retry, a skipped step, all steps skipped, promote --full: requests follow each",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let example = Example::read()?.steps(json!([
        {"setWeight": 10}, {"pause": {}}, {"setWeight": 30}, {"pause": {}}, {"setWeight": 70}, {"pause": {}},
    ]));
    let shop = stage.deploy(&example).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.rollout.promote(Promotion::SkipStep).await?;
    shop.rollout.paused_at(3, STEP).await?;
    stage.say("skipped a step");
    shop.count(NEW, 0.3).await?;
    shop.rollout.abort().await?;
    shop.rollout.aborted(STEP).await?;
    stage.say("aborted");
    shop.count(OLD, 1.0).await?;
    shop.rollout.retry().await?;
    shop.rollout.paused_at(1, STEP).await?;
    stage.say("retried");
    shop.count(NEW, 0.1).await?;
    shop.rollout.promote(Promotion::SkipSteps).await?;
    shop.rollout.healthy(STEP).await?;
    stage.say("skipped all steps");
    shop.count(NEW, 1.0).await?;
    shop.rollout.set_version(OLD).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(OLD, 0.1).await?;
    shop.rollout.promote(Promotion::Full).await?;
    shop.rollout.healthy(STEP).await?;
    stage.say("promoted in full");
    shop.count(OLD, 1.0).await
}
