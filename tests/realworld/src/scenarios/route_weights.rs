//! Weights written by hand: shows that the gateway deals as the route says, and that the harness counts it.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Plugins, Scene, Turn};
use crate::rollout::Rollout;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "route-weights",
    proves: "the gateway deals requests by the weights of an HTTPRoute: 20/80, 60/40, 0/100",
    plugins: Plugins::None,
    turn: Turn::Together,
    run: |stage| Box::pin(run(stage)),
};

async fn run(stage: Stage) -> Result<()> {
    let mut example = stage.example()?;
    let mut rollouts = Vec::new();
    // Two plain Rollouts, one behind each service.
    for (number, version) in ["v1", "v2"].into_iter().enumerate() {
        let mut one = example.clone();
        one.rollout["metadata"]["name"] = json!(version);
        one.rollout["spec"]["strategy"] = json!({"canary": {}});
        one.rollout["spec"]["selector"]["matchLabels"]["app"] = json!(version);
        one.rollout["spec"]["template"]["metadata"]["labels"]["app"] = json!(version);
        one.rollout["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("shop:{version}"));
        example.services[number]["spec"]["selector"]["app"] = json!(version);
        rollouts.push(one.rollout);
    }
    example.rollout = rollouts.remove(0);
    let stable = stage.apply(&example).await?;
    stage.cluster().apply(&stage.namespace, &rollouts[0]).await?;
    let healthy: [Rollout; 2] = [stable, stage.rollout("v2")];
    for rollout in &healthy {
        rollout.healthy(STEP).await?;
    }
    for canary in [20, 60, 0] {
        let backends: Value = json!([
            {"name": "shop-stable", "port": 80, "weight": 100 - canary}, {"name": "shop-canary", "port": 80, "weight": canary},
        ]);
        example.route["spec"]["rules"][0]["backendRefs"] = backends;
        stage.cluster().apply(&stage.namespace, &example.route).await?;
        stage.count("v2", f64::from(canary) / 100.0).await?;
    }
    Ok(())
}
