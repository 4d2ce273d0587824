//! Label selectors as `kubectl -l` takes them.

use serde_json::Value;

use super::object::{list, text};

/// The selector in the words of `kubectl -l`; nothing where it names no value that a label must have, because it then
/// selects what is others' too, and nothing where it cannot be said.
pub(super) fn written(selector: &Value) -> Option<String> {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = labels.map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let expressions = list(&selector["matchExpressions"]);
    let written: Vec<String> = equal
        .chain(expressions.iter().map(expression))
        .collect::<Option<_>>()?;
    let own = selector["matchLabels"]
        .as_object()
        .is_some_and(|labels| !labels.is_empty())
        || expressions.iter().any(|one| one["operator"] == "In");
    own.then(|| written.join(","))
}

fn expression(one: &Value) -> Option<String> {
    let key = text(&one["key"]);
    let values: Option<Vec<&str>> = list(&one["values"]).iter().map(Value::as_str).collect();
    let values = values?.join(",");
    if key.is_empty() {
        return None;
    }
    match text(&one["operator"]) {
        "In" if !values.is_empty() => Some(format!("{key} in ({values})")),
        "NotIn" if !values.is_empty() => Some(format!("{key} notin ({values})")),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

/// A word for the shell: in quotation marks where it needs them.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors() {
        let one =
            |operator: &str, values: &[&str]| json!({"key": "app", "operator": operator, "values": values});
        let cases = [
            (
                json!({"matchLabels": {"app": "shop", "tier": "web"}}),
                Some("app=shop,tier=web"),
            ),
            (
                json!({"matchExpressions": [one("In", &["shop"])]}),
                Some("app in (shop)"),
            ),
            (
                json!({"matchLabels": {"tier": "web"}, "matchExpressions": [
                    one("In", &["shop", "cart"]),
                    one("NotIn", &["old", "older"]),
                    {"key": "a/b", "operator": "Exists"},
                    {"key": "batch", "operator": "DoesNotExist"},
                ]}),
                Some("tier=web,app in (shop,cart),app notin (old,older),a/b,!batch"),
            ),
            // Everybody's, or nearly so.
            (
                json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
                None,
            ),
            (json!(null), None),
            (json!({"matchLabels": {}}), None),
            (
                json!({"matchExpressions": [one("NotIn", &["old"]), {"key": "x", "operator": "DoesNotExist"}]}),
                None,
            ),
            // What cannot be said is not left out.
            (
                json!({"matchLabels": {"app": "shop"}, "matchExpressions": [one("Near", &["shop"])]}),
                None,
            ),
            (
                json!({"matchLabels": {"app": "shop"}, "matchExpressions": [one("In", &[])]}),
                None,
            ),
            (json!({"matchLabels": {"app": 7}}), None),
        ];
        for (selector, want) in cases {
            assert_eq!(written(&selector).as_deref(), want, "{selector}");
        }
    }

    #[test]
    fn words_of_the_shell() {
        for (word, want) in [
            ("app=shop,a/b", "app=shop,a/b"),
            ("app in (shop)", "'app in (shop)'"),
            ("!batch", "'!batch'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(quoted(word), want);
        }
    }
}
