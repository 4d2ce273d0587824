//! Argo Rollouts metric provider for Datadog.
//!
//! The controller hands over a metric of an AnalysisRun; the plugin asks Datadog, judges the answer by the metric's
//! conditions, and answers with a measurement. What a metric may say is in `docs/datadog.md`.
//!
//! - [`config`] reads and checks a metric's block.
//! - [`plan`] says what is sent: windows, requests, joint requests. Pure.
//! - [`judge`] says what answers mean: readings, comparisons, verdicts. Pure.
//! - [`client`] sends: keys, budgets, gathering. It decides nothing about releases.
//! - [`measure`] goes from the one to the other, with patience, and writes measurements without secrets.
//! - [`Provider`] is the plugin; the command line runs on the same engine.
//!
//! It follows `metricproviders/datadog` of argo-rollouts 1.10.1 where a block could be the controller's own, and
//! Datadog's API as datadog-api-client-rust 0.38 and its cassettes have it.
//!
//! ```
//! use datadog::config::Config;
//! use datadog::judge::{Columns, Conditions, Reading, judge};
//! use datadog::config::Source;
//!
//! let block = serde_json::json!({"apiVersion": "v2", "query": "avg:errors{service:web}"});
//! let config = Config::parse(&block).unwrap();
//! let Source::Scalar(scalar) = &config.source else { unreachable!() };
//! let answer = serde_json::json!({"data": {"attributes": {"columns": [
//!     {"name": "query", "type": "number", "values": [0.07]},
//! ]}}});
//! let reading = Reading::of_columns(scalar, Columns::read(&answer).unwrap());
//! let verdict = judge(&config, Conditions { success: "result < 0.05", failure: "" }, &reading);
//! assert_eq!((verdict.phase.as_str(), verdict.value.as_str()), ("Failed", "0.07"));
//! ```
//!
//! # Limits
//! An answer has at most 512 KiB after decompression and 100,000 rows; a measurement's message has at most 1 KiB, its
//! value 4 KiB, each entry of its metadata 1 KiB (`groups`: 4 KiB). 20,000 measurements may be under way.
//!
//! # Differences from the controller's own provider
//! - A null of v1 is no data; there it is 0.
//! - Throttling and outages keep a measurement Running for `onError.retryFor`; there each is an Error, and five of them
//!   abort the Rollout.
//! - The end of a window is rounded down by at most 15 s and at most a twentieth of `interval`.
//! - Keys are trimmed, `DD_ADDRESS` may be absent, `DD_SITE` is read, redirects are not followed.
//! - A block with `queries` and no `apiVersion` is v2; there it is an error.

mod app;
mod cli;
pub mod client;
pub mod config;
pub mod judge;
pub mod measure;
pub mod plan;
mod provider;
mod report;
mod yaml;

pub use self::app::run;
pub use self::provider::Provider;
