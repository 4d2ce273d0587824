//! The journal becomes a report: counts are judged, and everything that is wrong is named. Pure.

use std::time::Duration;

use super::{ActReport, PhaseReport};
use crate::measure::expect::{Check, Expectation};
use crate::measure::tally::Tally;
use crate::rehearsal::journal::{ActPage, Pages, PhasePage};
use crate::rehearsal::script::Ending;

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
            if act.problem.is_none() {
                problems.extend(unjudged(i, act, &phases));
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

/// The splits at which the steps of an act waited, and of which there were too few answers to judge. A rollback may cut
/// the one short that it ends.
fn unjudged(number: usize, act: &ActPage, phases: &[PhaseReport]) -> Vec<String> {
    let settled: Vec<&PhaseReport> = phases
        .iter()
        .filter(|p| p.act == Some(number) && p.settled)
        .collect();
    let cut = settled
        .iter()
        .rfind(|p| act.ending == Ending::Aborted && p.weight > 0);
    let cut = cut.map(|phase| phase.weight);
    let mut problems = Vec::new();
    for weight in act.held.iter().filter(|weight| Some(**weight) != cut) {
        let of_weight: Vec<&&PhaseReport> = settled.iter().filter(|p| p.weight == *weight).collect();
        if of_weight.is_empty() || of_weight.iter().any(|p| !p.checks.is_empty()) {
            continue;
        }
        let answers = of_weight.iter().map(|p| p.tally.named()).max().unwrap_or(0);
        problems.push(format!(
            "{}: the split of setWeight: {weight} was not judged: {answers} answers, {LEAST_ANSWERS} are needed; \
             ask more often with --rate, or wait longer with --longest-pause or a smaller --speed",
            act.title
        ));
    }
    problems
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::measure::tally::Count;

    #[test]
    fn a_split_at_which_the_release_waits_is_judged_or_missed() {
        let second = Duration::from_secs(1);
        let phase = |weight: i32| PhasePage {
            act: Some(0),
            weight,
            shares: BTreeMap::from([("canary".to_owned(), 1.0)]),
            settled: true,
            from: second,
            to: None,
            counted_as: None,
        };
        let missed = "web: the split of setWeight: 20 was not judged: 49 answers, 50 are needed; ask more often with --rate, or wait longer with --longest-pause or a smaller --speed";
        // ending, weights held, answers at 20 and at 60, problems
        let cases = [
            (Ending::Promoted, &[20, 60][..], 50, 50, &[][..]),
            (Ending::Promoted, &[20, 60], 49, 50, &[missed]),
            (Ending::Promoted, &[60], 49, 50, &[]),
            (
                Ending::Promoted,
                &[20],
                49,
                49,
                &["web: no split was counted", missed],
            ),
            (Ending::Aborted, &[20, 60], 50, 49, &[]),
        ];
        for (ending, held, at_20, at_60, want) in cases {
            let pages = Pages {
                acts: vec![ActPage {
                    title: "web".to_owned(),
                    ending,
                    held: held.iter().copied().collect::<BTreeSet<i32>>(),
                    from: second,
                    to: Some(second),
                    problem: None,
                }],
                phases: vec![phase(20), phase(60)],
                ..Pages::default()
            };
            let judged = judge(&pages, second, 0.999, |phase| {
                let answers = if phase.weight == 20 { at_20 } else { at_60 };
                let by = BTreeMap::from([("canary".to_owned(), Count { answers, errors: 0 })]);
                Tally {
                    by,
                    ..Tally::default()
                }
            });
            assert_eq!(judged.problems, want, "{held:?} {at_20} {at_60}");
        }
    }
}
