//! What `manifests/canary-steps` offers to operators, put to a real API server with Argo CD's definitions.

use anyhow::{Context, Result, ensure};
use http::Request;
use serde_json::{Value, json};

use crate::cluster::read;
use crate::plan;
use crate::stage::Stage;
use crate::world::argocd::NAMESPACE;

/// Dry runs: nothing of it stays.
pub(super) async fn apply(stage: &Stage) -> Result<()> {
    let folder = plan::repository().join("manifests/canary-steps");
    for (file, path) in [
        (
            "config.yaml",
            format!("/api/v1/namespaces/{NAMESPACE}/configmaps"),
        ),
        (
            "argocd-cm.yaml",
            format!("/api/v1/namespaces/{NAMESPACE}/configmaps"),
        ),
        (
            "app-of-apps.yaml",
            format!("/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"),
        ),
        (
            "applicationset.yaml",
            format!("/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applicationsets"),
        ),
    ] {
        for object in read(&folder.join(file), "", "")? {
            let name = object["metadata"]["name"].as_str().context("no name")?;
            let query = "dryRun=All&fieldManager=scene&force=true&fieldValidation=Strict";
            let path = format!("{path}/{name}?{query}");
            patch(stage, &path, "application/apply-patch+yaml", &object)
                .await
                .with_context(|| file.to_owned())?;
        }
    }
    // Argo CD's own Deployment, at rest.
    let base = stage
        .world
        .plan
        .toolbox
        .source("argocd")?
        .join("../base/repo-server");
    let deployment = read(&base.join("argocd-repo-server-deployment.yaml"), "", "")?.pop();
    let mut deployment = deployment.context("Argo CD's module has no repo-server")?;
    deployment["spec"]["replicas"] = json!(0);
    stage.cluster().apply(NAMESPACE, &deployment).await?;
    for (file, list) in [
        ("native-sidecar.yaml", "initContainers"),
        ("sidecar.yaml", "containers"),
    ] {
        let change = read(&folder.join(file), "", "")?.pop().context("an empty file")?;
        let path = format!(
            "/apis/apps/v1/namespaces/{NAMESPACE}/deployments/argocd-repo-server?dryRun=All&fieldValidation=Strict"
        );
        let patched = patch(stage, &path, "application/strategic-merge-patch+json", &change)
            .await
            .with_context(|| file.to_owned())?;
        let containers = patched["spec"]["template"]["spec"][list].as_array();
        let ours = containers.and_then(|all| all.iter().find(|one| one["name"] == "canary-steps"));
        let ours = ours.with_context(|| format!("{file}: no container canary-steps in {list}"))?;
        ensure!(
            ours["livenessProbe"]["exec"]["command"][1] == "probe",
            "{file}: {ours}"
        );
        let server = patched["spec"]["template"]["spec"]["containers"].as_array();
        let server = server.and_then(|all| all.iter().find(|one| one["name"] == "argocd-repo-server"));
        ensure!(server.is_some(), "{file} takes the repo-server away");
    }
    Ok(())
}

async fn patch(stage: &Stage, path: &str, content: &str, body: &Value) -> Result<Value> {
    let request = Request::patch(path)
        .header("content-type", content)
        .body(body.to_string().into())?;
    Ok(stage.cluster().client().request(request).await?)
}
