//! A number of requests, as fast as a few clients get them answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use tokio::task::JoinSet;

use super::ask::{Answer, Asker};
use super::tally::Tally;

/// What came back.
#[derive(Debug, Default)]
pub struct Burst {
    /// Counts by who served.
    pub tally: Tally,
    /// By who served: answers with another status than a 2xx.
    pub statuses: BTreeMap<String, BTreeMap<u16, u64>>,
    /// Requests that reached nobody who says who they are, with how often.
    pub complaints: BTreeMap<Complaint, u64>,
}

/// Why a request counts for nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Complaint {
    /// It was answered so.
    #[error("answered {0} without saying who served")]
    Nameless(StatusCode),
    /// It was not answered.
    #[error("{0}")]
    Unanswered(String),
}

impl Burst {
    fn add(&mut self, other: Self) {
        self.tally = std::mem::take(&mut self.tally).plus(&other.tally);
        for (who, statuses) in other.statuses {
            let own = self.statuses.entry(who).or_default();
            for (status, times) in statuses {
                *own.entry(status).or_default() += times;
            }
        }
        for (complaint, times) in other.complaints {
            *self.complaints.entry(complaint).or_default() += times;
        }
    }

    /// Whether each request was answered by somebody who says who they are, and not with a 5xx. These are no fault where
    /// they are allowed, whoever they come from.
    pub fn is_well(&self, allow_errors: bool) -> bool {
        let allowed = |complaint: &Complaint| match complaint {
            Complaint::Nameless(status) => allow_errors && status.is_server_error(),
            Complaint::Unanswered(_) => false,
        };
        self.complaints.keys().all(allowed) && (allow_errors || self.tally.errors() == 0)
    }
}

/// Asks so many times, `clients` at a time.
pub async fn burst(asker: &Asker, requests: u64, clients: u32) -> Burst {
    let sent = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (asker, sent) = (asker.clone(), Arc::clone(&sent));
        tasks.spawn(async move {
            let mut burst = Burst::default();
            while sent.fetch_add(1, Ordering::Relaxed) < requests {
                let answer = asker.ask().await;
                burst.tally.add(&answer);
                let complaint = match answer {
                    Ok(Answer {
                        who: Some(who),
                        status,
                        ..
                    }) => {
                        if !status.is_success() {
                            let statuses = burst.statuses.entry(who).or_default();
                            *statuses.entry(status.as_u16()).or_default() += 1;
                        }
                        continue;
                    }
                    Ok(answer) => Complaint::Nameless(answer.status),
                    Err(error) => Complaint::Unanswered(error.to_string()),
                };
                *burst.complaints.entry(complaint).or_default() += 1;
            }
            burst
        });
    }
    let mut all = Burst::default();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(burst) => all.add(burst),
            // A client that panicked leaves its requests uncounted, which the sum of all counts shows.
            Err(error) => {
                let complaint = Complaint::Unanswered(format!("a client ended early: {error}"));
                *all.complaints.entry(complaint).or_default() += 1;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tally::Count;

    #[test]
    fn verdicts() {
        let nameless = |status| Complaint::Nameless(StatusCode::from_u16(status).unwrap());
        // 5xx of v1, complaints, whether all is well, and where errors are allowed
        let cases = [
            (0, vec![], true, true),
            (1, vec![], false, true),
            (0, vec![nameless(503)], false, true),
            (0, vec![nameless(200)], false, false),
            (0, vec![nameless(302)], false, false),
            (1, vec![nameless(503), nameless(404)], false, false),
            (0, vec![Complaint::Unanswered("late".into())], false, false),
        ];
        for (errors, complaints, strict, lenient) in cases {
            let mut burst = Burst::default();
            let count = Count { answers: 9, errors };
            burst.tally.by.insert("v1".into(), count);
            burst.complaints = complaints.into_iter().map(|one| (one, 1)).collect();
            assert_eq!(
                (burst.is_well(false), burst.is_well(true)),
                (strict, lenient),
                "{burst:?}"
            );
        }
    }
}
