//! Passing over a value without building it: for fields that the target does not know, and to find the type
//! definitions that Go writes in the middle of a value.

use crate::table::{Index, Kind, Table};
use crate::wire::Cursor;
use crate::{Error, Limits};

/// Where a walk through a value stands. It is a machine with a stack of its own instead of a recursion, so that it
/// can stop at the end of a message and go on with the next, and so that hostile nesting cannot exhaust the thread's
/// stack. Its memory is reused from one field to the next.
#[derive(Default)]
pub(crate) struct Walk {
    open: Vec<Open>,
}

/// A value that has begun.
enum Open {
    /// A struct whose fields from `next` on may follow.
    Struct { ty: Index, next: usize },
    /// A list with `left` elements to come.
    List { elem: Index, left: u64 },
    /// A map with `left` entries to come.
    Map { key: Index, elem: Index, left: u64 },
    /// The value that belongs to the key of a map just passed.
    MapValue { elem: Index },
    /// An interface value whose name was read: a type id, or a definition, comes next.
    Interface,
}

/// Why a walk stopped.
pub(crate) enum Stop {
    /// The value is complete.
    End,
    /// The cursor is in an interface value, before a type id. A negative one begins a type definition, which the
    /// caller reads before it goes on; for the type of the content it calls [`Walk::content`].
    TypeId,
}

impl Walk {
    /// Begins with a top-level value of this type, whose id has been read.
    pub(crate) fn begin(&mut self, ty: Index, table: &Table, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        self.open.clear();
        top_level(ty, table, cursor)?;
        self.value(ty, table, cursor)
    }

    /// Begins with a value of this type inside another.
    pub(crate) fn begin_inner(
        &mut self,
        ty: Index,
        table: &Table,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Error> {
        self.open.clear();
        self.value(ty, table, cursor)
    }

    /// Goes on with the content of an interface value, of type `ty`. Its length is trusted for a jump when `jump` is
    /// set, and ignored otherwise: Go's own is too small when definitions stand inside, and its decoder ignores it
    /// (`decodeInterface`).
    pub(crate) fn content(
        &mut self,
        ty: Index,
        jump: bool,
        table: &Table,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Error> {
        let length = cursor.uint()?;
        self.open.pop();
        if jump {
            cursor.take(length)?;
            return Ok(());
        }
        top_level(ty, table, cursor)?;
        self.value(ty, table, cursor)
    }

    /// Goes on to the next type id in an interface value, or to the end.
    pub(crate) fn run(
        &mut self,
        table: &Table,
        limits: &Limits,
        cursor: &mut Cursor<'_>,
    ) -> Result<Stop, Error> {
        while let Some(open) = self.open.last_mut() {
            match open {
                Open::Struct { ty, next } => {
                    let Kind::Struct { fields } = table.kind(*ty) else {
                        unreachable!("pushed for structs")
                    };
                    match next_field(cursor, *next, fields.len())? {
                        None => {
                            self.open.pop();
                        }
                        Some(field) => {
                            *next = field + 1;
                            self.value(fields[field].ty, table, cursor)?;
                        }
                    }
                }
                Open::List { left: 0, .. } | Open::Map { left: 0, .. } => {
                    self.open.pop();
                }
                Open::List { elem, left } => {
                    *left -= 1;
                    let elem = *elem;
                    self.value(elem, table, cursor)?;
                }
                Open::Map { key, elem, left } => {
                    *left -= 1;
                    let (key, elem) = (*key, *elem);
                    self.open.push(Open::MapValue { elem });
                    self.value(key, table, cursor)?;
                }
                Open::MapValue { elem } => {
                    let elem = *elem;
                    self.open.pop();
                    self.value(elem, table, cursor)?;
                }
                Open::Interface => return Ok(Stop::TypeId),
            }
            limits.check_depth(self.open.len())?;
        }
        Ok(Stop::End)
    }

    /// Passes a value, or its head if it has parts.
    #[inline]
    fn value(&mut self, ty: Index, table: &Table, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        match table.kind(ty) {
            Kind::Bool | Kind::Int | Kind::Uint | Kind::Float => cursor.skip_uint(),
            Kind::Bytes | Kind::String | Kind::Opaque => cursor.bytes().map(drop),
            Kind::Complex => {
                cursor.skip_uint()?;
                cursor.skip_uint()
            }
            Kind::Interface => {
                if !cursor.bytes()?.is_empty() {
                    self.open.push(Open::Interface);
                }
                Ok(())
            }
            Kind::Array { elem, len } => {
                let left = cursor.uint()?;
                check_array(left, *len)?;
                self.open.push(Open::List { elem: *elem, left });
                Ok(())
            }
            Kind::Slice { elem } => {
                let left = cursor.uint()?;
                self.open.push(Open::List { elem: *elem, left });
                Ok(())
            }
            Kind::Map { key, elem } => {
                let left = cursor.uint()?;
                self.open.push(Open::Map {
                    key: *key,
                    elem: *elem,
                    left,
                });
                Ok(())
            }
            Kind::Struct { .. } => {
                self.open.push(Open::Struct { ty, next: 0 });
                Ok(())
            }
            Kind::Undefined => Err(table.undefined(ty)),
        }
    }
}

/// A top-level value that is no struct is preceded by a zero (`encodeSingle` in `encoding/gob/encode.go`).
pub(crate) fn top_level(ty: Index, table: &Table, cursor: &mut Cursor<'_>) -> Result<(), Error> {
    if !matches!(table.kind(ty), Kind::Struct { .. }) && cursor.uint()? != 0 {
        return Err(Error::malformed(
            "a top-level value that is no struct begins with a field number",
        ));
    }
    Ok(())
}

/// The number of the next field of a struct with `count` fields, where `next` is the lowest that may come.
#[inline]
pub(crate) fn next_field(cursor: &mut Cursor<'_>, next: usize, count: usize) -> Result<Option<usize>, Error> {
    let delta = cursor.uint()?;
    if delta == 0 {
        return Ok(None);
    }
    if delta > (count - next) as u64 {
        return Err(Error::malformed(format!(
            "field number {} of a struct with {count} fields",
            (next as u64).saturating_add(delta - 1)
        )));
    }
    Ok(Some(next + delta as usize - 1))
}

pub(crate) fn check_array(count: u64, len: u64) -> Result<(), Error> {
    if count == len {
        return Ok(());
    }
    Err(Error::malformed(format!("{count} elements in an array of {len}")))
}
