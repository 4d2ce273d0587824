//! A number of requests, as fast as a few clients get them answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use super::ask::Asker;
use super::tally::Tally;

/// What came back.
#[derive(Debug, Default)]
pub struct Burst {
    /// Counts by who served.
    pub tally: Tally,
    /// Why there was no answer, or how those were answered that do not say who served; with how often.
    pub complaints: BTreeMap<String, u64>,
}

impl Burst {
    fn add(&mut self, other: Self) {
        self.tally = std::mem::take(&mut self.tally).plus(&other.tally);
        for (complaint, times) in other.complaints {
            *self.complaints.entry(complaint).or_default() += times;
        }
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
                    Ok(answer) if answer.who.is_some() => continue,
                    Ok(answer) => format!("answered {} without saying who served", answer.status),
                    Err(error) => error.to_string(),
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
                *all.complaints
                    .entry(format!("a client ended early: {error}"))
                    .or_default() += 1;
            }
        }
    }
    all
}
