//! Which rules and backends of a route we added, so that a user's are never taken for ours and ours are found again.
//!
//! The record is an annotation on the route itself: it survives restarts, and CRDs that prune rule names (Gateway API
//! up to 1.3) leave it alone. A rule is recognised by a fingerprint of its content; one that somebody changed since is
//! still ours if it carries the recorded name and sends to the canary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::RuleChoice;

/// The annotation that carries the [`Ledger`].
pub const ANNOTATION: &str = "serinus.dev/routing";

/// What Rollouts added to a route, by `namespace/name` of the Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
}

/// What one Rollout added to a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Its managed rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleRecord>,
    /// Services of experiments whose backendRefs it added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<String>,
    /// Services of experiments that the user's rules named already, and their weight before.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lent: BTreeMap<String, u64>,
    /// Weights of stable and canary before the release, one pair for each rule with both, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<[u64; 2]>,
    /// Its stable and its canary Service, for the day it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<[String; 2]>,
    /// The rules that are its own, where not all with both Services are: for that day, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<RuleChoice>,
    /// Name of the cookie that its rules set and ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// Key of the label that says a release is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// One managed rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// Name of the rule as we wrote it.
    pub name: String,
    /// [`fingerprint`] of the rule as we wrote it, in hexadecimal.
    pub print: String,
    /// Whether it is for users with a cookie, rather than a header or mirror route.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cookie: bool,
}

impl Ledger {
    /// The ledger of a route. One that cannot be read counts as empty: the rules in it are then no longer known to be
    /// ours, and are left alone.
    pub fn read(route: &Value) -> Self {
        route
            .pointer("/metadata/annotations")
            .and_then(|annotations| annotations.get(ANNOTATION))
            .and_then(Value::as_str)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// What this owner added.
    pub fn entry(&self, owner: &str) -> Option<&Entry> {
        self.entries.get(owner)
    }

    /// All owners and what they added, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(owner, entry)| (owner.as_str(), entry))
    }

    /// Replaces what this owner added.
    pub fn set(&mut self, owner: &str, entry: Entry) {
        match entry == Entry::default() {
            true => drop(self.entries.remove(owner)),
            false => drop(self.entries.insert(owner.to_owned(), entry)),
        }
    }

    /// Writes the annotation; an empty ledger leaves none behind.
    pub fn write(&self, route: &mut Value) {
        let text = match self.entries.is_empty() {
            true => None,
            false => serde_json::to_string(self).ok(),
        };
        super::meta::set(route, "annotations", ANNOTATION, text);
    }
}

/// A number that tells one rule's content from another's, the same before and after the API server stored it.
///
/// Left out: the rule's name and the percentage of a mirror, which old CRDs prune; weights, which move during a release; and fields with the value that
/// the CRDs fill in (Gateway API `apis/v1`, the `+kubebuilder:default` markers of HTTPRoute and GRPCRoute).
pub fn fingerprint(rule: &Value) -> u64 {
    let mut hash = Fnv::default();
    hash.value("rule", rule);
    hash.0
}

/// The text form of a fingerprint.
pub(super) fn print(rule: &Value) -> String {
    format!("{:016x}", fingerprint(rule))
}

/// FNV-1a, 64 bits: stable across versions of this program, which the standard hasher is not.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// `parent` is the name of the field in which the value, or the list that holds it, stands.
    fn value(&mut self, parent: &str, value: &Value) {
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(value) => self.bytes(if *value { b"t" } else { b"f" }),
            Value::Number(number) => {
                self.bytes(b"#");
                self.bytes(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.bytes(b"s");
                self.bytes(&(text.len() as u64).to_le_bytes());
                self.bytes(text.as_bytes());
            }
            Value::Array(list) => {
                self.bytes(b"[");
                list.iter().for_each(|value| self.value(parent, value));
                self.bytes(b"]");
            }
            Value::Object(object) => {
                self.bytes(b"{");
                for (field, value) in object
                    .iter()
                    .filter(|(field, value)| !is_implied(parent, field, value))
                {
                    self.bytes(&(field.len() as u64).to_le_bytes());
                    self.bytes(field.as_bytes());
                    self.value(field, value);
                }
                self.bytes(b"}");
            }
        }
    }
}

/// Whether a field says nothing that the same object without it would not say.
fn is_implied(parent: &str, field: &str, value: &Value) -> bool {
    match (parent, field) {
        (_, "weight") | ("rule", "name") | ("requestMirror", "percent") => true,
        _ if value.is_null() || value.as_array().is_some_and(Vec::is_empty) => true,
        ("backendRefs" | "backendRef", "group") => value == "",
        ("backendRefs" | "backendRef", "kind") => value == "Service",
        ("rule", "matches") => value.as_array().is_some_and(|matches| {
            matches.len() == 1
                && matches[0]
                    .as_object()
                    .is_some_and(|one| one.iter().all(|(f, v)| is_implied("matches", f, v)))
        }),
        ("matches", "path") => value
            .as_object()
            .is_some_and(|path| path.iter().all(|(f, v)| is_implied("path", f, v))),
        ("path", "type") => value == "PathPrefix",
        ("path", "value") => value == "/",
        ("headers" | "queryParams" | "method", "type") => value == "Exact",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fingerprint_survives_what_the_api_server_does() {
        let written = json!({"name": "by-header", "matches": [{"headers": [{"name": "x", "value": "1"}]}],
            "backendRefs": [{"name": "canary", "port": 80}], "timeouts": {"request": "3s"}});
        let stored = json!({
            "matches": [{"headers": [{"name": "x", "type": "Exact", "value": "1"}],
                "path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"group": "", "kind": "Service", "name": "canary", "port": 80, "weight": 1}],
            "filters": [], "timeouts": {"request": "3s"}});
        assert_eq!(fingerprint(&written), fingerprint(&stored));
        let all = json!({"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": []});
        assert_eq!(fingerprint(&all), fingerprint(&json!({})));
    }

    #[test]
    fn a_fingerprint_tells_rules_apart() {
        let rule =
            |path: Value, backend: Value| json!({"matches": [{"path": path}], "backendRefs": [backend]});
        let rules = [
            rule(json!({"type": "PathPrefix", "value": "/"}), json!({"name": "a"})),
            rule(json!({"type": "Exact", "value": "/"}), json!({"name": "a"})),
            rule(json!({"type": "PathPrefix", "value": "/a"}), json!({"name": "a"})),
            rule(json!({"type": "PathPrefix", "value": "/"}), json!({"name": "b"})),
            rule(
                json!({"type": "PathPrefix", "value": "/"}),
                json!({"name": "a", "port": 1}),
            ),
            rule(
                json!({"type": "PathPrefix", "value": "/"}),
                json!({"name": "a", "kind": "ServiceImport"}),
            ),
            rule(
                json!({"type": "PathPrefix", "value": "/"}),
                json!({"name": "a", "namespace": "x"}),
            ),
            json!({"matches": [{}, {}], "backendRefs": [{"name": "a"}]}),
            json!({"backendRefs": [{"name": "a"}], "later": true}),
            json!({"backendRefs": [{"name": "a", "filters": [{"type": "X"}]}]}),
        ];
        let prints: std::collections::BTreeSet<_> = rules.iter().map(fingerprint).collect();
        assert_eq!(prints.len(), rules.len());
    }

    #[test]
    fn a_damaged_annotation_owns_nothing() {
        for text in ["", "[]", "{\"a\":", "{\"shop/web\":{\"rules\":3}}"] {
            let route = json!({"metadata": {"annotations": {ANNOTATION: text}}});
            assert_eq!(Ledger::read(&route), Ledger::default(), "{text}");
        }
    }

    #[test]
    fn an_empty_ledger_leaves_nothing_behind() {
        let original = json!({"metadata": {"name": "web"}});
        let mut route = original.clone();
        let mut ledger = Ledger::default();
        ledger.set(
            "shop/web",
            Entry {
                label: Some("l".into()),
                ..Entry::default()
            },
        );
        ledger.write(&mut route);
        assert_eq!(Ledger::read(&route), ledger);
        ledger.set("shop/web", Entry::default());
        ledger.write(&mut route);
        assert_eq!(route, original);
    }
}
