//! Rollouts that are deleted in mid-release, about which the controller says nothing to a router.

use anyhow::{Result, ensure};
use futures::{future::try_join_all, try_join};
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn, shared_route};
use crate::app::{App, REQUESTS};
use crate::cluster::{Address, Kind};
use crate::example::{Example, NEW};
use crate::rollout::{Promotion, Rollout};
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

const NAME: &str = "serinus/rollout-deleted";

pub(super) const SCENE: Scene = Scene {
    name: "rollout-deleted",
    proves: "what a Rollout had on its route goes when it is deleted in mid-release: alone or beside another one, while a finalizer keeps it, and although the plugin was restarted",
    plugins: Plugins::OwnRouter(NAME),
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// Two pods of the old version and one of the new one.
const ONE_OF_THREE: f64 = 1.0 / 3.0;
const FINALIZER: &str = "example.com/slow";
/// Two Rollouts on one route; the first one stays.
const STAYS: &str = "cart";
const LEAVES: &str = "search";

async fn run(stage: Stage) -> Result<()> {
    let example = |name: &str| {
        Ok::<_, anyhow::Error>(Example::read()?.router(NAME).managed_routes(&["dark"]).named(name).steps(json!([
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": {"name": "dark", "match": [{"headerName": "x-canary", "headerValue": {"exact": "always"}}]}},
            {"setWeight": 20}, {"pause": {}},
        ])))
    };
    let alone = stage.deploy(&example("alone")?).await?;
    let kept = stage.deploy(&example("kept")?).await?;
    let both = shared_route::deploy(&stage, NAME).await?;
    let mut specs = Vec::new();
    for app in [&alone, &kept, &both] {
        specs.push(app.route().await?["spec"].take());
    }
    let [stays, leaves] = [STAYS, LEAVES].map(|name| stage.rollout(name));
    let mid_release = async |rollout: &Rollout, step: u64| {
        rollout.set_version(NEW).await?;
        rollout.paused_at(step, STEP).await
    };
    try_join!(
        mid_release(&alone.rollout, 3),
        mid_release(&kept.rollout, 3),
        mid_release(&stays, 2),
        mid_release(&leaves, 2),
    )?;
    alone.count(NEW, 0.2).await?;
    let finalizers = json!({"metadata": {"finalizers": [FINALIZER]}});
    stage
        .cluster()
        .merge(&kept.rollout.address(), "", &finalizers)
        .await?;

    // Its pods stay, as when somebody moves an application from a Rollout to a Deployment.
    let orphaning = json!({"propagationPolicy": "Orphan"});
    try_join_all(
        [&alone.rollout, &kept.rollout, &leaves]
            .map(async |rollout| stage.cluster().delete(&rollout.address(), &orphaning).await),
    )
    .await?;
    let before = stage.plugin_pid(NAME)?;
    stage.world.controller.kill_plugin(before).await?;
    stage.say("three Rollouts are deleted, and the plugin is killed");
    stays.promote(Promotion::Next).await?;
    stays.paused_at(4, STEP).await?;
    ensure!(
        stage.plugin_pid(NAME)? != before,
        "the killed plugin is still there"
    );

    try_join!(
        gone(&stage, "alone"),
        alone.restored(&specs[0]),
        kept.restored(&specs[1]),
        rules(&both, 3),
    )?;
    let object = kept.rollout.read().await?;
    ensure!(
        object["metadata"]["finalizers"] == json!([FINALIZER]),
        "it was to be there still: {object}"
    );
    stage
        .cluster()
        .merge(
            &kept.rollout.address(),
            "",
            &json!({"metadata": {"finalizers": null}}),
        )
        .await?;
    // The controller takes its hash out of the selectors of both Services, so each has the pods of both versions.
    for app in [&alone, &kept] {
        app.count(NEW, ONE_OF_THREE).await?;
        let header = app.load().header("x-canary", "always");
        app.count_of("with the header", &header, REQUESTS, NEW, ONE_OF_THREE)
            .await?;
    }
    stage.say(&format!("{LEAVES} is gone while half of {STAYS} is {NEW}"));
    shared_route::count(&both, STAYS, Some("always"), 1.0).await?;
    shared_route::count(&both, STAYS, None, 0.5).await?;
    shared_route::count(&both, LEAVES, Some("always"), ONE_OF_THREE).await?;
    let words = "Warning ReleaseAbandoned: Rollout rollout-deleted/alone was deleted in mid-release";
    wait_for("the event of the route", STEP, async || {
        let route = Address {
            kind: Kind::http_route(),
            namespace: &stage.namespace,
            name: "alone",
        };
        let told = stage.cluster().events(&route).await?;
        let is_told = told.iter().any(|event| event.starts_with(words));
        Ok(Seen::when(is_told, (), || format!("{told:?}")))
    })
    .await?;
    stays.promote(Promotion::Full).await?;
    stays.healthy(STEP).await?;
    both.restored(&specs[2]).await
}

/// Waits until a Rollout is no more.
async fn gone(stage: &Stage, name: &str) -> Result<()> {
    let rollout = stage.rollout(name);
    wait_for(format!("{name} to be gone"), STEP, async || {
        let found = stage.cluster().find(&rollout.address()).await?;
        Ok(Seen::when(found.is_none(), (), || {
            found.unwrap_or(Value::Null).to_string()
        }))
    })
    .await
}

/// Waits until the route has so many rules.
async fn rules(app: &App, count: usize) -> Result<()> {
    wait_for(format!("the route to have {count} rules"), STEP, async || {
        let rules = app.route().await?["spec"]["rules"].take();
        let found = rules.as_array().map_or(0, Vec::len);
        Ok(Seen::when(found == count, (), || rules.to_string()))
    })
    .await
}
