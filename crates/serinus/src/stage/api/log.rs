//! What was asked of the API, so that a report can show what the plugin did.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// How many requests are kept; a release makes some hundred.
const KEPT: usize = 10_000;

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Time since the stage began.
    pub at: Duration,
    /// Kubernetes verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// Path and query.
    pub path: String,
    /// The client's `User-Agent`.
    pub agent: String,
    /// HTTP status of the answer.
    pub status: u16,
}

/// The last requests, and how many there were in all.
#[derive(Debug, Default)]
pub struct RequestLog {
    kept: VecDeque<Request>,
    total: u64,
}

impl RequestLog {
    /// Adds one.
    pub fn push(&mut self, request: Request) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(request);
        self.total += 1;
    }

    /// How many there were since the stage began.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The requests after the first `seen`, as far as they are kept.
    pub fn since(&self, seen: u64) -> impl Iterator<Item = &Request> {
        let dropped = self.total - self.kept.len() as u64;
        self.kept
            .iter()
            .skip(usize::try_from(seen.saturating_sub(dropped)).unwrap_or(usize::MAX))
    }
}
