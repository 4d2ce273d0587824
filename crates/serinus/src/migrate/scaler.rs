//! What decides how many pods there are: its target becomes the Rollout.

use serde_json::{Value, json};

use super::deployment::Deployment;
use super::object::{Object, edited, set, text};
use crate::manifests::Document;

/// Group and kind, and the field that names what is scaled.
const KINDS: [(&str, &str, &str); 3] = [
    ("autoscaling", "HorizontalPodAutoscaler", "scaleTargetRef"),
    ("keda.sh", "ScaledObject", "scaleTargetRef"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "targetRef"),
];

/// A scaler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaler<'d> {
    pub(super) object: Object<'d>,
    field: &'static str,
}

impl Scaler<'_> {
    /// Whether this Deployment is its target, and it counts pods.
    pub(super) fn scales(&self, deployment: &Object<'_>) -> bool {
        self.field == "scaleTargetRef" && self.is_on(deployment)
    }

    fn is_on(&self, deployment: &Object<'_>) -> bool {
        let target: &Value = &self.object.value["spec"][self.field];
        // A ScaledObject means a Deployment unless it says otherwise.
        matches!(text(&target["kind"]), "" | "Deployment")
            && text(&target["name"]) == deployment.name()
            && self.object.is_beside(deployment)
    }
}

/// All scalers.
pub(super) fn find<'d>(objects: &[Object<'d>]) -> Vec<Scaler<'d>> {
    let known = objects.iter().filter_map(|object| {
        let (.., field) = KINDS.iter().find(|(group, kind, _)| object.is(group, kind))?;
        Some(Scaler {
            object: *object,
            field,
        })
    });
    known.collect()
}

/// Those of this Deployment, with the Rollout of its name as their target.
pub(super) fn move_to_rollout(scalers: &[Scaler<'_>], deployment: &Deployment<'_>) -> Vec<Document> {
    let own = scalers.iter().filter(|scaler| scaler.is_on(&deployment.object));
    let moved = own.map(|scaler| {
        let to = |key: &str, value: &str| set(&["spec", scaler.field, key], json!(value));
        edited(
            scaler.object.document,
            &[to("apiVersion", "argoproj.io/v1alpha1"), to("kind", "Rollout")],
        )
    });
    moved.collect()
}
