//! serde writing a value as the type that was declared for it.
//!
//! A serializer answers whether there is something to send: `false` means that the value is zero, and that nothing
//! was written.

mod counted;
mod fields;
mod key;
mod list;
mod map;
mod writer;

use std::fmt::Display;

use serde::ser::{Serialize, Serializer};

use self::fields::{Fields, Structure};
use self::list::List;
use self::map::{Entries, Map};
use self::writer::Slot;
pub(crate) use self::writer::Writer;
use crate::Error;
use crate::error::Step;
use crate::schema::{Kind, Ref};
use crate::wire::{put_bytes, put_float, put_int, put_uint};

impl<'w, 't> Serializer for Slot<'w, 't> {
    type Ok = bool;
    type Error = Error;
    type SerializeSeq = List<'w, 't>;
    type SerializeTuple = List<'w, 't>;
    type SerializeTupleStruct = List<'w, 't>;
    type SerializeTupleVariant = List<'w, 't>;
    type SerializeMap = Map<'w, 't>;
    type SerializeStruct = Structure<'w, 't>;
    type SerializeStructVariant = Structure<'w, 't>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<bool, Error> {
        match self.kind() {
            Kind::Bool => Ok(self.uint(value.into())),
            Kind::Interface => self.registered("bool", |slot| slot.serialize_bool(value)),
            _ => Err(self.mismatch(value)),
        }
    }

    fn serialize_i8(self, value: i8) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<bool, Error> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<bool, Error> {
        self.integer(value.into())
    }

    fn serialize_u128(self, value: u128) -> Result<bool, Error> {
        match i128::try_from(value) {
            Ok(value) => self.integer(value),
            Err(_) => Err(self.mismatch(value)),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<bool, Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<bool, Error> {
        match self.kind() {
            Kind::Float { bits: 32 } if value.is_finite() && value.abs() > f64::from(f32::MAX) => {
                Err(self.mismatch(format_args!("{value:?}")))
            }
            Kind::Float { .. } => {
                let send = value != 0.0 || self.send_zero;
                if send {
                    put_float(self.writer.out, value);
                }
                Ok(send)
            }
            Kind::Interface => self.registered("float64", |slot| slot.serialize_f64(value)),
            _ => Err(self.mismatch(format_args!("{value:?}"))),
        }
    }

    fn serialize_char(self, value: char) -> Result<bool, Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    /// Text may also go where Go has bytes: a `json.RawMessage`, or a `TextMarshaler`.
    fn serialize_str(self, value: &str) -> Result<bool, Error> {
        match self.kind() {
            Kind::String | Kind::Bytes | Kind::Opaque(_) => Ok(self.bytes(value.as_bytes())),
            Kind::Interface => self.registered("string", |slot| slot.serialize_str(value)),
            _ => Err(self.mismatch(format_args!("{value:?}"))),
        }
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<bool, Error> {
        match self.kind() {
            Kind::String | Kind::Bytes | Kind::Opaque(_) => Ok(self.bytes(value)),
            Kind::Array { .. } | Kind::Slice { .. } => value.serialize(self),
            Kind::Interface => self.registered("[]uint8", |slot| slot.serialize_bytes(value)),
            _ => Err(self.mismatch(format_args!("{} bytes", value.len()))),
        }
    }

    /// The nil interface or a nil pointer.
    fn serialize_none(self) -> Result<bool, Error> {
        if !self.send_zero {
            return Ok(false);
        }
        match self.kind() {
            Kind::Interface => Ok(self.uint(0)),
            _ => Err(self.mismatch("nothing")),
        }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<bool, Error> {
        value.serialize(Slot {
            present: true,
            ..self
        })
    }

    /// The zero value of a struct, `struct{}{}` for one; otherwise as for nothing.
    fn serialize_unit(self) -> Result<bool, Error> {
        match self.kind() {
            Kind::Struct { .. } => self.writer.zero(self.ty).map(|()| true),
            _ => self.serialize_none(),
        }
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<bool, Error> {
        self.serialize_unit()
    }

    /// In an interface value the zero value of the type registered under the variant's name; else the name as text.
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<bool, Error> {
        match self.kind() {
            Kind::Interface => self.registered(variant, |slot| slot.writer.zero(slot.ty).map(|()| true)),
            _ => self.serialize_str(variant),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        match self.kind() {
            Kind::Interface if self.writer.types.registered(name).is_some() => {
                self.registered(name, |slot| value.serialize(slot))
            }
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<bool, Error> {
        match self.kind() {
            Kind::Interface => self.registered(variant, |slot| value.serialize(slot)),
            _ => Err(self.mismatch(format_args!("variant {variant}"))),
        }
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<List<'w, 't>, Error> {
        List::begin(self, None, len)
    }

    fn serialize_tuple(self, len: usize) -> Result<List<'w, 't>, Error> {
        List::begin(self, None, Some(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<List<'w, 't>, Error> {
        List::begin(self, Some(name), Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<List<'w, 't>, Error> {
        List::begin(self, Some(variant), Some(len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Map<'w, 't>, Error> {
        match self.kind() {
            Kind::Interface => Ok(Map::Interface {
                slot: self,
                name: None,
                written: false,
            }),
            Kind::Struct { .. } => Ok(Map::Struct {
                fields: Fields::begin(self.writer, self.ty, None)?,
                key: String::new(),
            }),
            _ => Entries::begin(self, len).map(Map::Entries),
        }
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Structure<'w, 't>, Error> {
        Structure::begin(self, name, len)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Structure<'w, 't>, Error> {
        match self.kind() {
            Kind::Interface => Structure::begin(self, variant, len),
            _ => Err(self.mismatch(format_args!("variant {variant}"))),
        }
    }
}

impl<'t> Slot<'_, 't> {
    fn kind(&self) -> &'t Kind {
        self.writer.types.kind(self.ty)
    }

    fn integer(self, value: i128) -> Result<bool, Error> {
        let out_of_range = |low: i128, high: i128| value < low || value > high;
        match *self.kind() {
            Kind::Int { bits } => {
                if out_of_range(-1 << (bits - 1), (1 << (bits - 1)) - 1) {
                    return Err(self.mismatch(value));
                }
                let send = value != 0 || self.send_zero;
                if send {
                    put_int(self.writer.out, value as i64);
                }
                Ok(send)
            }
            Kind::Uint { bits } => {
                if out_of_range(0, (1 << bits) - 1) {
                    return Err(self.mismatch(value));
                }
                Ok(self.uint(value as u64))
            }
            // A number of a format that does not tell integers from floats, JSON for one.
            Kind::Float { .. } if value as f64 as i128 == value => self.serialize_f64(value as f64),
            Kind::Interface if value > i64::MAX.into() => {
                self.registered("uint64", |slot| slot.integer(value))
            }
            Kind::Interface => self.registered("int64", |slot| slot.integer(value)),
            _ => Err(self.mismatch(value)),
        }
    }

    fn uint(self, value: u64) -> bool {
        let send = value != 0 || self.send_zero;
        if send {
            put_uint(self.writer.out, value);
        }
        send
    }

    fn bytes(self, value: &[u8]) -> bool {
        // The opaque value of an absent pointer is nothing, that of a present one can be empty.
        let send =
            !value.is_empty() || self.send_zero || (self.present && matches!(self.kind(), Kind::Opaque(_)));
        if send {
            put_bytes(self.writer.out, value);
        }
        send
    }

    /// Writes an interface value of the type registered under `name`.
    fn registered(
        self,
        name: &str,
        write: impl FnOnce(Slot<'_, 't>) -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let interface = self.writer.open_interface(name)?;
        write(self.writer.element(interface.ty)).map_err(|e| e.within(Step::Name(name)))?;
        self.writer.close_interface(&interface);
        Ok(true)
    }

    fn mismatch(&self, seen: impl Display) -> Error {
        mismatch(self.writer.types, self.ty, seen)
    }
}

fn mismatch(types: &crate::schema::Types, ty: Ref, seen: impl Display) -> Error {
    let range = match *types.kind(ty) {
        Kind::Int { bits } => format!(" ({} to {})", -1_i128 << (bits - 1), (1_i128 << (bits - 1)) - 1),
        Kind::Uint { bits } => format!(" (0 to {})", (1_i128 << bits) - 1),
        _ => String::new(),
    };
    Error::mismatch(format!("expected {}{range}, found {seen}", types.describe(ty)))
}
