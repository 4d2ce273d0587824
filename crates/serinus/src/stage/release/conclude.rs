//! The rest of a reconcile, after the router has answered: status of the weights, analysis, scaling, pause, step. Pure.
//!
//! Follows argo-rollouts v1.10 `rollout/trafficrouting.go` (from `calculateWeightStatus` on), `rollout/analysis.go`,
//! `rollout/canary.go` `reconcileCanaryReplicaSets`, `reconcileCanaryPause`, `completedCurrentCanaryStep`,
//! `syncRolloutStatusCanary`, and `rollout/sync.go` `shouldFullPromote`, `promoteStable`.

use std::time::Duration;

use jiff::Timestamp;

use super::analysis::{Phase, Run};
use super::call::{Call, WeightDestination};
use super::plan::{Plan, last_set_weight};
use super::spec::Step;
use super::state::{Event, Observed, Release};
use super::status::{PauseCondition, RunStatus, Status, Weights};

/// Until a weight that is not verified is asked for again (`defaults.GetRolloutVerifyRetryInterval`).
pub const VERIFY_RETRY: Duration = Duration::from_secs(10);
/// First and last wait after a failed reconcile (`utils/queue/queue.go` `DefaultArgoRolloutsRateLimiter`).
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(10));

const PAUSE_STEP: &str = "CanaryPauseStep";

/// What became of the plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All was done; what VerifyWeight said, `None` for a router that cannot tell.
    Done(Option<bool>),
    /// All was done, but VerifyWeight answered with an error.
    VerifyFailed(String),
    /// This call failed, and nothing after it was done.
    Failed(Call, String),
}

/// What follows from a reconcile.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conclusion {
    /// Events to write.
    pub events: Vec<Event>,
    /// Templates to scale, and to how many pods.
    pub scale: Vec<(String, i32)>,
    /// The status changed, so that the next reconcile follows at once.
    pub changed: bool,
    /// When to reconcile again even if nothing changes.
    pub again_at: Option<Timestamp>,
    /// The reconcile failed; nothing of it was kept.
    pub error: Option<String>,
}

impl Release {
    /// Ends a reconcile.
    pub fn conclude(
        &mut self,
        plan: &Plan,
        outcome: &Outcome,
        observed: &Observed,
        now: Timestamp,
    ) -> Conclusion {
        let mut after = Afterwards {
            next: self.status.clone(),
            end: Conclusion::default(),
            now,
        };
        match self.reconcile_rest(&mut after, plan, outcome, observed) {
            Ok(()) => {
                self.failures = 0;
                let changed = after.next != self.status;
                after.state_events(&self.status);
                self.status = after.next;
                Conclusion {
                    changed: changed || !after.end.scale.is_empty(),
                    ..after.end
                }
            }
            Err(error) => {
                let wait = BACK_OFF
                    .0
                    .saturating_mul(1 << self.failures.min(20))
                    .min(BACK_OFF.1);
                self.failures += 1;
                after.again_at(now + wait);
                Conclusion {
                    error: Some(error),
                    ..after.end
                }
            }
        }
    }

    fn reconcile_rest(
        &mut self,
        after: &mut Afterwards,
        plan: &Plan,
        outcome: &Outcome,
        observed: &Observed,
    ) -> Result<(), String> {
        self.weights(after, plan, outcome)?;
        self.analyse(after, observed);
        let scaled = self.scale(after, observed);
        if !scaled {
            self.pause(after);
        }
        self.sync(after, observed);
        Ok(())
    }

    fn weights(&self, after: &mut Afterwards, plan: &Plan, outcome: &Outcome) -> Result<(), String> {
        if let Outcome::Failed(call, error) = outcome {
            if matches!(call, Call::SetWeight(_)) {
                after.event(Event::warning("TrafficRoutingError", error.clone()));
            }
            return Err(error.clone());
        }
        let Some(weight) = &plan.weight else { return Ok(()) };
        let (spec, old) = (&self.spec, self.status.canary.weights.as_ref());
        let destination = |weight, service: &str, hash: &str| WeightDestination {
            weight,
            service_name: service.to_owned(),
            pod_template_hash: hash.to_owned(),
        };
        let canary = destination(weight.desired, &spec.canary_service, &weight.canary);
        let stable = destination(
            spec.max_weight - weight.desired,
            &spec.stable_service,
            &weight.stable,
        );
        if old.is_none_or(|old| old.canary != canary || old.stable != stable) {
            let change = match old {
                None => format!("to {}", weight.desired),
                Some(old) if old.canary.weight != weight.desired => {
                    format!("from {} to {}", old.canary.weight, weight.desired)
                }
                Some(_) => String::new(),
            };
            after.event(Event::normal(
                "TrafficWeightUpdated",
                format!("Traffic weight updated {change}").trim_end(),
            ));
        }
        let verified = match outcome {
            Outcome::Done(verified) => *verified,
            _ => None,
        };
        after.next.canary.weights = Some(Weights {
            canary,
            stable,
            verified,
        });
        if let Outcome::VerifyFailed(error) = outcome {
            // The controller does not come back by itself, and goes on at the end of a release.
            after.event(Event::warning(
                "WeightVerifyError",
                format!("Failed to verify weight: {error}"),
            ));
            return Ok(());
        }
        if verified == Some(false) {
            after.again_at(after.now + VERIFY_RETRY);
            if weight.desired == spec.max_weight {
                return match self.status.current_step_index {
                    Some(_) => Err(format!(
                        "end of rollout, desired weight {} not yet verified",
                        weight.desired
                    )),
                    None => Err("the controller panics here: no currentStepIndex".to_owned()),
                };
            }
        }
        Ok(())
    }

    fn analyse(&mut self, after: &mut Afterwards, observed: &Observed) {
        if after.next.abort || self.is_fully_promoted() || self.status.stable_rs.is_empty() {
            (self.background, self.step_run) = (None, None);
            return;
        }
        let (counts, now, revision) = (observed.canary, after.now, self.revision);
        let index = self.status.current_step_index;
        let name = |suffix: &str| {
            format!(
                "{}-{}-{revision}{suffix}",
                self.spec.name, self.status.current_pod_hash
            )
        };
        let started = self
            .spec
            .background_from
            .is_some_and(|from| index.is_none_or(|i| i >= from));
        if started && self.background.is_none() {
            let dry = self.spec.background_dry;
            self.background = Some(Run::start(name(""), None, dry, counts, now));
        }
        match (index.and_then(|i| self.spec.steps.get(i)), index) {
            (Some(Step::Analysis { dry }), Some(index)) => {
                let (name, count) = (name(&format!("-{index}")), Some(self.settings.count));
                let asked = last_set_weight(&self.spec.steps[..index]) > 0;
                self.step_run.get_or_insert_with(|| {
                    if asked {
                        Run::start(name, count, *dry, counts, now)
                    } else {
                        Run::unasked(name, counts, now)
                    }
                });
            }
            _ => self.step_run = None,
        }
        for run in [&mut self.background, &mut self.step_run].into_iter().flatten() {
            run.measure(&self.settings, counts, now);
            match &run.phase {
                Phase::Running => {
                    // Due, but too few requests: the run waits for more.
                    let due = run.due(&self.settings);
                    after.again_at(if due > now {
                        due
                    } else {
                        now + self.settings.interval
                    });
                }
                Phase::Successful => {}
                Phase::Failed(why) => {
                    after.event(Event::warning(
                        "AnalysisRunFailed",
                        format!("AnalysisRun {}: {why}", run.name),
                    ));
                    after.abort(why);
                }
            }
        }
        let status = |run: &Option<Run>| {
            run.as_ref().map(|run| RunStatus {
                name: run.name.clone(),
                status: run.phase.name(),
                message: run.message.clone(),
            })
        };
        after.next.canary.current_background_analysis_run_status = status(&self.background);
        after.next.canary.current_step_analysis_run_status = status(&self.step_run);
    }

    /// Scales one template at most, in the controller's order: stable, wanted, others.
    fn scale(&mut self, after: &mut Afterwards, observed: &Observed) -> bool {
        let (stable, new) = (
            self.status.stable_rs.clone(),
            self.status.current_pod_hash.clone(),
        );
        let promoted = self.is_fully_promoted();
        if !promoted && !stable.is_empty() && self.scale_to(after, &stable, self.spec.replicas) {
            return true;
        }
        // Without a delay an aborted canary is scaled as any other, and at once (Go: `shouldDelayScaleDownOnAbort`).
        let delay = self.spec.abort_scale_down_delay;
        if let Some(delay) = delay.filter(|_| after.next.abort && !stable.is_empty()) {
            match self.deadline(&new, after.now + delay) {
                Some(due) if due > after.now => after.again_at(due),
                Some(_) => return self.scale_to(after, &new, 0),
                None => {}
            }
        } else {
            self.clear_deadline(&new);
            let wanted = self.canary_replicas();
            if self.scale_to(after, &new, wanted) {
                return true;
            }
        }
        let others: Vec<String> = self
            .sets
            .iter()
            .map(|set| set.hash.clone())
            .filter(|h| *h != stable && *h != new)
            .collect();
        for other in others {
            let referenced = observed
                .selectors
                .values()
                .any(|s| s.as_deref() == Some(other.as_str()));
            if referenced {
                continue;
            }
            let had_deadline = self.set(&other).is_some_and(|set| set.scale_down_at.is_some());
            if promoted || had_deadline {
                match self.deadline(&other, after.now + self.spec.scale_down_delay) {
                    Some(due) if due > after.now => after.again_at(due),
                    _ => {
                        if self.scale_to(after, &other, 0) {
                            return true;
                        }
                    }
                }
            } else if self.scale_to(after, &other, 0) {
                return true;
            }
        }
        false
    }

    fn scale_to(&mut self, after: &mut Afterwards, hash: &str, pods: i32) -> bool {
        let name = self.spec.name.clone();
        let Some(set) = self
            .sets
            .iter_mut()
            .find(|set| set.hash == hash && set.desired != pods)
        else {
            return false;
        };
        let (direction, from, revision) = (
            if pods > set.desired { "up" } else { "down" },
            set.desired,
            set.revision,
        );
        let message = format!(
            "Scaled {direction} ReplicaSet {name}-{hash} (revision {revision}) from {from} to {pods}"
        );
        after.event(Event::normal("ScalingReplicaSet", message));
        set.desired = pods;
        if pods == 0 {
            set.scale_down_at = None;
        }
        after.end.scale.push((hash.to_owned(), pods));
        true
    }

    /// The deadline of a template that has pods, set now if it has none yet.
    fn deadline(&mut self, hash: &str, otherwise: Timestamp) -> Option<Timestamp> {
        let set = self
            .sets
            .iter_mut()
            .find(|set| set.hash == hash && set.desired > 0)?;
        Some(*set.scale_down_at.get_or_insert(otherwise))
    }

    fn clear_deadline(&mut self, hash: &str) {
        if let Some(set) = self.sets.iter_mut().find(|set| set.hash == hash) {
            set.scale_down_at = None;
        }
    }

    /// `reconcileCanaryPause`
    fn pause(&self, after: &mut Afterwards) {
        if self.status.promote_full || after.next.abort {
            return;
        }
        let step = self
            .status
            .current_step_index
            .and_then(|i| self.spec.steps.get(i));
        let Some(Step::Pause(duration)) = step else { return };
        match (self.status.pause_conditions.first(), duration) {
            (None, _) if !self.status.controller_pause => {
                after.next.pause_conditions.push(PauseCondition {
                    reason: PAUSE_STEP,
                    start_time: after.now,
                });
                after.next.controller_pause = true;
            }
            (Some(pause), Some(duration)) => after.again_at(pause.start_time + *duration),
            _ => {}
        }
    }

    /// `syncRolloutStatusCanary`
    fn sync(&mut self, after: &mut Afterwards, observed: &Observed) {
        after.next.available_replicas = observed.available.values().sum();
        let steps = self.spec.steps.len();
        if let Some(reason) = self.full_promotion(after, observed) {
            self.promote_stable(after, &reason);
        } else if after.next.abort {
            after.next.aborted_at.get_or_insert(after.now);
            let back = if self.is_fully_promoted() { steps } else { 0 };
            after.next.current_step_index = (steps > 0).then_some(back);
            (after.next.controller_pause, after.next.pause_conditions) = (false, Vec::new());
        } else if let Some(index) = self.status.current_step_index.filter(|i| *i < steps)
            && self.step_is_complete(&self.spec.steps[index], after, observed)
        {
            let step = self.spec.steps[index].describe();
            after.next.current_step_index = Some(index + 1);
            (after.next.controller_pause, after.next.pause_conditions) = (false, Vec::new());
            let message = format!("Rollout step {}/{steps} completed ({step})", index + 1);
            after.event(Event::normal("RolloutStepCompleted", message));
        }
        if after.next.promote_full && after.next.current_step_index.is_some() {
            after.next.current_step_index = Some(steps);
        }
        (after.next.phase, after.next.message) = self.phase(&after.next, observed);
    }

    /// `completedCurrentCanaryStep`
    fn step_is_complete(&self, step: &Step, after: &Afterwards, observed: &Observed) -> bool {
        match step {
            Step::SetWeight(_) => {
                let verified = after.next.canary.weights.as_ref().and_then(|w| w.verified);
                self.at_desired_replicas(observed) && verified != Some(false)
            }
            Step::SetCanaryScale(_) => self.at_desired_replicas(observed),
            Step::Pause(duration) => match (self.status.pause_conditions.first(), duration) {
                (None, _) => self.status.controller_pause,
                (Some(pause), Some(duration)) => after.now >= pause.start_time + *duration,
                (Some(_), None) => false,
            },
            Step::SetHeaderRoute(_) | Step::SetMirrorRoute(_) => true,
            Step::Analysis { .. } => self
                .step_run
                .as_ref()
                .is_some_and(|run| run.phase == Phase::Successful),
        }
    }

    /// `shouldFullPromote`
    fn full_promotion(&self, after: &Afterwards, observed: &Observed) -> Option<String> {
        let status = &self.status;
        if status.stable_rs.is_empty() {
            return Some("Initial deploy".to_owned());
        }
        if after.next.abort || observed.available(&status.current_pod_hash) < self.spec.replicas {
            return None;
        }
        if status.promote_full {
            return Some("Full promotion requested".to_owned());
        }
        let steps = self.spec.steps.len();
        let completed = status.current_step_index.is_none_or(|i| i >= steps);
        completed.then(|| format!("Completed all {steps} canary steps"))
    }

    /// `promoteStable`
    fn promote_stable(&mut self, after: &mut Afterwards, reason: &str) {
        let next = &mut after.next;
        (next.controller_pause, next.pause_conditions) = (false, Vec::new());
        next.promote_full = false;
        let steps = self.spec.steps.len();
        next.current_step_index = (steps > 0).then_some(steps);
        if next.stable_rs != next.current_pod_hash {
            let hash = next.current_pod_hash.clone();
            next.stable_rs.clone_from(&hash);
            let message = format!(
                "Rollout completed update to revision {} ({hash}): {reason}",
                self.revision
            );
            after.event(Event::normal("RolloutCompleted", message));
        }
    }

    /// `rolloututil.CalculateRolloutPhase`, shortened to what happens on the stage.
    fn phase(&self, next: &Status, observed: &Observed) -> (&'static str, String) {
        if next.abort {
            let message = if next.message.starts_with("RolloutAborted") {
                next.message.clone()
            } else {
                format!(
                    "RolloutAborted: Rollout aborted update to revision {}",
                    self.revision
                )
            };
            ("Degraded", message)
        } else if let Some(pause) = next.pause_conditions.first() {
            ("Paused", pause.reason.to_owned())
        } else if next.stable_rs == next.current_pod_hash
            && observed.available(&next.stable_rs) >= self.spec.replicas
        {
            ("Healthy", String::new())
        } else {
            ("Progressing", "more replicas need to be updated".to_owned())
        }
    }
}

struct Afterwards {
    next: Status,
    end: Conclusion,
    now: Timestamp,
}

impl Afterwards {
    fn event(&mut self, event: Event) {
        self.end.events.push(event);
    }

    fn again_at(&mut self, at: Timestamp) {
        self.end.again_at = Some(self.end.again_at.map_or(at, |other| other.min(at)));
    }

    fn abort(&mut self, why: &str) {
        self.next.abort = true;
        self.next.message = format!("RolloutAborted: {why}");
    }

    /// `sendStateChangeEvents`, and the condition that an abort sets.
    fn state_events(&mut self, before: &Status) {
        if self.next.abort && before.aborted_at.is_none() {
            let message = self
                .next
                .message
                .trim_start_matches("RolloutAborted: ")
                .to_owned();
            self.event(Event::warning("RolloutAborted", message));
        }
        match (
            before.pause_conditions.is_empty(),
            self.next.pause_conditions.is_empty(),
        ) {
            (true, false) => self.event(Event::normal(
                "RolloutPaused",
                format!("Rollout is paused ({PAUSE_STEP})"),
            )),
            (false, true) if self.next.aborted_at.is_none() => {
                self.event(Event::normal("RolloutResumed", "Rollout is resumed"));
            }
            _ => {}
        }
    }
}
