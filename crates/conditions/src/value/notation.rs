//! Results as `fixtures/conditions.jsonl` spells them.

use std::fmt;
use std::str::FromStr;

use super::Value;

/// A result that is not spelled as [`Value::from_str`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotationError {
    spelled: String,
}

impl fmt::Display for NotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "result {:?} is not one of f:NUMBER, i:INTEGER, s:TEXT, sf:[NUMBERS], json:JSON, nil, nan, inf, -inf",
            self.spelled
        )
    }
}

impl std::error::Error for NotationError {}

/// `f:0.5` is a `float64`, `i:5` an `int`, `s:OK` a `string`, `sf:[1,2]` a `[]float64`, `json:…` what
/// `encoding/json` makes of it; `nil` and `rawnil` are no data; `nan`, `inf` and `-inf` are `float64`s.
impl FromStr for Value {
    type Err = NotationError;

    fn from_str(spelled: &str) -> Result<Self, NotationError> {
        let (kind, rest) = spelled.split_once(':').unwrap_or((spelled, ""));
        let value = match kind {
            "f" => rest.parse::<f64>().ok().map(Self::from),
            "i" => rest.parse::<i64>().ok().map(Self::from),
            "s" => Some(Self::from(rest)),
            "sf" => serde_json::from_str::<Vec<f64>>(rest).ok().map(Self::from),
            "json" => serde_json::from_str::<serde_json::Value>(rest)
                .ok()
                .map(Self::from),
            "nil" | "rawnil" => Some(Self::nil()),
            "nan" => Some(Self::from(f64::NAN)),
            "inf" => Some(Self::from(f64::INFINITY)),
            "-inf" => Some(Self::from(f64::NEG_INFINITY)),
            _ => None,
        };
        value.ok_or_else(|| NotationError {
            spelled: spelled.to_owned(),
        })
    }
}
