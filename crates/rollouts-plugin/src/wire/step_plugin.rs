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

/// Nanoseconds; those that the controller would take for 30 s are the fewest that it takes as they are.
fn requeue_after(after: Duration) -> i64 {
    let after = match after.is_zero() || after > MIN_REQUEUE {
        true => after,
        false => MIN_REQUEUE + Duration::from_nanos(1),
    };
    i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)
}

/// The status must be an object (CRD: `status.canary.stepPluginStatuses[].status`): with another one the API server refuses
/// the whole status of the Rollout, so that no phase, pause or abort is stored.
fn with_storable_status(result: StepResult) -> RpcResult<StepResult> {
    if result.status.is_empty() {
        return Ok(result);
    }
    match result.status.parse::<serde_json::Value>() {
        Ok(serde_json::Value::Object(_)) => Ok(result),
        Ok(serde_json::Value::Null) => Ok(StepResult {
            status: RawJson::default(),
            ..result
        }),
        Ok(other) => Err(format!("status: a JSON object is expected, found {other}").into()),
        Err(error) => Err(format!("status: a JSON object is expected: {error}").into()),
    }
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

/// What the controller takes for 30 s where it is not longer (Go: `rollout/steps/plugin/plugin.go` `minRequeueDuration`).
const MIN_REQUEUE: Duration = Duration::from_secs(10);

impl Response {
    /// The answer of `Run`. The controller calls again with back-off after an error; at the phase `Error` it sets no back-off
    /// and never calls again (Go: `rollout/steps/plugin/plugin.go` `Run`), so that phase is answered as an error.
    pub(crate) fn of_run(result: RpcResult<StepResult>) -> Self {
        Self::from_result(
            result.and_then(|result| match (result.phase, result.message.as_str()) {
                (StepPhase::Error, "") => Err("the step failed without saying why".into()),
                (StepPhase::Error, message) => Err(message.into()),
                _ => Ok(result),
            }),
        )
    }

    pub(crate) fn from_result(result: RpcResult<StepResult>) -> Self {
        match result.and_then(with_storable_status) {
            Ok(result) => Self {
                result: StepResultWire {
                    phase: result.phase.as_str().to_owned(),
                    message: result.message,
                    requeue_after: requeue_after(result.requeue_after),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The controller sets no back-off at that phase, and then cannot read it.
    #[test]
    fn the_phase_error_of_a_run_is_an_error() {
        for (message, expected) in [("gone", "gone"), ("", "the step failed without saying why")] {
            let result = StepResult {
                phase: StepPhase::Error,
                message: message.into(),
                ..StepResult::default()
            };
            let error = Response::of_run(Ok(result)).into_result().unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    /// One that is none made the status of the whole Rollout impossible to store.
    #[test]
    fn a_status_is_an_object() {
        let answer = |status: RawJson| {
            let result = StepResult::successful("done").with_status(status);
            Response::of_run(Ok(result))
                .into_result()
                .map(|result| result.status)
        };
        assert_eq!(answer(json!({"a": 1}).into()), Ok(json!({"a": 1}).into()));
        assert_eq!(answer(RawJson::default()), Ok(RawJson::default()));
        assert_eq!(answer(json!(null).into()), Ok(RawJson::default()));
        for (status, expected) in [
            (json!(3).into(), "status: a JSON object is expected, found 3"),
            (
                RawJson::new("done"),
                "status: a JSON object is expected: expected value at line 1 column 1",
            ),
        ] {
            assert_eq!(answer(status).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn short_times_are_not_taken_for_half_a_minute() {
        let after = |seconds: u64| requeue_after(Duration::from_secs(seconds));
        assert_eq!(
            [after(0), after(5), after(10), after(11)],
            [0, 10_000_000_001, 10_000_000_001, 11_000_000_000]
        );
    }
}
