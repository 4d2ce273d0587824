//! `json.RawMessage`: JSON that the controller hands on without reading it.

use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A plugin's own configuration or state, as the user or the plugin wrote it.
///
/// On the wire it is a byte slice; in Kubernetes JSON it is the value itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawJson(Vec<u8>);

impl RawJson {
    /// Takes bytes that should be JSON; nothing is checked until [`RawJson::parse`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The JSON text as it came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// No bytes at all: the field was absent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the JSON as a `T`.
    ///
    /// # Errors
    /// Where the bytes are not JSON, or not a `T`; the error names line and column.
    pub fn parse<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawJson({})", String::from_utf8_lossy(&self.0))
    }
}

impl From<&serde_json::Value> for RawJson {
    fn from(value: &serde_json::Value) -> Self {
        Self(value.to_string().into_bytes())
    }
}

impl From<serde_json::Value> for RawJson {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = RawJson;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a json.RawMessage")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<RawJson, E> {
                Ok(RawJson(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<RawJson, E> {
                Ok(RawJson(bytes))
            }
        }
        if deserializer.is_human_readable() {
            serde_json::Value::deserialize(deserializer).map(|value| Self::from(&value))
        } else {
            deserializer.deserialize_byte_buf(Bytes)
        }
    }
}
