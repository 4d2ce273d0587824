//! Elements, fields and slices (`vm/runtime/runtime.go` of expr).

use std::sync::Arc;

use super::{Meter, compare};
use crate::builtins::{to_int, unhashable};
use crate::env::Function;
use crate::error::Fault;
use crate::go::print;
use crate::time::methods;
use crate::value::{Datum, Key, List, ListKind, Map, MapKind};

/// The place of an index in a list; a negative one counts from the end. `None` where there is no such element.
pub(crate) fn resolve(index: i64, len: usize) -> Option<usize> {
    usize::try_from(absolute(index, len))
        .ok()
        .filter(|index| *index < len)
}

fn absolute(index: i64, len: usize) -> i64 {
    if index < 0 {
        index.wrapping_add(len as i64)
    } else {
        index
    }
}

/// A method of the value by this name, bound to it.
pub(crate) fn method(x: &Datum, name: &Datum) -> Option<Datum> {
    let Datum::Text(name) = name else {
        return None;
    };
    let method = methods::of_datum(x, name.as_bytes())?;
    Some(Datum::Function(Arc::new(Function::Bound(method, x.clone()))))
}

/// `x[key]`; a missing key of a map is nil.
///
/// # Errors
/// For what has no elements, and an index that is out of range.
pub(crate) fn fetch(x: &Datum, key: &Datum) -> Result<Datum, Box<Fault>> {
    if let Some(bound) = method(x, key) {
        return Ok(bound);
    }
    match x {
        Datum::List(list) => {
            let index = to_int(key)?;
            let at = resolve(index, list.len()).ok_or_else(|| out_of_range(index, list.len()))?;
            Ok(list.at(at))
        }
        Datum::Text(text) => {
            let index = to_int(key)?;
            let at = resolve(index, text.len()).ok_or_else(|| out_of_range(index, text.len()))?;
            Ok(Datum::Uint8(text.as_bytes()[at]))
        }
        Datum::Map(map) => Ok(match lookup(map, key)? {
            Some(value) => value.clone(),
            None if map.kind() == MapKind::Groups => Datum::list(List::nil(ListKind::Any)),
            None => Datum::Nil,
        }),
        other => Err(cannot_fetch(other, key)),
    }
}

fn out_of_range(index: i64, len: usize) -> Box<Fault> {
    let index = absolute(index, len);
    Fault::run(format!("index out of range: {index} (array length is {len})"))
}

fn cannot_fetch(x: &Datum, key: &Datum) -> Box<Fault> {
    Fault::run(format!("cannot fetch {} from {}", print::short(key), x.go_type()))
}

/// The value below a key.
///
/// # Errors
/// For a key that a map of this type cannot have.
pub(crate) fn lookup<'m>(map: &'m Map, key: &Datum) -> Result<Option<&'m Datum>, Box<Fault>> {
    let unusable = |wanted: &str| {
        let given = key.go_type();
        Err(Fault::run(format!(
            "reflect.Value.MapIndex: value of type {given} is not assignable to type {wanted}"
        )))
    };
    match map.kind() {
        MapKind::StringAny | MapKind::StringSet => match key {
            Datum::Text(key) => Ok(map.text(key.as_bytes())),
            // nil stands for the zero value of the key's type.
            Datum::Nil => Ok(map.text(b"")),
            _ => unusable("string"),
        },
        MapKind::IntSet => match key {
            Datum::Int(key) => Ok(map.key(&Key::Int(*key))),
            Datum::Nil => Ok(map.key(&Key::Int(0))),
            _ => unusable("int"),
        },
        MapKind::AnyAny | MapKind::Groups => match Key::of(key) {
            Ok(key) => Ok(map.key(&key)),
            Err(go_type) => Err(unhashable(go_type)),
        },
    }
}

/// `needle in x`
pub(super) fn contains(x: &Datum, needle: &Datum, meter: &mut Meter<'_>) -> Result<bool, Box<Fault>> {
    match x {
        Datum::Nil => Ok(false),
        Datum::List(list) => {
            for item in list.iter() {
                meter.step()?;
                if compare::equal(&item, needle, meter)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Datum::Map(map) => Ok(lookup(map, needle)?.is_some()),
        // None of their fields is for others to see.
        Datum::Time(_) | Datum::Zone(_) | Datum::ZoneStruct(_) => match needle {
            Datum::Text(_) => Ok(false),
            other => Err(Fault::run(format!(
                "cannot use {} as field name of {}",
                other.go_type(),
                x.go_type()
            ))),
        },
        other => Err(Fault::run(format!(
            "operator \"in\" not defined on {}",
            other.go_type()
        ))),
    }
}

/// `x[from:to]`; bounds beyond the ends are the ends, and a string is cut between bytes.
pub(super) fn slice(x: &Datum, from: &Datum, to: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let bounds = |len: usize| -> Result<(usize, usize), Box<Fault>> {
        let [from, to] =
            [to_int(from)?, to_int(to)?].map(|bound| absolute(bound, len).clamp(0, len as i64) as usize);
        Ok((from.min(to), to))
    };
    match x {
        Datum::List(list) => {
            let (from, to) = bounds(list.len())?;
            Ok(Datum::list(list.slice(from, to)))
        }
        Datum::Text(text) => {
            let (from, to) = bounds(text.len())?;
            meter.text(text.as_bytes()[from..to].to_vec())
        }
        _ => Err(Fault::run(format!("cannot slice {}", print::short(from)))),
    }
}

/// The length that an open slice ends at: of a string in bytes.
pub(super) fn len(x: &Datum) -> Result<Datum, Box<Fault>> {
    let len = match x {
        Datum::List(list) => list.len(),
        Datum::Map(map) => map.len(),
        Datum::Text(text) => text.len(),
        other => {
            return Err(Fault::run(format!(
                "invalid argument for len (type {})",
                other.go_type()
            )));
        }
    };
    Ok(Datum::Int(len as i64))
}
