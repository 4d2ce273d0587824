//! Loops after or beside each other (`optimizer/filter_*.go`, `predicate_combination.go`, `sum_*.go` of expr).

use super::replace_same;
use crate::builtins::Builtin;
use crate::error::Failure;
use crate::syntax::{BuiltinCall, NodeId, NodeKind, Operator, Tree, print};
use crate::types::Type;

/// `filter(filter(x, p), q)` is `filter(x, p && q)`.
pub(super) fn filter_filter(tree: &mut Tree, id: NodeId) -> Option<NodeId> {
    let outer = call(tree, id, Builtin::Filter)?;
    let [list, predicate] = *outer.arguments.as_slice() else {
        return None;
    };
    let inner = call(tree, list, Builtin::Filter)?;
    let (list, inner) = (
        *inner.arguments.first()?,
        predicate_body(tree, *inner.arguments.get(1)?)?,
    );
    let outer = predicate_body(tree, predicate)?;
    let both = tree.add(
        NodeKind::Binary {
            operator: Operator::And,
            left: inner,
            right: outer,
        },
        0,
    );
    let predicate = tree.add(NodeKind::Predicate(both), 0);
    Some(replace_same(
        tree,
        id,
        NodeKind::Builtin(loop_over(Builtin::Filter, vec![list, predicate])),
    ))
}

/// `map(filter(x, p), f)` is one loop, unless `f` counts.
pub(super) fn filter_map(tree: &mut Tree, id: NodeId) -> NodeId {
    let merged = || {
        let map = call(tree, id, Builtin::Map)?;
        let [list, predicate] = *map.arguments.as_slice() else {
            return None;
        };
        if uses_index(tree, predicate) {
            return None;
        }
        let body = predicate_body(tree, predicate)?;
        let filter = call(tree, list, Builtin::Filter)?;
        if filter.map.is_some() {
            return None;
        }
        Some(BuiltinCall {
            map: Some(body),
            ..loop_over(Builtin::Filter, filter.arguments.clone())
        })
    };
    match merged() {
        Some(merged) => replace_same(tree, id, NodeKind::Builtin(merged)),
        None => id,
    }
}

/// `len(filter(x, p))` is `count(x, p)`.
pub(super) fn filter_len(tree: &mut Tree, id: NodeId) -> NodeId {
    let counted = filter_below(tree, id, Builtin::Len)
        .map(|filter| loop_over(Builtin::Count, filter.arguments.clone()));
    match counted {
        Some(count) => replace_same(tree, id, NodeKind::Builtin(count)),
        None => id,
    }
}

/// `filter(x, p)[0]` and `first(filter(x, p))` are `find(x, p)`; the former fails where nothing is found.
pub(super) fn filter_first(tree: &mut Tree, id: NodeId) -> NodeId {
    filter_end(tree, id, Builtin::First, 0, Builtin::Find)
}

/// `filter(x, p)[-1]` and `last(filter(x, p))` are `findLast(x, p)`.
pub(super) fn filter_last(tree: &mut Tree, id: NodeId) -> NodeId {
    filter_end(tree, id, Builtin::Last, -1, Builtin::FindLast)
}

fn filter_end(tree: &mut Tree, id: NodeId, function: Builtin, index: i64, find: Builtin) -> NodeId {
    let indexed = match *tree.kind(id) {
        NodeKind::Member {
            node,
            property,
            optional: false,
            ..
        } if matches!(tree.kind(property), NodeKind::Integer(n) if *n == index) => {
            call(tree, node, Builtin::Filter).filter(|filter| filter.arguments.len() == 2)
        }
        _ => None,
    };
    let throws = indexed.is_some();
    let found = indexed
        .or_else(|| filter_below(tree, id, function))
        .map(|filter| BuiltinCall {
            builtin: find,
            arguments: filter.arguments.clone(),
            throws,
            map: filter.map,
        });
    match found {
        Some(found) => replace_same(tree, id, NodeKind::Builtin(found)),
        None => id,
    }
}

/// `all(x, p) && all(x, q)` is `all(x, p && q)`, and so on. Whether both are of the same list is decided by how the
/// lists print, which is not the same thing.
pub(super) fn combine(tree: &mut Tree, id: NodeId) -> Result<NodeId, Failure> {
    let Some((builtin, operator, list, (left, right))) = combination(tree, id)? else {
        return Ok(id);
    };
    let both = tree.add(
        NodeKind::Binary {
            operator,
            left,
            right,
        },
        0,
    );
    let both = combine(tree, both)?;
    let predicate = tree.add(NodeKind::Predicate(both), 0);
    Ok(replace_same(
        tree,
        id,
        NodeKind::Builtin(loop_over(builtin, vec![list, predicate])),
    ))
}

/// The loop, the operator between the predicates, the list, and the predicates.
type Combination = (Builtin, Operator, NodeId, (NodeId, NodeId));

fn combination(tree: &Tree, id: NodeId) -> Result<Option<Combination>, Failure> {
    let NodeKind::Binary {
        operator,
        left,
        right,
    } = *tree.kind(id)
    else {
        return Ok(None);
    };
    let (NodeKind::Builtin(l), NodeKind::Builtin(r)) = (tree.kind(left), tree.kind(right)) else {
        return Ok(None);
    };
    let inner = match l.builtin {
        Builtin::All if operator.is_and() => operator,
        Builtin::Any if operator.is_or() => operator,
        Builtin::None if operator == Operator::AndWord => Operator::OrWord,
        Builtin::None if operator == Operator::And => Operator::Or,
        _ => return Ok(None),
    };
    let (list, other) = (l.arguments[0], r.arguments[0]);
    let known = |id| tree[id].ty.unwrap_or(Type::Any);
    if r.builtin != l.builtin || known(list) != known(other) {
        return Ok(None);
    }
    let printed = |id| print(tree, id).map_err(|why| Failure::ty(tree[id].at, why));
    if printed(list)? != printed(other)? {
        return Ok(None);
    }
    let bodies = predicate_body(tree, l.arguments[1]).zip(predicate_body(tree, r.arguments[1]));
    Ok(bodies.map(|bodies| (l.builtin, inner, list, bodies)))
}

/// `sum([a, b, c])` is `a + (b + c)`.
pub(super) fn sum_array(tree: &mut Tree, id: NodeId) -> NodeId {
    let Some([list]) = call(tree, id, Builtin::Sum).map(|sum| sum.arguments.as_slice()) else {
        return id;
    };
    let NodeKind::Array(nodes) = tree.kind(*list) else {
        return id;
    };
    let nodes = nodes.clone();
    let [first, middle @ .., last] = nodes.as_slice() else {
        return id;
    };
    let mut right = *last;
    for left in middle.iter().rev() {
        right = tree.add(
            NodeKind::Binary {
                operator: Operator::Add,
                left: *left,
                right,
            },
            0,
        );
    }
    replace_same(
        tree,
        id,
        NodeKind::Binary {
            operator: Operator::Add,
            left: *first,
            right,
        },
    )
}

/// `sum(map(x, f))` is `sum(x, f)`.
pub(super) fn sum_map(tree: &mut Tree, id: NodeId) -> NodeId {
    let summed = || {
        let [list] = *call(tree, id, Builtin::Sum)?.arguments.as_slice() else {
            return None;
        };
        let map = call(tree, list, Builtin::Map)?;
        Some(loop_over(Builtin::Sum, map.arguments.clone()))
    };
    match summed() {
        Some(sum) => replace_same(tree, id, NodeKind::Builtin(sum)),
        None => id,
    }
}

fn loop_over(builtin: Builtin, arguments: Vec<NodeId>) -> BuiltinCall {
    BuiltinCall {
        builtin,
        arguments,
        throws: false,
        map: None,
    }
}

fn call(tree: &Tree, id: NodeId, builtin: Builtin) -> Option<&BuiltinCall> {
    match tree.kind(id) {
        NodeKind::Builtin(call) if call.builtin == builtin => Some(call),
        _ => None,
    }
}

/// The `filter` that is the only argument of a function.
fn filter_below(tree: &Tree, id: NodeId, function: Builtin) -> Option<&BuiltinCall> {
    let [argument] = *call(tree, id, function)?.arguments.as_slice() else {
        return None;
    };
    call(tree, argument, Builtin::Filter).filter(|filter| filter.arguments.len() == 2)
}

fn predicate_body(tree: &Tree, id: NodeId) -> Option<NodeId> {
    match tree.kind(id) {
        NodeKind::Predicate(body) => Some(*body),
        _ => None,
    }
}

/// Whether `#index` occurs anywhere in the body, that of an inner loop included.
fn uses_index(tree: &Tree, id: NodeId) -> bool {
    let mut pending = vec![id];
    while let Some(id) = pending.pop() {
        match tree.kind(id) {
            NodeKind::Pointer(name) if name.as_bytes() == b"index" => return true,
            kind => kind.each_child(|child| pending.push(child)),
        }
    }
    false
}
