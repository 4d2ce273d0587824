//! Step plugins: work of one's own between two steps of a canary.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::RpcResult;
use crate::types::{RawJson, Rollout};

/// A step plugin, as the controller (1.8 and later) calls it.
///
/// [`StepPlugin::run`] is called until it answers with a phase other than [`StepPhase::Running`]; `terminate` when the
/// step is skipped, `abort` in reverse order of the steps when the release is aborted (Go:
/// `rollout/steps/plugin/reconciler.go`). After an error of `run` the returned status is not kept and the call is repeated
/// with back-off. `terminate` and `abort` are called once, whatever they answer (Go: `rollout/steps/plugin/plugin.go`), and
/// not at all where the last call of `run` ended in an error: what must not fail they have to try again themselves, within
/// the call's deadline. They answer anything but [`StepPhase::Running`], which the controller takes for failed.
pub trait StepPlugin: Send + Sync + 'static {
    /// Called once after the start, under a mutex that holds up every Rollout of the controller: no network I/O here. An
    /// error is told once; the controller then goes on with the plugin as it is.
    fn init(&self) -> impl Future<Output = RpcResult> + Send {
        async { Ok(()) }
    }

    /// A word for the controller's log.
    fn kind(&self) -> String;

    /// Does the work, or a part of it.
    fn run(
        &self,
        rollout: &Rollout,
        context: &StepContext,
    ) -> impl Future<Output = RpcResult<StepResult>> + Send;

    /// Stops work that is under way.
    fn terminate(
        &self,
        rollout: &Rollout,
        context: &StepContext,
    ) -> impl Future<Output = RpcResult<StepResult>> + Send;

    /// Takes back what `run` did.
    fn abort(
        &self,
        rollout: &Rollout,
        context: &StepContext,
    ) -> impl Future<Output = RpcResult<StepResult>> + Send;
}

/// What a step plugin gets beside the Rollout. Go: `utils/plugin/types` `RpcStepContext`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct StepContext {
    /// Name under which the operator registered the plugin.
    pub plugin_name: String,
    /// The step's configuration, as the user wrote it.
    pub config: RawJson,
    /// The status that the last call answered.
    pub status: RawJson,
}

impl StepContext {
    /// The step's configuration as a `T`.
    ///
    /// # Errors
    /// Where it is not a `T`; the sentence names line and column.
    pub fn parse_config<T: for<'de> Deserialize<'de>>(&self) -> RpcResult<T> {
        (self.config.parse()).map_err(|error| format!("config: {error}").into())
    }

    /// The status of the last call as a `T`; `T`'s default before the first one.
    ///
    /// # Errors
    /// Where it is not a `T`; the sentence names line and column.
    pub fn parse_status<T: for<'de> Deserialize<'de> + Default>(&self) -> RpcResult<T> {
        match self.status.is_empty() {
            true => Ok(T::default()),
            false => (self.status.parse()).map_err(|error| format!("status: {error}").into()),
        }
    }
}

/// Answer of a step plugin. Go: `utils/plugin/types` `RpcStepResult`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepResult {
    /// Whether the step is done.
    pub phase: StepPhase,
    /// Details for the user.
    pub message: String,
    /// When to call again while the phase is [`StepPhase::Running`]: 10 s at least, and the controller's 30 s where zero.
    pub requeue_after: Duration,
    /// What to keep until the next call.
    pub status: RawJson,
}

impl StepResult {
    /// Not done: call again after `requeue_after`.
    pub fn running(requeue_after: Duration, message: impl Into<String>) -> Self {
        Self {
            requeue_after,
            ..Self::new(StepPhase::Running, message)
        }
    }

    /// Done: the release goes on.
    pub fn successful(message: impl Into<String>) -> Self {
        Self::new(StepPhase::Successful, message)
    }

    /// Not to be done: the release is aborted.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(StepPhase::Failed, message)
    }

    /// The same, with a status to keep until the next call: a JSON object, which the Rollout's status can hold. Another one
    /// is answered as an error.
    #[must_use]
    pub fn with_status(self, status: impl Into<RawJson>) -> Self {
        let status = status.into();
        Self { status, ..self }
    }

    fn new(phase: StepPhase, message: impl Into<String>) -> Self {
        Self {
            phase,
            message: message.into(),
            ..Self::default()
        }
    }
}

/// Phase of a step; complete. Go: `utils/plugin/types` `StepPhase`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepPhase {
    /// Call again.
    #[default]
    Running,
    /// Done: the release goes on.
    Successful,
    /// Not to be done: the release is aborted.
    Failed,
    /// Not done: called again with back-off. The same as an error with the message.
    Error,
}

impl StepPhase {
    /// As Go spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Error => "Error",
        }
    }
}
