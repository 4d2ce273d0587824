use serde::ser::{Serialize, SerializeStruct, SerializeStructVariant};

use super::map::Entries;
use super::mismatch;
use super::writer::{FieldSpan, OpenInterface, Slot, Writer};
use crate::Error;
use crate::error::Step;
use crate::schema::{Field, Kind, Ref};
use crate::wire::put_uint;

/// The fields of a struct. They may come in any order, and travel in that of the declaration.
pub(crate) struct Fields<'w, 't> {
    writer: &'w mut Writer<'t>,
    ty: Ref,
    fields: &'t [Field],
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

    pub(super) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
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
        let is_it = |field: &Field| field.name == name;
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

    pub(super) fn finish(mut self) -> Result<bool, Error> {
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
    Entries(Entries<'w, 't>),
}

impl<'w, 't> Structure<'w, 't> {
    /// `name` is the registered name, should the struct go into an interface value.
    pub(super) fn begin(slot: Slot<'w, 't>, name: &'static str, len: usize) -> Result<Self, Error> {
        match slot.kind() {
            Kind::Interface => {
                let interface = slot.writer.open_interface(name)?;
                Fields::begin(slot.writer, interface.ty, Some(interface)).map(Structure::Fields)
            }
            Kind::Map { .. } => Entries::begin(slot, Some(len)).map(Structure::Entries),
            _ => Fields::begin(slot.writer, slot.ty, None).map(Structure::Fields),
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Structure::Fields(fields) => fields.field(name, value),
            Structure::Entries(entries) => {
                entries.key(name)?;
                entries.value(value)
            }
        }
    }

    fn finish(self) -> Result<bool, Error> {
        match self {
            Structure::Fields(fields) => fields.finish(),
            Structure::Entries(entries) => Ok(entries.finish()),
        }
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
