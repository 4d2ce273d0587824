//! A Go value as the evaluator's machine handles it.

use std::sync::Arc;

use super::{List, Map, Text};
use crate::env::Function;
use crate::time::{Time, Zone};

/// Every Go type that can turn up in a condition, and no other. Two words wide.
#[derive(Clone, Debug)]
pub(crate) enum Datum {
    Nil,
    Bool(bool),
    /// `int`, 64 bits wide as on every platform the controller runs on
    Int(i64),
    Int64(i64),
    /// `uint8`: a byte of a string
    Uint8(u8),
    /// `float64`
    Float(f64),
    Text(Text),
    List(Arc<List>),
    Map(Arc<Map>),
    Function(Arc<Function>),
    /// `time.Time`
    Time(Arc<Time>),
    /// `time.Duration`, in nanoseconds
    Duration(i64),
    /// `time.Month`
    Month(i64),
    /// `time.Weekday`
    Weekday(i64),
    /// `*time.Location`
    Zone(Zone),
    /// `time.Location`: what is left of a time zone when expr dereferences it
    ZoneStruct(Zone),
}

impl Datum {
    pub(crate) fn text(s: impl Into<Text>) -> Self {
        Self::Text(s.into())
    }

    pub(crate) fn list(list: List) -> Self {
        Self::List(Arc::new(list))
    }

    pub(crate) fn map(map: Map) -> Self {
        Self::Map(Arc::new(map))
    }

    /// Go's `%T`; `<nil>` for nil.
    pub(crate) fn go_type(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint8(_) => "uint8",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(list) => list.kind().go_type(),
            Self::Map(map) => map.kind().go_type(),
            Self::Function(function) => function.go_type(),
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
            Self::Zone(_) => "*time.Location",
            Self::ZoneStruct(_) => "time.Location",
        }
    }

    /// `runtime.IsNil` of expr: nil itself, and a slice that was never made.
    pub(crate) fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::List(list) => list.is_nil(),
            _ => false,
        }
    }

    /// How many lists and maps lie within each other; 0 for a scalar.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth(),
            Self::Map(map) => map.depth(),
            Self::Function(function) => function.depth(),
            _ => 0,
        }
    }

    /// Any of Go's built-in integers, widened to `int` as Go does before it calculates.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(n) | Self::Int64(n) => Some(*n),
            Self::Uint8(n) => Some(i64::from(*n)),
            _ => None,
        }
    }

    /// Any of Go's built-in numbers as `float64`.
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(x) => Some(*x),
            other => other.as_int().map(|n| n as f64),
        }
    }
}
