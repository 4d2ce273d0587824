//! What the dashboard's buttons on a Rollout do: Argo CD's resource actions, called as the dashboard calls them.

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::json;

use crate::app::App;
use crate::example::NEW;
use crate::stage::{STEP, Stage};
use crate::world::argocd::{ArgoCd, NAMESPACE};

/// Resume, abort, retry and promote-full in one release of a Rollout with the steps 20, 60, 100 and a pause after each.
pub(super) async fn press(stage: &Stage, argocd: &ArgoCd, shop: &App) -> Result<()> {
    const NEXT: &str = "v3";
    shop.rollout.set_version(NEXT).await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEXT, 0.2).await?;
    offered(
        argocd,
        &[
            "abort",
            "pause",
            "promote-full",
            "restart",
            "resume",
            "skip-current-step",
        ],
    )
    .await?;
    button(argocd, "resume").await?;
    shop.rollout.paused_at(3, STEP).await?;
    shop.count(NEXT, 0.6).await?;
    stage.say("Resume went on from the manual gate at 20 % to the one at 60 %");

    button(argocd, "abort").await?;
    shop.rollout.aborted(STEP).await?;
    shop.count(NEW, 1.0).await?;
    offered(argocd, &["promote-full", "restart", "retry", "skip-current-step"]).await?;
    stage.say("Abort gave v2 all requests back");

    button(argocd, "retry").await?;
    shop.rollout.paused_at(1, STEP).await?;
    shop.count(NEXT, 0.2).await?;
    button(argocd, "promote-full").await?;
    shop.rollout.healthy(STEP).await?;
    shop.count(NEXT, 1.0).await?;
    offered(argocd, &["restart"]).await?;
    stage.say("Retry began again at 20 %, and Promote-Full ended it: v3 has all requests");
    Ok(())
}

/// The buttons of the Rollout that are not grey.
async fn offered(argocd: &ArgoCd, want: &[&str]) -> Result<()> {
    let path = format!(
        "/api/v1/applications/shop/resource/actions?namespace={NAMESPACE}&resourceName=shop&version=v1alpha1&kind=Rollout&group=argoproj.io"
    );
    let (status, answer) = argocd.call(Method::GET, &path, None).await?;
    ensure!(status == 200, "{status} {answer}");
    let actions = answer["actions"].as_array().context("no actions")?;
    let enabled = actions.iter().filter(|action| action["disabled"] != true);
    let mut names: Vec<_> = enabled.filter_map(|action| action["name"].as_str()).collect();
    names.sort_unstable();
    ensure!(names == want, "offered are {names:?}, and {want:?} were expected");
    Ok(())
}

/// Presses one (`RunResourceActionV2` of Argo CD's `application.proto`).
async fn button(argocd: &ArgoCd, action: &str) -> Result<()> {
    let path = "/api/v1/applications/shop/resource/actions/v2";
    let body = json!({
        "name": "shop", "appNamespace": NAMESPACE, "namespace": NAMESPACE, "resourceName": "shop",
        "group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout", "action": action,
    });
    let (status, answer) = argocd.call(Method::POST, path, Some(&body)).await?;
    ensure!(status == 200, "{action}: {status} {answer}");
    Ok(())
}
