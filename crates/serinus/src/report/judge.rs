//! The journal becomes a report: counts are judged, and everything that is wrong is named. Pure.

use std::time::Duration;

use super::{ActReport, PhaseReport};
use crate::measure::expect::{Check, Expectation};
use crate::measure::tally::Tally;
use crate::rehearsal::journal::{Pages, PhasePage};

/// Fewer answers than this are not judged: a phase so short is one that the release only passed through.
pub const LEAST_ANSWERS: u64 = 50;

/// Acts, phases and problems.
#[derive(Debug)]
pub struct Judgement {
    /// The releases.
    pub acts: Vec<ActReport>,
    /// The splits.
    pub phases: Vec<PhaseReport>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Judges what is written. `tally` looks a phase's counts up; `confidence` is that of a single check.
pub fn judge(
    pages: &Pages,
    end: Duration,
    confidence: f64,
    tally: impl Fn(&PhasePage) -> Tally,
) -> Judgement {
    let mut problems = Vec::new();
    let phases: Vec<PhaseReport> = pages
        .phases
        .iter()
        .map(|page| judge_phase(page, end, confidence, tally(page)))
        .collect();
    for phase in &phases {
        for check in phase.checks.iter().filter(|c| !c.holds) {
            problems.push(format!(
                "{} got {} of {} requests ({:.1} %) while its share was {:.1} %: {} to {} are allowed",
                check.expected.who,
                check.count,
                check.of,
                check.measured() * 100.0,
                check.expected.share * 100.0,
                check.allowed.0,
                check.allowed.1
            ));
        }
        for (who, count) in &phase.tally.by {
            if count.errors > 0 && !pages.failing.contains(who) {
                problems.push(format!(
                    "{who} failed {} of {} requests, though it is healthy",
                    count.errors, count.answers
                ));
            }
        }
        let lost = phase.tally.unnamed.answers + phase.tally.unanswered;
        if lost > 0 {
            problems.push(format!(
                "{lost} requests between {:.1} s and {:.1} s reached no version",
                phase.from.as_secs_f64(),
                phase.to.as_secs_f64()
            ));
        }
    }
    for call in pages.calls.iter().filter(|call| call.failed) {
        problems.push(format!(
            "{} failed at {:.1} s: {}",
            call.call,
            call.at.as_secs_f64(),
            call.answer
        ));
    }
    let acts = pages
        .acts
        .iter()
        .enumerate()
        .map(|(i, act)| {
            if let Some(problem) = &act.problem {
                problems.push(format!("{}: {problem}", act.title));
            }
            if !phases.iter().any(|p| p.act == Some(i) && !p.checks.is_empty()) {
                problems.push(format!("{}: no split was counted", act.title));
            }
            ActReport {
                title: act.title.clone(),
                ending: act.ending,
                from: act.from,
                to: act.to.unwrap_or(end),
                reached: act.to.is_some() && act.problem.is_none(),
            }
        })
        .collect();
    Judgement {
        acts,
        phases,
        problems,
    }
}

fn judge_phase(page: &PhasePage, end: Duration, confidence: f64, tally: Tally) -> PhaseReport {
    let judged = page.settled && tally.named() >= LEAST_ANSWERS;
    let mut checks = Vec::new();
    if judged {
        for (who, share) in &page.shares {
            checks.push(Check::judge(
                Expectation {
                    who: who.clone(),
                    share: *share,
                },
                &tally,
                confidence,
            ));
        }
        // A version that should get nothing is judged as well.
        for who in tally.by.keys().filter(|who| !page.shares.contains_key(*who)) {
            checks.push(Check::judge(
                Expectation {
                    who: who.clone(),
                    share: 0.0,
                },
                &tally,
                confidence,
            ));
        }
    }
    PhaseReport {
        act: page.act,
        weight: page.weight,
        shares: page.shares.clone(),
        settled: page.settled,
        from: page.from,
        to: page.to.unwrap_or(end),
        tally,
        checks,
    }
}
