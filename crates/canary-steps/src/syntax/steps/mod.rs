//! Whether the Rollouts controller would take a list of steps.
//!
//! Follows `ValidateRolloutStrategyCanary` in argo-rollouts `pkg/apis/rollouts/validation/validation.go`. It is stricter
//! where the API server or the controller would take a mistake silently: unknown fields, and several kinds in one step.

mod fields;
mod kinds;
mod routing;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::suggest::nearest;
use crate::edit::{Rollout, Strategy};
use fields::object;
use routing::Routing;

/// A step that the controller would refuse, and with it the whole Rollout (condition `InvalidSpec`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {number} {problem}")]
pub struct StepError {
    /// The step, counted from 1.
    pub number: usize,
    /// What is wrong with it: the end of a sentence.
    pub problem: String,
}

const KINDS: [&str; 8] = [
    "setWeight",
    "pause",
    "setCanaryScale",
    "analysis",
    "experiment",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
];

/// Checks steps against the Rollout they are for: its traffic routing and its managed routes decide what is allowed.
///
/// # Errors
/// The first step that the controller would refuse.
pub fn validate(steps: &[Value], rollout: &Rollout) -> Result<(), StepError> {
    let routing = Routing::new(rollout.traffic_routing());
    for (n, step) in steps.iter().enumerate() {
        check(step, &routing).map_err(|problem| StepError {
            number: n + 1,
            problem,
        })?;
    }
    Ok(())
}

/// What is allowed but may surprise.
#[must_use]
pub fn warnings(steps: &[Value], rollout: &Rollout) -> Vec<String> {
    let mut warnings = Vec::new();
    let weights: Vec<i64> = steps.iter().filter_map(|s| s["setWeight"].as_i64()).collect();
    if weights.is_empty() && !steps.is_empty() {
        warnings.push("no step sets a weight".to_owned());
    }
    if let Some(pair) = weights.windows(2).find(|w| w[1] < w[0]) {
        warnings.push(format!("the weight falls from {} to {}", pair[0], pair[1]));
    }
    if let Strategy::Canary(canary) = rollout.strategy()
        && let Some(starting) = canary.get("analysis").and_then(|a| a["startingStep"].as_u64())
        && !steps.is_empty()
        && starting >= steps.len() as u64
    {
        warnings.push(format!(
            "the background analysis starts at step {starting} and never runs"
        ));
    }
    warnings
}

fn check(step: &Value, routing: &Routing<'_>) -> Result<(), String> {
    let Value::Object(step) = step else {
        return Err(format!("is {step}, not an object like {{\"setWeight\": 25}}"));
    };
    if step.is_empty() {
        return Err("is empty; write pause: {} to wait".to_owned());
    }
    // Go: `validation.go` `hasMultipleStepsType`.
    let exclusive = ["setWeight", "pause", "experiment", "analysis"];
    if step
        .keys()
        .filter(|kind| exclusive.contains(&kind.as_str()))
        .count()
        > 1
    {
        return Err(format!("has {} kinds ({}); write one", step.len(), keys(step)));
    }
    step.iter()
        .try_for_each(|(kind, value)| check_kind(kind, value, routing))
}

fn check_kind(kind: &str, value: &Value, routing: &Routing<'_>) -> Result<(), String> {
    match kind {
        "setWeight" => kinds::set_weight(value, routing),
        "pause" => kinds::pause(object(kind, value)?),
        "setCanaryScale" => kinds::set_canary_scale(object(kind, value)?, routing),
        "setHeaderRoute" => kinds::set_header_route(object(kind, value)?, routing),
        "setMirrorRoute" => kinds::set_mirror_route(object(kind, value)?, routing),
        "analysis" => kinds::analysis(object(kind, value)?),
        "experiment" => kinds::experiment(object(kind, value)?, routing),
        "plugin" => kinds::plugin(object(kind, value)?),
        unknown => Err(match nearest(unknown, KINDS) {
            Some(near) => format!("has the unknown kind {unknown:?}; did you mean {near:?}?"),
            None => format!("has the unknown kind {unknown:?}; kinds are {}", KINDS.join(", ")),
        }),
    }
}

fn keys(map: &Map<String, Value>) -> String {
    map.keys().cloned().collect::<Vec<_>>().join(", ")
}
