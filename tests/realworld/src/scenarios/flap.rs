//! A canary that dies for a moment while only the header leads to it.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::{App, REQUESTS};
use crate::cluster::{Address, Kind};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "flap",
    proves: "when the canary of a header step loses its pods its rule goes, and comes back with them though its step has passed",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let example = Example::read()?.managed_routes(&["dark"]).steps(json!([
        {"setCanaryScale": {"replicas": 1}},
        {"setHeaderRoute": {"name": "dark", "match": [{"headerName": "x-canary", "headerValue": {"exact": "always"}}]}},
        {"pause": {}},
    ]));
    let shop = stage.deploy(&example).await?;
    shop.rollout.set_version(NEW).await?;
    let rollout = shop.rollout.paused_at(2, STEP).await?;
    with_header(&shop, NEW).await?;
    let kubelet = &stage.world.kubelet;
    kubelet.hold(&stage.namespace);
    kill(&stage, &rollout).await?;
    rules(&shop, 1).await?;
    stage.say("the canary's pods are gone, and its rule with them");
    kubelet.release(&stage.namespace);
    rules(&shop, 2).await?;
    shop.rollout.paused_at(2, STEP).await?;
    stage.say("the rule is back");
    with_header(&shop, NEW).await?;
    shop.count(OLD, 1.0).await?;
    shop.rollout.promote(Promotion::Full).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(NEW, 1.0).await
}

async fn with_header(shop: &App, version: &str) -> Result<()> {
    let load = shop.load().header("x-canary", "always");
    shop.count_of("with the header", &load, REQUESTS, version, 1.0)
        .await
}

/// Deletes the pods of the canary's ReplicaSet.
async fn kill(stage: &Stage, rollout: &Value) -> Result<()> {
    let hash = &rollout["status"]["currentPodHash"];
    for pod in stage.cluster().list(Kind::pod(), &stage.namespace).await? {
        if pod["metadata"]["labels"]["rollouts-pod-template-hash"] == *hash {
            let name = pod["metadata"]["name"].as_str().context("pod without a name")?;
            let address = Address {
                kind: Kind::pod(),
                namespace: &stage.namespace,
                name,
            };
            stage.cluster().delete(&address, &json!({})).await?;
        }
    }
    Ok(())
}

/// Waits until the route has so many rules.
async fn rules(shop: &App, count: usize) -> Result<()> {
    wait_for(format!("the route to have {count} rules"), STEP, async || {
        let rules = shop.route().await?["spec"]["rules"].take();
        let found = rules.as_array().map_or(0, Vec::len);
        Ok(Seen::when(found == count, (), || rules.to_string()))
    })
    .await
}
