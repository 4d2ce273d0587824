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
/// Nor are they by conditions longer than this, which take a while to compile for each.
const LONGEST_NAMED: usize = 2000;

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
            // What the groups are called depends on the answer.
            Formulas::Named(formulas) => {
                let groups = serde_json::json!({});
                object(formulas.keys().map(|name| (name.clone(), groups.clone())))
            }
        },
        Source::Compare(..) | Source::Monitor(_) | Source::Slo(_) | Source::Gate(_) => object([]),
    };
    match sample {
        Result::Object(_) => conditions::check(given.success, given.failure, &sample),
        _ => conditions::phase(given.success, given.failure, &sample).map(|_| ()),
    }
}

fn object(entries: impl IntoIterator<Item = (String, serde_json::Value)>) -> Result {
    Result::Object(serde_json::Value::Object(entries.into_iter().collect()))
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
    let length = given.success.len() + given.failure.len();
    if read.is_empty() || read.len() > MOST_NAMED || length > LONGEST_NAMED {
        return String::new();
    }
    let alone = |group: &&(String, f64)| {
        // Naming the sick may cost as much as the verdict did, and no more: a condition may be written to do harm.
        conditions::phase_of_many(
            given.success,
            given.failure,
            &Result::Groups(vec![(*group).clone()]),
            read.len(),
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    /// A condition that uses up its budget is evaluated once; naming the sick groups does not take five hundred times
    /// as long.
    #[test]
    fn naming_the_sick_costs_no_more_than_the_verdict() {
        let block = json!({"apiVersion": "v2", "query": "avg:errors{*} by {host}"});
        let config = Config::parse(&block).unwrap();
        let groups = (0..500).map(|host| (format!("h{host}"), 1.0)).collect();
        let reading = Reading::of(Result::Groups(groups));
        let judged = |success: &str| {
            let began = Instant::now();
            let verdict = judge(&config, Conditions { success, failure: "" }, &reading);
            assert_eq!(verdict.phase, AnalysisPhase::Failed, "{}", verdict.message);
            (verdict.message, began.elapsed())
        };
        let (_, took) = judged("sum(map(1..60000, # * 2)) > 0 && all(result, # < 0.05)");
        assert!(took < Duration::from_secs(5), "{took:?}");
        let (message, _) = judged("all(result, # < 0.05)");
        assert!(message.starts_with("fail: 500 of 500 groups: h0=1"), "{message}");
    }

    #[test]
    fn conditions_about_objects_are_checked_too() {
        let grouped = json!({"queries": {"a": "sum:a{*} by {h}"}, "formulas": {"err": "a"}});
        let compare =
            json!({"apiVersion": "v2", "query": "avg:a{*}", "compare": {"canary": "v:2", "baseline": "v:1"}});
        for block in [
            json!({"monitor": {"id": 1}}),
            json!({"slo": {"id": "x"}}),
            json!({"gate": {"service": "a", "env": "b"}}),
            compare,
            grouped,
        ] {
            let config = Config::parse(&block).unwrap();
            let check = |success: &str| check_conditions(&config, Conditions { success, failure: "" });
            for (condition, why) in [
                ("result.alert = 0", "successCondition"),
                ("results.alert == 0", "unknown name results"),
                ("result > 1", "mismatched types"),
            ] {
                let said = check(condition).unwrap_err();
                assert!(said.contains(why), "{block} {condition}: {said}");
            }
            assert_eq!(check("result.alert == 0"), Ok(()), "{block}");
        }
    }
}
