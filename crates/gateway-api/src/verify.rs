//! Whether the gateways serve the weights that were set: [`judge`].
//!
//! Three levels, each only asked when the one before holds:
//! - **L0** the route carries the weights;
//! - **L1** every parent of the route reports, for the generation we wrote or a later one, that it accepted the route
//!   and resolved its references;
//! - **L2** a settle time has passed since our write, for controllers that report before their data plane follows.

mod reports;

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::types::{Action, Rollout};
use serde_json::Value;

use self::reports::{Parent, Report, judge_report};
use crate::apply::FIELD_MANAGER;
use crate::config::RouteTarget;
use crate::intent::{Affinity, Experiment, Intent, is_fully_promoted, recorded_weight};
use crate::plan::{Change, Ledger, Plan, PlanError, Problem, plan_route};

/// What is known about a route's weights on the gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are served.
    Verified,
    /// They are served as far as the gateway's reports go, which is not far.
    Unconfirmed(String),
    /// They are not served yet, and why.
    Pending(String),
}

/// When a controller can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// For controllers that are not known to be slower.
    pub default: Duration,
}

impl Default for Settle {
    /// 1 s: Envoy-based gateways and Traefik follow within that time.
    fn default() -> Self {
        Self {
            default: Duration::from_secs(1),
        }
    }
}

/// Controllers whose data plane follows their reports slowly, by `controllerName`.
const SLOW: [(&str, Duration); 1] = [
    // Weights were seen to take about 8 s on Google's load balancers (argo-rollouts #4710).
    ("networking.gke.io/gateway", Duration::from_secs(10)),
];

impl Settle {
    fn of(&self, controller: &str) -> Duration {
        let slow = SLOW
            .iter()
            .find(|(name, _)| *name == controller)
            .map(|(_, time)| *time);
        slow.unwrap_or_default().max(self.default)
    }
}

/// Whether the controller makes anything of a verdict now: at `setWeight` steps and at the end of the steps (Go:
/// `utils/rollout/rolloututil.go` `ShouldVerifyWeight`).
pub fn is_asked(rollout: &Rollout, desired_weight: i32) -> bool {
    if rollout.status.stable_rs.is_empty() || is_fully_promoted(rollout) {
        return false;
    }
    let step = rollout
        .current_step_index()
        .and_then(|index| rollout.steps().get(index));
    match step {
        Some(step) => matches!(step.action(), Action::SetWeight(_)),
        None => desired_weight == rollout.max_traffic_weight(),
    }
}

/// Whether it is the failure of `SetWeight` alone that keeps users from a version with too few pods, so that it has to
/// wait for gateways:
/// - a Rollout without steps: "not verified" at full weight makes the controller dereference the missing
///   `status.currentStepIndex` (Go: `rollout/trafficrouting.go`);
/// - `dynamicStableScale` while the weight rises: the stable version shrinks to what the weight leaves it as soon as it
///   is set, verified or not (Go: `utils/replicaset/canary.go` `CalculateReplicaCountsForTrafficRoutedCanary`).
///
/// A falling weight is never held up: the reconcile would not bring up the stable version's pods either.
pub fn only_failure_protects(rollout: &Rollout, desired_weight: i32) -> bool {
    if rollout.steps().is_empty() && is_asked(rollout, desired_weight) {
        return true;
    }
    let status = &rollout.status;
    let is_dynamic = rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale);
    is_dynamic
        && !status.abort
        && !status.stable_rs.is_empty()
        && !is_fully_promoted(rollout)
        && desired_weight > recorded_weight(rollout).unwrap_or(0)
}

/// A route in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `metadata.uid`: of a route that is made anew the generations begin again.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
}

impl Written {
    /// The generation of a route; [`None`] where it has none.
    pub fn of(route: &Value) -> Option<Self> {
        Some(Self {
            uid: route["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            generation: route.pointer("/metadata/generation")?.as_i64()?,
        })
    }
}

/// Judges a route as the API server has it.
///
/// Gateways must have observed the route's present generation: an earlier one may have carried other weights, also where
/// ours were there before. `written` is what it was when it last was as it had been asked for; of a route that is read from
/// a cache which lags behind that, nothing is believed.
pub fn judge(
    target: &RouteTarget,
    route: &Value,
    intent: &Intent,
    written: Option<&Written>,
    settle: &Settle,
    now: Timestamp,
) -> Verdict {
    match plan_named(target, route, intent) {
        Err(error) => return Verdict::Pending(error.to_string()),
        Ok(plan) => {
            let drift = plan.changes.iter().find(|change| {
                matches!(
                    change,
                    Change::Weights { .. } | Change::Experiments | Change::Affinity { .. }
                )
            });
            if let Some(drift) = drift {
                return Verdict::Pending(format!(
                    "{}: the weights are not those that were set ({drift})",
                    target.key
                ));
            }
        }
    }
    let present = Written::of(route);
    let written = written.filter(|written| present.as_ref().is_some_and(|now| now.uid == written.uid));
    let generations = [present.as_ref(), written].into_iter().flatten();
    let generation = generations.map(|seen| seen.generation).max().unwrap_or(0);
    let mut unconfirmed = None;
    let mut settled = Duration::ZERO;
    for parent_ref in list(route, "/spec/parentRefs") {
        let parent = Parent::of(parent_ref, &target.key);
        let mut reports = list(route, "/status/parents")
            .iter()
            .filter(|report| {
                report
                    .get("parentRef")
                    .is_some_and(|known| Parent::of(known, &target.key) == parent)
            })
            .peekable();
        if reports.peek().is_none() {
            return Verdict::Pending(format!("{}: {parent} has not reported on the route", target.key));
        }
        for report in reports {
            let controller = report["controllerName"].as_str().unwrap_or_default();
            match judge_report(report, generation) {
                Report::Good => {}
                Report::Unversioned => {
                    unconfirmed = Some(format!(
                        "{}: {parent} accepted the route, but {controller:?} does not say which generation it observed",
                        target.key
                    ));
                }
                Report::Bad(reason) => return Verdict::Pending(format!("{}: {parent} {reason}", target.key)),
            }
            settled = settled.max(settle.of(controller));
        }
    }
    let since = since_our_write(route, now);
    if since.is_some_and(|since| since < settled) {
        return Verdict::Pending(format!(
            "{}: the gateway accepted the route, its data plane is given {} s to follow",
            target.key,
            settled.as_secs_f32()
        ));
    }
    match unconfirmed {
        Some(reason) => Verdict::Unconfirmed(reason),
        None => Verdict::Verified,
    }
}

/// Whether the route has the cookie of a sticky release of this Rollout.
fn has_cookie(route: &Value, intent: &Intent) -> bool {
    let ledger = Ledger::read(route);
    ledger
        .entry(&intent.owner)
        .is_some_and(|entry| entry.cookie.is_some())
}

/// The plan without the experiments whose Services nobody names and the route does not have: there may be none.
fn plan_named(target: &RouteTarget, route: &Value, intent: &Intent) -> Result<Plan, PlanError> {
    let mut intent = Cow::Borrowed(intent);
    // Whether it was done without depends on more than the route.
    let is_dispensable = |affinity: &Affinity| affinity.is_dispensable;
    if intent.affinity.as_ref().is_some_and(is_dispensable) && !has_cookie(route, &intent) {
        intent.to_mut().affinity = None;
    }
    loop {
        let error = match plan_route(target, route, &intent, None) {
            Err(error) => error,
            plan => return plan,
        };
        let Problem::NeedsPorts { service } = &*error.problem else {
            return Err(error);
        };
        let is_unnamed = |known: &Experiment| known.is_derived && known.service == *service;
        let experiments = intent.to_mut().split.as_mut().map(|split| &mut split.experiments);
        match experiments {
            Some(experiments) if experiments.iter().any(is_unnamed) => {
                experiments.retain(|known| !is_unnamed(known));
            }
            _ => return Err(error),
        }
    }
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// How long ago we wrote, as the API server recorded it; that survives our restarts.
fn since_our_write(route: &Value, now: Timestamp) -> Option<Duration> {
    let ours = list(route, "/metadata/managedFields")
        .iter()
        .filter(|entry| entry["manager"] == FIELD_MANAGER);
    let last = ours
        .filter_map(|entry| entry["time"].as_str()?.parse::<Timestamp>().ok())
        .max()?;
    Some(Duration::try_from(now.duration_since(last)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
