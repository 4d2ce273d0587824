//! serde reading a value as it travelled.

mod access;
mod source;
mod value;

use serde::Deserialize;
use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use self::access::{Elements, Members, Registered};
use self::source::check_fields;
pub(crate) use self::source::{At, Source};
use crate::Error;
use crate::table::Kind;

impl<'de> Deserializer<'de> for At<'_, '_, 'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| at.read(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| {
            if at.outermost {
                check_fields(at.source.table, at.ty, name, fields)?;
            }
            at.read(visitor)
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let Kind::Interface = self.kind()
            && self.source.cursor.rest().first() == Some(&0)
        {
            self.source.cursor.uint()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    /// An interface value chooses the variant by its registered name, a string by its text.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let At { source, ty, .. } = self;
        match source.table.kind(ty) {
            Kind::Interface => match source.open_interface()? {
                None => Err(Error::mismatch(
                    "a nil interface, expected a value; read it as an Option",
                )),
                Some(content) => visitor.visit_enum(Registered::new(source, content)),
            },
            Kind::String => {
                let text = source.text()?;
                visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(text))
            }
            _ => Err(Error::mismatch(format!(
                "a value of type {} cannot choose a variant, an interface value or a string can",
                source.table.describe(ty)
            ))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// The nil interface, or any struct, as in `struct{}{}`.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| match at.kind() {
            Kind::Struct { .. } => at.deserialize_ignored_any(visitor),
            _ => at.read(visitor),
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.source.skip(self.ty)?;
        visitor.visit_unit()
    }

    /// Go refuses a double that a `float32` cannot hold (`float32FromBits` in `encoding/gob/decode.go`).
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| {
            if !matches!(at.kind(), Kind::Float) {
                return at.read(visitor);
            }
            let value = at.source.cursor.float()?;
            if value.is_finite() && value.abs() > f64::from(f32::MAX) {
                return Err(Error::mismatch(format!("{value:?} does not fit in an f32")));
            }
            visitor.visit_f64(value)
        })
    }

    /// Text may also be read from bytes: a `json.RawMessage`, or what a `TextMarshaler` wrote.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| match at.kind() {
            Kind::Bytes | Kind::Opaque => at.source.visit_text(visitor),
            _ => at.read(visitor),
        })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    /// Bytes may also be read from a string, which in Go need not be UTF-8, and from a `[16]byte`, which travels as a
    /// list of unsigned integers.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| match at.kind() {
            Kind::String => at.source.visit_bytes(visitor),
            Kind::Array { .. } | Kind::Slice { .. } => visitor.visit_byte_buf(Vec::deserialize(at)?),
            _ => at.read(visitor),
        })
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    /// A list may also be read from bytes, so that a plain `Vec<u8>` works.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.concrete(visitor, |at, visitor| {
            if !matches!(at.kind(), Kind::Bytes | Kind::Opaque) {
                return at.read(visitor);
            }
            let bytes = at.source.cursor.bytes()?;
            at.source.count(bytes.len())?;
            let mut list = SeqDeserializer::<_, Error>::new(bytes.iter().copied());
            let value = visitor.visit_seq(&mut list)?;
            list.end()?;
            Ok(value)
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    /// A map's key as the name of a struct's field.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let At { source, ty, .. } = self;
        match source.table.kind(ty) {
            Kind::String | Kind::Bytes | Kind::Opaque => source.visit_text(visitor),
            _ => Err(Error::mismatch(format!(
                "a key of type {} cannot name a field, a string can",
                source.table.describe(ty)
            ))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f64 char map
    }
}

impl<'x, 'de> At<'_, 'x, 'de> {
    fn kind(&self) -> &'x Kind {
        self.source.table.kind(self.ty)
    }

    /// Reads with `read`, through the interface values around the value; a nil interface is the unit.
    #[inline]
    fn concrete<V: Visitor<'de>>(
        self,
        visitor: V,
        read: impl FnOnce(At<'_, 'x, 'de>, V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        let At {
            source,
            mut ty,
            mut outermost,
        } = self;
        let mut opened = Vec::new();
        while let Kind::Interface = source.table.kind(ty)
            && let Some(content) = source.open_interface()?
        {
            (ty, outermost) = (content.ty, true);
            opened.push(content);
        }
        // `read` is called in one place only: all of the target's code is compiled into it.
        let value = match source.table.kind(ty) {
            Kind::Interface => visitor.visit_unit(),
            _ => read(
                At {
                    source,
                    ty,
                    outermost,
                },
                visitor,
            ),
        };
        match opened.is_empty() {
            true => value,
            false => source.close(opened, value),
        }
    }

    /// Reads what is there, whatever the target hoped for; if they do not fit, the visitor says so.
    #[inline]
    fn read<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let At { source, ty, .. } = self;
        match source.table.kind(ty) {
            Kind::Bool => visitor.visit_bool(source.cursor.uint()? != 0),
            Kind::Int => visitor.visit_i64(source.cursor.int()?),
            Kind::Uint => visitor.visit_u64(source.cursor.uint()?),
            Kind::Float => visitor.visit_f64(source.cursor.float()?),
            Kind::String => source.visit_text(visitor),
            Kind::Bytes | Kind::Opaque => source.visit_bytes(visitor),
            Kind::Complex | Kind::Array { .. } | Kind::Slice { .. } => {
                let mut elements = Elements::begin(source, ty)?;
                let list = visitor.visit_seq(&mut elements)?;
                elements.end()?;
                Ok(list)
            }
            Kind::Map { .. } | Kind::Struct { .. } => {
                let mut members = Members::begin(source, ty)?;
                let value = visitor.visit_map(&mut members)?;
                members.end()?;
                Ok(value)
            }
            Kind::Interface => unreachable!("`concrete` looks through interface values"),
            Kind::Undefined => Err(source.table.undefined(ty)),
        }
    }
}
