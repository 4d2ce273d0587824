//! From a reading to a phase.

use rollouts_plugin::types::AnalysisPhase;

use super::{Reading, Result, conditions, groups};
use crate::config::{Config, Formulas, NoData, Source};

/// A metric's conditions; an empty text is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// `successCondition`.
    pub success: &'a str,
    /// `failureCondition`.
    pub failure: &'a str,
}

/// What a measurement says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The phase; [`AnalysisPhase::Running`] where no data is to be asked for again.
    pub phase: AnalysisPhase,
    /// Why.
    pub message: String,
    /// What was read, as text.
    pub value: String,
    /// What is worth keeping.
    pub metadata: Vec<(&'static str, String)>,
}

/// More groups than this are not judged one by one to name the sick ones.
const MOST_NAMED: usize = 500;

/// Judges a reading.
pub fn judge(config: &Config, given: Conditions<'_>, reading: &Reading) -> Verdict {
    let mut metadata = reading.notes.clone();
    if let Some(unit) = &reading.unit {
        metadata.push(("unit", unit.clone()));
    }
    if let Some(samples) = reading.samples {
        metadata.push(("samples", super::format_number(samples)));
    }
    if let Result::Groups(read) = &reading.result {
        let (list, truncated) = groups::list(read);
        metadata.push(("groups", list));
        if truncated {
            metadata.push(("groups_truncated", "true".to_owned()));
        }
    }
    let (phase, message) = phase(config, given, reading);
    Verdict {
        phase,
        message,
        value: reading.text(),
        metadata,
    }
}

fn phase(config: &Config, given: Conditions<'_>, reading: &Reading) -> (AnalysisPhase, String) {
    if reading.is_empty() && config.on_no_data != NoData::Conditions {
        return no_data(config.on_no_data);
    }
    if let (Some(samples), Some(guard)) = (reading.samples, &config.min_samples)
        && samples < guard.at_least
    {
        let (samples, least) = (
            super::format_number(samples),
            super::format_number(guard.at_least),
        );
        return (
            AnalysisPhase::Inconclusive,
            format!("{samples} samples are too few to judge; minSamples.atLeast is {least}"),
        );
    }
    let unconditional = given.success.trim().is_empty() && given.failure.trim().is_empty();
    if let Some((phase, message)) = reading.own.clone().filter(|_| unconditional) {
        return (phase, message);
    }
    match conditions::phase(given.success, given.failure, &reading.result) {
        // Go: `formatEvalError` puts this text in the place of whatever a condition without data complains about.
        Err(why) if reading.is_empty() => {
            let hint = "write onNoData (inconclusive, success, fail or retry(3m)), or default(result, …) in the condition";
            (AnalysisPhase::Error, format!("{why}; {hint}"))
        }
        Err(why) => (AnalysisPhase::Error, why),
        Ok(AnalysisPhase::Successful) => (
            AnalysisPhase::Successful,
            reading.own.clone().map(|(_, why)| why).unwrap_or_default(),
        ),
        Ok(phase) => {
            let message = explain(given, reading, &phase);
            (phase, message)
        }
    }
}

/// Checks conditions before there is an answer, against a result of the type that the source will give.
///
/// # Errors
/// What is wrong with a condition whatever the answer is. What depends on the answer's values is not.
pub fn check_conditions(config: &Config, given: Conditions<'_>) -> std::result::Result<(), String> {
    let sample = match &config.source {
        Source::V1 { .. } => Result::Number(Some(0.5)),
        Source::Scalar(scalar) => match &scalar.formulas {
            Formulas::Named(formulas) if !scalar.is_grouped() => {
                Result::Named(formulas.keys().map(|name| (name.clone(), Some(0.5))).collect())
            }
            Formulas::Query | Formulas::One(_) if scalar.is_grouped() => {
                Result::Groups((0..8).map(|group| (format!("group{group}"), 0.5)).collect())
            }
            Formulas::Query | Formulas::One(_) => Result::Number(Some(0.5)),
            // Their fields depend on the answer.
            Formulas::Named(_) => return Ok(()),
        },
        Source::Compare(..) | Source::Monitor(_) | Source::Slo(_) | Source::Gate(_) => return Ok(()),
    };
    conditions::phase(given.success, given.failure, &sample).map(|_| ())
}

/// What `onNoData` makes of nothing.
fn no_data(policy: NoData) -> (AnalysisPhase, String) {
    let because = |what: &str| format!("no data returned from Datadog; onNoData is {what}");
    match policy {
        NoData::Error | NoData::Conditions => (AnalysisPhase::Error, because("error")),
        NoData::Inconclusive => (AnalysisPhase::Inconclusive, because("inconclusive")),
        NoData::Success => (AnalysisPhase::Successful, because("success")),
        NoData::Fail => (AnalysisPhase::Failed, because("fail")),
        NoData::Retry(_) => (
            AnalysisPhase::Running,
            "no data returned from Datadog yet; asking again".to_owned(),
        ),
    }
}

/// Why a phase other than success: for groups, which of them.
fn explain(given: Conditions<'_>, reading: &Reading, phase: &AnalysisPhase) -> String {
    if let Some((_, why)) = &reading.own {
        return why.clone();
    }
    let Result::Groups(read) = &reading.result else {
        return String::new();
    };
    if read.is_empty() || read.len() > MOST_NAMED {
        return String::new();
    }
    let alone = |group: &&(String, f64)| {
        conditions::phase(
            given.success,
            given.failure,
            &Result::Groups(vec![(*group).clone()]),
        )
        .as_ref()
            == Ok(phase)
    };
    let mut failing: Vec<(String, f64)> = read.iter().filter(alone).cloned().collect();
    let verb = match phase {
        AnalysisPhase::Failed => "fail",
        _ => "are inconclusive",
    };
    if failing.is_empty() {
        return String::new();
    }
    failing.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    format!("{verb}: {}", groups::name_failing(&failing, read.len()))
}
