//! A planned change as a JSON Patch (RFC 6902) that fails where it would not do what was planned.
//!
//! The API server applies a patch to whatever is stored by then, so a path with an index alone may hit another rule.
//! Each patch therefore begins with `test` operations. One that changes only `spec` tests the generation, which every
//! change of `spec` raises and no change of status, labels or annotations: a gateway that reports is no conflict, as it
//! is for a PUT. One that changes labels or annotations tests `resourceVersion`, as a PUT does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{ApiError, Object};
use crate::RouteKind;

/// How long a refusal is believed; somebody may grant the right meanwhile.
const REFUSED: Duration = Duration::from_secs(600);

/// Whether routes may be patched, learned by trying.
#[derive(Default)]
pub(super) struct Patches {
    refused: Mutex<[Option<Instant>; RouteKind::ALL.len()]>,
    told: AtomicBool,
}

impl Patches {
    pub(super) fn are_permitted(&self, kind: RouteKind) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused[kind as usize].is_none_or(|since| since.elapsed() >= REFUSED)
    }

    pub(super) fn refuse(&self, kind: RouteKind, error: &ApiError) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused[kind as usize] = Some(Instant::now());
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::info!(
                "routes cannot be patched, so they are replaced as a whole, which is not said again: {error}"
            );
        }
    }
}

/// Whether an answer says that nobody may patch, or that nobody can.
pub(super) fn is_refusal(error: &ApiError) -> bool {
    matches!(error.code(), Some(403 | 405 | 415)) && !error.is_about_the_object()
}

/// The operations that turn `before` into `after`, tests first. [`None`] where more differs than `spec`, labels and
/// annotations, or `before` lacks what has to be tested: then the whole object must be written.
pub(super) fn plan_patch(before: &Object, after: &Object) -> Option<Vec<Value>> {
    let (before, after) = (before.as_object()?, after.as_object()?);
    let metadata = |object: &Map<String, Value>| {
        let mut metadata = object.get("metadata")?.as_object()?.clone();
        metadata.remove("managedFields");
        Some(metadata)
    };
    let (old, new) = (metadata(before)?, metadata(after)?);
    let mut operations = Vec::new();
    let mut keys = before
        .keys()
        .chain(after.keys().filter(|key| !before.contains_key(*key)));
    if keys.any(|key| key != "spec" && key != "metadata" && before.get(key) != after.get(key)) {
        return None;
    }
    let (guard, value) = match old == new {
        true => ("/metadata/generation", old.get("generation")?),
        false => ("/metadata/resourceVersion", old.get("resourceVersion")?),
    };
    operations.push(json!({"op": "test", "path": "/metadata/uid", "value": old.get("uid")?}));
    operations.push(json!({"op": "test", "path": guard, "value": value}));
    let tests = operations.len();
    objects("/metadata", &old, &new, &mut operations);
    if operations[tests..].iter().any(|operation| {
        let path = operation["path"].as_str().unwrap_or_default();
        !path.starts_with("/metadata/labels") && !path.starts_with("/metadata/annotations")
    }) {
        return None;
    }
    values("/spec", before.get("spec")?, after.get("spec")?, &mut operations);
    (operations.len() > tests).then_some(operations)
}

fn values(path: &str, old: &Value, new: &Value, operations: &mut Vec<Value>) {
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => objects(path, old, new, operations),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                values(&format!("{path}/{at}"), old, new, operations);
            }
        }
        _ => operations.push(json!({"op": "replace", "path": path, "value": new})),
    }
}

fn objects(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, operations: &mut Vec<Value>) {
    let path_of = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        operations.push(json!({"op": "remove", "path": path_of(key)}));
    }
    for (key, new) in new {
        match old.get(key) {
            Some(old) => values(&path_of(key), old, new, operations),
            None => operations.push(json!({"op": "add", "path": path_of(key), "value": new})),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route() -> Value {
        json!({"kind": "HTTPRoute", "metadata": {"name": "web", "uid": "u", "generation": 3, "resourceVersion": "9",
            "labels": {"app": "web"}, "managedFields": [{"manager": "kubectl"}]},
            "spec": {"rules": [{"backendRefs": [{"name": "stable"}, {"name": "canary", "weight": 0}]}]}})
    }

    fn planned(change: impl FnOnce(&mut Value)) -> Option<Vec<String>> {
        let before = route();
        let mut after = before.clone();
        after["metadata"].as_object_mut().unwrap().remove("managedFields");
        change(&mut after);
        let operations = plan_patch(&before, &after)?;
        Some(operations.iter().map(Value::to_string).collect())
    }

    #[test]
    fn weights_alone_test_the_generation() {
        let operations = planned(|route| {
            route["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(80);
            route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(20);
        });
        assert_eq!(
            operations.unwrap(),
            [
                r#"{"op":"test","path":"/metadata/uid","value":"u"}"#,
                r#"{"op":"test","path":"/metadata/generation","value":3}"#,
                r#"{"op":"add","path":"/spec/rules/0/backendRefs/0/weight","value":80}"#,
                r#"{"op":"replace","path":"/spec/rules/0/backendRefs/1/weight","value":20}"#,
            ]
        );
    }

    #[test]
    fn labels_and_annotations_test_the_resource_version() {
        let operations = planned(|route| {
            route["metadata"]["annotations"] = json!({"serinus.dev/routing": "x"});
            route["metadata"]["labels"]["a/b~c"] = json!("in-progress");
        });
        assert_eq!(
            operations.unwrap(),
            [
                r#"{"op":"test","path":"/metadata/uid","value":"u"}"#,
                r#"{"op":"test","path":"/metadata/resourceVersion","value":"9"}"#,
                r#"{"op":"add","path":"/metadata/annotations","value":{"serinus.dev/routing":"x"}}"#,
                r#"{"op":"add","path":"/metadata/labels/a~1b~0c","value":"in-progress"}"#,
            ]
        );
    }

    #[test]
    fn what_is_no_change_of_ours_is_no_patch() {
        assert_eq!(planned(|_| {}), None);
        assert_eq!(planned(|route| route["metadata"]["name"] = json!("other")), None);
        assert_eq!(planned(|route| route["status"] = json!({})), None);
    }

    /// Arbitrary JSON, without the nulls and other things that no route has.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u8>().prop_map(Value::from),
            "[a-c/~]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_of_one_object_the_other(old in json(), new in json()) {
            let (mut before, mut after) = (route(), route());
            before["spec"]["rules"] = old;
            after["spec"]["rules"] = new;
            let operations = plan_patch(&before, &after).unwrap_or_default();
            let patch: json_patch::Patch = serde_json::from_value(operations.into()).unwrap();
            json_patch::patch(&mut before, &patch).unwrap();
            prop_assert_eq!(before, after);
        }
    }
}
