//! From a tree to instructions.

use super::op::{Constant, Op, Program};
use crate::builtins::Builtin;
use crate::env;
use crate::error::{Failure, Fault};
use crate::go::regexp::{self, Pattern};
use crate::syntax::{BuiltinCall, NodeId, NodeKind, Operator, Tree, UnaryOperator};
use crate::time::methods;
use crate::types::{Kind, Type, compile};
use crate::value::{Datum, Text};

/// # Errors
/// What the checker did not look at: a pointer or a pattern in the bounds of a slice of something unknown. Also more
/// instructions than the tree could need.
pub(crate) fn emit(tree: &Tree, root: NodeId, max_ops: usize) -> Result<Program, Failure> {
    let mut emitter = Emitter {
        tree,
        code: Vec::with_capacity(tree.len()),
        places: Vec::with_capacity(tree.len()),
        constants: Vec::new(),
        patterns: Vec::new(),
        variables: 0,
        scopes: Vec::new(),
        chains: Vec::new(),
        place: 0,
        max_ops,
    };
    emitter.node(root, None)?;
    let Emitter {
        code,
        places,
        constants,
        patterns,
        variables,
        ..
    } = emitter;
    Ok(Program {
        code,
        places,
        constants,
        patterns,
        variables: variables as usize,
    })
}

pub(super) struct Emitter<'t> {
    tree: &'t Tree,
    code: Vec<Op>,
    places: Vec<u32>,
    constants: Vec<Datum>,
    patterns: Vec<Pattern>,
    variables: u32,
    /// Declared variables around the cursor, the innermost last.
    scopes: Vec<(Text, u32)>,
    /// For each `?.` chain around the cursor the jumps that leave it.
    chains: Vec<Vec<usize>>,
    /// The place of the node being emitted.
    place: u32,
    max_ops: usize,
}

pub(super) type Emitted = Result<(), Failure>;

/// A jump whose target is not known yet.
pub(super) const LATER: u32 = u32::MAX;

impl Emitter<'_> {
    pub(super) fn op(&mut self, op: Op) -> usize {
        self.code.push(op);
        self.places.push(self.place);
        self.code.len() - 1
    }

    pub(super) fn here(&self) -> u32 {
        // Bounded by `max_ops`.
        u32::try_from(self.code.len()).unwrap_or(u32::MAX)
    }

    /// Lets an earlier jump end here.
    pub(super) fn land(&mut self, jump: usize) {
        let here = self.here();
        match &mut self.code[jump] {
            Op::Jump(target)
            | Op::JumpIfTrue(target)
            | Op::JumpIfFalse(target)
            | Op::JumpIfNil(target)
            | Op::JumpIfNotNil(target)
            | Op::JumpIfEnd(target) => *target = here,
            _ => {}
        }
    }

    /// Constants that Go's `==` takes for one are one, which shows in 0 and -0.
    fn constant(&mut self, datum: Datum) -> Constant {
        let same = |known: &Datum| match (known, &datum) {
            (Datum::Float(x), Datum::Float(y)) => x == y,
            (Datum::Int(x), Datum::Int(y)) => x == y,
            (Datum::Text(x), Datum::Text(y)) => x == y,
            _ => false,
        };
        // Only the last are searched: a long condition would take quadratic time otherwise. Zeros are searched for in
        // all of them.
        let is_zero = matches!(datum, Datum::Float(0.0));
        let from = if is_zero {
            0
        } else {
            self.constants.len().saturating_sub(32)
        };
        let found = self.constants[from..]
            .iter()
            .position(same)
            .map(|index| from + index);
        let index = found.unwrap_or_else(|| {
            self.constants.push(datum);
            self.constants.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    pub(super) fn push(&mut self, datum: Datum) {
        let constant = self.constant(datum);
        self.op(Op::Push(constant));
    }

    fn ty(&self, id: NodeId) -> Type {
        self.tree[id].ty.unwrap_or(Type::Any)
    }

    pub(super) fn node(&mut self, id: NodeId, parent: Option<NodeId>) -> Emitted {
        if self.code.len() > self.max_ops {
            let message = "compilation failed: chained comparisons within each other are too many";
            return Err(Failure::new(self.tree[id].at, Fault::limit(message)));
        }
        let around = std::mem::replace(&mut self.place, self.tree[id].at);
        self.kind(id, parent)?;
        self.place = around;
        Ok(())
    }

    /// A node whose value is wanted, not a pointer to it.
    pub(super) fn value(&mut self, id: NodeId, parent: NodeId) -> Emitted {
        self.node(id, Some(parent))?;
        self.deref(id);
        Ok(())
    }

    /// Time zones are the only pointers there are.
    fn deref(&mut self, id: NodeId) {
        if !self.tree[id].is_nil && matches!(self.ty(id).kind(), Kind::Pointer | Kind::Interface) {
            self.op(Op::Deref);
        }
    }

    fn kind(&mut self, id: NodeId, parent: Option<NodeId>) -> Emitted {
        let tree = self.tree;
        match tree.kind(id) {
            NodeKind::Nil => {
                self.op(Op::Nil);
            }
            NodeKind::Identifier(name) => self.identifier(name),
            NodeKind::Integer(n) => {
                self.op(Op::Int(*n));
            }
            NodeKind::Float(x) => self.push(Datum::Float(*x)),
            NodeKind::Bool(b) => {
                self.op(Op::Bool(*b));
            }
            NodeKind::Text(text) => self.push(Datum::Text(text.clone())),
            NodeKind::Constant(datum) => self.push(datum.clone()),
            NodeKind::Unary { operator, node } => {
                self.value(*node, id)?;
                match operator {
                    UnaryOperator::Not | UnaryOperator::NotWord => drop(self.op(Op::Not)),
                    UnaryOperator::Minus => drop(self.op(Op::Negate)),
                    UnaryOperator::Plus => {}
                }
            }
            NodeKind::Binary {
                operator,
                left,
                right,
            } => self.binary(id, *operator, *left, *right)?,
            NodeKind::Chain(node) => self.chain(id, *node, parent)?,
            NodeKind::Member {
                node,
                property,
                optional,
                ..
            } => self.member(id, *node, *property, *optional)?,
            NodeKind::Slice { node, from, to } => {
                self.node(*node, Some(id))?;
                match to {
                    Some(to) => self.value(*to, id)?,
                    None => drop(self.op(Op::Len)),
                }
                match from {
                    Some(from) => self.value(*from, id)?,
                    None => drop(self.op(Op::Int(0))),
                }
                self.op(Op::Slice);
            }
            NodeKind::Call { callee, arguments } => self.call(id, *callee, arguments)?,
            NodeKind::Builtin(call) => self.builtin(id, call)?,
            NodeKind::Predicate(node) => self.node(*node, Some(id))?,
            NodeKind::Pointer(name) => {
                let op = match name.as_bytes() {
                    b"" => Op::Pointer,
                    b"index" => Op::GetIndex,
                    b"acc" => Op::GetAcc,
                    _ => {
                        return Err(Failure::ty(
                            self.place,
                            format!("unknown pointer {}", name.to_str()),
                        ));
                    }
                };
                self.op(op);
            }
            NodeKind::Let { name, value, body } => {
                self.node(*value, Some(id))?;
                let variable = self.variables;
                self.variables += 1;
                self.op(Op::Store(variable));
                self.scopes.push((name.clone(), variable));
                self.node(*body, Some(id))?;
                self.scopes.pop();
            }
            NodeKind::Sequence(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        self.op(Op::Pop);
                    }
                    self.node(*node, Some(id))?;
                }
            }
            NodeKind::Conditional {
                condition,
                then,
                otherwise,
                ..
            } => {
                self.value(*condition, id)?;
                let to_otherwise = self.op(Op::JumpIfFalse(LATER));
                self.op(Op::Pop);
                self.node(*then, Some(id))?;
                let to_end = self.op(Op::Jump(LATER));
                self.land(to_otherwise);
                self.op(Op::Pop);
                self.node(*otherwise, Some(id))?;
                self.land(to_end);
            }
            NodeKind::Array(nodes) => {
                for node in nodes {
                    self.node(*node, Some(id))?;
                }
                self.op(Op::Int(nodes.len() as i64));
                self.op(Op::Array);
            }
            NodeKind::Map(pairs) => {
                for pair in pairs {
                    self.node(*pair, Some(id))?;
                }
                self.op(Op::Int(pairs.len() as i64));
                self.op(Op::Map);
            }
            NodeKind::Pair { key, value } => {
                self.node(*key, Some(id))?;
                self.node(*value, Some(id))?;
            }
        }
        Ok(())
    }

    fn identifier(&mut self, name: &Text) {
        if let Some((_, variable)) = self.scopes.iter().rev().find(|(known, _)| known == name) {
            self.op(Op::LoadVariable(*variable));
            return;
        }
        if name.as_bytes() == b"$env" {
            self.op(Op::LoadEnv);
            return;
        }
        self.op(
            match env::NAMES
                .iter()
                .find(|(known, _)| known.as_bytes() == name.as_bytes())
            {
                Some((_, Some(function))) => Op::LoadFunction(*function),
                Some((_, None)) => Op::LoadResult,
                // The name of a built-in, which is no value.
                None => Op::Nil,
            },
        );
    }

    fn binary(&mut self, id: NodeId, operator: Operator, left: NodeId, right: NodeId) -> Emitted {
        let jump: Option<fn(u32) -> Op> = match operator {
            Operator::OrWord | Operator::Or => Some(Op::JumpIfTrue),
            Operator::AndWord | Operator::And => Some(Op::JumpIfFalse),
            Operator::Coalesce => Some(Op::JumpIfNotNil),
            _ => None,
        };
        if let Some(jump) = jump {
            self.value(left, id)?;
            let to_end = self.op(jump(LATER));
            self.op(Op::Pop);
            self.value(right, id)?;
            self.land(to_end);
            return Ok(());
        }
        if operator == Operator::Matches
            && let Some(pattern) = self.tree.literal_text(right)
        {
            let pattern = compile(pattern).map_err(|why| Failure::ty(self.place, why))?;
            self.value(left, id)?;
            self.patterns.push(pattern);
            // The checker weighed those that it saw.
            if self.patterns.iter().map(|pattern| pattern.weight).sum::<usize>() > regexp::MAX_WEIGHT {
                let message = "compilation failed: the patterns of the condition are too large";
                return Err(Failure::new(self.place, Fault::limit(message)));
            }
            let index = u32::try_from(self.patterns.len() - 1).unwrap_or(u32::MAX);
            self.op(Op::MatchesConstant(index));
            return Ok(());
        }
        self.value(left, id)?;
        self.value(right, id)?;
        let op = match operator {
            Operator::Equal | Operator::NotEqual => match (self.ty(left), self.ty(right)) {
                (Type::Int, Type::Int) => Op::EqualInt,
                (Type::String, Type::String) => Op::EqualText,
                _ => Op::Equal,
            },
            Operator::Less => Op::Less,
            Operator::Greater => Op::More,
            Operator::LessOrEqual => Op::LessOrEqual,
            Operator::GreaterOrEqual => Op::MoreOrEqual,
            Operator::Add => Op::Add,
            Operator::Subtract => Op::Subtract,
            Operator::Multiply => Op::Multiply,
            Operator::Divide => Op::Divide,
            Operator::Modulo => Op::Modulo,
            Operator::Power | Operator::Caret => Op::Power,
            Operator::In => Op::In,
            Operator::Matches => Op::Matches,
            Operator::Contains => Op::Contains,
            Operator::StartsWith => Op::StartsWith,
            Operator::EndsWith => Op::EndsWith,
            Operator::Range => Op::Range,
            // Written as jumps above.
            Operator::OrWord | Operator::Or | Operator::AndWord | Operator::And | Operator::Coalesce => {
                return Ok(());
            }
        };
        self.op(op);
        if operator == Operator::NotEqual {
            self.op(Op::Not);
        }
        Ok(())
    }

    fn chain(&mut self, id: NodeId, node: NodeId, parent: Option<NodeId>) -> Emitted {
        self.chains.push(Vec::new());
        self.node(node, Some(id))?;
        for jump in self.chains.pop().unwrap_or_default() {
            self.land(jump);
        }
        let below_coalesce = parent.is_some_and(|parent| {
            matches!(
                self.tree.kind(parent),
                NodeKind::Binary {
                    operator: Operator::Coalesce,
                    ..
                }
            )
        });
        if !below_coalesce {
            // A slice that was never made becomes plain nil.
            let keep = self.op(Op::JumpIfNotNil(LATER));
            self.op(Op::Pop);
            self.op(Op::Nil);
            self.land(keep);
        }
        Ok(())
    }

    fn member(&mut self, id: NodeId, node: NodeId, property: NodeId, optional: bool) -> Emitted {
        if let Some(method) = self.static_method(node, property) {
            self.node(node, Some(id))?;
            self.op(Op::Method(method));
            return Ok(());
        }
        self.node(node, Some(id))?;
        if optional && !self.chains.is_empty() {
            let jump = self.op(Op::JumpIfNil(LATER));
            if let Some(chain) = self.chains.last_mut() {
                chain.push(jump);
            }
        }
        if let Some(name) = self.tree.literal_text(property) {
            let constant = self.constant(Datum::Text(name.clone()));
            self.op(Op::FetchConstant(constant));
            return Ok(());
        }
        self.node(property, Some(id))?;
        // The key of a map may be a pointer.
        let key = self.ty(node).key();
        if !key.is_some_and(|key| self.ty(property).is_assignable_to(key)) {
            self.deref(property);
        }
        self.op(Op::Fetch);
        Ok(())
    }

    /// The method that the type of the node is known to have.
    fn static_method(&self, node: NodeId, property: NodeId) -> Option<&'static methods::Method> {
        methods::of_type(self.ty(node), self.tree.literal_text(property)?.as_bytes())
    }

    fn call(&mut self, id: NodeId, callee: NodeId, arguments: &[NodeId]) -> Emitted {
        for argument in arguments {
            self.node(*argument, Some(id))?;
        }
        self.node(callee, Some(id))?;
        let is_method = match *self.tree.kind(callee) {
            NodeKind::Member { node, property, .. } => self.static_method(node, property).is_some(),
            _ => false,
        };
        match self.ty(callee) {
            Type::Func(signature) if signature.is_called_typed(is_method) => {
                let is_detached = signature.receiver.is_some() && !is_method;
                self.op(if is_detached {
                    Op::CallDetached(signature)
                } else {
                    Op::CallTyped(signature)
                });
            }
            _ => {
                self.op(Op::Call(u32::try_from(arguments.len()).unwrap_or(u32::MAX)));
            }
        }
        Ok(())
    }

    fn builtin(&mut self, id: NodeId, call: &BuiltinCall) -> Emitted {
        if call.builtin.predicate_arguments().is_some() {
            return self.predicate(id, call);
        }
        for argument in &call.arguments {
            self.node(*argument, Some(id))?;
            let ty = self.ty(*argument);
            let is_unknown = ty == Type::Any && !self.tree[*argument].is_nil;
            let keeps_pointer = match call.builtin {
                Builtin::Now => true,
                Builtin::Date => ty == Type::Location,
                _ => false,
            };
            if (ty.kind() == Kind::Pointer || is_unknown) && !keeps_pointer {
                self.op(Op::Deref);
            }
        }
        let count = u32::try_from(call.arguments.len()).unwrap_or(u32::MAX);
        self.op(Op::CallBuiltin(call.builtin, count));
        Ok(())
    }
}
