//! A condition, compiled.

use std::time::SystemTime;

use crate::error::{Error, Failure};
use crate::help;
use crate::limits::Limits;
use crate::machine::{self, Meter};
use crate::program::{self, Program};
use crate::rewrite;
use crate::stack;
use crate::syntax;
use crate::types::{self, Type};
use crate::value::{Datum, ListKind, MapKind, Value};

/// A condition that was read and checked against the type of a result, ready to be evaluated any number of times.
///
/// ```
/// use conditions::{Condition, Value};
///
/// let condition = Condition::compile("all(result, # < 0.05) and len(result) >= 2", &Value::from(vec![0.0]))?;
/// assert!(condition.evaluate(&Value::from(vec![0.01, 0.02]))?);
/// assert!(!condition.evaluate(&Value::from(vec![0.01]))?);
/// # Ok::<(), conditions::Error>(())
/// ```
#[derive(Debug)]
pub struct Condition {
    source: String,
    shape: Option<Type>,
    program: Program,
    limits: Limits,
}

impl Condition {
    /// Compiles a condition for results of the type that `like` has; the value itself does not matter.
    ///
    /// # Errors
    /// When the text is no expression, or its types do not fit, be it in a branch that would never be taken.
    pub fn compile(source: &str, like: &Value) -> Result<Self, Error> {
        Self::compile_within(source, like, &Limits::default())
    }

    /// [`Condition::compile`] under other budgets.
    ///
    /// # Errors
    /// As [`Condition::compile`].
    pub fn compile_within(source: &str, like: &Value, limits: &Limits) -> Result<Self, Error> {
        let shape = type_of(&like.0);
        let compiled = stack::deep(stack::levels(source), limits.depth, || {
            compile(source, shape, limits)
        });
        match compiled {
            Ok(program) => Ok(Self {
                source: source.to_owned(),
                shape,
                program,
                limits: limits.clone(),
            }),
            Err(failure) => Err(explain(failure, source, like)),
        }
    }

    /// Evaluates the condition.
    ///
    /// A result of another type than the condition was compiled for compiles it again, at the cost of that: Argo
    /// Rollouts compiles with every measurement.
    ///
    /// # Errors
    /// When the run fails, exceeds a budget, or ends with something that is neither true nor false.
    pub fn evaluate(&self, result: &Value) -> Result<bool, Error> {
        self.evaluate_at(result, SystemTime::now)
    }

    /// [`Condition::evaluate`] with a clock for `now()`.
    ///
    /// # Errors
    /// As [`Condition::evaluate`].
    pub fn evaluate_at(&self, result: &Value, now: fn() -> SystemTime) -> Result<bool, Error> {
        if type_of(&result.0) != self.shape {
            return Self::compile_within(&self.source, result, &self.limits)?.evaluate_at(result, now);
        }
        let mut meter = Meter::new(&self.limits, now);
        let outcome = match meter.check_depth(result.0.depth()) {
            Ok(()) => machine::run(&self.program, &result.0, &mut meter),
            Err(fault) => Err(Failure { at: None, fault }),
        };
        let answer = outcome.and_then(|answer| match answer {
            Datum::Bool(answer) => Ok(answer),
            other => Err(Failure::not_bool(format!(
                "expected bool, but got {}",
                other.go_type()
            ))),
        });
        answer.map_err(|failure| explain(failure, &self.source, result))
    }

    /// The text that was compiled.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Compiles and evaluates a condition once.
///
/// # Errors
/// As [`Condition::compile`] and [`Condition::evaluate`].
///
/// # Examples
/// ```
/// use conditions::{Value, evaluate};
///
/// assert!(evaluate(&Value::from(0.03), "result < 0.05")?);
/// # Ok::<(), conditions::Error>(())
/// ```
pub fn evaluate(result: &Value, condition: &str) -> Result<bool, Error> {
    Condition::compile(condition, result)?.evaluate(result)
}

fn compile(source: &str, shape: Option<Type>, limits: &Limits) -> Result<Program, Failure> {
    // Chained comparisons have their middle twice, and those within each other twice as often: few nodes can make many
    // visits. A tree without them is visited once by each pass.
    let visits = limits.nodes.saturating_mul(100);
    let (mut tree, root) = syntax::parse(source, limits)?;
    types::check(&mut tree, root, shape, visits)?;
    let root = rewrite::rewrite(&mut tree, root, visits)?;
    program::emit(&tree, root, visits)
}

fn explain(failure: Failure, source: &str, result: &Value) -> Error {
    let help = help::guess(&failure, source, result);
    Error::new(failure, source, help)
}

/// The type a result is checked as; nil has none.
fn type_of(datum: &Datum) -> Option<Type> {
    Some(match datum {
        Datum::Nil => return None,
        Datum::Bool(_) => Type::Bool,
        Datum::Int(_) => Type::Int,
        Datum::Float(_) => Type::Float64,
        Datum::Text(_) => Type::String,
        Datum::List(list) if list.kind() == ListKind::Float64 => Type::SliceFloat64,
        Datum::List(_) => Type::SliceAny,
        Datum::Map(map) if map.kind() == MapKind::StringAny => Type::MapStringAny,
        // No constructor of `Value` makes anything else.
        _ => Type::Any,
    })
}
