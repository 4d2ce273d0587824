//! The types of a tree (`checker/checker.go` of expr).
//!
//! The type of `result` is known, so that most mistakes show before anything runs: also those in a branch that would
//! never be taken.

use super::nature::{Class, Nature};
use super::{Kind, Type};
use crate::builtins::{Builtin, Check, ident_signature};
use crate::env;
use crate::error::{Failure, Fault};
use crate::go::regexp::{self, Pattern};
use crate::go::utf8;
use crate::syntax::{NodeId, NodeKind, Tree};
use crate::time::methods;
use crate::value::Text;

/// Gives every node of the tree its type. `result` is the type of the metric's result; `None` is nil.
///
/// # Errors
/// The first operation whose operands do not fit.
pub(crate) fn check(
    tree: &mut Tree,
    root: NodeId,
    result: Option<Type>,
    visits: usize,
) -> Result<(), Failure> {
    let mut checker = Checker {
        tree,
        result: result.map_or_else(Nature::nil, Nature::of),
        variables: Vec::new(),
        predicates: Vec::new(),
        visits_left: visits,
        patterns: 0,
    };
    checker.visit(root).map(drop)
}

pub(super) struct Checker<'t> {
    pub(super) tree: &'t mut Tree,
    result: Nature,
    variables: Vec<(Text, Nature)>,
    pub(super) predicates: Vec<Scope>,
    /// A chained comparison is visited from both sides, so that few nodes can make many visits.
    visits_left: usize,
    /// The weight of the patterns so far: each is kept compiled.
    pub(super) patterns: usize,
}

/// What `#` means inside a predicate.
pub(super) struct Scope {
    pub(super) collection: Nature,
    pub(super) names: &'static [(&'static str, Option<Type>)],
}

pub(super) type Checked = Result<Nature, Failure>;

/// What the name of the environment stands for.
const ENV: &[u8] = b"$env";

impl Checker<'_> {
    pub(super) fn visit(&mut self, id: NodeId) -> Checked {
        let Some(left) = self.visits_left.checked_sub(1) else {
            let message = "compilation failed: chained comparisons within each other are too many";
            return Err(Failure::new(self.tree[id].at, Fault::limit(message)));
        };
        self.visits_left = left;
        let nature = self.nature(id)?;
        let node = &mut self.tree[id];
        node.ty = nature.ty;
        node.is_nil = nature.is_nil;
        Ok(nature)
    }

    fn nature(&mut self, id: NodeId) -> Checked {
        // A copy of the node's shape, as children change below it.
        match self.tree.kind(id).clone() {
            NodeKind::Nil => Ok(Nature::nil()),
            NodeKind::Integer(_) => Ok(Nature::of(Type::Int)),
            NodeKind::Float(_) => Ok(Nature::of(Type::Float64)),
            NodeKind::Bool(_) => Ok(Nature::of(Type::Bool)),
            NodeKind::Text(_) => Ok(Nature::of(Type::String)),
            // The parser makes none.
            NodeKind::Constant(_) => Ok(Nature::unknown()),
            NodeKind::Identifier(name) => self.identifier(id, &name),
            NodeKind::Unary { operator, node } => self.unary(id, operator, node),
            NodeKind::Binary {
                operator,
                left,
                right,
            } => self.binary(id, operator, left, right),
            NodeKind::Chain(node) => self.visit(node),
            NodeKind::Member {
                node,
                property,
                optional,
                is_method,
            } => self.member(id, node, property, optional, is_method),
            NodeKind::Slice { node, from, to } => self.slice(id, node, from, to),
            NodeKind::Call { callee, arguments } => self.call(id, callee, &arguments),
            NodeKind::Builtin(call) => self.builtin(id, call.builtin, &call.arguments),
            NodeKind::Predicate(node) => self.visit(node),
            NodeKind::Pointer(name) => self.pointer(id, &name),
            NodeKind::Let { name, value, body } => self.declaration(id, &name, value, body),
            NodeKind::Sequence(nodes) => {
                let mut last = Nature::unknown();
                for node in nodes {
                    last = self.visit(node)?;
                }
                Ok(last)
            }
            NodeKind::Conditional {
                condition,
                then,
                otherwise,
                ..
            } => self.conditional(condition, then, otherwise),
            NodeKind::Array(nodes) => self.array(&nodes),
            NodeKind::Map(pairs) => {
                for pair in pairs {
                    self.visit(pair)?;
                }
                Ok(Nature::of(Type::MapStringAny))
            }
            NodeKind::Pair { key, value } => {
                self.visit(key)?;
                self.visit(value)?;
                Ok(Nature::nil())
            }
        }
    }

    pub(super) fn error(&self, id: NodeId, message: impl Into<String>) -> Failure {
        Failure::ty(self.tree[id].at, message)
    }

    fn identifier(&self, id: NodeId, name: &Text) -> Checked {
        if let Some((_, nature)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return Ok(nature.clone());
        }
        if name.as_bytes() == ENV {
            return Ok(Nature::unknown());
        }
        self.name(id, name, true, true)
    }

    /// What a name of the environment, or of a built-in, is.
    fn name(&self, id: NodeId, name: &Text, strict: bool, builtins: bool) -> Checked {
        if let Some(nature) = self.env(name) {
            return Ok(nature);
        }
        if builtins && let Some(builtin) = Builtin::parse(name.as_bytes()) {
            let ty = Type::Func(ident_signature(builtin));
            return Ok(Nature {
                builtin: Some(builtin),
                ..Nature::of(ty)
            });
        }
        if strict {
            return Err(self.error(id, format!("unknown name {}", name.to_str())));
        }
        Ok(Nature::unknown())
    }

    pub(super) fn env(&self, name: &Text) -> Option<Nature> {
        let (_, function) = env::NAMES
            .iter()
            .find(|(known, _)| known.as_bytes() == name.as_bytes())?;
        Some(match function {
            Some(function) => Nature::of(Type::Func(function.signature())),
            None => self.result.clone(),
        })
    }

    pub(super) fn is_env(&self, id: NodeId) -> bool {
        self.tree
            .identifier(id)
            .is_some_and(|name| name.as_bytes() == ENV)
    }

    fn member(
        &mut self,
        id: NodeId,
        node: NodeId,
        property: NodeId,
        optional: bool,
        is_method: bool,
    ) -> Checked {
        if self.is_env(node) {
            return match self.tree.literal_text(property).cloned() {
                // An optional field may be missing.
                Some(name) => self.name(id, &name, !optional, false),
                None => Ok(Nature::unknown()),
            };
        }
        let base = self.visit(node)?;
        let prop = self.visit(property)?;
        if base.is_unknown() {
            return Ok(Nature::unknown());
        }
        let name = self.tree.literal_text(property).cloned();
        if let Some(name) = &name {
            if base.is_nil {
                return Err(self.error(id, format!("type nil has no field {}", name.to_str())));
            }
            if let Some(method) = base.ty.and_then(|ty| methods::of_type(ty, name.as_bytes())) {
                return Ok(Nature::of(Type::Func(&method.signature)));
            }
        }
        let base = base.deref();
        match base.kind() {
            Some(Kind::Map) => {
                if !prop.is_assignable_to(&base.key()) && !prop.is_unknown() {
                    let message = format!(
                        "cannot use {} to get an element from {}",
                        prop.shown(),
                        base.shown()
                    );
                    return Err(self.error(property, message));
                }
                Ok(base.elem())
            }
            Some(Kind::Slice) => {
                if !prop.is(Class::Integer) && !prop.is_unknown() {
                    let message = format!(
                        "array elements can only be selected using an integer (got {})",
                        prop.shown()
                    );
                    return Err(self.error(property, message));
                }
                Ok(base.elem())
            }
            _ => Err(self.error(
                id,
                match name {
                    Some(name) => {
                        let what = if is_method { "method" } else { "field" };
                        format!("type {} has no {what} {}", base.shown(), name.to_str())
                    }
                    None => format!("type {}[{}] is undefined", base.shown(), prop.shown()),
                },
            )),
        }
    }

    fn slice(&mut self, id: NodeId, node: NodeId, from: Option<NodeId>, to: Option<NodeId>) -> Checked {
        let nature = self.visit(node)?;
        // expr looks at the bounds of nothing it does not know.
        if nature.is_unknown() {
            return Ok(Nature::unknown());
        }
        if !matches!(nature.kind(), Some(Kind::String | Kind::Slice)) {
            return Err(self.error(id, format!("cannot slice {}", nature.shown())));
        }
        for bound in [from, to].into_iter().flatten() {
            let index = self.visit(bound)?.deref();
            if !index.is(Class::Integer) && !index.is_unknown() {
                return Err(self.error(bound, format!("non-integer slice index {}", index.shown())));
            }
        }
        Ok(nature)
    }

    fn call(&mut self, id: NodeId, callee: NodeId, arguments: &[NodeId]) -> Checked {
        let nature = self.visit(callee)?;
        if nature.is_unknown() {
            return Ok(Nature::unknown());
        }
        if let Some(builtin) = nature.builtin {
            return self.function(id, builtin, arguments);
        }
        let name = match self.tree.kind(callee) {
            NodeKind::Identifier(name) => name.clone(),
            NodeKind::Member { property, .. } => self
                .tree
                .literal_text(*property)
                .cloned()
                .unwrap_or_else(|| Text::from("function")),
            _ => Text::from("function"),
        };
        let name = utf8::lossy(name.as_bytes()).into_owned();
        if nature.is_nil {
            return Err(self.error(id, format!("{name} is nil; cannot call nil as function")));
        }
        match nature.ty {
            Some(Type::Func(signature)) => self.arguments(id, &name, signature, arguments),
            _ => Err(self.error(id, format!("{} is not callable", nature.shown()))),
        }
    }

    /// A call of a built-in without a predicate, or of one by another name.
    pub(super) fn function(&mut self, id: NodeId, builtin: Builtin, arguments: &[NodeId]) -> Checked {
        match builtin.check() {
            Check::Get => self.arguments(id, builtin.name(), ident_signature(builtin), arguments),
            Check::Types(check) => {
                let mut types = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    let nature = self.visit(*argument)?;
                    types.push(if nature.is_unknown() {
                        Some(Type::Any)
                    } else {
                        nature.ty
                    });
                }
                check(&types).map(Nature::of).map_err(|why| self.error(id, why))
            }
            Check::Overloads(overloads) => {
                let mut last = None;
                for signature in overloads {
                    match self.arguments(id, builtin.name(), signature, arguments) {
                        Ok(nature) => {
                            // The type of the name is that of the overload that was chosen.
                            if let NodeKind::Call { callee, .. } = *self.tree.kind(id) {
                                self.tree[callee].ty = Some(Type::Func(signature));
                            }
                            return Ok(nature);
                        }
                        Err(failure) => last = Some(failure),
                    }
                }
                Err(last.unwrap_or_else(|| {
                    self.error(id, format!("no matching overload for {}", builtin.name()))
                }))
            }
        }
    }

    fn pointer(&self, id: NodeId, name: &Text) -> Checked {
        let Some(scope) = self.predicates.last() else {
            return Err(self.error(id, "cannot use pointer accessor outside predicate"));
        };
        if name.is_empty() {
            return Ok(if scope.collection.is_unknown() {
                Nature::unknown()
            } else {
                scope.collection.elem()
            });
        }
        match scope
            .names
            .iter()
            .find(|(known, _)| known.as_bytes() == name.as_bytes())
        {
            Some((_, ty)) => Ok(ty.map_or_else(Nature::unknown, Nature::of)),
            None => Err(self.error(id, format!("unknown pointer #{}", name.to_str()))),
        }
    }

    fn declaration(&mut self, id: NodeId, name: &Text, value: NodeId, body: NodeId) -> Checked {
        let shown = name.to_str();
        let taken = if self.env(name).is_some() {
            Some("")
        } else if Builtin::parse(name.as_bytes()).is_some() {
            Some("builtin ")
        } else if self.variables.iter().any(|(known, _)| known == name) {
            Some("variable ")
        } else {
            None
        };
        if let Some(what) = taken {
            return Err(self.error(id, format!("cannot redeclare {what}{shown}")));
        }
        let nature = self.visit(value)?;
        self.variables.push((name.clone(), nature));
        let body = self.visit(body)?;
        self.variables.pop();
        Ok(body)
    }

    fn conditional(&mut self, condition: NodeId, then: NodeId, otherwise: NodeId) -> Checked {
        let nature = self.visit(condition)?.deref();
        if !nature.is(Class::Bool) && !nature.is_unknown() {
            let message = format!("non-bool expression (type {}) used as condition", nature.shown());
            return Err(self.error(condition, message));
        }
        let t1 = self.visit(then)?;
        let t2 = self.visit(otherwise)?;
        Ok(match (t1.is_nil, t2.is_nil) {
            (true, false) => t2,
            (false, true) => t1,
            (true, true) => Nature::nil(),
            (false, false) if t1.is_assignable_to(&t2) => {
                let (e1, e2) = (t1.elem(), t2.elem());
                let same = e1.is_assignable_to(&e2) && e2.is_assignable_to(&e1);
                if t1.is_list() && t2.is_list() && !same {
                    Nature::of(Type::SliceAny)
                } else {
                    t1
                }
            }
            (false, false) => Nature::unknown(),
        })
    }

    /// The elements are known if they are all of the kind of the last.
    fn array(&mut self, nodes: &[NodeId]) -> Checked {
        let mut last = None::<Nature>;
        let mut same = true;
        for node in nodes {
            let nature = self.visit(*node)?;
            same &= last.is_none_or(|last| last.kind() == nature.kind());
            last = Some(nature);
        }
        Ok(if same {
            Nature::list_of(last.unwrap_or_default())
        } else {
            Nature::of(Type::SliceAny)
        })
    }
}

/// # Errors
/// Go's text of what is wrong with the pattern.
pub(crate) fn compile(pattern: &Text) -> Result<Pattern, String> {
    match str::from_utf8(pattern.as_bytes()) {
        Ok(pattern) => regexp::compile(pattern),
        Err(_) => Err(format!(
            "error parsing regexp: invalid UTF-8: `{}`",
            pattern.to_str()
        )),
    }
}
