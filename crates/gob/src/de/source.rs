use serde::de::Visitor;

use crate::error::Step;
use crate::table::{Index, Kind, Table};
use crate::walk::{Stop, Walk, check_array, top_level};
use crate::wire::Cursor;
use crate::{Error, Limits};

/// What is being read: the bytes, the types, and how much the peer may still make us do.
pub(crate) struct Source<'x, 'de> {
    pub(crate) cursor: Cursor<'x>,
    pub(crate) table: &'x Table,
    limits: &'x Limits,
    /// The bytes again, where strings may be borrowed from them.
    lend: Option<&'de [u8]>,
    depth: usize,
    elements: usize,
    /// Passes over fields; its memory serves one after the other.
    walk: Walk,
}

/// The value of type `ty` at the cursor.
pub(crate) struct At<'s, 'x, 'de> {
    pub(crate) source: &'s mut Source<'x, 'de>,
    pub(crate) ty: Index,
    /// Not part of another value: a top-level value or the content of an interface value.
    pub(crate) outermost: bool,
}

impl<'s, 'x, 'de> At<'s, 'x, 'de> {
    #[inline]
    pub(super) fn inner(source: &'s mut Source<'x, 'de>, ty: Index) -> Self {
        At {
            source,
            ty,
            outermost: false,
        }
    }
}

impl<'x, 'de> Source<'x, 'de> {
    pub(crate) fn new(
        table: &'x Table,
        limits: &'x Limits,
        bytes: &'x [u8],
        lend: Option<&'de [u8]>,
    ) -> Self {
        let cursor = Cursor::new(bytes);
        Source {
            cursor,
            table,
            limits,
            lend,
            depth: 0,
            elements: 0,
            walk: Walk::default(),
        }
    }

    /// The value whose id the decoder has read.
    pub(crate) fn top_level<'s>(&'s mut self, ty: Index) -> Result<At<'s, 'x, 'de>, Error> {
        top_level(ty, self.table, &mut self.cursor)?;
        Ok(At {
            source: self,
            ty,
            outermost: true,
        })
    }

    pub(crate) fn expect_end(&self) -> Result<(), Error> {
        self.cursor.expect_end()
    }

    /// Enters a struct, list, map or interface value; [`leave`](Self::leave) follows unless reading failed.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        self.limits.check_depth(self.depth)
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Accounts for elements that are about to be delivered.
    #[inline]
    pub(crate) fn count(&mut self, elements: usize) -> Result<(), Error> {
        self.elements = self.elements.saturating_add(elements);
        self.limits.check_elements(self.elements)
    }

    /// Enters a list and returns its length, which the rest of the message can hold: an element has a byte at least.
    pub(crate) fn begin_list(&mut self, ty: Index) -> Result<usize, Error> {
        self.enter()?;
        let count = self.cursor.uint()?;
        if let Kind::Array { len, .. } = self.table.kind(ty) {
            check_array(count, *len)?;
        }
        self.fitting(count, 1)
    }

    /// Enters a map and returns the number of its entries.
    pub(crate) fn begin_map(&mut self) -> Result<usize, Error> {
        self.enter()?;
        let count = self.cursor.uint()?;
        self.fitting(count, 2)
    }

    fn fitting(&mut self, count: u64, least: usize) -> Result<usize, Error> {
        let room = self.cursor.rest().len() / least;
        match usize::try_from(count) {
            Ok(count) if count <= room => {
                self.count(count)?;
                Ok(count)
            }
            _ => Err(Error::malformed(format!(
                "{count} elements in what is left of the message"
            ))),
        }
    }

    /// The bytes just read once more, borrowed for as long as the target needs them, where that is possible.
    #[inline]
    fn lent(&self, bytes: &'x [u8]) -> Option<&'de [u8]> {
        let all = self.lend?;
        let end = all.len() - self.cursor.rest().len();
        Some(&all[end - bytes.len()..end])
    }

    pub(crate) fn text(&mut self) -> Result<&'x str, Error> {
        let bytes = self.cursor.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| {
            Error::mismatch(format!(
                "a string that is not UTF-8: \"{}\"",
                bytes.escape_ascii()
            ))
        })
    }

    pub(crate) fn visit_bytes<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.cursor.bytes()?;
        match self.lent(bytes) {
            Some(lent) => visitor.visit_borrowed_bytes(lent),
            None => visitor.visit_bytes(bytes),
        }
    }

    /// As text if it is UTF-8, which Go does not demand, and as bytes otherwise.
    #[inline]
    pub(crate) fn visit_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.cursor.bytes()?;
        match self.lent(bytes) {
            Some(lent) => match std::str::from_utf8(lent) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_borrowed_bytes(lent),
            },
            None => match std::str::from_utf8(bytes) {
                Ok(text) => visitor.visit_str(text),
                Err(_) => visitor.visit_bytes(bytes),
            },
        }
    }

    /// Passes over a value of this type.
    #[inline]
    pub(crate) fn skip(&mut self, ty: Index) -> Result<(), Error> {
        let Source {
            cursor,
            table,
            limits,
            walk,
            lend,
            ..
        } = self;
        walk.begin_inner(ty, table, cursor)?;
        while let Stop::TypeId = walk.run(table, limits, cursor)? {
            let ty = table.lookup(cursor.int()?)?;
            // The lengths of interface values are right where nothing was cut out.
            let jump = lend.is_some() || table.is_closed(ty);
            walk.content(ty, jump, table, cursor)?;
        }
        Ok(())
    }

    /// Reads the head of an interface value; `None` is the nil interface (`decodeInterface`).
    pub(crate) fn open_interface(&mut self) -> Result<Option<Content<'x>>, Error> {
        let length = self.cursor.uint()?;
        if length == 0 {
            return Ok(None);
        }
        self.limits.check_name(length)?;
        let name = std::str::from_utf8(self.cursor.take(length)?)
            .map_err(|_| Error::malformed("the registered name of an interface value is not UTF-8"))?;
        self.enter()?;
        let ty = self.table.lookup(self.cursor.int()?)?;
        let length = self.cursor.uint()?;
        let before = self.cursor.rest().len();
        top_level(ty, self.table, &mut self.cursor)?;
        Ok(Some(Content {
            name,
            ty,
            length,
            before,
        }))
    }

    /// Leaves interface values, the inmost last in the list, after their content was read.
    #[cold]
    pub(crate) fn close<T>(&mut self, opened: Vec<Content<'x>>, value: Result<T, Error>) -> Result<T, Error> {
        let inmost_first = opened.into_iter().rev();
        match value {
            Ok(value) => {
                for content in inmost_first {
                    content.end(self)?;
                }
                Ok(value)
            }
            Err(error) => Err(inmost_first.fold(error, |e, content| e.within(Step::Name(content.name)))),
        }
    }
}

/// The content of an interface value.
pub(crate) struct Content<'x> {
    pub(crate) name: &'x str,
    pub(super) ty: Index,
    length: u64,
    /// Bytes that were left where the content begins.
    before: usize,
}

impl<'x> Content<'x> {
    /// Lets `read` read the content and checks that it is as long as announced.
    pub(crate) fn read<'de, T>(
        self,
        source: &mut Source<'x, 'de>,
        read: impl FnOnce(At<'_, 'x, 'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let value = read(At {
            source,
            ty: self.ty,
            outermost: true,
        })
        .map_err(|e| e.within(Step::Name(self.name)))?;
        self.end(source)?;
        Ok(value)
    }

    /// Checks that the content was as long as announced, and leaves.
    fn end(self, source: &mut Source<'x, '_>) -> Result<(), Error> {
        let length = (self.before - source.cursor.rest().len()) as u64;
        if source.lend.is_some() && length != self.length {
            return Err(Error::malformed(format!(
                "the content of interface value {} takes {length} bytes, not the announced {}",
                self.name, self.length
            )));
        }
        source.leave();
        Ok(())
    }
}

/// Go refuses to read a top-level struct into one without a field in common (`decodeValue` in
/// `encoding/gob/decode.go`). Here this also finds a forgotten `rename`.
pub(crate) fn check_fields(table: &Table, ty: Index, name: &str, fields: &[&str]) -> Result<(), Error> {
    let Kind::Struct { fields: sent } = table.kind(ty) else {
        return Ok(());
    };
    if sent.is_empty() || fields.is_empty() || sent.iter().any(|field| fields.contains(&&*field.name)) {
        return Ok(());
    }
    let sent: Vec<&str> = sent.iter().take(8).map(|field| &*field.name).collect();
    Err(Error::mismatch(format!(
        "no field of {name} ({}) is a field of {} ({})",
        fields.join(", "),
        table.describe(ty),
        sent.join(", ")
    )))
}
