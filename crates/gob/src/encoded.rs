use serde::Deserialize;

use crate::de::Source;
use crate::table::{Index, Kind, Table};
use crate::wire::Cursor;
use crate::{Error, Limits, Value};

/// A value as it travelled, together with the types needed to read it.
///
/// [`Decoder::message`](crate::Decoder::message) makes it. Dropping it unread is fine.
pub struct Encoded<'d, 'b> {
    table: &'d Table,
    limits: &'d Limits,
    ty: Index,
    bytes: Bytes<'d, 'b>,
}

#[derive(Clone, Copy)]
enum Bytes<'d, 'b> {
    /// The message as it came; strings can be borrowed from it.
    Whole(&'b [u8]),
    /// Put together from several messages, in the decoder's memory. The lengths of interface values are wrong.
    Joined(&'d [u8]),
}

impl<'d, 'b> Encoded<'d, 'b> {
    pub(crate) fn whole(table: &'d Table, limits: &'d Limits, ty: Index, bytes: &'b [u8]) -> Self {
        Encoded {
            table,
            limits,
            ty,
            bytes: Bytes::Whole(bytes),
        }
    }

    pub(crate) fn joined(table: &'d Table, limits: &'d Limits, ty: Index, bytes: &'d [u8]) -> Self {
        Encoded {
            table,
            limits,
            ty,
            bytes: Bytes::Joined(bytes),
        }
    }

    /// Decodes the value; the crate's root describes how Go's types meet Rust's.
    ///
    /// A value that brought new types inside an interface value spans several messages, so nothing of it can be
    /// borrowed from the last one: `&str` and `&[u8]` then fail with "expected a borrowed string", `String` and
    /// `#[serde(borrow)] Cow<str>` do not.
    ///
    /// # Errors
    /// [`Error::Mismatch`], [`Error::At`] and the like, naming the field. They concern this value only: the decoder
    /// can go on with the next message.
    pub fn deserialize<T: Deserialize<'b>>(self) -> Result<T, Error> {
        let mut source = self.source();
        let value = T::deserialize(source.top_level(self.ty)?)?;
        source.expect_end()?;
        Ok(value)
    }

    /// Decodes the value into the form that keeps everything, for inspection.
    ///
    /// # Errors
    /// Only for malformed bytes and exceeded limits.
    pub fn value(self) -> Result<Value, Error> {
        let mut source = self.source();
        let value = source.top_level(self.ty)?.value()?;
        source.expect_end()?;
        Ok(value)
    }

    /// The name of the type as the peer defined it, without a package: `RpcError`, `map[string]string`, `interface`.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.table.describe(self.ty)
    }

    /// The registered name in front of a top-level interface value: `Some("")` is the nil interface, `None` means
    /// that the value is not an interface value.
    #[must_use]
    pub fn registered_name(&self) -> Option<&str> {
        if !matches!(self.table.kind(self.ty), Kind::Interface) {
            return None;
        }
        let mut cursor = Cursor::new(self.bytes());
        cursor.uint().ok()?;
        std::str::from_utf8(cursor.bytes().ok()?).ok()
    }

    fn bytes(&self) -> &[u8] {
        match self.bytes {
            Bytes::Whole(bytes) => bytes,
            Bytes::Joined(bytes) => bytes,
        }
    }

    fn source<'x>(&self) -> Source<'x, 'b>
    where
        'd: 'x,
        'b: 'x,
    {
        match self.bytes {
            Bytes::Whole(bytes) => Source::new(self.table, self.limits, bytes, Some(bytes)),
            Bytes::Joined(bytes) => Source::new(self.table, self.limits, bytes, None),
        }
    }
}
