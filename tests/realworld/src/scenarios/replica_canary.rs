//! A canary by replicas, without any plugin: shows that the world itself works.

use anyhow::Result;
use serde_json::json;

use super::{Plugins, Scene, Turn};
use crate::example::{NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "replica-canary",
    proves: "without a plugin, one of five pods of v2 gets a fifth of the requests; then v2 gets all",
    plugins: Plugins::None,
    turn: Turn::Together,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = stage.example()?.steps(json!([{"setWeight": 20}, {"pause": {}}]));
    let steps = example.rollout["spec"]["strategy"]["canary"]["steps"].take();
    example.rollout["spec"]["strategy"] = json!({"canary": {"steps": steps}});
    example.rollout["spec"]["replicas"] = json!(5);
    // Without services of their own, both versions are behind one service.
    example.route["spec"]["rules"][0]["backendRefs"] =
        json!([{"name": "shop-stable", "port": 80, "weight": 1}]);
    let rollout = stage.deploy(&example).await?;
    rollout.set_version(NEW).await?;
    rollout.paused_at(1, STEP).await?;
    stage.count(NEW, 0.2).await?;
    rollout.promote(Promotion::Next).await?;
    rollout.healthy(STEP).await?;
    stage.count(OLD, 0.0).await
}
