//! What a rehearsal found: one value, and three ways to show it.

mod chart;
pub mod html;
pub mod judge;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::measure::expect::Check;
use crate::measure::tally::{Count, Tally};
use crate::rehearsal::script::Ending;

/// The report of a rehearsal. `--json` writes it as it is; times are seconds since the rehearsal began.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What was rehearsed.
    pub title: String,
    /// When, RFC 3339.
    pub started: String,
    /// How long it took.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
    /// How much faster than ours the controller's clock ran.
    pub speed: f64,
    /// The traffic router.
    pub router: RouterReport,
    /// How often a correct split passes a check, 0.0 to 1.0; of several checks one fails that much more often.
    pub confidence: f64,
    /// The releases.
    pub acts: Vec<ActReport>,
    /// How the traffic was split, in order.
    pub phases: Vec<PhaseReport>,
    /// What the router was asked.
    pub calls: Vec<CallLine>,
    /// What the controller and the router said about the Rollout.
    pub events: Vec<EventLine>,
    /// What the router asked of the Kubernetes API, by verb.
    pub requests: BTreeMap<String, u64>,
    /// Counts over time, cumulative.
    pub samples: Vec<Sample>,
    /// Versions that fail on purpose.
    pub failing: BTreeSet<String>,
    /// What the stage does otherwise than the manifests say.
    pub notes: Vec<String>,
    /// Everything that is not as it should be. Empty: the rehearsal passed.
    pub problems: Vec<String>,
}

/// The traffic router.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouterReport {
    /// The name under which the Rollout configures it.
    pub name: String,
    /// The executable.
    pub program: String,
    /// From starting the process to the first answer.
    #[serde(serialize_with = "seconds")]
    pub started_in: Duration,
    /// Resident memory at the end, bytes; 0 where unknown.
    pub resident: u64,
}

/// A release.
#[derive(Debug, Clone, Serialize)]
pub struct ActReport {
    /// Heading.
    pub title: String,
    /// How it had to end.
    pub ending: Ending,
    /// Beginning.
    #[serde(serialize_with = "seconds")]
    pub from: Duration,
    /// End.
    #[serde(serialize_with = "seconds")]
    pub to: Duration,
    /// Whether it ended so.
    pub reached: bool,
}

/// A stretch of time with one split.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseReport {
    /// Number of its act; `None` before the first.
    pub act: Option<usize>,
    /// Weight of the canary.
    pub weight: i32,
    /// Expected shares by version.
    pub shares: BTreeMap<String, f64>,
    /// The router had verified them; only then counts are judged.
    pub settled: bool,
    /// Beginning.
    #[serde(serialize_with = "seconds")]
    pub from: Duration,
    /// End.
    #[serde(serialize_with = "seconds")]
    pub to: Duration,
    /// What was counted.
    pub tally: Tally,
    /// The counts judged; empty where the phase was not settled or too short.
    pub checks: Vec<Check>,
}

/// A call of the router.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallLine {
    /// When it was answered.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// Number of its act; `None` before the first.
    pub act: Option<usize>,
    /// Name and arguments.
    pub call: String,
    /// Answer or error; empty for a plain success.
    pub answer: String,
    /// It was an error.
    pub failed: bool,
    /// How long it took.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

/// An event on the Rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventLine {
    /// When.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// `controller`, or the component that wrote it.
    pub source: String,
    /// Type `Warning`.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// How often in a row.
    pub count: u64,
}

/// Counts at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// When.
    #[serde(serialize_with = "seconds")]
    pub at: Duration,
    /// The shares wanted then.
    pub shares: BTreeMap<String, f64>,
    /// Answers by version since the load began.
    pub answers: BTreeMap<String, Count>,
    /// Failed requests since the load began.
    pub failed: u64,
}

impl Report {
    /// Whether everything is as it should be.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// All checks.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.phases.iter().flat_map(|phase| &phase.checks)
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e6)
}
