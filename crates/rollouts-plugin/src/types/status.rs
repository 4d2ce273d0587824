//! Where a release stands.

use serde::{Deserialize, Serialize};

use super::{RawJson, Time};

/// `v1alpha1.RolloutStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutStatus {
    /// The release is aborted.
    #[serde(rename = "Abort", alias = "abort")]
    pub abort: bool,
    /// When it was aborted.
    #[serde(rename = "AbortedAt", alias = "abortedAt")]
    pub aborted_at: Option<Time>,
    /// Why the release is paused.
    #[serde(rename = "PauseConditions", alias = "pauseConditions")]
    pub pause_conditions: Vec<PauseCondition>,
    /// Hash of the pod template that is wanted.
    #[serde(rename = "CurrentPodHash", alias = "currentPodHash")]
    pub current_pod_hash: String,
    /// Hash of the steps.
    #[serde(rename = "CurrentStepHash", alias = "currentStepHash")]
    pub current_step_hash: String,
    /// Pods of all versions.
    #[serde(rename = "Replicas", alias = "replicas")]
    pub replicas: i32,
    /// Pods of the wanted version.
    #[serde(rename = "UpdatedReplicas", alias = "updatedReplicas")]
    pub updated_replicas: i32,
    /// Pods that are ready.
    #[serde(rename = "ReadyReplicas", alias = "readyReplicas")]
    pub ready_replicas: i32,
    /// Pods that are available.
    #[serde(rename = "AvailableReplicas", alias = "availableReplicas")]
    pub available_replicas: i32,
    /// Index of the current step. 0 travels as [`None`]: read it through [`super::Rollout::current_step_index`].
    #[serde(rename = "CurrentStepIndex", alias = "currentStepIndex")]
    pub current_step_index: Option<i32>,
    /// The generation that the controller has seen, as text.
    #[serde(rename = "ObservedGeneration", alias = "observedGeneration")]
    pub observed_generation: String,
    /// Conditions.
    #[serde(rename = "Conditions", alias = "conditions")]
    pub conditions: Vec<RolloutCondition>,
    /// What concerns canaries.
    #[serde(rename = "Canary", alias = "canary")]
    pub canary: CanaryStatus,
    /// Hash of the pod template that is stable; equal to `current_pod_hash` when the release is done.
    #[serde(rename = "StableRS", alias = "stableRS")]
    pub stable_rs: String,
    /// The user skipped the remaining steps.
    #[serde(rename = "PromoteFull", alias = "promoteFull")]
    pub promote_full: bool,
    /// `Healthy`, `Degraded`, `Progressing` or `Paused`.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
    /// Details of the phase.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
}

/// `v1alpha1.PauseCondition`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseCondition {
    /// For example `CanaryPauseStep`.
    #[serde(rename = "Reason", alias = "reason")]
    pub reason: String,
    /// When the pause began.
    #[serde(rename = "StartTime", alias = "startTime")]
    pub start_time: Option<Time>,
}

/// `v1alpha1.RolloutCondition`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutCondition {
    /// For example `Progressing`.
    #[serde(rename = "Type", alias = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(rename = "Status", alias = "status")]
    pub status: String,
    /// A word for machines.
    #[serde(rename = "Reason", alias = "reason")]
    pub reason: String,
    /// A sentence for people.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
}

/// `v1alpha1.CanaryStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryStatus {
    /// The AnalysisRun of the current step.
    #[serde(
        rename = "CurrentStepAnalysisRunStatus",
        alias = "currentStepAnalysisRunStatus"
    )]
    pub current_step_analysis_run_status: Option<RolloutAnalysisRunStatus>,
    /// The AnalysisRun beside the steps.
    #[serde(
        rename = "CurrentBackgroundAnalysisRunStatus",
        alias = "currentBackgroundAnalysisRunStatus"
    )]
    pub current_background_analysis_run_status: Option<RolloutAnalysisRunStatus>,
    /// The Experiment of the current step; it outlives the experiment's running.
    #[serde(rename = "CurrentExperiment", alias = "currentExperiment")]
    pub current_experiment: String,
    /// The weights that the controller set last.
    #[serde(rename = "Weights", alias = "weights")]
    pub weights: Option<TrafficWeights>,
    /// `ping` where the ping service is stable; empty or `pong` where the pong service is.
    #[serde(rename = "StablePingPong", alias = "stablePingPong")]
    pub stable_ping_pong: String,
    /// What step plugins said.
    #[serde(rename = "StepPluginStatuses", alias = "stepPluginStatuses")]
    pub step_plugin_statuses: Vec<StepPluginStatus>,
}

/// `v1alpha1.RolloutAnalysisRunStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutAnalysisRunStatus {
    /// Name of the AnalysisRun.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Its phase.
    #[serde(rename = "Status", alias = "status")]
    pub status: String,
    /// Details.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
}

/// `v1alpha1.TrafficWeights`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrafficWeights {
    /// Of the canary.
    #[serde(rename = "Canary", alias = "canary")]
    pub canary: WeightDestination,
    /// Of the stable version.
    #[serde(rename = "Stable", alias = "stable")]
    pub stable: WeightDestination,
    /// Of experiments.
    #[serde(rename = "Additional", alias = "additional")]
    pub additional: Vec<WeightDestination>,
    /// What the router said last. `false` travels as [`None`].
    #[serde(rename = "Verified", alias = "verified")]
    pub verified: Option<bool>,
}

/// `v1alpha1.WeightDestination`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WeightDestination {
    /// Share of `maxTrafficWeight`.
    #[serde(rename = "Weight", alias = "weight")]
    pub weight: i32,
    /// Service that receives it.
    #[serde(rename = "ServiceName", alias = "serviceName")]
    pub service_name: String,
    /// Pods behind that Service.
    #[serde(rename = "PodTemplateHash", alias = "podTemplateHash")]
    pub pod_template_hash: String,
}

/// `v1alpha1.StepPluginStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepPluginStatus {
    /// Index of the step.
    #[serde(rename = "Index", alias = "index")]
    pub index: i32,
    /// Name of the plugin.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// `Run`, `Terminate` or `Abort`.
    #[serde(rename = "Operation", alias = "operation")]
    pub operation: String,
    /// `Running`, `Successful`, `Failed` or `Error`.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: String,
    /// Details.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
    /// What the plugin keeps from call to call.
    #[serde(rename = "Status", alias = "status")]
    pub status: RawJson,
}
