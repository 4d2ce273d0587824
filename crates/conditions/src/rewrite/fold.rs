//! Operations on literals (`optimizer/fold.go` of expr).

use super::{hoist, replace, replace_same};
use crate::error::Failure;
use crate::go::math;
use crate::syntax::{Node, NodeId, NodeKind, Operator, Tree, UnaryOperator};
use crate::types::Type;
use crate::value::{Datum, List, Text};

pub(super) fn fold(tree: &mut Tree, id: NodeId, applied: &mut bool) -> Result<NodeId, Failure> {
    let folded = match *tree.kind(id) {
        NodeKind::Unary { operator, node } => unary(tree, id, operator, node),
        NodeKind::Binary {
            operator: operator @ (Operator::AndWord | Operator::And),
            left,
            right,
        } => logical(tree, id, operator, left, right),
        NodeKind::Binary {
            operator: operator @ (Operator::OrWord | Operator::Or),
            left,
            right,
        } => logical(tree, id, operator, left, right),
        NodeKind::Binary {
            operator,
            left,
            right,
        } => binary(tree, id, operator, left, right)?,
        NodeKind::Array(_) => array(tree, id),
        NodeKind::Builtin(_) => super::loops::filter_filter(tree, id),
        _ => None,
    };
    *applied |= folded.is_some();
    Ok(folded.unwrap_or(id))
}

fn unary(tree: &mut Tree, id: NodeId, operator: UnaryOperator, node: NodeId) -> Option<NodeId> {
    let (kind, ty) = match (operator, tree.kind(node)) {
        (UnaryOperator::Minus, NodeKind::Integer(n)) => (NodeKind::Integer(n.wrapping_neg()), Type::Int),
        (UnaryOperator::Minus, NodeKind::Float(x)) => (NodeKind::Float(-x), Type::Float64),
        (UnaryOperator::Plus, NodeKind::Integer(n)) => (NodeKind::Integer(*n), Type::Int),
        (UnaryOperator::Plus, NodeKind::Float(x)) => (NodeKind::Float(*x), Type::Float64),
        (UnaryOperator::Not | UnaryOperator::NotWord, NodeKind::Bool(b)) => (NodeKind::Bool(!b), Type::Bool),
        _ => return None,
    };
    Some(replace(tree, id, kind, ty))
}

/// The operand that does not decide goes; one that does decides, whatever the other is.
fn logical(tree: &mut Tree, id: NodeId, operator: Operator, left: NodeId, right: NodeId) -> Option<NodeId> {
    let literal = |id| match tree.kind(id) {
        NodeKind::Bool(b) => Some(*b),
        _ => None,
    };
    let neutral = operator.is_and();
    match (literal(left), literal(right)) {
        (Some(b), _) if b == neutral => Some(hoist(tree, id, right)),
        (_, Some(b)) if b == neutral => Some(hoist(tree, id, left)),
        (None, None) => None,
        _ => Some(replace(tree, id, NodeKind::Bool(!neutral), Type::Bool)),
    }
}

enum Literal {
    Integer(i64),
    Float(f64),
    Text(Text),
    Bool(bool),
}

fn literal(node: &Node) -> Option<Literal> {
    Some(match &node.kind {
        NodeKind::Integer(n) => Literal::Integer(*n),
        NodeKind::Float(x) => Literal::Float(*x),
        NodeKind::Text(text) => Literal::Text(text.clone()),
        NodeKind::Bool(b) => Literal::Bool(*b),
        _ => return None,
    })
}

fn binary(
    tree: &mut Tree,
    id: NodeId,
    operator: Operator,
    left: NodeId,
    right: NodeId,
) -> Result<Option<NodeId>, Failure> {
    let (Some(a), Some(b)) = (literal(&tree[left]), literal(&tree[right])) else {
        return Ok(None);
    };
    let (kind, ty) = match (operator, a, b) {
        (Operator::Equal, Literal::Integer(a), Literal::Integer(b)) => (NodeKind::Bool(a == b), Type::Bool),
        (Operator::Equal, Literal::Text(a), Literal::Text(b)) => (NodeKind::Bool(a == b), Type::Bool),
        (Operator::Equal, Literal::Bool(a), Literal::Bool(b)) => (NodeKind::Bool(a == b), Type::Bool),
        (Operator::Add, Literal::Text(a), Literal::Text(b)) => (
            NodeKind::Text(Text::new([a.as_bytes(), b.as_bytes()].concat())),
            Type::String,
        ),
        (Operator::Modulo, Literal::Integer(_), Literal::Integer(0)) => {
            return Err(Failure::ty(tree[id].at, "integer divide by zero"));
        }
        (operator, Literal::Integer(a), Literal::Integer(b)) => match operator {
            Operator::Add => (NodeKind::Integer(a.wrapping_add(b)), Type::Int),
            Operator::Subtract => (NodeKind::Integer(a.wrapping_sub(b)), Type::Int),
            Operator::Multiply => (NodeKind::Integer(a.wrapping_mul(b)), Type::Int),
            Operator::Modulo => (NodeKind::Integer(a.wrapping_rem(b)), Type::Int),
            _ => match floats(operator, a as f64, b as f64) {
                Some(x) => (NodeKind::Float(x), Type::Float64),
                None => return Ok(None),
            },
        },
        (operator, a, b) => {
            let float = |literal| match literal {
                Literal::Integer(n) => Some(n as f64),
                Literal::Float(x) => Some(x),
                _ => None,
            };
            match (float(a), float(b)) {
                (Some(a), Some(b)) => match floats(operator, a, b) {
                    Some(x) => (NodeKind::Float(x), Type::Float64),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }
        }
    };
    Ok(Some(replace(tree, id, kind, ty)))
}

fn floats(operator: Operator, a: f64, b: f64) -> Option<f64> {
    Some(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Power | Operator::Caret => math::pow(a, b),
        _ => return None,
    })
}

fn array(tree: &mut Tree, id: NodeId) -> Option<NodeId> {
    let NodeKind::Array(nodes) = tree.kind(id) else {
        return None;
    };
    if nodes.is_empty() {
        return None;
    }
    let items = nodes.iter().map(|node| {
        Some(match literal(&tree[*node])? {
            Literal::Integer(n) => Datum::Int(n),
            Literal::Float(x) => Datum::Float(x),
            Literal::Text(text) => Datum::Text(text),
            Literal::Bool(b) => Datum::Bool(b),
        })
    });
    let items: Option<Vec<Datum>> = items.collect();
    let list = Datum::list(List::any(items?));
    Some(replace_same(tree, id, NodeKind::Constant(list))).inspect(|new| tree[*new].ty = Some(Type::SliceAny))
}
