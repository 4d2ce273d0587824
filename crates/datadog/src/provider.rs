//! The plugin as the controller calls it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::types::{AnalysisPhase, AnalysisRun, Measurement, Metric, Time};
use rollouts_plugin::{MetricProvider, RpcResult};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::measure::{self, Engine, Finished, Key, Progress, Redactor, State, Subject};

/// How long a result waits for the controller to fetch it, and how long a fetched one is told again: the controller may
/// repeat a call whose outcome it could not write down.
const UNFETCHED: Duration = Duration::from_secs(3600);
const FETCHED: Duration = Duration::from_secs(5);
/// The most measurements under way. A cluster with a thousand analyses has a few hundred.
const MOST: usize = 20_000;

/// The metric provider.
pub struct Provider {
    engine: Engine,
    /// How long `run` waits for an answer before it says Running. Each of the controller's thirty workers waits here,
    /// so a slow tenant must not keep it.
    patience: Duration,
    under_way: Mutex<HashMap<Key, UnderWay>>,
    asking: Arc<AtomicUsize>,
    reporting: std::sync::Once,
    dogstatsd: Option<String>,
}

/// A measurement under way.
struct UnderWay {
    subject: Arc<Subject>,
    began: Timestamp,
    since: Instant,
    fetched: Option<Instant>,
    progress: watch::Receiver<Progress>,
    result: watch::Receiver<Option<Arc<Finished>>>,
    task: AbortHandle,
}

impl Provider {
    /// A provider that waits so long for an answer before it says Running.
    pub fn new(engine: Engine, patience: Duration) -> Self {
        Self {
            engine,
            patience,
            under_way: Mutex::default(),
            asking: Arc::default(),
            reporting: std::sync::Once::new(),
            dogstatsd: None,
        }
    }

    /// A provider that sends its counts to a DogStatsD server, `host:port`.
    pub fn reporting_to(self, dogstatsd: Option<String>) -> Self {
        Self { dogstatsd, ..self }
    }

    /// Finds the measurement, or begins it.
    fn find_or_begin(
        &self,
        subject: Subject,
        began: Timestamp,
        notes: BTreeMap<&'static str, String>,
    ) -> Result<Watched, String> {
        let mut under_way = self.under_way.lock().expect("no panic holds this lock");
        if under_way.len() > 100 {
            under_way.retain(|_, one| !one.is_over());
        }
        // The same measurement of the same metric; an edited block is another question.
        let is_same = |one: &&UnderWay| {
            !one.is_over()
                && one.subject.config == subject.config
                && (&one.subject.success, &one.subject.failure) == (&subject.success, &subject.failure)
        };
        if let Some(one) = under_way.get(&subject.key).filter(is_same) {
            return Ok(one.watched());
        }
        if under_way.len() >= MOST {
            return Err(format!("more than {MOST} measurements are under way"));
        }
        let subject = Arc::new(subject);
        let (progress, watching) = watch::channel(Progress {
            notes,
            ..Progress::default()
        });
        let (done, result) = watch::channel(None);
        let (engine, asking) = (self.engine.clone(), self.asking.clone());
        let measured = subject.clone();
        let alone = asking.fetch_add(1, Ordering::Relaxed) == 0 && subject.siblings <= 1;
        let task = tokio::spawn(async move {
            let _counted = Counted(asking);
            let finished = engine.measure(&measured, began, alone, &progress).await;
            done.send_replace(Some(Arc::new(finished)));
        });
        let one = UnderWay {
            subject: subject.clone(),
            began,
            since: Instant::now(),
            fetched: None,
            progress: watching,
            result,
            task: task.abort_handle(),
        };
        let watched = one.watched();
        under_way.insert(subject.key.clone(), one);
        Ok(watched)
    }

    /// The measurement as it stands.
    fn tell(&self, watched: &Watched) -> Measurement {
        let now = self.engine.clock.now();
        // Looked at before the result: a task that ends in between has left one.
        let ended = watched.result.has_changed().is_err();
        let finished = watched.result.borrow().clone();
        let Some(finished) = finished else {
            if ended {
                // The task ended without a result: it panicked. The panic itself is in the log.
                self.forget(&watched.subject.key);
                return failed(
                    "the measurement broke off inside of the plugin; see the controller's log",
                    watched.began,
                    now,
                );
            }
            let progress = watched.progress.borrow().clone();
            return measure::running(&watched.subject.redactor, &progress, watched.began, now);
        };
        let measurement = measure::finished(&watched.subject, &finished, watched.began, now);
        let first = {
            let mut under_way = self.under_way.lock().expect("no panic holds this lock");
            under_way
                .get_mut(&watched.subject.key)
                .is_some_and(|one| one.fetched.replace(Instant::now()).is_none())
        };
        if first {
            self.log(&watched.subject, &measurement);
            self.annotate(&watched.subject, &finished, &measurement);
        }
        measurement
    }

    fn forget(&self, key: &Key) -> Option<UnderWay> {
        self.under_way
            .lock()
            .expect("no panic holds this lock")
            .remove(key)
    }

    fn log(&self, subject: &Subject, measurement: &Measurement) {
        let Subject {
            namespace,
            run,
            key,
            config,
            ..
        } = subject;
        let (metric, phase, value) = (&key.metric, measurement.phase.as_str(), &measurement.value);
        let value: String = value.chars().take(100).collect();
        let message = &measurement.message;
        let source = config.source.kind();
        match measurement.phase {
            AnalysisPhase::Error => {
                tracing::warn!(namespace, run, metric, source, phase, message, "measured");
            }
            _ => tracing::info!(namespace, run, metric, source, phase, value, message, "measured"),
        }
    }

    /// Leaves the marks that the metric asks for. Nothing depends on them, so nobody waits for them.
    fn annotate(&self, subject: &Arc<Subject>, finished: &Finished, measurement: &Measurement) {
        let calls = measure::plan_event(subject, measurement, self.engine.clock.now());
        let Some(account) = finished.account.clone().filter(|_| !calls.is_empty()) else {
            return;
        };
        let (exchange, subject) = (self.engine.exchange.clone(), subject.clone());
        tokio::spawn(async move {
            for call in calls {
                if let Err(failure) = exchange
                    .call(&account, &call, subject.config.request_timeout)
                    .await
                {
                    let why = subject
                        .redactor
                        .clone()
                        .with_account(&account)
                        .clean(&failure.to_string());
                    let Subject {
                        namespace, run, key, ..
                    } = &*subject;
                    tracing::warn!(
                        namespace,
                        run,
                        metric = key.metric,
                        mark = call.endpoint.name(),
                        why,
                        "not marked"
                    );
                }
            }
        });
    }
}

/// A measurement as a call sees it.
struct Watched {
    subject: Arc<Subject>,
    began: Timestamp,
    progress: watch::Receiver<Progress>,
    result: watch::Receiver<Option<Arc<Finished>>>,
}

impl UnderWay {
    fn watched(&self) -> Watched {
        Watched {
            subject: self.subject.clone(),
            began: self.began,
            progress: self.progress.clone(),
            result: self.result.clone(),
        }
    }

    fn is_over(&self) -> bool {
        match self.fetched {
            Some(fetched) => fetched.elapsed() > FETCHED,
            None => self.result.borrow().is_some() && self.since.elapsed() > UNFETCHED,
        }
    }
}

/// Counts a measurement under way for as long as it is.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MetricProvider for Provider {
    /// No I/O: the controller holds a lock meanwhile.
    async fn init(&self) -> RpcResult {
        let (exchange, dogstatsd) = (self.engine.exchange.clone(), self.dogstatsd.clone());
        self.reporting
            .call_once(|| _ = tokio::spawn(crate::report::report(exchange, dogstatsd)));
        Ok(())
    }

    fn kind(&self) -> String {
        "Datadog".to_owned()
    }

    async fn run(&self, run: &AnalysisRun, metric: &Metric) -> Measurement {
        let began = self.engine.clock.now();
        let watched = Subject::read(run, metric)
            .and_then(|subject| self.find_or_begin(subject, began, BTreeMap::new()));
        match watched {
            Ok(mut watched) => {
                // Whoever is slow is told of later; whoever waits for a budget, a gate or an outage at once.
                let answered = tokio::time::timeout(self.patience, async {
                    let waiting = |progress: &Progress| matches!(progress.state, State::Waiting { .. });
                    tokio::select! {
                        _ = watched.result.wait_for(Option::is_some) => {}
                        _ = watched.progress.wait_for(waiting) => {}
                    }
                });
                _ = answered.await;
                self.tell(&watched)
            }
            Err(why) => failed(&why, began, self.engine.clock.now()),
        }
    }

    async fn resume(&self, run: &AnalysisRun, metric: &Metric, measurement: &Measurement) -> Measurement {
        let began = measurement
            .started_at
            .map_or_else(|| self.engine.clock.now(), |at| at.0);
        // After a restart of the plugin the measurement goes on from what its metadata says.
        let notes = measure::KEPT
            .iter()
            .filter_map(|name| Some((*name, measurement.metadata.get(*name)?.clone())));
        let watched = Subject::read(run, metric)
            .and_then(|subject| self.find_or_begin(subject, began, notes.collect()));
        match watched {
            Ok(watched) => self.tell(&watched),
            Err(why) => failed(&why, began, self.engine.clock.now()),
        }
    }

    async fn terminate(&self, run: &AnalysisRun, metric: &Metric, measurement: &Measurement) -> Measurement {
        let began = measurement
            .started_at
            .map_or_else(|| self.engine.clock.now(), |at| at.0);
        let one = Subject::read(run, metric)
            .ok()
            .and_then(|subject| self.forget(&subject.key));
        if let Some(one) = &one {
            one.task.abort();
            if let Some(finished) = one.result.borrow().clone() {
                return measure::finished(&one.subject, &finished, began, self.engine.clock.now());
            }
        }
        // Without a verdict nothing may be held against the version: a user may have ended the analysis on purpose.
        Measurement {
            phase: AnalysisPhase::Successful,
            message: "terminated before there was a verdict".to_owned(),
            finished_at: Some(Time(self.engine.clock.now())),
            started_at: Some(Time(began)),
            resume_at: None,
            ..measurement.clone()
        }
    }

    /// What is the same for every measurement of the metric. Its query is told with each measurement instead: only
    /// there it is known which arguments are secret.
    async fn metadata(&self, metric: &Metric) -> BTreeMap<String, String> {
        let config = measure::block(metric)
            .and_then(|block| crate::config::Config::parse(&block).map_err(|error| error.to_string()));
        let Ok(config) = config else {
            return BTreeMap::new();
        };
        let mut metadata = BTreeMap::from([("datadog".to_owned(), config.source.kind().to_owned())]);
        let from = match config.since {
            Some(crate::config::Since::Run) => "the start of the analysis".to_owned(),
            Some(crate::config::Since::Rollout) => "the start of the rollout's step".to_owned(),
            None => crate::config::duration::render(config.interval),
        };
        metadata.insert("interval".to_owned(), from);
        metadata
    }
}

/// A measurement that could not be made.
fn failed(why: &str, began: Timestamp, now: Timestamp) -> Measurement {
    let verdict = crate::judge::Verdict {
        phase: AnalysisPhase::Error,
        message: why.to_owned(),
        value: String::new(),
        metadata: Vec::new(),
    };
    measure::broken(&verdict, &Redactor::default(), began, now)
}
