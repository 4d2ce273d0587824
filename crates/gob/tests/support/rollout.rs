//! The SetWeight call in `corpus/rollout.gob`, and a view of it as a traffic router has one.
//!
//! `go -C tests/interop/go/rollout-corpus run . write $PWD/crates/gob/corpus` writes it again.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The message that defines the last type ends here, in `stream`; two values follow.
pub(crate) struct Fixture {
    pub(crate) stream: Vec<u8>,
    /// The declarations of everything that a SetWeight call consists of.
    pub(crate) schema: String,
    /// The value as Go's program describes it.
    pub(crate) sent: serde_json::Value,
}

pub(crate) fn fixture() -> Fixture {
    #[derive(Deserialize)]
    struct Sent {
        schema: String,
        value: serde_json::Value,
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let text = std::fs::read(folder.join("rollout.json")).expect("the corpus is complete");
    let Sent { schema, value } = serde_json::from_slice(&text).expect("the corpus is whole");
    let stream = std::fs::read(folder.join("rollout.gob")).expect("the corpus is complete");
    Fixture {
        stream,
        schema,
        sent: value,
    }
}

/// The bodies of the messages of a stream.
pub(crate) fn messages(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut bodies = Vec::new();
    while let Some(body) = gob::frame(stream, &gob::Limits::default()).expect("a stream of Go's") {
        bodies.push(&stream[body.clone()]);
        stream = &stream[body.end..];
    }
    bodies
}

#[derive(Deserialize, Serialize, Debug, PartialEq)]
pub(crate) enum Arguments {
    SetWeightAndVerifyWeightArgs(SetWeight),
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct SetWeight {
    pub(crate) rollout: Rollout,
    pub(crate) desired_weight: i32,
    pub(crate) additional_destinations: Vec<WeightDestination>,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct WeightDestination {
    pub(crate) service_name: String,
    pub(crate) pod_template_hash: String,
    pub(crate) weight: i32,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Rollout {
    pub(crate) object_meta: ObjectMeta,
    pub(crate) spec: Spec,
    pub(crate) status: Status,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ObjectMeta {
    pub(crate) name: String,
    pub(crate) namespace: String,
    #[serde(rename = "UID")]
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Spec {
    pub(crate) replicas: Option<i32>,
    pub(crate) strategy: Strategy,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Strategy {
    pub(crate) canary: Option<Canary>,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Canary {
    pub(crate) canary_service: String,
    pub(crate) stable_service: String,
    pub(crate) traffic_routing: Option<TrafficRouting>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct TrafficRouting {
    pub(crate) managed_routes: Vec<ManagedRoute>,
    pub(crate) plugins: BTreeMap<String, String>,
    pub(crate) max_traffic_weight: Option<i32>,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ManagedRoute {
    pub(crate) name: String,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Step {
    pub(crate) set_weight: Option<i32>,
}

#[derive(Deserialize, Serialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Status {
    pub(crate) current_pod_hash: String,
    #[serde(rename = "StableRS")]
    pub(crate) stable_rs: String,
    pub(crate) phase: String,
    pub(crate) current_step_index: Option<i32>,
}
