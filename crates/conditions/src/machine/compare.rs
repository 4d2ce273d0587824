//! Comparison (`vm/runtime/helpers[generated].go` of expr, and `reflect.DeepEqual`).

use std::cmp::Ordering;

use super::Meter;
use crate::error::Fault;
use crate::value::{Datum, Key, List, ListKind, Map, MapKind};

/// `==`
///
/// # Errors
/// Only when a budget is exceeded.
pub(crate) fn equal(a: &Datum, b: &Datum, meter: &mut Meter<'_>) -> Result<bool, Box<Fault>> {
    Ok(match (a, b) {
        (Datum::Float(x), Datum::Float(y)) => x == y,
        (Datum::Text(x), Datum::Text(y)) => {
            meter.read(x.len())?;
            x == y
        }
        (Datum::Bool(x), Datum::Bool(y)) => x == y,
        (Datum::Time(x), Datum::Time(y)) => x.compare(y).is_eq(),
        (Datum::Duration(x), Datum::Duration(y)) => x == y,
        (Datum::List(x), Datum::List(y)) if are_comparable(x.kind(), y.kind()) => {
            return lists_equal(x, y, meter);
        }
        _ => {
            if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
                x == y
            } else if let (Some(x), Some(y)) = (a.as_float(), b.as_float()) {
                x == y
            } else if a.is_nil() && b.is_nil() {
                true
            } else {
                return deep_equal(a, b, meter);
            }
        }
    })
}

/// Lists of the same type, and `[]any` with any other.
fn are_comparable(a: ListKind, b: ListKind) -> bool {
    let known = |kind| !matches!(kind, ListKind::Pairs | ListKind::Pair);
    known(a) && known(b) && (a == b || a == ListKind::Any || b == ListKind::Any)
}

fn lists_equal(a: &List, b: &List, meter: &mut Meter<'_>) -> Result<bool, Box<Fault>> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (x, y) in a.iter().zip(b.iter()) {
        meter.step()?;
        if !equal(&x, &y, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `reflect.DeepEqual`: types count, and what is the same list or map is equal unseen.
fn deep_equal(a: &Datum, b: &Datum, meter: &mut Meter<'_>) -> Result<bool, Box<Fault>> {
    meter.step()?;
    Ok(match (a, b) {
        (Datum::Nil, Datum::Nil) => true,
        (Datum::Bool(x), Datum::Bool(y)) => x == y,
        (Datum::Uint8(x), Datum::Uint8(y)) => x == y,
        (Datum::Int(x), Datum::Int(y))
        | (Datum::Int64(x), Datum::Int64(y))
        | (Datum::Duration(x), Datum::Duration(y))
        | (Datum::Month(x), Datum::Month(y))
        | (Datum::Weekday(x), Datum::Weekday(y)) => x == y,
        (Datum::Float(x), Datum::Float(y)) => x == y,
        (Datum::Text(x), Datum::Text(y)) => {
            meter.read(x.len())?;
            x == y
        }
        (Datum::Time(x), Datum::Time(y)) => {
            x.compare(y).is_eq() && x.zone().identity() == y.zone().identity()
        }
        (Datum::Zone(x), Datum::Zone(y)) | (Datum::ZoneStruct(x), Datum::ZoneStruct(y)) => {
            x.identity() == y.identity()
        }
        (Datum::List(x), Datum::List(y)) => {
            if x.kind() != y.kind() || x.is_nil() != y.is_nil() || x.len() != y.len() {
                return Ok(false);
            }
            if x.is_same(y) && x.kind() != ListKind::Pair {
                return Ok(true);
            }
            for (x, y) in x.iter().zip(y.iter()) {
                if !deep_equal(&x, &y, meter)? {
                    return Ok(false);
                }
            }
            true
        }
        (Datum::Map(x), Datum::Map(y)) => {
            if x.kind() != y.kind() || x.len() != y.len() {
                return Ok(false);
            }
            if std::sync::Arc::ptr_eq(x, y) {
                return Ok(true);
            }
            return maps_equal(x, y, meter);
        }
        _ => false,
    })
}

fn maps_equal(a: &Map, b: &Map, meter: &mut Meter<'_>) -> Result<bool, Box<Fault>> {
    for (key, value) in a.iter() {
        let other = match (&key, b.kind()) {
            (Datum::Text(text), MapKind::StringAny | MapKind::StringSet) => b.text(text.as_bytes()),
            (key, _) => Key::of(key).ok().and_then(|key| b.key(&key)),
        };
        match other {
            Some(other) if deep_equal(value, other, meter)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// `<`
///
/// # Errors
/// For values that have no order.
pub(crate) fn less(a: &Datum, b: &Datum) -> Result<bool, Box<Fault>> {
    Ok(order(a, b, "<")? == Some(Ordering::Less))
}

/// `>`
///
/// # Errors
/// For values that have no order.
pub(crate) fn more(a: &Datum, b: &Datum) -> Result<bool, Box<Fault>> {
    Ok(order(a, b, ">")? == Some(Ordering::Greater))
}

/// `<=`
///
/// # Errors
/// For values that have no order.
pub(crate) fn less_or_equal(a: &Datum, b: &Datum) -> Result<bool, Box<Fault>> {
    Ok(order(a, b, "<=")?.is_some_and(Ordering::is_le))
}

/// `>=`
///
/// # Errors
/// For values that have no order.
pub(crate) fn more_or_equal(a: &Datum, b: &Datum) -> Result<bool, Box<Fault>> {
    Ok(order(a, b, ">=")?.is_some_and(Ordering::is_ge))
}

/// `None` for NaN, which is neither before nor after anything.
fn order(a: &Datum, b: &Datum, operator: &str) -> Result<Option<Ordering>, Box<Fault>> {
    match (a, b) {
        (Datum::Float(x), Datum::Float(y)) => return Ok(x.partial_cmp(y)),
        (Datum::Text(x), Datum::Text(y)) => return Ok(Some(x.cmp(y))),
        (Datum::Time(x), Datum::Time(y)) => return Ok(Some(x.compare(y))),
        (Datum::Duration(x), Datum::Duration(y)) => return Ok(Some(x.cmp(y))),
        _ => {}
    }
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return Ok(Some(x.cmp(&y)));
    }
    if let (Some(x), Some(y)) = (a.as_float(), b.as_float()) {
        return Ok(x.partial_cmp(&y));
    }
    Err(Fault::run(format!(
        "invalid operation: {} {operator} {}",
        a.go_type(),
        b.go_type()
    )))
}
