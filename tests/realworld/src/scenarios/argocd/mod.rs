//! Canary steps switched in Argo CD, and walked by the Rollouts controller.

mod buttons;
mod git;
mod manifests;

use anyhow::{Context, Result, bail, ensure};
use http::Request;
use serde_json::{Value, json};

use super::{Plugins, Scene, Turn};
use crate::app::App;
use crate::cluster::read;
use crate::example::{NEW, OLD, weights};
use crate::plan;
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};
use crate::world::Gateway;
use crate::world::argocd::{ArgoCd, NAMESPACE, PLUGIN, TEAM_NAMESPACE};
use git::Git;

pub(super) const SCENE: Scene = Scene {
    name: NAMESPACE,
    proves: "steps typed in Argo CD are saved or refused, synced, walked, kept in the history, taken back; its buttons on the Rollout are obeyed",
    plugins: Plugins::RouterAndCanarySteps,
    turn: Turn::Together,
    controllers: super::Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

const TYPED: &str = "25,pause,100";

async fn run(stage: Stage) -> Result<()> {
    let team = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM_NAMESPACE}});
    stage.cluster().apply("", &team).await?;
    let policy = read(
        &plan::repository().join("manifests/canary-steps/policy.yaml"),
        "",
        "",
    )?;
    stage.cluster().apply_all("", &policy).await?;
    let git = Git::create(
        &stage.world.plan.folder.join("git"),
        &App::new(&stage, "shop").host(),
    )?;
    let argocd = ArgoCd::start(&stage.world).await?;
    let outcome = play(&stage, &git, &argocd).await;
    outcome.with_context(|| argocd.tails())?;
    manifests::apply(&stage).await?;
    stage.say("the manifests for operators are accepted, and the sidecars fit Argo CD's own repo-server");
    Ok(())
}

async fn play(stage: &Stage, git: &Git, argocd: &ArgoCd) -> Result<()> {
    let shop = App::new(stage, "shop");
    let source =
        json!({"repoURL": git.url(), "path": "shop", "targetRevision": "main", "plugin": {"name": PLUGIN}});
    stage
        .cluster()
        .apply(
            NAMESPACE,
            &application("shop", NAMESPACE, &json!({"source": source})),
        )
        .await?;
    let announced = argocd.announced("shop", &source).await?;
    expect(&announced, "canary/shop", "shop: git, 6 steps", "git")?;
    argocd.sync(NAMESPACE, "shop").await?;
    shop.rollout.healthy(STEP).await?;
    let in_git = steps(&shop).await?;
    ensure!(
        in_git.as_array().is_some_and(|steps| steps.len() == 6),
        "{in_git}"
    );
    stage.say("announced as in Git, synced as in Git");

    let refused = argocd.save(NAMESPACE, "shop", &typed("25,paus")).await;
    let words = refused
        .err()
        .context("a word that is no step was saved")?
        .to_string();
    let ours = "canary/shop: item 2 \"paus\" is not a step; did you mean \"pause\"?";
    ensure!(words.contains(ours), "{words}");
    stage.say(&format!(
        "Save refused: …{}",
        &words[words.find(ours).unwrap_or(0)..]
    ));

    argocd.save(NAMESPACE, "shop", &typed(TYPED)).await?;
    let mut switched = source.clone();
    switched["plugin"]["parameters"] = typed(TYPED);
    let announced = argocd.announced("shop", &switched).await?;
    expect(&announced, "canary/shop", "shop: 3 steps", TYPED)?;
    let synced = argocd.sync(NAMESPACE, "shop").await?;
    let wanted = json!([{"setWeight": 25}, {"pause": {}}, {"setWeight": 100}]);
    ensure!(steps(&shop).await? == wanted, "{}", steps(&shop).await?);
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 1.0).await?;
    nothing_differs(argocd).await?;
    let last = synced["status"]["history"]
        .as_array()
        .and_then(|history| history.last());
    let remembered = last.map(|entry| entry["source"]["plugin"]["parameters"].clone());
    ensure!(remembered == Some(typed(TYPED)), "the history has {remembered:?}");
    stage.say(&format!(
        "saved and synced: {TYPED} is live, in the history, and no pod was touched"
    ));

    walk(stage, git, argocd, &shop).await?;
    argocd.save(NAMESPACE, "shop", &typed("off")).await?;
    argocd.sync(NAMESPACE, "shop").await?;
    let live = shop.rollout.read().await?;
    let canary = &live["spec"]["strategy"]["canary"];
    ensure!(canary.get("steps").is_none(), "off left {}", canary["steps"]);
    argocd.save(NAMESPACE, "shop", &typed("git")).await?;
    argocd.sync(NAMESPACE, "shop").await?;
    ensure!(steps(&shop).await? == in_git, "{}", steps(&shop).await?);
    shop.rollout.healthy(STEP).await?;
    stage.say("off took the steps away, git brought Git's back");
    buttons::press(stage, argocd, &shop).await?;
    elsewhere(stage, git, argocd).await
}

/// After a sync all is as in Git, but for what is ignored.
async fn nothing_differs(argocd: &ArgoCd) -> Result<()> {
    wait_for("Application shop to be as in Git", STEP, async || {
        let shop = argocd.refresh(NAMESPACE, "shop").await?;
        let resources = shop["status"]["resources"].as_array().into_iter().flatten();
        let different = resources.filter(|one| one["status"] != "Synced");
        let names: Vec<_> = different
            .map(|one| format!("{} {}", one["kind"], one["name"]))
            .collect();
        let state = &shop["status"]["sync"]["status"];
        Ok(Seen::when(state == "Synced", (), || {
            format!("{state}: {}", names.join(", "))
        }))
    })
    .await
}

/// A release walks exactly the typed steps, and nobody can change them meanwhile.
async fn walk(stage: &Stage, git: &Git, argocd: &ArgoCd, shop: &App) -> Result<()> {
    git.release(NEW)?;
    argocd.sync(NAMESPACE, "shop").await?;
    shop.rollout.paused_at(1, STEP).await?;
    let live = weights(&shop.route().await?);
    ensure!(live["shop-canary"] == 25 && live["shop-stable"] == 75, "{live:?}");
    shop.count(NEW, 0.25).await?;
    stage.say("the controller paused at step 1 of 3 with 25 % of the requests");

    let refused = change_steps(stage, None).await.err();
    let words = refused.context("steps were changed in mid-release")?.to_string();
    ensure!(words.contains("Rollout shop is in mid-release"), "{words}");
    let hash = shop.rollout.read().await?["status"]["currentPodHash"].clone();
    let hash = hash.as_str().context("no pod hash")?;
    ensure!(
        change_steps(stage, Some("another")).await.is_err(),
        "another release's exception counts"
    );
    change_steps(stage, Some(hash)).await?;
    argocd.save(NAMESPACE, "shop", &typed("off")).await?;
    let words = argocd.sync(NAMESPACE, "shop").await.err();
    let words = words.context("off was synced in mid-release")?.to_string();
    ensure!(words.contains("Rollout shop is in mid-release"), "{words}");
    argocd.save(NAMESPACE, "shop", &typed(TYPED)).await?;
    shop.rollout.paused_at(1, STEP).await?;
    stage.say(
        "the policy refused other steps, to a patch and to a sync, but for the exception of this release",
    );

    shop.rollout.promote(Promotion::Next).await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(OLD, 0.0).await?;
    stage.say("promoted: v2 has all requests");
    Ok(())
}

/// Several sources, an Application outside of Argo CD's own namespace, and a switch in a file of Git.
async fn elsewhere(stage: &Stage, git: &Git, argocd: &ArgoCd) -> Result<()> {
    let sources = json!([
        {"repoURL": git.url(), "path": "config", "targetRevision": "main"},
        {"repoURL": git.url(), "path": "lone", "targetRevision": "main", "plugin": {"name": PLUGIN}},
    ]);
    let object = application("lone", TEAM_NAMESPACE, &json!({"sources": sources}));
    stage.cluster().apply(TEAM_NAMESPACE, &object).await?;
    argocd.sync(TEAM_NAMESPACE, "lone").await?;
    let lone = stage.rollout("lone");
    let live = lone.read().await?["spec"]["strategy"]["canary"]["steps"].clone();
    ensure!(live == json!([{"setWeight": 5}, {"pause": {}}]), "{live}");
    lone.healthy(STEP).await?;
    stage.say("two sources, in a team's namespace, switched by .argocd-source-<app>.yaml in Git");
    Ok(())
}

/// Changes the steps of the live Rollout as a patch would, with the annotation of the exception or without; a dry run, so
/// that nothing happens where it is allowed.
async fn change_steps(stage: &Stage, exception: Option<&str>) -> Result<()> {
    let mut patch = json!({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 1}]}}}});
    if let Some(hash) = exception {
        patch["metadata"] = json!({"annotations": {"serinus.dev/steps-in-release": hash}});
    }
    let namespace = &stage.namespace;
    let request = Request::patch(format!(
        "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/shop?dryRun=All"
    ))
    .header("content-type", "application/merge-patch+json")
    .body(patch.to_string().into())?;
    match stage.cluster().client().request_text(request).await {
        Ok(_) => Ok(()),
        Err(error) => bail!("{error}"),
    }
}

fn application(name: &str, namespace: &str, sources: &Value) -> Value {
    let mut spec = json!({
        "project": "default",
        "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
        // The weights belong to the traffic router.
        "ignoreDifferences": [{
            "group": "gateway.networking.k8s.io", "kind": "HTTPRoute",
            "jqPathExpressions": [".spec.rules[].backendRefs[].weight"],
        }],
        "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]},
    });
    for (key, value) in sources.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

fn typed(value: &str) -> Value {
    json!([{"name": "canary/shop", "string": value}])
}

async fn steps(app: &App) -> Result<Value> {
    Ok(app.rollout.read().await?["spec"]["strategy"]["canary"]["steps"].clone())
}

fn expect(announced: &[(String, String, String)], name: &str, title: &str, value: &str) -> Result<()> {
    let found = announced.iter().find(|(n, ..)| n == name);
    ensure!(
        found.is_some_and(|(_, t, v)| t == title && v == value),
        "{announced:?}"
    );
    Ok(())
}
