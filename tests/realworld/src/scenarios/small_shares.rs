//! Shares of less than a percent.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD, weights};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "small-shares",
    proves: "with maxTrafficWeight 1000, a weight of 1 is 0.1 % of 10,000 requests, and 505 is 50.5 %",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    // Traefik begins to count anew whenever some route changes, and then a small share comes late.
    gateway: Gateway::Envoy,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = Example::read()?.steps(json!([
        {"setWeight": 1}, {"pause": {}}, {"setWeight": 505}, {"pause": {}},
    ]));
    example.canary()["trafficRouting"]["maxTrafficWeight"] = json!(1000);
    let shop = stage.deploy(&example).await?;
    shop.rollout.set_version(NEW).await?;
    for (pause, weight, requests) in [(1, 1, 10_000), (3, 505, 1_000)] {
        shop.rollout.paused_at(pause, STEP).await?;
        let found = weights(&shop.route().await?);
        ensure!(
            found["shop-canary"] == weight && found["shop-stable"] == 1000 - weight,
            "not {weight} of 1000: {found:?}"
        );
        #[expect(clippy::cast_precision_loss, reason = "at most 1000")]
        let share = weight as f64 / 1000.0;
        shop.count_of("sub-percent", &shop.load(), requests, NEW, share)
            .await?;
        shop.rollout.promote(Promotion::Next).await?;
    }
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}
