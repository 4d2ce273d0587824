//! Results as `fixtures/conditions.jsonl` spells them.

use std::fmt;
use std::str::FromStr;

use super::Value;
use crate::go::{json, number};
use crate::limits::Limits;

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
            "f" => number::parse_float(rest.as_bytes()).ok().map(Self::from),
            "i" => rest.parse::<i64>().ok().map(Self::from),
            "s" => Some(Self::from(rest)),
            // To `encoding/json` a null is the zero value.
            "sf" => serde_json::from_str::<Option<Vec<Option<f64>>>>(rest)
                .ok()
                .map(Option::unwrap_or_default)
                .map(|numbers| {
                    numbers
                        .into_iter()
                        .map(Option::unwrap_or_default)
                        .collect::<Vec<f64>>()
                })
                .map(Self::from),
            "json" => json::decode(rest.as_bytes(), Limits::default().value_depth)
                .ok()
                .map(Self),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_as_go_reads_them() {
        for (spelled, printed) in [
            ("f:0x1p4", "16"),
            ("f:1_0", "10"),
            ("f:-inf", "-Inf"),
            ("sf:[null,1]", "[0 1]"),
            ("sf:null", "[]"),
            (r#"json:"\ud83d""#, "\u{fffd}"),
            (r#"json:{"a":1,"a":2}"#, "map[a:2]"),
            ("s:a:b", "a:b"),
        ] {
            let value: Value = spelled.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(value.to_string(), printed, "{spelled}");
        }
        for spelled in ["f:1e400", "f:_1", "i:1.5", "json:1e400", "json:01", "x:1", ""] {
            assert!(spelled.parse::<Value>().is_err(), "{spelled}");
        }
    }
}
