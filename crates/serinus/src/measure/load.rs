//! A steady stream of requests, counted by phases.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::ask::Asker;
use super::tally::Tally;
use crate::stage::http::Owned;

/// Requests that go on until this is dropped. A request belongs to the phase in which it was sent.
#[derive(Debug)]
pub struct Load {
    phases: Arc<Mutex<Vec<Tally>>>,
    _clients: Vec<Owned>,
}

impl Load {
    /// Starts `clients` that together send about `rate` requests a second.
    pub fn start(asker: &Asker, clients: u32, rate: f64) -> Self {
        let phases = Arc::new(Mutex::new(vec![Tally::default()]));
        let period = Duration::from_secs_f64(f64::from(clients) / rate);
        let client = |i: u32| {
            let (asker, phases) = (asker.clone(), Arc::clone(&phases));
            let first = Instant::now() + period.mul_f64(f64::from(i) / f64::from(clients));
            Owned::spawn(async move {
                let mut ticks = tokio::time::interval_at(first, period);
                // A client that falls behind sends less, not a burst.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    let phase = lock(&phases).len() - 1;
                    let answer = asker.ask().await;
                    if let Err(error) = &answer {
                        tracing::debug!(%error, "no answer");
                    }
                    lock(&phases)[phase].add(&answer);
                }
            })
        };
        Self {
            _clients: (0..clients).map(client).collect(),
            phases,
        }
    }

    /// Begins another phase and returns its number.
    pub fn begin(&self) -> usize {
        let mut phases = lock(&self.phases);
        phases.push(Tally::default());
        phases.len() - 1
    }

    /// What was counted in a phase so far.
    pub fn tally(&self, phase: usize) -> Tally {
        lock(&self.phases).get(phase).cloned().unwrap_or_default()
    }

    /// What was counted in all phases together.
    pub fn total(&self) -> Tally {
        lock(&self.phases).iter().fold(Tally::default(), Tally::plus)
    }
}

fn lock(phases: &Mutex<Vec<Tally>>) -> MutexGuard<'_, Vec<Tally>> {
    phases.lock().unwrap_or_else(PoisonError::into_inner)
}
