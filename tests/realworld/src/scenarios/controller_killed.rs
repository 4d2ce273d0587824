//! The controller dies in mid-release.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "controller-killed",
    proves: "when the controller is killed by SIGKILL its plugins end within 2 s and leave no socket; a new one goes on",
    plugins: Plugins::Router,
    // Every plugin of the world ends with the controller.
    turn: Turn::Alone,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let controller = &stage.world.controller;
    let shop = stage.deploy(&Example::read()?).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEW, 0.2).await?;
    let (pids, sockets) = (controller.all_plugin_pids()?, controller.plugin_sockets()?);
    ensure!(
        !pids.is_empty() && !sockets.is_empty(),
        "processes {pids:?}, sockets {sockets:?} before the controller ended"
    );
    controller.kill().await?;
    let killed = Instant::now();
    controller.plugins_gone().await?;
    stage.say(&format!(
        "killed the controller; {} plugins ended and removed {} sockets within {:.2} s",
        pids.len(),
        sockets.len(),
        killed.elapsed().as_secs_f64()
    ));
    // Without a controller, requests are dealt as before.
    shop.count(NEW, 0.2).await?;
    controller.start_again().await?;
    stage.say("started the controller again");
    shop.rollout.rests(STEP).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.paused_at(3, STEP).await?;
    shop.count(NEW, 0.6).await?;
    shop.rollout.promote(Promotion::Full).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}
