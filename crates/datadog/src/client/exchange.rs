//! Requests with a budget, shared among all metrics of the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::admission::Rates;
use super::memory::Memory;
use super::{Account, Budget, Failure, Http, Reply};
use crate::judge::{Columns, Series};
use crate::plan::batch::Limits;
use crate::plan::{Ask, Call, Endpoint, Window};

/// What a metric asks in a way that can be shared.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// A v1 query.
    V1(String),
    /// Queries and formulas of the scalar endpoint.
    Scalar(Ask),
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// To a v1 query: its first series.
    Series(Option<Series>),
    /// To an [`Ask`]: its formulas in order.
    Columns(Columns),
}

/// How an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// With a request that carried so many metrics.
    Request(usize),
    /// With somebody else's request for the same.
    Shared,
    /// From the cache.
    Cache,
}

/// How requests are gathered and limited.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeSettings {
    /// How long a metric waits for others that are due together; twice as long after each request that carried several,
    /// up to [`CROWDED`] times.
    pub gather: Duration,
    /// How much one scalar request carries.
    pub batch: Limits,
    /// What may be spent.
    pub budget: Budget,
    /// How long an answer stands for the same question.
    pub cache: Duration,
    /// After this a joint request without an answer is taken apart, so that one slow query does not hold up others; later
    /// where answers usually take longer.
    pub slow: Duration,
}

impl Default for ExchangeSettings {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(30),
            batch: Limits {
                queries: 100,
                bytes: 64 << 10,
            },
            budget: Budget {
                share: 0.5,
                per_minute: None,
            },
            cache: Duration::from_secs(15),
            slow: Duration::from_millis(750),
        }
    }
}

/// What the process has done so far; for its log lines.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests sent.
    pub requests: AtomicU64,
    /// Of these, refused with 429.
    pub throttled: AtomicU64,
    /// Of these, without a usable answer for another reason.
    pub failed: AtomicU64,
    /// Milliseconds spent waiting for answers.
    pub waited: AtomicU64,
    /// Questions answered by another metric's request, or from the cache.
    pub shared: AtomicU64,
    /// Questions put off because a budget was used up.
    pub postponed: AtomicU64,
}

/// The shared requests of the process. Cheap to clone.
#[derive(Clone)]
pub struct Exchange(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) settings: ExchangeSettings,
    http: Http,
    pub(super) epoch: Instant,
    pub(super) rates: Mutex<Rates>,
    pub(super) queues: Mutex<HashMap<QueueKey, Vec<Member>>>,
    flights: Mutex<HashMap<FlightKey, Flight>>,
    cache: Memory<FlightKey, Arc<Answered>>,
    last_good: Memory<(Arc<Account>, String, Span), Arc<Answered>>,
    /// How long answers take: the newest counts for a quarter.
    latencies: Memory<(Arc<Account>, Endpoint), Duration>,
    /// How many requests in a row carried several metrics.
    pub(super) crowds: Memory<(Arc<Account>, Endpoint), u32>,
    /// How careful to be with a question: 0 travels with a hundred others, 3 alone.
    pub(super) troubles: Memory<(Arc<Account>, String), u32>,
    pub(super) counters: Counters,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct QueueKey {
    pub(super) account: Arc<Account>,
    pub(super) endpoint: Endpoint,
    pub(super) window: Window,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) queue: QueueKey,
    pub(super) identity: String,
    /// `requestTimeout`: who is patient does not share the request of who is not.
    pub(super) timeout: Duration,
}

/// A question on its way.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) key: FlightKey,
    pub(super) asked: Asked,
    pub(super) timeout: Duration,
}

/// What two windows must share for an answer about one to stand in for the other: the last five minutes are not the last
/// hour, and what happened since the analysis began is so however long ago that is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Span {
    Length(i64),
    Beginning(i64),
}

impl Span {
    fn of(window: Window) -> [Self; 2] {
        [
            Self::Length(window.to - window.from),
            Self::Beginning(window.from),
        ]
    }
}

pub(super) type Outcome = Result<(Arc<Answered>, usize), Failure>;
type Flight = watch::Sender<Option<Outcome>>;

/// The controller works with thirty AnalysisRuns at a time and makes them one after the other, so a hundred that are due
/// together come over half a second, on a busy machine over more than one. The longer they have been coming, the longer
/// gathering takes, so that nobody waits much longer than the crowd has lasted; up to so many times.
pub(super) const CROWDED: u32 = 8;
/// For how long after a request with several metrics it is a crowd.
const CROWD: Duration = Duration::from_secs(1);

/// Answers beyond so many values are not kept.
const MOST_KEPT: usize = 500;

impl Exchange {
    /// An exchange with settings of the operator.
    pub fn new(settings: ExchangeSettings) -> Self {
        Self::over(settings, Http::default())
    }

    /// An exchange over a client.
    pub fn over(settings: ExchangeSettings, http: Http) -> Self {
        Self(Arc::new(Inner {
            cache: Memory::new(settings.cache, 1000),
            last_good: Memory::new(Duration::from_secs(86_400), 2000),
            latencies: Memory::new(Duration::from_secs(600), 1000),
            crowds: Memory::new(CROWD, 1000),
            troubles: Memory::new(Duration::from_secs(600), 1000),
            settings,
            http,
            epoch: Instant::now(),
            rates: Mutex::default(),
            queues: Mutex::default(),
            flights: Mutex::default(),
            counters: Counters::default(),
        }))
    }

    /// Asks a question together with whoever asks at the same time, and once for all who ask the same. `alone` says
    /// that nobody else is likely to come: then nobody is waited for.
    ///
    /// # Errors
    /// Why there is no answer; one metric's failure is not another's.
    pub async fn ask(
        &self,
        account: &Arc<Account>,
        asked: &Asked,
        window: Window,
        timeout: Duration,
        alone: bool,
    ) -> Result<(Arc<Answered>, Via), Failure> {
        let queue = QueueKey {
            account: account.clone(),
            endpoint: asked.endpoint(),
            window,
        };
        let key = FlightKey {
            queue,
            identity: asked.identity(),
            timeout,
        };
        if let Some((answer, _)) = self.0.cache.recall(&key) {
            self.0.counters.shared.fetch_add(1, Ordering::Relaxed);
            return Ok((answer, Via::Cache));
        }
        let (mut landing, shared) = {
            let mut flights = self.0.flights.lock().expect("no panic holds this lock");
            match flights.get(&key) {
                Some(flight) => (flight.subscribe(), true),
                None => {
                    let (flight, landing) = watch::channel(None);
                    flights.insert(key.clone(), flight);
                    (landing, false)
                }
            }
        };
        if shared {
            self.0.counters.shared.fetch_add(1, Ordering::Relaxed);
        } else {
            self.enqueue(
                Member {
                    key,
                    asked: asked.clone(),
                    timeout,
                },
                alone,
            );
        }
        // The flight's own timeout bounds this wait; the second bound is for a flight of somebody more patient.
        let bound = timeout + CROWDED * self.0.settings.gather + Duration::from_secs(4);
        let landed = tokio::time::timeout(bound, landing.wait_for(Option::is_some)).await;
        let outcome = match landed {
            Ok(Ok(outcome)) => outcome.clone(),
            _ => None,
        };
        match outcome {
            Some(Ok((answer, _))) if shared => Ok((answer, Via::Shared)),
            Some(Ok((answer, members))) => Ok((answer, Via::Request(members))),
            Some(Err(failure)) => Err(failure),
            None => {
                let waited = crate::config::duration::render(timeout);
                Err(Failure::Unavailable(format!(
                    "no answer within {waited} (requestTimeout)"
                )))
            }
        }
    }

    /// Sends a request that is nobody else's, within the budget.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call(
        &self,
        account: &Arc<Account>,
        call: &Call,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let ticket = self.admit(account, call.endpoint).await?;
        let began = Instant::now();
        let (result, sent) = self.0.http.send(account, call, timeout).await;
        let counters = &self.0.counters;
        counters.requests.fetch_add(1, Ordering::Relaxed);
        counters.waited.fetch_add(
            u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        match &result {
            Ok(_) => self.note_latency(account, call.endpoint, began.elapsed()),
            Err(Failure::Throttled { .. }) => _ = counters.throttled.fetch_add(1, Ordering::Relaxed),
            Err(_) => _ = counters.failed.fetch_add(1, Ordering::Relaxed),
        }
        ticket.land(sent);
        match result {
            Err(Failure::Throttled { why, .. }) => Err(Failure::Throttled {
                wait: self.wait(account, call.endpoint),
                why,
            }),
            other => other,
        }
    }

    /// The last good answer to a question about a window of this length or with this beginning, and its age.
    pub fn last_good(
        &self,
        account: &Arc<Account>,
        asked: &Asked,
        window: Window,
    ) -> Option<(Arc<Answered>, Duration)> {
        let identity = asked.identity();
        Span::of(window)
            .into_iter()
            .filter_map(|span| {
                self.0
                    .last_good
                    .recall(&(account.clone(), identity.clone(), span))
            })
            .min_by_key(|(_, age)| *age)
    }

    /// Counts so far.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// From when on a joint request is slow: where Datadog takes its time for everything, nobody holds up others.
    pub(super) fn slow(&self, queue: &QueueKey) -> Duration {
        let name = (queue.account.clone(), queue.endpoint);
        let usual = self
            .0
            .latencies
            .recall(&name)
            .map_or(Duration::ZERO, |(usual, _)| usual);
        self.0.settings.slow.max(3 * usual)
    }

    fn note_latency(&self, account: &Arc<Account>, endpoint: Endpoint, took: Duration) {
        let name = (account.clone(), endpoint);
        let usual = match self.0.latencies.recall(&name) {
            Some((usual, _)) => (3 * usual + took) / 4,
            None => took,
        };
        self.0.latencies.remember(name, usual);
    }

    /// Whether a request of this queue's account and endpoint was answered since then.
    pub(super) fn answered_since(&self, queue: &QueueKey, began: Instant) -> bool {
        let name = (queue.account.clone(), queue.endpoint);
        let answered = self.0.latencies.recall(&name);
        answered.is_some_and(|(_, age)| age < began.elapsed())
    }

    /// Ends a flight: everybody who asks this question gets the outcome. The first outcome counts.
    pub(super) fn land(&self, member: &Member, outcome: Outcome) {
        let flight = self
            .0
            .flights
            .lock()
            .expect("no panic holds this lock")
            .remove(&member.key);
        let Some(flight) = flight else { return };
        if let Ok((answer, _)) = &outcome
            && answer.size() <= MOST_KEPT
        {
            self.0.cache.remember(member.key.clone(), answer.clone());
            let spans = Span::of(member.key.queue.window).into_iter();
            for span in spans.filter(|_| answer.has_data()) {
                let name = (
                    member.key.queue.account.clone(),
                    member.key.identity.clone(),
                    span,
                );
                self.0.last_good.remember(name, answer.clone());
            }
        }
        flight.send_replace(Some(outcome));
    }

    /// Whether a question has no outcome yet.
    pub(super) fn is_flying(&self, member: &Member) -> bool {
        self.0
            .flights
            .lock()
            .expect("no panic holds this lock")
            .contains_key(&member.key)
    }
}

impl Asked {
    /// Which endpoint answers.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::V1(_) => Endpoint::V1Query,
            Self::Scalar(_) => Endpoint::Scalar,
        }
    }

    /// What tells this question from another.
    pub fn identity(&self) -> String {
        match self {
            Self::V1(query) => query.clone(),
            Self::Scalar(ask) => ask.identity(),
        }
    }
}

impl Answered {
    /// Whether there is a value in it.
    fn has_data(&self) -> bool {
        match self {
            Self::Series(series) => series.as_ref().is_some_and(|series| !series.points.is_empty()),
            Self::Columns(columns) => {
                let mut values = columns.numbers.iter().flat_map(|column| &column.values);
                values.any(Option::is_some)
            }
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Series(series) => series.as_ref().map_or(0, |series| series.points.len()),
            Self::Columns(columns) => columns.numbers.iter().map(|column| column.values.len()).sum(),
        }
    }
}
