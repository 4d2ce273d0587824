//! The plugin dies in mid-release.

use anyhow::{Result, ensure};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

const NAME: &str = "serinus/plugin-killed";

pub(super) const SCENE: Scene = Scene {
    name: "plugin-killed",
    proves: "the plugin killed by SIGKILL in mid-release is started again by the controller, and the release goes on",
    plugins: Plugins::OwnRouter(NAME),
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let controller = &stage.world.controller;
    let shop = stage.deploy(&Example::read()?.router(NAME)).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEW, 0.2).await?;
    let before = stage.plugin_pid(NAME)?;
    controller.kill_plugin(before).await?;
    // Other scenes kill plugins of the same folder.
    let left = controller.dead_sockets()?;
    ensure!(!left.is_empty(), "the killed plugin left no socket");
    stage.say(&format!("killed the plugin's process {before}"));
    shop.count(NEW, 0.2).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.paused_at(3, STEP).await?;
    shop.count(NEW, 0.6).await?;
    let after = stage.plugin_pid(NAME)?;
    ensure!(after != before, "process {before} answered though it was killed");
    stage.say(&format!("the controller started process {after}"));
    let there = controller.plugin_sockets()?;
    ensure!(
        left.iter().all(|socket| !there.contains(socket)),
        "{left:?} were left, and there are {there:?}"
    );
    stage.say("and that one removed the socket that the killed one could not");
    shop.rollout.promote(Promotion::Full).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}
