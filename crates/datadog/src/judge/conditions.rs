//! Success and failure conditions, through the crate that speaks their language.

use rollouts_plugin::types::AnalysisPhase;

use super::Result;

/// The phase of a result (Go: `utils/evaluate` `EvaluateResult`).
///
/// # Errors
/// What Go would make an Error of: a condition that does not compile, or cannot be evaluated, or is no truth value.
pub fn phase(success: &str, failure: &str, result: &Result) -> std::result::Result<AnalysisPhase, String> {
    phase_of_many(success, failure, result, 1)
}

/// [`phase`] for one of so many evaluations, which share the budget of one.
///
/// # Errors
/// As there, and where the share is used up.
pub fn phase_of_many(
    success: &str,
    failure: &str,
    result: &Result,
    many: usize,
) -> std::result::Result<AnalysisPhase, String> {
    match ::conditions::phase_within(success, failure, &value(result), &limits(many)) {
        Ok(::conditions::Phase::Successful) => Ok(AnalysisPhase::Successful),
        Ok(::conditions::Phase::Failed) => Ok(AnalysisPhase::Failed),
        Ok(::conditions::Phase::Inconclusive) => Ok(AnalysisPhase::Inconclusive),
        Err(error) => Err(error.to_string()),
    }
}

/// Checks words, names and types of conditions for results like this one, whose values do not matter.
///
/// # Errors
/// What does not compile.
pub fn check(success: &str, failure: &str, like: &Result) -> std::result::Result<(), String> {
    let like = value(like);
    for (field, condition) in [("successCondition", success), ("failureCondition", failure)] {
        if !condition.is_empty() {
            ::conditions::Condition::compile_within(condition, &like, &limits(1))
                .map_err(|error| format!("could not evaluate {field} \"{condition}\": {error}"))?;
        }
    }
    Ok(())
}

/// Budgets of one condition. The defaults are Go's; these keep a condition that was written to do harm below some
/// megabytes and some hundredths of a second, and are a thousand times what a verdict on a release needs.
fn limits(many: usize) -> ::conditions::Limits {
    let mut limits = ::conditions::Limits::default();
    limits.elements = 200_000 / many;
    limits.bytes = (8 << 20) / many;
    limits.steps = 2_000_000 / many as u64;
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
