//! The Deployment, and whether it can be migrated.

use serde_json::{Value, json};

use super::object::{Object, edited, list, set, text};
use super::problem::{Problem, Refusal};
use super::scaler::Scaler;
use super::{Template, Wishes};
use crate::manifests::Document;

/// A Deployment that can be migrated.
#[derive(Debug, Clone)]
pub(super) struct Deployment<'d> {
    pub(super) object: Object<'d>,
    /// Pods that the Rollout has.
    pub(super) replicas: u64,
}

impl Deployment<'_> {
    pub(super) fn name(&self) -> &str {
        self.object.name()
    }

    /// `spec.template.metadata.labels`
    pub(super) fn labels(&self) -> &Value {
        &self.object.value["spec"]["template"]["metadata"]["labels"]
    }

    /// Its labels as people write them: `app=shop,tier=web`.
    pub(super) fn described(&self) -> String {
        describe(self.labels())
    }

    /// The Deployment as it is in the end: without pods, for a Rollout that refers to it.
    pub(super) fn retired(&self, template: Template) -> Option<Document> {
        match template {
            Template::Inline => None,
            Template::Referenced(_) => Some(edited(
                self.object.document,
                &[set(&["spec", "replicas"], json!(0))],
            )),
        }
    }
}

/// Labels as people write them.
pub(super) fn describe(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    if pairs.is_empty() {
        return "no labels".to_owned();
    }
    pairs.join(",")
}

/// Finds it and checks it.
pub(super) fn choose<'d>(
    objects: &[Object<'d>],
    scalers: &[Scaler<'d>],
    wishes: &Wishes,
) -> Result<Deployment<'d>, Refusal> {
    let object = find(objects, wishes.deployment.as_deref())?;
    let (title, spec) = (object.title(), &object.value["spec"]);
    let mut problems = Vec::new();
    let mut refuse = |field: &str, problem: String| problems.push(Problem::new(&title, field, problem));
    if object.value["apiVersion"] != "apps/v1" {
        refuse(
            "apiVersion",
            format!("{}; a Rollout refers to apps/v1", object.value["apiVersion"]),
        );
    }
    if spec["paused"] == true {
        refuse(
            "spec.paused",
            "true: its pods may be older than its template; resume it and let it finish first".to_owned(),
        );
    }
    let strategy = text(&spec["strategy"]["type"]);
    if !matches!(strategy, "" | "RollingUpdate") {
        refuse(
            "spec.strategy.type",
            format!(
                "{strategy}: two versions must never run at once, and a canary is just that; accepted is RollingUpdate"
            ),
        );
    }
    if let Some(owner) = list(&object.value["metadata"]["ownerReferences"]).first() {
        let (kind, name) = (text(&owner["kind"]), text(&owner["name"]));
        refuse(
            "metadata.ownerReferences",
            format!(
                "{kind} {name} makes it and would make it again; migrate what {kind} {name} is made from"
            ),
        );
    }
    let scaled = scalers.iter().find(|scaler| scaler.scales(&object));
    let replicas = replicas(&object, scaled, wishes).unwrap_or_else(|problem| {
        problems.push(problem);
        0
    });
    problems.extend(
        objects
            .iter()
            .filter(|other| other.is_beside(&object))
            .filter_map(|other| taken(other, &object)),
    );
    if problems.is_empty() {
        Ok(Deployment { object, replicas })
    } else {
        Err(Refusal(problems))
    }
}

fn find<'d>(objects: &[Object<'d>], name: Option<&str>) -> Result<Object<'d>, Problem> {
    let all = objects.iter().filter(|object| object.kind() == "Deployment");
    let found: Vec<_> = all
        .filter(|object| name.is_none_or(|name| object.name() == name))
        .collect();
    match found[..] {
        [one] => Ok(*one),
        [] => {
            let name = name.map(|name| format!(" {name:?}")).unwrap_or_default();
            let other = objects
                .iter()
                .find(|object| matches!(object.kind(), "StatefulSet" | "DaemonSet"));
            let other =
                other.map(|object| format!("; there is {}, which a Rollout cannot replace", object.title()));
            let problem = format!(
                "no Deployment{name} in the manifests{}",
                other.unwrap_or_default()
            );
            Err(Problem::new("", "", problem))
        }
        _ => {
            let names: Vec<_> = found.iter().map(|object| object.name()).collect();
            let problem = format!(
                "{} Deployments in the manifests ({}); choose one with --deployment",
                names.len(),
                names.join(", ")
            );
            Err(Problem::new("", "", problem))
        }
    }
}

fn replicas(object: &Object<'_>, scaled: Option<&Scaler<'_>>, wishes: &Wishes) -> Result<u64, Problem> {
    let title = object.title();
    if let Some(replicas) = wishes.replicas {
        return Ok(replicas.into());
    }
    // An object that was read from a cluster says how many pods there are, whoever scales it.
    if let Some(scaler) = scaled.filter(|_| object.value["metadata"]["uid"].is_null()) {
        let problem = format!(
            "{} decides how many pods there are, so the manifest does not say it; give --replicas, as many as run now",
            scaler.object.title()
        );
        return Err(Problem::new(title, "spec.replicas", problem));
    }
    match &object.value["spec"]["replicas"] {
        Value::Null => Ok(1),
        value => match value.as_u64().filter(|n| i32::try_from(*n).is_ok()) {
            Some(0) => {
                let problem = "0: it serves nobody; give the Rollout's number of pods with --replicas";
                Err(Problem::new(title, "spec.replicas", problem))
            }
            Some(replicas) => Ok(replicas),
            None => {
                let problem = format!("{value}; it takes a whole number from 0");
                Err(Problem::new(title, "spec.replicas", problem))
            }
        },
    }
}

/// A Rollout of this name, or one that has the Deployment already.
fn taken(other: &Object<'_>, object: &Object<'_>) -> Option<Problem> {
    let name = object.name();
    if !other.is("argoproj.io", "Rollout") {
        return None;
    }
    let problem = if text(&other.value["spec"]["workloadRef"]["name"]) == name {
        format!("{name}: {} is migrated already", object.title())
    } else if other.name() == name {
        format!(
            "{name}: the Rollout that {} becomes would have this name",
            object.title()
        )
    } else {
        return None;
    };
    let field = if other.name() == name {
        "metadata.name"
    } else {
        "spec.workloadRef.name"
    };
    Some(Problem::new(other.title(), field, problem))
}
