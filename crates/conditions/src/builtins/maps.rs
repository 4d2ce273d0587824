//! Maps.

use super::lists::{kind, list_of};
use super::to_int;
use crate::error::Fault;
use crate::go::print;
use crate::machine::{Meter, access};
use crate::value::{Datum, Key, List, ListKind, Map};

/// Like `x[key]`, but nil where there is nothing.
pub(super) fn get(x: &Datum, key: &Datum) -> Result<Datum, Box<Fault>> {
    if let Some(bound) = access::method(x, key) {
        return Ok(bound);
    }
    match x {
        Datum::List(list) => {
            let index = access::resolve(to_int(key)?, list.len());
            Ok(index.map_or(Datum::Nil, |index| list.at(index)))
        }
        Datum::Text(text) => {
            let index = access::resolve(to_int(key)?, text.len());
            Ok(index.map_or(Datum::Nil, |index| Datum::Uint8(text.as_bytes()[index])))
        }
        Datum::Map(map) => Ok(access::lookup(map, key)?.cloned().unwrap_or(Datum::Nil)),
        Datum::Time(_) | Datum::ZoneStruct(_) => match key {
            Datum::Text(_) => Ok(Datum::Nil),
            other => Err(super::not_of_type(other, "string")),
        },
        _ => Ok(Datum::Nil),
    }
}

pub(super) fn keys(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let map = map_of(x, "cannot get keys from", "")?;
    meter.collect(map.len())?;
    meter.list(List::any(map.iter().map(|(key, _)| key).collect()))
}

pub(super) fn values(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let map = map_of(x, "cannot get values from", "")?;
    meter.collect(map.len())?;
    let values: Result<Vec<Datum>, Box<Fault>> = map.iter().map(|(key, _)| found(map, &key)).collect();
    meter.list(List::any(values?))
}

pub(super) fn to_pairs(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let map = map_of(x, "cannot transform", " to pairs")?;
    meter.collect(map.len().saturating_mul(8))?;
    let mut pairs = Vec::with_capacity(map.len());
    for (key, _) in map.iter() {
        let value = found(map, &key)?;
        pairs.push(List::pair(key, value));
    }
    meter.list(List::pairs(pairs))
}

/// Go looks every key up again, and NaN is never found.
fn found(map: &Map, key: &Datum) -> Result<Datum, Box<Fault>> {
    match access::lookup(map, key)? {
        Some(value) => Ok(value.clone()),
        None => Err(Fault::run(
            "reflect: call of reflect.Value.Interface on zero Value",
        )),
    }
}

pub(super) fn from_pairs(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let list = list_of(x, "cannot transform from pairs")?;
    meter.collect(list.len().saturating_mul(8))?;
    let mut pairs = Vec::with_capacity(list.len());
    for item in list.iter() {
        let pair = match &item {
            Datum::List(pair) => pair,
            other => return Err(Fault::run(format!("invalid pair {}", kind(other)))),
        };
        if pair.len() != 2 {
            return Err(Fault::run(format!("invalid pair length {}", print::short(&item))));
        }
        let key = pair.at(0);
        let hashed = Key::of(&key).map_err(unhashable)?;
        pairs.push((hashed, key, pair.at(1)));
    }
    meter.map(Map::any(pairs))
}

/// The groups in the order of their first elements.
pub(crate) fn grouped(
    groups: Vec<(Key, Datum, Vec<Datum>)>,
    meter: &mut Meter<'_>,
) -> Result<Datum, Box<Fault>> {
    let mut lists = Vec::with_capacity(groups.len());
    for (key, given, items) in groups {
        lists.push((key, given, meter.list(List::any(items))?));
    }
    meter.map(Map::groups(lists))
}

pub(crate) fn unhashable(go_type: &'static str) -> Box<Fault> {
    Fault::run(format!("hash of unhashable type: {go_type}"))
}

fn map_of<'d>(x: &'d Datum, what: &str, end: &str) -> Result<&'d Map, Box<Fault>> {
    match x {
        Datum::Map(map) => Ok(map),
        Datum::List(list) if list.kind() == ListKind::Pair => Err(Fault::run(format!("{what} array{end}"))),
        other => Err(Fault::run(format!("{what} {}{end}", kind(other)))),
    }
}
