//! Rollouts that were deleted in mid-release: the controller says nothing when it happens, so it is found out.
//!
//! Two things make a Rollout suspect: it has something on a route that another Rollout's call has just been about, or it
//! was in mid-release here and has not been heard of for longer than the controller's resync takes. A suspect is looked
//! up; only where the API server says that there is no such Rollout is its route tidied.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::RouteKey;
use crate::apply::Object;
use crate::plan::Ledger;

/// A Rollout that was not heard of for so long is suspect: the controller looks at each every 15 minutes.
const SILENCE: Duration = Duration::from_secs(20 * 60);
/// How often a suspect is looked up.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How many are looked up in one call, which waits for it.
const AT_ONCE: usize = 4;

/// What is known of Rollouts in mid-release.
#[derive(Default)]
pub(super) struct Orphans {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    releases: HashMap<String, Release>,
    asked: HashMap<String, Instant>,
}

struct Release {
    heard: Instant,
    routes: BTreeSet<RouteKey>,
}

impl Orphans {
    /// A call of `owner` was about these routes. Answers who else may be gone and has something on which route.
    pub(super) fn suspects<'a>(
        &self,
        owner: &str,
        routes: impl Iterator<Item = (&'a RouteKey, &'a Object)>,
    ) -> Vec<(String, RouteKey)> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = BTreeSet::new();
        let mut suspects = BTreeSet::new();
        for (key, route) in routes {
            for (other, _) in Ledger::read(route).entries() {
                match other == owner {
                    true => drop(own.insert(key.clone())),
                    false => drop(suspects.insert((other.to_owned(), key.clone()))),
                }
            }
        }
        let recent = |since: &Instant| now - *since < SILENCE;
        match own.is_empty() {
            true => drop(state.releases.remove(owner)),
            false => drop(state.releases.insert(
                owner.to_owned(),
                Release {
                    heard: now,
                    routes: own,
                },
            )),
        }
        let silent = state
            .releases
            .iter()
            .filter(|(_, release)| !recent(&release.heard));
        suspects.extend(
            silent.flat_map(|(other, release)| release.routes.iter().map(|key| (other.clone(), key.clone()))),
        );
        if suspects.is_empty() {
            return Vec::new();
        }
        state.asked.retain(|_, asked| now - *asked < ASK_AGAIN);
        let mut chosen = BTreeSet::new();
        for (other, _) in &suspects {
            if chosen.len() < AT_ONCE && !state.asked.contains_key(other) {
                chosen.insert(other.clone());
            }
        }
        for other in &chosen {
            state.asked.insert(other.clone(), now);
        }
        suspects
            .into_iter()
            .filter(|(other, _)| chosen.contains(other))
            .collect()
    }

    /// Nothing of this Rollout is left.
    pub(super) fn forget(&self, owner: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.releases.remove(owner);
    }
}
