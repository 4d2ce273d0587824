use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::source::{At, Content, Source};
use crate::Error;
use crate::error::Step;
use crate::table::{Field, Index};
use crate::walk::next_field;

/// The elements of a list.
pub(super) struct Elements<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    elem: Index,
    count: usize,
    next: usize,
}

impl<'s, 'x, 'de> Elements<'s, 'x, 'de> {
    pub(super) fn new(source: &'s mut Source<'x, 'de>, elem: Index, count: usize) -> Self {
        Elements {
            source,
            elem,
            count,
            next: 0,
        }
    }

    /// A shorter target does not lose elements in silence.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.next == self.count {
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

/// The entries of a map.
pub(super) struct Entries<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    key: Index,
    elem: Index,
    count: usize,
    next: usize,
}

impl<'s, 'x, 'de> Entries<'s, 'x, 'de> {
    pub(super) fn new(source: &'s mut Source<'x, 'de>, key: Index, elem: Index, count: usize) -> Self {
        Entries {
            source,
            key,
            elem,
            count,
            next: 0,
        }
    }

    /// Passes over the entries that the target did not ask for.
    pub(super) fn end(self) -> Result<(), Error> {
        for _ in self.next..self.count {
            self.source.skip(self.key)?;
            self.source.skip(self.elem)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, '_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.next == self.count {
            return Ok(None);
        }
        let number = self.next;
        self.next += 1;
        seed.deserialize(At::inner(self.source, self.key))
            .map(Some)
            .map_err(|e| e.within(Step::Element(number)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let number = self.next - 1;
        seed.deserialize(At::inner(self.source, self.elem))
            .map_err(|e| e.within(Step::Element(number)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.count - self.next)
    }
}

/// The fields of a struct that travelled, by name.
pub(super) struct Fields<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    fields: &'x [Field],
    /// The lowest field number that may come; after a key, one more than the number of its value.
    next: usize,
    ended: bool,
}

impl<'s, 'x, 'de> Fields<'s, 'x, 'de> {
    pub(super) fn new(source: &'s mut Source<'x, 'de>, fields: &'x [Field]) -> Self {
        Fields {
            source,
            fields,
            next: 0,
            ended: false,
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Option<&'x Field>, Error> {
        if self.ended {
            return Ok(None);
        }
        match next_field(&mut self.source.cursor, self.next, self.fields.len())? {
            Some(field) => {
                self.next = field + 1;
                Ok(Some(&self.fields[field]))
            }
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }

    /// Passes over the fields that the target did not ask for.
    pub(super) fn end(mut self) -> Result<(), Error> {
        while let Some(field) = self.next()? {
            self.source.skip(field.ty)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.next()? else {
            return Ok(None);
        };
        self.source.count(1)?;
        seed.deserialize(StrDeserializer::<Error>::new(&field.name))
            .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let field = &self.fields[self.next - 1];
        seed.deserialize(At::inner(self.source, field.ty))
            .map_err(|e| e.within(Step::Name(&field.name)))
    }
}

/// The real and the imaginary part of a complex number.
pub(super) struct Pair<'s, 'x, 'de> {
    source: &'s mut Source<'x, 'de>,
    left: u8,
}

impl<'s, 'x, 'de> Pair<'s, 'x, 'de> {
    pub(super) fn new(source: &'s mut Source<'x, 'de>) -> Self {
        Pair { source, left: 2 }
    }
}

impl<'de> SeqAccess<'de> for Pair<'_, '_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.source.cursor.float()?.into_deserializer())
            .map(Some)
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
