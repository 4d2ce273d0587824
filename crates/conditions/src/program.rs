//! A condition as instructions of a stack machine (`compiler/compiler.go` of expr).
//!
//! The instructions are expr's, one for one, because its stack shows: `findLast` leaves what it counted with below its
//! answer, and an operator that reaches for its left operand finds that. A condition must get the answer that Go gives.

mod emit;
mod emit_loop;
mod op;

pub(crate) use self::emit::emit;
pub(crate) use self::op::{Op, Program};
