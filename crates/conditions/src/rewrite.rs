//! What expr makes of a checked tree before it compiles it (`optimizer/` of expr).
//!
//! These are not for speed here. Some of them change the answer – `sum([a, b])` adds strings, `x in ["a"]` fails where
//! `x` is no string – and a condition must get the answer that Go gives.

mod fold;
mod loops;
mod membership;

use crate::builtins::Builtin;
use crate::error::{Failure, Fault};
use crate::syntax::{Node, NodeId, NodeKind, Operator, Tree};
use crate::types::Type;

/// # Errors
/// A division by zero that shows without running.
pub(crate) fn rewrite(tree: &mut Tree, mut root: NodeId, visits: usize) -> Result<NodeId, Failure> {
    /// expr gives up then.
    const ROUNDS: usize = 1001;

    let mut walker = Walker {
        tree,
        visits_left: visits,
    };
    if walker.tree.has(is_in) {
        root = walker.walk(root, &mut membership::in_list)?;
    }
    for _ in 0..ROUNDS {
        let mut applied = false;
        root = walker.walk(root, &mut |tree, id| fold::fold(tree, id, &mut applied))?;
        if !applied {
            break;
        }
    }
    // Most conditions have nothing that these look for, and the way through the tree is spared.
    type Subject = fn(&NodeKind) -> bool;
    type Infallible = fn(&mut Tree, NodeId) -> NodeId;
    let before: [(Subject, Infallible); 5] = [
        (is_in, membership::in_range),
        (is_filter, loops::filter_map),
        (is_filter, loops::filter_len),
        (is_filter, loops::filter_last),
        (is_filter, loops::filter_first),
    ];
    for (subject, rule) in before {
        if walker.tree.has(subject) {
            root = walker.walk(root, &mut |tree, id| Ok(rule(tree, id)))?;
        }
    }
    if walker.tree.has(is_quantifier) {
        root = walker.walk(root, &mut loops::combine)?;
    }
    let after: [Infallible; 2] = [loops::sum_array, loops::sum_map];
    for rule in after {
        if walker.tree.has(is_sum) {
            root = walker.walk(root, &mut |tree, id| Ok(rule(tree, id)))?;
        }
    }
    Ok(root)
}

fn is_in(kind: &NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::Binary {
            operator: Operator::In,
            ..
        }
    )
}

fn is_filter(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Builtin(call) if call.builtin == Builtin::Filter)
}

fn is_quantifier(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Builtin(call) if matches!(call.builtin, Builtin::All | Builtin::Any | Builtin::None))
}

fn is_sum(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Builtin(call) if call.builtin == Builtin::Sum)
}

struct Walker<'t> {
    tree: &'t mut Tree,
    visits_left: usize,
}

/// Looks at a node whose children were looked at, and gives the node that takes its place.
type Rule<'r> = &'r mut dyn FnMut(&mut Tree, NodeId) -> Result<NodeId, Failure>;

impl Walker<'_> {
    /// Children first. The loop body that [`loops::filter_map`] moves into a `filter` is not one of them.
    fn walk(&mut self, id: NodeId, rule: Rule<'_>) -> Result<NodeId, Failure> {
        let Some(left) = self.visits_left.checked_sub(1) else {
            let message = "compilation failed: chained comparisons within each other are too many";
            return Err(Failure::new(self.tree[id].at, Fault::limit(message)));
        };
        self.visits_left = left;

        if self.tree.kind(id).has_children() {
            // They leave the node while they are walked, so that nothing is copied.
            let mut kind = std::mem::replace(&mut self.tree[id].kind, NodeKind::Nil);
            let walked = self.walk_children(&mut kind, rule);
            self.tree[id].kind = kind;
            walked?;
        }
        rule(self.tree, id)
    }

    fn walk_children(&mut self, kind: &mut NodeKind, rule: Rule<'_>) -> Result<(), Failure> {
        let mut walk = |child: &mut NodeId| -> Result<(), Failure> {
            *child = self.walk(*child, rule)?;
            Ok(())
        };
        match kind {
            NodeKind::Nil
            | NodeKind::Identifier(_)
            | NodeKind::Integer(_)
            | NodeKind::Float(_)
            | NodeKind::Bool(_)
            | NodeKind::Text(_)
            | NodeKind::Constant(_)
            | NodeKind::Pointer(_) => Ok(()),
            NodeKind::Unary { node, .. } | NodeKind::Chain(node) | NodeKind::Predicate(node) => walk(node),
            NodeKind::Binary { left, right, .. } => walk(left).and_then(|()| walk(right)),
            NodeKind::Member { node, property, .. } => walk(node).and_then(|()| walk(property)),
            NodeKind::Slice { node, from, to } => {
                walk(node)?;
                from.iter_mut().chain(to).try_for_each(walk)
            }
            NodeKind::Call { callee, arguments } => {
                walk(callee).and_then(|()| arguments.iter_mut().try_for_each(walk))
            }
            NodeKind::Builtin(call) => call.arguments.iter_mut().try_for_each(walk),
            NodeKind::Let { value, body, .. } => walk(value).and_then(|()| walk(body)),
            NodeKind::Sequence(nodes) | NodeKind::Array(nodes) | NodeKind::Map(nodes) => {
                nodes.iter_mut().try_for_each(walk)
            }
            NodeKind::Conditional {
                condition,
                then,
                otherwise,
                ..
            } => {
                walk(condition)?;
                walk(then)?;
                walk(otherwise)
            }
            NodeKind::Pair { key, value } => walk(key).and_then(|()| walk(value)),
        }
    }
}

/// A node in the place of another, with a type of its own (`patchWithType`).
fn replace(tree: &mut Tree, id: NodeId, kind: NodeKind, ty: Type) -> NodeId {
    let at = tree[id].at;
    let new = tree.add(kind, at);
    tree[new].ty = Some(ty);
    new
}

/// A node in the place of another, with its type (`patchCopyType`).
fn replace_same(tree: &mut Tree, id: NodeId, kind: NodeKind) -> NodeId {
    let Node { at, ty, .. } = tree[id];
    let new = tree.add(kind, at);
    tree[new].ty = ty;
    new
}

/// A child in the place of its parent, with the parent's type.
fn hoist(tree: &mut Tree, id: NodeId, child: NodeId) -> NodeId {
    let Node { at, ty, .. } = tree[id];
    let child_node = &mut tree[child];
    (child_node.at, child_node.ty, child_node.is_nil) = (at, ty, false);
    child
}
