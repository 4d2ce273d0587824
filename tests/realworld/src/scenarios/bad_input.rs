//! What users get wrong: in mid-release, each in a Rollout of its own, is told in a sentence, harms nothing, and is
//! mended by mending it.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{Controllers, Gateway, Plugins, Scene, Turn, router};
use crate::app::App;
use crate::example::{Example, NEW, OLD, ROUTER};
use crate::plan::Plan;
use crate::rollout::{Promotion, Rollout};
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};
use crate::world::Registration;
use crate::world::credentials::Credentials;

/// The router, registered with a kubeconfig at whose address nobody listens.
const CUT_OFF: &str = "serinus/cut-off";

pub(super) const SCENE: Scene = Scene {
    name: "bad-input",
    proves: "a wrong route, backend, setting or API server is told in the Rollout's events; requests are dealt as before",
    plugins: Plugins::Registered(registrations),
    turn: Turn::Together,
    controllers: Controllers::All,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

fn registrations(plan: &Plan) -> Result<Vec<Registration>> {
    let kubeconfig = Credentials::of(plan).unreachable().display().to_string();
    let cut_off = Registration {
        env: vec![("KUBECONFIG".to_owned(), kubeconfig)],
        ..router(plan, CUT_OFF)?
    };
    Ok(vec![router(plan, ROUTER)?, cut_off])
}

/// One thing that a user gets wrong.
struct Mistake {
    /// In a word: the name of its Rollout, route and services.
    name: &'static str,
    /// `trafficRouting.plugins` as the user writes them; none if it is the route that is wrong.
    plugins: Option<Value>,
    /// What the sentence must name.
    words: &'static [&'static str],
}

fn mistakes() -> [Mistake; 5] {
    let plugins = |name: &str, config: Value| Some(json!({name: config}));
    [
        Mistake {
            name: "no-such-route",
            plugins: plugins(ROUTER, json!({"httpRoute": "nowhere"})),
            words: &["HTTPRoute bad-input/nowhere", "not found"],
        },
        Mistake {
            name: "a-number",
            plugins: plugins(ROUTER, json!({"httpRoute": 7})),
            words: &[".httpRoute", "7"],
        },
        Mistake {
            name: "misspelt",
            plugins: plugins(ROUTER, json!({"httpRuote": "misspelt"})),
            words: &[".httpRuote", "httpRoute"],
        },
        Mistake {
            name: "cut-off",
            plugins: plugins(CUT_OFF, json!({"httpRoute": "cut-off"})),
            words: &[
                "HTTPRoute bad-input/cut-off",
                "the API server https://127.0.0.1:9 cannot be reached",
            ],
        },
        Mistake {
            name: "no-backend",
            plugins: None,
            words: &[
                "HTTPRoute bad-input/no-backend",
                "backendRefs",
                "no-backend-canary",
            ],
        },
    ]
}

async fn run(stage: Stage) -> Result<()> {
    let controller = stage.world.controller.process().pid().await;
    let mistakes = mistakes();
    try_join_all(
        mistakes
            .iter()
            .map(async |mistake| make_and_mend(&stage, mistake).await.with_context(|| mistake.name)),
    )
    .await?;
    come_before_its_route(&stage).await.context("early")?;
    ensure!(
        stage.world.controller.process().pid().await == controller,
        "the controller did not live through it"
    );
    stage.plugin_pid(ROUTER)?;
    Ok(())
}

async fn make_and_mend(stage: &Stage, mistake: &Mistake) -> Result<()> {
    let app = stage.deploy(&Example::read()?.named(mistake.name)).await?;
    app.rollout.set_version(NEW).await?;
    app.rollout.paused_at(1, STEP).await?;
    app.count(NEW, 0.2).await?;
    let good = app.route().await?["spec"].take();
    let plugin = stage.plugin_pid(ROUTER)?;

    make(stage, &app, mistake, &good).await?;
    let sentence = told(&app.rollout, mistake.words).await?;
    stage.say(&format!("{}: {sentence}", mistake.name));
    if mistake.plugins.is_some() {
        ensure!(app.route().await?["spec"] == good, "the route is not what it was");
        app.count(NEW, 0.2).await?;
    }
    app.write_route(&good).await?;
    configure(stage, &app.rollout, &json!({ROUTER: {"httpRoute": mistake.name}})).await?;
    app.rollout.rests(STEP).await?;
    app.rollout.promote(Promotion::Next).await?;
    app.rollout.paused_at(3, STEP).await?;
    app.count(NEW, 0.6).await?;
    app.rollout.promote(Promotion::Full).await?;
    app.rollout.healthy(STEP).await?;
    app.count(OLD, 0.0).await?;
    ensure!(
        stage.plugin_pid(ROUTER)? == plugin,
        "the plugin did not live through it"
    );
    Ok(())
}

/// A Rollout that is applied before its route: it is told what is missing, and comes up when the route comes.
async fn come_before_its_route(stage: &Stage) -> Result<()> {
    let example = Example::read()?.named("early");
    stage
        .cluster()
        .apply_all(
            &stage.namespace,
            &[&example.services[..], std::slice::from_ref(&example.rollout)].concat(),
        )
        .await?;
    let sentence = told(
        &stage.rollout("early"),
        &["HTTPRoute bad-input/early", "not found"],
    )
    .await?;
    stage.say(&format!("early: {sentence}"));
    stage.deploy(&example).await?;
    Ok(())
}

async fn make(stage: &Stage, app: &App, mistake: &Mistake, good: &Value) -> Result<()> {
    if let Some(plugins) = &mistake.plugins {
        return configure(stage, &app.rollout, plugins).await;
    }
    let mut stable_only = good.clone();
    stable_only["rules"][0]["backendRefs"]
        .as_array_mut()
        .context("no backends")?
        .pop();
    app.write_route(&stable_only).await?;
    // The controller does not watch routes; anything that happens to the Rollout makes it look.
    let same = json!({ROUTER: {"httpRoute": mistake.name, "namespace": stage.namespace}});
    configure(stage, &app.rollout, &same).await
}

/// Gives the Rollout another `trafficRouting.plugins` in place of what it had.
async fn configure(stage: &Stage, rollout: &Rollout, plugins: &Value) -> Result<()> {
    // The controller writes the Rollout, too: read again what it wrote, as kubectl edit makes its user do.
    wait_for("the Rollout to take the configuration", STEP, async || {
        let mut object = rollout.read().await?;
        object["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"] = plugins.clone();
        stage.cluster().replace(&object).await.map(|_| Seen::Yes(()))
    })
    .await
}

/// Waits for an event of the Rollout that has all of the words.
async fn told(rollout: &Rollout, words: &[&str]) -> Result<String> {
    wait_for(format!("an event that says {words:?}"), STEP, async || {
        let events = rollout.events().await?;
        let said = events
            .iter()
            .find(|event| words.iter().all(|word| event.contains(word)))
            .cloned();
        Ok(said.map_or_else(|| Seen::Not(format!("{events:#?}")), Seen::Yes))
    })
    .await
}
