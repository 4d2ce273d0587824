//! Label selectors, as a list request carries them.

use serde_json::Value;

use super::ConfigError;
use super::fields::{Fields, wrong_type};

/// Turns a `metav1.LabelSelector` into the text of a `labelSelector` parameter (Go: `apimachinery/pkg/apis/meta/v1`
/// `LabelSelectorAsSelector`). An empty selector selects everything.
pub(super) fn parse(path: String, value: &Value) -> Result<String, ConfigError> {
    let mut fields = Fields::new(path, value)?;
    let mut terms = Vec::new();
    let labels_path = fields.path_of("matchLabels");
    match fields.value("matchLabels") {
        None => {}
        Some(Value::Object(labels)) => {
            for (key, value) in labels {
                let Value::String(value) = value else {
                    return Err(wrong_type(format!("{labels_path}.{key}"), "a string", value));
                };
                terms.push(format!(
                    "{}={}",
                    checked_key(&labels_path, key)?,
                    checked_value(&labels_path, value)?
                ));
            }
        }
        Some(other) => return Err(wrong_type(labels_path, "an object of strings", other)),
    }
    let expressions_path = fields.path_of("matchExpressions");
    for (index, expression) in fields.list("matchExpressions")?.iter().enumerate() {
        terms.push(parse_expression(
            &format!("{expressions_path}[{index}]"),
            expression,
        )?);
    }
    fields.finish()?;
    Ok(terms.join(","))
}

fn parse_expression(path: &str, value: &Value) -> Result<String, ConfigError> {
    let mut fields = Fields::new(path.to_owned(), value)?;
    let key = fields.text("key")?.ok_or_else(|| ConfigError::Missing {
        path: fields.path_of("key"),
    })?;
    let operator = fields.text("operator")?.ok_or_else(|| ConfigError::Missing {
        path: fields.path_of("operator"),
    })?;
    let values = fields.strings("values")?;
    let values_path = fields.path_of("values");
    let operator_path = fields.path_of("operator");
    fields.finish()?;

    let key = checked_key(path, key)?;
    let set = values
        .iter()
        .map(|value| checked_value(&values_path, value))
        .collect::<Result<Vec<_>, _>>()?
        .join(",");
    let invalid = |path: String, value: String, accepted: &'static str| ConfigError::Invalid {
        path,
        value,
        accepted,
    };
    match (operator, values.is_empty()) {
        ("In", false) => Ok(format!("{key} in ({set})")),
        ("NotIn", false) => Ok(format!("{key} notin ({set})")),
        ("Exists", true) => Ok(key.to_owned()),
        ("DoesNotExist", true) => Ok(format!("!{key}")),
        ("In" | "NotIn", true) => Err(invalid(values_path, "[]".into(), "at least one value")),
        ("Exists" | "DoesNotExist", false) => Err(invalid(
            values_path,
            format!("[{set}]"),
            "no value with this operator",
        )),
        _ => Err(invalid(
            operator_path,
            format!("{operator:?}"),
            "In, NotIn, Exists or DoesNotExist",
        )),
    }
}

/// A label key: an optional DNS prefix, a slash, and a name. What is let through can stand in a selector unquoted.
pub(super) fn checked_key<'a>(path: &str, key: &'a str) -> Result<&'a str, ConfigError> {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(super::is_dns_subdomain);
    match prefix_fits && !name.is_empty() && is_label_text(name) {
        true => Ok(key),
        false => Err(ConfigError::Invalid {
            path: path.to_owned(),
            value: format!("{key:?}"),
            accepted: "a label key such as example.com/name",
        }),
    }
}

/// A label value: at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends; or nothing.
pub(super) fn checked_value<'a>(path: &str, value: &'a str) -> Result<&'a str, ConfigError> {
    match is_label_text(value) {
        true => Ok(value),
        false => Err(ConfigError::Invalid {
            path: path.to_owned(),
            value: format!("{value:?}"),
            accepted: "a label value: at most 63 letters, digits, '-', '_', '.'",
        }),
    }
}

fn is_label_text(text: &str) -> bool {
    let at_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && at_end(text.chars().next())
        && at_end(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_become_parameters() {
        let cases = [
            (json!({}), ""),
            (
                json!({"matchLabels": {"app": "web", "tier": "edge"}}),
                "app=web,tier=edge",
            ),
            (
                json!({"matchLabels": {"app": "web"}, "matchExpressions": [
                    {"key": "example.com/stage", "operator": "In", "values": ["a", "b"]},
                    {"key": "old", "operator": "DoesNotExist"},
                    {"key": "x", "operator": "Exists", "values": []},
                    {"key": "y", "operator": "NotIn", "values": ["c"]}]}),
                "app=web,example.com/stage in (a,b),!old,x,y notin (c)",
            ),
        ];
        for (selector, expected) in cases {
            assert_eq!(parse("s".into(), &selector).unwrap(), expected, "{selector}");
        }
    }

    #[test]
    fn wrong_selectors_are_named() {
        let cases = [
            (json!([]), r#"s must be an object, found []"#),
            (
                json!({"matchLabel": {}}),
                "s.matchLabel is not a known field, did you mean matchLabels?",
            ),
            (
                json!({"matchLabels": {"a": 1}}),
                "s.matchLabels.a must be a string, found 1",
            ),
            (
                json!({"matchLabels": {"a": "b,c=d"}}),
                "s.matchLabels is \"b,c=d\", accepted is a label value",
            ),
            (
                json!({"matchLabels": {"a b": "c"}}),
                "s.matchLabels is \"a b\", accepted is a label key",
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]}),
                "s.matchExpressions[0].operator is \"in\", accepted is In, NotIn, Exists or DoesNotExist",
            ),
            (
                json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
                "s.matchExpressions[0].values is [], accepted is at least one value",
            ),
            (
                json!({"matchExpressions": [{"operator": "Exists"}]}),
                "s.matchExpressions[0].key is missing",
            ),
        ];
        for (selector, expected) in cases {
            let error = parse("s".into(), &selector).unwrap_err().to_string();
            assert!(error.contains(expected), "{selector}: {error}");
        }
    }
}
