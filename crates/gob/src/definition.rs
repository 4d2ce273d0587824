//! Reading a type definition: a value of Go's `wireType` (`encoding/gob/type.go`), whose own type both sides know.

use std::sync::Arc;

use crate::table::{Field, Kind, Table};
use crate::wire::Cursor;
use crate::{Error, Limits};

/// Reads the definition of type `id` (positive) at the cursor and records it.
pub(crate) fn read_definition(
    table: &mut Table,
    id: i64,
    cursor: &mut Cursor<'_>,
    limits: &Limits,
) -> Result<(), Error> {
    // No more than what is left of the bound is looked at, so a definition that exceeds it takes no memory.
    let all = cursor.rest();
    let left = limits.definitions.saturating_sub(table.definitions());
    let mut bounded = Cursor::new(&all[..all.len().min(left)]);
    let (name, kind) = match definition(table, id, &mut bounded, limits) {
        Err(Error::Truncated(_)) if all.len() > left => {
            return Err(limits
                .check_definitions(table.definitions() + all.len())
                .expect_err("too many bytes"));
        }
        read => read?,
    };
    let bytes = all.len().min(left) - bounded.rest().len();
    cursor.take(bytes as u64)?;
    table.define(id, &String::from_utf8_lossy(name), kind, bytes, limits)
}

/// Exactly one of the kinds must be there.
fn definition<'a>(
    table: &mut Table,
    id: i64,
    cursor: &mut Cursor<'a>,
    limits: &Limits,
) -> Result<Definition<'a>, Error> {
    let mut definition = None;
    fields(cursor, "wireType", |field, cursor| {
        let this = match field {
            0 => array(table, cursor, limits)?,
            1 => slice(table, cursor, limits)?,
            2 => structure(table, cursor, limits)?,
            3 => map(table, cursor, limits)?,
            4..=6 => opaque(cursor)?,
            _ => {
                return Err(Error::malformed(format!(
                    "a type of an unknown kind (wireType field {field})"
                )));
            }
        };
        match definition.replace(this) {
            None => Ok(()),
            Some(_) => Err(Error::malformed(format!(
                "type id {id} is defined as two kinds at once"
            ))),
        }
    })?;
    definition.ok_or_else(|| Error::malformed(format!("the definition of type id {id} is empty")))
}

type Definition<'a> = (&'a [u8], Kind);

fn array<'a>(table: &mut Table, cursor: &mut Cursor<'a>, limits: &Limits) -> Result<Definition<'a>, Error> {
    let (mut name, mut elem, mut len) = (&b""[..], 0, 0);
    fields(cursor, "arrayType", |field, cursor| {
        match field {
            0 => name = common(cursor)?,
            1 => elem = cursor.int()?,
            2 => len = cursor.int()?,
            _ => return Err(unknown("arrayType", field)),
        }
        Ok(())
    })?;
    let len = u64::try_from(len).map_err(|_| Error::malformed(format!("an array of {len} elements")))?;
    Ok((
        name,
        Kind::Array {
            elem: table.refer(elem, limits)?,
            len,
        },
    ))
}

fn slice<'a>(table: &mut Table, cursor: &mut Cursor<'a>, limits: &Limits) -> Result<Definition<'a>, Error> {
    let (mut name, mut elem) = (&b""[..], 0);
    fields(cursor, "sliceType", |field, cursor| {
        match field {
            0 => name = common(cursor)?,
            1 => elem = cursor.int()?,
            _ => return Err(unknown("sliceType", field)),
        }
        Ok(())
    })?;
    Ok((
        name,
        Kind::Slice {
            elem: table.refer(elem, limits)?,
        },
    ))
}

fn map<'a>(table: &mut Table, cursor: &mut Cursor<'a>, limits: &Limits) -> Result<Definition<'a>, Error> {
    let (mut name, mut key, mut elem) = (&b""[..], 0, 0);
    fields(cursor, "mapType", |field, cursor| {
        match field {
            0 => name = common(cursor)?,
            1 => key = cursor.int()?,
            2 => elem = cursor.int()?,
            _ => return Err(unknown("mapType", field)),
        }
        Ok(())
    })?;
    Ok((
        name,
        Kind::Map {
            key: table.refer(key, limits)?,
            elem: table.refer(elem, limits)?,
        },
    ))
}

fn structure<'a>(
    table: &mut Table,
    cursor: &mut Cursor<'a>,
    limits: &Limits,
) -> Result<Definition<'a>, Error> {
    let mut name = &b""[..];
    let mut list = Vec::new();
    fields(cursor, "structType", |field, cursor| {
        match field {
            0 => name = common(cursor)?,
            1 => {
                for _ in 0..cursor.uint()? {
                    list.push(struct_field(table, cursor, limits)?);
                }
            }
            _ => return Err(unknown("structType", field)),
        }
        Ok(())
    })?;
    Ok((name, Kind::Struct { fields: list.into() }))
}

fn struct_field(table: &mut Table, cursor: &mut Cursor<'_>, limits: &Limits) -> Result<Field, Error> {
    let (mut name, mut ty) = (&b""[..], 0);
    fields(cursor, "fieldType", |field, cursor| {
        match field {
            0 => name = cursor.bytes()?,
            1 => ty = cursor.int()?,
            _ => return Err(unknown("fieldType", field)),
        }
        Ok(())
    })?;
    match std::str::from_utf8(name) {
        Ok("") => Err(Error::malformed("a struct's field without a name")),
        Ok(name) => Ok(Field {
            name: Arc::from(name),
            ty: table.refer(ty, limits)?,
        }),
        Err(_) => Err(Error::malformed("the name of a struct's field is not UTF-8")),
    }
}

fn opaque<'a>(cursor: &mut Cursor<'a>) -> Result<Definition<'a>, Error> {
    let mut name = &b""[..];
    fields(cursor, "gobEncoderType", |field, cursor| {
        match field {
            0 => name = common(cursor)?,
            _ => return Err(unknown("gobEncoderType", field)),
        }
        Ok(())
    })?;
    Ok((name, Kind::Opaque))
}

/// The name in a `CommonType`. The id beside it repeats the definition's, except for a pointer to a GobEncoder, where
/// Go writes another one; nothing depends on it.
fn common<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Error> {
    let mut name = &b""[..];
    fields(cursor, "CommonType", |field, cursor| {
        match field {
            0 => name = cursor.bytes()?,
            1 => cursor.skip_uint()?,
            _ => return Err(unknown("CommonType", field)),
        }
        Ok(())
    })?;
    Ok(name)
}

fn unknown(ty: &str, field: usize) -> Error {
    Error::malformed(format!("a type definition has field {field} in its {ty}"))
}

/// Calls `read` with the number of each field of the struct at the cursor.
fn fields<'a>(
    cursor: &mut Cursor<'a>,
    ty: &'static str,
    mut read: impl FnMut(usize, &mut Cursor<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    // No struct of a definition has more fields; the bound keeps the sum from overflowing.
    const MOST: u64 = 16;
    let mut next = 0;
    loop {
        match cursor.uint()? {
            0 => return Ok(()),
            delta @ 1..=MOST => {
                next += delta as usize;
                read(next - 1, cursor)?;
            }
            _ => {
                return Err(Error::malformed(format!(
                    "a type definition has too large a field number in {ty}"
                )));
            }
        }
    }
}
