//! What a condition's types are before it runs (`checker` of expr).

mod check;
mod check_builtin;
mod check_operator;
mod nature;
mod ty;

pub(crate) use self::check::{check, compile};
pub(crate) use self::ty::{Kind, Signature, Type};
