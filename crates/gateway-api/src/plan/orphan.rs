//! What a Rollout left behind that was deleted in mid-release.

use serde_json::Value;

use super::{Change, Entry, Ledger, Leftovers, Plan, PlanError, Problem, plan_route};
use crate::RouteKey;
use crate::config::{Label, RouteTarget};
use crate::intent::{Intent, Managed, Services, Split};

/// Plans a route as if the release of a Rollout that exists no more had been aborted: its rules, cookies and label go, and
/// all of its traffic goes to the stable Service. The record on the route says what was its own; what other Rollouts
/// have there stays.
///
/// # Errors
/// Where the weights cannot be set, see [`plan_route`].
pub fn plan_orphan(key: &RouteKey, route: &Value, owner: &str) -> Result<Plan, PlanError> {
    let ledger = Ledger::read(route);
    let Some(entry) = ledger.entry(owner) else {
        return Ok(Plan::default());
    };
    let namespace = owner.split_once('/').map_or("", |(namespace, _)| namespace);
    let services = entry.services.clone();
    let has_services = services.is_some();
    let [stable, canary] = services.unwrap_or_default();
    let mut intent = Intent {
        owner: owner.to_owned(),
        namespace: namespace.to_owned(),
        services: Services { stable, canary },
        split: has_services.then_some(Split {
            max: 100,
            canary: 0,
            experiments: Vec::new(),
            unnamed: 0,
        }),
        managed: Managed::NONE,
        affinity: None,
        matches: Vec::new(),
        unknown: None,
        assumed: Vec::new(),
        leftovers: Leftovers::default(),
    };
    let mut target = RouteTarget::new(key.clone(), true);
    target.rules.clone_from(&entry.scope);
    let label = entry.label.clone().map(|key| Label {
        key,
        value: String::new(),
    });
    let mut plan = loop {
        let error = match plan_route(&target, route, &intent, label.as_ref()) {
            Ok(plan) => break plan,
            Err(error) => error,
        };
        // The user has taken rules or Services from the route already.
        match &*error.problem {
            Problem::NoSuchRule { choice, .. } if target.rules.len() > 1 => {
                target.rules.retain(|known| known != choice);
            }
            Problem::NoSuchRule { .. } | Problem::NoRule { .. } if intent.split.is_some() => {
                intent.split = None;
            }
            _ => return Err(error),
        }
    };
    let mut object = plan.object.take().unwrap_or_else(|| route.clone());
    let mut ledger = Ledger::read(&object);
    ledger.set(owner, Entry::default());
    ledger.write(&mut object);
    if plan.changes.is_empty() {
        plan.changes.push(Change::Record);
    }
    plan.object = Some(object);
    Ok(plan)
}
