use serde::Serialize;

use crate::announce::Announced;
use crate::schema::{Kind, Type};
use crate::ser::Writer;
use crate::wire::{put_int, put_uint};
use crate::{Error, Limits};

/// The sending end of one direction of one stream: it knows which types the peer has been told about.
///
/// It does no IO; what it appends to a buffer is sent by the caller. Source: `encoding/gob/encoder.go`, `encode.go`.
///
/// ```
/// use gob::{Encoder, Schema};
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct RpcError {
///     #[serde(rename = "ErrorString")]
///     error_string: String,
/// }
///
/// let schema = Schema::parse("type RpcError struct { ErrorString string }")?;
/// let mut encoder = Encoder::new();
/// let mut out = Vec::new();
/// let none = RpcError { error_string: String::new() };
/// encoder.encode(schema.ty("RpcError").unwrap(), &none, &mut out)?;
/// let definition = out.len();
/// encoder.encode(schema.ty("RpcError").unwrap(), &none, &mut out)?;
/// assert_eq!(out[definition..], [3, 0xFF, 128, 0], "the second time the type is known");
/// # Ok::<(), gob::Error>(())
/// ```
pub struct Encoder {
    limits: Limits,
    announced: Announced,
    /// Memory for the definitions and the value of one call.
    definitions: Vec<u8>,
    body: Vec<u8>,
}

impl Encoder {
    /// An encoder for a new stream, with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// An encoder that refuses to write what a decoder with these limits would not read: `message` and `depth` count.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Encoder {
            limits,
            announced: Announced::new(),
            definitions: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Appends to `out`: a message for each definition of a type that the peer does not know yet, then the message
    /// with the value, each with its length in front.
    ///
    /// The crate's root describes how Rust's types meet Go's. All definitions come before the value, also those of
    /// types in interface values, where Go's encoder would cut the value in two.
    ///
    /// # Errors
    /// When the value does not fit the type; the error names the field. Then nothing was appended, and the encoder
    /// still knows exactly what the peer knows.
    pub fn encode<T: Serialize + ?Sized>(
        &mut self,
        ty: &Type,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        self.announced.begin();
        self.definitions.clear();
        self.body.clear();
        if let Err(e) = self.write(ty, value) {
            self.announced.undo();
            return Err(e);
        }
        out.extend_from_slice(&self.definitions);
        put_uint(out, self.body.len() as u64);
        out.extend_from_slice(&self.body);
        Ok(())
    }

    fn write<T: Serialize + ?Sized>(&mut self, ty: &Type, value: &T) -> Result<(), Error> {
        let types = &*ty.types;
        put_int(
            &mut self.body,
            self.announced.id(types, ty.ty, &mut self.definitions),
        );
        if !matches!(types.kind(ty.ty), Kind::Struct { .. }) {
            put_uint(&mut self.body, 0);
        }
        let mut writer = Writer::new(
            types,
            &mut self.announced,
            &mut self.definitions,
            &mut self.body,
            &self.limits,
        );
        value.serialize(writer.top_level(ty.ty))?;
        self.limits.check_message(self.body.len() as u64)
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}
