//! One entry added to a list in the text of a document, all other bytes kept.
//!
//! As with [`super::change`], the new text is read again and must mean the old value with that one entry added.

use serde_json::Value;

use super::splice::lines::{column, line_end, line_start, only_comment};
use super::tree::{Kind, NodeId, Tree};
use super::{SpliceError, emit, value};

/// Adds an entry to the end of a list. The way to the list is a JSON pointer (RFC 6901), such as
/// `/spec/rules/0/backendRefs`.
///
/// ```
/// let text = "rules:\n- backendRefs:\n  - name: shop   # mine\n    port: 80\n";
/// let more = canary_steps::edit::append(text, "/rules/0/backendRefs", &serde_json::json!({"name": "next"})).unwrap();
/// assert_eq!(more, format!("{text}  - name: next\n"));
/// ```
///
/// # Errors
/// [`SpliceError`] where there is no such list, or where it stands in a form that cannot be added to: as an alias, or
/// with nothing in it.
pub fn append(text: &str, pointer: &str, entry: &Value) -> Result<String, SpliceError> {
    let tree = Tree::parse(text)?;
    let mut wanted = value::resolve(&tree).map_err(SpliceError::Meaning)?;
    let unwritable = || SpliceError::Unwritable {
        path: pointer.trim_start_matches('/').replace('/', "."),
    };
    let list = wanted.pointer_mut(pointer).and_then(Value::as_array_mut);
    list.ok_or_else(unwritable)?.push(entry.clone());
    let candidate = find(&tree, pointer).and_then(|list| write(&tree, text, list, entry));
    candidate
        .filter(|new| Tree::parse(new).is_ok_and(|tree| value::resolve(&tree) == Ok(wanted)))
        .ok_or_else(unwritable)
}

/// The node of the list, where nothing on the way is an alias or a merge.
fn find(tree: &Tree<'_>, pointer: &str) -> Option<NodeId> {
    let mut at = tree.root?;
    for token in pointer.split('/').skip(1) {
        at = match &tree.nodes[at].kind {
            Kind::Sequence { items, .. } => *items.get(token.parse::<usize>().ok()?)?,
            _ => value::entry(tree, at, &token.replace("~1", "/").replace("~0", "~"))?.1,
        };
    }
    Some(at)
}

fn write(tree: &Tree<'_>, text: &str, list: NodeId, entry: &Value) -> Option<String> {
    let Kind::Sequence { items, flow } = &tree.nodes[list].kind else {
        return None;
    };
    let last = &tree.nodes[*items.last()?];
    let (at, new) = if *flow {
        (last.end, format!(", {}", emit::flow(entry)))
    } else {
        let line = line_start(text, last.start);
        let dash = line + text[line..last.start].rfind('-')?;
        let rest = text[last.end..].find('\n').unwrap_or(text.len() - last.end);
        let rest = text[last.end..last.end + rest].trim_end_matches('\r');
        if !only_comment(rest) {
            return None;
        }
        let one = Value::Array(vec![entry.clone()]);
        let new = emit::behind_key(&one, column(text, dash)?, line_end(text, line));
        (last.end + rest.len(), new)
    };
    Some(format!("{}{new}{}", &text[..at], &text[at..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_added_in_the_form_of_the_list() {
        let entry = json!({"name": "next", "port": 80, "weight": 0});
        let cases = [
            (
                "a block",
                "r:\n  - b:   # front\n      - name: shop   # mine\n        port: 80 # and this\n      # behind\n    c: 1\n",
                "r:\n  - b:   # front\n      - name: shop   # mine\n        port: 80 # and this\n      - name: next\n        port: 80\n        weight: 0\n      # behind\n    c: 1\n",
            ),
            (
                "a block as deep as its key, without an end of line",
                "r:\n- b:\n  - name: shop",
                "r:\n- b:\n  - name: shop\n  - name: next\n    port: 80\n    weight: 0",
            ),
            (
                "in one line",
                "r: [{b: [{name: shop, port: 80} ]}]  # all\n",
                "r: [{b: [{name: shop, port: 80}, {\"name\":\"next\",\"port\":80,\"weight\":0} ]}]  # all\n",
            ),
            (
                "JSON",
                "{\"r\":[{\"b\":[{\"name\":\"shop\"}]}]}",
                "{\"r\":[{\"b\":[{\"name\":\"shop\"}, {\"name\":\"next\",\"port\":80,\"weight\":0}]}]}",
            ),
            (
                "lines of Windows",
                "r:\r\n- b:\r\n  - name: shop\r\nz: 1\r\n",
                "r:\r\n- b:\r\n  - name: shop\r\n  - name: next\r\n    port: 80\r\n    weight: 0\r\nz: 1\r\n",
            ),
        ];
        for (name, text, want) in cases {
            assert_eq!(append(text, "/r/0/b", &entry).as_deref(), Ok(want), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_added_to_is_said() {
        for (text, why) in [
            ("r:\n- b: []\n", "r.0.b cannot be changed in this text"),
            ("r:\n- c: 1\n", "r.0.b cannot be changed in this text"),
            ("x: &x [1]\nr:\n- b: *x\n", "r.0.b cannot be changed in this text"),
            (
                "r:\n- b:\n  -\n    name: shop\n",
                "r.0.b cannot be changed in this text",
            ),
        ] {
            let error = append(text, "/r/0/b", &json!(2)).unwrap_err();
            assert_eq!(error.to_string(), why, "{text}");
        }
        assert!(append("r: [", "/r", &json!(1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn only_the_entry_is_new(text in "(- [a-z]{1,3}: [0-9]( # [a-z])?\n(  [a-z]: [0-9]\n)?|# [a-z]\n){1,6}", n in 0..9) {
            let before = super::super::read(&text);
            if let Ok(new) = append(&text, "", &json!({ "name": n })) {
                let mut want = before.unwrap();
                want.as_array_mut().unwrap().push(json!({ "name": n }));
                proptest::prop_assert_eq!(super::super::read(&new).unwrap(), want);
                proptest::prop_assert_eq!(new.len(), text.len() + "- name: 0\n".len());
            }
        }
    }
}
