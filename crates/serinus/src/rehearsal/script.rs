//! What is played.

use serde_json::Value;

use crate::stage::app::Behaviour;

/// A rehearsal's objects and releases.
#[derive(Debug, Clone)]
pub struct Script {
    /// What is rehearsed, for headings.
    pub title: String,
    /// Everything but the Rollout: routes, Services, Gateways, …
    pub objects: Vec<Value>,
    /// What the stage does otherwise than the manifests say.
    pub notes: Vec<String>,
    /// Environment of the router, beside what it inherits.
    pub router_env: Vec<(String, String)>,
    /// The Rollout as it is before the first act, and the behaviour of its version.
    pub before: Version,
    /// The releases, in order.
    pub acts: Vec<Act>,
}

impl Script {
    /// Namespace of the Rollout.
    pub fn namespace(&self) -> String {
        let namespace = self.before.rollout["metadata"]["namespace"].as_str();
        namespace
            .filter(|ns| !ns.is_empty())
            .unwrap_or("default")
            .to_owned()
    }

    /// The name under which the Rollout configures its traffic router.
    pub fn plugin_name(&self) -> String {
        let plugins = self
            .before
            .rollout
            .pointer("/spec/strategy/canary/trafficRouting/plugins");
        let name = plugins
            .and_then(Value::as_object)
            .and_then(|p| p.keys().next().cloned());
        name.unwrap_or_default()
    }
}

/// A Rollout, and how the version in its pod template behaves.
#[derive(Debug, Clone)]
pub struct Version {
    /// The object.
    pub rollout: Value,
    /// Its pods.
    pub behaviour: Behaviour,
}

/// One release.
#[derive(Debug, Clone)]
pub struct Act {
    /// A heading, such as `v2: promoted step by step`.
    pub title: String,
    /// What somebody did before it, told as events.
    pub said: Vec<String>,
    /// What is released.
    pub version: Version,
    /// How it must end; another ending is a failure of the rehearsal.
    pub ending: Ending,
}

/// How a release ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The new version gets all traffic and becomes the stable one.
    Promoted,
    /// The analysis ends it and the stable version gets all traffic back.
    Aborted,
}
