use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::source::{At, Content, Source};
use crate::Error;
use crate::error::Step;
use crate::table::{FLOAT, Field, Index, Kind};
use crate::walk::next_field;

/// The elements of a list.
pub(super) struct Elements<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    elem: Index,
    count: usize,
    next: usize,
}

impl<'s, 'x, 'de> Elements<'s, 'x, 'de> {
    /// Enters a list, or a complex number: its real and its imaginary part.
    pub(super) fn begin(source: &'s mut Source<'x, 'de>, ty: Index) -> Result<Self, Error> {
        let (elem, count) = match source.table.kind(ty) {
            Kind::Array { elem, .. } | Kind::Slice { elem } => (*elem, source.begin_list(ty)?),
            _ => {
                source.enter()?;
                (FLOAT, 2)
            }
        };
        let next = 0;
        Ok(Elements {
            source,
            elem,
            count,
            next,
        })
    }

    /// A shorter target does not lose elements in silence.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.next == self.count {
            self.source.leave();
            return Ok(());
        }
        Err(Error::mismatch(format!(
            "a list of {} elements, expected {}",
            self.count, self.next
        )))
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.next == self.count {
            return Ok(None);
        }
        let number = self.next;
        self.next += 1;
        seed.deserialize(At::inner(self.source, self.elem))
            .map(Some)
            .map_err(|e| e.within(Step::Element(number)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count - self.next)
    }
}

/// The entries of a map, or the fields of a struct that travelled, by name.
///
/// One type for both, because a target's `visit_map` is compiled once for each: with two, the decoders of a Rollout and
/// an AnalysisRun took twice the room.
pub(super) struct Members<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    of: Of<'x>,
    /// Of a map, the number of the next entry. Of a struct, the lowest field number that may come; after a key, one more
    /// than the number of its value.
    next: usize,
}

#[derive(Clone, Copy)]
enum Of<'x> {
    Map { key: Index, elem: Index, count: usize },
    Struct { fields: &'x [Field], ended: bool },
}

impl<'s, 'x, 'de> Members<'s, 'x, 'de> {
    /// Enters a map or a struct.
    pub(super) fn begin(source: &'s mut Source<'x, 'de>, ty: Index) -> Result<Self, Error> {
        let of = match source.table.kind(ty) {
            Kind::Map { key, elem } => Of::Map {
                key: *key,
                elem: *elem,
                count: source.begin_map()?,
            },
            Kind::Struct { fields } => {
                source.enter()?;
                let ended = false;
                Of::Struct { fields, ended }
            }
            _ => unreachable!("begun for maps and structs"),
        };
        Ok(Members { source, of, next: 0 })
    }

    /// Passes over the entries or fields that the target did not ask for.
    pub(super) fn end(mut self) -> Result<(), Error> {
        if let Of::Map { key, elem, count } = self.of {
            for _ in self.next..count {
                self.source.skip(key)?;
                self.source.skip(elem)?;
            }
        }
        while let Some(field) = self.next_field()? {
            self.source.skip(field.ty)?;
        }
        self.source.leave();
        Ok(())
    }

    #[inline]
    fn next_field(&mut self) -> Result<Option<&'x Field>, Error> {
        let Of::Struct { fields, ended: false } = self.of else {
            return Ok(None);
        };
        match next_field(&mut self.source.cursor, self.next, fields.len())? {
            Some(field) => {
                self.next = field + 1;
                Ok(Some(&fields[field]))
            }
            None => {
                self.of = Of::Struct { fields, ended: true };
                Ok(None)
            }
        }
    }

    /// Where an error in the current key or value lies.
    fn step(&self) -> Step<'x> {
        match self.of {
            Of::Map { .. } => Step::Element(self.next - 1),
            Of::Struct { fields, .. } => Step::Name(&fields[self.next - 1].name),
        }
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if let Of::Map { key, count, .. } = self.of {
            if self.next == count {
                return Ok(None);
            }
            self.next += 1;
            let found = seed.deserialize(At::inner(self.source, key));
            return found.map(Some).map_err(|e| e.within(self.step()));
        }
        let Some(field) = self.next_field()? else {
            return Ok(None);
        };
        self.source.count(1)?;
        seed.deserialize(StrDeserializer::<Error>::new(&field.name))
            .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let ty = match self.of {
            Of::Map { elem, .. } => elem,
            Of::Struct { fields, .. } => fields[self.next - 1].ty,
        };
        seed.deserialize(At::inner(self.source, ty))
            .map_err(|e| e.within(self.step()))
    }

    fn size_hint(&self) -> Option<usize> {
        match self.of {
            Of::Map { count, .. } => Some(count - self.next),
            Of::Struct { .. } => None,
        }
    }
}

/// An interface value as an enum: its registered name is the variant.
pub(super) struct Registered<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    content: Content<'x>,
}

impl<'s, 'x, 'de> Registered<'s, 'x, 'de> {
    pub(super) fn new(source: &'s mut Source<'x, 'de>, content: Content<'x>) -> Self {
        Registered { source, content }
    }
}

impl<'de> EnumAccess<'de> for Registered<'_, '_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = seed.deserialize(StrDeserializer::<Error>::new(self.content.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Registered<'_, '_, 'de> {
    type Error = Error;

    /// The content of a variant without data is passed over.
    fn unit_variant(self) -> Result<(), Error> {
        self.content.read(self.source, |at| at.source.skip(at.ty))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.content.read(self.source, |at| seed.deserialize(at))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.content.read(self.source, |at| at.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content
            .read(self.source, |at| at.deserialize_struct("", fields, visitor))
    }
}
