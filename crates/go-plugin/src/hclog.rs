//! Log lines on stderr as go-plugin's host reads them (`client.go`, `logStderr`; `log_entry.go`): one JSON object a
//! line, which the host logs again at its level.
//!
//! ```
//! use std::time::Duration;
//! use tracing_subscriber::prelude::*;
//!
//! let stderr = go_plugin::hclog::stderr();
//! tracing_subscriber::registry().with(go_plugin::hclog::Layer::new(stderr.clone())).init();
//! go_plugin::hclog::log_panics(stderr.clone());
//!
//! tracing::info!(route = "default/shop", weight = 20, "route changed");
//! // {"@level":"info","@message":"route changed","@module":"rust_out","@timestamp":"2026-11-21T12:34:56.000789Z",
//! //  "route":"default/shop","weight":20}
//! stderr.flush(Duration::from_millis(200));
//! ```
//!
//! # What the host demands
//!
//! - `@level`, `@message` and `@timestamp` must be strings, the host panics otherwise; the timestamp has exactly six
//!   fractional digits (`log_entry.go`, `parseJSON`).
//! - A line longer than 64 KiB is logged in pieces and without a level (`logStderr`, `isPrefix`): longer ones are cut
//!   here, with a mark where.
//! - A line that begins with `panic: ` is logged as an error, and so is each one after it that is no JSON.
//!
//! # What the plugin demands
//!
//! Whoever logs never waits: lines go to a thread through a buffer of 1 MiB. When the host stops reading stderr and the
//! buffer is full, lines are dropped and counted, and the count is logged when the host reads again.

mod layer;
mod level;
mod line;
mod panics;
mod sink;

pub use self::{
    layer::Layer,
    level::{Level, ParseLevelError},
    panics::log_panics,
    sink::{Sink, stderr},
};

/// The line of an error outside of tracing.
#[cfg(feature = "plugin")]
pub(crate) fn error_line(message: &str) -> Vec<u8> {
    let mut line = line::Line::new("error", "go_plugin", jiff::Timestamp::now());
    line.message(message);
    line.finish()
}
