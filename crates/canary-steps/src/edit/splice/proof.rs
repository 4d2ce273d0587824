//! The short proof that a change did what it should: both trees walked side by side, nothing resolved but the new field.

use serde_json::Value;

use super::super::tree::{Kind, NodeId, Tree};
use super::super::value;
use super::trail::Trail;

/// Whether `new` is `old` with the field at the end of `trail` being `to`. `false` also where that takes more than a look
/// at equal nodes: aliases, merges and keys that stand twice are for the long proof.
pub(super) fn only_the_field_differs(
    old: &Tree<'_>,
    trail: &Trail,
    name: &str,
    to: Option<&Value>,
    new: &Tree<'_>,
) -> bool {
    let Some(root) = new.root.filter(|_| trail.reached) else {
        return false;
    };
    Proof {
        old,
        trail,
        name,
        to,
        new,
    }
    .on_the_way(0, root)
}

struct Proof<'p> {
    old: &'p Tree<'p>,
    trail: &'p Trail,
    name: &'p str,
    to: Option<&'p Value>,
    new: &'p Tree<'p>,
}

impl Proof<'_> {
    /// The node at `depth` of the trail and the one in its place.
    fn on_the_way(&self, depth: usize, new: NodeId) -> bool {
        let Some(next) = self.trail.around.get(depth + 1) else {
            return self.holder(self.trail.around[depth].node, new);
        };
        let pair = |old: NodeId, new: NodeId| {
            if old == next.node {
                self.on_the_way(depth + 1, new)
            } else {
                self.same(old, new)
            }
        };
        self.children(self.trail.around[depth].node, new, pair)
    }

    /// The mapping that holds the field.
    fn holder(&self, old: NodeId, new: NodeId) -> bool {
        let is_mapping = |tree: &Tree<'_>, id: NodeId| matches!(tree.nodes[id].kind, Kind::Mapping { .. });
        if !is_mapping(self.old, old) || !is_mapping(self.new, new) || value::merges(self.old, old) {
            return false;
        }
        let is_field = |tree: &Tree<'_>, key: NodeId| tree.scalar_text(key) == Some(self.name);
        let (before, after) = (self.old.entries(old), self.new.entries(new));
        let fields = after.iter().filter(|(key, _)| is_field(self.new, *key)).count();
        if fields != usize::from(self.to.is_some()) {
            return false;
        }
        let mut rest = before.iter().filter(|(key, _)| !is_field(self.old, *key));
        let others_same = after.iter().all(|(key, value)| match self.to {
            Some(to) if is_field(self.new, *key) => {
                value::resolve_node(self.new, *value).is_ok_and(|value| value == *to)
            }
            _ => rest
                .next()
                .is_some_and(|(k, v)| self.same(*k, *key) && self.same(*v, *value)),
        });
        others_same && rest.next().is_none()
    }

    fn same(&self, old: NodeId, new: NodeId) -> bool {
        self.children(old, new, |old, new| self.same(old, new))
    }

    /// Whether two nodes are of a kind and each pair of nodes below them is as `pair` wants it.
    fn children(&self, old: NodeId, new: NodeId, pair: impl Fn(NodeId, NodeId) -> bool) -> bool {
        match (&self.old.nodes[old].kind, &self.new.nodes[new].kind) {
            (old @ Kind::Scalar { .. }, new @ Kind::Scalar { .. }) => old == new,
            (Kind::Mapping { entries: old, .. }, Kind::Mapping { entries: new, .. }) => {
                old.len() == new.len()
                    && old
                        .iter()
                        .zip(new)
                        .all(|(o, n)| self.same(o.0, n.0) && pair(o.1, n.1))
            }
            (Kind::Sequence { items: old, .. }, Kind::Sequence { items: new, .. }) => {
                old.len() == new.len() && old.iter().zip(new).all(|(o, n)| pair(*o, *n))
            }
            _ => false,
        }
    }
}
