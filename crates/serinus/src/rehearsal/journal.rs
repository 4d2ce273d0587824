//! What happened, as it happens: written by the controller's part and by the load, read by the views and the report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::script::Ending;
use crate::measure::load::Load;
use crate::measure::tally::Tally;
use crate::report::{CallLine, EventLine, Sample};
use crate::stage::release::call::{Answer, Call};
use crate::stage::release::driver::{Happening, Observer};
use crate::stage::release::spec::{self, Step};
use crate::stage::release::status::Status;

/// Events and calls kept; a release makes some hundred.
const KEPT: usize = 20_000;
/// An event that comes again within so many others is counted, not listed.
const REPEATED_WITHIN: usize = 3;

/// The journal of a rehearsal.
#[derive(Debug)]
pub struct Journal {
    began: Instant,
    load: OnceLock<Load>,
    pages: Mutex<Pages>,
}

/// What is written.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    /// Version names by template hash.
    pub versions: BTreeMap<String, String>,
    /// Versions that fail on purpose.
    pub failing: BTreeSet<String>,
    /// Acts begun.
    pub acts: Vec<ActPage>,
    /// Phases of the traffic, in order.
    pub phases: Vec<PhasePage>,
    /// Calls of the router.
    pub calls: Vec<CallLine>,
    /// Events of the controller and of the plugin.
    pub events: Vec<EventLine>,
    /// Counts over time.
    pub samples: Vec<Sample>,
    /// The Rollout's status.
    pub status: Option<Status>,
    /// The steps of the current Rollout, described.
    pub steps: Vec<String>,
    /// Steps at which the current release pauses, with the length of the pause on the controller's clock.
    pub pods: BTreeMap<String, i32>,
}

/// An act under way or over.
#[derive(Debug, Clone)]
pub struct ActPage {
    /// Its heading.
    pub title: String,
    /// How it must end.
    pub ending: Ending,
    /// Weights that its steps set and then wait at.
    pub held: BTreeSet<i32>,
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub to: Option<Duration>,
    /// Why it did not end as it must.
    pub problem: Option<String>,
}

/// A stretch of time in which the traffic is split one way.
#[derive(Debug, Clone)]
pub struct PhasePage {
    /// The act that it belongs to; `None` before the first.
    pub act: Option<usize>,
    /// Weight of the canary.
    pub weight: i32,
    /// Shares by version name.
    pub shares: BTreeMap<String, f64>,
    /// The router has verified them.
    pub settled: bool,
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub to: Option<Duration>,
    /// The load's number for it.
    pub counted_as: Option<usize>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            load: OnceLock::new(),
            pages: Mutex::default(),
        }
    }
}

impl Journal {
    /// Time since the rehearsal began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// What is written so far.
    pub fn read(&self) -> Pages {
        self.pages().clone()
    }

    /// Looks something up without copying everything.
    pub fn with<T>(&self, look: impl FnOnce(&Pages) -> T) -> T {
        look(&self.pages())
    }

    /// From now on the phases are counted.
    pub(super) fn count(&self, load: Load) {
        let number = load.begin();
        if self.load.set(load).is_ok()
            && let Some(phase) = self.pages().phases.last_mut()
        {
            phase.counted_as = Some(number);
        }
    }

    /// What was counted in a phase so far.
    pub fn tally(&self, phase: &PhasePage) -> Tally {
        match (self.load.get(), phase.counted_as) {
            (Some(load), Some(number)) => load.tally(number),
            _ => Tally::default(),
        }
    }

    /// What was counted since the load began.
    pub fn total(&self) -> Tally {
        self.load.get().map(Load::total).unwrap_or_default()
    }

    /// Requests a second since the load began; `None` before there was time to tell.
    pub fn rate(&self) -> Option<f64> {
        let since = self.pages().samples.first()?.at;
        let seconds = self.now().saturating_sub(since).as_secs_f64();
        (seconds > 1.0).then(|| self.total().requests() as f64 / seconds)
    }

    /// Names a version.
    pub(super) fn name_version(&self, hash: &str, name: &str, fails: bool) {
        let mut pages = self.pages();
        pages.versions.insert(hash.to_owned(), name.to_owned());
        if fails {
            pages.failing.insert(name.to_owned());
        }
    }

    /// Begins an act.
    pub(super) fn begin_act(&self, title: &str, ending: Ending, steps: &[Step]) {
        let from = self.now();
        let mut pages = self.pages();
        pages.acts.push(ActPage {
            title: title.to_owned(),
            ending,
            held: spec::held_weights(steps),
            from,
            to: None,
            problem: None,
        });
        pages.steps = steps.iter().map(Step::describe).collect();
    }

    /// Ends the act under way.
    pub(super) fn end_act(&self, problem: Option<String>) {
        let now = self.now();
        if let Some(act) = self.pages().acts.last_mut() {
            (act.to, act.problem) = (Some(now), problem);
        }
    }

    /// The last warning that somebody else than the controller wrote, since the act under way began or before the first.
    pub(super) fn last_complaint(&self) -> Option<String> {
        let pages = self.pages();
        let from = pages.acts.last().map(|act| act.from).unwrap_or_default();
        let complaint = pages
            .events
            .iter()
            .rfind(|event| event.warning && event.source != "controller" && event.at >= from)?;
        Some(format!("{}: {}", complaint.source, complaint.message))
    }

    /// Ends the last phase.
    pub(super) fn close(&self) {
        let now = self.now();
        if let Some(phase) = self.pages().phases.last_mut() {
            phase.to.get_or_insert(now);
        }
    }

    /// Writes down the counts so far.
    pub(super) fn sample(&self, pods: BTreeMap<String, i32>) {
        let (at, total) = (self.now(), self.total());
        let mut pages = self.pages();
        let shares = pages.phases.last().map(|p| p.shares.clone()).unwrap_or_default();
        let answers = total
            .by
            .iter()
            .map(|(who, count)| (who.clone(), *count))
            .collect();
        let failed = total.failed();
        pages.samples.push(Sample {
            at,
            shares,
            answers,
            failed,
        });
        pages.pods = pods;
    }

    /// Writes down an event that somebody else than the controller wrote.
    pub(super) fn foreign_event(&self, source: &str, warning: bool, reason: &str, message: &str) {
        self.event(source, warning, reason, message);
    }

    fn event(&self, source: &str, warning: bool, reason: &str, message: &str) {
        let at = self.now();
        let mut pages = self.pages();
        // A controller that tries again says the same things again, in turn.
        let same = |line: &&mut EventLine| {
            (&*line.source, &*line.reason, &*line.message) == (source, reason, message)
        };
        if let Some(line) = pages.events.iter_mut().rev().take(REPEATED_WITHIN).find(same) {
            line.count += 1;
            return;
        }
        if pages.events.len() < KEPT {
            pages.events.push(EventLine {
                at,
                source: source.to_owned(),
                warning,
                reason: reason.to_owned(),
                message: message.to_owned(),
                count: 1,
            });
        }
    }

    fn shares(&self, weight: i32, shares: &BTreeMap<String, f64>, settled: bool) {
        let at = self.now();
        let number = self.load.get().map(Load::begin);
        let mut pages = self.pages();
        if let Some(last) = pages.phases.last_mut() {
            last.to.get_or_insert(at);
        }
        let mut named = BTreeMap::new();
        for (hash, share) in shares {
            let name = pages.versions.get(hash).unwrap_or(hash).clone();
            *named.entry(name).or_insert(0.0) += share;
        }
        let act = pages.acts.len().checked_sub(1);
        pages.phases.push(PhasePage {
            act,
            weight,
            shares: named,
            settled,
            from: at,
            to: None,
            counted_as: number,
        });
    }

    fn called(&self, call: &Call, answer: &Result<Answer, String>, took: Duration) {
        let at = self.now();
        let (said, failed) = match answer {
            Ok(Answer::Done) => (String::new(), false),
            Ok(Answer::Kind(kind)) => (kind.clone(), false),
            Ok(Answer::Verified(Some(true))) => ("Verified".to_owned(), false),
            Ok(Answer::Verified(Some(false))) => ("NotVerified".to_owned(), false),
            Ok(Answer::Verified(None)) => ("NotImplemented".to_owned(), false),
            Err(error) => (error.clone(), true),
        };
        let mut pages = self.pages();
        let act = pages.acts.len().checked_sub(1);
        if pages.calls.len() < KEPT {
            pages.calls.push(CallLine {
                at,
                act,
                call: call.to_string(),
                answer: said,
                failed,
                took,
            });
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Journal {
    fn note(&self, happening: Happening) {
        match happening {
            Happening::Event(event) => self.event("controller", event.warning, &event.reason, &event.message),
            Happening::Called { call, answer, took } => {
                self.called(&call, &answer.map_err(|e| e.to_string()), took);
            }
            Happening::Shares {
                weight,
                shares,
                settled,
            } => self.shares(weight, &shares, settled),
            Happening::Status(status) => self.pages().status = Some(*status),
            Happening::Failed(error) => self.event("controller", true, "ReconciliationError", &error),
            Happening::Promoted => self.event(
                "user",
                false,
                "Promoted",
                "ended the pause: kubectl argo rollouts promote",
            ),
            // The controller writes an event for it.
            Happening::Switched { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_complaint_is_of_the_act_under_way_and_not_the_controllers() {
        let journal = Journal::default();
        journal.foreign_event("router", true, "Refused", "no such route");
        assert_eq!(journal.last_complaint().as_deref(), Some("router: no such route"));
        journal.begin_act("first", Ending::Promoted, &[]);
        journal.foreign_event("router", true, "Refused", "no such Service");
        journal.foreign_event("router", false, "Waiting", "a moment");
        journal.event("controller", true, "ReconciliationError", "again");
        assert_eq!(
            journal.last_complaint().as_deref(),
            Some("router: no such Service")
        );
        journal.begin_act("second", Ending::Promoted, &[]);
        assert_eq!(journal.last_complaint(), None);
    }
}
