//! The types that the other side of a stream has defined (`encoding/gob/type.go`).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::{Error, Limits};

/// A type's place in the [`Table`]. The builtin types come first, at their id minus one.
pub(crate) type Index = u32;

pub(crate) const FLOAT: Index = 3;
pub(crate) const INTERFACE: Index = 7;

/// Ids below are Go's own (`firstUserId` in `type.go`).
pub(crate) const FIRST_USER_ID: i64 = 64;

/// The type table of one direction of one stream.
pub(crate) struct Table {
    slots: Vec<Slot>,
    indices: HashMap<i64, Index>,
    definitions: usize,
}

pub(crate) struct Slot {
    id: i64,
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    reach: Reach,
}

/// What travels for a value of a type.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Another type refers to this one; its definition has not come yet.
    Undefined,
    Bool,
    Int,
    Uint,
    Float,
    Bytes,
    String,
    Complex,
    Interface,
    Array {
        elem: Index,
        len: u64,
    },
    Slice {
        elem: Index,
    },
    Map {
        key: Index,
        elem: Index,
    },
    Struct {
        fields: Box<[Field]>,
    },
    /// Bytes that a method of the Go type wrote.
    Opaque,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) ty: Index,
}

/// What is known about the types below a type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nothing yet.
    Unknown,
    /// All are defined and none is an interface, so a value cannot define further types.
    Closed,
    /// All are defined, and an interface may be among them.
    Open,
}

impl Table {
    pub(crate) fn new() -> Self {
        let builtin = [
            ("bool", Kind::Bool),
            ("int", Kind::Int),
            ("uint", Kind::Uint),
            ("float", Kind::Float),
            ("[]byte", Kind::Bytes),
            ("string", Kind::String),
            ("complex", Kind::Complex),
            ("interface", Kind::Interface),
        ];
        let mut table = Table {
            slots: Vec::new(),
            indices: HashMap::new(),
            definitions: 0,
        };
        for (id, (name, kind)) in (1..).zip(builtin) {
            let reach = if matches!(kind, Kind::Interface) {
                Reach::Open
            } else {
                Reach::Closed
            };
            table.indices.insert(id, table.slots.len() as Index);
            table.slots.push(Slot {
                id,
                name: name.into(),
                kind,
                reach,
            });
        }
        table
    }

    #[inline]
    pub(crate) fn slot(&self, index: Index) -> &Slot {
        &self.slots[index as usize]
    }

    #[inline]
    pub(crate) fn kind(&self, index: Index) -> &Kind {
        &self.slot(index).kind
    }

    /// The type of a value that is announced by `id`.
    pub(crate) fn lookup(&self, id: i64) -> Result<Index, Error> {
        self.indices.get(&id).copied().ok_or(Error::UndefinedType(id))
    }

    /// The place of a type that a definition refers to and that may be defined later.
    pub(crate) fn refer(&mut self, id: i64, limits: &Limits) -> Result<Index, Error> {
        if let Some(&index) = self.indices.get(&id) {
            return Ok(index);
        }
        if id < FIRST_USER_ID || id > i64::from(i32::MAX) {
            return Err(Error::UndefinedType(id));
        }
        let index = self.slots.len() as Index;
        limits.check_types(self.slots.len() - (INTERFACE as usize))?;
        self.slots.push(Slot {
            id,
            name: "".into(),
            kind: Kind::Undefined,
            reach: Reach::Unknown,
        });
        self.indices.insert(id, index);
        Ok(index)
    }

    /// Records the definition of `id`, which took `bytes` bytes.
    pub(crate) fn define(
        &mut self,
        id: i64,
        name: &str,
        kind: Kind,
        bytes: usize,
        limits: &Limits,
    ) -> Result<(), Error> {
        self.definitions = self.definitions.saturating_add(bytes);
        limits.check_definitions(self.definitions)?;
        if (0..FIRST_USER_ID).contains(&id) {
            return Err(Error::DuplicateType(id));
        }
        let index = self.refer(id, limits)?;
        let slot = &mut self.slots[index as usize];
        if !matches!(slot.kind, Kind::Undefined) {
            return Err(Error::DuplicateType(id));
        }
        slot.name = name.into();
        slot.kind = kind;
        Ok(())
    }

    /// The bytes of all definitions so far.
    pub(crate) fn definitions(&self) -> usize {
        self.definitions
    }

    /// The error for a value of a type without a definition.
    #[cold]
    pub(crate) fn undefined(&self, index: Index) -> Error {
        Error::UndefinedType(self.slot(index).id)
    }

    /// Makes sure that everything a value of this type consists of is defined, and tells whether an interface value,
    /// which can bring further definitions, may be part of it.
    ///
    /// The work is done once for a type: what is complete stays complete, because definitions cannot change.
    pub(crate) fn may_hold_interfaces(&mut self, root: Index) -> Result<bool, Error> {
        if self.slot(root).reach == Reach::Unknown {
            self.explore(root)?;
        }
        Ok(self.slot(root).reach == Reach::Open)
    }

    /// The same for a type that a value before already contained; "yes" where nothing is known.
    #[inline]
    pub(crate) fn is_closed(&self, index: Index) -> bool {
        self.slot(index).reach == Reach::Closed
    }

    /// All types below `root` get the same mark, so each edge of the graph is followed once in a stream's life. For a
    /// part of a type with an interface elsewhere the mark is cautious; that costs a closer look, never an error.
    fn explore(&mut self, root: Index) -> Result<(), Error> {
        let mut found = vec![root];
        let mut seen = vec![false; self.slots.len()];
        seen[root as usize] = true;
        let mut open = false;
        let mut next = 0;
        while next < found.len() {
            let slot = self.slot(found[next]);
            next += 1;
            let mut visit = |index: Index| {
                if !std::mem::replace(&mut seen[index as usize], true) {
                    match self.slots[index as usize].reach {
                        Reach::Unknown => found.push(index),
                        Reach::Open => open = true,
                        Reach::Closed => {}
                    }
                }
            };
            match &slot.kind {
                Kind::Undefined => return Err(Error::UndefinedType(slot.id)),
                Kind::Array { elem, .. } | Kind::Slice { elem } => visit(*elem),
                Kind::Map { key, elem } => {
                    visit(*key);
                    visit(*elem);
                }
                Kind::Struct { fields } => fields.iter().for_each(|field| visit(field.ty)),
                _ => {}
            }
        }
        let reach = if open { Reach::Open } else { Reach::Closed };
        for index in found {
            self.slots[index as usize].reach = reach;
        }
        Ok(())
    }

    /// The type as Go would write it, for errors.
    pub(crate) fn describe(&self, index: Index) -> String {
        let mut text = String::new();
        self.describe_into(index, 8, &mut text);
        text
    }

    fn describe_into(&self, index: Index, depth: usize, text: &mut String) {
        let slot = self.slot(index);
        if !slot.name.is_empty() {
            text.push_str(&slot.name);
            return;
        }
        let Some(depth) = depth.checked_sub(1) else {
            text.push('…');
            return;
        };
        match &slot.kind {
            Kind::Array { elem, len } => {
                let _ = write!(text, "[{len}]");
                self.describe_into(*elem, depth, text);
            }
            Kind::Slice { elem } => {
                text.push_str("[]");
                self.describe_into(*elem, depth, text);
            }
            Kind::Map { key, elem } => {
                text.push_str("map[");
                self.describe_into(*key, depth, text);
                text.push(']');
                self.describe_into(*elem, depth, text);
            }
            Kind::Struct { .. } => text.push_str("struct"),
            Kind::Opaque => text.push_str("GobEncoder"),
            _ => text.push_str("undefined type"),
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}
