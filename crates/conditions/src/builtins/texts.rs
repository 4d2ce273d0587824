//! Strings.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::{text, to_int};
use crate::error::Fault;
use crate::go::{json, print, strings};
use crate::machine::Meter;
use crate::value::{Datum, List, ListKind, Text};

/// Go's decoder wants the padding, and does not look at the bits that belong to no byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

pub(super) fn string(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    if let Datum::Text(_) = x {
        return Ok(x.clone());
    }
    charge_for(x, meter)?;
    meter.text(print::value(x))
}

/// Printing a value touches all of it, and what lies in it twice is printed twice.
fn charge_for(x: &Datum, meter: &mut Meter<'_>) -> Result<(), Box<Fault>> {
    /// What a number or a bracket takes, more or less.
    const SCALAR: usize = 24;

    match x {
        Datum::List(list) => {
            meter.steps(list.len())?;
            list.iter().try_for_each(|item| charge_for(&item, meter))
        }
        Datum::Map(map) => {
            meter.steps(map.len())?;
            map.iter().try_for_each(|(key, value)| {
                charge_for(&key, meter)?;
                charge_for(value, meter)
            })
        }
        Datum::Text(text) => meter.allocate(text.len()),
        _ => meter.allocate(SCALAR),
    }
}

pub(super) fn trim(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let whole = text(&arguments[0])?.as_bytes();
    let trimmed = match arguments.get(1) {
        None => strings::trim_space(whole),
        Some(cutset) => {
            let cutset = text(cutset)?.as_bytes();
            meter.steps(whole.len().saturating_mul(1 + cutset.len() / 8))?;
            strings::trim(whole, cutset)
        }
    };
    meter.text(trimmed.to_vec())
}

/// `trimPrefix` and `trimSuffix`; without a second argument a blank is trimmed.
pub(super) fn trim_affix(
    arguments: &[Datum],
    meter: &mut Meter<'_>,
    strip: for<'t> fn(&'t [u8], &[u8]) -> Option<&'t [u8]>,
) -> Result<Datum, Box<Fault>> {
    let blank = Text::from(" ");
    let affix = arguments.get(1).map_or(Ok(&blank), text)?;
    let whole = text(&arguments[0])?;
    match strip(whole.as_bytes(), affix.as_bytes()) {
        Some(rest) => meter.text(rest.to_vec()),
        None => Ok(Datum::Text(whole.clone())),
    }
}

pub(super) fn map_case(
    x: &Datum,
    meter: &mut Meter<'_>,
    map: fn(&[u8]) -> Vec<u8>,
) -> Result<Datum, Box<Fault>> {
    let text = text(x)?;
    meter.steps(text.len())?;
    meter.text(map(text.as_bytes()))
}

/// `split` and `splitAfter`, which keeps the separators.
pub(super) fn split(arguments: &[Datum], meter: &mut Meter<'_>, keep: bool) -> Result<Datum, Box<Fault>> {
    let [whole, separator] = [text(&arguments[0])?.as_bytes(), text(&arguments[1])?.as_bytes()];
    let limit = arguments.get(2).map_or(Ok(-1), to_int)?;
    // As many parts as that are possible; each is a string of its own.
    let most = whole.len() / separator.len().max(1) + 1;
    let most = usize::try_from(limit).map_or(most, |limit| most.min(limit));
    meter.collect(most)?;
    meter.allocate(most * size_of::<Box<[u8]>>() * 2 + whole.len())?;
    let list = match strings::split(whole, separator, limit, keep) {
        Some(parts) => List::texts(parts.into_iter().map(Text::new).collect()),
        None => List::nil(ListKind::String),
    };
    meter.list(list)
}

pub(super) fn replace(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let [whole, old, new] = [text(&arguments[0])?, text(&arguments[1])?, text(&arguments[2])?];
    let limit = arguments.get(3).map_or(Ok(-1), to_int)?;
    match strings::replace(
        whole.as_bytes(),
        old.as_bytes(),
        new.as_bytes(),
        limit,
        meter.bytes_left(),
    ) {
        Some(replaced) => meter.text(replaced),
        None => Err(meter
            .allocate(usize::MAX)
            .err()
            .unwrap_or_else(|| Fault::limit("memory budget exceeded"))),
    }
}

pub(super) fn repeat(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    /// The most times, whatever is repeated.
    const MOST: i64 = 1_000_000;

    let part = text(&arguments[0])?.as_bytes();
    let times = to_int(&arguments[1])?;
    if times < 0 {
        return Err(Fault::run(format!(
            "invalid argument for repeat (expected positive integer, got {times})"
        )));
    }
    let times = usize::try_from(times.min(MOST + 1)).unwrap_or(usize::MAX);
    if times as i64 > MOST {
        return Err(Fault::limit("memory budget exceeded"));
    }
    // The bytes count as elements.
    meter.grow(part.len().saturating_mul(times))?;
    meter.text(part.repeat(times))
}

pub(super) fn join(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let nothing = Text::from("");
    let glue = arguments.get(1).map_or(Ok(&nothing), text)?.as_bytes();
    let list = match &arguments[0] {
        Datum::List(list) if matches!(list.kind(), ListKind::String | ListKind::Any) => list,
        other => {
            return Err(Fault::run(format!(
                "invalid argument for join (type {})",
                other.go_type()
            )));
        }
    };
    meter.steps(list.len())?;
    let mut joined = Vec::new();
    for (index, item) in list.iter().enumerate() {
        if index > 0 {
            joined.extend(glue);
        }
        joined.extend(text(&item)?.as_bytes());
        if joined.len() > meter.bytes_left() {
            break;
        }
    }
    meter.text(joined)
}

pub(super) fn index_of(
    arguments: &[Datum],
    find: fn(&[u8], &[u8]) -> Option<usize>,
) -> Result<Datum, Box<Fault>> {
    let [whole, part] = [text(&arguments[0])?.as_bytes(), text(&arguments[1])?.as_bytes()];
    Ok(Datum::Int(find(whole, part).map_or(-1, |at| at as i64)))
}

pub(super) fn has_affix(arguments: &[Datum], has: fn(&[u8], &[u8]) -> bool) -> Result<Datum, Box<Fault>> {
    Ok(Datum::Bool(has(
        text(&arguments[0])?.as_bytes(),
        text(&arguments[1])?.as_bytes(),
    )))
}

pub(super) fn to_json(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    charge_for(x, meter)?;
    meter.text(json::encode(x)?)
}

pub(super) fn from_json(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let text = text(x)?;
    // An element of a list takes two bytes at least.
    meter.steps(text.len())?;
    meter.collect(text.len() / 2)?;
    Ok(json::decode(text.as_bytes(), meter.max_value_depth())?)
}

pub(super) fn to_base64(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let text = text(x)?;
    meter.text(BASE64.encode(text.as_bytes()).into_bytes())
}

pub(super) fn from_base64(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    // Go skips line ends.
    let encoded: Vec<u8> = text(x)?
        .as_bytes()
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    match BASE64.decode(encoded) {
        Ok(decoded) => meter.text(decoded),
        Err(why) => Err(Fault::run(format!("illegal base64 data: {why}"))),
    }
}
