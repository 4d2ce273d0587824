//! Plays the controller on the stage: observes, plans, acts, concludes, and waits for a reason to do it again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::call::{Answer, Call, CallError, Router};
use super::conclude::Outcome;
use super::plan::{Act, Plan, plan};
use super::spec::{SpecError, Step};
use super::state::{Event, Observed, Release};
use super::status::Status;
use crate::stage::Stage;
use crate::stage::api::failure::Failure;
use crate::stage::api::resource::{Resource, find};
use crate::stage::api::store::{Part, rfc3339};
use crate::stage::workload::HASH_LABEL;

/// How long a call may take. The controller itself would wait for ever.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// The controller's clock, which may run faster than ours.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Instant,
    origin: Timestamp,
    speed: f64,
    skipped: Duration,
}

impl Clock {
    /// Begins now. With a `speed` of 20 a pause of a minute takes three seconds.
    pub fn start(speed: f64) -> Self {
        Self {
            began: Instant::now(),
            origin: Timestamp::now(),
            speed,
            skipped: Duration::ZERO,
        }
    }

    /// The controller's time.
    pub fn now(&self) -> Timestamp {
        self.origin + self.began.elapsed().mul_f64(self.speed) + self.skipped
    }

    /// When that time comes, on our clock.
    pub fn instant(&self, at: Timestamp) -> Instant {
        let ahead = Duration::try_from(at.duration_since(self.origin + self.skipped)).unwrap_or_default();
        self.began + ahead.div_f64(self.speed)
    }

    /// Jumps to that time, unless it is past.
    fn skip_to(&mut self, at: Timestamp) {
        self.skipped += Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
    }
}

/// Something to tell whoever watches.
#[derive(Debug, Clone)]
pub enum Happening {
    /// The controller writes an event.
    Event(Event),
    /// A Service now points at another template.
    Switched {
        /// The Service.
        service: String,
        /// The template.
        to: String,
    },
    /// The router was called.
    Called {
        /// What was asked.
        call: Call,
        /// What it answered.
        answer: Result<Answer, CallError>,
        /// How long that took.
        took: Duration,
    },
    /// The shares of the traffic, by template. They are `settled` once the router has verified them; until then
    /// requests may still be split as before.
    Shares {
        /// Weight of the canary.
        weight: i32,
        /// Share of each template, summing up to 1.
        shares: BTreeMap<String, f64>,
        /// Whether the gateway serves them.
        settled: bool,
    },
    /// The Rollout's status as it is now.
    Status(Box<Status>),
    /// Somebody ended a pause that has no duration.
    Promoted,
    /// A reconcile failed and will be tried again.
    Failed(String),
}

/// Where a release is on its way to a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is there.
    Reached,
    /// It may get there.
    Open,
    /// It has ended otherwise; the sentence says how.
    Ended(String),
}

/// Somebody who watches.
pub trait Observer: Send + Sync {
    /// Is told.
    fn note(&self, happening: Happening);
}

/// Why a release did not get where it should.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// It stands still.
    #[error(
        "{goal} was not reached: the release is {phase} at step {step}, and nothing has moved for {patience:?}{last}"
    )]
    Stuck {
        /// What was waited for.
        goal: &'static str,
        /// How long nothing moved, on our clock.
        patience: Duration,
        /// Phase of the Rollout.
        phase: &'static str,
        /// Its step.
        step: String,
        /// The last failure of a reconcile, with a leading `: `.
        last: String,
    },
    /// It has ended otherwise.
    #[error("{goal} was not reached: {ending}")]
    Ended {
        /// What was waited for.
        goal: &'static str,
        /// What came instead.
        ending: String,
    },
    /// The stage's API refused the controller.
    #[error("the stage's API refused the controller: {0}")]
    Api(#[from] Failure),
    /// The Rollout cannot be played.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The stage broke.
    #[error("the stage broke")]
    Stage(#[from] std::io::Error),
}

/// The controller of one Rollout.
pub struct Driver<'a> {
    /// The release, for questions and for what users do.
    pub release: Release,
    /// After how long, on the controller's clock, somebody ends a pause that has no duration; `None`: never.
    pub promote_after: Option<Duration>,
    /// A pause is cut short after so long on our clock; `None`: never.
    pub longest_pause: Option<Duration>,
    stage: &'a Stage,
    router: &'a dyn Router,
    observer: &'a dyn Observer,
    clock: Clock,
    shares: BTreeMap<String, f64>,
    settled: bool,
    events: u64,
    failure: Option<String>,
    /// The pause under way, by its beginning on either clock.
    paused: Option<(Timestamp, Instant)>,
}

impl<'a> Driver<'a> {
    /// Takes over a Rollout.
    pub fn new(
        release: Release,
        stage: &'a Stage,
        router: &'a dyn Router,
        observer: &'a dyn Observer,
        clock: Clock,
    ) -> Self {
        Self {
            release,
            promote_after: None,
            longest_pause: None,
            paused: None,
            stage,
            router,
            observer,
            clock,
            shares: BTreeMap::new(),
            settled: false,
            events: 0,
            failure: None,
        }
    }

    /// The user applies the Rollout: writes it, and tells what follows at once.
    pub fn publish(&mut self, events: Vec<Event>) -> Result<(), DriveError> {
        self.write_rollout()?;
        events.into_iter().try_for_each(|event| self.emit(event))
    }

    /// Reconciles until `way` is at its end, or until the release has stood still for `patience`, on our clock. A step that
    /// is done is progress; a pause is no standing still.
    pub async fn until(
        &mut self,
        goal: &'static str,
        patience: Duration,
        way: impl Fn(&Release, &Observed) -> Way,
    ) -> Result<(), DriveError> {
        let mut gives_up = Instant::now() + patience;
        let mut reached_so_far = self.progress();
        let mut pods = self.stage.workload.changes();
        loop {
            pods.borrow_and_update();
            let (changed, again_at) = self.reconcile().await?;
            let progress = self.progress();
            if progress != reached_so_far {
                (reached_so_far, gives_up) = (progress, Instant::now() + patience);
            }
            if changed {
                continue;
            }
            if self.failure.is_none() {
                match way(&self.release, &self.observe()) {
                    Way::Reached => return Ok(()),
                    Way::Ended(ending) => return Err(DriveError::Ended { goal, ending }),
                    Way::Open => {}
                }
            }
            let promotion = self.promotion();
            if promotion.is_some_and(|at| at <= self.clock.now()) {
                self.release.promote();
                self.observer.note(Happening::Promoted);
                continue;
            }
            let cut = self.pause_is_cut();
            if let Some((end, at)) = cut
                && at <= Instant::now()
                && end > self.clock.now()
            {
                self.clock.skip_to(end);
                continue;
            }
            if let Some(end) = self.pause_ends(promotion, cut) {
                gives_up = gives_up.max(end + patience);
            }
            let next = [again_at, promotion]
                .into_iter()
                .flatten()
                .min()
                .map(|at| self.clock.instant(at));
            let wake = [next, cut.map(|(_, at)| at)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(gives_up)
                .min(gives_up);
            tokio::select! {
                _ = pods.changed() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= gives_up {
                let status = &self.release.status;
                return Err(DriveError::Stuck {
                    goal,
                    patience,
                    phase: status.phase,
                    step: status
                        .current_step_index
                        .map_or("-".to_owned(), |i| i.to_string()),
                    last: self
                        .failure
                        .as_ref()
                        .map(|f| format!(": {f}"))
                        .unwrap_or_default(),
                });
            }
        }
    }

    /// What a release that gets on changes.
    fn progress(&self) -> (String, Option<usize>, bool, String) {
        let status = &self.release.status;
        let measured = status.canary.current_step_analysis_run_status.as_ref();
        (
            status.stable_rs.clone(),
            status.current_step_index,
            status.abort,
            measured.map(|run| run.message.clone()).unwrap_or_default(),
        )
    }

    /// When the pause under way ends on our clock: by its promotion, or by its end or its cut, whichever comes first.
    fn pause_ends(&self, promotion: Option<Timestamp>, cut: Option<(Timestamp, Instant)>) -> Option<Instant> {
        let promoted = promotion.map(|at| self.clock.instant(at));
        promoted.or_else(|| cut.map(|(end, at)| self.clock.instant(end).min(at)))
    }

    /// When somebody ends the pause without a duration in which the release stands.
    fn promotion(&self) -> Option<Timestamp> {
        let status = &self.release.status;
        let step = status
            .current_step_index
            .and_then(|i| self.release.spec.steps.get(i))?;
        let pause = status
            .pause_conditions
            .first()
            .filter(|_| *step == Step::Pause(None))?;
        Some(pause.start_time + self.promote_after?)
    }

    /// The end of the pause under way on the controller's clock, and when it is cut short on ours.
    fn pause_is_cut(&mut self) -> Option<(Timestamp, Instant)> {
        let status = &self.release.status;
        let Some(pause) = status.pause_conditions.first() else {
            self.paused = None;
            return None;
        };
        let paused = self.paused.filter(|(start, _)| *start == pause.start_time);
        let (_, since) = *self
            .paused
            .insert(paused.unwrap_or((pause.start_time, Instant::now())));
        match self.release.spec.steps.get(status.current_step_index?)? {
            Step::Pause(Some(duration)) => Some((pause.start_time + *duration, since + self.longest_pause?)),
            _ => None,
        }
    }

    async fn reconcile(&mut self) -> Result<(bool, Option<Timestamp>), DriveError> {
        let observed = self.observe();
        let plan = plan(&self.release, &observed);
        let outcome = self.act(&plan, &observed).await?;
        let conclusion = self
            .release
            .conclude(&plan, &outcome, &observed, self.clock.now());
        for event in conclusion.events {
            self.emit(event)?;
        }
        for (hash, pods) in conclusion.scale {
            self.stage
                .workload
                .scale(&hash, usize::try_from(pods).unwrap_or(0));
        }
        if let Some(error) = &conclusion.error {
            self.observer.note(Happening::Failed(error.clone()));
        }
        self.failure = conclusion.error;
        if conclusion.changed {
            self.write_rollout()?;
            self.observer
                .note(Happening::Status(Box::new(self.release.status.clone())));
        }
        Ok((conclusion.changed, conclusion.again_at))
    }

    async fn act(&mut self, plan: &Plan, observed: &Observed) -> Result<Outcome, DriveError> {
        let rollout = self.release.to_json();
        let wanted = plan.weight.as_ref().map(|weight| {
            let mut selectors = observed.selectors.clone();
            for act in &plan.acts {
                if let Act::Switch { service, to, .. } = act {
                    selectors.insert(service.clone(), Some(to.clone()));
                }
            }
            (weight.desired, self.release.shares(weight.desired, &selectors))
        });
        if let Some((weight, shares)) = &wanted
            && *shares != self.shares
        {
            self.shares.clone_from(shares);
            self.settled = false;
            self.observer.note(Happening::Shares {
                weight: *weight,
                shares: shares.clone(),
                settled: false,
            });
        }
        let mut verified = None;
        for act in &plan.acts {
            let call = match act {
                Act::Switch { service, to, .. } => {
                    self.switch(service, to)?;
                    continue;
                }
                Act::Call(call) => call,
            };
            let began = Instant::now();
            let answer = match tokio::time::timeout(CALL_DEADLINE, self.router.call(&rollout, call)).await {
                Ok(answer) => answer,
                Err(_) => Err(CallError(format!("{call}: no answer in {CALL_DEADLINE:?}"))),
            };
            let took = began.elapsed();
            self.observer.note(Happening::Called {
                call: call.clone(),
                answer: answer.clone(),
                took,
            });
            match answer {
                Ok(Answer::Verified(answer)) => verified = answer,
                Ok(_) => {}
                Err(error) if matches!(call, Call::VerifyWeight(_)) => {
                    return Ok(Outcome::VerifyFailed(error.0));
                }
                Err(error) => return Ok(Outcome::Failed(call.clone(), error.0)),
            }
        }
        if let Some((weight, shares)) = wanted
            && verified != Some(false)
            && !self.settled
        {
            self.settled = true;
            self.observer.note(Happening::Shares {
                weight,
                shares,
                settled: true,
            });
        }
        Ok(Outcome::Done(verified))
    }

    fn observe(&self) -> Observed {
        let spec = &self.release.spec;
        let services = kind("", "services");
        let selectors = [&spec.canary_service, &spec.stable_service]
            .into_iter()
            .map(|name| {
                let service = self
                    .stage
                    .api
                    .get(services, &spec.namespace, name)
                    .unwrap_or_default();
                let hash = service["spec"]["selector"][HASH_LABEL]
                    .as_str()
                    .map(str::to_owned);
                (name.clone(), hash)
            });
        Observed {
            available: self.stage.workload.available(),
            selectors: selectors.collect(),
            canary: self
                .stage
                .gateway
                .stats()
                .of_hash(&self.release.status.current_pod_hash),
        }
    }

    fn switch(&mut self, service: &str, to: &str) -> Result<(), DriveError> {
        let mut from = None;
        self.stage.api.update(
            kind("", "services"),
            &self.release.spec.namespace,
            service,
            Part::Main,
            |object| {
                from = object["spec"]["selector"][HASH_LABEL].as_str().map(str::to_owned);
                object["spec"]["selector"][HASH_LABEL] = to.into();
            },
        )?;
        self.stage.workload.write_endpoints();
        let from = from.unwrap_or_default();
        let message = format!("Switched selector for service '{service}' from '{from}' to '{to}'");
        self.observer.note(Happening::Switched {
            service: service.to_owned(),
            to: to.to_owned(),
        });
        self.emit(Event::normal("SwitchService", message))
    }

    fn write_rollout(&self) -> Result<(), DriveError> {
        let object = self.release.stored();
        let (namespace, name) = (&self.release.spec.namespace, &self.release.spec.name);
        let status = object["status"].clone();
        self.stage.api.apply(object)?;
        self.stage.api.update(
            kind("argoproj.io", "rollouts"),
            namespace,
            name,
            Part::Status,
            |rollout| {
                rollout["status"] = status;
            },
        )?;
        Ok(())
    }

    fn emit(&mut self, event: Event) -> Result<(), DriveError> {
        self.events += 1;
        let spec = &self.release.spec;
        let now = rfc3339(self.clock.now());
        self.stage.api.apply(json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": format!("{}.controller.{:06}", spec.name, self.events), "namespace": spec.namespace},
            "involvedObject": {
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "namespace": spec.namespace, "name": spec.name,
            },
            "type": if event.warning { "Warning" } else { "Normal" },
            "reason": event.reason,
            "message": event.message,
            "source": {"component": "rollouts-controller"},
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        }))?;
        self.observer.note(Happening::Event(event));
        Ok(())
    }
}

fn kind(group: &str, plural: &str) -> &'static Resource {
    find(group, plural).expect("the stage serves Services and Rollouts")
}
