//! The names that Argo Rollouts gives to a condition besides `result` (`EvalCondition` in
//! `utils/evaluate/evaluate.go`).

use crate::go::number;
use crate::go::print;
use crate::time::methods::Method;
use crate::types::{Signature, Type};
use crate::value::Datum;

/// A function of Argo Rollouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnvFunction {
    AsInt,
    AsFloat,
    IsNaN,
    IsInf,
    IsNil,
    Default,
}

/// In the order of their names, which is also that of `keys($env)` here.
pub(crate) const NAMES: [(&str, Option<EnvFunction>); 7] = [
    ("asFloat", Some(EnvFunction::AsFloat)),
    ("asInt", Some(EnvFunction::AsInt)),
    ("default", Some(EnvFunction::Default)),
    ("isInf", Some(EnvFunction::IsInf)),
    ("isNaN", Some(EnvFunction::IsNaN)),
    ("isNil", Some(EnvFunction::IsNil)),
    ("result", None),
];

static ANY_TO_INT64: Signature = Signature::new(&[Type::Any], &[Type::Int64]);
static ANY_TO_FLOAT64: Signature = Signature::new(&[Type::Any], &[Type::Float64]);
static FLOAT64_TO_BOOL: Signature = Signature::new(&[Type::Float64], &[Type::Bool]);
static ANY_TO_BOOL: Signature = Signature::new(&[Type::Any], &[Type::Bool]);
static TWO_TO_ANY: Signature = Signature::new(&[Type::Any, Type::Any], &[Type::Any]);

impl EnvFunction {
    pub(crate) fn signature(self) -> &'static Signature {
        match self {
            Self::AsInt => &ANY_TO_INT64,
            Self::AsFloat => &ANY_TO_FLOAT64,
            Self::IsNaN | Self::IsInf => &FLOAT64_TO_BOOL,
            Self::IsNil => &ANY_TO_BOOL,
            Self::Default => &TWO_TO_ANY,
        }
    }

    /// Arguments are as many and of the types the signature says.
    ///
    /// `isNil` and `default` look at `result`, whatever they are called with: both close over it.
    ///
    /// # Errors
    /// A text or a type that is not a number; Go panics with this text.
    pub(crate) fn call(self, arguments: &[Datum], result: &Datum) -> Result<Datum, String> {
        match (self, arguments) {
            (Self::AsInt, [x]) => as_int(x).map(Datum::Int64),
            (Self::AsFloat, [x]) => as_float(x).map(Datum::Float),
            (Self::IsNaN, [Datum::Float(x)]) => Ok(Datum::Bool(x.is_nan())),
            (Self::IsInf, [Datum::Float(x)]) => Ok(Datum::Bool(x.is_infinite())),
            (Self::IsNil, [_]) => Ok(Datum::Bool(result.is_nil())),
            (Self::Default, [_, other]) => Ok(if result.is_nil() {
                other.clone()
            } else {
                result.clone()
            }),
            _ => Err(format!("wrong arguments for {self:?}")),
        }
    }
}

/// `asInt`: cuts a float, reads a decimal string.
fn as_int(x: &Datum) -> Result<i64, String> {
    match x {
        Datum::Float(x) => Ok(number::truncate(*x)),
        Datum::Text(text) => number::parse_int(text.as_bytes()),
        other => other.as_int().ok_or_else(|| not_supported("asInt", other)),
    }
}

/// `asFloat`: reads a string as `strconv.ParseFloat` does.
fn as_float(x: &Datum) -> Result<f64, String> {
    match x {
        Datum::Text(text) => number::parse_float(text.as_bytes()),
        other => other.as_float().ok_or_else(|| not_supported("asFloat", other)),
    }
}

fn not_supported(name: &str, x: &Datum) -> String {
    format!("{name}() not supported on {} {}", x.go_type(), print::short(x))
}

/// A function as a value.
#[derive(Clone, Debug)]
pub(crate) enum Function {
    Env(EnvFunction),
    /// A method and what it is a method of.
    Bound(&'static Method, Datum),
}

impl Function {
    pub(crate) fn signature(&self) -> &'static Signature {
        match self {
            Self::Env(function) => function.signature(),
            Self::Bound(method, _) => &method.signature,
        }
    }

    /// As Go prints the type. A bound method's type no longer has its receiver.
    pub(crate) fn go_type(&self) -> &'static str {
        match self {
            Self::Env(EnvFunction::AsInt) => "func(interface {}) int64",
            Self::Env(EnvFunction::AsFloat) => "func(interface {}) float64",
            Self::Env(EnvFunction::IsNaN | EnvFunction::IsInf) => "func(float64) bool",
            Self::Env(EnvFunction::IsNil) => "func(interface {}) bool",
            Self::Env(EnvFunction::Default) => "func(interface {}, interface {}) interface {}",
            Self::Bound(..) => "func",
        }
    }

    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::Env(_) => 0,
            Self::Bound(_, receiver) => receiver.depth(),
        }
    }
}
