//! Views of a Rollout over its raw value; nothing is ever written back through them.

use std::ops::Range;

use serde_json::{Map, Value};

/// A Rollout found in a manifest and where it stands.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// Index of the manifest that holds it.
    pub manifest: usize,
    /// The document in that manifest.
    pub document: Range<usize>,
    /// Where in the document: indices of `items`, outermost first; empty for the document's own object.
    pub object: Vec<usize>,
    /// Line of the manifest at which its document begins, counted from 1.
    pub line: usize,
    /// The object, as Kubernetes reads it.
    pub value: Value,
}

/// The strategy of a Rollout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy<'r> {
    /// `spec.strategy.canary`; empty where it is written without a value.
    Canary(&'r Map<String, Value>),
    /// `spec.strategy.blueGreen`: it has no steps.
    BlueGreen,
    /// Neither, or both: the controller refuses it.
    Invalid,
}

/// The workload whose pod template a Rollout takes (`spec.workloadRef`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadRef {
    /// `Deployment`, `ReplicaSet` or `PodTemplate`.
    pub kind: String,
    /// Its name, in the Rollout's namespace.
    pub name: String,
}

impl Rollout {
    /// `metadata.name`, else `metadata.generateName`, empty where there is neither.
    #[must_use]
    pub fn name(&self) -> &str {
        let metadata = &self.value["metadata"];
        [&metadata["name"], &metadata["generateName"]]
            .into_iter()
            .map(text)
            .find(|name| !name.is_empty())
            .unwrap_or_default()
    }

    /// `metadata.namespace`, empty where the Application's destination decides.
    #[must_use]
    pub fn namespace(&self) -> &str {
        text(&self.value["metadata"]["namespace"])
    }

    /// An annotation of the Rollout itself.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.value["metadata"]["annotations"][key].as_str()
    }

    /// All annotations of the Rollout whose key begins with `prefix`, with the rest of the key.
    pub fn annotations_under<'r>(&'r self, prefix: &'r str) -> impl Iterator<Item = (&'r str, &'r str)> {
        let annotations = self.value["metadata"]["annotations"].as_object();
        let pairs = annotations.into_iter().flatten();
        pairs.filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str()?)))
    }

    /// The strategy.
    #[must_use]
    pub fn strategy(&self) -> Strategy<'_> {
        static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        let Some(strategy) = self.value["spec"]["strategy"].as_object() else {
            return Strategy::Invalid;
        };
        match (
            strategy.get("canary"),
            strategy.get("blueGreen").is_some_and(|b| !b.is_null()),
        ) {
            (Some(Value::Object(canary)), false) => Strategy::Canary(canary),
            // The controller takes a null for no strategy, but whoever wrote `canary:` meant it.
            (Some(Value::Null), false) => Strategy::Canary(&EMPTY),
            (None | Some(Value::Null), true) => Strategy::BlueGreen,
            _ => Strategy::Invalid,
        }
    }

    /// The steps as Git has them; `None` where the key is absent or null.
    #[must_use]
    pub fn steps(&self) -> Option<&[Value]> {
        match self.strategy() {
            Strategy::Canary(canary) => canary.get("steps")?.as_array().map(Vec::as_slice),
            _ => None,
        }
    }

    /// `spec.strategy.canary.trafficRouting`.
    #[must_use]
    pub fn traffic_routing(&self) -> Option<&Map<String, Value>> {
        match self.strategy() {
            Strategy::Canary(canary) => canary.get("trafficRouting")?.as_object(),
            _ => None,
        }
    }

    /// `spec.workloadRef`, where the pod template is elsewhere.
    #[must_use]
    pub fn workload_ref(&self) -> Option<WorkloadRef> {
        let reference = self.value["spec"]["workloadRef"].as_object()?;
        Some(WorkloadRef {
            kind: text(reference.get("kind")?).to_owned(),
            name: text(reference.get("name")?).to_owned(),
        })
    }

    /// Images of the containers in the Rollout's own pod template.
    #[must_use]
    pub fn images(&self) -> Vec<&str> {
        images(&self.value["spec"]["template"])
    }
}

/// Images of the containers in a pod template.
pub(crate) fn images(template: &Value) -> Vec<&str> {
    let containers = template["spec"]["containers"].as_array();
    containers
        .into_iter()
        .flatten()
        .filter_map(|c| c["image"].as_str())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
