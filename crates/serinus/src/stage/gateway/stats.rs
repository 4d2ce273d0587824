//! What the gateway counted, by backend and by version.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// `<namespace>/<name>` of the Service, empty where no rule or backend was found.
    pub service: String,
    /// Pod template hash of the pods behind it, empty where there were none.
    pub hash: String,
}

/// How often, and how well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests answered.
    pub requests: u64,
    /// Of these with a 5xx.
    pub errors: u64,
    /// Sum of the times to the answer's head.
    pub latency: Duration,
}

impl Counts {
    /// What was counted after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            errors: self.errors - earlier.errors,
            latency: self.latency - earlier.latency,
        }
    }
}

/// Counts since the stage began.
#[derive(Debug, Default)]
pub struct Stats {
    counts: Mutex<BTreeMap<Served, Counts>>,
}

impl Stats {
    /// Counts one answer.
    pub fn count(&self, served: Served, status: http::StatusCode, latency: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counts.entry(served).or_default();
        entry.requests += 1;
        entry.errors += u64::from(status.is_server_error());
        entry.latency += latency;
    }

    /// All answers of the pods of one template.
    pub fn of_hash(&self, hash: &str) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .filter(|(served, _)| served.hash == hash)
            .fold(Counts::default(), |sum, (_, c)| Counts {
                requests: sum.requests + c.requests,
                errors: sum.errors + c.errors,
                latency: sum.latency + c.latency,
            })
    }
}
