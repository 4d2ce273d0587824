//! Letting requests pass, as the budgets allow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Exchange;
use super::http::Sent;
use super::{Account, Bucket, Budget, Failure};
use crate::plan::Endpoint;

/// What is left of a budget.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BudgetLeft {
    /// Datadog's name of the bucket, or the endpoint's where it has none.
    pub bucket: String,
    /// Where the keys came from.
    pub keys: String,
    /// Requests left in this period.
    pub remaining: u64,
    /// Requests a period.
    pub limit: u64,
}

/// The budgets of the process.
#[derive(Default)]
pub(super) struct Rates {
    buckets: HashMap<(Arc<Account>, String), Bucket>,
    names: HashMap<(Arc<Account>, Endpoint), String>,
}

impl Exchange {
    /// How long an endpoint is closed for an account, and why; [`None`] where a request may be sent.
    pub fn closed(&self, account: &Arc<Account>, endpoint: Endpoint) -> Option<Failure> {
        let wait = self.wait(account, endpoint);
        (wait > Duration::from_millis(500)).then(|| self.postponed(endpoint, wait))
    }

    /// What the last answer said of an endpoint's budget.
    pub fn budget_left(&self, account: &Arc<Account>, endpoint: Endpoint) -> Option<String> {
        let now = self.now();
        self.with_bucket(account, endpoint, |bucket, _| bucket.describe(now))
    }

    /// What is left of each budget that is known, as Datadog told it last.
    pub fn budgets(&self) -> Vec<BudgetLeft> {
        let now = self.now();
        let rates = self.0.rates.lock().expect("no panic holds this lock");
        let mut left: Vec<BudgetLeft> = rates
            .buckets
            .iter()
            .filter_map(|((account, bucket), state)| {
                let (remaining, limit) = state.left(now)?;
                Some(BudgetLeft {
                    bucket: bucket.clone(),
                    keys: account.origin.clone(),
                    remaining,
                    limit,
                })
            })
            .collect();
        left.sort();
        left
    }

    /// How many requests an endpoint's budget still allows in this period.
    pub(super) fn room(&self, account: &Arc<Account>, endpoint: Endpoint) -> u64 {
        let now = self.now();
        self.with_bucket(account, endpoint, |bucket, budget| bucket.room(now, budget))
    }

    pub(super) async fn admit(&self, account: &Arc<Account>, endpoint: Endpoint) -> Result<Ticket, Failure> {
        let began = Instant::now();
        loop {
            let now = self.now();
            let until = match self.with_bucket(account, endpoint, |bucket, budget| bucket.admit(now, budget))
            {
                Ok(()) => {
                    return Ok(Ticket {
                        exchange: self.clone(),
                        account: account.clone(),
                        endpoint,
                        sent: Sent::default(),
                    });
                }
                Err(until) => until,
            };
            let wait = Duration::from_millis(until.saturating_sub(now).max(1));
            // The slow start is worth waiting for; a used up budget is not.
            if wait > Duration::from_millis(200) || began.elapsed() > Duration::from_secs(3) {
                return Err(self.postponed(endpoint, wait));
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn postponed(&self, endpoint: Endpoint, wait: Duration) -> Failure {
        self.0.counters.postponed.fetch_add(1, Ordering::Relaxed);
        let seconds = wait.as_secs_f64().ceil();
        Failure::Throttled {
            wait,
            why: format!(
                "the budget of {} requests is used up for {seconds}s",
                endpoint.name()
            ),
        }
    }

    pub(super) fn wait(&self, account: &Arc<Account>, endpoint: Endpoint) -> Duration {
        let now = self.now();
        let until = self
            .with_bucket(account, endpoint, |bucket, budget| bucket.check(now, budget))
            .err();
        Duration::from_millis(until.map_or(0, |until| until.saturating_sub(now)))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn with_bucket<T>(
        &self,
        account: &Arc<Account>,
        endpoint: Endpoint,
        with: impl FnOnce(&mut Bucket, Budget) -> T,
    ) -> T {
        let mut rates = self.0.rates.lock().expect("no panic holds this lock");
        let name = rates
            .names
            .get(&(account.clone(), endpoint))
            .cloned()
            .unwrap_or_else(|| endpoint.name().to_owned());
        with(
            rates.buckets.entry((account.clone(), name)).or_default(),
            self.0.settings.budget,
        )
    }

    /// Endpoints whose answers name the same bucket share a budget from then on.
    fn learn(&self, account: &Arc<Account>, endpoint: Endpoint, name: &str) {
        let mut rates = self.0.rates.lock().expect("no panic holds this lock");
        let known = rates.names.insert((account.clone(), endpoint), name.to_owned());
        if known.as_deref() != Some(name) {
            let before = known.unwrap_or_else(|| endpoint.name().to_owned());
            if let Some(bucket) = rates.buckets.remove(&(account.clone(), before)) {
                rates
                    .buckets
                    .entry((account.clone(), name.to_owned()))
                    .or_insert(bucket);
            }
        }
    }
}

/// A request that was let pass. Its fate is told to its bucket even where nobody waits for it any more.
pub(super) struct Ticket {
    exchange: Exchange,
    account: Arc<Account>,
    endpoint: Endpoint,
    sent: Sent,
}

impl Ticket {
    pub(super) fn land(mut self, sent: Sent) {
        if let Some(name) = sent.rate.as_ref().and_then(|rate| rate.name.as_deref()) {
            self.exchange.learn(&self.account, self.endpoint, name);
        }
        self.sent = sent;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Self {
            exchange,
            account,
            endpoint,
            sent,
        } = self;
        let now = exchange.now();
        exchange.with_bucket(account, *endpoint, |bucket, _| {
            bucket.observe(now, sent.status, sent.rate.as_ref());
        });
    }
}
