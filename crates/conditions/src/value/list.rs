//! Go's slices, and its one array: the `[2]any` that `toPairs` makes.

use std::sync::Arc;

use super::{Datum, Text};

/// The Go type of a list. It decides what a list equals and what `sort` and `join` accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ListKind {
    /// `[]any`
    Any,
    /// `[]float64`: what metric providers give
    Float64,
    /// `[]int`: a range
    Int,
    /// `[]string`: what `split` gives
    String,
    /// `[]uint8`: what `time.Time.MarshalJSON` gives
    Uint8,
    /// `[][2]any`: what `toPairs` gives
    Pairs,
    /// `[2]any`: an element of `toPairs`
    Pair,
}

impl ListKind {
    pub(crate) fn go_type(self) -> &'static str {
        match self {
            Self::Any => "[]interface {}",
            Self::Float64 => "[]float64",
            Self::Int => "[]int",
            Self::String => "[]string",
            Self::Uint8 => "[]uint8",
            Self::Pairs => "[][2]interface {}",
            Self::Pair => "[2]interface {}",
        }
    }
}

#[derive(Clone, Debug)]
enum Items {
    Data(Arc<Vec<Datum>>),
    Floats(Arc<Vec<f64>>),
    /// The numbers from this one on: a range costs nothing until its elements are kept.
    From(i64),
    Bytes(Text),
}

#[derive(Clone, Debug)]
pub(crate) struct List {
    kind: ListKind,
    items: Items,
    start: usize,
    len: usize,
    /// How many lists and maps lie within each other below this one, itself included.
    depth: u32,
    is_nil: bool,
}

impl List {
    pub(crate) fn any(items: Vec<Datum>) -> Self {
        Self::of(ListKind::Any, items)
    }

    pub(crate) fn floats(items: Vec<f64>) -> Self {
        Self {
            kind: ListKind::Float64,
            start: 0,
            len: items.len(),
            items: Items::Floats(Arc::new(items)),
            depth: 1,
            is_nil: false,
        }
    }

    pub(crate) fn range(first: i64, len: usize) -> Self {
        Self {
            kind: ListKind::Int,
            items: Items::From(first),
            start: 0,
            len,
            depth: 1,
            is_nil: false,
        }
    }

    pub(crate) fn texts(items: Vec<Text>) -> Self {
        Self::of(ListKind::String, items.into_iter().map(Datum::Text).collect())
    }

    pub(crate) fn bytes(items: Text) -> Self {
        Self {
            kind: ListKind::Uint8,
            start: 0,
            len: items.len(),
            items: Items::Bytes(items),
            depth: 1,
            is_nil: false,
        }
    }

    pub(crate) fn pair(key: Datum, value: Datum) -> Self {
        Self::of(ListKind::Pair, vec![key, value])
    }

    pub(crate) fn pairs(items: Vec<Self>) -> Self {
        let items = items
            .into_iter()
            .map(|pair| Datum::List(Arc::new(pair)))
            .collect();
        Self::of(ListKind::Pairs, items)
    }

    /// A slice that was never made, which Go tells from an empty one.
    pub(crate) fn nil(kind: ListKind) -> Self {
        Self {
            is_nil: true,
            ..Self::of(kind, Vec::new())
        }
    }

    fn of(kind: ListKind, items: Vec<Datum>) -> Self {
        Self {
            kind,
            start: 0,
            len: items.len(),
            depth: 1 + items.iter().map(Datum::depth).max().unwrap_or(0),
            items: Items::Data(Arc::new(items)),
            is_nil: false,
        }
    }

    pub(crate) fn kind(&self) -> ListKind {
        self.kind
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    pub(crate) fn is_nil(&self) -> bool {
        self.is_nil
    }

    /// # Panics
    /// When `index` is not below [`List::len`].
    pub(crate) fn at(&self, index: usize) -> Datum {
        assert!(index < self.len, "index {index} of a list of {}", self.len);
        let index = self.start + index;
        match &self.items {
            Items::Data(items) => items[index].clone(),
            Items::Floats(items) => Datum::Float(items[index]),
            // A range's last element was checked to fit when it was made.
            Items::From(first) => Datum::Int(first.wrapping_add(index as i64)),
            Items::Bytes(items) => Datum::Uint8(items.as_bytes()[index]),
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Datum> + '_ {
        (0..self.len).map(|index| self.at(index))
    }

    /// `list[from:to]`, sharing the elements. A slice of an array is a slice.
    ///
    /// # Panics
    /// When `from <= to <= len` does not hold.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        assert!(
            from <= to && to <= self.len,
            "slice {from}:{to} of a list of {}",
            self.len
        );
        Self {
            kind: if self.kind == ListKind::Pair {
                ListKind::Any
            } else {
                self.kind
            },
            start: self.start + from,
            len: to - from,
            ..self.clone()
        }
    }

    /// Whether both are views of the same elements, which Go takes for equal without looking at them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.start == other.start
            && self.len == other.len
            && match (&self.items, &other.items) {
                (Items::Data(a), Items::Data(b)) => Arc::ptr_eq(a, b),
                (Items::Floats(a), Items::Floats(b)) => Arc::ptr_eq(a, b),
                _ => false,
            }
    }
}
