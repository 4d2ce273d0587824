use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value of any type, for inspection: what the bytes say, without a Rust type for it.
///
/// It prints in a form close to Go's ([`Display`](fmt::Display)), serializes to JSON and the like, and can be written
/// again: [`Encoder::encode`](crate::Encoder::encode) accepts it for the type that it was read from.
///
/// ```
/// use gob::{Encoder, Reader, Schema, Value};
///
/// let schema = Schema::parse("type Point struct { X, Y int }")?;
/// let mut stream = Vec::new();
/// let point = Value::Struct { name: "Point".into(), fields: vec![("Y".into(), Value::Int(3))] };
/// Encoder::new().encode(schema.ty("Point").unwrap(), &point, &mut stream)?;
///
/// let read = Reader::new(&stream[..]).next_value()?.unwrap();
/// assert_eq!(read, point);
/// assert_eq!(read.to_string(), "Point{Y: 3}");
/// # Ok::<(), gob::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// The nil interface.
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any signed integer type.
    Int(i64),
    /// Any unsigned integer type.
    Uint(u64),
    /// `float32` or `float64`.
    Float(f64),
    /// `complex64` or `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// `string`, if it is UTF-8.
    String(String),
    /// `[]byte`, or a `string` that is not UTF-8.
    Bytes(Vec<u8>),
    /// What a `GobEncoder`, `BinaryMarshaler` or `TextMarshaler` wrote.
    Opaque {
        /// The type's name, without a package.
        name: Arc<str>,
        /// What its method returned.
        bytes: Vec<u8>,
    },
    /// A slice or an array.
    List(Vec<Value>),
    /// A map, in the order of the bytes, which in Go is random.
    Map(Vec<(Value, Value)>),
    /// A struct with the fields that travelled: those that are not zero, and structs, arrays and empty maps.
    Struct {
        /// The type's name, without a package.
        name: Arc<str>,
        /// Name and value of each field.
        fields: Vec<(Arc<str>, Value)>,
    },
    /// The content of an interface value.
    Interface {
        /// The name under which its type is registered.
        name: String,
        /// The value.
        value: Box<Value>,
    },
}

impl Value {
    /// The field of a struct; `None` if it did not travel, or if the value is no struct. Looks through interface
    /// values.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct { fields, .. } => fields.iter().find(|(n, _)| &**n == name).map(|(_, value)| value),
            Value::Interface { value, .. } => value.field(name),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Uint(value) => value.fmt(f),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Complex(re, im) => write!(f, "({re:?}{im:+?}i)"),
            Value::String(text) => write!(f, "{text:?}"),
            Value::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Value::Opaque { name, bytes } => write!(f, "{name}(b\"{}\")", bytes.escape_ascii()),
            Value::List(list) => {
                f.write_str("[")?;
                separated(f, list, |f, item| item.fmt(f))?;
                f.write_str("]")
            }
            Value::Map(entries) => {
                f.write_str("map[")?;
                separated(f, entries, |f, (key, value)| write!(f, "{key}: {value}"))?;
                f.write_str("]")
            }
            Value::Struct { name, fields } => {
                write!(f, "{name}{{")?;
                separated(f, fields, |f, (name, value)| write!(f, "{name}: {value}"))?;
                f.write_str("}")
            }
            Value::Interface { name, value } => write!(f, "{name}({value})"),
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// Structs become maps with the fields as keys, an interface value a map with the registered name as its only key,
/// the nil interface nothing (`null`), complex numbers a pair, bytes bytes (in JSON a list of numbers). Keys of maps
/// that are no strings become text in human-readable formats.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Uint(value) => serializer.serialize_u64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Complex(re, im) => (re, im).serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) | Value::Opaque { bytes, .. } => serializer.serialize_bytes(bytes),
            Value::List(list) => serializer.collect_seq(list),
            Value::Map(entries) => {
                let text = serializer.is_human_readable();
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    match key {
                        Value::String(_) => map.serialize_entry(key, value)?,
                        _ if text => map.serialize_entry(&key.to_string(), value)?,
                        _ => map.serialize_entry(key, value)?,
                    }
                }
                map.end()
            }
            Value::Struct { fields, .. } => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    // "Some" tells our encoder to write what an encoder wrote, also an empty map.
                    map.serialize_entry(&**name, &Some(value))?;
                }
                map.end()
            }
            Value::Interface { name, value } => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(name, value)?;
                map.end()
            }
        }
    }
}
