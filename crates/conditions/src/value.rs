//! What a metric provider hands to a condition.

mod datum;
mod list;
mod map;
mod notation;
mod text;

pub(crate) use self::datum::Datum;
pub(crate) use self::list::{List, ListKind};
pub(crate) use self::map::{Key, Map, MapKind};
pub use self::notation::NotationError;
pub(crate) use self::text::Text;

use std::fmt;

use crate::go;

/// The `result` of a condition, with the Go type that a provider of the controller would give it.
///
/// The type matters: a condition is checked against it before it runs, and Go tells `5` from `5.0`.
///
/// | provider | Go type of `result` | made with |
/// |---|---|---|
/// | Datadog, v1 and v2 | `float64` | `Value::from(0.05)` |
/// | Datadog, no data | nil | `Value::nil()`, `Value::from(None::<f64>)` |
/// | Datadog grouped queries, Prometheus, Graphite | `[]float64` | `Value::from(vec![0.1, 0.2])` |
/// | Web, Skywalking | whatever the JSON says | `Value::from(serde_json::json!({"ok": true}))` |
///
/// (`metricproviders/*/` of Argo Rollouts; each calls `evaluate.EvaluateResult`.) Every number of a JSON document is a
/// `float64`, as `encoding/json` reads it.
#[derive(Clone, Debug)]
pub struct Value(pub(crate) Datum);

impl Value {
    /// No data.
    #[must_use]
    pub const fn nil() -> Self {
        Self(Datum::Nil)
    }

    /// Whether this is nil, or a list without elements. Argo Rollouts then reports that there is no data, whatever the
    /// condition complains about (`isNilOrEmpty` in `utils/evaluate/evaluate.go`).
    #[must_use]
    pub fn is_nil_or_empty(&self) -> bool {
        match &self.0 {
            Datum::Nil => true,
            Datum::List(list) => list.len() == 0,
            _ => false,
        }
    }

    /// The Go type as Go prints it: `float64`, `[]float64`, `map[string]interface {}`, `<nil>` …
    #[must_use]
    pub fn go_type(&self) -> &'static str {
        self.0.go_type()
    }
}

/// As Go's `fmt.Sprint` prints it: `0.05`, `[0.1 0.2]`, `map[ok:true]`, `<nil>`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&go::utf8::lossy(&go::print::value(&self.0)))
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self(Datum::Bool(b))
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self(Datum::Float(x))
    }
}

/// Nil where there is no number, as the Datadog provider does it.
impl From<Option<f64>> for Value {
    fn from(x: Option<f64>) -> Self {
        Self(x.map_or(Datum::Nil, Datum::Float))
    }
}

/// Go's `int`. No provider gives one; conditions of other provenance may.
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self(Datum::Int(n))
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self(Datum::text(s))
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self(Datum::text(s))
    }
}

/// `[]float64`.
impl From<Vec<f64>> for Value {
    fn from(items: Vec<f64>) -> Self {
        Self(Datum::list(List::floats(items)))
    }
}

/// `[]any`.
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self(Datum::list(List::any(
            items.into_iter().map(|item| item.0).collect(),
        )))
    }
}

/// `map[string]any`; the last of equal keys wins.
impl<K: Into<String>> FromIterator<(K, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Text::from(key.into()), value.0));
        Self(Datum::map(Map::texts(entries.collect())))
    }
}

/// As `encoding/json` reads a document into an `any`.
impl From<&serde_json::Value> for Value {
    fn from(json: &serde_json::Value) -> Self {
        Self(match json {
            serde_json::Value::Null => Datum::Nil,
            serde_json::Value::Bool(b) => Datum::Bool(*b),
            // Without serde_json's "arbitrary_precision" every number has a float64.
            serde_json::Value::Number(n) => Datum::Float(n.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(s) => Datum::text(s.as_str()),
            serde_json::Value::Array(items) => {
                Datum::list(List::any(items.iter().map(|item| Self::from(item).0).collect()))
            }
            serde_json::Value::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (Text::from(key.as_str()), Self::from(value).0));
                Datum::map(Map::texts(entries.collect()))
            }
        })
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Self {
        Self::from(&json)
    }
}
