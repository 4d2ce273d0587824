//! A measurement from beginning to end: keys, window, requests, verdict, and patience in between.

mod annotate;
mod engine;
mod observe;
mod render;
mod secrecy;
mod subject;
mod wall_clock;

pub use self::annotate::plan_event;
pub use self::engine::{Engine, Finished, Progress, State};
pub use self::observe::{observe, plan_calls, read_recorded};
pub use self::render::{broken, describe, finished, running};
pub use self::secrecy::Redactor;
pub(crate) use self::subject::block;
pub use self::subject::{Key, Subject};
pub use self::wall_clock::WallClock;

/// The entries of a measurement's metadata that a restarted plugin goes on from.
pub(crate) const KEPT: [&str; 2] = [engine::FAILING_SINCE, engine::EVALUATION];
