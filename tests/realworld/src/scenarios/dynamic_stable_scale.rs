//! Stable pods that go as the canary's come.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::cluster::Kind;
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "dynamic-stable-scale",
    proves: "with dynamicStableScale, stable pods go only after the traffic has, also in an abort: no request fails",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = Example::read()?.steps(json!([
        {"setWeight": 50}, {"pause": {}}, {"setWeight": 100}, {"pause": {}},
    ]));
    example.rollout["spec"]["replicas"] = json!(4);
    example.canary()["dynamicStableScale"] = json!(true);
    let shop = stage.deploy(&example).await?;
    let load = shop.load().keep_sending()?;
    shop.rollout.set_version(NEW).await?;
    scaled(&stage, &shop.rollout.paused_at(1, STEP).await?, 2, 2).await?;
    shop.count(NEW, 0.5).await?;
    shop.rollout.promote(Promotion::Next).await?;
    scaled(&stage, &shop.rollout.paused_at(3, STEP).await?, 0, 4).await?;
    shop.count(NEW, 1.0).await?;
    shop.rollout.abort().await?;
    let aborted = shop.rollout.aborted(STEP).await?;
    stage.say("aborted: the stable version has its pods back, and then its traffic");
    scaled(&stage, &aborted, 4, 0).await?;
    shop.count(OLD, 1.0).await?;
    let sentence = load.stop().await.expect_no_failure()?;
    stage.say(&sentence);
    Ok(())
}

/// Waits until the ReplicaSets of the stable and of the new version are as large as this.
async fn scaled(stage: &Stage, rollout: &Value, stable: u64, canary: u64) -> Result<()> {
    let hash = |field: &str| rollout["status"][field].clone();
    let (old, new) = (hash("stableRS"), hash("currentPodHash"));
    wait_for(
        format!("{stable} stable and {canary} canary pods"),
        STEP,
        async || {
            let sets = stage
                .cluster()
                .list(Kind::replica_set(), &stage.namespace)
                .await?;
            let replicas = |hash: &Value| {
                let set = sets
                    .iter()
                    .find(|set| set["metadata"]["labels"]["rollouts-pod-template-hash"] == *hash);
                set.and_then(|set| set["spec"]["replicas"].as_u64())
            };
            let found = (replicas(&old), replicas(&new));
            Ok(Seen::when(found == (Some(stable), Some(canary)), (), || {
                format!("{found:?}")
            }))
        },
    )
    .await?;
    stage.say(&format!("{stable} stable pods, {canary} of the canary"));
    Ok(())
}
