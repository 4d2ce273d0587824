//! Success and failure conditions, through the crate that speaks their language.

use rollouts_plugin::types::AnalysisPhase;

use super::Result;

/// The phase of a result (Go: `utils/evaluate` `EvaluateResult`).
///
/// # Errors
/// What Go would make an Error of: a condition that does not compile, or cannot be evaluated, or is no truth value.
pub fn phase(success: &str, failure: &str, result: &Result) -> std::result::Result<AnalysisPhase, String> {
    match ::conditions::phase_within(success, failure, &value(result), &limits()) {
        Ok(::conditions::Phase::Successful) => Ok(AnalysisPhase::Successful),
        Ok(::conditions::Phase::Failed) => Ok(AnalysisPhase::Failed),
        Ok(::conditions::Phase::Inconclusive) => Ok(AnalysisPhase::Inconclusive),
        Err(error) => Err(error.to_string()),
    }
}

/// Budgets of one condition. The defaults are Go's; these keep a condition that was written to do harm below some
/// megabytes and some hundredths of a second, and are a thousand times what a verdict on a release needs.
fn limits() -> ::conditions::Limits {
    let mut limits = ::conditions::Limits::default();
    limits.elements = 200_000;
    limits.bytes = 8 << 20;
    limits.steps = 2_000_000;
    limits
}

fn value(result: &Result) -> ::conditions::Value {
    match result {
        Result::Number(number) => (*number).into(),
        Result::Groups(groups) => groups
            .iter()
            .map(|(_, value)| *value)
            .collect::<Vec<f64>>()
            .into(),
        Result::Named(named) => named
            .iter()
            .map(|(name, value)| (name.clone(), (*value).into()))
            .collect(),
        Result::Object(object) => object.into(),
    }
}
