//! A Rollout as its owner handles it: new versions, promote, abort, retry, and waiting for what it becomes.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{Address, Cluster, Kind};
use crate::wait::{Seen, wait_for};

/// A Rollout by namespace and name.
#[derive(Debug, Clone)]
pub struct Rollout {
    cluster: Cluster,
    namespace: String,
    name: String,
}

/// What `kubectl argo rollouts promote` can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promotion {
    /// To the next step.
    Next,
    /// To the end, without analysis, pauses and steps (`--full`).
    Full,
    /// Over the current step (`--skip-current-step`).
    SkipStep,
    /// Over all steps (`--skip-all-steps`).
    SkipSteps,
}

impl Rollout {
    /// The handle; asks nothing.
    #[must_use]
    pub fn new(cluster: Cluster, namespace: &str, name: &str) -> Self {
        Self {
            cluster,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address<'_> {
        Address {
            kind: Kind::rollout(),
            namespace: &self.namespace,
            name: &self.name,
        }
    }

    /// The object.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn read(&self) -> Result<Value> {
        self.cluster.read(&self.address()).await
    }

    /// What was recorded of it: `type reason: message`, oldest first.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn events(&self) -> Result<Vec<String>> {
        self.cluster.events(&self.address()).await
    }

    /// Begins the release of another version: the tag of the first container's image, as
    /// `kubectl argo rollouts set image` sets it.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn set_version(&self, version: &str) -> Result<()> {
        let rollout = self.read().await?;
        let containers = with_version(&rollout["spec"]["template"]["spec"]["containers"], version)?;
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.cluster.merge(&self.address(), "", &patch).await?;
        Ok(())
    }

    /// `kubectl argo rollouts promote`.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn promote(&self, promotion: Promotion) -> Result<()> {
        let (spec, status) = plan_promotion(&self.read().await?, promotion);
        if let Some(status) = status {
            self.cluster.merge(&self.address(), "status", &status).await?;
        }
        if let Some(spec) = spec {
            self.cluster.merge(&self.address(), "", &spec).await?;
        }
        Ok(())
    }

    /// `kubectl argo rollouts abort`.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn abort(&self) -> Result<()> {
        self.cluster
            .merge(&self.address(), "status", &json!({"status": {"abort": true}}))
            .await?;
        Ok(())
    }

    /// `kubectl argo rollouts retry rollout`.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn retry(&self) -> Result<()> {
        self.cluster
            .merge(&self.address(), "status", &json!({"status": {"abort": false}}))
            .await?;
        Ok(())
    }

    /// Waits until an abort has taken all weight from the canary.
    ///
    /// # Errors
    /// When it has not in time, with its status.
    pub async fn aborted(&self, within: Duration) -> Result<Value> {
        self.becomes("to be degraded by the abort", within, |rollout| {
            let canary = &rollout["status"]["canary"]["weights"]["canary"];
            rollout["status"]["phase"] == "Degraded" && canary["weight"].as_u64().unwrap_or(0) == 0
        })
        .await
    }

    /// Waits until it pauses at the pause step with this index (from 0).
    ///
    /// # Errors
    /// When it does not in time, with its status.
    pub async fn paused_at(&self, step: u64, within: Duration) -> Result<Value> {
        self.becomes(&format!("to pause at step {step}"), within, |rollout| {
            let status = &rollout["status"];
            status["phase"] == "Paused" && status["currentStepIndex"] == step
        })
        .await
    }

    /// Waits until it is fully promoted and healthy and its canary has no weight.
    ///
    /// # Errors
    /// When it does not in time, with its status.
    pub async fn healthy(&self, within: Duration) -> Result<Value> {
        self.becomes("to be healthy", within, is_healthy).await
    }

    /// Waits until the controller has seen the newest spec and nobody has written the Rollout for [`QUIET`].
    ///
    /// # Errors
    /// When it does not in time, with its status.
    pub async fn rests(&self, within: Duration) -> Result<Value> {
        self.becomes("to rest", within, |_| true).await
    }

    /// Waits until the controller has seen the newest spec, `condition` holds, and nobody has written the Rollout for
    /// [`QUIET`].
    ///
    /// # Errors
    /// When it does not in time, with its status.
    pub async fn becomes(
        &self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let mut seen = Value::Null;
        let mut since = Instant::now();
        wait_for(format!("rollout {} {what}", self.name), within, async || {
            let rollout = self.read().await?;
            let version = rollout["metadata"]["resourceVersion"].clone();
            if version != seen {
                (seen, since) = (version, Instant::now());
            }
            let good = is_observed(&rollout) && condition(&rollout) && since.elapsed() >= QUIET;
            let words = describe(&rollout);
            Ok(Seen::when(good, rollout, || words))
        })
        .await
    }
}

/// How long a Rollout must rest before a scene does something to it. When a reconcile ends, the controller puts the
/// object that it began with and has patched into its cache, also over a newer one that arrived meanwhile: a promotion
/// that follows a pause by milliseconds is lost until the next resync (seen with 1.7.2). People are slower.
const QUIET: Duration = Duration::from_secs(1);

/// When the stable version is set again in mid-release, the controller says "Healthy" one reconcile before it takes
/// the canary's weight back (`rollout/controller.go` returns early when the template changed), so both are asked for.
fn is_healthy(rollout: &Value) -> bool {
    let status = &rollout["status"];
    let weight = status["canary"]["weights"]["canary"]["weight"]
        .as_u64()
        .unwrap_or(0);
    status["phase"] == "Healthy" && status["stableRS"] == status["currentPodHash"] && weight == 0
}

/// The controller writes the generation it has acted on as a string.
fn is_observed(rollout: &Value) -> bool {
    let generation = rollout["metadata"]["generation"].as_u64().unwrap_or_default();
    rollout["status"]["observedGeneration"].as_str() == Some(generation.to_string().as_str())
}

fn describe(rollout: &Value) -> String {
    let status = &rollout["status"];
    let text = |field: &str| match &status[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!(
        "phase {}, step {}, message {}, weights {}, replicas {} (updated {}, available {})",
        text("phase"),
        text("currentStepIndex"),
        text("message"),
        status["canary"]["weights"],
        text("replicas"),
        text("updatedReplicas"),
        text("availableReplicas"),
    )
}

fn with_version(containers: &Value, version: &str) -> Result<Value> {
    let mut containers = containers.clone();
    let image = containers[0]["image"]
        .as_str()
        .context("the Rollout's first container has no image")?;
    let name = image.rsplit_once(':').map_or(image, |(name, _tag)| name);
    containers[0]["image"] = json!(format!("{name}:{version}"));
    Ok(containers)
}

/// The patches of spec and status that a promotion consists of. Follows `getPatches` of argo-rollouts
/// `pkg/kubectl-argo-rollouts/cmd/promote/promote.go`, for clusters with a status subresource and without its
/// deprecated flags.
fn plan_promotion(rollout: &Value, promotion: Promotion) -> (Option<Value>, Option<Value>) {
    let (spec, status) = (&rollout["spec"], &rollout["status"]);
    let skip = matches!(promotion, Promotion::SkipStep | Promotion::SkipSteps);
    let unpause = (spec["paused"] == true && !skip).then(|| json!({"spec": {"paused": false}}));
    let paused = status["pauseConditions"]
        .as_array()
        .is_some_and(|conditions| !conditions.is_empty());
    let steps = spec["strategy"]["canary"]["steps"].as_array().map_or(0, Vec::len) as u64;
    let next = (steps > 0).then(|| (status["currentStepIndex"].as_u64().unwrap_or(0) + 1).min(steps));
    let inconclusive = status["canary"]["currentStepAnalysisRunStatus"]["status"] == "Inconclusive";
    let status = match promotion {
        Promotion::Full => {
            (status["currentPodHash"] != status["stableRS"]).then(|| json!({"promoteFull": true}))
        }
        Promotion::SkipStep => next.map(|next| json!({"currentStepIndex": next})),
        Promotion::SkipSteps => Some(json!({"currentStepIndex": steps})),
        Promotion::Next if paused && inconclusive && status["controllerPause"] == true => next
            .map(|next| json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": next})),
        Promotion::Next if paused => Some(json!({"pauseConditions": null})),
        Promotion::Next => next.map(|next| json!({"pauseConditions": null, "currentStepIndex": next})),
    };
    (unpause, status.map(|status| json!({"status": status})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(status: &Value) -> Value {
        json!({"spec": {"strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}}, "status": status})
    }

    #[test]
    fn promotions_are_those_of_the_kubectl_plugin() {
        use Promotion::{Full, Next, SkipStep, SkipSteps};
        let paused = json!([{"reason": "CanaryPauseStep"}]);
        let inconclusive = json!({"currentStepAnalysisRunStatus": {"status": "Inconclusive"}});
        for (name, status, promotion, expected) in [
            (
                "a pause step",
                json!({"pauseConditions": paused, "currentStepIndex": 1}),
                Next,
                Some(json!({"pauseConditions": null})),
            ),
            (
                "a running analysis",
                json!({"currentStepIndex": 0}),
                Next,
                Some(json!({"pauseConditions": null, "currentStepIndex": 1})),
            ),
            (
                "past the last step",
                json!({"currentStepIndex": 2}),
                Next,
                Some(json!({"pauseConditions": null, "currentStepIndex": 2})),
            ),
            (
                "an inconclusive analysis",
                json!({"pauseConditions": paused, "controllerPause": true, "currentStepIndex": 0, "canary": inconclusive}),
                Next,
                Some(json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": 1})),
            ),
            (
                "over a pause step",
                json!({"pauseConditions": paused, "currentStepIndex": 1}),
                SkipStep,
                Some(json!({"currentStepIndex": 2})),
            ),
            (
                "over all steps",
                json!({"currentStepIndex": 0}),
                SkipSteps,
                Some(json!({"currentStepIndex": 2})),
            ),
            (
                "full in mid-release",
                json!({"currentPodHash": "b", "stableRS": "a"}),
                Full,
                Some(json!({"promoteFull": true})),
            ),
            (
                "full when promoted",
                json!({"currentPodHash": "a", "stableRS": "a"}),
                Full,
                None,
            ),
        ] {
            let expected = expected.map(|status| json!({"status": status}));
            assert_eq!(
                plan_promotion(&rollout(&status), promotion),
                (None, expected),
                "{name}"
            );
        }
    }

    #[test]
    fn a_rollout_paused_by_its_spec_is_unpaused() {
        let mut paused = rollout(&json!({"pauseConditions": [{"reason": "CanaryPauseStep"}]}));
        paused["spec"]["paused"] = json!(true);
        assert_eq!(
            plan_promotion(&paused, Promotion::Next).0,
            Some(json!({"spec": {"paused": false}}))
        );
    }

    #[test]
    fn a_status_of_an_older_generation_counts_for_nothing() {
        let rollout =
            |seen: &str| json!({"metadata": {"generation": 3}, "status": {"observedGeneration": seen}});
        assert!(is_observed(&rollout("3")) && !is_observed(&rollout("2")));
    }

    #[test]
    fn a_canary_with_weight_is_not_healthy_yet() {
        let rollout = |weights: Value| json!({"status": {"phase": "Healthy", "stableRS": "a", "currentPodHash": "a", "canary": {"weights": weights}}});
        assert!(!is_healthy(&rollout(json!({"canary": {"weight": 20}}))));
        assert!(is_healthy(&rollout(json!({"canary": {"weight": 0}}))));
        assert!(
            is_healthy(&rollout(Value::Null)),
            "a Rollout without traffic routing has no weights"
        );
    }

    #[test]
    fn the_version_replaces_the_tag_alone() {
        let containers =
            json!([{"name": "shop", "image": "registry:5000/shop:v1", "ports": []}, {"image": "sidecar:v1"}]);
        let changed = with_version(&containers, "v2").unwrap();
        assert_eq!(changed[0]["image"], "registry:5000/shop:v2");
        assert_eq!(changed[1]["image"], "sidecar:v1");
    }
}
