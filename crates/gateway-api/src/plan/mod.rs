//! From a route as it is to the route as a Rollout wants it: [`plan_route`].
//!
//! The route is raw JSON of any version. Only what the plan is about changes; fields that nobody here knows are kept.
//! Planning the result again changes nothing, and what was added goes without a trace when the Rollout wants it no more.

mod affinity;
mod arrange;
mod change;
mod claims;
mod cookies;
mod features;
mod gateways;
mod label;
mod leftovers;
mod limits;
mod managed;
mod matching;
mod meta;
mod orphan;
mod ownership;
mod planner;
mod problem;
mod view;
mod weights;

use serde_json::Value;

pub use self::change::Change;
pub use self::features::Features;
pub use self::leftovers::Leftovers;
pub use self::matching::MatchProblem;
pub use self::orphan::plan_orphan;
pub use self::ownership::{ANNOTATION, Entry, Ledger, RuleRecord, fingerprint};
use self::planner::Planner;
pub use self::problem::{PlanError, Problem, Refusal, Warning};
pub use self::view::RuleRef;
use crate::RouteKey;
use crate::config::{Label, RouteTarget};
use crate::intent::Intent;

/// What has to be done to a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The whole new object; [`None`] where nothing changes.
    pub object: Option<Value>,
    /// What changes, for people.
    pub changes: Vec<Change>,
    /// Managed routes that this route cannot carry; everything else is planned all the same.
    pub refused: Vec<Refusal>,
    /// What may not work as asked; everything is planned all the same.
    pub warnings: Vec<Warning>,
}

/// Plans one route for one Rollout.
///
/// `label` is the label of a release under way; [`None`] where the user does not want it.
///
/// # Errors
/// Where the weights cannot be set on this route; nothing may be written then. A managed route that the route cannot
/// carry is no error, see [`Plan::refused`].
pub fn plan_route(
    target: &RouteTarget,
    route: &Value,
    intent: &Intent,
    label: Option<&Label>,
) -> Result<Plan, PlanError> {
    plan_route_on(target, route, intent, label, &Features::default())
}

/// As [`plan_route`], for a route whose gateways say what they can do.
///
/// # Errors
/// As [`plan_route`]. A managed route that a gateway cannot do is refused.
pub fn plan_route_on(
    target: &RouteTarget,
    route: &Value,
    intent: &Intent,
    label: Option<&Label>,
    features: &Features,
) -> Result<Plan, PlanError> {
    let plan = |intent: &Intent| Planner::new(target, route, intent, label, features).plan(label);
    let planned = match (plan(intent), &intent.affinity) {
        (Err(problem), Some(affinity)) if affinity.is_dispensable => {
            let without = Intent {
                affinity: None,
                ..intent.clone()
            };
            plan(&without).map(|mut planned| {
                let refusal = Refusal::new(&target.key, "sessionAffinity", problem);
                planned.refused.push(refusal);
                planned
            })
        }
        (planned, _) => planned,
    };
    planned.map_err(|problem| PlanError::new(&target.key, problem))
}

/// What the API server left out of managed rules that were written: its CRDs are older than the fields.
pub fn pruned(key: &RouteKey, planned: &Value, stored: &Value) -> Vec<Warning> {
    features::pruned(key, planned, stored)
}

#[cfg(test)]
mod tests;
