//! Two Rollouts on one route, each with a header route of the same name.

use anyhow::Result;
use futures::try_join;
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::{App, REQUESTS};
use crate::example::{Example, NEW, OLD, ROUTER};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

pub(super) const SCENE: Scene = Scene {
    name: "shared-route",
    proves: "two Rollouts on one route, with header routes of one name: one is released while the other is aborted, and neither meddles with the other's rules",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// The Rollouts, which answer the paths of their names.
const NAMES: [&str; 2] = ["cart", "search"];
const ROUTE: &str = "both";

async fn run(stage: Stage) -> Result<()> {
    let route = deploy(&stage, ROUTER).await?;
    let before = route.route().await?["spec"].take();
    let [cart, search] = NAMES.map(|name| stage.rollout(name));
    try_join!(cart.set_version(NEW), search.set_version(NEW))?;
    try_join!(cart.paused_at(2, STEP), search.paused_at(2, STEP))?;
    for name in NAMES {
        count(&route, name, Some("always"), 1.0).await?;
        count(&route, name, None, 0.0).await?;
    }
    cart.promote(Promotion::Next).await?;
    cart.paused_at(4, STEP).await?;
    search.abort().await?;
    search.aborted(STEP).await?;
    stage.say("search is aborted while half of cart is v2");
    count(&route, "cart", None, 0.5).await?;
    count(&route, "cart", Some("always"), 1.0).await?;
    count(&route, "search", None, 0.0).await?;
    count(&route, "search", Some("always"), 0.0).await?;
    search.retry().await?;
    search.paused_at(2, STEP).await?;
    cart.promote(Promotion::Full).await?;
    cart.healthy(STEP).await?;
    stage.say("cart is released while search waits at its header route again");
    count(&route, "cart", None, 1.0).await?;
    count(&route, "search", None, 0.0).await?;
    count(&route, "search", Some("always"), 1.0).await?;
    search.promote(Promotion::Full).await?;
    search.healthy(STEP).await?;
    count(&route, "search", None, 1.0).await?;
    route.restored(&before).await
}

/// Two examples whose rules are in one route.
pub(super) async fn deploy(stage: &Stage, router: &str) -> Result<App> {
    let mut examples = Vec::new();
    for name in NAMES {
        let mut example = Example::read()?.managed_routes(&["dark"]).named(name).steps(json!([
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": {"name": "dark", "match": [{"headerName": "x-canary", "headerValue": {"exact": "always"}}]}},
            {"pause": {}},
            {"setWeight": 50}, {"pause": {}},
        ]));
        example.canary()["trafficRouting"]["plugins"] = json!({router: {"httpRoute": ROUTE}});
        example.route["spec"]["rules"][0]["matches"][0]["path"]["value"] = json!(format!("/{name}"));
        examples.push(example);
    }
    let app = App::new(stage, ROUTE);
    let mut route = examples[0].route.clone();
    route["metadata"]["name"] = json!(ROUTE);
    route["spec"]["hostnames"] = json!([app.host()]);
    let rules: Vec<Value> = examples
        .iter_mut()
        .map(|example| example.route["spec"]["rules"][0].take())
        .collect();
    route["spec"]["rules"] = json!(rules);
    let mut objects = vec![route];
    for example in examples {
        objects.extend(example.services);
        objects.push(example.rollout);
    }
    stage.cluster().apply_all(&stage.namespace, &objects).await?;
    for name in NAMES {
        stage.rollout(name).healthy(STEP).await?;
        count(&app, name, None, 0.0).await?;
    }
    Ok(app)
}

/// Counts requests of one of the two paths, with the header if it is given.
pub(super) async fn count(route: &App, name: &str, header: Option<&str>, share: f64) -> Result<()> {
    let mut load = route.load().path(&format!("/{name}"));
    let mut which = format!("/{name}");
    if let Some(value) = header {
        load = load.header("x-canary", value);
        which.push_str(" with the header");
    }
    let version = if share == 0.0 { OLD } else { NEW };
    let share = if share == 0.0 { 1.0 } else { share };
    route.count_of(&which, &load, REQUESTS, version, share).await
}
