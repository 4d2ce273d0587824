//! A step that is an experiment with weights: destinations beside stable and canary.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD, weights};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "experiment",
    proves: "an experiment's services get their shares beside stable and canary, and are gone from the route when it is over",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let example = Example::read()?.steps(json!([
        {"setWeight": 20}, {"pause": {}},
        {"experiment": {"templates": [
            {"name": "baseline", "specRef": "stable", "weight": 10}, {"name": "candidate", "specRef": "canary", "weight": 15},
        ]}},
        {"pause": {}},
    ]));
    let shop = stage.deploy(&example).await?;
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEW, 0.2).await?;
    shop.rollout.promote(Promotion::Next).await?;
    let backends = async |count: usize| {
        wait_for(format!("the route to have {count} backends"), STEP, async || {
            let found = weights(&shop.route().await?);
            Ok(Seen::when(found.len() == count, found.clone(), || {
                format!("{found:?}")
            }))
        })
        .await
    };
    let found = backends(4).await?;
    stage.say(&format!("the experiment runs; the route says {found:?}"));
    let all: u64 = found.values().sum();
    let of = |word: &str| -> u64 {
        let named = found.iter().filter(|(service, _)| service.contains(word));
        named.map(|(_, weight)| weight).sum()
    };
    ensure!(
        of("baseline") * 100 == 10 * all
            && of("candidate") * 100 == 15 * all
            && of("shop-canary") * 100 == 20 * all,
        "not 10 %, 15 % and 20 %: {found:?}"
    );
    // The canary's 20 % and the candidate's 15 %.
    shop.count(NEW, 0.35).await?;
    shop.rollout.promote(Promotion::SkipStep).await?;
    shop.rollout.paused_at(3, STEP).await?;
    let found = backends(2).await?;
    stage.say(&format!("the experiment is over; the route says {found:?}"));
    shop.count(NEW, 0.2).await?;
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await
}
