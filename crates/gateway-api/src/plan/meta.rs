//! Labels and annotations.

use serde_json::{Map, Value};

/// Sets or removes one entry of `metadata.labels` or `metadata.annotations`. A map that becomes empty by a removal goes.
pub(super) fn set(object: &mut Value, field: &str, key: &str, value: Option<String>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    match value {
        Some(value) => {
            let map = metadata.entry(field).or_insert_with(|| Map::new().into());
            if map.is_null() {
                *map = Map::new().into();
            }
            if let Some(map) = map.as_object_mut() {
                map.insert(key.to_owned(), value.into());
            }
        }
        None => {
            let Some(map) = metadata.get_mut(field).and_then(Value::as_object_mut) else {
                return;
            };
            if map.remove(key).is_some() && map.is_empty() {
                metadata.remove(field);
            }
        }
    }
}

/// One entry of `metadata.labels` or `metadata.annotations`.
pub(super) fn read<'a>(object: &'a Value, field: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.get(key)?.as_str()
}
