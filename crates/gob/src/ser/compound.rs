use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::key::Key;
use super::mismatch;
use super::writer::{FieldSpan, OpenInterface, Slot, Writer};
use crate::Error;
use crate::error::Step;
use crate::schema::{Kind, Ref};
use crate::wire::{Cursor, put_uint};

/// A list: a slice, an array, bytes one by one, or the two parts of a complex number.
pub(crate) struct List<'w, 't> {
    items: Items<'w, 't>,
    interface: Option<OpenInterface>,
}

impl<'w, 't> List<'w, 't> {
    /// `name` is the registered name, should the list go into an interface value.
    pub(super) fn begin(
        slot: Slot<'w, 't>,
        name: Option<&'static str>,
        len: Option<usize>,
    ) -> Result<Self, Error> {
        let (Kind::Interface, Some(name)) = (slot.kind(), name) else {
            return Ok(List {
                items: Items::list(slot, len)?,
                interface: None,
            });
        };
        let interface = slot.writer.open_interface(name)?;
        let slot = Slot {
            ty: interface.ty,
            send_zero: true,
            ..slot
        };
        Ok(List {
            items: Items::list(slot, len)?,
            interface: Some(interface),
        })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let number = self.items.count;
        self.items
            .element(value)
            .map_err(|e| e.within(Step::Element(number)))
    }

    fn finish(self) -> Result<bool, Error> {
        let (writer, written) = self.items.end()?;
        if let Some(interface) = &self.interface {
            writer.close_interface(interface);
        }
        Ok(written)
    }
}

/// The elements of a list, or the keys and values of a map.
pub(crate) struct Items<'w, 't> {
    writer: &'w mut Writer<'t>,
    ty: Ref,
    /// What is between the elements' types.
    shape: Shape,
    /// Where the count stands, and what it says.
    start: usize,
    announced: usize,
    count: usize,
    /// Written although it is empty.
    send_empty: bool,
}

#[derive(Clone, Copy)]
enum Shape {
    Slice { elem: Ref },
    Array { elem: Ref, len: u64 },
    Bytes,
    Complex { part: Ref },
    Map { key: Ref, elem: Ref },
}

impl<'w, 't> Items<'w, 't> {
    fn list(slot: Slot<'w, 't>, len: Option<usize>) -> Result<Self, Error> {
        let shape = match *slot.kind() {
            Kind::Slice { elem } => Shape::Slice { elem },
            Kind::Array { elem, len } => Shape::Array { elem, len },
            Kind::Bytes | Kind::Opaque(_) => Shape::Bytes,
            Kind::Complex { bits: 32 } => Shape::Complex { part: Ref::FLOAT32 },
            Kind::Complex { .. } => Shape::Complex { part: Ref::FLOAT64 },
            _ => return Err(slot.mismatch("a list")),
        };
        Items::begin(slot, shape, len)
    }

    pub(super) fn map(slot: Slot<'w, 't>, len: Option<usize>) -> Result<Self, Error> {
        match *slot.kind() {
            Kind::Map { key, elem } => Items::begin(slot, Shape::Map { key, elem }, len),
            _ => Err(slot.mismatch("a map")),
        }
    }

    fn begin(slot: Slot<'w, 't>, shape: Shape, len: Option<usize>) -> Result<Self, Error> {
        let Slot {
            writer,
            ty,
            send_zero,
            present,
        } = slot;
        writer.enter()?;
        let start = writer.out.len();
        let announced = len.unwrap_or(0);
        if !matches!(shape, Shape::Complex { .. }) {
            put_uint(writer.out, announced as u64);
        }
        let send_empty = send_zero || (present && matches!(shape, Shape::Map { .. }));
        Ok(Items {
            writer,
            ty,
            shape,
            start,
            announced,
            count: 0,
            send_empty,
        })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        let ty = match self.shape {
            Shape::Slice { elem } | Shape::Array { elem, .. } => elem,
            Shape::Complex { part } => part,
            Shape::Bytes => return self.byte(value),
            Shape::Map { .. } => return Err(mismatch(self.writer.types, self.ty, "a list")),
        };
        value.serialize(self.writer.element(ty)).map(drop)
    }

    /// A byte stands for itself, where an integer above 127 has its length in front.
    fn byte<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let at = self.writer.out.len();
        value.serialize(self.writer.element(Ref::UINT8))?;
        if self.writer.out.len() - at == 2 {
            self.writer.out.remove(at);
        }
        Ok(())
    }

    fn key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Shape::Map { key, .. } = self.shape else {
            return Err(mismatch(self.writer.types, self.ty, "a map"));
        };
        self.count += 1;
        value.serialize(self.writer.element(key)).map(drop)
    }

    fn map_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Shape::Map { elem, .. } = self.shape else {
            return Err(mismatch(self.writer.types, self.ty, "a map"));
        };
        value.serialize(self.writer.element(elem)).map(drop)
    }

    fn end(self) -> Result<(&'w mut Writer<'t>, bool), Error> {
        let Items {
            writer,
            ty,
            shape,
            start,
            announced,
            count,
            send_empty,
        } = self;
        writer.leave();
        let send = match shape {
            Shape::Array { len, .. } if count as u64 != len => {
                return Err(mismatch(writer.types, ty, format_args!("{count} elements")));
            }
            Shape::Array { .. } => true,
            Shape::Complex { .. } if count != 2 => {
                return Err(mismatch(writer.types, ty, format_args!("{count} parts")));
            }
            Shape::Complex { .. } => {
                let mut parts = Cursor::new(&writer.out[start..]);
                parts.float()? != 0.0 || parts.float()? != 0.0 || send_empty
            }
            _ => count > 0 || send_empty,
        };
        if !send {
            writer.out.truncate(start);
        } else if count != announced && !matches!(shape, Shape::Complex { .. }) {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            put_uint(&mut before, announced as u64);
            put_uint(&mut after, count as u64);
            writer.out.splice(start..start + before.len(), after);
        }
        Ok((writer, send))
    }
}

/// The fields of a struct. They may come in any order, and travel in that of the declaration.
pub(crate) struct Fields<'w, 't> {
    writer: &'w mut Writer<'t>,
    ty: Ref,
    fields: &'t [crate::schema::Field],
    interface: Option<OpenInterface>,
    /// Where the struct begins, and its part of [`Writer::fields`].
    start: usize,
    spans: usize,
    /// The number of the last field written; -1 before the first.
    last: isize,
    /// All fields so far came in order, so what is written is right.
    in_order: bool,
}

impl<'w, 't> Fields<'w, 't> {
    /// `ty` is a struct.
    pub(super) fn begin(
        writer: &'w mut Writer<'t>,
        ty: Ref,
        interface: Option<OpenInterface>,
    ) -> Result<Self, Error> {
        let fields = match writer.types.kind(ty) {
            Kind::Struct { fields } => fields.as_slice(),
            _ => return Err(mismatch(writer.types, ty, "a struct")),
        };
        writer.enter()?;
        let (start, spans) = (writer.out.len(), writer.fields.len());
        Ok(Fields {
            writer,
            ty,
            fields,
            interface,
            start,
            spans,
            last: -1,
            in_order: true,
        })
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let number = self.number(name)?;
        if self.in_order && (number as isize) <= self.last {
            self.in_order = false;
        }
        if !self.in_order
            && self.writer.fields[self.spans..]
                .iter()
                .any(|span| span.number == number)
        {
            return Err(Error::mismatch("the field is given twice").within(Step::Name(name)));
        }
        let before = self.writer.out.len();
        let last = self.last;
        if self.in_order {
            self.head(number)?;
        }
        let start = self.writer.out.len();
        let ty = self.fields[number].ty;
        if value
            .serialize(self.writer.field(ty))
            .map_err(|e| e.within(Step::Name(name)))?
        {
            let end = self.writer.out.len();
            self.writer.fields.push(FieldSpan { number, start, end });
        } else {
            self.writer.out.truncate(before);
            self.last = last;
        }
        Ok(())
    }

    /// Most often the field after the last one.
    fn number(&self, name: &str) -> Result<usize, Error> {
        let next = (self.last + 1) as usize;
        let is_it = |field: &crate::schema::Field| field.name == name;
        if let Some(offset) = self.fields[next..].iter().position(is_it) {
            return Ok(next + offset);
        }
        self.fields[..next]
            .iter()
            .position(is_it)
            .ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let plain = |name: &str| name.replace('_', "").to_lowercase();
        let ty = self.writer.types.describe(self.ty);
        let hint = match self.fields.iter().find(|field| plain(&field.name) == plain(name)) {
            Some(field) => format!("; did you mean {}?", field.name),
            None => String::new(),
        };
        Error::mismatch(format!("{ty} has no field {name}{hint}"))
    }

    /// Writes the number of a field, after the zeros of fields before it that travel all the same.
    fn head(&mut self, number: usize) -> Result<(), Error> {
        for skipped in (self.last + 1) as usize..number {
            let ty = self.fields[skipped].ty;
            if self.writer.types.always_travels(ty) {
                put_uint(self.writer.out, (skipped as isize - self.last) as u64);
                self.last = skipped as isize;
                let name = &self.fields[skipped].name;
                self.writer.zero(ty).map_err(|e| e.within(Step::Name(name)))?;
            }
        }
        if number < self.fields.len() {
            put_uint(self.writer.out, (number as isize - self.last) as u64);
            self.last = number as isize;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<bool, Error> {
        if !self.in_order {
            self.sort()?;
        }
        self.head(self.fields.len())?;
        put_uint(self.writer.out, 0);
        self.writer.fields.truncate(self.spans);
        self.writer.leave();
        if let Some(interface) = &self.interface {
            self.writer.close_interface(interface);
        }
        Ok(true)
    }

    /// Writes the fields once more, in order.
    fn sort(&mut self) -> Result<(), Error> {
        let mut spans = self.writer.fields.split_off(self.spans);
        spans.sort_unstable_by_key(|span| span.number);
        let written = self.writer.out.split_off(self.start);
        self.last = -1;
        for span in spans {
            self.head(span.number)?;
            self.writer
                .out
                .extend_from_slice(&written[span.start - self.start..span.end - self.start]);
        }
        Ok(())
    }
}

/// A Rust struct, which goes to a struct, or to a map with its fields as keys.
pub(crate) enum Structure<'w, 't> {
    Fields(Fields<'w, 't>),
    Items(Items<'w, 't>),
}

impl<'w, 't> Structure<'w, 't> {
    /// `name` is the registered name, should the struct go into an interface value.
    pub(super) fn begin(slot: Slot<'w, 't>, name: &'static str, len: usize) -> Result<Self, Error> {
        match slot.kind() {
            Kind::Interface => {
                let interface = slot.writer.open_interface(name)?;
                Fields::begin(slot.writer, interface.ty, Some(interface)).map(Structure::Fields)
            }
            Kind::Map { .. } => Items::map(slot, Some(len)).map(Structure::Items),
            _ => Fields::begin(slot.writer, slot.ty, None).map(Structure::Fields),
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Structure::Fields(fields) => fields.field(name, value),
            Structure::Items(items) => {
                items.key(name)?;
                items.map_value(value).map_err(|e| e.within(Step::Name(name)))
            }
        }
    }

    fn finish(self) -> Result<bool, Error> {
        match self {
            Structure::Fields(fields) => fields.finish(),
            Structure::Items(items) => items.end().map(|(_, written)| written),
        }
    }
}

/// A Rust map, which goes to a map, to a struct with its keys as fields, or with its only key as registered name to an
/// interface value.
pub(crate) enum Map<'w, 't> {
    Items(Items<'w, 't>),
    Struct {
        fields: Fields<'w, 't>,
        key: String,
    },
    Interface {
        slot: Slot<'w, 't>,
        name: Option<String>,
        written: bool,
    },
}

impl SerializeMap for Map<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self {
            Map::Items(items) => {
                let number = items.count;
                items.key(value).map_err(|e| e.within(Step::Element(number)))
            }
            Map::Struct { key, .. } => {
                *key = value.serialize(Key)?;
                Ok(())
            }
            Map::Interface { name: Some(_), .. } => Err(Error::mismatch(
                "a map with several keys cannot be an interface value",
            )),
            Map::Interface { name, .. } => {
                *name = Some(value.serialize(Key)?);
                Ok(())
            }
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self {
            Map::Items(items) => {
                let number = items.count.saturating_sub(1);
                items
                    .map_value(value)
                    .map_err(|e| e.within(Step::Element(number)))
            }
            Map::Struct { fields, key } => fields.field(key, value),
            Map::Interface { slot, name, written } => {
                let name = name.as_deref().unwrap_or_default();
                let slot = Slot {
                    writer: &mut *slot.writer,
                    ..*slot
                };
                slot.registered(name, |slot| value.serialize(slot))?;
                *written = true;
                Ok(())
            }
        }
    }

    fn end(self) -> Result<bool, Error> {
        match self {
            Map::Items(items) => items.end().map(|(_, written)| written),
            Map::Struct { fields, .. } => fields.finish(),
            Map::Interface { written: true, .. } => Ok(true),
            Map::Interface { slot, .. } => {
                Err(slot.mismatch("a map without the one key that is the registered name"))
            }
        }
    }
}

impl SerializeSeq for List<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.finish()
    }
}

impl SerializeTuple for List<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.finish()
    }
}

impl SerializeTupleStruct for List<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.finish()
    }
}

impl SerializeTupleVariant for List<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<bool, Error> {
        self.finish()
    }
}

impl SerializeStruct for Structure<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<bool, Error> {
        self.finish()
    }
}

impl SerializeStructVariant for Structure<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<bool, Error> {
        self.finish()
    }
}
