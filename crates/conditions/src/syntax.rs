//! From the text of a condition to its tree.

mod ast;
mod lexer;
mod literal;
mod operator;
mod parser;
mod postfix;
mod print;
mod token;

pub(crate) use self::ast::{BuiltinCall, Node, NodeId, NodeKind, Tree};
pub(crate) use self::operator::{Operator, UnaryOperator};
pub(crate) use self::parser::parse;
pub(crate) use self::print::print;
