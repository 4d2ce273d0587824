//! A canary that only those see who ask for it, then by and by everybody.

use anyhow::Result;
use serde_json::json;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::{App, REQUESTS};
use crate::example::{Example, NEW, OLD};
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};

const PROVES: &str = "requests with the header, and no others, reach v2; then 40 %, 60 %, 100 % of the others do; the route is then what it was";

pub(super) const ON_TRAEFIK: Scene = Scene {
    name: "dark-canary",
    proves: PROVES,
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

pub(super) const ON_ENVOY: Scene = Scene {
    name: "dark-canary-envoy",
    gateway: Gateway::Envoy,
    ..ON_TRAEFIK
};

pub(super) const ON_CONTOUR: Scene = Scene {
    name: "dark-canary-contour",
    gateway: Gateway::Contour,
    ..ON_TRAEFIK
};

pub(super) const ON_ISTIO: Scene = Scene {
    name: "dark-canary-mesh",
    gateway: Gateway::Istio,
    ..ON_TRAEFIK
};

async fn run(stage: Stage) -> Result<()> {
    let example = Example::read()?.managed_routes(&["dark"]).steps(json!([
        {"setCanaryScale": {"replicas": 1}},
        {"setHeaderRoute": {"name": "dark", "match": [{"headerName": "x-canary", "headerValue": {"exact": "always"}}]}},
        {"pause": {}},
        {"setCanaryScale": {"matchTrafficWeight": true}},
        {"setWeight": 40}, {"pause": {}},
        {"setWeight": 60}, {"pause": {}},
        {"setWeight": 100}, {"pause": {}},
    ]));
    let shop = stage.deploy(&example).await?;
    let before = shop.route().await?["spec"].take();
    shop.rollout.set_version(NEW).await?;
    shop.rollout.paused_at(2, STEP).await?;
    stage.say("the dark canary is up");
    with_header(&shop, "always", 1.0).await?;
    with_header(&shop, "never", 0.0).await?;
    shop.count(NEW, 0.0).await?;
    for (pause, share) in [(5, 0.4), (7, 0.6), (9, 1.0)] {
        shop.rollout.promote(Promotion::Next).await?;
        shop.rollout.paused_at(pause, STEP).await?;
        shop.count(NEW, share).await?;
        with_header(&shop, "always", 1.0).await?;
    }
    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await?;
    shop.restored(&before).await
}

async fn with_header(shop: &App, value: &str, share: f64) -> Result<()> {
    let load = shop.load().header("x-canary", value);
    shop.count_of(&format!("x-canary: {value}"), &load, REQUESTS, NEW, share)
        .await
}
