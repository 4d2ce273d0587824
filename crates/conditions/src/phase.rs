//! From the two conditions of a metric to the phase of its measurement.

use std::fmt;

use crate::condition::Condition;
use crate::error::Error;
use crate::limits::Limits;
use crate::value::Value;

/// What a measurement says (`AnalysisPhase` of Argo Rollouts). The phase Error is the [`PhaseError`] beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "with PhaseError these are all the phases that a condition can give"
)]
pub enum Phase {
    /// The value is good.
    Successful,
    /// The value is bad.
    Failed,
    /// Neither condition holds.
    Inconclusive,
}

/// As Argo Rollouts spells it in a Measurement.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Inconclusive => "Inconclusive",
        })
    }
}

/// Which condition of a metric could not be evaluated, and why. The measurement's phase is Error.
///
/// Its text is that of `formatEvalError` in `utils/evaluate/evaluate.go`, with the place of the error: where there is no
/// data, it says that and not what the condition made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseError {
    field: &'static str,
    condition: Box<str>,
    error: Error,
    no_data: bool,
}

impl PhaseError {
    /// `successCondition` or `failureCondition`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// Whether the result was nil or empty.
    #[must_use]
    pub fn is_no_data(&self) -> bool {
        self.no_data
    }

    /// What the condition itself complains about.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for PhaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not evaluate {} \"{}\": ", self.field, self.condition)?;
        if self.no_data {
            f.write_str("metric result is nil or empty: no data returned from the metric provider")
        } else {
            self.error.fmt(f)
        }
    }
}

impl std::error::Error for PhaseError {}

/// Judges a result as Argo Rollouts does (`EvaluateResult` in `utils/evaluate/evaluate.go`).
///
/// | successCondition | failureCondition | phase |
/// |---|---|---|
/// | none | none | Successful |
/// | holds | none | Successful |
/// | fails | none | Failed |
/// | none | holds | Failed |
/// | none | fails | Successful |
/// | any | holds | Failed |
/// | holds | fails | Successful |
/// | fails | fails | Inconclusive |
///
/// An empty condition is none. Both are evaluated, the success condition first.
///
/// # Errors
/// When a condition cannot be evaluated; the other one does not count then.
///
/// # Examples
/// ```
/// use conditions::{Phase, Value, phase};
///
/// let error_rate = Value::from(0.03);
/// assert_eq!(phase("result < 0.01", "result > 0.05", &error_rate)?, Phase::Inconclusive);
///
/// let no_data = phase("result < 0.01", "", &Value::nil()).unwrap_err();
/// assert!(no_data.to_string().ends_with("no data returned from the metric provider"));
/// # Ok::<(), conditions::PhaseError>(())
/// ```
pub fn phase(success: &str, failure: &str, result: &Value) -> Result<Phase, PhaseError> {
    phase_within(success, failure, result, &Limits::default())
}

/// [`phase`] under other budgets, which each condition has for itself.
///
/// # Errors
/// As [`phase`].
pub fn phase_within(
    success: &str,
    failure: &str,
    result: &Value,
    limits: &Limits,
) -> Result<Phase, PhaseError> {
    let holds = |field: &'static str, condition: &str| {
        if condition.is_empty() {
            return Ok(None);
        }
        let held = Condition::compile_within(condition, result, limits)
            .and_then(|compiled| compiled.evaluate(result));
        held.map(Some).map_err(|error| PhaseError {
            field,
            condition: condition.into(),
            error,
            no_data: result.is_nil_or_empty(),
        })
    };
    let success = holds("successCondition", success)?;
    let failure = holds("failureCondition", failure)?;
    Ok(match (success, failure) {
        (_, Some(true)) | (Some(false), None) => Phase::Failed,
        (Some(false), Some(false)) => Phase::Inconclusive,
        (Some(true) | None, _) => Phase::Successful,
    })
}
