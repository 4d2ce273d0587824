//! Lists.

use super::text;
use crate::error::Fault;
use crate::go::sort::{self, Sortable};
use crate::go::utf8;
use crate::machine::{Meter, access, compare};
use crate::value::{Datum, List, ListKind};

/// The characters of a string, the elements of anything else.
pub(super) fn len(arguments: &[Datum]) -> Result<Datum, Box<Fault>> {
    let len = match &arguments[0] {
        Datum::List(list) => list.len(),
        Datum::Map(map) => map.len(),
        Datum::Text(text) => utf8::runes(text.as_bytes()).count(),
        other => {
            return Err(Fault::run(format!(
                "invalid argument for len (type {})",
                other.go_type()
            )));
        }
    };
    Ok(Datum::Int(len as i64))
}

/// `first` and `last` are nil where there is no such element, and for anything that has none.
pub(super) fn fetch_or_nil(x: &Datum, index: i64) -> Datum {
    access::fetch(x, &Datum::Int(index)).unwrap_or(Datum::Nil)
}

pub(super) fn take(arguments: &[Datum]) -> Result<Datum, Box<Fault>> {
    let list = list_of(&arguments[0], "cannot take from")?;
    let count = match &arguments[1] {
        Datum::Int(n) | Datum::Int64(n) | Datum::Duration(n) | Datum::Month(n) | Datum::Weekday(n) => *n,
        other => return Err(Fault::run(format!("cannot take {} elements", kind(other)))),
    };
    if list.kind() == ListKind::Pair {
        return Err(Fault::run("reflect.Value.Slice: slice of unaddressable array"));
    }
    let Ok(count) = usize::try_from(count) else {
        return Err(Fault::run("reflect.Value.Slice: slice index out of bounds"));
    };
    Ok(Datum::list(list.slice(0, count.min(list.len()))))
}

pub(super) fn reverse(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let list = list_of(x, "cannot reverse")?;
    meter.collect(list.len())?;
    meter.grow(list.len())?;
    meter.list(List::any(
        (0..list.len()).rev().map(|index| list.at(index)).collect(),
    ))
}

pub(super) fn uniq(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let list = list_of(x, "cannot uniq")?;
    meter.collect(list.len())?;
    let mut kept: Vec<Datum> = Vec::new();
    for item in list.iter() {
        let mut is_known = false;
        for known in &kept {
            meter.step()?;
            if compare::equal(&item, known, meter)? {
                is_known = true;
                break;
            }
        }
        if !is_known {
            kept.push(item);
        }
    }
    meter.list(List::any(kept))
}

/// Nothing concatenated is a slice that was never made.
pub(super) fn concat(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let mut all = Vec::new();
    for argument in arguments {
        let list = list_of(argument, "cannot concat")?;
        meter.collect(list.len())?;
        all.extend(list.iter());
    }
    meter.grow(all.len())?;
    meter.list(if all.is_empty() {
        List::nil(ListKind::Any)
    } else {
        List::any(all)
    })
}

pub(super) fn flatten(x: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let list = list_of(x, "cannot flatten")?;
    let mut flat = Vec::new();
    flatten_into(list, &mut flat, meter)?;
    meter.grow(flat.len())?;
    meter.list(List::any(flat))
}

fn flatten_into(list: &List, flat: &mut Vec<Datum>, meter: &mut Meter<'_>) -> Result<(), Box<Fault>> {
    meter.collect(list.len())?;
    for item in list.iter() {
        match item {
            Datum::List(inner) => flatten_into(&inner, flat, meter)?,
            // Go follows pointers here.
            Datum::Zone(zone) => flat.push(Datum::ZoneStruct(zone)),
            other => flat.push(other),
        }
    }
    Ok(())
}

/// What is no list that Go can sort gives a slice that was never made.
pub(super) fn sort(arguments: &[Datum], meter: &mut Meter<'_>) -> Result<Datum, Box<Fault>> {
    let list = match &arguments[0] {
        Datum::List(list)
            if matches!(
                list.kind(),
                ListKind::Any | ListKind::Int | ListKind::Float64 | ListKind::String
            ) =>
        {
            Some(list)
        }
        _ => None,
    };
    let descending = match arguments.get(1).map(text).transpose()? {
        None => false,
        Some(order) => match order.as_bytes() {
            b"asc" => false,
            b"desc" => true,
            _ => {
                return Err(Fault::run(format!(
                    "invalid order {}, expected asc or desc",
                    order.to_str()
                )));
            }
        },
    };
    let Some(list) = list else {
        return meter.list(List::nil(ListKind::Any));
    };
    meter.collect(list.len())?;
    let mut sorted = Sorted {
        values: list.iter().collect(),
        items: None,
        descending,
        meter,
    };
    sort::sort(&mut sorted)?;
    let items = sorted.values;
    meter.grow(items.len())?;
    meter.list(List::any(items))
}

/// `sortBy`: the items in the order of their values.
pub(crate) fn sort_by(
    items: Vec<Datum>,
    values: Vec<Datum>,
    descending: bool,
    meter: &mut Meter<'_>,
) -> Result<Vec<Datum>, Box<Fault>> {
    let mut sorted = Sorted {
        values,
        items: Some(items),
        descending,
        meter,
    };
    sort::sort(&mut sorted)?;
    Ok(sorted.items.unwrap_or_default())
}

struct Sorted<'m, 'l> {
    values: Vec<Datum>,
    /// What moves along.
    items: Option<Vec<Datum>>,
    descending: bool,
    meter: &'m mut Meter<'l>,
}

impl Sortable for Sorted<'_, '_> {
    type Error = Box<Fault>;

    fn len(&self) -> usize {
        self.values.len()
    }

    fn less(&mut self, i: usize, j: usize) -> Result<bool, Box<Fault>> {
        self.meter.step()?;
        self.meter.look(&self.values[i])?;
        let (i, j) = if self.descending { (j, i) } else { (i, j) };
        compare::less(&self.values[i], &self.values[j])
    }

    fn swap(&mut self, i: usize, j: usize) {
        self.values.swap(i, j);
        if let Some(items) = &mut self.items {
            items.swap(i, j);
        }
    }
}

pub(super) fn list_of<'d>(x: &'d Datum, what: &str) -> Result<&'d List, Box<Fault>> {
    match x {
        Datum::List(list) => Ok(list),
        other => Err(Fault::run(format!("{what} {}", kind(other)))),
    }
}

/// Go's `reflect.Kind`, as its messages show it.
pub(super) fn kind(x: &Datum) -> &'static str {
    match x {
        Datum::Nil => "invalid",
        Datum::List(list) if list.kind() == ListKind::Pair => "array",
        Datum::List(_) => "slice",
        Datum::Map(_) => "map",
        Datum::Function(_) => "func",
        Datum::Time(_) | Datum::ZoneStruct(_) => "struct",
        Datum::Zone(_) => "ptr",
        Datum::Duration(_) => "int64",
        Datum::Month(_) | Datum::Weekday(_) => "int",
        other => other.go_type(),
    }
}
