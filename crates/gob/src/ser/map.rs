use serde::ser::{Serialize, SerializeMap};

use super::counted::Counted;
use super::fields::Fields;
use super::key::Key;
use super::writer::{Slot, Writer};
use crate::Error;
use crate::error::Step;
use crate::schema::{Kind, Ref};

/// A Rust map, which goes to a map, to a struct with its keys as fields, or with its only key as registered name to an
/// interface value.
pub(crate) enum Map<'w, 't> {
    Entries(Entries<'w, 't>),
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

/// The entries of a Go map.
pub(crate) struct Entries<'w, 't> {
    writer: &'w mut Writer<'t>,
    key: Ref,
    elem: Ref,
    counted: Counted,
    send_empty: bool,
}

impl<'w, 't> Entries<'w, 't> {
    /// Go tells a map that is nil from one that is empty; ours are nil, unless they are inside a `Some`.
    pub(super) fn begin(slot: Slot<'w, 't>, len: Option<usize>) -> Result<Self, Error> {
        let Kind::Map { key, elem } = *slot.kind() else {
            return Err(slot.mismatch("a map"));
        };
        let Slot {
            writer,
            send_zero,
            present,
            ..
        } = slot;
        writer.enter()?;
        let counted = Counted::begin(len, writer.out);
        Ok(Entries {
            writer,
            key,
            elem,
            counted,
            send_empty: send_zero || present,
        })
    }

    pub(super) fn key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let number = self.counted.count;
        self.counted.count += 1;
        value
            .serialize(self.writer.element(self.key))
            .map(drop)
            .map_err(|e| e.within(Step::Element(number)))
    }

    pub(super) fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let number = self.counted.count.saturating_sub(1);
        value
            .serialize(self.writer.element(self.elem))
            .map(drop)
            .map_err(|e| e.within(Step::Element(number)))
    }

    pub(super) fn finish(self) -> bool {
        self.writer.leave();
        self.counted.end(self.send_empty, self.writer.out)
    }
}

impl SerializeMap for Map<'_, '_> {
    type Ok = bool;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self {
            Map::Entries(entries) => entries.key(value),
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
            Map::Entries(entries) => entries.value(value),
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
            Map::Entries(entries) => Ok(entries.finish()),
            Map::Struct { fields, .. } => fields.finish(),
            Map::Interface { written: true, .. } => Ok(true),
            Map::Interface { slot, .. } => {
                Err(slot.mismatch("a map without the one key that is the registered name"))
            }
        }
    }
}
