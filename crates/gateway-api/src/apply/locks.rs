//! One writer a route at a time within this process, so that two Rollouts on one route do not conflict with each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use crate::RouteKey;

/// Locks by route; one that nobody holds or waits for is forgotten.
#[derive(Default)]
pub(super) struct Locks {
    routes: Mutex<HashMap<RouteKey, Weak<tokio::sync::Mutex<()>>>>,
}

impl Locks {
    pub(super) async fn lock(&self, key: &RouteKey) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    fn of(&self, key: &RouteKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = routes.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        // The map holds at most twice as many dead entries as live ones, whatever the number of routes in a lifetime.
        if routes.len() >= 64 && routes.len() == routes.capacity() {
            routes.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        routes.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}
