//! Compares a [`Value`] with the content that the Go program `tests/interop/go/gob` says was sent
//! (`wire/content.go`).

use gob::Value;
use serde_json::Value as Json;

/// Says where they differ.
pub(crate) fn compare(value: &Value, sent: &Json) -> Result<(), String> {
    let same = match value {
        Value::Nil => sent.is_null(),
        Value::Bool(value) => sent.as_bool() == Some(*value),
        Value::Int(value) => sent.as_i64() == Some(*value),
        Value::Uint(value) => sent.as_u64() == Some(*value),
        Value::Float(value) => is_float(*value, sent),
        Value::Complex(re, im) => is_float(*re, &sent[0]) && is_float(*im, &sent[1]),
        Value::String(text) => sent.as_str() == Some(text),
        Value::Bytes(bytes) | Value::Opaque { bytes, .. } => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            sent.as_str() == Some(&hex)
        }
        Value::List(list) => {
            let items = sent
                .as_array()
                .ok_or_else(|| format!("{value} instead of {sent}"))?;
            for (number, (value, sent)) in list.iter().zip(items).enumerate() {
                compare(value, sent).map_err(|e| format!("[{number}]: {e}"))?;
            }
            list.len() == items.len()
        }
        Value::Map(entries) => {
            let mut pairs = sent
                .as_array()
                .ok_or_else(|| format!("{value} instead of {sent}"))?
                .clone();
            for (key, value) in entries {
                let same = |pair: &Json| compare(key, &pair[0]).and(compare(value, &pair[1])).is_ok();
                let Some(at) = pairs.iter().position(same) else {
                    return Err(format!("entry {key}: {value} is not in {sent}"));
                };
                pairs.swap_remove(at);
            }
            pairs.is_empty()
        }
        Value::Struct { fields, .. } => {
            let object = sent
                .as_object()
                .ok_or_else(|| format!("{value} instead of {sent}"))?;
            for (name, value) in fields {
                let sent = object
                    .get(&**name)
                    .ok_or_else(|| format!("{name}: {value} instead of nothing"))?;
                compare(value, sent).map_err(|e| format!("{name}: {e}"))?;
            }
            fields.len() == object.len()
        }
        Value::Interface { name, value } => {
            let sent = sent
                .get(name)
                .ok_or_else(|| format!("{name}({value}) instead of {sent}"))?;
            return compare(value, sent);
        }
        other => return Err(format!("a kind of value that the test does not know: {other}")),
    };
    if same {
        Ok(())
    } else {
        Err(format!("{value} instead of {sent}"))
    }
}

fn is_float(value: f64, sent: &Json) -> bool {
    let sent: f64 = sent
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("floats are sent as text");
    // All values that are not a number are one here.
    sent.to_bits() == value.to_bits() || (sent.is_nan() && value.is_nan())
}
