//! The objects of the stage, and how they may change. No IO and no clock of its own.
//!
//! Follows what a client can see of kube-apiserver for built-in kinds and for CRDs with a status subresource
//! (`apiextensions-apiserver/pkg/registry/customresource/{strategy,status_strategy}.go`,
//! `apiserver/pkg/registry/generic/registry/store.go`).

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::defaults;
use super::failure::Failure;
use super::resource::Resource;
use super::selector::Selector;
use super::validate;

/// How many changes a watch can ask for afterwards; older ones are `410 Expired`. A release on the stage makes a few
/// dozen, so that a reader who loses its connection for a moment never has to list again.
const HISTORY: usize = 4096;

/// What a write is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status.
    Main,
    /// The status and nothing else.
    Status,
}

/// Name of one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// `<plural>.<group>`.
    pub kind: String,
    /// Empty for a cluster-scoped kind.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl Key {
    /// The key of an object of a kind.
    pub fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            kind: resource.group_resource(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// What a watcher is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// `ADDED`
    Added,
    /// `MODIFIED`
    Modified,
    /// `DELETED`
    Deleted,
}

/// One change of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The resourceVersion that this change made.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// To which object.
    pub key: Key,
    /// The object before; `None` for a new one.
    pub before: Option<Value>,
    /// The object afterwards; for a deletion, as it was last.
    pub object: Value,
}

/// A way to change an object.
#[derive(Debug, Clone)]
pub enum Patch {
    /// RFC 6902
    Json(json_patch::Patch),
    /// RFC 7396
    Merge(Value),
}

/// Every object, and the last [`HISTORY`] changes.
#[derive(Debug, Clone, Default)]
pub struct Store {
    objects: BTreeMap<Key, Value>,
    revision: u64,
    created: u64,
    history: VecDeque<Change>,
}

impl Store {
    /// The resourceVersion of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The object as it is.
    pub fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Result<&Value, Failure> {
        let key = Key::new(resource, namespace, name);
        self.objects
            .get(&key)
            .ok_or_else(|| Failure::not_found(resource, name))
    }

    /// The objects of a kind, ordered by namespace and name.
    pub fn list(&self, resource: &Resource, namespace: Option<&str>, selector: &Selector) -> Vec<&Value> {
        let kind = resource.group_resource();
        self.objects
            .iter()
            .filter(|(key, object)| {
                key.kind == kind && namespace.is_none_or(|ns| key.namespace == ns) && selector.matches(object)
            })
            .map(|(_, object)| object)
            .collect()
    }

    /// Adds an object. `generateName` is honoured; the status that comes along is dropped where it is a subresource.
    pub fn create(
        &mut self,
        resource: &'static Resource,
        namespace: &str,
        mut object: Value,
        now: Timestamp,
    ) -> Result<Value, Failure> {
        let number = self.created + 1;
        let meta = metadata(&mut object)?;
        check_namespace(meta, namespace)?;
        let name = match (text(meta, "name"), text(meta, "generateName")) {
            ("", "") => {
                let cause = "metadata.name: Required value: name or generateName is required".to_owned();
                return Err(Failure::invalid(resource, "", &[cause]));
            }
            ("", prefix) => format!("{prefix}{number:05x}"),
            (name, _) => name.to_owned(),
        };
        let key = Key::new(resource, namespace, &name);
        if self.objects.contains_key(&key) {
            return Err(Failure::already_exists(resource, &name));
        }
        meta.insert("name".into(), name.clone().into());
        if resource.namespaced {
            meta.insert("namespace".into(), namespace.into());
        }
        meta.insert(
            "uid".into(),
            format!("00000000-0000-4000-8000-{number:012x}").into(),
        );
        meta.insert("creationTimestamp".into(), rfc3339(now).into());
        meta.remove("deletionTimestamp");
        if resource.status {
            meta.insert("generation".into(), 1.into());
        }
        settle_kind(resource, &mut object)?;
        if resource.status {
            members(&mut object)?.remove("status");
        }
        validate::check(resource, &name, &object)?;
        self.created = number;
        Ok(self.commit(ChangeKind::Added, key, object))
    }

    /// Replaces an object (PUT). A replacement that changes nothing keeps the resourceVersion.
    pub fn replace(
        &mut self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        part: Part,
        mut object: Value,
    ) -> Result<Value, Failure> {
        let current = self.get(resource, namespace, name)?.clone();
        let meta = metadata(&mut object)?;
        check_namespace(meta, namespace)?;
        if text(meta, "name") != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                text(meta, "name")
            )));
        }
        if text(meta, "resourceVersion").is_empty() && resource.status {
            // Custom resources cannot be updated blindly (customresource/strategy.go, AllowUnconditionalUpdate).
            let cause =
                "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update".to_owned();
            return Err(Failure::invalid(resource, name, &[cause]));
        }
        self.write(resource, &current, part, object)
    }

    /// Patches an object (PATCH). Like the API server this retries nothing: the patch is applied to what is there now.
    pub fn patch(
        &mut self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        part: Part,
        patch: &Patch,
    ) -> Result<Value, Failure> {
        let current = self.get(resource, namespace, name)?.clone();
        let mut object = current.clone();
        match patch {
            Patch::Merge(change) => json_patch::merge(&mut object, change),
            Patch::Json(change) => json_patch::patch(&mut object, change)
                .map_err(|e| Failure::invalid(resource, name, &[format!("the patch does not apply: {e}")]))?,
        }
        let meta = metadata(&mut object)?;
        check_namespace(meta, namespace)?;
        if text(meta, "name") != name {
            let cause = "metadata.name: Invalid value: field is immutable".to_owned();
            return Err(Failure::invalid(resource, name, &[cause]));
        }
        self.write(resource, &current, part, object)
    }

    /// Removes an object.
    pub fn delete(
        &mut self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Value, Failure> {
        let key = Key::new(resource, namespace, name);
        let object = self
            .objects
            .remove(&key)
            .ok_or_else(|| Failure::not_found(resource, name))?;
        Ok(self.record(ChangeKind::Deleted, key, Some(object.clone()), object))
    }

    /// The changes after `revision`, oldest first.
    pub fn changes_since(&self, revision: u64) -> Result<impl Iterator<Item = &Change>, Failure> {
        let oldest = self.history.front().map_or(self.revision + 1, |c| c.revision);
        if revision + 1 < oldest {
            return Err(Failure::expired(revision));
        }
        Ok(self.history.iter().filter(move |c| c.revision > revision))
    }

    fn write(
        &mut self,
        resource: &'static Resource,
        current: &Value,
        part: Part,
        mut object: Value,
    ) -> Result<Value, Failure> {
        let name = current["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let namespace = current["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let meta = metadata(&mut object)?;
        for (field, why) in [
            (
                "resourceVersion",
                "the object has been modified; please apply your changes to the latest version and try again"
                    .to_owned(),
            ),
            (
                "uid",
                "Precondition failed: UID in precondition and UID in object meta do not match".to_owned(),
            ),
        ] {
            let seen = text(meta, field);
            if !seen.is_empty() && Some(seen) != current["metadata"][field].as_str() {
                return Err(Failure::conflict(resource, &name, &why));
            }
        }
        for fixed in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "deletionTimestamp",
        ] {
            match current["metadata"].get(fixed) {
                Some(value) => meta.insert(fixed.into(), value.clone()),
                None => meta.remove(fixed),
            };
        }
        settle_kind(resource, &mut object)?;
        let new = members(&mut object)?;
        if resource.status {
            match part {
                Part::Main => match current.get("status") {
                    Some(status) => new.insert("status".into(), status.clone()),
                    None => new.remove("status"),
                },
                Part::Status => {
                    let status = new.remove("status");
                    new.clone_from(current.as_object().unwrap_or(&Map::new()));
                    match status {
                        Some(status) => new.insert("status".into(), status),
                        None => new.remove("status"),
                    }
                }
            };
        }
        if &object == current {
            return Ok(object);
        }
        validate::check(resource, &name, &object)?;
        if resource.status && differs_outside_metadata_and_status(current, &object) {
            let generation = current["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
            object["metadata"]["generation"] = generation.into();
        }
        Ok(self.commit(
            ChangeKind::Modified,
            Key::new(resource, &namespace, &name),
            object,
        ))
    }

    fn commit(&mut self, kind: ChangeKind, key: Key, object: Value) -> Value {
        let before = self.objects.get(&key).cloned();
        let object = self.record(kind, key.clone(), before, object);
        self.objects.insert(key, object.clone());
        object
    }

    fn record(&mut self, kind: ChangeKind, key: Key, before: Option<Value>, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Change {
            revision: self.revision,
            kind,
            key,
            before,
            object: object.clone(),
        });
        object
    }
}

/// `2026-11-21T11:34:05Z`, the form of `metav1.Time`.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn differs_outside_metadata_and_status(a: &Value, b: &Value) -> bool {
    let rest = |v: &Value| {
        let mut rest = v.as_object().cloned().unwrap_or_default();
        rest.retain(|k, _| !matches!(k.as_str(), "metadata" | "status" | "apiVersion"));
        rest
    };
    rest(a) != rest(b)
}

/// Refuses an object of another kind, turns the rest into the stored version and fills its defaults.
fn settle_kind(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    let api_version = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let known = resource
        .versions
        .iter()
        .any(|v| resource.api_version(v) == api_version);
    if !known || kind != resource.kind {
        return Err(Failure::bad_request(format!(
            "the object provided is {api_version:?} {kind:?}, which is not served as {}",
            resource.group_resource()
        )));
    }
    object["apiVersion"] = resource.api_version(resource.versions[0]).into();
    defaults::fill(resource, object);
    Ok(())
}

fn members(object: &mut Value) -> Result<&mut Map<String, Value>, Failure> {
    object
        .as_object_mut()
        .ok_or_else(|| Failure::bad_request("the body is not a JSON object"))
}

fn metadata(object: &mut Value) -> Result<&mut Map<String, Value>, Failure> {
    let meta = members(object)?.entry("metadata").or_insert_with(|| json!({}));
    meta.as_object_mut()
        .ok_or_else(|| Failure::bad_request("metadata is not an object"))
}

fn check_namespace(meta: &Map<String, Value>, namespace: &str) -> Result<(), Failure> {
    let seen = text(meta, "namespace");
    if seen.is_empty() || seen == namespace {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "the namespace of the provided object does not match the namespace sent on the request ({seen} is not {namespace})"
    )))
}

fn text<'a>(meta: &'a Map<String, Value>, field: &str) -> &'a str {
    meta.get(field).and_then(Value::as_str).unwrap_or_default()
}
