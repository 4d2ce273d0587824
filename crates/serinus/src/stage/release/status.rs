//! `status` of the Rollout, in the controller's spelling: a plugin reads it from every call.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::call::WeightDestination;
use crate::stage::api::store::rfc3339;

/// `v1alpha1.RolloutStatus`, as far as the controller fills it for a canary.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Template that is wanted.
    pub current_pod_hash: String,
    /// Template that is stable; equal to the wanted one when the release is done.
    #[serde(rename = "stableRS")]
    pub stable_rs: String,
    /// `None` without steps; their number when all are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_index: Option<usize>,
    /// The release was given up.
    pub abort: bool,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_time")]
    pub aborted_at: Option<Timestamp>,
    /// The controller has paused the release.
    pub controller_pause: bool,
    /// Why it is paused.
    pub pause_conditions: Vec<PauseCondition>,
    /// Somebody asked to skip the remaining steps.
    pub promote_full: bool,
    /// `Progressing`, `Paused`, `Degraded`, `Healthy`.
    pub phase: &'static str,
    /// Details of the phase.
    pub message: String,
    /// Ready pods of all templates.
    pub available_replicas: i32,
    /// What concerns canaries.
    pub canary: CanaryStatus,
}

/// `status.canary`
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// What was set last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// The AnalysisRun of the current step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step_analysis_run_status: Option<RunStatus>,
    /// The AnalysisRun beside the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_background_analysis_run_status: Option<RunStatus>,
}

/// `status.canary.weights`
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Weights {
    /// Of the canary.
    pub canary: WeightDestination,
    /// Of the stable version.
    pub stable: WeightDestination,
    /// What VerifyWeight said; `None` for a router that cannot tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// `status.pauseConditions[]`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseCondition {
    /// `CanaryPauseStep`
    pub reason: &'static str,
    /// Since when.
    #[serde(serialize_with = "time")]
    pub start_time: Timestamp,
}

/// `RolloutAnalysisRunStatus`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunStatus {
    /// Of the AnalysisRun.
    pub name: String,
    /// Its phase.
    pub status: &'static str,
    /// Details.
    pub message: String,
}

fn time<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

fn optional_time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}
