//! What follows a name or a value: arguments, fields, elements.

use super::ast::{BuiltinCall, NodeId, NodeKind};
use super::lexer::is_identifier;
use super::parser::{Parsed, Parser, text};
use super::token::{Token, TokenKind};
use crate::builtins::{Builtin, PredicateArgument};

impl<'s> Parser<'s, '_> {
    /// A call by name; `piped` holds what stands before a `|`. A built-in that the environment has too is the
    /// environment's, unless `::` asks for the built-in.
    pub(super) fn call(&mut self, name: &Token<'s>, piped: Vec<NodeId>, may_be_overridden: bool) -> Parsed {
        let overridden = may_be_overridden
            && crate::env::NAMES
                .iter()
                .any(|(known, _)| *known.as_bytes() == *name.text);
        let builtin = Builtin::parse(&name.text).filter(|_| !overridden);
        if let Some(builtin) = builtin {
            let arguments = match builtin.predicate_arguments() {
                Some(expected) => self.predicate_arguments(expected, piped)?,
                None => self.arguments(piped)?,
            };
            let call = BuiltinCall {
                builtin,
                arguments,
                throws: false,
                map: None,
            };
            return self.add(NodeKind::Builtin(call), name.at);
        }
        let callee = self.add(NodeKind::Identifier(text(name)), name.at)?;
        let arguments = self.arguments(piped)?;
        self.add(NodeKind::Call { callee, arguments }, name.at)
    }

    fn predicate_arguments(
        &mut self,
        expected: &[PredicateArgument],
        piped: Vec<NodeId>,
    ) -> Parsed<Vec<NodeId>> {
        self.expect(TokenKind::Bracket, "(")?;
        let expected = &expected[piped.len()..];
        let mut arguments = piped;
        for (index, argument) in expected.iter().enumerate() {
            if self.current.is_bracket(")") {
                if argument.is_optional() {
                    break;
                }
                return Err(self.error(format!("expected at least {} arguments", expected.len())));
            }
            if index > 0 {
                self.expect(TokenKind::Operator, ",")?;
            }
            arguments.push(if argument.is_predicate() {
                self.predicate()?
            } else {
                self.expression(0)?
            });
        }
        if self.current.is_operator(",") {
            self.next()?;
        }
        self.expect(TokenKind::Bracket, ")")?;
        Ok(arguments)
    }

    fn arguments(&mut self, piped: Vec<NodeId>) -> Parsed<Vec<NodeId>> {
        self.expect(TokenKind::Bracket, "(")?;
        let written = self.list(")")?;
        Ok([piped, written].concat())
    }

    /// Expressions between commas up to the closing bracket, which is taken; a comma may follow the last.
    pub(super) fn list(&mut self, closing: &str) -> Parsed<Vec<NodeId>> {
        let mut nodes = Vec::new();
        while !self.current.is_bracket(closing) {
            if !nodes.is_empty() {
                self.expect(TokenKind::Operator, ",")?;
                if self.current.is_bracket(closing) {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        self.next()?;
        Ok(nodes)
    }

    fn predicate(&mut self) -> Parsed {
        let at = self.current.at;
        let in_braces = self.current.is_bracket("{");
        self.predicates += 1;
        let node = if in_braces {
            self.next()?;
            self.sequence()?
        } else {
            let node = self.expression(0)?;
            if self.current.is_operator(";") {
                return Err(self.error("wrap predicate with brackets { and }"));
            }
            node
        };
        self.predicates -= 1;
        if in_braces {
            self.expect(TokenKind::Bracket, "}")?;
        }
        self.add(NodeKind::Predicate(node), at)
    }

    /// Fields, calls of methods, elements and slices after a node.
    pub(super) fn postfix(&mut self, node: NodeId) -> Parsed {
        let mut node = node;
        loop {
            let token = self.current.clone();
            if token.is_bracket("[") {
                node = self.element(node, false)?;
            } else if token.is_operator("?.") {
                self.next()?;
                node = if self.current.is_bracket("[") {
                    self.element(node, true)?
                } else {
                    self.field(node, true)?
                };
            } else if token.is_operator(".") {
                self.next()?;
                node = self.field(node, false)?;
            } else {
                return Ok(node);
            }
        }
    }

    /// The name after a period, and the arguments if it is called.
    fn field(&mut self, node: NodeId, optional: bool) -> Parsed {
        let name = self.take()?;
        let is_name = match name.kind {
            TokenKind::Identifier => true,
            // Words like "not" and "matches" are names here.
            TokenKind::Operator => is_identifier(&name.text),
            _ => false,
        };
        if !is_name {
            return Err(self.error("expected name"));
        }
        let property = self.add(NodeKind::Text(text(&name)), name.at)?;
        let (node, in_chain) = match self.tree.kind(node) {
            NodeKind::Chain(inner) => (*inner, true),
            _ => (node, false),
        };
        let is_method = self.current.is_bracket("(");
        let member = self.add(
            NodeKind::Member {
                node,
                property,
                optional,
                is_method,
            },
            name.at,
        )?;
        let mut node = member;
        if is_method {
            let arguments = self.arguments(Vec::new())?;
            node = self.add(
                NodeKind::Call {
                    callee: member,
                    arguments,
                },
                name.at,
            )?;
        }
        if in_chain || optional {
            self.add(NodeKind::Chain(node), name.at)
        } else {
            Ok(node)
        }
    }

    /// `[index]`, `[from:to]` and its short forms.
    fn element(&mut self, node: NodeId, optional: bool) -> Parsed {
        let at = self.current.at;
        self.next()?;
        let from = if self.current.is_operator(":") {
            None
        } else {
            Some(self.expression(0)?)
        };
        if self.current.is_operator(":") {
            self.next()?;
            let to = if self.current.is_bracket("]") {
                None
            } else {
                Some(self.expression(0)?)
            };
            let slice = self.add(NodeKind::Slice { node, from, to }, at)?;
            self.expect(TokenKind::Bracket, "]")?;
            return Ok(slice);
        }
        let property = from.ok_or_else(|| self.unexpected())?;
        let mut element = self.add(
            NodeKind::Member {
                node,
                property,
                optional,
                is_method: false,
            },
            at,
        )?;
        if optional {
            element = self.add(NodeKind::Chain(element), at)?;
        }
        self.expect(TokenKind::Bracket, "]")?;
        Ok(element)
    }
}
