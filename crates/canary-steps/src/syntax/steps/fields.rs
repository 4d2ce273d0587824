//! Fields of a step as values of the right form.

use serde_json::{Map, Value};

use super::super::suggest::nearest;

pub(super) fn object<'v>(kind: &str, value: &'v Value) -> Result<&'v Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("has {kind}: {value}; it takes an object, e.g. {kind}: {{}}"))
}

pub(super) fn list<'m>(map: &'m Map<String, Value>, key: &str) -> Result<&'m [Value], String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(format!("has {key}: {other}; it takes a list")),
    }
}

pub(super) fn non_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|s| !s.is_empty())
}

pub(super) fn only(map: &Map<String, Value>, kind: &str, known: &[&'static str]) -> Result<(), String> {
    let Some(unknown) = map.keys().find(|k| !known.contains(&k.as_str())) else {
        return Ok(());
    };
    Err(match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("has the unknown field {kind}.{unknown}; did you mean {near}?"),
        None => format!(
            "has the unknown field {kind}.{unknown}; fields are {}",
            known.join(", ")
        ),
    })
}
