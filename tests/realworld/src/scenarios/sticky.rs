//! A release whose weights are shares of users: each keeps a cookie jar.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::App;
use crate::binomial::{CONFIDENCE, accepted};
use crate::cluster::read;
use crate::example::{Example, NEW, OLD, merge};
use crate::plan;
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::users::Users;
use crate::world::GATEWAY_NAMESPACE;

pub(super) const ON_ENVOY: Scene = Scene {
    name: "sticky",
    proves: "0.1 %, 1 %, 10 %, 50 %, 100 % of the users are on v2, whoever comes when; nobody sees two versions in a step or goes back; an abort takes all back at once",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    // Traefik ignores filters of a backend; the plugin refuses it.
    gateway: Gateway::Envoy,
    run: |stage| Box::pin(run(stage)),
};

pub(super) const ON_CONTOUR: Scene = Scene {
    name: "sticky-contour",
    gateway: Gateway::Contour,
    ..ON_ENVOY
};

pub(super) const ON_ISTIO: Scene = Scene {
    name: "sticky-mesh",
    gateway: Gateway::Istio,
    ..ON_ENVOY
};

/// Those who come at every step, and those who come at the first and from the fourth on.
const REGULARS: usize = 3000;
const STRAYS: usize = 1500;
/// Requests of each user at each step.
const TIMES: usize = 2;

async fn run(stage: Stage) -> Result<()> {
    let shop = stage.deploy(&example()?).await?;
    let before = shop.route().await?["spec"].take();
    let mut regulars = Users::new(shop.load(), REGULARS);
    let mut strays = Users::new(shop.load(), STRAYS);
    shop.rollout.set_version(NEW).await?;
    let mut seen = None;
    for (number, share) in [0.001, 0.01, 0.1, 0.5, 1.0].into_iter().enumerate() {
        let pause = 2 * number as u64 + 1;
        shop.rollout.paused_at(pause, STEP).await?;
        shop.settled().await?;
        let census = regulars.visit(TIMES).await?;
        stage.say(&format!("regulars: {}", census.expect_share(NEW, share)?));
        if let Some(seen) = seen.replace(census.clone()) {
            let left = census.left(&seen, NEW);
            ensure!(left == 0, "{left} users went back from {NEW} to {OLD}");
        }
        if number == 0 || number > 2 {
            let census = strays.visit(TIMES).await?;
            stage.say(&format!("strays: {}", census.expect_share(NEW, share)?));
        }
        if number == 2 && stage.gateway == Gateway::Envoy {
            one_cookie(&stage, share).await?;
        }
        if share < 1.0 {
            shop.rollout.promote(Promotion::Next).await?;
        }
    }
    shop.rollout.abort().await?;
    shop.rollout.aborted(STEP).await?;
    shop.settled().await?;
    for users in [&mut regulars, &mut strays] {
        let census = users.visit(1).await?;
        stage.say(&format!("after the abort: {}", census.expect_share(OLD, 1.0)?));
    }
    shop.restored(&before).await
}

/// The same weight with a cookie for the canary's users alone, the shape of Flagger's router without
/// `primaryCookieName` (its `pkg/router/gateway_api.go`): whoever is not on the canary is drawn again at each request.
async fn one_cookie(stage: &Stage, share: f64) -> Result<()> {
    let example = Example::read()?;
    let by_hand = App::new(stage, "by-hand");
    let mut route = example.route;
    route["metadata"]["name"] = json!("by-hand");
    let path = json!({"type": "PathPrefix", "value": "/"});
    let canary = |weight: u32| {
        json!({"name": "shop-canary", "port": 80, "weight": weight, "filters": [{
            "type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "Set-Cookie", "value": "flagger=on; Path=/"}]},
        }]})
    };
    route["spec"] = json!({
        "parentRefs": [{"name": stage.gateway.name(), "namespace": GATEWAY_NAMESPACE}], "hostnames": [by_hand.host()],
        "rules": [
            {
                "matches": [{"path": path, "headers": [{"name": "Cookie", "type": "RegularExpression", "value": ".*flagger=on.*"}]}],
                "backendRefs": [canary(1)],
            },
            {
                "matches": [{"path": path}],
                "backendRefs": [{"name": "shop-stable", "port": 80, "weight": 90}, canary(10)],
            },
        ],
    });
    stage.cluster().apply(&stage.namespace, &route).await?;
    by_hand.settled().await?;
    let mut users = Users::new(by_hand.load(), 1000);
    let census = users.visit(5).await?;
    ensure!(
        !accepted(1000, share, CONFIDENCE).contains(&census.of(NEW)),
        "expected a drift: {census:?}"
    );
    stage.say(&format!(
        "with a cookie on the canary alone {} of 1000 users are on {NEW} after 5 requests each, {} of them saw both",
        census.of(NEW),
        census.wavering
    ));
    Ok(())
}

/// The example with the patch of `manifests/gateway-api/example-sticky`, whose pauses end when the scene says so.
fn example() -> Result<Example> {
    let mut example = Example::read()?;
    let file = plan::repository().join("manifests/gateway-api/example-sticky/rollout.yaml");
    let patch = read(&file, "", "")?.pop().context("no Rollout")?;
    merge(&mut example.rollout, &patch);
    for step in example.canary()["steps"].as_array_mut().context("no steps")? {
        if step["pause"].is_object() {
            step["pause"] = json!({});
        }
    }
    Ok(example)
}
