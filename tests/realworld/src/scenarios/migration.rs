//! A Deployment that becomes a Rollout, a Deployment again, and a Rollout with a template of its own, by what
//! `serinus migrate` says.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use serinus::manifests::{self, Document};
use serinus::migrate::{How, Migration, Template, Wishes, plan};
use tokio::time::sleep;

use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::app::App;
use crate::cluster::{Address, Kind};
use crate::example::{NEW, OLD};
use crate::plan::repository;
use crate::rollout::Promotion;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};

pub(super) const SCENE: Scene = Scene {
    name: "migration",
    proves: "a Deployment becomes a Rollout by workloadRef, releases by it, and goes back, under load and without a failed request",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// Pods of the example's Deployment.
const PODS: u32 = 2;

async fn run(stage: Stage) -> Result<()> {
    let shop = App::new(&stage, "shop");
    let given = given(&stage, &shop)?;
    for document in &given {
        stage.cluster().apply(&stage.namespace, &document.value).await?;
    }
    deployment_has(&stage, PODS).await?;
    shop.count(OLD, 1.0).await?;
    let wishes = Wishes {
        steps: "20,pause,60,pause,100,pause".to_owned(),
        // The autoscaler's manifests do not say it.
        replicas: Some(PODS),
        ..Wishes::default()
    };

    let load = shop.load().keep_sending()?;
    let migration = plan(&given, &wishes)?;
    forth(&stage, &shop, &migration).await?;
    shop.count(OLD, 1.0).await?;
    stage.say("migrated by workloadRef: the controller took the Deployment's pods away, and the autoscaler has the Rollout");
    linger().await;
    stage.say(&format!(
        "the migration: {}",
        load.stop().await.expect_no_failure()?
    ));

    let load = shop.load().keep_sending()?;
    release(&stage, &shop).await?;
    linger().await;
    stage.say(&format!("a release: {}", load.stop().await.expect_no_failure()?));

    let load = shop.load().keep_sending()?;
    back(&stage, &shop, &given).await?;
    shop.count(NEW, 1.0).await?;
    linger().await;
    stage.say(&format!(
        "the way back: {}",
        load.stop().await.expect_no_failure()?
    ));

    // What is deployed now has the image of the release.
    let released: Vec<Document> = given.iter().map(|document| with_image(document, NEW)).collect();
    let inline = Wishes {
        template: Template::Inline,
        ..wishes
    };
    let load = shop.load().keep_sending()?;
    forth(&stage, &shop, &plan(&released, &inline)?).await?;
    shop.count(NEW, 1.0).await?;
    linger().await;
    stage.say(&format!(
        "migrated with the template moved in: {}",
        load.stop().await.expect_no_failure()?
    ));
    Ok(())
}

/// The example of `serinus`, for this world's gateway and its pods.
fn given(stage: &Stage, shop: &App) -> Result<Vec<Document>> {
    let folder = repository().join("crates/serinus/example");
    let mut documents = Vec::new();
    for file in ["deployment.yaml", "traffic.yaml", "scaling.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).with_context(|| file.to_owned())?;
        let text = text
            .replace("argoproj/rollouts-demo:blue", &format!("shop:{OLD}"))
            .replace("shop.example.com", &shop.host())
            .replace(
                "- name: gateway\n",
                &format!("- name: {}\n", stage.gateway.name()),
            );
        documents.extend(manifests::documents(file, &text)?);
    }
    Ok(documents)
}

fn with_image(document: &Document, version: &str) -> Document {
    let text = document
        .text
        .replace(&format!("shop:{OLD}"), &format!("shop:{version}"));
    let documents = manifests::documents("released", &text);
    documents
        .ok()
        .and_then(|mut all| all.pop())
        .unwrap_or_else(|| document.clone())
}

/// Makes the moves of a migration in their order. What it says in commands is done through the API.
async fn forth(stage: &Stage, shop: &App, migration: &Migration) -> Result<()> {
    let cluster = stage.cluster();
    for one in &migration.guide.order {
        match &one.how {
            How::Apply(document) if document.value["kind"] == "Deployment" => {
                // Before it is applied the cluster is so already.
                deployment_has(stage, 0).await?;
                cluster.apply(&stage.namespace, &document.value).await?;
            }
            How::Apply(document) => {
                cluster.apply(&stage.namespace, &document.value).await?;
            }
            How::Run(commands) => {
                ensure!(commands == &["kubectl delete deployment shop"], "{commands:?}");
                let options = json!({"propagationPolicy": "Background"});
                cluster
                    .delete(&address(stage, "Deployment", "shop"), &options)
                    .await?;
            }
        }
        if !one.until.is_empty() {
            shop.rollout.healthy(STEP).await?;
        }
    }
    pods_are(stage, true).await?;
    let scaler = cluster
        .read(&address(stage, "HorizontalPodAutoscaler", "shop"))
        .await?;
    ensure!(
        scaler["spec"]["scaleTargetRef"]["kind"] == "Rollout",
        "{}",
        scaler["spec"]["scaleTargetRef"]
    );
    Ok(())
}

/// A release as the team knows it: another image in the Deployment.
async fn release(stage: &Stage, shop: &App) -> Result<()> {
    let cluster = stage.cluster();
    let deployment = address(stage, "Deployment", "shop");
    let mut containers = cluster.read(&deployment).await?["spec"]["template"]["spec"]["containers"].take();
    containers[0]["image"] = json!(format!("shop:{NEW}"));
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    cluster.merge(&deployment, "", &patch).await?;
    for (step, share) in [(1, 0.2), (3, 0.6), (5, 1.0)] {
        shop.rollout.paused_at(step, STEP).await?;
        shop.count(NEW, share).await?;
        shop.rollout.promote(Promotion::Next).await?;
    }
    shop.rollout.healthy(STEP).await?;
    pods_are(stage, true).await?;
    deployment_has(stage, 0).await?;
    shop.settled().await
}

/// The way back of the guide, move by move.
async fn back(stage: &Stage, shop: &App, given: &[Document]) -> Result<()> {
    let cluster = stage.cluster();
    let rollout = shop.rollout.address();
    let never = json!({"spec": {"workloadRef": {"scaleDown": "never"}}});
    cluster.merge(&rollout, "", &never).await?;
    let deployment = address(stage, "Deployment", "shop");
    cluster
        .merge(&deployment, "", &json!({"spec": {"replicas": PODS}}))
        .await?;
    deployment_has(stage, PODS).await?;

    let orphan = json!({"propagationPolicy": "Orphan"});
    cluster.delete(&rollout, &orphan).await?;
    wait_for(
        "the Service to select both kinds of pods again",
        STEP,
        async || {
            let selector = cluster.read(&address(stage, "Service", "shop")).await?["spec"]["selector"].take();
            let bare = selector == json!({"app": "shop"});
            Ok(Seen::when(bare, (), || selector.to_string()))
        },
    )
    .await?;
    shop.settled().await?;

    let kinds = ["HTTPRoute", "HorizontalPodAutoscaler"];
    for document in given
        .iter()
        .filter(|one| kinds.contains(&one.value["kind"].as_str().unwrap_or_default()))
    {
        cluster.apply(&stage.namespace, &document.value).await?;
    }
    shop.settled().await?;
    for set in cluster.list(Kind::replica_set(), &stage.namespace).await? {
        if !set["metadata"]["labels"][HASH].is_null() {
            let name = set["metadata"]["name"].as_str().unwrap_or_default();
            let options = json!({"propagationPolicy": "Background"});
            cluster
                .delete(&address(stage, "ReplicaSet", name), &options)
                .await?;
        }
    }
    cluster
        .delete(&address(stage, "Service", "shop-canary"), &json!({}))
        .await?;
    pods_are(stage, false).await
}

/// Label by which the controller tells the pods of versions apart.
const HASH: &str = "rollouts-pod-template-hash";

/// Waits until there are as many pods as there should be, all of a Rollout or none.
async fn pods_are(stage: &Stage, of_rollout: bool) -> Result<()> {
    wait_for("the pods of one version to be left", STEP, async || {
        let pods = stage.cluster().list(Kind::pod(), &stage.namespace).await?;
        let hashes: BTreeSet<&str> = pods
            .iter()
            .map(|pod| pod["metadata"]["labels"][HASH].as_str().unwrap_or_default())
            .collect();
        let one = hashes.len() == 1 && hashes.contains("") != of_rollout;
        Ok(Seen::when(one && pods.len() == PODS as usize, (), || {
            format!("{} pods of {hashes:?}", pods.len())
        }))
    })
    .await
}

/// Waits until the Deployment is to have so many pods, and has them.
async fn deployment_has(stage: &Stage, pods: u32) -> Result<()> {
    wait_for(format!("the Deployment to have {pods} pods"), STEP, async || {
        let deployment = stage
            .cluster()
            .read(&address(stage, "Deployment", "shop"))
            .await?;
        let (wanted, available) = (
            &deployment["spec"]["replicas"],
            &deployment["status"]["availableReplicas"],
        );
        let there = *wanted == json!(pods) && available.as_u64().unwrap_or(0) == u64::from(pods);
        Ok(Seen::when(there, (), || {
            format!("{wanted} wanted, {available} available")
        }))
    })
    .await
}

fn address<'a>(stage: &'a Stage, kind: &str, name: &'a str) -> Address<'a> {
    let api_version = match kind {
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "Service" => "v1",
        _ => "apps/v1",
    };
    Address {
        kind: Kind::new(api_version, kind),
        namespace: &stage.namespace,
        name,
    }
}

/// The last pod that leaves still answers for three seconds.
async fn linger() {
    sleep(Duration::from_secs(4)).await;
}
