//! The success and failure conditions of Argo Rollouts AnalysisTemplates.
//!
//! ```
//! use conditions::{Phase, Value, evaluate, phase};
//!
//! let monitors = Value::from(serde_json::json!({"status": [{"name": "OK", "count": 5}, {"name": "Alert", "count": 0}]}));
//! assert!(evaluate(&monitors, "none(result.status, {.name == 'Alert' && .count > 0})")?);
//!
//! assert_eq!(phase("result <= 0.05", "", &Value::from(0.2)).unwrap(), Phase::Failed);
//!
//! let error = evaluate(&Value::from(0.2), "results <= 0.05").unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "unknown name results (1:1)\n | results <= 0.05\n | ^\nhelp: did you mean `result`?"
//! );
//! # Ok::<(), conditions::Error>(())
//! ```
//!
//! # What it follows
//!
//! A condition means what it means to the controller: `utils/evaluate/evaluate.go` of Argo Rollouts v1.10, which hands
//! it to [expr](https://expr-lang.org) v1.17.7 with `result` and the functions `asInt`, `asFloat`, `isNaN`, `isInf`,
//! `isNil` and `default`. Lexer, parser, type checker, optimizer, instructions and built-ins follow expr's, oddities
//! included; each names its source. `tests/interop` compares this crate with the Go evaluator on random conditions.
//!
//! A condition is checked before it runs, against the type that `result` has at that moment. This is why
//! `result == nil || result < 0.05` is an error where there is no data: nil is not less than anything.
//!
//! # Limits
//!
//! Conditions come from many tenants and run in one process. [`Limits`] bounds what one may cost; Go has two of the six
//! budgets. No condition makes this crate panic, recurse without bound, or read a file: time zones are compiled in.
//!
//! # Differences from Go
//!
//! * An error has a place, a caret, and often a hint; Argo Rollouts drops expr's place.
//! * Where Go would run for hours, allocate gigabytes, or end the process, there is an error of kind
//!   [`ErrorKind::Limit`].
//! * Maps are iterated in the order of their keys, where Go's order is random.
//! * `x ** y` with a fractional `y` is that of amd64 with FMA; elsewhere Go's own last bit is another. Letters or digits
//!   younger than Go's Unicode tables may differ.
//! * Of the methods of `time.Time` those that serialize for other Go programs are missing, and patterns are limited to
//!   a mebibyte when compiled.
//! * The integer types that no provider gives (`int8`, `uint` …) do not exist.

mod builtins;
mod condition;
mod env;
mod error;
mod go;
mod help;
mod limits;
mod machine;
mod phase;
mod program;
mod rewrite;
mod stack;
mod syntax;
mod time;
mod types;
mod value;

pub use self::condition::{Condition, evaluate};
pub use self::error::{Error, ErrorKind};
pub use self::limits::Limits;
pub use self::phase::{Phase, PhaseError, phase, phase_within};
pub use self::value::{NotationError, Value};
