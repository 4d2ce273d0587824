//! The controller's memory of one Rollout, and what the user can ask of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::analysis::{Run, Settings};
use super::spec::{Spec, SpecError};
use super::status::Status;
use crate::stage::gateway::stats::Counts;

/// A Rollout under way. Its `plan` and `conclude` make a reconcile; time comes in as a value.
#[derive(Debug, Clone)]
pub struct Release {
    /// What the user wrote, last.
    pub(super) object: Value,
    /// The same, read.
    pub spec: Spec,
    /// Where it stands.
    pub status: Status,
    /// `rollout.argoproj.io/revision`
    pub revision: u32,
    /// One for each template that has or had pods.
    pub(super) sets: Vec<ReplicaSet>,
    pub(super) settings: Settings,
    pub(super) background: Option<Run>,
    pub(super) step_run: Option<Run>,
    /// Reconciles that failed in a row.
    pub(super) failures: u32,
}

/// The pods of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSet {
    /// Template.
    pub hash: String,
    /// Of the Rollout that brought it.
    pub revision: u32,
    /// Pods asked for.
    pub desired: i32,
    /// When it may be scaled down.
    pub scale_down_at: Option<Timestamp>,
}

/// What the controller sees of the cluster when it reconciles.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Ready pods by template.
    pub available: BTreeMap<String, i32>,
    /// Services and the template that their selector names, `None` where it names none.
    pub selectors: BTreeMap<String, Option<String>>,
    /// What the gateway counted for the wanted template since the stage began.
    pub canary: Counts,
}

/// An event on the Rollout.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// `Normal` is false.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

impl Observed {
    /// Ready pods of a template.
    pub fn available(&self, hash: &str) -> i32 {
        self.available.get(hash).copied().unwrap_or(0)
    }
}

impl Release {
    /// Begins with a Rollout that has no pods yet.
    pub fn new(rollout: Value, settings: Settings) -> Result<(Self, Vec<Event>), SpecError> {
        let spec = Spec::read(&rollout)?;
        let mut release = Self {
            object: rollout.clone(),
            spec,
            status: Status::default(),
            revision: 0,
            sets: Vec::new(),
            settings,
            background: None,
            step_run: None,
            failures: 0,
        };
        let events = release.apply(rollout)?;
        Ok((release, events))
    }

    /// The user applies another version of the Rollout. A changed template or changed steps begin a release
    /// (Go: `syncRolloutStatusCanary` with `PodTemplateOrStepsChanged`, `resetRolloutStatus`).
    pub fn apply(&mut self, rollout: Value) -> Result<Vec<Event>, SpecError> {
        let spec = Spec::read(&rollout)?;
        let mut events = Vec::new();
        let steps_changed = spec.steps != self.spec.steps;
        let new_template = spec.template_hash != self.status.current_pod_hash;
        (self.object, self.spec) = (rollout, spec);
        if !new_template && !steps_changed {
            return Ok(events);
        }
        let hash = self.spec.template_hash.clone();
        if new_template {
            self.revision += 1;
            let (revision, name) = (self.revision, &self.spec.name);
            events.push(Event::normal(
                "RolloutUpdated",
                format!("Rollout updated to revision {revision}"),
            ));
            match self.sets.iter_mut().find(|set| set.hash == hash) {
                Some(set) => (set.revision, set.scale_down_at) = (revision, None),
                None => {
                    let message = format!("Created ReplicaSet {name}-{hash} (revision {revision})");
                    events.push(Event::normal("NewReplicaSetCreated", message));
                    self.sets.push(ReplicaSet {
                        hash: hash.clone(),
                        revision,
                        desired: 0,
                        scale_down_at: None,
                    });
                }
            }
        }
        let steps = self.spec.steps.len();
        let status = &mut self.status;
        status.current_pod_hash = hash;
        status.current_step_index = (steps > 0).then_some(0);
        (status.abort, status.aborted_at, status.promote_full) = (false, None, false);
        (status.controller_pause, status.pause_conditions) = (false, Vec::new());
        status.canary.current_step_analysis_run_status = None;
        status.canary.current_background_analysis_run_status = None;
        (self.background, self.step_run) = (None, None);
        if self.is_fully_promoted() && steps > 0 {
            self.status.current_step_index = Some(steps);
            events.push(Event::normal("SkipSteps", "Rollback to stable ReplicaSets"));
        }
        Ok(events)
    }

    /// The user gives the release up (`kubectl argo rollouts abort`).
    pub fn abort(&mut self) {
        self.status.abort = true;
    }

    /// The user tries an aborted release again (`kubectl argo rollouts retry rollout`).
    pub fn retry(&mut self) {
        (self.status.abort, self.status.aborted_at) = (false, None);
    }

    /// The user goes on: ends a pause, or skips the current step (`kubectl argo rollouts promote`).
    pub fn promote(&mut self) {
        if self.status.pause_conditions.is_empty() {
            let steps = self.spec.steps.len();
            self.status.current_step_index = self.status.current_step_index.map(|i| (i + 1).min(steps));
        } else {
            self.status.pause_conditions.clear();
        }
    }

    /// The user skips all remaining steps (`kubectl argo rollouts promote --full`).
    pub fn promote_full(&mut self) {
        self.status.promote_full = !self.is_fully_promoted();
        self.status.pause_conditions.clear();
    }

    /// Whether the wanted template is the stable one.
    pub fn is_fully_promoted(&self) -> bool {
        self.status.stable_rs == self.status.current_pod_hash
    }

    /// The pods of a template.
    pub fn set(&self, hash: &str) -> Option<&ReplicaSet> {
        self.sets.iter().find(|set| set.hash == hash)
    }

    /// The share of the traffic that each template should get under these selectors, by the weights set last.
    pub fn shares(&self, weight: i32, selectors: &BTreeMap<String, Option<String>>) -> BTreeMap<String, f64> {
        let max = f64::from(self.spec.max_weight);
        let canary = f64::from(weight) / max;
        let mut shares = BTreeMap::new();
        for (service, share) in [
            (&self.spec.canary_service, canary),
            (&self.spec.stable_service, 1.0 - canary),
        ] {
            if share > 0.0
                && let Some(Some(hash)) = selectors.get(service)
            {
                *shares.entry(hash.clone()).or_insert(0.0) += share;
            }
        }
        shares
    }

    /// The Rollout as the API has it: as [`Release::to_json`], without a pod template that is its workload's (Go:
    /// `RolloutSpec.MarshalJSON`).
    pub fn stored(&self) -> Value {
        let mut object = self.to_json();
        if !object["spec"]["workloadRef"].is_null()
            && let Some(spec) = object["spec"].as_object_mut()
        {
            spec.remove("template");
        }
        object
    }

    /// The Rollout as a plugin gets it: what the user wrote with the pod template of its workload, the controller's
    /// annotations and the status.
    pub fn to_json(&self) -> Value {
        let mut object = self.object.clone();
        object["metadata"]["namespace"] = self.spec.namespace.clone().into();
        let annotations = &mut object["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations["rollout.argoproj.io/revision"] = self.revision.to_string().into();
        if !self.object["spec"]["workloadRef"].is_null() {
            // Each release is a change of the workload here, so its generation is the revision.
            annotations["rollout.argoproj.io/workload-generation"] = self.revision.to_string().into();
        }
        object["status"] = json!(self.status);
        object
    }
}

impl Event {
    pub(super) fn normal(reason: &str, message: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    pub(super) fn warning(reason: &str, message: impl Into<String>) -> Self {
        Self {
            warning: true,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}
