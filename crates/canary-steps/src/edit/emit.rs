//! Values as YAML text: blocks where people read it, JSON where it must fit on a line.

use serde_json::Value;

use super::{json, scalar};

/// An object as a YAML document, in blocks, with its keys in the order of the alphabet and a line break at its end. Every
/// text in it is text to every YAML reader that Kubernetes uses: `on` and `0644` are quoted.
///
/// ```
/// let yaml = canary_steps::edit::yaml(&serde_json::json!({"kind": "A", "spec": {"mode": "on", "list": [1, {}]}}));
/// assert_eq!(yaml, "kind: A\nspec:\n  list:\n  - 1\n  - {}\n  mode: \"on\"\n");
/// ```
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, map, "\n"),
        other => out.push_str(&flow(other)),
    }
    out.push('\n');
    out
}

/// The value on one line; valid wherever YAML takes a node.
pub(crate) fn flow(value: &Value) -> String {
    json::yaml_safe(&value.to_string()).into_owned()
}

/// The value as it stands behind `key:` of a mapping whose keys are `indent` columns to the right: beginning with a
/// space or a line break, without a line break at its end.
pub(crate) fn behind_key(value: &Value, indent: usize, line_end: &str) -> String {
    let mut out = String::new();
    let newline = format!("{line_end}{}", " ".repeat(indent));
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&newline);
                out.push('-');
                entry(&mut out, item, &format!("{newline}  "), &newline);
            }
        }
        Value::Object(map) if !map.is_empty() => {
            out.push_str(&newline);
            out.push_str("  ");
            mapping(&mut out, map, &format!("{newline}  "));
        }
        scalar => {
            out.push(' ');
            out.push_str(&word(scalar));
        }
    }
    out
}

/// An entry behind its dash: `newline` begins a line at the column of the entry's own content.
fn entry(out: &mut String, value: &Value, newline: &str, dash: &str) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push(' ');
            mapping(out, map, newline);
        }
        // A list directly inside a list occurs in no step; one line is clear enough.
        Value::Array(items) if !items.is_empty() => {
            debug_assert!(dash.len() < newline.len());
            out.push(' ');
            out.push_str(&flow(value));
        }
        scalar => {
            out.push(' ');
            out.push_str(&word(scalar));
        }
    }
}

fn mapping(out: &mut String, map: &serde_json::Map<String, Value>, newline: &str) {
    for (n, (key, value)) in map.iter().enumerate() {
        if n > 0 {
            out.push_str(newline);
        }
        out.push_str(&text(key));
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                let deeper = format!("{newline}  ");
                out.push_str(&deeper);
                mapping(out, inner, &deeper);
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    out.push_str(newline);
                    out.push('-');
                    entry(out, item, &format!("{newline}  "), newline);
                }
            }
            scalar => {
                out.push(' ');
                out.push_str(&word(scalar));
            }
        }
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(s) => text(s),
        other => other.to_string(),
    }
}

/// A string without quotes where every YAML reader takes it for that string.
fn text(s: &str) -> String {
    let simple = s.starts_with(|c: char| c.is_ascii_alphanumeric())
        && s.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    if simple && scalar::resolve(s, true, &None) == Ok(s.into()) {
        return s.to_owned();
    }
    let mut quoted = String::new();
    json::write_string(&mut quoted, s);
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{tree::Tree, value};
    use super::*;

    fn read(text: &str) -> Value {
        value::resolve(&Tree::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn steps_look_as_people_write_them() {
        let steps = json!([
            {"setWeight": 25},
            {"pause": {}},
            {"pause": {"duration": "30s"}},
            {"analysis": {"args": [{"name": "x", "value": "yes"}], "templates": [{"clusterScope": true, "templateName": "ok"}]}},
        ]);
        expect_test::expect![[r#"
            steps:
              - setWeight: 25
              - pause: {}
              - pause:
                  duration: 30s
              - analysis:
                  args:
                  - name: x
                    value: "yes"
                  templates:
                  - clusterScope: true
                    templateName: ok"#]]
        .assert_eq(&format!("steps:{}", behind_key(&steps, 2, "\n")));
        assert_eq!(
            read(&format!("steps:{}", behind_key(&steps, 0, "\n"))),
            json!({ "steps": steps })
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            "(yes|on|0[0-7]+|1e3|~|- a|a: b|#c|[a-z ]*)".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{1,8}|.{1,4}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in values(), indent in 0_usize..6) {
            let key = " ".repeat(indent);
            prop_assert_eq!(&read(&format!("{key}k:{}\n", behind_key(&value, indent, "\n"))), &json!({ "k": &value }));
            prop_assert_eq!(&read(&format!("k: {}\n", flow(&value))), &json!({ "k": &value }));
            prop_assert_eq!(&read(&yaml(&value)), &value);
        }
    }
}
