//! `labelSelector` and `fieldSelector` of a list.

use serde_json::Value;

use super::failure::Failure;

/// Which objects of a kind a list or watch wants. The default wants all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    at: At,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Label(String),
    /// A JSON pointer, from `metadata.name` and its like.
    Field(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Selector {
    /// Reads both selectors, in the forms of `labels.Parse` and `fields.ParseSelector`.
    pub fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, Failure> {
        let mut terms = Vec::new();
        for term in labels.map(split_terms).unwrap_or_default() {
            terms.push(label_term(term)?);
        }
        for term in fields.map(split_terms).unwrap_or_default() {
            let (path, test) = equality(term)
                .ok_or_else(|| Failure::bad_request(format!("unable to parse field selector {term:?}")))?;
            terms.push(Term {
                at: At::Field(format!("/{}", path.replace('.', "/"))),
                test,
            });
        }
        Ok(Self { terms })
    }

    /// Whether `object` is wanted.
    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|term| {
            let value = match &term.at {
                At::Label(key) => object.pointer("/metadata/labels").and_then(|l| l.get(key)),
                At::Field(pointer) => object.pointer(pointer),
            };
            let value = value.and_then(Value::as_str);
            match &term.test {
                Test::In(wanted) => value.is_some_and(|v| wanted.iter().any(|w| w == v)),
                Test::NotIn(unwanted) => value.is_none_or(|v| !unwanted.iter().any(|w| w == v)),
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
            }
        })
    }
}

fn label_term(term: &str) -> Result<Term, Failure> {
    let label = |key: &str, test| {
        Ok(Term {
            at: At::Label(key.trim().to_owned()),
            test,
        })
    };
    if let Some(key) = term.strip_prefix('!') {
        return label(key, Test::Missing);
    }
    if let Some((head, set)) = term.strip_suffix(')').and_then(|t| t.split_once('(')) {
        let values = set.split(',').map(|v| v.trim().to_owned()).collect();
        let words: Vec<&str> = head.split_whitespace().collect();
        return match words.as_slice() {
            [key, "in"] => label(key, Test::In(values)),
            [key, "notin"] => label(key, Test::NotIn(values)),
            _ => Err(Failure::bad_request(format!(
                "unable to parse label selector {term:?}"
            ))),
        };
    }
    match equality(term) {
        Some((key, test)) => label(key, test),
        None => label(term, Test::Exists),
    }
}

fn equality(term: &str) -> Option<(&str, Test)> {
    let of = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = term.split_once("!=") {
        return Some((key.trim(), Test::NotIn(of(value))));
    }
    let (key, value) = term.split_once("==").or_else(|| term.split_once('='))?;
    Some((key.trim(), Test::In(of(value))))
}

/// Splits at commas that are not inside parentheses.
fn split_terms(selector: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    selector
        .split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .collect()
}

/// Whether a `LabelSelector` of an object (`matchLabels` and `matchExpressions`) takes these labels. One that is empty
/// takes all.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().all(|expression| {
            let value = expression["key"].as_str().and_then(|key| labels.get(key));
            let values = expression["values"].as_array().map_or(&[][..], Vec::as_slice);
            let listed = value.is_some_and(|value| values.contains(value));
            match expression["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_fields() {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}});
        let cases = [
            ("", "", true),
            ("app=web", "", true),
            ("app==web,tier!=back", "", true),
            ("app=api", "", false),
            ("app in (api, web),tier", "", true),
            ("app notin (api,web)", "", false),
            ("!app", "", false),
            ("!absent,absent!=x", "", true),
            ("", "metadata.name=web", true),
            ("", "metadata.name=api", false),
            ("", "metadata.name!=api", true),
        ];
        for (labels, fields, want) in cases {
            let selector = Selector::parse(Some(labels), Some(fields)).unwrap();
            assert_eq!(selector.matches(&object), want, "{labels} | {fields}");
        }
        let refused = Selector::parse(Some("app within (a)"), None).unwrap_err();
        assert_eq!((refused.code, refused.reason), (400, "BadRequest"));
    }

    #[test]
    fn label_selectors_of_objects() {
        let labels = serde_json::json!({"app": "web", "tier": "front"});
        let cases = [
            (serde_json::json!({}), true),
            (serde_json::json!({"matchLabels": {"app": "web"}}), true),
            (
                serde_json::json!({"matchLabels": {"app": "web", "zone": "a"}}),
                false,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "web"]}]}),
                true,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
                false,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
                true,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
                false,
            ),
            (
                serde_json::json!({"matchExpressions": [{"key": "tier", "operator": "Like"}]}),
                false,
            ),
        ];
        for (selector, want) in cases {
            assert_eq!(selects(&selector, &labels), want, "{selector}");
        }
    }
}
