//! The parts of Go's standard library whose exact behaviour a condition can see.

pub(crate) mod json;
pub(crate) mod math;
pub(crate) mod number;
pub(crate) mod print;
pub(crate) mod quote;
pub(crate) mod regexp;
pub(crate) mod sort;
pub(crate) mod strings;
pub(crate) mod utf8;
