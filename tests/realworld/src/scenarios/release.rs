//! The release that the plugin exists for.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD, weights};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "release",
    proves: "v2 gets 20 %, 60 %, 100 % of the requests, step by step, and nothing of the route changes but its weights",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let shop = stage.deploy(&Example::read()?).await?;
    let before = shop.route().await?;
    shop.rollout.set_version(NEW).await?;
    for (pause, percent) in [(1, 20), (3, 60), (5, 100)] {
        shop.rollout.paused_at(pause, STEP).await?;
        let weights = weights(&shop.route().await?);
        stage.say(&format!("paused at {percent} %; the route says {weights:?}"));
        ensure!(
            weights["shop-canary"] == percent && weights["shop-stable"] == 100 - percent,
            "not {percent} %"
        );
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        shop.count(NEW, percent as f64 / 100.0).await?;
        shop.rollout.promote(Promotion::Next).await?;
    }
    shop.rollout.healthy(STEP).await?;
    let after = shop.route().await?;
    stage.say(&format!(
        "{NEW} is promoted; the route says {:?}",
        weights(&after)
    ));
    shop.count(OLD, 0.0).await?;
    let (before, after) = (without_weights(before), without_weights(after));
    ensure!(
        before == after,
        "the route changed beside its weights\nbefore: {before}\nafter: {after}"
    );
    stage.say("the route's spec is what it was");
    Ok(())
}

fn without_weights(mut route: Value) -> Value {
    for rule in route["spec"]["rules"].as_array_mut().into_iter().flatten() {
        for backend in rule["backendRefs"].as_array_mut().into_iter().flatten() {
            backend["weight"] = json!(null);
        }
    }
    route["spec"].take()
}
