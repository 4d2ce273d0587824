//! The value that a tree stands for, as sigs.k8s.io/yaml hands it to the API machinery.
//!
//! Follows `decoder` in go.yaml.in/yaml/v2 `decode.go` and `convertToJSONableObject` in sigs.k8s.io/yaml: entries are
//! taken in order and the last of two equal keys wins, `<<` merges where it stands, keys become strings.

use serde_json::{Map, Value};

use super::scalar;
use super::tree::{Kind, NodeId, Tree};

/// go-yaml stops documents whose aliases multiply; a manifest has far fewer nodes than this.
const MOST_NODES: usize = 400_000;

/// Deeper than Kubernetes accepts; keeps hostile aliases from exhausting the stack.
const MOST_DEPTH: usize = 512;

/// Resolves the whole document; a document without content is null.
pub(crate) fn resolve(tree: &Tree<'_>) -> Result<Value, String> {
    tree.root.map_or(Ok(Value::Null), |root| resolve_node(tree, root))
}

/// Resolves one node and what is below it.
pub(crate) fn resolve_node(tree: &Tree<'_>, id: NodeId) -> Result<Value, String> {
    let mut left = MOST_NODES;
    Resolver {
        tree,
        left: &mut left,
    }
    .node(id, 0)
}

/// The entry of a mapping that counts for `key`: the last one, or none where only a merge provides it.
pub(crate) fn entry(tree: &Tree<'_>, mapping: NodeId, key: &str) -> Option<(NodeId, NodeId)> {
    let mut entries = tree.entries(mapping).iter().rev();
    entries.find(|(k, _)| is_key(tree, *k, key)).copied()
}

/// The last entry of a mapping that merges another one into it.
pub(crate) fn last_merge(tree: &Tree<'_>, mapping: NodeId) -> Option<(NodeId, NodeId)> {
    let mut entries = tree.entries(mapping).iter().rev();
    entries.find(|(k, _)| is_merge(tree, *k)).copied()
}

/// Whether a mapping has a merge key.
pub(crate) fn merges(tree: &Tree<'_>, mapping: NodeId) -> bool {
    last_merge(tree, mapping).is_some()
}

fn is_key(tree: &Tree<'_>, id: NodeId, key: &str) -> bool {
    tree.scalar_text(id) == Some(key)
}

fn is_merge(tree: &Tree<'_>, id: NodeId) -> bool {
    matches!(&tree.nodes[id].kind, Kind::Scalar { text, plain: true, tag: None } if text == "<<")
        || matches!(&tree.nodes[id].kind, Kind::Scalar { text, tag: Some(tag), .. }
            if text == "<<" && &**tag == "tag:yaml.org,2002:merge")
}

struct Resolver<'t, 'l> {
    tree: &'t Tree<'t>,
    left: &'l mut usize,
}

impl Resolver<'_, '_> {
    fn node(&mut self, id: NodeId, depth: usize) -> Result<Value, String> {
        if *self.left == 0 || depth > MOST_DEPTH {
            return Err("its aliases multiply without end".into());
        }
        *self.left -= 1;
        match &self.tree.nodes[id].kind {
            Kind::Scalar { text, plain, tag } => scalar::resolve(text, *plain, tag),
            Kind::Alias { target } => self.node(*target, depth + 1),
            Kind::Sequence { items, .. } => {
                let items = items.iter().map(|item| self.node(*item, depth + 1));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            Kind::Mapping { entries, .. } => self.mapping(entries, depth).map(Value::Object),
        }
    }

    fn mapping(&mut self, entries: &[(NodeId, NodeId)], depth: usize) -> Result<Map<String, Value>, String> {
        let mut map = Map::new();
        for (key, value) in entries {
            if is_merge(self.tree, *key) {
                self.merge(*value, &mut map, depth + 1)?;
                continue;
            }
            let key = match self.node(*key, depth + 1)? {
                Value::String(text) => text,
                Value::Bool(value) => value.to_string(),
                Value::Number(value) => value.to_string(),
                Value::Null => return Err("a key must not be null".into()),
                _ => return Err("a key must be text".into()),
            };
            map.insert(key, self.node(*value, depth + 1)?);
        }
        Ok(map)
    }

    fn merge(&mut self, id: NodeId, into: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
        const WRONG: &str = "`<<` takes a mapping or a list of mappings";
        if let Kind::Sequence { items, .. } = &self.tree.nodes[id].kind {
            // The first of the list wins, so it comes last.
            for item in items.iter().rev() {
                match self.node(*item, depth)? {
                    Value::Object(map) => into.extend(map),
                    _ => return Err(WRONG.into()),
                }
            }
            return Ok(());
        }
        match self.node(id, depth)? {
            Value::Object(map) => into.extend(map),
            _ => return Err(WRONG.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        resolve(&Tree::parse(text).map_err(|e| e.to_string())?)
    }

    #[test]
    fn documents_mean_what_kubernetes_takes_them_for() {
        let cases = [
            (
                "a: yes\nb: 0644\nc: 'on'\n",
                json!({"a": true, "b": 420, "c": "on"}),
            ),
            ("1: a\ntrue: b\n", json!({"1": "a", "true": "b"})),
            ("a: 1\na: 2\n", json!({"a": 2})),
            (
                "x: &x {a: 1, b: 2}\nz:\n  b: 3\n  <<: *x\n",
                json!({"x": {"a": 1, "b": 2}, "z": {"a": 1, "b": 2}}),
            ),
            (
                "x: &x {a: 1, b: 2}\nz:\n  <<: *x\n  b: 3\n",
                json!({"x": {"a": 1, "b": 2}, "z": {"a": 1, "b": 3}}),
            ),
            (
                "z:\n  <<: [{a: 1}, {a: 2, c: 3}]\n",
                json!({"z": {"a": 1, "c": 3}}),
            ),
            ("a: &n 5\nb: *n\n", json!({"a": 5, "b": 5})),
            (
                "t: |+\n  x\n\nf: >-\n  a\n  b\n",
                json!({"t": "x\n\n", "f": "a b"}),
            ),
            ("\n# nothing\n", json!(null)),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn hostile_aliases_end() {
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            laughs.push_str(&format!("a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(", ")));
        }
        assert!(value(&laughs).unwrap_err().contains("aliases"));
        assert!(value("a: &a [*a]\n").is_err());
    }
}
