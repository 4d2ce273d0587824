//! A step that is an experiment with weights: destinations beside stable and canary.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::cluster::{Address, Kind};
use crate::example::{Example, NEW, OLD, weights};
use crate::rollout::{Promotion, Rollout};
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "experiment",
    proves: "an experiment's services get their shares beside stable and canary, also when the controller has lost their names, and are gone from the route when it is over",
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
            let status = shop.rollout.read().await?["status"].take();
            Ok(Seen::when(found.len() == count, found.clone(), || {
                let recorded = &status["canary"];
                format!("{found:?}, while the controller recorded {recorded}")
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

    lose_names(&stage, &shop.rollout).await?;
    let kept = weights(&shop.route().await?);
    ensure!(
        kept == found,
        "without the names the route says {kept:?}, not {found:?}"
    );
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

/// Takes the Services' names out of the Experiment, as the controller does by itself when it begins from an older copy of
/// it (Go: `experiments/experiment.go` `createTemplateService` writes them once), and waits until it has routed so.
async fn lose_names(stage: &Stage, rollout: &Rollout) -> Result<()> {
    let status = rollout.read().await?["status"].take();
    let experiment = Address {
        kind: Kind::experiment(),
        namespace: &stage.namespace,
        name: status["canary"]["currentExperiment"].as_str().unwrap_or_default(),
    };
    let mut templates = stage.cluster().read(&experiment).await?["status"]["templateStatuses"].take();
    for template in templates.as_array_mut().into_iter().flatten() {
        let template = template.as_object_mut().context("a template's status")?;
        template.remove("serviceName");
        template.remove("podTemplateHash");
    }
    let lost = json!({"status": {"templateStatuses": templates}});
    stage.cluster().merge(&experiment, "", &lost).await?;
    wait_for("the controller to route without the names", STEP, async || {
        let recorded = rollout.read().await?["status"]["canary"]["weights"]["additional"].take();
        let others = recorded.as_array().map_or(&[][..], Vec::as_slice);
        let nameless = others.iter().filter(|other| other.get("serviceName").is_none());
        Ok(Seen::when(nameless.count() == 2, (), || recorded.to_string()))
    })
    .await
}
