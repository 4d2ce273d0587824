//! One field of one object changed in the text of a document, all other bytes kept.
//!
//! Every change is proved: the new text is read again and must mean the old value with that one field changed. Where
//! the text cannot be changed at the field itself – the field comes from an alias or a merge, or stands in a form too odd
//! to touch – the smallest node around it that can be is written anew, on one line.

use std::ops::Range;

use serde_json::{Map, Value};

use super::tree::{Kind, NodeId, ReadError, Tree};
use super::{emit, scalar, value};

/// A field of an object and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Keys from the object down to the field.
    pub path: Vec<String>,
    /// The new value; `None` deletes the key.
    pub to: Option<Value>,
}

/// Why a change could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpliceError {
    /// The document cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The document can be read but means nothing to Kubernetes.
    #[error("{0}")]
    Meaning(String),
    /// No way of writing the change gave the right value.
    #[error("{path} cannot be changed in this text")]
    Unwritable {
        /// The field, with dots.
        path: String,
    },
}

/// Applies a change to the object of a document that holds one.
///
/// # Errors
/// [`SpliceError`]; the text is then untouched.
pub fn change(text: &str, change: &Change) -> Result<String, SpliceError> {
    apply(text, &[], change)
}

/// Applies a change to the object at `object` (indices of `items`, outermost first) of a document.
///
/// Text that already means the wanted value is returned as it is.
///
/// # Errors
/// [`SpliceError`]; the text is then untouched.
pub(crate) fn apply(text: &str, object: &[usize], change: &Change) -> Result<String, SpliceError> {
    let tree = Tree::parse(text)?;
    let before = value::resolve(&tree).map_err(SpliceError::Meaning)?;
    let mut wanted = before.clone();
    let in_object = object_mut(&mut wanted, object).is_some_and(|o| set(o, &change.path, change.to.as_ref()));
    if wanted == before {
        return Ok(text.to_owned());
    }
    let unwritable = || SpliceError::Unwritable {
        path: change.path.join("."),
    };
    if !in_object {
        return Err(unwritable());
    }

    let means = |candidate: &str| {
        Tree::parse(candidate).is_ok_and(|tree| value::resolve(&tree).is_ok_and(|value| value == wanted))
    };
    let trail = Trail::walk(&tree, object, &change.path);
    let in_place = in_place(&tree, text, &trail, change).into_iter();
    let anew = trail.around.iter().rev().filter_map(|place| {
        let value = select(&wanted, &place.path)?;
        Some(vec![(
            value_range(&tree, text, place.node, place.key),
            emit::flow(value),
        )])
    });
    in_place
        .chain(anew)
        .map(|edits| write(&tree, text, edits))
        .find(|candidate| means(candidate))
        .ok_or_else(unwritable)
}

/// The nodes on the way to a field, as far as they stand in the text where they belong.
struct Trail {
    /// From the document's root inwards.
    around: Vec<Place>,
    /// The entry of the field itself, where it stands in the mapping that is the last place.
    field: Option<(NodeId, NodeId)>,
    /// Whether the last place is the mapping that holds the field, and nothing but its own entries provides it.
    reached: bool,
}

struct Place {
    node: NodeId,
    /// The key in front of it, where it is the value of an entry.
    key: Option<NodeId>,
    /// Keys and indices from the root.
    path: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

impl Trail {
    fn walk(tree: &Tree, object: &[usize], path: &[String]) -> Trail {
        let mut trail = Trail {
            around: Vec::new(),
            field: None,
            reached: false,
        };
        let Some(root) = tree.root else {
            return trail;
        };
        trail.around.push(Place {
            node: root,
            key: None,
            path: Vec::new(),
        });
        for index in object {
            if !trail.enter_key(tree, "items") || !trail.enter_index(tree, *index) {
                return trail;
            }
        }
        let (field, parents) = path.split_last().expect("a change names a field");
        if !parents.iter().all(|key| trail.enter_key(tree, key)) {
            return trail;
        }
        let holder = trail.around.last().expect("the root is in it").node;
        let direct = value::entry(tree, holder, field);
        trail.reached = !value::merges(tree, holder) || direct.is_some();
        trail.field = direct;
        trail
    }

    fn enter_key(&mut self, tree: &Tree, key: &str) -> bool {
        let last = self.around.last().expect("the root is in it");
        let Some((k, v)) = value::entry(tree, last.node, key) else {
            return false;
        };
        let mut path = last.path.clone();
        path.push(Step::Key(key.to_owned()));
        self.around.push(Place {
            node: v,
            key: Some(k),
            path,
        });
        true
    }

    fn enter_index(&mut self, tree: &Tree, index: usize) -> bool {
        let last = self.around.last().expect("the root is in it");
        let Kind::Sequence { items, .. } = &tree.nodes[last.node].kind else {
            return false;
        };
        let Some(item) = items.get(index) else {
            return false;
        };
        let mut path = last.path.clone();
        path.push(Step::Index(index));
        self.around.push(Place {
            node: *item,
            key: None,
            path,
        });
        true
    }
}

type Edits = Vec<(Range<usize>, String)>;

/// The edit at the field itself, where its form allows one.
fn in_place(tree: &Tree, text: &str, trail: &Trail, change: &Change) -> Option<Edits> {
    let holder = trail.around.last()?;
    if !trail.reached {
        return missing_parents(tree, text, trail, change);
    }
    let flow = match &tree.nodes[holder.node].kind {
        Kind::Mapping { flow, .. } => *flow,
        // `canary:` without a value, or with `null`.
        Kind::Scalar { text, plain, tag } if scalar::resolve(text, *plain, tag) == Ok(Value::Null) => false,
        _ => return None,
    };
    let name = change.path.last()?;
    let entries = tree.entries(holder.node);
    match (&change.to, trail.field) {
        (Some(new), Some((key, node))) if flow => Some(vec![(
            value_range(tree, text, node, Some(key)),
            format!(" {}", emit::flow(new)),
        )]),
        (Some(new), Some((key, node))) => {
            let colon = colon_end(text, tree.nodes[key].end)?;
            let indent = column(text, tree.nodes[key].start)?;
            let from = behind_comment(text, colon, tree.nodes[node].start);
            let new = emit::behind_key(new, indent, line_end(text, colon));
            Some(vec![(from..tree.nodes[node].end.max(colon), new)])
        }
        (Some(new), None) if flow && !entries.is_empty() => {
            let at = tree.nodes[entries[0].0].start;
            Some(vec![(at..at, format!("{}: {}, ", quoted(name), emit::flow(new)))])
        }
        (Some(new), None) if entries.is_empty() => {
            let key = holder.key?;
            let colon = colon_end(text, tree.nodes[key].end)?;
            if in_flow(tree, trail) {
                let map = Value::Object(Map::from_iter([(name.clone(), new.clone())]));
                let range = value_range(tree, text, holder.node, Some(key));
                return Some(vec![(range, format!(" {}", emit::flow(&map)))]);
            }
            let indent = column(text, tree.nodes[key].start)?;
            let map = Value::Object(Map::from_iter([(name.clone(), new.clone())]));
            let new = emit::behind_key(&map, indent, line_end(text, colon));
            Some(vec![(colon..tree.nodes[holder.node].end.max(colon), new)])
        }
        (Some(new), None) => {
            let at = tree.nodes[entries[0].0].start;
            let indent = column(text, at)?;
            let end = line_end(text, at);
            let new = emit::behind_key(new, indent, end);
            Some(vec![(at..at, format!("{name}:{new}{end}{}", " ".repeat(indent)))])
        }
        (None, Some(entry)) if flow => Some(vec![(flow_entry(tree, entries, entry), String::new())]),
        (None, Some(entry)) => remove_block_entry(tree, text, holder, entry),
        (None, None) => None,
    }
}

/// A field below a mapping that is not there yet: the first missing key gets everything below it.
fn missing_parents(tree: &Tree, text: &str, trail: &Trail, change: &Change) -> Option<Edits> {
    let last = trail.around.last()?;
    let depth = last
        .path
        .iter()
        .rev()
        .take_while(|step| matches!(step, Step::Key(_)))
        .count();
    let to = change.to.as_ref()?;
    // An object inside a list begins its own count.
    let below = change.path.get(depth..)?;
    if below.len() < 2 || value::merges(tree, last.node) || value::entry(tree, last.node, &below[0]).is_some()
    {
        return None;
    }
    let nested = below[1..].iter().rev().fold(to.clone(), |inner, key| {
        Value::Object(Map::from_iter([(key.clone(), inner)]))
    });
    let whole = Change {
        path: change.path[..=depth].to_vec(),
        to: Some(nested),
    };
    let around = trail.around.iter().map(|p| Place {
        node: p.node,
        key: p.key,
        path: p.path.clone(),
    });
    let trail = Trail {
        around: around.collect(),
        field: None,
        reached: true,
    };
    in_place(tree, text, &trail, &whole)
}

fn remove_block_entry(tree: &Tree, text: &str, holder: &Place, entry: (NodeId, NodeId)) -> Option<Edits> {
    let (key, node) = (&tree.nodes[entry.0], &tree.nodes[entry.1]);
    let line = line_start(text, key.start);
    let indent = column(text, key.start)?;
    if text[line..key.start].trim().len() + indent != indent {
        return None;
    }
    let end = node.end.max(colon_end(text, key.end)?);
    let mut to = end + text[end..].find('\n').map_or(text.len() - end, |n| n + 1);
    if !only_comment(&text[end..to]) {
        return None;
    }
    // Comments that stand deeper than the key belong to what is removed.
    while let Some(next) = text[to..].split_inclusive('\n').next() {
        let deep = next.len() - next.trim_start_matches(' ').len() > indent;
        if !(deep && next.trim_start().starts_with('#')) {
            break;
        }
        to += next.len();
    }
    let mut edits = vec![(line..to, String::new())];
    if tree.entries(holder.node).len() == 1 {
        // An empty block would be null, and null is no strategy.
        let colon = colon_end(text, tree.nodes[holder.key?].end)?;
        edits.push((colon..colon, " {}".to_owned()));
    }
    Some(edits)
}

/// An entry of a flow mapping with the comma that belongs to it.
fn flow_entry(tree: &Tree, entries: &[(NodeId, NodeId)], entry: (NodeId, NodeId)) -> Range<usize> {
    let at = entries
        .iter()
        .position(|e| *e == entry)
        .expect("the entry is one of them");
    let start = tree.nodes[entry.0].start;
    let end = tree.nodes[entry.1].end.max(tree.nodes[entry.0].end);
    match (entries.get(at + 1), at.checked_sub(1)) {
        (Some((next, _)), _) => start..tree.nodes[*next].start,
        (None, Some(before)) => tree.nodes[entries[before].1].end..end,
        (None, None) => start..end,
    }
}

/// Where the value of an entry stands: behind the colon, so that its properties and a block's indicator are in it.
fn value_range(tree: &Tree, text: &str, node: NodeId, key: Option<NodeId>) -> Range<usize> {
    let end = tree.nodes[node].end;
    match key.and_then(|k| colon_end(text, tree.nodes[k].end)) {
        Some(colon) => colon..end.max(colon),
        None => tree.nodes[node].start..end,
    }
}

fn in_flow(tree: &Tree, trail: &Trail) -> bool {
    let parents = &trail.around[..trail.around.len() - 1];
    parents.iter().any(|place| {
        matches!(
            tree.nodes[place.node].kind,
            Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. }
        )
    })
}

/// Writes the edits; an alias elsewhere whose anchor they take away gets the value written out.
fn write(tree: &Tree, text: &str, mut edits: Edits) -> String {
    let within = |at: usize| edits.iter().any(|(range, _)| range.contains(&at));
    let mut orphans = Vec::new();
    for node in &tree.nodes {
        if let Kind::Alias { target } = node.kind
            && !within(node.start)
            && within(tree.nodes[target].start)
            && let Ok(value) = value::resolve_node(tree, target)
        {
            orphans.push((node.start..node.end, emit::flow(&value)));
        }
    }
    edits.extend(orphans);
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        if range.start < at {
            // An alias that is a key's property; the proof that follows will see what came of it.
            continue;
        }
        out.push_str(&text[at..range.start]);
        // A block that becomes one line needs room behind its colon.
        if new.starts_with(['{', '[', '"']) && out.ends_with(':') {
            out.push(' ');
        }
        out.push_str(&new);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// Behind the colon of a key that ends at `at`; `None` where a colon does not follow on its line.
fn colon_end(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    rest[blank..].starts_with(':').then_some(at + blank + 1)
}

/// Behind a comment on the key's own line, where the value begins on a later one; else behind the colon.
fn behind_comment(text: &str, colon: usize, value_start: usize) -> usize {
    let line = text[colon..].find('\n').map_or(text.len(), |n| colon + n);
    let rest = text[colon..line].trim_end_matches('\r');
    if value_start > line && rest.trim_start().starts_with('#') {
        colon + rest.len()
    } else {
        colon
    }
}

fn only_comment(rest_of_line: &str) -> bool {
    let rest = rest_of_line.trim();
    rest.is_empty() || rest.starts_with('#')
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |n| n + 1)
}

/// Columns in front of `at`; `None` where something else than ASCII stands there, whose width YAML counts otherwise.
fn column(text: &str, at: usize) -> Option<usize> {
    let before = &text[line_start(text, at)..at];
    before.is_ascii().then_some(before.len())
}

/// How lines end around `at`.
fn line_end(text: &str, at: usize) -> &'static str {
    let line = text[at..].find('\n').map(|n| &text[..at + n]);
    if line.is_some_and(|l| l.ends_with('\r')) {
        "\r\n"
    } else {
        "\n"
    }
}

fn quoted(key: &str) -> String {
    Value::from(key).to_string()
}

fn object_mut<'v>(value: &'v mut Value, object: &[usize]) -> Option<&'v mut Value> {
    object
        .iter()
        .try_fold(value, |v, index| v.get_mut("items")?.get_mut(*index))
}

/// Sets or deletes a field; says whether the way to it is made of mappings.
fn set(object: &mut Value, path: &[String], to: Option<&Value>) -> bool {
    let (field, parents) = path.split_last().expect("a change names a field");
    let mut at = object;
    for key in parents {
        let Value::Object(map) = at else {
            return false;
        };
        if to.is_none() && !map.contains_key(key) {
            return true;
        }
        at = map.entry(key.clone()).or_insert(Value::Null);
        if at.is_null() && to.is_some() {
            *at = Value::Object(Map::new());
        }
    }
    match (at, to) {
        (Value::Object(map), Some(new)) => {
            map.insert(field.clone(), new.clone());
            true
        }
        (Value::Object(map), None) => {
            map.remove(field);
            true
        }
        (Value::Null, None) => true,
        _ => false,
    }
}

fn select<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |v, step| match step {
        Step::Key(key) => v.get(key),
        Step::Index(index) => v.get(*index),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn steps(to: Option<Value>) -> Change {
        let path = ["spec", "strategy", "canary", "steps"].map(String::from).to_vec();
        Change { path, to }
    }

    fn new_steps() -> Option<Value> {
        Some(json!([{"setWeight": 5}, {"pause": {"duration": "1m"}}]))
    }

    fn check(text: &str, change: &Change, expected: &Expect) {
        expected.assert_eq(&apply(text, &[], change).unwrap());
    }

    const BLOCK: &str = "\
# front
kind: Rollout   # kept
spec:
  strategy:
    canary:
      maxSurge: '25%'
      # about the steps
      steps:   # kept too
      - setWeight: 20
      # between
      - pause: {duration: 30}
        # deeper
      # after
      maxUnavailable: 0

  replicas: 0x3
";

    #[test]
    fn block_steps_are_replaced() {
        check(
            BLOCK,
            &steps(new_steps()),
            &expect![[r#"
            # front
            kind: Rollout   # kept
            spec:
              strategy:
                canary:
                  maxSurge: '25%'
                  # about the steps
                  steps:   # kept too
                  - setWeight: 5
                  - pause:
                      duration: 1m
                    # deeper
                  # after
                  maxUnavailable: 0

              replicas: 0x3
        "#]],
        );
    }

    #[test]
    fn block_steps_are_deleted() {
        check(
            BLOCK,
            &steps(None),
            &expect![[r#"
            # front
            kind: Rollout   # kept
            spec:
              strategy:
                canary:
                  maxSurge: '25%'
                  # about the steps
                  # after
                  maxUnavailable: 0

              replicas: 0x3
        "#]],
        );
    }

    #[test]
    fn steps_are_added_to_a_block() {
        check(
            "spec:\n  strategy:\n    canary:\n      # first\n      maxSurge: 1\n",
            &steps(new_steps()),
            &expect![[r#"
            spec:
              strategy:
                canary:
                  # first
                  steps:
                  - setWeight: 5
                  - pause:
                      duration: 1m
                  maxSurge: 1
        "#]],
        );
    }

    #[test]
    fn an_empty_canary_takes_steps_in_each_of_its_forms() {
        for empty in [
            "canary: {}",
            "canary:",
            "canary: null",
            "canary: ~",
            "canary: {}   # why",
            "canary:   # why",
        ] {
            let text = format!("spec:\n  strategy:\n    {empty}\n  replicas: 1\n");
            let new = apply(&text, &[], &steps(new_steps())).unwrap();
            assert!(
                new.contains("canary:") && new.contains("- setWeight: 5\n"),
                "{new}"
            );
            assert!(new.ends_with("\n  replicas: 1\n"), "{new}");
        }
    }

    #[test]
    fn the_last_field_leaves_an_empty_mapping_and_not_null() {
        check(
            "spec:\n  strategy:\n    canary:   # c\n      steps:\n      - pause: {}\n  x: 1\n",
            &steps(None),
            &expect![[r#"
            spec:
              strategy:
                canary: {}   # c
              x: 1
        "#]],
        );
    }

    #[test]
    fn flow_steps() {
        let flow = "spec: {strategy: {canary: {maxSurge: 1, steps: [ {setWeight: 20} ], x: y}}}\n";
        check(
            flow,
            &steps(new_steps()),
            &expect![[r#"
            spec: {strategy: {canary: {maxSurge: 1, steps: [{"setWeight":5},{"pause":{"duration":"1m"}}], x: y}}}
        "#]],
        );
        check(
            flow,
            &steps(None),
            &expect![[r#"
            spec: {strategy: {canary: {maxSurge: 1, x: y}}}
        "#]],
        );
        check(
            "spec: {strategy: {canary: {a: 1, steps: [] }}}\n",
            &steps(None),
            &expect![[r#"
            spec: {strategy: {canary: {a: 1 }}}
        "#]],
        );
        check(
            "spec: {strategy: {canary: {steps: []}}}\n",
            &steps(None),
            &expect![[r#"
            spec: {strategy: {canary: {}}}
        "#]],
        );
        check(
            "spec: {strategy: {canary: {}}}\n",
            &steps(new_steps()),
            &expect![[r#"
            spec: {strategy: {canary: {"steps":[{"setWeight":5},{"pause":{"duration":"1m"}}]}}}
        "#]],
        );
        check(
            "spec: {strategy: {canary: { maxSurge: 1 }}}\n",
            &steps(new_steps()),
            &expect![[r#"
            spec: {strategy: {canary: { "steps": [{"setWeight":5},{"pause":{"duration":"1m"}}], maxSurge: 1 }}}
        "#]],
        );
    }

    #[test]
    fn json_stays_json() {
        let text = "{\n\t\"spec\": {\n\t\t\"strategy\": {\"canary\": {\"maxSurge\": 1,\n\t\t\t\"steps\": [{\"setWeight\": 1}]\n\t\t}}\n\t}\n}\n";
        for to in [new_steps(), None] {
            let new = apply(text, &[], &steps(to)).unwrap();
            assert!(serde_json::from_str::<Value>(&new).is_ok(), "{new}");
            assert!(
                new.starts_with("{\n\t\"spec\": {\n\t\t\"strategy\": {\"canary\": {\"maxSurge\": 1"),
                "{new}"
            );
        }
    }

    #[test]
    fn an_alias_in_place_of_steps_is_replaced() {
        let text =
            "x: &s\n- setWeight: 1\nspec:\n  strategy:\n    canary:\n      steps: *s  # c\n      y: *s\n";
        check(
            text,
            &steps(new_steps()),
            &expect![[r#"
            x: &s
            - setWeight: 1
            spec:
              strategy:
                canary:
                  steps:
                  - setWeight: 5
                  - pause:
                      duration: 1m  # c
                  y: *s
        "#]],
        );
    }

    #[test]
    fn an_anchor_that_goes_with_the_steps_is_written_out_where_it_is_used() {
        let text = "spec:\n  strategy:\n    canary:\n      steps: &s\n      - pause: &p {duration: 5}\n      a: 1\nb: *s\nc: *p\n";
        check(
            text,
            &steps(None),
            &expect![[r#"
            spec:
              strategy:
                canary:
                  a: 1
            b: [{"pause":{"duration":5}}]
            c: {"duration":5}
        "#]],
        );
    }

    #[test]
    fn merged_steps_are_taken_out_of_their_mapping() {
        let text = "base: &b\n  steps:\n  - pause: {}\n  maxSurge: 1\nspec:\n  strategy:\n    canary:\n      <<: *b\n      x: 2\n  z: 3  # kept\n";
        check(
            text,
            &steps(None),
            &expect![[r#"
            base: &b
              steps:
              - pause: {}
              maxSurge: 1
            spec:
              strategy:
                canary: {"maxSurge":1,"x":2}
              z: 3  # kept
        "#]],
        );
        // An own key beats the merge where it stands behind it.
        let own = apply(text, &[], &steps(new_steps())).unwrap();
        assert!(own.contains("z: 3  # kept") && own.contains("setWeight"), "{own}");
    }

    #[test]
    fn an_aliased_canary_is_written_out() {
        let text = "base: &b\n  maxSurge: 1\nspec:\n  strategy:\n    canary: *b\n";
        check(
            text,
            &steps(new_steps()),
            &expect![[r#"
            base: &b
              maxSurge: 1
            spec:
              strategy:
                canary: {"maxSurge":1,"steps":[{"setWeight":5},{"pause":{"duration":"1m"}}]}
        "#]],
        );
    }

    #[test]
    fn a_text_before_the_steps_does_not_grow_when_they_go() {
        // Left behind, the comment would become part of the text.
        let text = "spec:\n  strategy:\n    canary:\n      foo: |+\n        text\n      steps:\n      - setWeight: 5\n        # not text\n\n      bar: 1\n";
        let new = apply(text, &[], &steps(None)).unwrap();
        let tree = Tree::parse(&new).unwrap();
        assert_eq!(
            value::resolve(&tree).unwrap()["spec"]["strategy"]["canary"],
            json!({"foo": "text\n", "bar": 1}),
            "{new}"
        );
    }

    #[test]
    fn an_object_in_a_list_is_changed_alone() {
        let item = |n: u32| {
            format!(
                "- kind: Rollout\n  spec:\n    strategy:\n      canary:\n        steps:\n        - setWeight: {n}\n        a: {n}\n"
            )
        };
        let text = format!("kind: List\nitems:\n{}{}", item(1), item(2));
        let new = apply(&text, &[1], &steps(None)).unwrap();
        let kept = format!("kind: List\nitems:\n{}", item(1));
        assert_eq!(
            new,
            format!("{kept}- kind: Rollout\n  spec:\n    strategy:\n      canary:\n        a: 2\n")
        );
    }

    #[test]
    fn missing_mappings_are_added() {
        let label = Change {
            path: ["metadata", "labels", "serinus.dev/canary-steps"]
                .map(String::from)
                .to_vec(),
            to: Some(json!("on")),
        };
        check(
            "kind: Rollout\nmetadata:\n  name: web\n",
            &label,
            &expect![[r#"
            kind: Rollout
            metadata:
              labels:
                serinus.dev/canary-steps: "on"
              name: web
        "#]],
        );
        check(
            "kind: Rollout\nspec: {}\n",
            &label,
            &expect![[r#"
            metadata:
              labels:
                serinus.dev/canary-steps: "on"
            kind: Rollout
            spec: {}
        "#]],
        );
        check(
            "metadata: {name: web}\n",
            &label,
            &expect![[r#"
            metadata: {"labels": {"serinus.dev/canary-steps":"on"}, name: web}
        "#]],
        );
    }

    #[test]
    fn what_already_holds_changes_nothing() {
        let text = "spec: {strategy: {canary: {steps: [ {setWeight: 0x5} ]}}}";
        assert_eq!(
            apply(text, &[], &steps(Some(json!([{"setWeight": 5}])))).unwrap(),
            text
        );
        assert_eq!(apply("spec: {}", &[], &steps(None)).unwrap(), "spec: {}");
    }

    #[test]
    fn windows_line_ends_are_kept() {
        let text =
            "spec:\r\n  strategy:\r\n    canary:\r\n      steps:\r\n      - pause: {}\r\n      x: 1\r\n";
        let new = apply(text, &[], &steps(new_steps())).unwrap();
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count(), "{new:?}");
    }

    fn layouts() -> impl Strategy<Value = String> {
        let comment = prop_oneof![Just(""), Just("  # c"), Just("   ")];
        let existing = prop_oneof![
            Just(""),
            Just("STEPS\n"),
            Just("steps: []\n"),
            Just("steps:\n"),
            Just("steps: &s\n- setWeight: 1\n"),
            Just(
                "steps:\n  - setWeight: 1\n  # x\n  - analysis:\n      args:\n      - value: |\n          a\n\n          b\n\n"
            ),
            Just("\"steps\": [{setWeight: 1}, {pause: {}}]\n"),
            Just("? steps\n: - setWeight: 1\n"),
        ];
        let sibling = prop_oneof![
            Just(""),
            Just("maxSurge: 25%\n"),
            Just("t: |+\n  text\n\n"),
            Just("# comment\nq: \"a\n  b\"\n"),
            Just("trafficRouting:\n  plugins:\n    x/y: {a: [1, 2]}\n"),
        ];
        (sibling.clone(), existing, sibling, comment, 1_usize..5).prop_map(|(before, steps, after, comment, width)| {
            let after = after.replace("t:", "u:").replace("q:", "r:").replace("maxSurge", "maxUnavailable");
            let after = if before.contains("traffic") { String::new() } else { after };
            let steps = steps.replace("STEPS", "steps:\n- setWeight: 3\n- pause: {}  # here");
            let body: String = format!("{before}{steps}{after}")
                .split_inclusive('\n')
                .map(|line| if line.trim().is_empty() { line.to_owned() } else { format!("{}{line}", " ".repeat(width * 3)) })
                .collect();
            let pad = " ".repeat(width);
            format!("kind: Rollout\nspec:\n{pad}strategy:{comment}\n{pad}{pad}canary:{comment}\n{body}{pad}replicas: 0x2\n# end\n")
        })
    }

    proptest! {
        /// `apply` proves the meaning itself; here that it always finds a way and keeps what stands outside.
        #[test]
        fn any_layout_can_be_switched(text in layouts(), on in any::<bool>()) {
            let change = steps(if on { new_steps() } else { None });
            let new = apply(&text, &[], &change).unwrap();
            prop_assert!(new.starts_with("kind: Rollout\nspec:\n"));
            prop_assert!(new.ends_with("replicas: 0x2\n# end\n"));
            let back = apply(&new, &[], &steps(None)).unwrap();
            let off = value::resolve(&Tree::parse(&back).unwrap()).unwrap();
            prop_assert!(off["spec"]["strategy"]["canary"].get("steps").is_none());
        }
    }
}
