//! The Rollout.

use canary_steps::edit;
use canary_steps::syntax::{Choice, Item, Word};
use serde_json::{Value, json};

use super::deployment::Deployment;
use super::object::{edited, foreign_metadata, set, text};
use super::problem::{Problem, Refusal};
use super::route::{self, Route};
use super::service::{Canary, Service};
use super::{Template, Wishes};
use crate::manifests::{self, Document};

/// Makes it.
pub(super) fn make(
    deployment: &Deployment<'_>,
    service: &Service<'_>,
    canary: &Canary,
    routes: &[Route<'_>],
    wishes: &Wishes,
) -> Result<Document, Refusal> {
    check(&wishes.steps)?;
    let router = json!({&wishes.router: route::settings(routes, deployment.object.namespace())});
    let document = match wishes.template {
        Template::Inline => {
            let canary = json!({
                "canaryService": canary.name,
                "stableService": service.object.name(),
                "trafficRouting": {"plugins": router},
                "steps": [],
            });
            let mut changes = foreign_metadata(deployment.object.value);
            changes.extend([
                set(&["apiVersion"], json!("argoproj.io/v1alpha1")),
                set(&["kind"], json!("Rollout")),
                set(&["spec", "replicas"], json!(deployment.replicas)),
                set(&["spec", "strategy"], json!({"canary": canary})),
            ]);
            edited(deployment.object.document, &changes)
        }
        Template::Referenced(scale_down) => {
            referring(deployment, service, canary, &router, scale_down.word())
        }
    };
    let refused = |problem: String| Problem::new("--steps", "", problem);
    let switched = manifests::switch_steps("", &document.text, deployment.name(), &wishes.steps);
    let text = switched.map_err(|error| refused(error.problem))?;
    let value = edit::read(&text).map_err(|error| refused(error.to_string()))?;
    Ok(Document {
        text,
        value,
        rewritten: document.rewritten,
    })
}

/// Steps of their own, or none: what refers to steps in Git has nothing to refer to.
fn check(steps: &str) -> Result<(), Problem> {
    let refused = |problem: String| Problem::new("--steps", "", problem);
    let choice = Choice::parse(steps).map_err(|error| refused(error.to_string()))?;
    let own = match &choice {
        Some(Choice {
            word: Word::Steps(items),
            release: None,
        }) => !items.iter().any(|item| matches!(item, Item::Git(_))),
        Some(Choice {
            word: Word::Off | Word::Preset(_),
            release: None,
        }) => true,
        _ => false,
    };
    if own {
        return Ok(());
    }
    let problem = format!(
        "{steps:?} says nothing about a new Rollout; accepted are steps like 20,pause,100, ramp and off"
    );
    Err(refused(problem))
}

/// A Rollout that takes its pod template from the Deployment.
fn referring(
    deployment: &Deployment<'_>,
    service: &Service<'_>,
    canary: &Canary,
    router: &Value,
    scale_down: &str,
) -> Document {
    let object = deployment.object;
    let spec = &object.value["spec"];
    let mut out = Lines(format!(
        "# Takes its pods from Deployment {}, whose pod template is what is released.\n",
        object.name()
    ));
    out.field(0, "apiVersion", &json!("argoproj.io/v1alpha1"));
    out.field(0, "kind", &json!("Rollout"));
    out.key(0, "metadata");
    out.field(1, "name", &json!(object.name()));
    if !object.namespace().is_empty() {
        out.field(1, "namespace", &json!(object.namespace()));
    }
    let mut bare = object.value.clone();
    for change in foreign_metadata(object.value)
        .iter()
        .filter(|change| change.path.len() == 3)
    {
        bare[&change.path[0]][&change.path[1]]
            .as_object_mut()
            .map(|map| map.remove(&change.path[2]));
    }
    if let Some(labels) = bare["metadata"]["labels"]
        .as_object()
        .filter(|labels| !labels.is_empty())
    {
        out.field(1, "labels", &json!(labels));
    }
    out.key(0, "spec");
    out.field(1, "replicas", &json!(deployment.replicas));
    for field in [
        "minReadySeconds",
        "progressDeadlineSeconds",
        "revisionHistoryLimit",
    ] {
        if !spec[field].is_null() {
            out.field(1, field, &spec[field]);
        }
    }
    out.field(1, "selector", &spec["selector"]);
    out.key(1, "workloadRef");
    out.field(2, "apiVersion", &json!("apps/v1"));
    out.field(2, "kind", &json!("Deployment"));
    out.field(2, "name", &json!(object.name()));
    out.field(2, "scaleDown", &json!(scale_down));
    out.key(1, "strategy");
    out.key(2, "canary");
    out.field(
        3,
        "stableService",
        &json!(text(&service.object.value["metadata"]["name"])),
    );
    out.field(3, "canaryService", &json!(canary.name));
    out.field(3, "trafficRouting", &json!({"plugins": router}));
    out.field(3, "steps", &json!([]));
    let value = edit::read(&out.0).unwrap_or_default();
    Document {
        text: out.0,
        value,
        rewritten: false,
    }
}

/// YAML in an order that people expect.
struct Lines(String);

impl Lines {
    fn key(&mut self, depth: usize, key: &str) {
        self.0.push_str(&format!("{}{key}:\n", "  ".repeat(depth)));
    }

    fn field(&mut self, depth: usize, key: &str, value: &Value) {
        for line in edit::yaml(&json!({ key: value })).lines() {
            self.0.push_str(&format!("{}{line}\n", "  ".repeat(depth)));
        }
    }
}
