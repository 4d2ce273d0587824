//! Arithmetic (`vm/runtime/helpers[generated].go` of expr). Integers wrap around, as Go's do.

use super::Meter;
use crate::error::Fault;
use crate::go::math;
use crate::value::Datum;

type Outcome = Result<Datum, Box<Fault>>;

fn undefined(a: &Datum, operator: &str, b: &Datum) -> Box<Fault> {
    Fault::run(format!(
        "invalid operation: {} {operator} {}",
        a.go_type(),
        b.go_type()
    ))
}

/// Two numbers: as integers if both are, else as floats.
fn numbers(a: &Datum, b: &Datum, ints: fn(i64, i64) -> i64, floats: fn(f64, f64) -> f64) -> Option<Datum> {
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return Some(Datum::Int(ints(x, y)));
    }
    match (a.as_float(), b.as_float()) {
        (Some(x), Some(y)) => Some(Datum::Float(floats(x, y))),
        _ => None,
    }
}

pub(super) fn add(a: &Datum, b: &Datum, meter: &mut Meter<'_>) -> Outcome {
    if let Some(sum) = numbers(a, b, i64::wrapping_add, |x, y| x + y) {
        return Ok(sum);
    }
    match (a, b) {
        (Datum::Text(x), Datum::Text(y)) => {
            if x.len().saturating_add(y.len()) > meter.bytes_left() {
                return Err(meter
                    .allocate(usize::MAX)
                    .err()
                    .unwrap_or_else(|| undefined(a, "+", b)));
            }
            meter.text([x.as_bytes(), y.as_bytes()].concat())
        }
        (Datum::Time(time), Datum::Duration(duration)) | (Datum::Duration(duration), Datum::Time(time)) => {
            Ok(Datum::Time(time.add(*duration).into()))
        }
        (Datum::Duration(x), Datum::Duration(y)) => Ok(Datum::Duration(x.wrapping_add(*y))),
        _ => Err(undefined(a, "+", b)),
    }
}

pub(super) fn subtract(a: &Datum, b: &Datum) -> Outcome {
    if let Some(difference) = numbers(a, b, i64::wrapping_sub, |x, y| x - y) {
        return Ok(difference);
    }
    match (a, b) {
        (Datum::Time(x), Datum::Time(y)) => Ok(Datum::Duration(x.sub(y))),
        (Datum::Time(time), Datum::Duration(duration)) => {
            Ok(Datum::Time(time.add(duration.wrapping_neg()).into()))
        }
        (Datum::Duration(x), Datum::Duration(y)) => Ok(Datum::Duration(x.wrapping_sub(*y))),
        _ => Err(undefined(a, "-", b)),
    }
}

pub(super) fn multiply(a: &Datum, b: &Datum) -> Outcome {
    if let Some(product) = numbers(a, b, i64::wrapping_mul, |x, y| x * y) {
        return Ok(product);
    }
    match (a, b) {
        // A float with a duration is a float: nanoseconds.
        (Datum::Float(x), Datum::Duration(y)) | (Datum::Duration(y), Datum::Float(x)) => {
            Ok(Datum::Float(x * *y as f64))
        }
        (Datum::Duration(x), Datum::Duration(y)) => Ok(Datum::Duration(x.wrapping_mul(*y))),
        (Datum::Duration(x), other) | (other, Datum::Duration(x)) => match other.as_int() {
            Some(y) => Ok(Datum::Duration(x.wrapping_mul(y))),
            None => Err(undefined(a, "*", b)),
        },
        _ => Err(undefined(a, "*", b)),
    }
}

/// Always as floats.
pub(super) fn divide(a: &Datum, b: &Datum) -> Outcome {
    match (a.as_float(), b.as_float()) {
        (Some(x), Some(y)) => Ok(Datum::Float(x / y)),
        _ => Err(undefined(a, "/", b)),
    }
}

pub(super) fn modulo(a: &Datum, b: &Datum) -> Outcome {
    match (a.as_int(), b.as_int()) {
        (Some(_), Some(0)) => Err(Fault::run("runtime error: integer divide by zero")),
        (Some(x), Some(y)) => Ok(Datum::Int(x.wrapping_rem(y))),
        _ => Err(undefined(a, "%", b)),
    }
}

/// Always as floats.
pub(super) fn power(a: &Datum, b: &Datum) -> Outcome {
    let [x, y] = [a, b].map(|x| {
        x.as_float()
            .ok_or_else(|| Fault::run(format!("invalid operation: float({})", x.go_type())))
    });
    // The right operand is converted last.
    Ok(Datum::Float(math::pow(x?, y?)))
}

pub(super) fn negate(x: &Datum) -> Outcome {
    Ok(match x {
        Datum::Int(n) => Datum::Int(n.wrapping_neg()),
        Datum::Int64(n) => Datum::Int64(n.wrapping_neg()),
        Datum::Uint8(n) => Datum::Uint8(n.wrapping_neg()),
        Datum::Float(x) => Datum::Float(-x),
        other => return Err(Fault::run(format!("invalid operation: - {}", other.go_type()))),
    })
}
