use serde::ser::{Serialize, SerializeSeq, SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};

use super::counted::Counted;
use super::mismatch;
use super::writer::{OpenInterface, Slot, Writer};
use crate::Error;
use crate::error::Step;
use crate::schema::{Kind, Ref};
use crate::wire::Cursor;

/// A list: a slice, an array, bytes one by one, or the two parts of a complex number.
pub(crate) struct List<'w, 't> {
    writer: &'w mut Writer<'t>,
    ty: Ref,
    shape: Shape,
    send_zero: bool,
    interface: Option<OpenInterface>,
}

enum Shape {
    Slice { elem: Ref, counted: Counted },
    Array { elem: Ref, len: u64, counted: Counted },
    Bytes { present: bool, counted: Counted },
    Complex { part: Ref, start: usize, count: usize },
}

impl<'w, 't> List<'w, 't> {
    /// `name` is the registered name, should the list go into an interface value.
    pub(super) fn begin(
        slot: Slot<'w, 't>,
        name: Option<&'static str>,
        len: Option<usize>,
    ) -> Result<Self, Error> {
        let (slot, interface) = match (slot.kind(), name) {
            (Kind::Interface, Some(name)) => {
                let interface = slot.writer.open_interface(name)?;
                (
                    Slot {
                        ty: interface.ty,
                        send_zero: true,
                        ..slot
                    },
                    Some(interface),
                )
            }
            _ => (slot, None),
        };
        let counted = |slot: &mut Slot<'_, '_>| Counted::begin(len, slot.writer.out);
        let mut slot = slot;
        let shape = match *slot.kind() {
            Kind::Slice { elem } => Shape::Slice {
                elem,
                counted: counted(&mut slot),
            },
            Kind::Array { elem, len } => Shape::Array {
                elem,
                len,
                counted: counted(&mut slot),
            },
            Kind::Bytes => Shape::Bytes {
                present: false,
                counted: counted(&mut slot),
            },
            Kind::Opaque(_) => Shape::Bytes {
                present: slot.present,
                counted: counted(&mut slot),
            },
            Kind::Complex { bits } => {
                let part = if bits == 32 { Ref::FLOAT32 } else { Ref::FLOAT64 };
                Shape::Complex {
                    part,
                    start: slot.writer.out.len(),
                    count: 0,
                }
            }
            _ => return Err(slot.mismatch("a list")),
        };
        let Slot {
            writer,
            ty,
            send_zero,
            ..
        } = slot;
        writer.enter()?;
        Ok(List {
            writer,
            ty,
            shape,
            send_zero,
            interface,
        })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let (ty, count) = match &mut self.shape {
            Shape::Slice { elem, counted } | Shape::Array { elem, counted, .. } => {
                (*elem, &mut counted.count)
            }
            Shape::Bytes { counted, .. } => (Ref::UINT8, &mut counted.count),
            Shape::Complex { part, count, .. } => (*part, count),
        };
        let number = *count;
        *count += 1;
        let start = self.writer.out.len();
        value
            .serialize(self.writer.element(ty))
            .map_err(|e| e.within(Step::Element(number)))?;
        if let Shape::Bytes { .. } = self.shape
            && self.writer.out.len() == start + 2
        {
            // Among bytes each stands for itself; elsewhere one above 127 has its length in front.
            self.writer.out.remove(start);
        }
        Ok(())
    }

    fn finish(self) -> Result<bool, Error> {
        let List {
            writer,
            ty,
            shape,
            send_zero,
            interface,
        } = self;
        writer.leave();
        let sent = match shape {
            Shape::Slice { counted, .. } => counted.end(send_zero, writer.out),
            Shape::Bytes { present, counted } => counted.end(send_zero || present, writer.out),
            Shape::Array { len, counted, .. } => {
                if counted.count as u64 != len {
                    return Err(mismatch(
                        writer.types,
                        ty,
                        format_args!("{} elements", counted.count),
                    ));
                }
                counted.end(true, writer.out)
            }
            Shape::Complex { start, count, .. } => {
                if count != 2 {
                    return Err(mismatch(writer.types, ty, format_args!("{count} parts")));
                }
                let mut parts = Cursor::new(&writer.out[start..]);
                let sent = send_zero || parts.float()? != 0.0 || parts.float()? != 0.0;
                if !sent {
                    writer.out.truncate(start);
                }
                sent
            }
        };
        if let Some(interface) = &interface {
            writer.close_interface(interface);
        }
        Ok(sent)
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
