//! The Services of experiments whose names the controller lost.
//!
//! The controller writes the name once, into the Experiment's status, when it creates the Service (Go:
//! `experiments/experiment.go` `createTemplateService`). A reconcile that begins from an older copy of the Experiment
//! overwrites the list in which it stands, and nothing brings it back: from then on destinations come with a weight and
//! without a name (seen of 1.10.1 under load). What it is called follows from the Rollout.

use rollouts_plugin::types::{ExperimentTemplate, Rollout, WeightDestination};

/// The Service of each destination that has none, in their order; [`None`] where the Rollout does not tell it, and where
/// the destination gets nothing.
pub(super) fn services(rollout: &Rollout, additional: &[WeightDestination]) -> Vec<Option<String>> {
    let nameless = additional.iter().filter(|other| other.service_name.is_empty());
    let weights = nameless.map(|other| other.weight).collect::<Vec<_>>();
    let mut open = open_templates(rollout, additional);
    // Each running template has its destination, so that those of equal weight may be exchanged.
    if open.len() != weights.iter().filter(|weight| **weight > 0).count() {
        open.clear();
    }
    let service = |weight: i32| {
        let at = open.iter().position(|(known, _)| *known == weight)?;
        Some(open.swap_remove(at).1)
    };
    weights.into_iter().map(service).collect()
}

/// Weights and Services of the running experiment's templates that no destination names.
fn open_templates(rollout: &Rollout, additional: &[WeightDestination]) -> Vec<(i32, String)> {
    let experiment = &rollout.status.canary.current_experiment;
    let Some(index) = rollout.current_step_index().filter(|_| !experiment.is_empty()) else {
        return Vec::new();
    };
    // Go: `utils/replicaset/canary.go` `GetCurrentExperimentStep`: the last one up to the current step.
    let begun = rollout.steps().iter().take(index + 1).rev();
    let step = begun.filter_map(|step| step.experiment.as_ref()).next();
    let weighted = step
        .into_iter()
        .flat_map(|step| &step.templates)
        .filter_map(|template| Some((template.weight?, service(experiment, template))));
    weighted
        .filter(|(weight, service)| {
            *weight > 0 && additional.iter().all(|other| other.service_name != *service)
        })
        .collect()
}

/// As the controller names it: what the template says, else as the template's ReplicaSet (Go: `experiments/replicaset.go`
/// `newReplicaSetFromTemplate`).
fn service(experiment: &str, template: &ExperimentTemplate) -> String {
    match &template.service {
        Some(service) if !service.name.is_empty() => service.name.clone(),
        _ => format!("{experiment}-{}", template.name),
    }
}
