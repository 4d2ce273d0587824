//! What answers mean, as functions of configuration and answer. Nothing here does I/O.

mod columns;
mod comparison;
pub mod conditions;
mod gate;
mod groups;
mod monitor;
mod number;
mod problem;
mod reading;
mod series;
mod slo;
pub mod statistics;
mod verdict;

pub use self::columns::{Column, Columns};
pub use self::comparison::{compare_series, compare_values};
pub use self::gate::{Evaluation, evaluation_id};
pub use self::monitor::{Found, read_monitor, read_monitor_search};
pub use self::number::format_number;
pub use self::problem::{brief, cut, problem_of};
pub use self::reading::{Reading, Result};
pub use self::series::{Series, read_timeseries, read_v1};
pub use self::slo::read_slo;
pub use self::verdict::{Conditions, Verdict, check_conditions, judge};

/// An answer that is not what Datadog documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Datadog's answer cannot be read: {0}")]
pub struct Unreadable(pub String);
