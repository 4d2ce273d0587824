use crate::definition::read_definition;
use crate::table::{Index, Table};
use crate::walk::{Stop, Walk};
use crate::wire::Cursor;
use crate::{Encoded, Error, Limits};

/// The receiving end of one direction of one stream: it keeps the types that the peer has defined.
///
/// It does no IO. [`frame`](crate::frame) finds the messages in what was read; each goes to [`message`](Self::message).
/// Source: `encoding/gob/decoder.go`.
///
/// ```
/// use gob::{Decoder, Limits, frame};
///
/// // What Go writes for the int 3 and then for the string "hi".
/// let stream = [3, 4, 0, 6, 5, 12, 0, 2, b'h', b'i'];
/// let mut decoder = Decoder::new();
/// let first = frame(&stream, &Limits::default())?.expect("a whole message");
/// let second = frame(&stream[first.end..], &Limits::default())?.expect("another one");
///
/// let value = decoder.message(&stream[first.clone()])?.expect("a value, not a type definition");
/// assert_eq!(value.deserialize::<i32>()?, 3);
/// let value = decoder.message(&stream[first.end..][second])?.expect("a value");
/// assert_eq!(value.deserialize::<&str>()?, "hi");
/// # Ok::<(), gob::Error>(())
/// ```
#[derive(Default)]
pub struct Decoder {
    limits: Limits,
    table: Table,
    partial: Option<Partial>,
    /// The last value that spanned several messages.
    joined: Vec<u8>,
}

/// A value whose end has not arrived: a type definition stood in it, and Go ends a message after each.
struct Partial {
    ty: Index,
    walk: Walk,
    /// The value so far, without the definitions.
    bytes: Vec<u8>,
}

impl Decoder {
    /// A decoder with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Decoder {
            limits,
            ..Self::default()
        }
    }

    /// The limits given when it was made.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes one whole message without its length prefix.
    ///
    /// `Some` is a value, borrowed from the message and not decoded yet; it may be dropped unread, the types it
    /// defines are recorded. `None` means that no value is complete: the message defined a type, or it is the
    /// beginning of a value that goes on in the next message. Go cuts a value where it first sends an interface value
    /// of a type that is new to the stream (`encodeInterface` in `encoding/gob/encode.go`).
    ///
    /// # Errors
    /// After an error the stream is of no more use, because later messages may need what this one defined. (An error
    /// of [`Encoded::deserialize`] on the other hand concerns that value only.)
    pub fn message<'d, 'b>(&'d mut self, body: &'b [u8]) -> Result<Option<Encoded<'d, 'b>>, Error> {
        self.joined = Vec::new();
        let before = self.partial.as_ref().map_or(0, |partial| partial.bytes.len());
        self.limits.check_message((before + body.len()) as u64)?;
        let mut cursor = Cursor::new(body);
        let (mut partial, value) = match self.partial.take() {
            Some(partial) => (partial, body),
            None => {
                let Some(ty) = self.begin(&mut cursor)? else {
                    return Ok(None);
                };
                let value = cursor.rest();
                if !self.table.may_hold_interfaces(ty)? {
                    return Ok(Some(Encoded::whole(&self.table, &self.limits, ty, value)));
                }
                (Partial::begin(ty, &self.table, &mut cursor)?, value)
            }
        };

        // What follows the last definition and has not been copied to `partial.bytes`.
        let mut kept = value;
        while let Stop::TypeId = partial.walk.run(&self.table, &self.limits, &mut cursor)? {
            let before = cursor.rest().len();
            let id = cursor.int()?;
            if id >= 0 {
                let ty = self.table.lookup(id)?;
                let jump = !self.table.may_hold_interfaces(ty)?;
                partial.walk.content(ty, jump, &self.table, &mut cursor)?;
                continue;
            }
            partial.bytes.extend_from_slice(&kept[..kept.len() - before]);
            self.define(id, &mut cursor)?;
            if cursor.is_empty() {
                self.partial = Some(partial);
                return Ok(None);
            }
            // Inside another interface value the cut is not a new message but a new length, of no use to us.
            cursor.uint()?;
            kept = cursor.rest();
        }
        cursor.expect_end()?;
        if partial.bytes.is_empty() {
            return Ok(Some(Encoded::whole(&self.table, &self.limits, partial.ty, value)));
        }
        self.joined = partial.bytes;
        self.joined.extend_from_slice(kept);
        Ok(Some(Encoded::joined(
            &self.table,
            &self.limits,
            partial.ty,
            &self.joined,
        )))
    }

    /// The type of the value that the message contains, or `None` for a type definition.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Index>, Error> {
        let id = cursor.int()?;
        if id >= 0 {
            return self.table.lookup(id).map(Some);
        }
        self.define(id, cursor)?;
        cursor.expect_end()?;
        Ok(None)
    }

    /// Reads a definition, which is announced by the negated id of the type.
    fn define(&mut self, negated: i64, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        read_definition(&mut self.table, negated.saturating_neg(), cursor, &self.limits)
    }
}

impl Partial {
    fn begin(ty: Index, table: &Table, cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let mut walk = Walk::default();
        walk.begin(ty, table, cursor)?;
        Ok(Partial {
            ty,
            walk,
            bytes: Vec::new(),
        })
    }
}
