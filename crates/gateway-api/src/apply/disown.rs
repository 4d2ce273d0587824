//! Takes our name out of `metadata.managedFields` once nothing of ours is on a route.
//!
//! What the API server records there of a release is that its router wrote `spec.rules`. Tools that compare a cluster
//! with Git look at it (Argo CD's `managedFieldsManagers`), and would do so long after the release. The API server adds
//! the entry of whoever changes something, also to the entries that the same request brings, so the write that ends a
//! release cannot remove it; a write that changes nothing else can (apiserver `managedfields/internal/fieldmanager.go`
//! `Update`). There is one for each release, in the first reconcile that finds nothing else to do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::patch::is_refusal;
use super::{ApiError, Applier, FIELD_MANAGER, Object};
use crate::RouteKey;
use crate::plan::Ledger;

/// After a failure the entry is left alone for so long: nothing depends on it.
const PAUSE: Duration = Duration::from_secs(600);
/// Failures remembered; more are forgotten, which costs a request each.
const REMEMBERED: usize = 256;

/// Routes on which it did not work out.
#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<RouteKey, Instant>>);

impl Failures {
    fn has(&self, key: &RouteKey) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(key).is_some_and(|since| since.elapsed() < PAUSE)
    }

    fn add(&self, key: &RouteKey) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.clear();
        }
        failures.insert(key.clone(), Instant::now());
    }
}

impl Applier {
    /// Removes our entries from a route on which no release has anything. A failure is no error: it is tried again
    /// later.
    pub(crate) async fn disown(&self, key: &RouteKey, route: &Object) {
        let Some(operations) = plan_patch(route) else {
            return;
        };
        if self.undisowned.has(key) {
            return;
        }
        let token = self.watches.as_ref().and_then(|watches| watches.ask(key).1);
        match self.write_disowned(key, &operations).await {
            Ok(object) => self.saw(key, &object, token.as_ref()),
            Err(error) => {
                tracing::debug!(
                    route = key.to_string(),
                    "its managedFields still name us: {error}"
                );
                self.undisowned.add(key);
                if error.is_doubtful() {
                    self.doubt(key);
                }
            }
        }
    }

    async fn write_disowned(&self, key: &RouteKey, operations: &[Value]) -> Result<Object, ApiError> {
        if self.patches.are_permitted(key.kind) {
            match self.timed(self.api.patch_route(key, operations)).await {
                Err(error) if is_refusal(&error) => self.patches.refuse(key.kind, &error),
                patched => return patched,
            }
        }
        // What a watch told has no sets of fields.
        let mut route = self.timed(self.api.route(key)).await?;
        if plan_patch(&route).is_none() {
            return Ok(route);
        }
        if let Some(entries) = route["metadata"]["managedFields"].as_array_mut() {
            entries.retain(|entry| !is_ours(entry));
            if entries.is_empty() {
                route["metadata"]["managedFields"] = nobody();
            }
        }
        self.timed(self.api.put_route(key, &route)).await
    }
}

/// The operations that remove our entries, tests first; [`None`] where there are none, or some release has something on
/// the route.
fn plan_patch(route: &Object) -> Option<Vec<Value>> {
    let metadata = &route["metadata"];
    let entries = metadata["managedFields"].as_array()?;
    let ours = (0..entries.len()).filter(|&at| is_ours(&entries[at]));
    let ours = ours.collect::<Vec<_>>();
    if ours.is_empty() || Ledger::read(route).entries().next().is_some() {
        return None;
    }
    let mut operations = vec![json!({"op": "test", "path": "/metadata/uid", "value": metadata["uid"]})];
    if ours.len() == entries.len() {
        let version = &metadata["resourceVersion"];
        operations.push(json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
        operations.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": nobody()}));
        return Some(operations);
    }
    operations.extend(ours.iter().map(|at| {
        json!({"op": "test", "path": format!("/metadata/managedFields/{at}/manager"), "value": FIELD_MANAGER})
    }));
    operations.extend(
        ours.iter()
            .rev()
            .map(|at| json!({"op": "remove", "path": format!("/metadata/managedFields/{at}")})),
    );
    Some(operations)
}

/// A list without entries means "as they were" to the API server, and one with an empty entry that there are none.
fn nobody() -> Value {
    json!([{}])
}

fn is_ours(entry: &Value) -> bool {
    entry["manager"] == FIELD_MANAGER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ANNOTATION;

    fn route(managers: &[&str]) -> Object {
        let entries = managers.iter().map(|manager| json!({"manager": manager}));
        json!({"metadata": {"uid": "u", "managedFields": entries.collect::<Vec<_>>()}})
    }

    #[test]
    fn our_entries_go_and_no_others() {
        let mut route = route(&["kubectl", FIELD_MANAGER, "gateway", FIELD_MANAGER]);
        let patch = Value::from(plan_patch(&route).unwrap());
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        json_patch::patch(&mut route, &patch).unwrap();
        assert_eq!(
            route["metadata"]["managedFields"],
            json!([{"manager": "kubectl"}, {"manager": "gateway"}])
        );
        json_patch::patch(&mut route, &patch).unwrap_err();
    }

    /// The entry of a manager whose only field we wrote is gone.
    #[test]
    fn where_only_we_are_named_nobody_is() {
        let mut route = route(&[FIELD_MANAGER]);
        route["metadata"]["resourceVersion"] = json!("7");
        assert_eq!(
            Value::from(plan_patch(&route).unwrap()),
            json!([{"op": "test", "path": "/metadata/uid", "value": "u"},
                {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "replace", "path": "/metadata/managedFields", "value": [{}]}])
        );
    }

    #[test]
    fn nothing_is_done_while_a_release_needs_it_or_where_we_are_not_named() {
        for route in [json!({"metadata": {}}), route(&[]), route(&["kubectl"])] {
            assert_eq!(plan_patch(&route), None, "{route}");
        }
        let mut busy = route(&["kubectl", FIELD_MANAGER]);
        busy["metadata"]["annotations"] = json!({ANNOTATION: r#"{"shop/web":{"label":"l"}}"#});
        assert_eq!(plan_patch(&busy), None);
    }
}
