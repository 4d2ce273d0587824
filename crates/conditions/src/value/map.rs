//! Go's maps.

use std::collections::BTreeMap;

use super::{Datum, Text};

/// The Go type of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MapKind {
    /// `map[string]any`: JSON objects and map literals
    StringAny,
    /// `map[any]any`: what `fromPairs` gives
    AnyAny,
    /// `map[any][]any`: what `groupBy` gives
    Groups,
    /// `map[int]struct{}`: `in [1, 2]`, rewritten
    IntSet,
    /// `map[string]struct{}`: `in ["a", "b"]`, rewritten
    StringSet,
}

impl MapKind {
    pub(crate) fn go_type(self) -> &'static str {
        match self {
            Self::StringAny => "map[string]interface {}",
            Self::AnyAny => "map[interface {}]interface {}",
            Self::Groups => "map[interface {}][]interface {}",
            Self::IntSet => "map[int]struct {}",
            Self::StringSet => "map[string]struct {}",
        }
    }
}

/// Go iterates over a map in random order; ours goes by key, so that an answer is the same every time.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    kind: MapKind,
    entries: Entries,
    depth: u32,
}

#[derive(Clone, Debug)]
enum Entries {
    Texts(BTreeMap<Text, Datum>),
    Keys(BTreeMap<Key, (Datum, Datum)>),
}

impl Map {
    pub(crate) fn texts(entries: BTreeMap<Text, Datum>) -> Self {
        let depth = 1 + entries.values().map(Datum::depth).max().unwrap_or(0);
        Self {
            kind: MapKind::StringAny,
            entries: Entries::Texts(entries),
            depth,
        }
    }

    pub(crate) fn text_set(keys: impl IntoIterator<Item = Text>) -> Self {
        let entries = keys.into_iter().map(|key| (key, Datum::Nil)).collect();
        Self {
            kind: MapKind::StringSet,
            entries: Entries::Texts(entries),
            depth: 1,
        }
    }

    pub(crate) fn int_set(keys: impl IntoIterator<Item = i64>) -> Self {
        let entries = keys
            .into_iter()
            .map(|key| (Key::Int(key), (Datum::Int(key), Datum::Nil)));
        Self {
            kind: MapKind::IntSet,
            entries: Entries::Keys(entries.collect()),
            depth: 1,
        }
    }

    /// `map[any]any`; the last of equal keys wins, and every NaN is a key of its own.
    pub(crate) fn any(pairs: Vec<(Key, Datum, Datum)>) -> Self {
        Self::keyed(MapKind::AnyAny, pairs)
    }

    pub(crate) fn groups(groups: Vec<(Key, Datum, Datum)>) -> Self {
        Self::keyed(MapKind::Groups, groups)
    }

    fn keyed(kind: MapKind, pairs: Vec<(Key, Datum, Datum)>) -> Self {
        let mut entries = BTreeMap::new();
        let mut depth = 0;
        for (number, (key, given, value)) in pairs.into_iter().enumerate() {
            depth = depth.max(given.depth()).max(value.depth());
            let key = if key == Key::NaN(0) {
                Key::NaN(number + 1)
            } else {
                key
            };
            // Go keeps the key that came last, which shows in 0 and -0 (`NeedKeyUpdate`, `internal/runtime/maps`).
            entries.insert(key, (given, value));
        }
        Self {
            kind,
            entries: Entries::Keys(entries),
            depth: depth + 1,
        }
    }

    pub(crate) fn kind(&self) -> MapKind {
        self.kind
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    pub(crate) fn len(&self) -> usize {
        match &self.entries {
            Entries::Texts(entries) => entries.len(),
            Entries::Keys(entries) => entries.len(),
        }
    }

    /// The value below a string, where the keys are strings.
    pub(crate) fn text(&self, key: &[u8]) -> Option<&Datum> {
        match &self.entries {
            Entries::Texts(entries) => entries.get(key),
            Entries::Keys(_) => None,
        }
    }

    /// The value below a key, where the keys are `any` or `int`.
    pub(crate) fn key(&self, key: &Key) -> Option<&Datum> {
        match &self.entries {
            Entries::Texts(_) => None,
            Entries::Keys(entries) => entries.get(key).map(|(_, value)| value),
        }
    }

    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (Datum, &Datum)> + '_> {
        match &self.entries {
            Entries::Texts(entries) => Box::new(
                entries
                    .iter()
                    .map(|(key, value)| (Datum::Text(key.clone()), value)),
            ),
            Entries::Keys(entries) => Box::new(entries.values().map(|(key, value)| (key.clone(), value))),
        }
    }
}

/// What Go hashes and compares of a map key of type `any`: the type and the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Nil,
    Bool(bool),
    Int(i64),
    Int64(i64),
    Uint8(u8),
    /// NaN differs from itself: those in a map are numbered from 1, and 0 is looked for in vain.
    NaN(usize),
    /// The bits, with -0 as 0, and turned so that they are ordered as the numbers are.
    Float(u64),
    Text(Text),
    Duration(i64),
    Month(i64),
    Weekday(i64),
    Time(i64, u32, String),
    Zone(String),
    Pair(Box<(Key, Key)>),
}

impl Key {
    /// # Errors
    /// The Go type of a value that no map can have as its key.
    pub(crate) fn of(datum: &Datum) -> Result<Self, &'static str> {
        Ok(match datum {
            Datum::Nil => Self::Nil,
            Datum::Bool(b) => Self::Bool(*b),
            Datum::Int(n) => Self::Int(*n),
            Datum::Int64(n) => Self::Int64(*n),
            Datum::Uint8(n) => Self::Uint8(*n),
            Datum::Float(x) if x.is_nan() => Self::NaN(0),
            Datum::Float(x) => Self::Float(ordered(*x)),
            Datum::Text(text) => Self::Text(text.clone()),
            Datum::Duration(n) => Self::Duration(*n),
            Datum::Month(n) => Self::Month(*n),
            Datum::Weekday(n) => Self::Weekday(*n),
            Datum::Time(time) => Self::Time(time.unix_seconds(), time.nanosecond(), time.zone().address()),
            Datum::Zone(zone) | Datum::ZoneStruct(zone) => Self::Zone(zone.address()),
            Datum::List(list) if list.kind() == super::ListKind::Pair => {
                Self::Pair(Box::new((Self::of(&list.at(0))?, Self::of(&list.at(1))?)))
            }
            Datum::List(_) | Datum::Map(_) | Datum::Function(_) => return Err(datum.go_type()),
        })
    }
}

/// Bits of a number that is not NaN, in the order of the numbers.
fn ordered(x: f64) -> u64 {
    let bits = if x == 0.0 { 0 } else { x.to_bits() };
    match bits >> 63 {
        0 => bits | 1 << 63,
        _ => !bits,
    }
}
