//! One writer a route at a time within this process, so that two Rollouts on one route do not conflict with each other.
//! Who only reads waits for nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::MutexGuard;

use crate::RouteKey;

/// Turns by route; one that nobody takes or waits for is forgotten.
#[derive(Default)]
pub(super) struct Turns {
    routes: Mutex<HashMap<RouteKey, Weak<Turn>>>,
}

/// Whose turn it is to write a route.
#[derive(Default)]
pub(super) struct Turn {
    writer: tokio::sync::Mutex<()>,
    taken: AtomicU64,
}

impl Turns {
    pub(super) fn of(&self, key: &RouteKey) -> Arc<Turn> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = routes.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        // The map holds at most twice as many dead entries as live ones, whatever the number of routes in a lifetime.
        if routes.len() >= 64 && routes.len() == routes.capacity() {
            routes.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        routes.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }
}

impl Turn {
    /// How many turns there have been so far: what was read before the last one may be out of date.
    pub(super) fn count(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// Waits for the turn of whoever read the route when there had been `count` turns. Answers also whether that reading
    /// still holds.
    pub(super) async fn take(&self, count: u64) -> (MutexGuard<'_, ()>, bool) {
        let guard = self.writer.lock().await;
        let before = self.taken.fetch_add(1, Ordering::AcqRel);
        (guard, before == count)
    }
}
