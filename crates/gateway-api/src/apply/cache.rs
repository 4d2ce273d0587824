//! Routes as the API server told them last, of those that somebody asked for.
//!
//! Pure bookkeeping: [`Watches`](super::watch::Watches) fills it and knows whether it may be believed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Object;
use crate::RouteKey;

/// Bytes of JSON that are kept at most; a route that would exceed them is read anew each time. A usual one has 1 to
/// 3 kB.
const MAX_BYTES: usize = 24 << 20;

/// What is known of each route.
#[derive(Default)]
pub(super) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    routes: HashMap<RouteKey, Known>,
    bytes: usize,
}

struct Known {
    asked: Instant,
    /// The newest `resourceVersion` that was heard of.
    version: u64,
    /// The route in that version, as JSON: parsed it would be ten times as large.
    json: Option<Arc<[u8]>>,
}

impl Cache {
    /// The route, where it is known. From now on what is said about it is kept.
    pub(super) fn ask(&self, key: &RouteKey) -> Option<Object> {
        let now = Instant::now();
        let json = {
            let mut inner = self.lock();
            let Some(known) = inner.routes.get_mut(key) else {
                let known = Known {
                    asked: now,
                    version: 0,
                    json: None,
                };
                inner.routes.insert(key.clone(), known);
                return None;
            };
            known.asked = now;
            known.json.clone()?
        };
        serde_json::from_slice(&json).ok()
    }

    /// A route was read, written or reported; older news than those known change nothing.
    pub(super) fn saw(&self, key: &RouteKey, object: &Object) {
        if !self.lock().routes.contains_key(key) {
            return;
        }
        let Some(version) = version(object) else { return };
        let json = serde_json::to_vec(&without_field_sets(object)).ok();
        self.lock().set(key, version, json.map(Arc::from));
    }

    /// A route that nobody asked for need not be looked at.
    pub(super) fn wants(&self, key: &RouteKey) -> bool {
        self.lock().routes.contains_key(key)
    }

    /// A route is gone, or what is known of it is no longer to be believed; in any case it was in this version.
    pub(super) fn lost(&self, key: &RouteKey, version: u64) {
        self.lock().set(key, version, None);
    }

    /// Nobody knows what became of a write.
    pub(super) fn doubt(&self, key: &RouteKey) {
        let mut inner = self.lock();
        let version = inner.routes.get(key).map_or(0, |known| known.version);
        inner.set(key, version, None);
    }

    /// Everything of these routes is out of date.
    pub(super) fn forget(&self, of: impl Fn(&RouteKey) -> bool) {
        let mut inner = self.lock();
        let Inner { routes, bytes } = &mut *inner;
        for (key, known) in routes {
            if of(key) {
                *bytes -= known.json.take().map_or(0, |json| json.len());
            }
        }
    }

    /// Drops the routes that nobody asked for within `age`; answers how many are left.
    pub(super) fn prune(&self, age: Duration, of: impl Fn(&RouteKey) -> bool) -> usize {
        let mut inner = self.lock();
        let Inner { routes, bytes } = &mut *inner;
        let mut left = 0;
        routes.retain(|key, known| {
            if !of(key) {
                return true;
            }
            let stays = known.asked.elapsed() < age;
            match stays {
                true => left += 1,
                false => *bytes -= known.json.as_ref().map_or(0, |json| json.len()),
            }
            stays
        });
        left
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn set(&mut self, key: &RouteKey, version: u64, json: Option<Arc<[u8]>>) {
        let Some(known) = self.routes.get_mut(key) else {
            return;
        };
        if version < known.version {
            return;
        }
        known.version = version;
        self.bytes -= known.json.take().map_or(0, |json| json.len());
        let json = json.filter(|json| self.bytes + json.len() <= MAX_BYTES);
        self.bytes += json.as_ref().map_or(0, |json| json.len());
        known.json = json;
    }
}

/// The `resourceVersion` of an object as a number, which it is on every API server: etcd's revision.
pub(super) fn version(object: &Object) -> Option<u64> {
    object
        .pointer("/metadata/resourceVersion")?
        .as_str()?
        .parse()
        .ok()
}

/// The object with its `managedFields` cut down to who wrote when, and whether that was `spec`. The sets of fields are
/// longer than all the rest, and a write leaves them out anyway.
fn without_field_sets(object: &Object) -> Object {
    let mut object = object.clone();
    let entries = object
        .pointer_mut("/metadata/managedFields")
        .and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten() {
        let wrote_spec = entry.pointer("/fieldsV1/f:spec").is_some();
        *entry = json!({"manager": entry["manager"], "time": entry["time"],
            "fieldsV1": if wrote_spec { json!({"f:spec": {}}) } else { json!({}) }});
    }
    object
}

#[cfg(test)]
mod tests {
    use super::super::fake::key;
    use super::*;

    fn route(version: u64) -> Object {
        json!({"metadata": {"resourceVersion": version.to_string()}, "spec": {"v": version}})
    }

    #[test]
    fn only_what_was_asked_for_is_kept_and_the_newest_of_it() {
        let cache = Cache::default();
        cache.saw(&key("web"), &route(1));
        assert_eq!(cache.ask(&key("web")), None);
        for (version, expected) in [(5, 5), (3, 5), (7, 7)] {
            cache.saw(&key("web"), &route(version));
            assert_eq!(cache.ask(&key("web")), Some(route(expected)));
        }
        cache.lost(&key("web"), 6);
        assert_eq!(cache.ask(&key("web")), Some(route(7)), "it was made anew since");
        cache.lost(&key("web"), 8);
        cache.saw(&key("web"), &route(7));
        assert_eq!(
            cache.ask(&key("web")),
            None,
            "an answer that was overtaken by a removal"
        );
    }

    #[test]
    fn doubt_asks_for_a_fresh_reading() {
        let cache = Cache::default();
        cache.ask(&key("web"));
        cache.saw(&key("web"), &route(5));
        cache.doubt(&key("web"));
        assert_eq!(cache.ask(&key("web")), None);
        cache.saw(&key("web"), &route(5));
        assert_eq!(cache.ask(&key("web")), Some(route(5)));
    }

    #[test]
    fn memory_is_bounded() {
        let cache = Cache::default();
        let mut large = route(1);
        large["spec"]["v"] = "x".repeat(MAX_BYTES / 3).into();
        for name in ["a", "b", "c", "d"] {
            cache.ask(&key(name));
            cache.saw(&key(name), &large);
        }
        let kept = ["a", "b", "c", "d"].map(|name| cache.ask(&key(name)).is_some());
        assert_eq!(kept, [true, true, false, false]);
        cache.forget(|key| key.name == "a");
        cache.saw(&key("d"), &large);
        assert!(cache.ask(&key("d")).is_some(), "room was made");
        assert_eq!(cache.prune(Duration::ZERO, |key| key.name != "d"), 0);
        assert_eq!(cache.lock().routes.len(), 1);
    }

    #[test]
    fn who_wrote_is_kept_and_what_exactly_is_not() {
        let sets = json!({"f:spec": {"f:rules": {}}});
        let object = json!({"metadata": {"resourceVersion": "1", "managedFields": [
            {"manager": "kubectl", "operation": "Update", "time": "t", "fieldsV1": sets},
            {"manager": "gateway", "time": "t", "fieldsV1": {"f:status": {}}, "subresource": "status"}]}});
        assert_eq!(
            without_field_sets(&object)["metadata"]["managedFields"],
            json!([{"manager": "kubectl", "time": "t", "fieldsV1": {"f:spec": {}}},
                {"manager": "gateway", "time": "t", "fieldsV1": {}}])
        );
    }
}
