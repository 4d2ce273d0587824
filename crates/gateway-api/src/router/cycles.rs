//! What is remembered from call to call. Losing it costs a little speed or one reconcile, never correctness.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rollouts_plugin::types::{Rollout, WeightDestination};
use tokio::time::Instant;

use super::routes::Report;
use crate::RouteKey;
use crate::intent::is_over;
use crate::verify::Written;

/// A Rollout that was not heard of for so long is forgotten: longer than the controller's resync of 15 minutes.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Number of Rollouts from which on forgetting is worth the look.
const MANY: usize = 1024;

/// What is remembered, by Rollout.
#[derive(Default)]
pub(super) struct Cycles {
    rollouts: Mutex<HashMap<String, Cycle>>,
}

struct Cycle {
    seen: Instant,
    /// `resourceVersion` of the Rollout in the reconcile that removed its managed routes.
    removed: Option<String>,
    /// What was seen of each route when it was as it had been asked for.
    written: HashMap<RouteKey, Written>,
    /// What was asked for last, by `SetWeight` and by a step of its own, and the routes that became so.
    asked: Option<(Asked, HashSet<RouteKey>)>,
    asked_by_step: Option<(Asked, HashSet<RouteKey>)>,
    /// When weights were written last, while nobody verified them.
    written_at: Option<Instant>,
    /// A weight that is not served, and since when.
    pending: Option<(i32, Instant)>,
    /// A weight of a version that is held up until gateways serve it, and since when.
    guarded: Option<((String, i32), Instant)>,
    /// When the promotion was first seen.
    promoted: Option<Instant>,
}

/// What a call asks for, as far as a route follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    weights: Vec<(String, i32)>,
    /// How many experiments there were Services for.
    experiments: usize,
    step: Option<usize>,
    hash: String,
    is_over: bool,
    removed: bool,
}

impl Asked {
    /// `removed` says that managed routes were removed in this reconcile.
    pub(super) fn of(
        rollout: &Rollout,
        weight: i32,
        additional: &[WeightDestination],
        experiments: usize,
        removed: bool,
    ) -> Self {
        let others = additional
            .iter()
            .map(|other| (other.service_name.clone(), other.weight));
        Self {
            weights: std::iter::once((String::new(), weight)).chain(others).collect(),
            experiments,
            step: rollout.current_step_index(),
            hash: rollout.status.current_pod_hash.clone(),
            is_over: is_over(rollout),
            removed,
        }
    }
}

/// The routes that were as it is asked now when it was asked last; and what to compare with the next time.
fn again(
    before: &mut Option<(Asked, HashSet<RouteKey>)>,
    asked: Asked,
    report: &Report,
) -> HashSet<RouteKey> {
    let done = report.seen().map(|(key, _)| key.clone()).collect();
    let same = before.take().filter(|(known, _)| *known == asked);
    *before = Some((asked, done));
    same.map(|(_, done)| done).unwrap_or_default()
}

impl Cycles {
    /// `RemoveManagedRoutes` was called.
    pub(super) fn begin_removed(&self, rollout: &Rollout) {
        self.with(rollout, |cycle| {
            cycle.removed = Some(rollout.metadata.resource_version.clone());
        });
    }

    /// Whether `RemoveManagedRoutes` was called in this reconcile.
    pub(super) fn has_removed(&self, rollout: &Rollout) -> bool {
        let cycles = self.lock();
        let removed = cycles
            .get(&rollout.key())
            .and_then(|cycle| cycle.removed.as_deref());
        removed == Some(rollout.metadata.resource_version.as_str())
    }

    /// The reconcile is over: its last call came, or one failed.
    pub(super) fn end(&self, rollout: &Rollout) {
        if let Some(cycle) = self.lock().get_mut(&rollout.key()) {
            cycle.removed = None;
        }
    }

    /// What was set, and the generations that carry it; [`None`] where the weights were left as they were. Answers the
    /// routes that had been so before, so that a difference is somebody else's.
    pub(super) fn remember(
        &self,
        rollout: &Rollout,
        asked: Option<Asked>,
        report: &Report,
    ) -> HashSet<RouteKey> {
        self.with(rollout, |cycle| {
            let seen = report.seen().map(|(key, written)| (key.clone(), written));
            cycle.written.extend(seen);
            if asked.is_some() && report.has_written() {
                cycle.written_at = Some(Instant::now());
            }
            asked.map_or_else(HashSet::new, |asked| again(&mut cycle.asked, asked, report))
        })
    }

    /// The same for a header or mirror step, which the controller calls for at each reconcile while it is the current
    /// one.
    pub(super) fn remember_step(
        &self,
        rollout: &Rollout,
        asked: Asked,
        report: &Report,
    ) -> HashSet<RouteKey> {
        self.with(rollout, |cycle| again(&mut cycle.asked_by_step, asked, report))
    }

    /// How long ago weights were written that nobody verified before.
    pub(super) fn take_written_for(&self, rollout: &Rollout) -> Option<Duration> {
        let mut cycles = self.lock();
        let at = cycles.get_mut(&rollout.key())?.written_at.take()?;
        Some(at.elapsed())
    }

    /// How long this weight has not been served.
    pub(super) fn pending_for(&self, rollout: &Rollout, weight: i32) -> Duration {
        self.with(rollout, |cycle| match cycle.pending {
            Some((known, since)) if known == weight => since.elapsed(),
            _ => {
                cycle.pending = Some((weight, Instant::now()));
                Duration::ZERO
            }
        })
    }

    /// The weight is served.
    pub(super) fn end_pending(&self, rollout: &Rollout) {
        if let Some(cycle) = self.lock().get_mut(&rollout.key()) {
            cycle.pending = None;
        }
    }

    /// What a route was when it was last as it had been asked for.
    pub(super) fn written(&self, rollout: &Rollout, route: &RouteKey) -> Option<Written> {
        self.lock().get(&rollout.key())?.written.get(route).cloned()
    }

    /// How long this weight has been held up; it begins now if it was not.
    pub(super) fn guarded_for(&self, rollout: &Rollout, weight: i32) -> Duration {
        let guarded = (rollout.status.current_pod_hash.clone(), weight);
        self.with(rollout, |cycle| match &cycle.guarded {
            Some((known, since)) if *known == guarded => since.elapsed(),
            _ => {
                cycle.guarded = Some((guarded, Instant::now()));
                Duration::ZERO
            }
        })
    }

    /// Nothing is held up.
    pub(super) fn end_guard(&self, rollout: &Rollout) {
        if let Some(cycle) = self.lock().get_mut(&rollout.key()) {
            cycle.guarded = None;
        }
    }

    /// How long ago this promotion was first seen; [`None`] where there was none, or it was not seen.
    pub(super) fn promoted_for(&self, rollout: &Rollout, promoted: bool, began: bool) -> Option<Duration> {
        if promoted && began {
            return Some(self.with(rollout, |cycle| {
                cycle.promoted.get_or_insert_with(Instant::now).elapsed()
            }));
        }
        let mut cycles = self.lock();
        let cycle = cycles.get_mut(&rollout.key())?;
        if !promoted {
            cycle.promoted = None;
        }
        cycle.promoted.map(|since| since.elapsed())
    }

    fn with<T>(&self, rollout: &Rollout, change: impl FnOnce(&mut Cycle) -> T) -> T {
        let now = Instant::now();
        let mut cycles = self.lock();
        if cycles.len() >= MANY && cycles.len() == cycles.capacity() {
            cycles.retain(|_, cycle| now - cycle.seen < FORGOTTEN);
        }
        let cycle = cycles.entry(rollout.key()).or_insert_with(|| Cycle {
            seen: now,
            removed: None,
            written: HashMap::new(),
            asked: None,
            asked_by_step: None,
            written_at: None,
            pending: None,
            guarded: None,
            promoted: None,
        });
        cycle.seen = now;
        change(cycle)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Cycle>> {
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
