//! Somebody writes the route of a release that rests, as a sync from Git does.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD, weights};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "drift",
    proves: "weights that a sync from Git takes back in mid-release are set right at once, without a reconcile, and an event tells",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// The controller itself would come back after 15 minutes.
const AT_ONCE: Duration = Duration::from_secs(10);

async fn run(stage: Stage) -> Result<()> {
    let controller = &stage.world.controller;
    let shop = stage.deploy(&Example::read()?).await?;
    let git = shop.route().await?["spec"].take();
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEW, 0.2).await?;
    let released = weights(&shop.route().await?);

    let mut tries = 1;
    loop {
        let reconciles = controller.reconciles(&stage.namespace)?;
        shop.write_route(&git).await?;
        let begin = Instant::now();
        wait_for("the weights to be set right", AT_ONCE, async || {
            let now = weights(&shop.route().await?);
            Ok(Seen::when(now == released, (), || format!("{now:?}")))
        })
        .await?;
        let took = begin.elapsed().as_secs_f64();
        let meanwhile = controller.reconciles(&stage.namespace)? - reconciles;
        // Traefik gathers changes for up to two seconds; it may be about to hear of the first of the two. The router
        // does not repair a route again within five.
        sleep(Duration::from_secs(6)).await;
        if meanwhile == 0 {
            stage.say(&format!("set right after {took:.2} s"));
            break;
        }
        // A reconcile that was due for something else proves nothing.
        ensure!(
            tries < 3,
            "the controller reconciled meanwhile, {tries} times in a row"
        );
        tries += 1;
    }
    wait_for("the event", STEP, async || {
        let events = shop.rollout.events().await?;
        let told = events
            .iter()
            .any(|event| event.contains("RouteReverted: HTTPRoute drift/shop"));
        Ok(Seen::when(told, (), || format!("{events:?}")))
    })
    .await?;
    shop.count(NEW, 0.2).await?;

    shop.rollout.promote(Promotion::Full).await?;
    shop.rollout.healthy(STEP).await?;
    shop.restored(&git).await?;
    shop.count(OLD, 0.0).await
}
