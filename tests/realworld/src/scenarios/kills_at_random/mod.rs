//! Release after release while the plugin and the controller are killed at random moments, and a user writes the routes.

mod vigil;

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use futures::future::{try_join, try_join_all, try_join3};
use serde_json::json;
use tokio::time::sleep;

use self::vigil::{COUNTER, Vigil, hostnames};
use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::App;
use crate::cluster::{Address, Kind};
use crate::example::{Example, OLD};
use crate::plan::Form;
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

const NAME: &str = "serinus/killed-at-random";

pub(super) const SCENE: Scene = Scene {
    name: "kills-at-random",
    proves: "while plugin and controller are killed at random moments every release completes, each version of each route is valid, and no field or update of a user is lost",
    plugins: Plugins::OwnRouter(NAME),
    // Every plugin of the world ends with the controller.
    turn: Turn::Alone,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// Applications, and releases of each. The controller works on ten at a time.
fn size(form: Form) -> (usize, usize) {
    match form {
        Form::Short => (5, 3),
        Form::Long => (8, 40),
    }
}

/// Time between two kills, in milliseconds. A reconcile takes some tens, a step of a release about two thousand.
const KILLS: std::ops::Range<u64> = 200..4000;
/// How long a release may take in these circumstances. A call that met a kill is made again after the controller's
/// back-off, 10 s at most, and a weight that was not verified in time after another 10 s.
const RELEASE: Duration = Duration::from_secs(300);

/// The promotion hold, and the controller's 10 s until it asks again; machines of CI are busy.
const HOLD: Duration = Duration::from_secs(45);

/// A minute of silence, and up to two until it is looked up.
const SWEEP: Duration = Duration::from_secs(240);

async fn run(stage: Stage) -> Result<()> {
    let (apps, releases) = size(stage.form());
    let seed = fastrand::u64(..);
    stage.say(&format!(
        "{apps} applications, {releases} releases each, seed {seed:#x}"
    ));
    let mut random = Rng::with_seed(seed);
    let mut shops = Vec::new();
    for n in 0..apps {
        shops.push(deploy(&stage, &format!("shop-{n}")).await?);
    }
    let over = Cell::new(false);
    let mut vigils = Vec::new();
    for shop in &shops {
        vigils.push(Vigil::begin(&stage, shop).await?);
    }
    let work = async {
        let each = shops.iter().map(async |shop| {
            let mut random = Rng::with_seed(seed ^ u64::from(shop.host().as_bytes()[5]));
            release_all(shop, releases, &mut random)
                .await
                .context(shop.host())
        });
        try_join_all(each).await?;
        over.set(true);
        Ok(())
    };
    let watching = try_join_all(vigils.iter_mut().map(|vigil| vigil.keep(&over)));
    let writing = try_join_all(shops.iter().map(|shop| write(&stage, shop, &over)));
    let ((), [plugins, controllers], (seen, written)) = try_join3(
        work,
        kill(&stage, &over, &mut random),
        try_join(watching, writing),
    )
    .await?;
    stage.say(&format!(
        "{} releases completed; the plugin was killed {plugins} times, the controller {controllers} times",
        apps * releases
    ));
    stage.say(&format!(
        "{} versions of routes were seen, each was valid, and {} updates by a user are all there",
        seen.iter().sum::<usize>(),
        written.iter().sum::<usize>()
    ));
    clean(&stage, &shops[0]).await?;
    for (at, (vigil, written)) in vigils.iter().zip(written).enumerate() {
        let (shop, another) = (&shops[at], &shops[(at + 1) % shops.len()]);
        restored(&stage, shop, another, vigil, written)
            .await
            .context(shop.host())?;
        answers(shop, &version(releases)).await?;
    }
    Ok(())
}

/// The example with fields that a router must not touch.
async fn deploy(stage: &Stage, name: &str) -> Result<App> {
    let mut example = Example::read()?
        .router(NAME)
        .managed_routes(&["dark"])
        .named(name)
        .steps(json!([
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": {"name": "dark", "match": [{"headerName": "x-canary", "headerValue": {"exact": "always"}}]}},
            {"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": "1s"}},
        ]));
    let backend = |service: &str, weight: u64| json!({"name": format!("{name}-{service}"), "port": 80, "weight": weight});
    let rules = example.route["spec"]["rules"]
        .as_array_mut()
        .context("no rules")?;
    let header = json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-theirs", "value": "1"}]}});
    rules.insert(0, json!({"name": "api", "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
        "filters": [header], "timeouts": {"request": "7s"}, "backendRefs": [backend("stable", 4), backend("canary", 0)]}));
    rules.insert(
        1,
        json!({"name": "new-one", "matches": [{"path": {"type": "PathPrefix", "value": "/new"}}],
        "backendRefs": [backend("canary", 1)]}),
    );
    let app = stage.apply(&example).await?;
    app.rollout.healthy(STEP).await?;
    answers(&app, OLD).await?;
    Ok(app)
}

/// Waits until nothing of a release is on the route: until the promotion hold is over and the controller has come back.
///
/// It does not where the plugin was killed in that very `VerifyWeight`: an error of it ends the reconcile for good
/// (`rollout/trafficrouting.go`), and the next one is that of the resync, 15 minutes later. Both Services have the same
/// pods meanwhile. The next process of the plugin, which begins when any Rollout is reconciled, then ends the release by
/// itself.
async fn restored(stage: &Stage, shop: &App, another: &App, vigil: &Vigil, written: usize) -> Result<()> {
    let look = async || {
        vigil.is_restored(&shop.route().await?, written)?;
        Ok(Seen::Yes(()))
    };
    if wait_for("the route to be what it was", HOLD, look).await.is_ok() {
        return Ok(());
    }
    stage.say(&format!(
        "{}: the end of the promotion hold was lost in a kill",
        shop.host()
    ));
    touch(stage, another).await?;
    wait_for("the plugin to make the route what it was", SWEEP, look).await
}

/// Has the controller reconcile a Rollout, and so start the plugin if it was killed.
async fn touch(stage: &Stage, shop: &App) -> Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let touch = json!({"metadata": {"annotations": {"example.com/touched": now.as_millis().to_string()}}});
    stage.cluster().merge(&shop.rollout.address(), "", &touch).await?;
    Ok(())
}

/// Waits until the plugin runs after the last kill, and has removed what the killed ones left behind.
async fn clean(stage: &Stage, shop: &App) -> Result<()> {
    let controller = &stage.world.controller;
    touch(stage, shop).await?;
    wait_for("one plugin, and no dead socket", STEP, async || {
        let (pids, dead) = (controller.plugin_pids(NAME)?, controller.dead_sockets()?);
        Ok(Seen::when(pids.len() == 1 && dead.is_empty(), (), || {
            format!("processes {pids:?}, dead sockets {dead:?}")
        }))
    })
    .await
}

/// Waits until one version answers every request. What a gateway works with is not compared here, for Traefik has other
/// names for a rule with filters.
async fn answers(shop: &App, version: &str) -> Result<()> {
    wait_for(
        format!("{version} to answer at {}", shop.host()),
        STEP,
        async || {
            shop.load().send(50).await?.expect_share(version, 1.0)?;
            Ok(Seen::Yes(()))
        },
    )
    .await
}

/// The version after so many releases.
fn version(releases: usize) -> String {
    format!("v{}", releases + 1)
}

async fn release_all(shop: &App, releases: usize, random: &mut Rng) -> Result<()> {
    for n in 1..=releases {
        release(shop, &version(n), random)
            .await
            .with_context(|| format!("release {n} of {releases}"))?;
    }
    Ok(())
}

/// One release, as people handle it.
async fn release(shop: &App, version: &str, random: &mut Rng) -> Result<()> {
    const PAUSE: u64 = 3;
    shop.rollout.set_version(version).await?;
    shop.rollout.paused_at(PAUSE, RELEASE).await?;
    match random.u8(..4) {
        0 => {
            shop.rollout.abort().await?;
            shop.rollout.aborted(RELEASE).await?;
            shop.rollout.retry().await?;
            shop.rollout.paused_at(PAUSE, RELEASE).await?;
            shop.rollout.promote(Promotion::Next).await?;
        }
        1 => shop.rollout.promote(Promotion::Full).await?,
        _ => shop.rollout.promote(Promotion::Next).await?,
    }
    shop.rollout.healthy(RELEASE).await?;
    Ok(())
}

/// Kills the plugin and, less often, the controller, until all is over. Answers how often each.
async fn kill(stage: &Stage, over: &Cell<bool>, random: &mut Rng) -> Result<[usize; 2]> {
    let controller = &stage.world.controller;
    let mut killed = [0, 0];
    while !over.get() {
        sleep(Duration::from_millis(random.u64(KILLS))).await;
        if random.u8(..8) == 0 {
            let dead = controller.dead_sockets()?;
            controller.kill().await?;
            controller.plugins_gone_but_for(&dead).await?;
            controller.start_again().await?;
            killed[1] += 1;
        } else if let [pid] = controller.plugin_pids(NAME)?[..] {
            controller.kill_plugin(pid).await?;
            killed[0] += 1;
        }
    }
    Ok(killed)
}

/// Changes the route as its user, in metadata and in spec, until all is over. Answers how often.
async fn write(stage: &Stage, shop: &App, over: &Cell<bool>) -> Result<usize> {
    let host = shop.host();
    let name = host.split('.').next().unwrap_or_default();
    let address = Address {
        kind: Kind::http_route(),
        namespace: &stage.namespace,
        name,
    };
    let mut written = 0;
    while !over.get() {
        written += 1;
        let mut patch = json!({"metadata": {"annotations": {COUNTER: written.to_string()}}});
        // A change of spec makes the gateway report again, which a release waits for.
        if written % 10 == 0 {
            patch["spec"] = json!({"hostnames": hostnames(&host, written)});
        }
        stage.cluster().merge(&address, "", &patch).await?;
        sleep(Duration::from_millis(400)).await;
    }
    Ok(written)
}
