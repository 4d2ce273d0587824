//! Typed looks at raw JSON rules. Nothing here builds a rule anew: what is not looked at stays as it is.

use std::fmt;

use serde_json::{Value, json};

/// Where a rule stands and what the user calls it, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleRef {
    index: Option<usize>,
    name: Option<String>,
}

impl RuleRef {
    pub(super) fn new(index: usize, rule: &Value) -> Self {
        Self {
            index: Some(index),
            name: name(rule).map(str::to_owned),
        }
    }

    /// A rule that is not in the route yet.
    pub(super) fn named(name: &str) -> Self {
        Self {
            index: None,
            name: Some(name.to_owned()),
        }
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.index, &self.name) {
            (Some(index), Some(name)) => write!(f, "spec.rules[{index}] ({name})"),
            (Some(index), None) => write!(f, "spec.rules[{index}]"),
            (None, name) => write!(f, "rule {}", name.as_deref().unwrap_or_default()),
        }
    }
}

/// `name` of a rule.
pub(super) fn name(rule: &Value) -> Option<&str> {
    rule.get("name").and_then(Value::as_str)
}

/// A list in an object; empty where there is none.
pub(super) fn list<'a>(object: &'a Value, field: &str) -> &'a [Value] {
    object
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// `backendRefs` of a rule.
pub(super) fn backends(rule: &Value) -> &[Value] {
    list(rule, "backendRefs")
}

/// `backendRefs` of a rule, to change.
pub(super) fn backends_mut(rule: &mut Value) -> Option<&mut Vec<Value>> {
    rule.get_mut("backendRefs").and_then(Value::as_array_mut)
}

/// A Service and the namespace it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceName<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
}

/// The Service that a backendRef of a route in `route_namespace` points at; [`None`] where it is something else (Gateway
/// API `BackendObjectReference`: group and kind default to a core Service, the namespace to the route's).
pub(super) fn service<'a>(backend: &'a Value, route_namespace: &'a str) -> Option<ServiceName<'a>> {
    let (mut name, mut namespace) = (None, route_namespace);
    for (field, value) in backend.as_object()? {
        let Some(text) = value.as_str() else { continue };
        match field.as_str() {
            "group" if !text.is_empty() => return None,
            "kind" if text != "Service" => return None,
            "name" => name = Some(text),
            "namespace" => namespace = text,
            _ => {}
        }
    }
    Some(ServiceName {
        name: name?,
        namespace,
    })
}

/// Whether a backendRef of a route in `route_namespace` points at this Service.
pub(super) fn points_at(backend: &Value, route_namespace: &str, wanted: ServiceName<'_>) -> bool {
    service(backend, route_namespace) == Some(wanted)
}

/// Weight of a backendRef; 1 where absent (Gateway API `BackendRef.weight`).
pub(super) fn weight(backend: &Value) -> u64 {
    backend
        .get("weight")
        .filter(|weight| !weight.is_null())
        .map_or(1, |weight| weight.as_u64().unwrap_or(0))
}

/// Sets a weight, unless it already says the same.
pub(super) fn set_weight(backend: &mut Value, value: u64) {
    if weight(backend) != value
        && let Some(backend) = backend.as_object_mut()
    {
        backend.insert("weight".into(), json!(value));
    }
}
