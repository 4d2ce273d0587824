//! The newest version of each route that this process has read or written.
//!
//! A GET that names it may be answered from the API server's own cache, without a question to etcd, which is half of the
//! work (`docs/benchmarks.md`). The answer is "not older than" that version (Kubernetes API concepts, "Resource versions", semantics of `get`), so
//! our own writes are always in it. What others wrote in the last milliseconds may not be, as with a watch; a write on
//! top of it is then a conflict, and the next reading asks for the newest.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Object;
use super::cache::version;
use crate::RouteKey;

/// Routes that are remembered; a hundred bytes each. With more, all are forgotten, which costs each one dear reading.
const MAX_ROUTES: usize = 10_000;

#[derive(Default)]
pub(super) struct Seen {
    versions: Mutex<HashMap<RouteKey, u64>>,
}

impl Seen {
    /// A version that the route has had, if it is known to have been the newest at some time.
    pub(super) fn version(&self, key: &RouteKey) -> Option<u64> {
        self.lock().get(key).copied()
    }

    /// A route was read or written.
    pub(super) fn saw(&self, key: &RouteKey, object: &Object) {
        let Some(version) = version(object) else { return };
        let mut versions = self.lock();
        if let Some(known) = versions.get_mut(key) {
            *known = version.max(*known);
            return;
        }
        if versions.len() >= MAX_ROUTES {
            versions.clear();
        }
        versions.insert(key.clone(), version);
    }

    /// Nobody knows what became of a write, or the API server does not know of such a version.
    pub(super) fn forget(&self, key: &RouteKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RouteKey, u64>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fake::key;
    use super::*;

    fn route(version: u64) -> Object {
        json!({"metadata": {"resourceVersion": version.to_string()}})
    }

    #[test]
    fn the_newest_is_remembered_whatever_the_order_of_the_news() {
        let seen = Seen::default();
        assert_eq!(seen.version(&key("web")), None);
        for (version, expected) in [(5, 5), (3, 5), (7, 7)] {
            seen.saw(&key("web"), &route(version));
            assert_eq!(seen.version(&key("web")), Some(expected));
        }
        assert_eq!(seen.version(&key("api")), None);
        seen.forget(&key("web"));
        assert_eq!(seen.version(&key("web")), None);
    }

    #[test]
    fn memory_is_bounded() {
        let seen = Seen::default();
        for n in 0..=MAX_ROUTES {
            seen.saw(&key(&n.to_string()), &route(1));
        }
        assert!(seen.lock().len() <= MAX_ROUTES);
        assert_eq!(seen.version(&key(&MAX_ROUTES.to_string())), Some(1));
    }
}
