//! A plugin that has nothing to do for a long time.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::plan::Form;
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

const NAME: &str = "serinus/idle";

pub(super) const SCENE: Scene = Scene {
    name: "idle",
    proves: "a plugin without work for minutes is still the same process (a stream without ACK ends it after 75 s) and answers",
    plugins: Plugins::OwnRouter(NAME),
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// hashicorp/yamux closes a session whose stream had no ACK for 75 s (`StreamOpenTimeout`), and pings every 30 s.
fn how_long(form: Form) -> Duration {
    match form {
        Form::Short => Duration::from_secs(100),
        Form::Long => Duration::from_secs(6 * 60),
    }
}

async fn run(stage: Stage) -> Result<()> {
    let shop = stage.deploy(&Example::read()?.router(NAME)).await?;
    let before = stage.plugin_pid(NAME)?;
    let how_long = how_long(stage.form());
    let end = Instant::now() + how_long;
    let reconciles = stage.world.controller.reconciles(&stage.namespace)?;
    while Instant::now() < end {
        sleep(Duration::from_secs(2)).await;
        let now = stage.world.controller.plugin_pids(NAME)?;
        ensure!(
            now == [before],
            "the plugin was process {before} and is now {now:?}"
        );
    }
    let calls = stage.world.controller.reconciles(&stage.namespace)? - reconciles;
    stage.say(&format!(
        "the plugin is process {before}, as it was {} s ago; the controller reconciled {calls} times meanwhile",
        how_long.as_secs()
    ));
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEW, 0.2).await?;
    let now = stage.plugin_pid(NAME)?;
    ensure!(
        now == before,
        "process {before} was replaced by {now} at the first call after the rest"
    );
    stage.say("and the same process moved the weights");
    shop.rollout.promote(Promotion::Full).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}
