//! Two services that take turns at being the stable one.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::App;
use crate::example::{Example, NEW, OLD, weights};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "ping-pong",
    proves: "with ping and pong services, two releases move the weight there and back, and no request fails",
    plugins: Plugins::Router,
    turn: Turn::Together,
    // Before 1.10, validation allows pingPong with two built-in routers alone.
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = Example::read()?.steps(json!([{"setWeight": 30}, {"pause": {}}]));
    let canary = example.canary();
    // The controller begins with ping as the stable service.
    canary["pingPong"] = json!({"pingService": "shop-stable", "pongService": "shop-canary"});
    for field in ["canaryService", "stableService"] {
        canary.as_object_mut().map(|canary| canary.remove(field));
    }
    canary["scaleDownDelaySeconds"] = json!(10);
    let shop = stage.deploy(&example).await?;
    let load = shop.load().keep_sending()?;
    release(&stage, &shop, NEW, "shop-canary").await?;
    release(&stage, &shop, OLD, "shop-stable").await?;
    let sentence = load.stop().await.expect_no_failure()?;
    stage.say(&sentence);
    Ok(())
}

/// Releases a version, after which all weight is on the service that was the canary's.
async fn release(stage: &Stage, shop: &App, version: &str, service: &str) -> Result<()> {
    shop.rollout.set_version(version).await?;
    shop.rollout.paused_at(1, STEP).await?;
    let found = weights(&shop.route().await?);
    ensure!(found[service] == 30, "{service} should have 30: {found:?}");
    shop.count(version, 0.3).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    let found = weights(&shop.route().await?);
    stage.say(&format!("{version} is promoted; the route says {found:?}"));
    let all: u64 = found.values().sum();
    ensure!(
        found[service] == all && all > 0,
        "all weight should be on {service}"
    );
    shop.count(version, 1.0).await
}
