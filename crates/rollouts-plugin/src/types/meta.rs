//! The parts of Kubernetes' object metadata that a plugin reads.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Time;

/// `metav1.TypeMeta`. The controller's informers usually leave it empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypeMeta {
    /// For example `Rollout`.
    #[serde(rename = "Kind", alias = "kind")]
    pub kind: String,
    /// For example `argoproj.io/v1alpha1`.
    #[serde(rename = "APIVersion", alias = "apiVersion")]
    pub api_version: String,
}

/// `metav1.ObjectMeta`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectMeta {
    /// Name, unique in its namespace.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// Namespace of the object.
    #[serde(rename = "Namespace", alias = "namespace")]
    pub namespace: String,
    /// Identity in time: a recreated object of the same name has another one.
    #[serde(rename = "UID", alias = "uid")]
    pub uid: String,
    /// Opaque; equal means unchanged.
    #[serde(rename = "ResourceVersion", alias = "resourceVersion")]
    pub resource_version: String,
    /// Rises with each change of the spec.
    #[serde(rename = "Generation", alias = "generation")]
    pub generation: i64,
    /// When the API server accepted the object.
    #[serde(rename = "CreationTimestamp", alias = "creationTimestamp")]
    pub creation_timestamp: Option<Time>,
    /// When deletion was asked for; absent while the object lives.
    #[serde(rename = "DeletionTimestamp", alias = "deletionTimestamp")]
    pub deletion_timestamp: Option<Time>,
    /// Labels.
    #[serde(rename = "Labels", alias = "labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(rename = "Annotations", alias = "annotations")]
    pub annotations: BTreeMap<String, String>,
    /// Owners, for example the Rollout of an AnalysisRun.
    #[serde(rename = "OwnerReferences", alias = "ownerReferences")]
    pub owner_references: Vec<OwnerReference>,
}

/// `metav1.OwnerReference`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnerReference {
    /// API version of the owner.
    #[serde(rename = "APIVersion", alias = "apiVersion")]
    pub api_version: String,
    /// Kind of the owner.
    #[serde(rename = "Kind", alias = "kind")]
    pub kind: String,
    /// Name of the owner.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// UID of the owner.
    #[serde(rename = "UID", alias = "uid")]
    pub uid: String,
    /// Whether this owner is the managing controller. `false` travels as [`None`].
    #[serde(rename = "Controller", alias = "controller")]
    pub controller: Option<bool>,
}

/// `intstr.IntOrString`: a plain struct on the wire (`Type`, `IntVal`, `StrVal`), a number or a string in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntOrString {
    /// `Type` 0.
    Int(i32),
    /// `Type` 1.
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
        }
    }
}

/// The wire form. Go: `k8s.io/apimachinery/pkg/util/intstr` `IntOrString`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct IntOrStringWire {
    #[serde(rename = "Type")]
    kind: i64,
    #[serde(rename = "IntVal")]
    int: i32,
    #[serde(rename = "StrVal")]
    string: String,
}

impl Serialize for IntOrString {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match self {
            Self::Int(value) => IntOrStringWire {
                int: *value,
                ..Default::default()
            },
            Self::String(value) => IntOrStringWire {
                kind: 1,
                string: value.clone(),
                ..Default::default()
            },
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = IntOrString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a string")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<IntOrString, E> {
                i32::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &"a number of 32 bits"))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<IntOrString, E> {
                i32::try_from(value)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &"a number of 32 bits"))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::String(value.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IntOrString, A::Error> {
                wire_value(IntOrStringWire::deserialize(
                    de::value::MapAccessDeserializer::new(map),
                )?)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Either)
        } else {
            wire_value(IntOrStringWire::deserialize(deserializer)?)
        }
    }
}

fn wire_value<E: de::Error>(wire: IntOrStringWire) -> Result<IntOrString, E> {
    match wire.kind {
        0 => Ok(IntOrString::Int(wire.int)),
        1 => Ok(IntOrString::String(wire.string)),
        other => Err(E::custom(format_args!(
            "IntOrString of type {other}: 0 (number) or 1 (string) is accepted"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int_or_string_reads_json_and_wire_form() {
        let cases = [
            ("5", IntOrString::Int(5)),
            ("\"30s\"", IntOrString::String("30s".into())),
            (r#"{"Type":1,"StrVal":"30s"}"#, IntOrString::String("30s".into())),
            (r#"{"IntVal":7}"#, IntOrString::Int(7)),
        ];
        for (json, expected) in cases {
            assert_eq!(
                serde_json::from_str::<IntOrString>(json).unwrap(),
                expected,
                "{json}"
            );
        }
        for wrong in ["5000000000", "true", r#"{"Type":2}"#] {
            assert!(serde_json::from_str::<IntOrString>(wrong).is_err(), "{wrong}");
        }
    }
}
