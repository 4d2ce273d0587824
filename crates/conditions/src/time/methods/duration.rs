//! The methods of `time.Duration`.

use Type::{Duration, Float64, Int64, String as Str};

use super::super::duration;
use super::{Method, method};
use crate::types::Type;
use crate::value::Datum;

macro_rules! span {
    (|$d:ident| $body:expr) => {
        |receiver, _| match receiver {
            Datum::Duration($d) => Ok($body),
            other => Err(format!("{} is not a time.Duration", other.go_type())),
        }
    };
    (|$d:ident, $arg:ident| $body:expr) => {
        |receiver, arguments| match (receiver, arguments) {
            (Datum::Duration($d), [Datum::Duration($arg)]) => Ok($body),
            (other, _) => Err(format!("{} is not a time.Duration", other.go_type())),
        }
    };
}

pub(super) const METHODS: &[Method] = &[
    method(
        Duration,
        "Abs",
        &[],
        &[Duration],
        span!(|d| Datum::Duration(d.saturating_abs())),
    ),
    method(
        Duration,
        "Hours",
        &[],
        &[Float64],
        span!(|d| Datum::Float(duration::in_units(*d, 3600 * duration::SECOND))),
    ),
    method(
        Duration,
        "Microseconds",
        &[],
        &[Int64],
        span!(|d| Datum::Int64(d / 1_000)),
    ),
    method(
        Duration,
        "Milliseconds",
        &[],
        &[Int64],
        span!(|d| Datum::Int64(d / 1_000_000)),
    ),
    method(
        Duration,
        "Minutes",
        &[],
        &[Float64],
        span!(|d| Datum::Float(duration::in_units(*d, 60 * duration::SECOND))),
    ),
    method(
        Duration,
        "Nanoseconds",
        &[],
        &[Int64],
        span!(|d| Datum::Int64(*d)),
    ),
    method(
        Duration,
        "Round",
        &[Duration],
        &[Duration],
        span!(|d, m| Datum::Duration(duration::round(*d, *m))),
    ),
    method(
        Duration,
        "Seconds",
        &[],
        &[Float64],
        span!(|d| Datum::Float(duration::in_units(*d, duration::SECOND))),
    ),
    method(
        Duration,
        "String",
        &[],
        &[Str],
        span!(|d| Datum::text(duration::print(*d))),
    ),
    method(
        Duration,
        "Truncate",
        &[Duration],
        &[Duration],
        span!(|d, m| Datum::Duration(duration::truncate(*d, *m))),
    ),
];
