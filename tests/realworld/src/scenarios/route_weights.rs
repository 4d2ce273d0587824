//! Weights written by hand: shows that the gateway deals as the route says, and that the harness counts it.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::example::{Example, NEW, OLD};
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "route-weights",
    proves: "the gateway deals requests by the weights of an HTTPRoute: 20/80, 60/40, 0/100",
    plugins: Plugins::None,
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = Example::read()?;
    example.rollout["spec"]["strategy"] = json!({"canary": {}});
    // A plain Rollout of each version behind a service of its own.
    let mut other = example.rollout.clone();
    for (number, (version, rollout)) in [(OLD, &mut example.rollout), (NEW, &mut other)]
        .into_iter()
        .enumerate()
    {
        rollout["spec"]["selector"]["matchLabels"]["app"] = json!(version);
        rollout["spec"]["template"]["metadata"]["labels"]["app"] = json!(version);
        rollout["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("shop:{version}"));
        example.services[number]["spec"]["selector"]["app"] = json!(version);
    }
    other["metadata"]["name"] = json!("other");
    let shop = stage.apply(&example).await?;
    stage.cluster().apply(&stage.namespace, &other).await?;
    shop.rollout.healthy(STEP).await?;
    stage.rollout("other").healthy(STEP).await?;
    let mut spec = shop.route().await?["spec"].take();
    for canary in [20, 60, 0] {
        let weights = [("shop-stable", 100 - canary), ("shop-canary", canary)];
        let backends = weights.map(|(name, weight)| json!({"name": name, "port": 80, "weight": weight}));
        spec["rules"][0]["backendRefs"] = Value::from(backends.to_vec());
        shop.write_route(&spec).await?;
        shop.count(NEW, f64::from(canary) / 100.0).await?;
    }
    Ok(())
}
