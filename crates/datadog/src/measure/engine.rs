//! Patience: asking again until there is a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::types::AnalysisPhase;
use tokio::sync::watch;

use super::{
    Subject, WallClock,
    observe::{self, observe},
};
use crate::client::{Account, Credentials, Exchange, Failure};
use crate::config::{NoData, Source, duration};
use crate::judge::{self, Reading, Verdict};
use crate::plan::{self, Endpoint, Window};

/// The first and the longest pause after a failure of Datadog.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often missing data is asked for again.
const NO_DATA_PAUSE: Duration = Duration::from_secs(10);

/// Everything a measurement needs beside its subject.
#[derive(Clone)]
pub struct Engine {
    /// Requests.
    pub exchange: Exchange,
    /// Keys.
    pub credentials: Arc<Credentials>,
    /// What time it is.
    pub clock: WallClock,
}

/// How a measurement under way stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// What it does.
    pub state: State,
    /// What must survive a restart of the plugin; part of the measurement's metadata.
    pub notes: BTreeMap<&'static str, String>,
    /// The account asked, whose keys must not be shown.
    pub account: Option<Arc<Account>>,
}

/// What a measurement under way does.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum State {
    /// A request is on its way.
    #[default]
    Asking,
    /// It waits until then.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// For what.
        why: String,
    },
}

/// A measurement that has come to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The verdict.
    pub verdict: Verdict,
    /// The account asked, whose keys must not be shown.
    pub account: Option<Arc<Account>>,
    /// The window asked for.
    pub window: Option<Window>,
}

/// Note of [`Progress`]: since when Datadog has been away.
pub(crate) const FAILING_SINCE: &str = "failingSince";
/// Note of [`Progress`]: the evaluation of a gate.
pub(crate) const EVALUATION: &str = "gateEvaluationId";

impl Engine {
    /// Measures until there is a verdict. `began` is when the measurement began, which may be before this process.
    pub async fn measure(
        &self,
        subject: &Subject,
        began: Timestamp,
        alone: bool,
        progress: &watch::Sender<Progress>,
    ) -> Finished {
        let mut pause = FIRST_PAUSE;
        let mut reread = false;
        let mut known: Option<Arc<Account>> = None;
        loop {
            progress.send_modify(|progress| progress.state = State::Asking);
            let now = self.clock.now();
            let clock = subject.clock(now.as_second());
            if let Some(wait) = plan::until_window(&subject.config, clock) {
                let why = "the run has only just begun, nothing can be asked about it yet";
                self.wait(progress, wait, why).await;
                continue;
            }
            let window = plan::plan_window(&subject.config, clock);
            let account = match known.take() {
                Some(account) => Ok(account),
                None => self.account(subject).await,
            };
            progress.send_modify(|progress| progress.account = account.as_ref().ok().cloned());
            let outcome = match &account {
                Ok(account) => observe(self, subject, account, window, began, alone, progress).await,
                Err(failure) => Err(failure.clone()),
            };
            let account = account.ok();
            let failure = match outcome {
                Ok(reading) => {
                    progress.send_modify(|progress| _ = progress.notes.remove(FAILING_SINCE));
                    let verdict = judge::judge(&subject.config, subject.conditions(), &reading);
                    match self.accept(subject, verdict, began, now) {
                        Ok(verdict) => {
                            return Finished {
                                verdict,
                                account,
                                window: Some(window),
                            };
                        }
                        Err(why) => {
                            self.wait(progress, NO_DATA_PAUSE, &why).await;
                            continue;
                        }
                    }
                }
                Err(failure) => failure,
            };
            if let (Failure::Unauthorized { .. }, Some(account), false) = (&failure, &account, reread) {
                reread = true;
                let config = &subject.config;
                known = self
                    .credentials
                    .changed(
                        account,
                        config.secret_ref.as_ref(),
                        config.site,
                        &subject.namespace,
                    )
                    .await;
                if known.is_some() {
                    continue;
                }
            }
            let wait_for = match &failure {
                Failure::Throttled { wait, .. } => *wait,
                Failure::Unavailable(_) => {
                    let jitter = fastrand::f64() * 0.2 + 0.9;
                    let wait = pause.mul_f64(jitter);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    wait
                }
                permanent => {
                    return Finished {
                        verdict: error(explain(permanent, subject, account.as_deref())),
                        account,
                        window: Some(window),
                    };
                }
            };
            let since = failing_since(progress, now);
            if let Some(verdict) = self.stand_in(subject, account.as_ref(), window, &failure) {
                return Finished {
                    verdict,
                    account,
                    window: Some(window),
                };
            }
            let patience = subject.config.on_error.retry_for;
            let failing = Duration::from_millis(
                u64::try_from((now - since).total(jiff::Unit::Millisecond).unwrap_or(0.0) as i64)
                    .unwrap_or(0),
            );
            if failing >= patience {
                let why = format!(
                    "{failure}; gave up after {} (onError.retryFor)",
                    duration::render(patience)
                );
                return Finished {
                    verdict: error(why),
                    account,
                    window: Some(window),
                };
            }
            // The last look is at the end of the patience, not after it.
            self.wait(
                progress,
                wait_for.min(patience - failing + Duration::from_millis(50)),
                &failure.to_string(),
            )
            .await;
        }
    }

    /// Waits, and lets the controller know until when.
    pub(super) async fn wait(&self, progress: &watch::Sender<Progress>, pause: Duration, why: &str) {
        let until = self.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
        progress.send_modify(|progress| {
            progress.state = State::Waiting {
                until,
                why: why.to_owned(),
            }
        });
        tokio::time::sleep(pause).await;
    }

    async fn account(&self, subject: &Subject) -> Result<Arc<Account>, Failure> {
        let config = &subject.config;
        self.credentials
            .account(config.secret_ref.as_ref(), config.site, &subject.namespace)
            .await
    }

    /// Takes a verdict, or says that it is worth asking again.
    fn accept(
        &self,
        subject: &Subject,
        verdict: Verdict,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<Verdict, String> {
        let NoData::Retry(patience) = subject.config.on_no_data else {
            return Ok(verdict);
        };
        if verdict.phase != AnalysisPhase::Running {
            return Ok(verdict);
        }
        let waited = (now - began).total(jiff::Unit::Second).unwrap_or(0.0);
        if waited < patience.as_secs_f64() {
            return Err(verdict.message);
        }
        let message = format!(
            "no data returned from Datadog for {} (onNoData)",
            duration::render(patience)
        );
        Ok(Verdict {
            phase: AnalysisPhase::Error,
            message,
            ..verdict
        })
    }

    /// The last good answer in the place of Datadog, where the metric allows it.
    fn stand_in(
        &self,
        subject: &Subject,
        account: Option<&Arc<Account>>,
        window: Window,
        failure: &Failure,
    ) -> Option<Verdict> {
        let most = subject.config.on_error.use_last_good?;
        let asked = observe::question(&subject.config.source)?;
        let (answer, age) = self.exchange.last_good(account?, &asked, window)?;
        if age > most {
            return None;
        }
        let mut reading: Reading = observe::read(&subject.config, &answer);
        // No data was no good answer.
        if reading.is_empty() {
            return None;
        }
        let age = duration::render(Duration::from_secs(age.as_secs()));
        reading
            .notes
            .push(("stale", format!("answer of {age} ago: {failure}")));
        Some(judge::judge(&subject.config, subject.conditions(), &reading))
    }
}

/// Since when Datadog has been away; now, if it has just begun.
fn failing_since(progress: &watch::Sender<Progress>, now: Timestamp) -> Timestamp {
    let mut since = now;
    progress.send_modify(|progress| {
        let noted = progress
            .notes
            .get(FAILING_SINCE)
            .and_then(|text| text.parse().ok());
        since = noted.unwrap_or(now);
        progress.notes.insert(FAILING_SINCE, since.to_string());
    });
    since
}

pub(super) fn error(message: String) -> Verdict {
    Verdict {
        phase: AnalysisPhase::Error,
        message,
        value: String::new(),
        metadata: Vec::new(),
    }
}

/// What a lasting failure means and what to do about it.
fn explain(failure: &Failure, subject: &Subject, account: Option<&Account>) -> String {
    match (failure, account) {
        (Failure::Unauthorized { status, why }, Some(account)) => {
            let endpoint = endpoint(&subject.config.source);
            let hint = match status {
                401 => "the API key is unknown there: is it the right site?".to_owned(),
                _ => format!(
                    "is it the right site, and has the application key the permission {}?",
                    endpoint.permission()
                ),
            };
            format!(
                "keys from {} are not accepted by {} (status {status}: {why}); {hint}",
                account.origin, account.api
            )
        }
        (Failure::Missing(why), _) => match &subject.config.source {
            Source::Monitor(_) => format!("monitor.id: no such monitor at this site; {why}"),
            Source::Slo(_) => format!("slo.id: no such SLO at this site; {why}"),
            Source::Gate(_) => format!("gate: {why}"),
            Source::V1 { .. } | Source::Scalar(_) | Source::Compare(..) => why.clone(),
        },
        (other, _) => other.to_string(),
    }
}

fn endpoint(source: &Source) -> Endpoint {
    match source {
        Source::V1 { .. } => Endpoint::V1Query,
        Source::Scalar(_) | Source::Compare(..) => Endpoint::Scalar,
        Source::Monitor(_) => Endpoint::Monitor,
        Source::Slo(_) => Endpoint::SloStatus,
        Source::Gate(_) => Endpoint::GateStart,
    }
}
