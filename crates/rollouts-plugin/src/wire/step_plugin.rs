//! Go: `rollout/steps/plugin/rpc/rpc.go`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::RpcErrorWire;
use crate::types::{RawJson, Rollout};
use crate::{RpcResult, StepContext, StepPhase, StepResult};

/// Value of the cookie.
pub(crate) const COOKIE: &str = "step";
/// Name to dispense.
pub(crate) const NAME: &str = "RpcStepPlugin";

/// An argument, by its registered name. The three have the same shape.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Arguments {
    #[serde(rename = "step.RunArgs")]
    Run(Step),
    #[serde(rename = "step.TerminateArgs")]
    Terminate(Step),
    #[serde(rename = "step.AbortArgs")]
    Abort(Step),
}

/// Both are pointers in Go; nil reads as an empty value.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Step {
    pub(crate) rollout: Rollout,
    pub(crate) context: StepContext,
}

/// `Response`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Response {
    pub(crate) result: StepResultWire,
    pub(crate) error: RpcErrorWire,
}

/// `RpcStepResult`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct StepResultWire {
    pub(crate) phase: String,
    pub(crate) message: String,
    /// Nanoseconds, as `time.Duration` is.
    pub(crate) requeue_after: i64,
    pub(crate) status: RawJson,
}

impl Response {
    pub(crate) fn from_result(result: RpcResult<StepResult>) -> Self {
        match result {
            Ok(result) => Self {
                result: StepResultWire {
                    phase: result.phase.as_str().to_owned(),
                    message: result.message,
                    requeue_after: i64::try_from(result.requeue_after.as_nanos()).unwrap_or(i64::MAX),
                    status: result.status,
                },
                error: RpcErrorWire::default(),
            },
            Err(error) => Self {
                result: StepResultWire::default(),
                error: RpcErrorWire::from_result(&Err(error)),
            },
        }
    }

    /// The phase must be one of the four, as the controller demands (Go: `StepPhase.Validate`).
    #[cfg_attr(not(feature = "host"), allow(dead_code))]
    pub(crate) fn into_result(self) -> RpcResult<StepResult> {
        self.error.into_result()?;
        let phase = match self.result.phase.as_str() {
            "Running" => StepPhase::Running,
            "Successful" => StepPhase::Successful,
            "Failed" => StepPhase::Failed,
            "Error" => StepPhase::Error,
            other => return Err(format!("phase '{other}' is not valid").into()),
        };
        Ok(StepResult {
            phase,
            message: self.result.message,
            requeue_after: Duration::from_nanos(u64::try_from(self.result.requeue_after).unwrap_or(0)),
            status: self.result.status,
        })
    }
}
