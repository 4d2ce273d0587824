//! Loops.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::builtins::{not_of_type, unhashable};
use crate::error::Fault;
use crate::value::{Datum, Key, List, Map, Text};

/// A loop over a list, around the cursor.
pub(super) struct Scope {
    over: Over,
    pub(super) index: i64,
    pub(super) count: i64,
    pub(super) accumulating: Loop,
}

/// What Go can loop over. The type of what a map holds is not known before the run.
enum Over {
    List(Arc<List>),
    Text(Text),
    /// Has a length, but no element by number.
    Map(Arc<Map>),
}

/// What a loop carries along.
pub(super) enum Loop {
    Value(Datum),
    Groups(Groups),
    Sort {
        items: Vec<Datum>,
        values: Vec<Datum>,
        descending: bool,
    },
}

/// Groups in the order of their first elements, found by key.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<(Key, Datum, Vec<Datum>)>,
    places: BTreeMap<Key, usize>,
}

impl Loop {
    pub(super) fn groups() -> Self {
        Self::Groups(Groups::default())
    }
}

impl Scope {
    pub(super) fn over(datum: Datum) -> Result<Self, Box<Fault>> {
        let over = match datum {
            Datum::List(list) => Over::List(list),
            Datum::Text(text) => Over::Text(text),
            Datum::Map(map) => Over::Map(map),
            other => {
                return Err(Fault::run(format!(
                    "reflect: call of reflect.Value.Len on {} Value",
                    other.go_type()
                )));
            }
        };
        Ok(Self {
            over,
            index: 0,
            count: 0,
            accumulating: Loop::Value(Datum::Nil),
        })
    }

    pub(super) fn len(&self) -> i64 {
        (match &self.over {
            Over::List(list) => list.len(),
            Over::Text(text) => text.len(),
            Over::Map(map) => map.len(),
        }) as i64
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.index >= self.len()
    }

    pub(super) fn element(&self) -> Result<Datum, Box<Fault>> {
        let index = usize::try_from(self.index).unwrap_or(usize::MAX);
        match &self.over {
            Over::List(list) if index < list.len() => Ok(list.at(index)),
            Over::Text(text) if index < text.len() => Ok(Datum::Uint8(text.as_bytes()[index])),
            Over::List(_) | Over::Text(_) => Err(Fault::run("reflect: slice index out of range")),
            Over::Map(_) => Err(Fault::run("reflect: call of reflect.Value.Index on map Value")),
        }
    }

    pub(super) fn accumulated(&self) -> Result<Datum, Box<Fault>> {
        match &self.accumulating {
            Loop::Value(value) => Ok(value.clone()),
            // The checker lets no condition ask for these.
            Loop::Groups(_) | Loop::Sort { .. } => Err(Fault::run("nothing was accumulated")),
        }
    }

    /// Puts the element where others with this key are; tells whether it is the first.
    pub(super) fn group(&mut self, key: Datum) -> Result<bool, Box<Fault>> {
        let item = self.element()?;
        let Loop::Groups(Groups { groups, places }) = &mut self.accumulating else {
            return Ok(false);
        };
        let hashed = Key::of(&key).map_err(unhashable)?;
        // NaN is nowhere to be found again.
        let known = if hashed == Key::NaN(0) {
            None
        } else {
            places.get(&hashed)
        };
        if let Some(place) = known {
            let group = &mut groups[*place];
            group.1 = key;
            group.2.push(item);
            return Ok(false);
        }
        places.insert(hashed.clone(), groups.len());
        groups.push((hashed, key, vec![item]));
        Ok(true)
    }

    pub(super) fn take_groups(&mut self) -> Vec<(Key, Datum, Vec<Datum>)> {
        match std::mem::replace(&mut self.accumulating, Loop::Value(Datum::Nil)) {
            Loop::Groups(groups) => groups.groups,
            _ => Vec::new(),
        }
    }

    pub(super) fn begin_sort(&mut self, order: &Datum) -> Result<(), Box<Fault>> {
        let Datum::Text(order) = order else {
            return Err(not_of_type(order, "string"));
        };
        let descending = match order.as_bytes() {
            b"asc" => false,
            b"desc" => true,
            _ => return Err(Fault::run("unknown order, use asc or desc")),
        };
        self.accumulating = Loop::Sort {
            items: Vec::new(),
            values: Vec::new(),
            descending,
        };
        Ok(())
    }

    pub(super) fn sort_value(&mut self, value: Datum) -> Result<(), Box<Fault>> {
        let item = self.element()?;
        if let Loop::Sort { items, values, .. } = &mut self.accumulating {
            items.push(item);
            values.push(value);
        }
        Ok(())
    }

    pub(super) fn take_sort(&mut self) -> (Vec<Datum>, Vec<Datum>, bool) {
        match std::mem::replace(&mut self.accumulating, Loop::Value(Datum::Nil)) {
            Loop::Sort {
                items,
                values,
                descending,
            } => (items, values, descending),
            _ => (Vec::new(), Vec::new(), false),
        }
    }
}
