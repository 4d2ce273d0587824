//! AnalysisRuns, their metrics and measurements.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{IntOrString, ObjectMeta, RawJson, Time, TypeMeta};
use crate::{RpcError, RpcResult};

/// `v1alpha1.AnalysisRun`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisRun {
    /// Kind and version; usually empty.
    #[serde(rename = "TypeMeta")]
    pub type_meta: TypeMeta,
    /// Name, namespace, UID and the rest.
    #[serde(rename = "ObjectMeta", alias = "metadata")]
    pub metadata: ObjectMeta,
    /// What is measured.
    #[serde(rename = "Spec", alias = "spec")]
    pub spec: AnalysisRunSpec,
    /// What has been measured.
    #[serde(rename = "Status", alias = "status")]
    pub status: AnalysisRunStatus,
}

/// `v1alpha1.AnalysisRunSpec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisRunSpec {
    /// Metrics, with their arguments still unresolved; a call's own [`Metric`] has them resolved.
    #[serde(rename = "Metrics", alias = "metrics")]
    pub metrics: Vec<Metric>,
    /// Arguments.
    #[serde(rename = "Args", alias = "args")]
    pub args: Vec<Argument>,
    /// The user asked for an end.
    #[serde(rename = "Terminate", alias = "terminate")]
    pub terminate: bool,
}

/// `v1alpha1.AnalysisRunStatus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnalysisRunStatus {
    /// Phase of the whole run.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: AnalysisPhase,
    /// Details.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
    /// Results by metric.
    #[serde(rename = "MetricResults", alias = "metricResults")]
    pub metric_results: Vec<MetricResult>,
    /// When the run began.
    #[serde(rename = "StartedAt", alias = "startedAt")]
    pub started_at: Option<Time>,
    /// When the run ended.
    #[serde(rename = "CompletedAt", alias = "completedAt")]
    pub completed_at: Option<Time>,
}

/// `v1alpha1.MetricResult`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricResult {
    /// Name of the metric.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Phase of the metric.
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: AnalysisPhase,
    /// The last measurements.
    #[serde(rename = "Measurements", alias = "measurements")]
    pub measurements: Vec<Measurement>,
    /// Details.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
    /// Completed measurements.
    #[serde(rename = "Count", alias = "count")]
    pub count: i32,
    /// Of these, successful.
    #[serde(rename = "Successful", alias = "successful")]
    pub successful: i32,
    /// Of these, failed.
    #[serde(rename = "Failed", alias = "failed")]
    pub failed: i32,
    /// Of these, inconclusive.
    #[serde(rename = "Inconclusive", alias = "inconclusive")]
    pub inconclusive: i32,
    /// Measurements that ended in an error.
    #[serde(rename = "Error", alias = "error")]
    pub error: i32,
    /// What [`crate::MetricProvider::metadata`] said.
    #[serde(rename = "Metadata", alias = "metadata")]
    pub metadata: BTreeMap<String, String>,
}

/// `v1alpha1.Metric`. In a call its arguments are resolved, secrets included: never log it whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metric {
    /// Name of the metric.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Time between measurements, as Go writes durations (`30s`); empty for a single measurement.
    #[serde(rename = "Interval", alias = "interval")]
    pub interval: String,
    /// Time before the first measurement.
    #[serde(rename = "InitialDelay", alias = "initialDelay")]
    pub initial_delay: String,
    /// Number of measurements.
    #[serde(rename = "Count", alias = "count")]
    pub count: Option<IntOrString>,
    /// When a measurement is successful.
    #[serde(rename = "SuccessCondition", alias = "successCondition")]
    pub success_condition: String,
    /// When a measurement has failed.
    #[serde(rename = "FailureCondition", alias = "failureCondition")]
    pub failure_condition: String,
    /// How many may fail.
    #[serde(rename = "FailureLimit", alias = "failureLimit")]
    pub failure_limit: Option<IntOrString>,
    /// How many may be inconclusive.
    #[serde(rename = "InconclusiveLimit", alias = "inconclusiveLimit")]
    pub inconclusive_limit: Option<IntOrString>,
    /// How many may end in an error one after another; 4 where absent.
    #[serde(rename = "ConsecutiveErrorLimit", alias = "consecutiveErrorLimit")]
    pub consecutive_error_limit: Option<IntOrString>,
    /// Who measures.
    #[serde(rename = "Provider", alias = "provider")]
    pub provider: MetricProviderSpec,
}

impl Metric {
    /// The configuration of the only plugin under `provider.plugin`, as a `T`.
    ///
    /// # Errors
    /// Names the metric where there is no configuration, or none that is a `T`.
    pub fn parse_config<T: for<'de> Deserialize<'de>>(&self) -> RpcResult<T> {
        let name = &self.name;
        match self.provider.plugin.values().next() {
            None => Err(RpcError::new(format!("metric {name}: no configuration"))),
            Some(config) => {
                (config.parse()).map_err(|error| RpcError::new(format!("metric {name}: {error}")))
            }
        }
    }
}

/// `v1alpha1.MetricProvider`, as far as it concerns plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricProviderSpec {
    /// Plugin configurations by the name under which the operator registered the plugin.
    #[serde(rename = "Plugin", alias = "plugin")]
    pub plugin: BTreeMap<String, RawJson>,
}

/// `v1alpha1.Argument`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Argument {
    /// Name.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Value. An empty one travels as [`None`].
    #[serde(rename = "Value", alias = "value")]
    pub value: Option<String>,
    /// Where the value comes from.
    #[serde(rename = "ValueFrom", alias = "valueFrom")]
    pub value_from: Option<ValueFrom>,
}

/// `v1alpha1.ValueFrom`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ValueFrom {
    /// A key of a Secret.
    #[serde(rename = "SecretKeyRef", alias = "secretKeyRef")]
    pub secret_key_ref: Option<SecretKeyRef>,
}

/// `v1alpha1.SecretKeyRef`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Key in the Secret.
    #[serde(rename = "Key", alias = "key")]
    pub key: String,
}

/// `v1alpha1.Measurement`: one answer of a metric provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measurement {
    /// The verdict, or [`AnalysisPhase::Running`] for «ask again».
    #[serde(rename = "Phase", alias = "phase")]
    pub phase: AnalysisPhase,
    /// Why, in particular for an error.
    #[serde(rename = "Message", alias = "message")]
    pub message: String,
    /// When the measurement began.
    #[serde(rename = "StartedAt", alias = "startedAt")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(rename = "FinishedAt", alias = "finishedAt")]
    pub finished_at: Option<Time>,
    /// What was measured, as text.
    #[serde(rename = "Value", alias = "value")]
    pub value: String,
    /// Anything worth showing or keeping until the next call.
    #[serde(rename = "Metadata", alias = "metadata")]
    pub metadata: BTreeMap<String, String>,
    /// When to ask again; only with [`AnalysisPhase::Running`].
    #[serde(rename = "ResumeAt", alias = "resumeAt")]
    pub resume_at: Option<Time>,
}

impl Measurement {
    /// A measurement that begins and ends now: `value` and its verdict.
    pub fn completed(phase: AnalysisPhase, value: impl Into<String>) -> Self {
        let now = Time::from_system(SystemTime::now()).ok();
        Self {
            phase,
            value: value.into(),
            started_at: now,
            finished_at: now,
            ..Self::default()
        }
    }

    /// A measurement that could not be made, and why.
    pub fn error(why: impl Into<String>) -> Self {
        Self::completed(AnalysisPhase::Error, "").with_message(why)
    }

    /// The same with another verdict.
    #[must_use]
    pub fn with_phase(self, phase: AnalysisPhase) -> Self {
        Self { phase, ..self }
    }

    /// The same with another message.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, ..self }
    }
}

/// `v1alpha1.AnalysisPhase`. Declared complete for what a plugin may answer; anything else is [`AnalysisPhase::Other`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum AnalysisPhase {
    /// Nothing said yet (the empty string).
    #[default]
    Unset,
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Healthy.
    Successful,
    /// Sick.
    Failed,
    /// Not measured.
    Error,
    /// Measured, but neither condition holds.
    Inconclusive,
    /// A phase that this version does not know.
    Other(String),
}

impl AnalysisPhase {
    /// As Go spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unset => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Inconclusive => "Inconclusive",
            Self::Other(text) => text,
        }
    }

    /// Whether no further call follows (Go: `AnalysisPhase.Completed`).
    pub fn is_completed(&self) -> bool {
        matches!(
            self,
            Self::Successful | Self::Failed | Self::Error | Self::Inconclusive
        )
    }
}

impl From<&str> for AnalysisPhase {
    fn from(text: &str) -> Self {
        match text {
            "" => Self::Unset,
            "Pending" => Self::Pending,
            "Running" => Self::Running,
            "Successful" => Self::Successful,
            "Failed" => Self::Failed,
            "Error" => Self::Error,
            "Inconclusive" => Self::Inconclusive,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Serialize for AnalysisPhase {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AnalysisPhase {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from(text.as_str()))
    }
}
