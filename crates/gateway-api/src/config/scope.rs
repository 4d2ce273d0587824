//! Which rules of a route are the Rollout's, where not all are.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, wrong_type};
use crate::RouteKind;

/// Chooses a rule of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleChoice {
    /// By its name, `rules[].name`. CRDs before 1.4 drop names.
    Name(String),
    /// By its requests: one of the rule's `matches` has all that this one, in the same form, has.
    Match(Value),
}

impl RuleChoice {
    /// Whether it chooses this rule, as the API server has it: with defaults filled in.
    pub fn chooses(&self, rule: &Value) -> bool {
        match self {
            Self::Name(name) => rule["name"] == **name,
            Self::Match(wanted) => rule["matches"]
                .as_array()
                .is_some_and(|matches| matches.iter().any(|one| has(one, wanted))),
        }
    }

    /// Takes `ruleName`, `ruleNames` and `ruleMatches` of a list's entry.
    pub(super) fn parse(fields: &mut Fields<'_>, kind: RouteKind) -> Result<Vec<Self>, ConfigError> {
        // `ruleName` is how a later Go plugin may call it (its pull request #226).
        let name = fields.text("ruleName")?;
        let names = fields.strings("ruleNames")?;
        let mut choices = names
            .into_iter()
            .chain(name)
            .map(|name| Self::Name(name.to_owned()))
            .collect::<Vec<_>>();
        let path = fields.path_of("ruleMatches");
        for (index, wanted) in fields.list("ruleMatches")?.iter().enumerate() {
            check_match(format!("{path}[{index}]"), wanted, kind)?;
            choices.push(Self::Match(wanted.clone()));
        }
        Ok(choices)
    }
}

impl fmt::Display for RuleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "rule {name:?}"),
            Self::Match(wanted) => write!(f, "a rule that matches {wanted}"),
        }
    }
}

/// Whether a value has all that another has: each field of an object, some element for each of a list, the same scalar.
fn has(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted
            .iter()
            .all(|(field, wanted)| value.get(field).is_some_and(|value| has(value, wanted))),
        (Value::Array(values), Value::Array(wanted)) => wanted
            .iter()
            .all(|wanted| values.iter().any(|value| has(value, wanted))),
        _ => value == wanted,
    }
}

/// Gateway API `HTTPRouteMatch` and `GRPCRouteMatch`; rules of other kinds match nothing.
fn check_match(path: String, wanted: &Value, kind: RouteKind) -> Result<(), ConfigError> {
    let known: &[&'static str] = match kind {
        RouteKind::Http => &["path", "headers", "queryParams", "method"],
        RouteKind::Grpc => &["method", "headers"],
        RouteKind::Tcp | RouteKind::Tls | RouteKind::Udp => {
            return Err(ConfigError::Invalid {
                path,
                value: wanted.to_string(),
                accepted: "nothing: rules of this kind match no requests, choose them by ruleName",
            });
        }
    };
    let mut fields = Fields::new(path.clone(), wanted)?;
    let mut is_empty = true;
    for field in known {
        let Some(value) = fields.value(field) else {
            continue;
        };
        is_empty = false;
        let (expected, fits) = match *field {
            "headers" | "queryParams" => ("a list", value.is_array()),
            "method" if kind == RouteKind::Http => ("a string", value.is_string()),
            _ => ("an object", value.is_object()),
        };
        if !fits {
            return Err(wrong_type(fields.path_of(field), expected, value));
        }
    }
    fields.finish()?;
    match is_empty {
        true => Err(ConfigError::Invalid {
            path,
            value: wanted.to_string(),
            accepted: "what one of a rule's matches has, such as {\"path\":{\"value\":\"/api\"}}",
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_match_chooses_the_rules_that_have_all_of_it() {
        let rule = json!({"name": "api", "matches": [
            {"path": {"type": "PathPrefix", "value": "/"}},
            {"path": {"type": "Exact", "value": "/api"}, "method": "GET", "headers": [
                {"type": "Exact", "name": "x-tenant", "value": "a"}, {"type": "Exact", "name": "x-beta", "value": "1"}]}]});
        for (wanted, expected) in [
            (json!({"path": {"value": "/api"}}), true),
            (json!({"path": {"value": "/api", "type": "Exact"}}), true),
            (json!({"path": {"value": "/api", "type": "PathPrefix"}}), false),
            (json!({"path": {"value": "/ap"}}), false),
            (json!({"method": "GET", "path": {"value": "/"}}), false),
            (json!({"headers": [{"name": "x-beta"}]}), true),
            (json!({"headers": [{"name": "x-beta", "value": "2"}]}), false),
            (
                json!({"headers": [{"name": "x-beta"}, {"name": "x-tenant"}], "method": "GET"}),
                true,
            ),
        ] {
            assert_eq!(
                RuleChoice::Match(wanted.clone()).chooses(&rule),
                expected,
                "{wanted}"
            );
        }
        let anything = RuleChoice::Match(json!({"path": {"value": "/"}}));
        assert!(
            !anything.chooses(&json!({"name": "api"})),
            "the API server would have filled it in"
        );
        assert!(RuleChoice::Name("api".into()).chooses(&rule));
        assert!(!RuleChoice::Name("web".into()).chooses(&rule));
    }
}
