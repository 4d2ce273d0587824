//! Events on the Rollout, or on the route of one that is no more: one sentence that tells a developer what happened to traffic, and why.
//!
//! Sent aside: no call waits for an event, and one that cannot be sent is dropped. Kubernetes events need `create` on
//! `events`, which the controller's own role has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::types::Rollout;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::RouteKey;
use crate::apply::{Api, ApiError, Object};

/// The same sentence about the same Rollout is not sent again within this time.
const QUIET: Duration = Duration::from_secs(600);
/// Events under way at once; one more is dropped. The controller reconciles ten Rollouts at a time.
const UNDER_WAY: usize = 16;
/// Sentences remembered; a cluster of 1,000 Rollouts says far fewer different ones in [`QUIET`].
const REMEMBERED: usize = 4096;
/// How long sending may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Longest note of an event (Kubernetes `events.k8s.io/v1` `Event.note`).
const MAX_MESSAGE: usize = 1024;

/// Why an event is sent: its `reason`; complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// A header or mirror route cannot be had.
    ManagedRouteRefused,
    /// A gateway may not do what is asked of it.
    FeatureUnconfirmed,
    /// The gateway does not serve the weights, for a while already.
    WeightNotServed,
    /// The gateway's reports do not tell.
    WeightUnconfirmed,
    /// Somebody else changed weights or rules of a release, and they were set right.
    RouteReverted,
    /// A Rollout was deleted in the midst of its release, which was ended.
    ReleaseAbandoned,
    /// A route is not there, and need not be yet.
    RouteMissing,
    /// The controller asked for a weight that cannot be.
    WeightOutOfRange,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::ManagedRouteRefused => "ManagedRouteRefused",
            Self::FeatureUnconfirmed => "FeatureUnconfirmed",
            Self::WeightNotServed => "WeightNotServed",
            Self::WeightUnconfirmed => "WeightUnconfirmed",
            Self::RouteReverted => "RouteReverted",
            Self::ReleaseAbandoned => "ReleaseAbandoned",
            Self::RouteMissing => "RouteMissing",
            Self::WeightOutOfRange => "WeightOutOfRange",
        }
    }
}

/// Sends events, each sentence once in a while.
pub(crate) struct Events {
    api: Arc<Api>,
    said: Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
    slots: Arc<Semaphore>,
    refused: Arc<AtomicBool>,
}

impl Events {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        Self {
            api,
            said: Mutex::default(),
            hasher: RandomState::new(),
            slots: Arc::new(Semaphore::new(UNDER_WAY)),
            refused: Arc::default(),
        }
    }

    /// Tells the Rollout's people, and the log.
    pub(crate) fn warn(&self, rollout: &Rollout, reason: Reason, message: &str) {
        let key = rollout.key();
        if !self.is_news(&key, reason, message) {
            return;
        }
        tracing::warn!(rollout = key, reason = reason.name(), "{message}");
        let metadata = &rollout.metadata;
        let about = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "namespace": metadata.namespace,
            "name": metadata.name, "uid": metadata.uid, "resourceVersion": metadata.resource_version});
        self.send(&about, reason, message);
    }

    /// Tells those who look at a route, and the log: of a Rollout that is no more.
    pub(crate) fn warn_of_route(&self, key: &RouteKey, route: &Object, reason: Reason, message: &str) {
        if !self.is_news(&key.to_string(), reason, message) {
            return;
        }
        tracing::warn!(route = key.to_string(), reason = reason.name(), "{message}");
        let metadata = &route["metadata"];
        let about = json!({"apiVersion": route["apiVersion"], "kind": route["kind"], "namespace": key.namespace,
            "name": key.name, "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]});
        self.send(&about, reason, message);
    }

    fn send(&self, about: &Value, reason: Reason, message: &str) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return;
        };
        let event = event(
            about,
            reason,
            message,
            Timestamp::now(),
            self.hasher.hash_one(Instant::now()),
        );
        let (api, refused) = (Arc::clone(&self.api), Arc::clone(&self.refused));
        let namespace = about["namespace"].as_str().unwrap_or_default().to_owned();
        tokio::spawn(async move {
            let _slot = slot;
            let sent = timeout(DEADLINE, api.post_event(&namespace, &event)).await;
            let error = match sent.unwrap_or(Err(ApiError::Timeout(DEADLINE))) {
                Ok(_) => return,
                Err(error) => error,
            };
            if !refused.swap(true, Ordering::Relaxed) {
                tracing::warn!("events cannot be sent, this is not said again: {error}");
            }
        });
    }

    fn is_news(&self, about: &str, reason: Reason, message: &str) -> bool {
        let now = Instant::now();
        let sentence = self.hasher.hash_one((about, reason, message));
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= REMEMBERED {
            said.retain(|_, when| now - *when < QUIET);
            if said.len() >= REMEMBERED {
                said.clear();
            }
        }
        said.insert(sentence, now).is_none_or(|when| now - when >= QUIET)
    }
}

/// A core/v1 Event about an object.
fn event(about: &Value, reason: Reason, message: &str, now: Timestamp, unique: u64) -> Value {
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    // Event times are whole seconds.
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    // An object's name is at most 253 characters long.
    let name: String = about["name"]
        .as_str()
        .unwrap_or_default()
        .chars()
        .take(230)
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"namespace": about["namespace"], "name": format!("{name}.{unique:016x}")},
        "involvedObject": about,
        "type": "Warning", "reason": reason.name(), "message": message,
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        "source": {"component": "rollouts-plugin-trafficrouter-gatewayapi"},
        "reportingComponent": "rollouts-plugin-trafficrouter-gatewayapi", "reportingInstance": ""
    })
}

/// Who changed the spec of an object last, beside us, as the API server recorded it.
pub(crate) fn last_other_writer(object: &Value) -> Option<&str> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let writers = entries.iter().filter(|entry| {
        entry["manager"] != crate::apply::FIELD_MANAGER && entry.pointer("/fieldsV1/f:spec").is_some()
    });
    // RFC 3339 in UTC sorts as text.
    writers
        .max_by_key(|entry| entry["time"].as_str())?
        .get("manager")?
        .as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_about_an_object() {
        let about = json!({"kind": "Rollout", "name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"});
        let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let event = event(&about, Reason::WeightNotServed, &"ü".repeat(2000), now, 10);
        assert_eq!(
            event["metadata"],
            json!({"namespace": "shop", "name": "web.000000000000000a"})
        );
        assert_eq!(event["involvedObject"], about);
        assert_eq!(
            (&event["firstTimestamp"], &event["reason"]),
            (&json!("2026-01-02T03:04:05Z"), &json!("WeightNotServed"))
        );
        assert_eq!(event["message"].as_str().unwrap().chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn the_last_other_writer_of_the_spec_is_named() {
        let entry = |manager: &str, time: &str, field: &str| json!({"manager": manager, "time": time, "fieldsV1": {field: {}}});
        let object = json!({"metadata": {"managedFields": [
            entry("kubectl", "2026-01-01T00:00:00Z", "f:spec"),
            entry("argocd-controller", "2026-01-02T00:00:00Z", "f:spec"),
            entry("gateway", "2026-01-03T00:00:00Z", "f:status"),
            entry(crate::apply::FIELD_MANAGER, "2026-01-04T00:00:00Z", "f:spec")]}});
        assert_eq!(last_other_writer(&object), Some("argocd-controller"));
        assert_eq!(last_other_writer(&json!({})), None);
    }
}
