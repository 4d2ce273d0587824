//! Building a [`Value`], which keeps the names that serde has no place for.

use super::source::At;
use crate::error::Step;
use crate::table::Kind;
use crate::walk::next_field;
use crate::{Error, Value};

impl At<'_, '_, '_> {
    pub(crate) fn value(self) -> Result<Value, Error> {
        let At { source, ty, .. } = self;
        let slot = source.table.slot(ty);
        match &slot.kind {
            Kind::Bool => Ok(Value::Bool(source.cursor.uint()? != 0)),
            Kind::Int => source.cursor.int().map(Value::Int),
            Kind::Uint => source.cursor.uint().map(Value::Uint),
            Kind::Float => source.cursor.float().map(Value::Float),
            Kind::Complex => Ok(Value::Complex(source.cursor.float()?, source.cursor.float()?)),
            Kind::Bytes => Ok(Value::Bytes(source.cursor.bytes()?.to_vec())),
            Kind::String => {
                let text = String::from_utf8(source.cursor.bytes()?.to_vec());
                Ok(text.map_or_else(|e| Value::Bytes(e.into_bytes()), Value::String))
            }
            Kind::Opaque => Ok(Value::Opaque {
                name: slot.name.clone(),
                bytes: source.cursor.bytes()?.to_vec(),
            }),
            Kind::Interface => match source.open_interface()? {
                None => Ok(Value::Nil),
                Some(content) => {
                    let name = content.name.to_owned();
                    let value = Box::new(content.read(source, |at| at.value())?);
                    Ok(Value::Interface { name, value })
                }
            },
            Kind::Array { elem, .. } | Kind::Slice { elem } => {
                let mut list = Vec::new();
                for number in 0..source.begin_list(ty)? {
                    let value = At::inner(source, *elem).value();
                    list.push(value.map_err(|e| e.within(Step::Element(number)))?);
                }
                source.leave();
                Ok(Value::List(list))
            }
            Kind::Map { key, elem } => {
                let mut entries = Vec::new();
                for number in 0..source.begin_map()? {
                    let within = |e: Error| e.within(Step::Element(number));
                    let key = At::inner(source, *key).value().map_err(within)?;
                    entries.push((key, At::inner(source, *elem).value().map_err(within)?));
                }
                source.leave();
                Ok(Value::Map(entries))
            }
            Kind::Struct { fields } => {
                source.enter()?;
                let mut sent = Vec::new();
                let mut next = 0;
                while let Some(number) = next_field(&mut source.cursor, next, fields.len())? {
                    next = number + 1;
                    source.count(1)?;
                    let field = &fields[number];
                    let value = At::inner(source, field.ty).value();
                    sent.push((
                        field.name.clone(),
                        value.map_err(|e| e.within(Step::Name(&field.name)))?,
                    ));
                }
                source.leave();
                Ok(Value::Struct {
                    name: slot.name.clone(),
                    fields: sent,
                })
            }
            Kind::Undefined => Err(source.table.undefined(ty)),
        }
    }
}
