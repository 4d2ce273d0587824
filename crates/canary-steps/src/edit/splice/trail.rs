//! The way from a document's root to a field.

use serde_json::Value;

use super::super::tree::{Kind, NodeId, Tree};
use super::super::value;

/// The nodes on the way to a field, as far as they stand in the text where they belong.
pub(super) struct Trail {
    /// From the document's root inwards.
    pub(super) around: Vec<Place>,
    /// The entry of the field itself, where it stands in the mapping that is the last place.
    pub(super) field: Option<(NodeId, NodeId)>,
    /// Whether the last place is the mapping that holds the field, and nothing but its own entries provides it.
    pub(super) reached: bool,
}

pub(super) struct Place {
    pub(super) node: NodeId,
    /// The key in front of it, where it is the value of an entry.
    pub(super) key: Option<NodeId>,
    /// Keys and indices from the root.
    pub(super) path: Vec<Step>,
}

#[derive(Clone)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Trail {
    pub(super) fn walk(tree: &Tree<'_>, object: &[usize], path: &[String]) -> Trail {
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

    fn enter_key(&mut self, tree: &Tree<'_>, key: &str) -> bool {
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

    fn enter_index(&mut self, tree: &Tree<'_>, index: usize) -> bool {
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

/// The part of a value at the end of a way.
pub(super) fn select<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |v, step| match step {
        Step::Key(key) => v.get(key),
        Step::Index(index) => v.get(*index),
    })
}
