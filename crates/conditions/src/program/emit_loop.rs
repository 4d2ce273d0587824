//! The built-ins with a predicate, as loops.

use super::emit::{Emitted, Emitter, LATER};
use super::op::Op;
use crate::builtins::Builtin;
use crate::syntax::{BuiltinCall, NodeId};
use crate::value::Datum;

impl Emitter<'_> {
    /// A loop, its list on the stack until `Begin` takes it.
    pub(super) fn predicate(&mut self, id: NodeId, call: &BuiltinCall) -> Emitted {
        self.value(call.arguments[0], id)?;
        self.op(Op::Begin);
        let body = call.arguments.get(1).copied();
        match call.builtin {
            Builtin::All => self.quantifier(id, body, false, Op::JumpIfFalse(LATER), true)?,
            Builtin::None => self.quantifier(id, body, true, Op::JumpIfFalse(LATER), true)?,
            Builtin::Any => self.quantifier(id, body, false, Op::JumpIfTrue(LATER), false)?,
            Builtin::One | Builtin::Count => {
                self.forwards(|emitter| {
                    emitter.body(id, body)?;
                    emitter.if_true(|emitter| {
                        emitter.op(Op::NextCount);
                        Ok(())
                    })
                })?;
                self.op(Op::GetCount);
                if call.builtin == Builtin::One {
                    self.op(Op::Int(1));
                    self.op(Op::Equal);
                }
                self.op(Op::End);
            }
            Builtin::Filter => {
                self.forwards(|emitter| {
                    emitter.body(id, body)?;
                    emitter.if_true(|emitter| {
                        emitter.op(Op::NextCount);
                        emitter.body(id, call.map)
                    })
                })?;
                self.op(Op::GetCount);
                self.op(Op::End);
                self.op(Op::Array);
            }
            Builtin::Map => {
                self.forwards(|emitter| emitter.body(id, body))?;
                self.op(Op::GetLen);
                self.op(Op::End);
                self.op(Op::Array);
            }
            Builtin::Sum => {
                self.op(Op::Int(0));
                self.op(Op::SetAcc);
                self.forwards(|emitter| {
                    emitter.body(id, body)?;
                    emitter.op(Op::GetAcc);
                    emitter.op(Op::Add);
                    emitter.op(Op::SetAcc);
                    Ok(())
                })?;
                self.op(Op::GetAcc);
                self.op(Op::End);
            }
            Builtin::Find | Builtin::FindIndex | Builtin::FindLast | Builtin::FindLastIndex => {
                self.find(id, call, body)?;
            }
            Builtin::GroupBy => {
                self.op(Op::BeginGroups);
                self.forwards(|emitter| {
                    emitter.body(id, body)?;
                    emitter.op(Op::Group);
                    Ok(())
                })?;
                self.op(Op::Groups);
                self.op(Op::End);
            }
            Builtin::SortBy => {
                match call.arguments.get(2) {
                    Some(order) => self.node(*order, Some(id))?,
                    None => self.push(Datum::text("asc")),
                }
                self.op(Op::BeginSort);
                self.forwards(|emitter| {
                    emitter.body(id, body)?;
                    emitter.op(Op::SortValue);
                    Ok(())
                })?;
                self.op(Op::Sort);
                self.op(Op::End);
            }
            _ => {
                match call.arguments.get(2) {
                    Some(initial) => self.value(*initial, id)?,
                    None => {
                        self.op(Op::Pointer);
                        self.op(Op::NextIndex);
                    }
                }
                self.op(Op::SetAcc);
                self.forwards(|emitter| {
                    emitter.body(id, body)?;
                    emitter.op(Op::SetAcc);
                    Ok(())
                })?;
                self.op(Op::GetAcc);
                self.op(Op::End);
            }
        }
        Ok(())
    }

    /// The predicate, or the element itself where there is none.
    fn body(&mut self, id: NodeId, body: Option<NodeId>) -> Emitted {
        match body {
            Some(body) => self.node(body, Some(id)),
            None => {
                self.op(Op::Pointer);
                Ok(())
            }
        }
    }

    /// Leaves the loop with the first answer that decides; `otherwise` is the answer where none does.
    fn quantifier(
        &mut self,
        id: NodeId,
        body: Option<NodeId>,
        negated: bool,
        decide: Op,
        otherwise: bool,
    ) -> Emitted {
        let mut leave = 0;
        self.forwards(|emitter| {
            emitter.body(id, body)?;
            if negated {
                emitter.op(Op::Not);
            }
            leave = emitter.op(decide);
            emitter.op(Op::Pop);
            Ok(())
        })?;
        self.op(Op::Bool(otherwise));
        self.land(leave);
        self.op(Op::End);
        Ok(())
    }

    fn find(&mut self, id: NodeId, call: &BuiltinCall, body: Option<NodeId>) -> Emitted {
        let mut leave = 0;
        let is_index = matches!(call.builtin, Builtin::FindIndex | Builtin::FindLastIndex);
        let round = |emitter: &mut Self| {
            emitter.body(id, body)?;
            let next = emitter.op(Op::JumpIfFalse(LATER));
            emitter.op(Op::Pop);
            if is_index {
                emitter.op(Op::GetIndex);
            } else {
                emitter.body(id, call.map)?;
            }
            leave = emitter.op(Op::Jump(LATER));
            emitter.land(next);
            emitter.op(Op::Pop);
            Ok(())
        };
        if matches!(call.builtin, Builtin::FindLast | Builtin::FindLastIndex) {
            self.backwards(round)?;
        } else {
            self.forwards(round)?;
        }
        self.op(if call.throws { Op::Throw } else { Op::Nil });
        self.land(leave);
        self.op(Op::End);
        Ok(())
    }

    fn if_true(&mut self, then: impl FnOnce(&mut Self) -> Emitted) -> Emitted {
        let skip = self.op(Op::JumpIfFalse(LATER));
        self.op(Op::Pop);
        then(self)?;
        let to_end = self.op(Op::Jump(LATER));
        self.land(skip);
        self.op(Op::Pop);
        self.land(to_end);
        Ok(())
    }

    fn forwards(&mut self, body: impl FnOnce(&mut Self) -> Emitted) -> Emitted {
        let begin = self.here();
        let end = self.op(Op::JumpIfEnd(LATER));
        body(self)?;
        self.op(Op::NextIndex);
        self.op(Op::Jump(begin));
        self.land(end);
        Ok(())
    }

    /// The answers to "is there another element" stay on the stack, as they do in expr.
    fn backwards(&mut self, body: impl FnOnce(&mut Self) -> Emitted) -> Emitted {
        self.op(Op::GetLen);
        self.op(Op::Int(1));
        self.op(Op::Subtract);
        self.op(Op::SetIndex);
        let begin = self.here();
        self.op(Op::GetIndex);
        self.op(Op::Int(0));
        self.op(Op::MoreOrEqual);
        let end = self.op(Op::JumpIfFalse(LATER));
        body(self)?;
        self.op(Op::PreviousIndex);
        self.op(Op::Jump(begin));
        self.land(end);
        Ok(())
    }
}
