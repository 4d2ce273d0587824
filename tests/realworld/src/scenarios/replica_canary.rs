//! A canary by replicas, without any plugin: shows that the world itself works.

use anyhow::Result;
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "replica-canary",
    proves: "without a plugin, one of five pods of v2 gets a fifth of the requests; then v2 gets all",
    plugins: Plugins::None,
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = Example::read()?.steps(json!([{"setWeight": 20}, {"pause": {}}]));
    let steps = example.rollout["spec"]["strategy"]["canary"]["steps"].take();
    example.rollout["spec"]["strategy"] = json!({"canary": {"steps": steps}});
    example.rollout["spec"]["replicas"] = json!(5);
    // Without services of their own, both versions are behind one service.
    example.route["spec"]["rules"][0]["backendRefs"] =
        json!([{"name": "shop-stable", "port": 80, "weight": 1}]);
    let shop = stage.deploy(&example).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEW, 0.2).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}
