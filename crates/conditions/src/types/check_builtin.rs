//! Calls: of functions, and of the built-ins that take a predicate.

use super::Type;
use super::check::{Checked, Checker, Scope};
use super::nature::{Class, Nature};
use super::{Kind, Signature};
use crate::builtins::Builtin;
use crate::error::Failure;
use crate::syntax::{NodeId, NodeKind, Operator};

impl Checker<'_> {
    pub(super) fn builtin(&mut self, id: NodeId, builtin: Builtin, arguments: &[NodeId]) -> Checked {
        match builtin {
            Builtin::All | Builtin::None | Builtin::Any | Builtin::One => {
                self.bool_predicate(builtin, arguments)?;
                Ok(Nature::of(Type::Bool))
            }
            Builtin::Filter => {
                let collection = self.bool_predicate(builtin, arguments)?;
                Ok(if collection.is_unknown() {
                    Nature::of(Type::SliceAny)
                } else {
                    Nature::list_of(collection.elem())
                })
            }
            Builtin::Find | Builtin::FindLast => {
                let collection = self.bool_predicate(builtin, arguments)?;
                Ok(if collection.is_unknown() {
                    Nature::unknown()
                } else {
                    collection.elem()
                })
            }
            Builtin::FindIndex | Builtin::FindLastIndex => {
                self.bool_predicate(builtin, arguments)?;
                Ok(Nature::of(Type::Int))
            }
            Builtin::Count => {
                if arguments.len() == 1 {
                    self.collection(builtin, arguments[0])?;
                } else {
                    self.bool_predicate(builtin, arguments)?;
                }
                Ok(Nature::of(Type::Int))
            }
            Builtin::Map => {
                let collection = self.collection(builtin, arguments[0])?;
                let value = self.predicate(arguments[1], collection, INDEX)?;
                Ok(Nature::list_of(self.value_of(arguments[1], value)?))
            }
            Builtin::Sum => {
                let collection = self.collection(builtin, arguments[0])?;
                match arguments.get(1) {
                    Some(predicate) => {
                        let value = self.predicate(*predicate, collection, NO_NAMES)?;
                        let value = self.value_of(*predicate, value)?;
                        // Only the type is kept, and a value of unknown type has the type any.
                        Ok(Nature::of(value.ty.unwrap_or(Type::Any)))
                    }
                    None if collection.is_unknown() => Ok(Nature::unknown()),
                    None => Ok(collection.elem()),
                }
            }
            Builtin::GroupBy => {
                let collection = self.collection(builtin, arguments[0])?;
                let elem = collection.elem();
                let value = self.predicate(arguments[1], collection, NO_NAMES)?;
                self.value_of(arguments[1], value)?;
                let groups = Nature::of(Type::MapAnySlice);
                // expr keeps the type of the groups in a place that nobody reads for a map.
                Ok(Nature {
                    elem: Some(Nature::list_of(elem).into()),
                    ..groups
                })
            }
            Builtin::SortBy => {
                let collection = self.collection(builtin, arguments[0])?;
                let value = self.predicate(arguments[1], collection.clone(), NO_NAMES)?;
                if let Some(order) = arguments.get(2) {
                    self.visit(*order)?;
                }
                self.value_of(arguments[1], value)?;
                Ok(collection)
            }
            Builtin::Reduce => {
                let collection = self.collection(builtin, arguments[0])?;
                let value = self.predicate(arguments[1], collection, INDEX_AND_ACC)?;
                if let Some(initial) = arguments.get(2) {
                    self.visit(*initial)?;
                }
                if value.is_nil {
                    return Err(self.error(
                        arguments[1],
                        "predicate should has two input and one output param",
                    ));
                }
                Ok(value)
            }
            Builtin::Get => self.get(id, arguments),
            other => self.function(id, other, arguments),
        }
    }

    /// The first argument, which must be a list as far as is known.
    fn collection(&mut self, builtin: Builtin, argument: NodeId) -> Checked {
        let collection = self.visit(argument)?.deref();
        if !collection.is_list() && !collection.is_unknown() {
            let message = format!(
                "builtin {} takes only array (got {})",
                builtin.name(),
                collection.shown()
            );
            return Err(self.error(argument, message));
        }
        Ok(collection)
    }

    fn predicate(
        &mut self,
        predicate: NodeId,
        collection: Nature,
        names: &'static [(&'static str, Option<Type>)],
    ) -> Checked {
        self.predicates.push(Scope { collection, names });
        let value = self.visit(predicate)?;
        self.predicates.pop();
        Ok(value)
    }

    /// A predicate that is nil is no function with a result.
    fn value_of(&self, predicate: NodeId, value: Nature) -> Checked {
        if value.is_nil {
            return Err(self.error(predicate, "predicate should has one input and one output param"));
        }
        Ok(value)
    }

    /// A collection and a predicate that says yes or no; gives what the collection is.
    fn bool_predicate(&mut self, builtin: Builtin, arguments: &[NodeId]) -> Checked {
        let collection = self.collection(builtin, arguments[0])?;
        let value = self.predicate(arguments[1], collection.clone(), NO_NAMES)?;
        let value = self.value_of(arguments[1], value)?;
        if !value.is(Class::Bool) && !value.is_unknown() {
            let message = format!("predicate should return boolean (got {})", value.shown());
            return Err(self.error(arguments[1], message));
        }
        Ok(collection)
    }

    fn get(&mut self, id: NodeId, arguments: &[NodeId]) -> Checked {
        let [from, key] = *arguments else {
            let message = format!(
                "invalid number of arguments (expected 2, got {})",
                arguments.len()
            );
            return Err(self.error(id, message));
        };
        let base = self.visit(from)?;
        let prop = self.visit(key)?.deref();
        if self.is_env(from) {
            let known = self.tree.literal_text(key).and_then(|name| self.env(name));
            return Ok(known.unwrap_or_else(Nature::unknown));
        }
        if base.is_unknown() {
            return Ok(Nature::unknown());
        }
        match base.kind() {
            Some(Kind::Slice) => {
                if !prop.is(Class::Integer) && !prop.is_unknown() {
                    return Err(self.error(key, format!("non-integer slice index {}", prop.shown())));
                }
                Ok(base.elem())
            }
            Some(Kind::Map) => {
                if !prop.is_assignable_to(&base.key()) && !prop.is_unknown() {
                    let message = format!(
                        "cannot use {} to get an element from {}",
                        prop.shown(),
                        base.shown()
                    );
                    return Err(self.error(key, message));
                }
                Ok(base.elem())
            }
            _ => Err(self.error(from, format!("type {} does not support indexing", base.shown()))),
        }
    }

    /// Arguments against a signature; gives the first result.
    pub(super) fn arguments(
        &mut self,
        id: NodeId,
        name: &str,
        signature: &'static Signature,
        arguments: &[NodeId],
    ) -> Checked {
        if signature.outs.len() > 2 {
            return Err(self.error(id, format!("func {name} returns more then two values")));
        }
        let params = signature.params;
        if !signature.variadic && arguments.len() != params.len() {
            let what = if arguments.len() > params.len() {
                "too many"
            } else {
                "not enough"
            };
            // What is wrong inside an argument is told first.
            for argument in arguments {
                self.visit(*argument)?;
            }
            return Err(self.error(id, format!("{what} arguments to call {name}")));
        }
        for (index, argument) in arguments.iter().enumerate() {
            let given = self.visit(*argument)?;
            let param = if signature.variadic && index + 1 >= params.len() {
                params[params.len() - 1].elem().unwrap_or(Type::Any)
            } else {
                params[index]
            };
            self.argument(*argument, &given, param, name)?;
        }
        Ok(signature
            .outs
            .first()
            .copied()
            .map_or_else(Nature::unknown, Nature::of))
    }

    fn argument(&mut self, argument: NodeId, given: &Nature, param: Type, name: &str) -> Result<(), Failure> {
        if given.is(Class::Integer) {
            if param == Type::Float64 {
                // Literals become floats; anything else stays what it is, and fails when it runs.
                self.make_float(argument);
                return Ok(());
            }
            // Integers of all sizes pass, as far as the checker is concerned.
            if matches!(param, Type::Int | Type::Int64 | Type::Uint8) {
                return Ok(());
            }
        }
        if given.is_nil {
            if matches!(param.kind(), Kind::Pointer | Kind::Interface) {
                return Ok(());
            }
            return Err(self.error(
                argument,
                format!("cannot use nil as argument (type {param}) to call {name}"),
            ));
        }
        let expected = Nature::of(param);
        if given.is_assignable_to(&expected)
            || given.deref().is_assignable_to(&expected)
            || given.is_unknown()
        {
            return Ok(());
        }
        let message = format!(
            "cannot use {} as argument (type {param}) to call {name} ",
            given.shown()
        );
        Err(self.error(argument, message))
    }

    /// Integer literals in a sum, difference or product become floats.
    fn make_float(&mut self, id: NodeId) {
        match *self.tree.kind(id) {
            NodeKind::Integer(n) => {
                let node = &mut self.tree[id];
                node.kind = NodeKind::Float(n as f64);
                node.ty = Some(Type::Float64);
            }
            NodeKind::Unary { node, .. } => self.make_float(node),
            NodeKind::Binary {
                operator: Operator::Add | Operator::Subtract | Operator::Multiply,
                left,
                right,
            } => {
                self.make_float(left);
                self.make_float(right);
            }
            _ => {}
        }
    }
}

const NO_NAMES: &[(&str, Option<Type>)] = &[];
const INDEX: &[(&str, Option<Type>)] = &[("index", Some(Type::Int))];
const INDEX_AND_ACC: &[(&str, Option<Type>)] = &[("index", Some(Type::Int)), ("acc", None)];
