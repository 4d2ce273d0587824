//! Calls of functions that are values.

use std::sync::Arc;

use crate::builtins::not_of_type;
use crate::env::Function;
use crate::error::Fault;
use crate::time::methods::{self, Method};
use crate::types::{Signature, Type};
use crate::value::{Datum, ListKind};

/// The method of a receiver that should be of its type.
pub(super) fn bind(method: &'static Method, receiver: Datum) -> Result<Datum, Box<Fault>> {
    if methods::of_datum(&receiver, method.name.as_bytes()).is_none_or(|found| !std::ptr::eq(found, method)) {
        return Err(Fault::run(format!(
            "cannot fetch {} from {}",
            method.name,
            receiver.go_type()
        )));
    }
    Ok(Datum::Function(Arc::new(Function::Bound(method, receiver))))
}

/// A call through reflection: a nil argument is the zero value of its parameter.
pub(super) fn call(function: &Datum, arguments: Vec<Datum>, result: &Datum) -> Result<Datum, Box<Fault>> {
    let function = match function {
        Datum::Nil => return Err(Fault::run("invalid operation: cannot call nil")),
        Datum::Function(function) => function,
        other => {
            return Err(Fault::run(format!(
                "invalid operation: cannot call non-function of type {}",
                other.go_type()
            )));
        }
    };
    let params = function.signature().params;
    if arguments.len() != params.len() {
        let what = if arguments.len() < params.len() {
            "few"
        } else {
            "many"
        };
        return Err(Fault::run(format!(
            "reflect: Call with too {what} input arguments"
        )));
    }
    let mut converted = arguments;
    for (argument, param) in converted.iter_mut().zip(params) {
        if matches!(argument, Datum::Nil) {
            *argument = zero(*param);
        } else if !is_of_type(argument, *param) {
            let given = argument.go_type();
            return Err(Fault::run(format!("reflect: Call using {given} as type {param}")));
        }
    }
    apply(function, &converted, result)
}

/// A call without reflection: function and arguments must be of the very types.
pub(super) fn call_typed(
    function: &Datum,
    signature: &'static Signature,
    arguments: &[Datum],
    result: &Datum,
) -> Result<Datum, Box<Fault>> {
    for (argument, param) in arguments.iter().zip(signature.params) {
        if !is_of_type(argument, *param) {
            return Err(not_of_type(argument, &param.to_string()));
        }
    }
    match function {
        Datum::Function(function) => {
            let own = function.signature();
            if own.params != signature.params || own.outs != signature.outs {
                return Err(not_of_type(
                    &Datum::Function(Arc::clone(function)),
                    &signature.to_string(),
                ));
            }
            apply(function, arguments, result)
        }
        other => Err(not_of_type(other, &signature.to_string())),
    }
}

fn apply(function: &Function, arguments: &[Datum], result: &Datum) -> Result<Datum, Box<Fault>> {
    Ok(match function {
        Function::Env(function) => function.call(arguments, result)?,
        Function::Bound(method, receiver) => (method.call)(receiver, arguments)?,
    })
}

fn zero(ty: Type) -> Datum {
    match ty {
        Type::Bool => Datum::Bool(false),
        Type::Int => Datum::Int(0),
        Type::Int64 => Datum::Int64(0),
        Type::Float64 => Datum::Float(0.0),
        Type::String => Datum::text(""),
        Type::Duration => Datum::Duration(0),
        Type::Time => Datum::Time(crate::time::Time::zero().into()),
        _ => Datum::Nil,
    }
}

fn is_of_type(datum: &Datum, ty: Type) -> bool {
    match (ty, datum) {
        (Type::Any, _)
        | (Type::Bool, Datum::Bool(_))
        | (Type::Int, Datum::Int(_))
        | (Type::Int64, Datum::Int64(_))
        | (Type::Float64, Datum::Float(_))
        | (Type::String, Datum::Text(_))
        | (Type::Duration, Datum::Duration(_))
        | (Type::Time, Datum::Time(_))
        | (Type::Location, Datum::Zone(_)) => true,
        (Type::SliceUint8, Datum::List(list)) => list.kind() == ListKind::Uint8,
        _ => false,
    }
}
