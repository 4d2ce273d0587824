//! Measurements as the controller gets them: bounded, and without secrets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollouts_plugin::types::{AnalysisPhase, Measurement, Time};

use super::{Finished, Progress, Redactor, State, Subject};
use crate::config::{Config, Formulas, MonitorTarget, Scalar, Source};
use crate::judge::{Verdict, cut};
use crate::plan::{self, Window};

/// Bounds in bytes. Ten measurements of each metric live in an object that may have 1.5 MB.
const MOST_MESSAGE: usize = 1024;
const MOST_VALUE: usize = 4096;
const MOST_ENTRY: usize = 1024;
/// Younger than this in milliseconds, a measurement under way is looked at again soon: at the first whole second that is
/// at least so many milliseconds away.
const YOUNG: i64 = 1500;
const SOON: i64 = 400;
/// `groups` is bounded where it is made.
const MOST_GROUPS: usize = 4096;

/// A measurement that has come to its end.
pub fn finished(subject: &Subject, finished: &Finished, began: Timestamp, now: Timestamp) -> Measurement {
    let redactor = match &finished.account {
        Some(account) => subject.redactor.clone().with_account(account),
        None => subject.redactor.clone(),
    };
    let verdict = &finished.verdict;
    let mut metadata = describe(
        &subject.config,
        finished.window,
        finished.account.as_ref().map(|account| account.app.as_str()),
    );
    for (name, text) in &verdict.metadata {
        metadata.insert((*name).to_owned(), text.clone());
    }
    Measurement {
        phase: verdict.phase.clone(),
        message: cut(redactor.clean(&verdict.message), MOST_MESSAGE),
        value: cut(redactor.clean(&verdict.value), MOST_VALUE),
        started_at: Some(Time(began)),
        finished_at: Some(Time(now)),
        resume_at: None,
        metadata: clean(metadata, &redactor),
    }
}

/// A measurement that could not even begin.
pub fn broken(verdict: &Verdict, redactor: &Redactor, began: Timestamp, now: Timestamp) -> Measurement {
    Measurement {
        phase: verdict.phase.clone(),
        message: cut(redactor.clean(&verdict.message), MOST_MESSAGE),
        started_at: Some(Time(began)),
        finished_at: Some(Time(now)),
        ..Measurement::default()
    }
}

/// A measurement under way, to be resumed at a whole second: `metav1.Time` has no fractions in JSON, and the controller
/// comes back exactly then.
pub fn running(redactor: &Redactor, progress: &Progress, began: Timestamp, now: Timestamp) -> Measurement {
    let redactor = &match &progress.account {
        Some(account) => redactor.clone().with_account(account),
        None => redactor.clone(),
    };
    let (until, message) = match &progress.state {
        State::Waiting { until, why } => {
            // One more second for what is asked at `until` to be answered.
            (until.as_second() + 2, why.clone())
        }
        State::Asking => {
            let age = now.as_millisecond() - began.as_millisecond();
            let until = match age < YOUNG {
                // Most answers that took longer than a worker's patience come soon after it.
                true => (now.as_millisecond() + SOON).div_euclid(1000) + 1,
                // Then after two seconds, four, at most five: each look is a write to the AnalysisRun.
                false => now.as_second() + (age / 1000).clamp(1, 5) + 1,
            };
            (until, "waiting for Datadog's answer".to_owned())
        }
    };
    let resume_at = Timestamp::from_second(until.max(now.as_second() + 1)).unwrap_or(now);
    let metadata = progress
        .notes
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.clone()))
        .collect();
    Measurement {
        phase: AnalysisPhase::Running,
        message: cut(redactor.clean(&message), MOST_MESSAGE),
        value: String::new(),
        started_at: Some(Time(began)),
        finished_at: None,
        resume_at: Some(Time(resume_at)),
        metadata: clean(metadata, redactor),
    }
}

/// What was asked, for metadata.
pub fn describe(config: &Config, window: Option<Window>, app: Option<&str>) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::new();
    let mut add = |name: &str, text: String| _ = metadata.insert(name.to_owned(), text);
    match &config.source {
        Source::V1 { query } => add("query", query.clone()),
        Source::Scalar(scalar) => add("query", queries(scalar)),
        Source::Compare(scalar, compare) => {
            add("query", queries(scalar));
            add(
                "compare",
                format!("{} against {}", compare.canary, compare.baseline),
            );
        }
        Source::Monitor(monitor) => match &monitor.target {
            MonitorTarget::Id(id) => add("monitor", id.clone()),
            MonitorTarget::Search(query) => add("monitor", query.clone()),
        },
        Source::Slo(slo) => add("slo", slo.id.clone()),
        Source::Gate(gate) => add("gate", format!("{} in {}", gate.service, gate.env)),
    }
    if let Some(window) = window {
        if !matches!(config.source, Source::Monitor(_) | Source::Gate(_)) {
            let moment = |second: i64| {
                Timestamp::from_second(second)
                    .map(|moment| moment.to_string())
                    .unwrap_or_default()
            };
            add("window", format!("{}/{}", moment(window.from), moment(window.to)));
        }
        if let Some(link) = app.and_then(|app| plan::link::link(config, window, app)) {
            add("link", link);
        }
    }
    metadata
}

/// The resolved queries and formulas in one line.
fn queries(scalar: &Scalar) -> String {
    let named = || {
        scalar
            .queries
            .iter()
            .map(|query| format!("{} = {}", query.name, query.text()))
            .collect::<Vec<_>>()
            .join("; ")
    };
    match &scalar.formulas {
        Formulas::Query => scalar.queries[0].text(),
        Formulas::One(formula) => format!("{formula} with {}", named()),
        Formulas::Named(formulas) => {
            let formulas: Vec<String> = formulas
                .iter()
                .map(|(name, formula)| format!("{name} = {formula}"))
                .collect();
            format!("{} with {}", formulas.join("; "), named())
        }
    }
}

fn clean(metadata: BTreeMap<String, String>, redactor: &Redactor) -> BTreeMap<String, String> {
    let bound = |name: &str| if name == "groups" { MOST_GROUPS } else { MOST_ENTRY };
    metadata
        .into_iter()
        .map(|(name, text)| {
            let bound = bound(&name);
            (cut(name, 64), cut(redactor.clean(&text), bound))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_look_is_soon_and_then_rarer() {
        let at = |millisecond: i64| Timestamp::from_millisecond(millisecond).unwrap();
        for (began, now, resume) in [
            (10_000, 10_500, 11),
            (10_000, 10_600, 12),
            (10_400, 10_900, 12),
            (10_000, 12_000, 15),
            (10_000, 14_000, 19),
            (10_000, 30_000, 36),
        ] {
            let running = running(&Redactor::default(), &Progress::default(), at(began), at(now));
            let seen = running.resume_at.unwrap().0;
            assert_eq!(seen, at(resume * 1000), "began {began}, now {now}");
        }
    }
}
