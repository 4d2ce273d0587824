//! Releases under way, and whose Rollouts have not been heard of: one may have been deleted, about which the controller
//! says nothing, or the call that would have ended its release was lost.
//!
//! Pure bookkeeping: [`Sweep`](super::sweep::Sweep) looks the suspects up and ends the releases of those that are gone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::RouteKey;
use crate::apply::Object;
use crate::plan::Ledger;

/// A Rollout in mid-release that was not heard of for so long is looked up.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// How long it is believed to be there then. One that waits at a pause may be silent for the 15 minutes of the
/// controller's resync.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(120);
/// How many are looked up at a time; the others are next.
const AT_ONCE: usize = 8;

/// What is known of releases under way, by Rollout.
#[derive(Default)]
pub(super) struct Orphans {
    releases: Mutex<HashMap<String, Release>>,
}

struct Release {
    /// When there was a call of it; [`None`] if there was none yet and only a record on a route tells of it.
    heard: Option<Instant>,
    /// When it was first known of, or heard of last.
    known: Instant,
    /// When to look it up.
    due: Instant,
    routes: BTreeSet<RouteKey>,
}

impl Orphans {
    /// A call of `owner` was about these routes; [`None`] is one that is not there. What is known of others holds: they
    /// could not be read, or the Rollout does not name them any more.
    pub(super) fn heard<'a>(
        &self,
        owner: &str,
        routes: impl Iterator<Item = (&'a RouteKey, Option<&'a Object>)>,
    ) {
        let (mut own, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for (key, route) in routes {
            seen.insert(key);
            let ledger = route.map(Ledger::read).unwrap_or_default();
            for (other, _) in ledger.entries() {
                match other == owner {
                    true => drop(own.insert(key.clone())),
                    false => self.found(other, key),
                }
            }
        }
        let mut releases = self.lock();
        if let Some(known) = releases.remove(owner) {
            own.extend(known.routes.into_iter().filter(|key| !seen.contains(key)));
        }
        if own.is_empty() {
            return;
        }
        let now = Instant::now();
        let release = Release {
            heard: Some(now),
            known: now,
            due: now + SILENCE,
            routes: own,
        };
        releases.insert(owner.to_owned(), release);
    }

    /// A record on this route tells of a release of `owner`.
    pub(super) fn found(&self, owner: &str, key: &RouteKey) {
        let mut releases = self.lock();
        let now = Instant::now();
        let release = releases.entry(owner.to_owned()).or_insert_with(|| Release {
            heard: None,
            known: now,
            due: now + SILENCE,
            routes: BTreeSet::new(),
        });
        release.routes.insert(key.clone());
    }

    /// Who has to be looked up now, those first who have waited longest.
    pub(super) fn due(&self) -> Vec<String> {
        let now = Instant::now();
        let mut releases = self.lock();
        let mut due = releases
            .iter_mut()
            .filter(|(_, release)| release.due <= now)
            .collect::<Vec<_>>();
        due.sort_by_key(|(_, release)| release.due);
        due.truncate(AT_ONCE);
        due.into_iter()
            .map(|(owner, release)| {
                release.due = now + ASK_AGAIN;
                owner.clone()
            })
            .collect()
    }

    /// The routes of a release, if there was no call of it since then.
    pub(super) fn silent_since(&self, owner: &str, then: Instant) -> Option<BTreeSet<RouteKey>> {
        let releases = self.lock();
        let release = releases.get(owner)?;
        let is_silent = release.heard.is_none_or(|heard| heard < then);
        is_silent.then(|| release.routes.clone())
    }

    /// For how long nothing was heard of a release.
    pub(super) fn silence(&self, owner: &str) -> Duration {
        let releases = self.lock();
        releases
            .get(owner)
            .map_or(Duration::ZERO, |release| release.known.elapsed())
    }

    /// Nothing of this release is left on a route.
    pub(super) fn forget(&self, owner: &str, key: &RouteKey) {
        let mut releases = self.lock();
        if let Some(release) = releases.get_mut(owner) {
            release.routes.remove(key);
            if release.routes.is_empty() {
                releases.remove(owner);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Release>> {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
