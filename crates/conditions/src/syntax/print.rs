//! A tree as text (`ast/print.go` of expr), by which the optimizer tells whether two loops are over the same list.
//!
//! Every bracket that expr prints or leaves out counts here: two lists that print alike are taken for the same.

use super::ast::{NodeId, NodeKind, Tree};
use super::lexer::is_identifier;
use super::operator::{Operator, UnaryOperator};
use crate::go::quote::quote;
use crate::go::{json, number, utf8};

/// Longer texts are not compared.
const MAX: usize = 1 << 20;

/// # Errors
/// What expr ends the process with: a constant that JSON has no words for. Also a text of more than a mebibyte, which
/// few nodes can make, as chained comparisons print their middle twice.
pub(crate) fn print(tree: &Tree, id: NodeId) -> Result<String, String> {
    let mut printer = Printer {
        tree,
        out: String::new(),
        failed: None,
    };
    printer.node(id);
    match printer.failed {
        None => Ok(printer.out),
        Some(why) => Err(why),
    }
}

struct Printer<'t> {
    tree: &'t Tree,
    out: String,
    failed: Option<String>,
}

impl Printer<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        if self.out.len() > MAX {
            self.failed
                .get_or_insert_with(|| format!("a list in a condition is longer than {MAX} bytes"));
        }
    }

    fn wrapped(&mut self, id: NodeId, wrap: bool) {
        if wrap {
            self.push("(");
        }
        self.node(id);
        if wrap {
            self.push(")");
        }
    }

    fn list(&mut self, nodes: &[NodeId], separator: &str) {
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            self.node(*node);
        }
    }

    fn node(&mut self, id: NodeId) {
        if self.failed.is_some() {
            return;
        }
        match self.tree.kind(id) {
            NodeKind::Nil => self.push("nil"),
            NodeKind::Identifier(name) => self.push(&name.to_str()),
            NodeKind::Integer(n) => self.push(&n.to_string()),
            NodeKind::Float(x) => self.push(&number::general(*x)),
            NodeKind::Bool(b) => self.push(&b.to_string()),
            NodeKind::Text(text) => self.push(&quote(text.as_bytes())),
            NodeKind::Constant(constant) => match json::encode_compact(constant) {
                Ok(json) => self.push(&utf8::lossy(&json)),
                Err(why) => self.failed = Some(why),
            },
            NodeKind::Unary { operator, node } => self.unary(*operator, *node),
            NodeKind::Binary {
                operator,
                left,
                right,
            } => self.binary(*operator, *left, *right),
            NodeKind::Chain(node) | NodeKind::Predicate(node) => self.node(*node),
            NodeKind::Member {
                node,
                property,
                optional,
                ..
            } => self.member(*node, *property, *optional),
            NodeKind::Slice { node, from, to } => {
                self.node(*node);
                self.push("[");
                from.iter().for_each(|from| self.node(*from));
                self.push(":");
                to.iter().for_each(|to| self.node(*to));
                self.push("]");
            }
            NodeKind::Call { callee, arguments } => {
                self.node(*callee);
                self.push("(");
                self.list(arguments, ", ");
                self.push(")");
            }
            NodeKind::Builtin(call) => {
                self.push(call.builtin.name());
                self.push("(");
                self.list(&call.arguments, ", ");
                self.push(")");
            }
            NodeKind::Pointer(name) => {
                self.push("#");
                self.push(&name.to_str());
            }
            NodeKind::Let { name, value, body } => {
                self.push(&format!("let {} = ", name.to_str()));
                self.node(*value);
                self.push("; ");
                self.node(*body);
            }
            NodeKind::Sequence(nodes) => self.list(nodes, "; "),
            NodeKind::Conditional {
                is_ternary,
                condition,
                then,
                otherwise,
            } => {
                self.conditional(*is_ternary, *condition, *then, *otherwise);
            }
            NodeKind::Array(nodes) => {
                self.push("[");
                self.list(nodes, ", ");
                self.push("]");
            }
            NodeKind::Map(pairs) => {
                self.push("{");
                self.list(pairs, ", ");
                self.push("}");
            }
            NodeKind::Pair { key, value } => {
                match self.tree.literal_text(*key) {
                    Some(name) if is_identifier(name.as_bytes()) => self.push(&name.to_str()),
                    Some(_) => self.node(*key),
                    None => self.wrapped(*key, true),
                }
                self.push(": ");
                self.node(*value);
            }
        }
    }

    fn unary(&mut self, operator: UnaryOperator, node: NodeId) {
        self.push(&operator.to_string());
        if operator == UnaryOperator::NotWord {
            self.push(" ");
        }
        let wrap = match self.tree.kind(node) {
            NodeKind::Binary { operator: inner, .. } => inner.precedence() < operator.precedence(),
            NodeKind::Conditional { .. } => true,
            _ => false,
        };
        self.wrapped(node, wrap);
    }

    fn binary(&mut self, operator: Operator, left: NodeId, right: NodeId) {
        if operator == Operator::Range {
            self.node(left);
            self.push("..");
            self.node(right);
            return;
        }
        let is_boolean = |operator: Operator| operator.is_and() || operator.is_or();
        let wrap_left = match self.tree.kind(left) {
            NodeKind::Unary { operator: inner, .. } => inner.precedence() < operator.precedence(),
            NodeKind::Binary { operator: inner, .. } => {
                inner.precedence() < operator.precedence()
                    || inner.precedence() == operator.precedence() && operator.is_right_associative()
                    || *inner == Operator::Coalesce
                    || is_boolean(*inner) && *inner != operator
            }
            NodeKind::Conditional { .. } => true,
            _ => false,
        };
        let wrap_right = match self.tree.kind(right) {
            NodeKind::Binary { operator: inner, .. } => {
                inner.precedence() < operator.precedence()
                    || inner.precedence() == operator.precedence() && !operator.is_right_associative()
                    || is_boolean(*inner) && *inner != operator
            }
            NodeKind::Conditional { .. } => true,
            _ => false,
        };
        self.wrapped(left, wrap_left);
        self.push(&format!(" {operator} "));
        self.wrapped(right, wrap_right);
    }

    fn member(&mut self, node: NodeId, property: NodeId, optional: bool) {
        let name = self
            .tree
            .literal_text(property)
            .filter(|name| is_identifier(name.as_bytes()))
            .cloned();
        // The element of a predicate is left out before a plain name.
        if optional || name.is_none() || !matches!(self.tree.kind(node), NodeKind::Pointer(_)) {
            self.wrapped(node, matches!(self.tree.kind(node), NodeKind::Binary { .. }));
        }
        match (optional, name) {
            (true, Some(name)) => self.push(&format!("?.{}", name.to_str())),
            (false, Some(name)) => self.push(&format!(".{}", name.to_str())),
            (_, None) => {
                self.push(if optional { "?.[" } else { "[" });
                self.node(property);
                self.push("]");
            }
        }
    }

    fn conditional(&mut self, is_ternary: bool, condition: NodeId, then: NodeId, otherwise: NodeId) {
        let is_conditional = |id| matches!(self.tree.kind(id), NodeKind::Conditional { .. });
        if is_ternary {
            let wraps = [condition, then, otherwise].map(|id| (id, is_conditional(id)));
            for ((id, wrap), before) in wraps.into_iter().zip(["", " ? ", " : "]) {
                self.push(before);
                self.wrapped(id, wrap);
            }
            return;
        }
        self.push("if ");
        self.node(condition);
        self.push(" { ");
        self.node(then);
        self.push(" } else ");
        if matches!(
            self.tree.kind(otherwise),
            NodeKind::Conditional {
                is_ternary: false,
                ..
            }
        ) {
            self.node(otherwise);
        } else {
            self.push("{ ");
            self.node(otherwise);
            self.push(" }");
        }
    }
}
