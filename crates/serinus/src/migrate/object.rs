//! Objects of the manifests: read through views, changed in their text.

use canary_steps::edit::{self, Change};
use serde_json::Value;

use crate::manifests::Document;

/// An object and the document in which it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'d> {
    pub(super) document: &'d Document,
    pub(super) value: &'d Value,
}

impl<'d> Object<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self {
            document,
            value: &document.value,
        }
    }

    pub(super) fn kind(&self) -> &'d str {
        text(&self.value["kind"])
    }

    /// The group of its apiVersion; empty for the core group.
    pub(super) fn group(&self) -> &'d str {
        text(&self.value["apiVersion"])
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind() == kind
    }

    pub(super) fn name(&self) -> &'d str {
        text(&self.value["metadata"]["name"])
    }

    /// Empty where whoever applies it decides.
    pub(super) fn namespace(&self) -> &'d str {
        text(&self.value["metadata"]["namespace"])
    }

    /// Whether both can be in one namespace.
    pub(super) fn is_beside(&self, other: &Object<'_>) -> bool {
        same_namespace(self.namespace(), other.namespace())
    }

    /// `Deployment demo/shop`
    pub(super) fn title(&self) -> String {
        match self.namespace() {
            "" => format!("{} {}", self.kind(), self.name()),
            namespace => format!("{} {namespace}/{}", self.kind(), self.name()),
        }
    }
}

/// An empty one is that of whoever applies the object: it may be the other.
pub(super) fn same_namespace(one: &str, other: &str) -> bool {
    one.is_empty() || other.is_empty() || one == other
}

/// The text of a value that is text, else nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The entries of a value that is a list, else none.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A change of the field at this way.
pub(super) fn set(path: &[&str], to: Value) -> Change {
    Change {
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        to: Some(to),
    }
}

/// The removal of the field at this way.
pub(super) fn unset(path: &[&str]) -> Change {
    Change {
        to: None,
        ..set(path, Value::Null)
    }
}

/// The document with these changes: in its text where that can be, else written anew from its value.
pub(super) fn edited(document: &Document, changes: &[Change]) -> Document {
    let mut value = document.value.clone();
    for change in changes {
        apply(&mut value, change);
    }
    let in_text = changes
        .iter()
        .try_fold(document.text.clone(), |text, change| edit::change(&text, change));
    // The editor proves each change; the whole is compared because a fallback is at hand.
    match in_text
        .ok()
        .filter(|text| edit::read(text).as_ref() == Ok(&value))
    {
        Some(text) => Document {
            text,
            value,
            rewritten: document.rewritten,
        },
        None => written(value),
    }
}

/// A document that is written from a value.
pub(super) fn written(value: Value) -> Document {
    Document {
        text: edit::yaml(&value),
        value,
        rewritten: true,
    }
}

fn apply(value: &mut Value, change: &Change) {
    let Some((field, parents)) = change.path.split_last() else {
        return;
    };
    let mut at = value;
    for key in parents {
        if change.to.is_none() && at.get(key).is_none_or(|next| !next.is_object()) {
            return;
        }
        at = &mut at[key];
    }
    match &change.to {
        Some(new) => at[field] = new.clone(),
        None => drop(at.as_object_mut().map(|map| map.remove(field))),
    }
}

/// What the API server and others wrote into the metadata of an object: a new object must not have it.
pub(super) fn foreign_metadata(value: &Value) -> Vec<Change> {
    let mut changes: Vec<Change> = [
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "selfLink",
        "ownerReferences",
    ]
    .iter()
    .map(|field| unset(&["metadata", field]))
    .collect();
    for part in ["annotations", "labels"] {
        let keys = value["metadata"][part].as_object().into_iter().flatten();
        let foreign = keys.filter(|(key, _)| is_foreign(key));
        changes.extend(foreign.map(|(key, _)| unset(&["metadata", part, key])));
    }
    changes.push(unset(&["status"]));
    changes
}

/// Marks of tools on one object, with which a second one would be taken for something else: for a part of an Argo CD
/// application that is to be pruned, for the owner of a DNS name or of a cloud's load balancer.
fn is_foreign(key: &str) -> bool {
    const EXACT: [&str; 4] = [
        "kubectl.kubernetes.io/last-applied-configuration",
        "argocd.argoproj.io/instance",
        "argocd.argoproj.io/tracking-id",
        "argo-rollouts.argoproj.io/managed-by-rollouts",
    ];
    const PREFIXES: [&str; 4] = [
        "deployment.kubernetes.io/",
        "external-dns.alpha.kubernetes.io/",
        "meta.helm.sh/",
        "service.beta.kubernetes.io/",
    ];
    EXACT.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}
