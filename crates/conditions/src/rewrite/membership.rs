//! `in` with literals (`optimizer/in_array.go` and `in_range.go` of expr).

use super::replace_same;
use crate::error::Failure;
use crate::syntax::{NodeId, NodeKind, Operator, Tree};
use crate::types::{Kind, Type};
use crate::value::{Datum, Map};

/// `x in [1, 2]` and `x in ["a", "b"]` look into a set, which takes keys of one type only.
pub(super) fn in_list(tree: &mut Tree, id: NodeId) -> Result<NodeId, Failure> {
    let NodeKind::Binary {
        operator: Operator::In,
        left,
        right,
    } = *tree.kind(id)
    else {
        return Ok(id);
    };
    let NodeKind::Array(nodes) = tree.kind(right) else {
        return Ok(id);
    };
    if nodes.is_empty() {
        return Ok(id);
    }
    let integers: Option<Vec<i64>> = nodes.iter().map(|node| integer(tree, *node)).collect();
    let texts: Option<Vec<_>> = nodes
        .iter()
        .map(|node| tree.literal_text(*node).cloned())
        .collect();
    let (set, ty) = match (integers, texts) {
        (Some(integers), _) if is_int(tree, left) => (Map::int_set(integers), Type::IntSet),
        (_, Some(texts)) => (Map::text_set(texts), Type::StringSet),
        _ => return Ok(id),
    };
    let set = super::replace(tree, right, NodeKind::Constant(Datum::map(set)), ty);
    Ok(replace_same(
        tree,
        id,
        NodeKind::Binary {
            operator: Operator::In,
            left,
            right: set,
        },
    ))
}

/// `x in 1..3` is `x >= 1 and x <= 3` where `x` is an `int`.
pub(super) fn in_range(tree: &mut Tree, id: NodeId) -> NodeId {
    let NodeKind::Binary {
        operator: Operator::In,
        left,
        right,
    } = *tree.kind(id)
    else {
        return id;
    };
    let NodeKind::Binary {
        operator: Operator::Range,
        left: from,
        right: to,
    } = *tree.kind(right)
    else {
        return id;
    };
    if !is_int(tree, left) || integer(tree, from).is_none() || integer(tree, to).is_none() {
        return id;
    }
    let at = tree[id].at;
    let from = tree.add(
        NodeKind::Binary {
            operator: Operator::GreaterOrEqual,
            left,
            right: from,
        },
        at,
    );
    let to = tree.add(
        NodeKind::Binary {
            operator: Operator::LessOrEqual,
            left,
            right: to,
        },
        at,
    );
    replace_same(
        tree,
        id,
        NodeKind::Binary {
            operator: Operator::AndWord,
            left: from,
            right: to,
        },
    )
}

fn integer(tree: &Tree, id: NodeId) -> Option<i64> {
    match tree.kind(id) {
        NodeKind::Integer(n) => Some(*n),
        _ => None,
    }
}

fn is_int(tree: &Tree, id: NodeId) -> bool {
    tree[id].ty.is_some_and(|ty| ty.kind() == Kind::Int)
}
