//! A typed view of an HTTPRoute, for reading only. Fields the gateway does not obey are named in [`unheeded`].

use serde::Deserialize;
use serde_json::Value;

/// An HTTPRoute as it is kept, that is with its defaults filled.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// Identity.
    pub metadata: Metadata,
    /// Wish.
    #[serde(default)]
    pub spec: Spec,
}

/// What of `metadata` decides anything.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace.
    #[serde(default)]
    pub namespace: String,
    /// The generation that conditions speak of.
    #[serde(default)]
    pub generation: u64,
    /// RFC 3339; the older route wins a tie.
    #[serde(default)]
    pub creation_timestamp: String,
}

/// `spec`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// Where the route wants to be attached.
    #[serde(default)]
    pub parent_refs: Vec<Value>,
    /// Empty: every host.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// In order.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// `spec.rules[]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// One of them suffices.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// Applied before the backend's own.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Shares of the traffic.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// `spec.rules[].matches[]`: all that is set must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Path.
    #[serde(default)]
    pub path: Option<Test>,
    /// All of them.
    #[serde(default)]
    pub headers: Vec<NamedTest>,
    /// All of them.
    #[serde(default)]
    pub query_params: Vec<NamedTest>,
    /// HTTP method.
    #[serde(default)]
    pub method: Option<String>,
}

/// A path to compare with.
#[derive(Debug, Clone, Deserialize)]
pub struct Test {
    /// `Exact`, `PathPrefix`, `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What to compare with.
    pub value: String,
}

/// A header or query parameter to compare with.
#[derive(Debug, Clone, Deserialize)]
pub struct NamedTest {
    /// `Exact`, `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of the header or parameter.
    pub name: String,
    /// What to compare with.
    pub value: String,
}

/// `backendRefs[]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendRef {
    /// Which object.
    #[serde(flatten)]
    pub target: ObjectRef,
    /// Share; 1 where absent.
    #[serde(default = "one")]
    pub weight: u32,
    /// For requests that go there.
    #[serde(default)]
    pub filters: Vec<Filter>,
}

/// A reference to a backend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ObjectRef {
    /// Empty for the core group.
    #[serde(default)]
    pub group: String,
    /// `Service`
    #[serde(default = "service")]
    pub kind: String,
    /// Name.
    pub name: String,
    /// The route's own where absent.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Of the Service.
    #[serde(default)]
    pub port: Option<u16>,
}

/// `filters[]`: the type, and the member of the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// `RequestHeaderModifier`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// For `RequestHeaderModifier`.
    #[serde(default)]
    pub request_header_modifier: Option<HeaderModifier>,
    /// For `ResponseHeaderModifier`.
    #[serde(default)]
    pub response_header_modifier: Option<HeaderModifier>,
    /// For `RequestMirror`.
    #[serde(default)]
    pub request_mirror: Option<Mirror>,
}

/// Header changes, in the order set, add, remove.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct HeaderModifier {
    /// Overwrites.
    #[serde(default)]
    pub set: Vec<Header>,
    /// Appends.
    #[serde(default)]
    pub add: Vec<Header>,
    /// Removes.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A header to write.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `requestMirror`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// Who gets the copy.
    pub backend_ref: ObjectRef,
    /// 0 to 100.
    #[serde(default)]
    pub percent: Option<u32>,
    /// Finer than a percent.
    #[serde(default)]
    pub fraction: Option<Fraction>,
}

/// `numerator / denominator`
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Fraction {
    /// 0 and up.
    pub numerator: u32,
    /// 100 where absent.
    #[serde(default = "hundred")]
    pub denominator: u32,
}

/// The members of the route's rules that this gateway does not obey, so that a report can say so.
pub fn unheeded(route: &Value) -> Vec<String> {
    let rules = route
        .pointer("/spec/rules")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for (i, rule) in rules.iter().enumerate() {
        for field in rule.as_object().into_iter().flatten().map(|(name, _)| name) {
            if !matches!(field.as_str(), "name" | "matches" | "filters" | "backendRefs") {
                found.push(format!("spec.rules[{i}].{field}"));
            }
        }
    }
    found
}

fn one() -> u32 {
    1
}

fn hundred() -> u32 {
    100
}

fn service() -> String {
    "Service".to_owned()
}
