//! Numbers, one or many.

use std::cmp::Ordering;

use crate::error::Fault;
use crate::go::{number, utf8};
use crate::machine::{Meter, compare};
use crate::value::Datum;

pub(super) fn abs(x: &Datum) -> Result<Datum, Box<Fault>> {
    Ok(match x {
        // -0 stays: it is not less than 0.
        Datum::Float(x) => Datum::Float(if *x < 0.0 { -x } else { *x }),
        Datum::Int(n) => Datum::Int(n.wrapping_abs()),
        Datum::Int64(n) => Datum::Int64(n.wrapping_abs()),
        Datum::Uint8(n) => Datum::Uint8(*n),
        other => return Err(invalid("abs", other)),
    })
}

pub(super) fn rounded(name: &str, x: &Datum, round: fn(f64) -> f64) -> Result<Datum, Box<Fault>> {
    match x {
        Datum::Float(x) => Ok(Datum::Float(round(*x))),
        other => other
            .as_float()
            .map(Datum::Float)
            .ok_or_else(|| invalid(name, other)),
    }
}

pub(super) fn int(x: &Datum) -> Result<Datum, Box<Fault>> {
    Ok(Datum::Int(match x {
        Datum::Float(x) => number::truncate(*x),
        Datum::Text(text) => number::parse_int(text.as_bytes()).map_err(|_| {
            Fault::run(format!(
                "invalid operation: int({})",
                utf8::lossy(text.as_bytes())
            ))
        })?,
        // These convert to what they are made of.
        Datum::Duration(n) | Datum::Month(n) | Datum::Weekday(n) => *n,
        other => other
            .as_int()
            .ok_or_else(|| Fault::run(format!("invalid operation: int({})", other.go_type())))?,
    }))
}

pub(super) fn float(x: &Datum) -> Result<Datum, Box<Fault>> {
    Ok(Datum::Float(match x {
        Datum::Text(text) => number::parse_float(text.as_bytes()).map_err(|_| {
            Fault::run(format!(
                "invalid operation: float({})",
                utf8::lossy(text.as_bytes())
            ))
        })?,
        other => other
            .as_float()
            .ok_or_else(|| Fault::run(format!("invalid operation: float({})", other.go_type())))?,
    }))
}

fn invalid(name: &str, x: &Datum) -> Box<Fault> {
    Fault::run(format!("invalid argument for {name} (type {})", x.go_type()))
}

/// `max` and `min`: the argument that compares with no other as `worse`; lists count as their elements. Nil where there
/// is none, and a single argument that is neither list nor number is given back.
pub(super) fn extreme(
    name: &str,
    worse: Ordering,
    arguments: &[Datum],
    meter: &mut Meter<'_>,
) -> Result<Datum, Box<Fault>> {
    let mut best = Datum::Nil;
    for argument in arguments {
        match argument {
            Datum::List(list) => {
                for item in list.iter() {
                    meter.step()?;
                    let item = extreme(name, worse, &[item], meter)?;
                    if item.as_float().is_none() {
                        return Err(invalid(name, &item));
                    }
                    keep(&mut best, item, worse)?;
                }
            }
            number if is_numeric(number) => keep(&mut best, number.clone(), worse)?,
            other if arguments.len() == 1 => return Ok(other.clone()),
            other => return Err(invalid(name, other)),
        }
    }
    Ok(best)
}

fn keep(best: &mut Datum, candidate: Datum, worse: Ordering) -> Result<(), Box<Fault>> {
    let replace = match worse {
        _ if matches!(best, Datum::Nil) => true,
        Ordering::Less => compare::less(best, &candidate)?,
        _ => compare::more(best, &candidate)?,
    };
    if replace {
        *best = candidate;
    }
    Ok(())
}

/// A number by kind, which a duration is too.
fn is_numeric(x: &Datum) -> bool {
    numeric(x).is_some()
}

fn numeric(x: &Datum) -> Option<f64> {
    match x {
        Datum::Duration(n) | Datum::Month(n) | Datum::Weekday(n) => Some(*n as f64),
        other => other.as_float(),
    }
}

pub(super) fn mean(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let (count, sum) = total(arguments, meter)?;
    Ok(Datum::Float(if count == 0 { 0.0 } else { sum / count as f64 }))
}

/// Lists within lists are added up by themselves first, which shows in the last digit.
fn total(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<(usize, f64), Box<Fault>> {
    let (mut count, mut sum) = (0, 0.0);
    for argument in arguments {
        match argument {
            Datum::List(list) => {
                for item in list.iter() {
                    meter.step()?;
                    let (items, part) = total(&[item], meter)?;
                    sum += part;
                    count += items;
                }
            }
            other => {
                sum += numeric(other).ok_or_else(|| invalid("mean", other))?;
                count += 1;
            }
        }
    }
    Ok((count, sum))
}

pub(super) fn median(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let mut numbers = Vec::new();
    flatten(arguments, &mut numbers, meter)?;
    meter.steps(numbers.len() * 8)?;
    // Go sorts NaN before everything else.
    numbers.sort_by(|x, y| x.partial_cmp(y).unwrap_or_else(|| y.is_nan().cmp(&x.is_nan())));
    let half = numbers.len() / 2;
    Ok(Datum::Float(match numbers.len() {
        0 => 0.0,
        len if len % 2 == 1 => numbers[half],
        _ => (numbers[half - 1] + numbers[half]) / 2.0,
    }))
}

fn flatten(arguments: &[Datum], numbers: &mut Vec<f64>, meter: &mut Meter<'_>) -> Result<(), Box<Fault>> {
    for argument in arguments {
        match argument {
            Datum::List(list) => {
                meter.collect(list.len())?;
                for item in list.iter() {
                    flatten(&[item], numbers, meter)?;
                }
            }
            other => numbers.push(numeric(other).ok_or_else(|| invalid("median", other))?),
        }
    }
    Ok(())
}
