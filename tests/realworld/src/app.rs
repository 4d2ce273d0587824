//! One application of a scene: a Rollout with its route and services, and the requests it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::{Address, Kind};
use crate::example::weights;
use crate::rollout::Rollout;
use crate::stage::{STEP, Stage};
use crate::traffic::Load;
use crate::wait::{Seen, wait_for};
use crate::world::LiveRoute;

/// Requests counted at each pause of a release.
pub const REQUESTS: u64 = 300;

/// Envoy shows changes of weights that it has yet to carry out: those that come within a second are merged
/// (`update_merge_window` of a cluster).
const MERGED: Duration = Duration::from_millis(1200);

/// An example that was applied.
#[derive(Debug, Clone)]
pub struct App {
    stage: Stage,
    name: String,
    /// Its Rollout.
    pub rollout: Rollout,
}

impl App {
    /// The application of that name in a scene's namespace.
    #[must_use]
    pub fn new(stage: &Stage, name: &str) -> Self {
        Self {
            stage: stage.clone(),
            name: name.to_owned(),
            rollout: stage.rollout(name),
        }
    }

    /// The host name by which the gateway finds its route.
    #[must_use]
    pub fn host(&self) -> String {
        self.stage.gateway.host(&self.name, &self.stage.namespace)
    }

    /// Its HTTPRoute.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn route(&self) -> Result<Value> {
        self.stage.cluster().read(&self.route_address()).await
    }

    /// Writes the spec of its HTTPRoute, as its owner would.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn write_route(&self, spec: &Value) -> Result<()> {
        // The gateway writes it, too: read again what it wrote.
        wait_for("the route to take a spec", STEP, async || {
            let mut route = self.route().await?;
            route["spec"] = spec.clone();
            self.stage.cluster().replace(&route).await.map(|_| Seen::Yes(()))
        })
        .await
    }

    /// `GET /` at its host name.
    #[must_use]
    pub fn load(&self) -> Load {
        Load::new(self.stage.gateway.address(), &self.host())
    }

    /// Waits until the gateway works with the weights that the route has in the API, and with exactly the ready pods
    /// behind its services, and still does [`MERGED`] later.
    ///
    /// # Errors
    /// When it does not in time, with both.
    pub async fn settled(&self) -> Result<()> {
        let mut since: Option<(Value, Instant)> = None;
        wait_for(
            format!("the gateway to work with route {} as it is", self.name),
            STEP,
            async || {
                let route = self.route().await?;
                let weights = weights(&route);
                let mut pods = BTreeMap::new();
                for service in weights.keys() {
                    pods.insert(service.clone(), self.ready_pods(service).await?);
                }
                // A service that gets nothing may have any pods, or be gone.
                let wanted = LiveRoute { weights, pods }.without_idle();
                let live = self.stage.world.live_route(self.stage.gateway, &route).await?;
                if live != wanted {
                    since = None;
                    return Ok(Seen::Not(format!(
                        "in the API {wanted:?}, in the gateway {live:?}"
                    )));
                }
                match &since {
                    Some((spec, at)) if *spec == route["spec"] => {
                        Ok(Seen::when(at.elapsed() >= MERGED, (), || "only just".to_owned()))
                    }
                    _ => {
                        since = Some((route["spec"].clone(), Instant::now()));
                        Ok(Seen::Not("only just".to_owned()))
                    }
                }
            },
        )
        .await
    }

    /// The addresses of the ready pods that a service selects; none if there is no such service.
    async fn ready_pods(&self, service: &str) -> Result<BTreeSet<String>> {
        let address = Address {
            kind: Kind::service(),
            namespace: &self.stage.namespace,
            name: service,
        };
        let selector = self
            .stage
            .cluster()
            .find(&address)
            .await?
            .map(|mut service| service["spec"]["selector"].take());
        let pods = self
            .stage
            .cluster()
            .list(Kind::pod(), &self.stage.namespace)
            .await?;
        Ok(ready_addresses(&pods, &selector.unwrap_or_default()))
    }

    /// Once the gateway works with the route as it is, sends [`REQUESTS`] requests: the share of `version`
    /// must be consistent with `share`.
    ///
    /// # Errors
    /// When it is not, or requests fail.
    pub async fn count(&self, version: &str, share: f64) -> Result<()> {
        self.count_of("", &self.load(), REQUESTS, version, share).await
    }

    /// As [`App::count`], with so many requests of another kind, which `which` names in the printed line.
    ///
    /// # Errors
    /// As [`App::count`].
    pub async fn count_of(
        &self,
        which: &str,
        load: &Load,
        requests: u64,
        version: &str,
        share: f64,
    ) -> Result<()> {
        self.settled().await?;
        let tally = load.send(requests).await?;
        let name = format!("{}{}{which}", self.name, if which.is_empty() { "" } else { ", " });
        let sentence = tally.expect_share(version, share).with_context(|| name.clone())?;
        self.stage.say(&format!("{name}: {sentence}"));
        Ok(())
    }

    /// Waits until its HTTPRoute has this spec again and no annotation or label of a release: until the promotion hold
    /// is over and the controller has come back, 10 s after it; or, where there is no Rollout any more, until the router
    /// has missed it, which takes 75 to 91 s.
    ///
    /// # Errors
    /// When it has not in time, with the route.
    pub async fn restored(&self, spec: &Value) -> Result<()> {
        wait_for("the route to be what it was", 2 * STEP, async || {
            let route = self.route().await?;
            let metadata = &route["metadata"];
            let bare = metadata["annotations"].is_null() && metadata["labels"].is_null();
            Ok(Seen::when(bare && route["spec"] == *spec, (), || {
                format!(
                    "{} {} {}",
                    metadata["annotations"], metadata["labels"], route["spec"]
                )
            }))
        })
        .await
        .with_context(|| format!("before the release: {spec}"))?;
        self.stage
            .say(&format!("{}: the route is what it was", self.name));
        Ok(())
    }

    fn route_address(&self) -> Address<'_> {
        Address {
            kind: Kind::http_route(),
            namespace: &self.stage.namespace,
            name: &self.name,
        }
    }
}

fn ready_addresses(pods: &[Value], selector: &Value) -> BTreeSet<String> {
    let Some(selector) = selector.as_object() else {
        return BTreeSet::new();
    };
    let selected = pods.iter().filter(|pod| {
        let ready = pod["status"]["conditions"].as_array().into_iter().flatten();
        pod["metadata"]["deletionTimestamp"].is_null()
            && selector
                .iter()
                .all(|(name, value)| pod["metadata"]["labels"][name] == *value)
            && ready
                .into_iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    });
    selected
        .filter_map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_has_the_ready_pods_that_it_selects_and_that_stay() {
        let pod = |address: &str, hash: &str, ready: &str, leaves: Option<&str>| {
            json!({
                "metadata": {"labels": {"app": "shop", "hash": hash}, "deletionTimestamp": leaves},
                "status": {"podIP": address, "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let pods = [
            pod("10.244.1.0", "a", "True", None),
            pod("10.244.1.1", "b", "True", None),
            pod("10.244.1.2", "a", "False", None),
            pod("10.244.1.3", "a", "True", Some("2026-11-21T12:00:00Z")),
        ];
        let selected = ready_addresses(&pods, &json!({"app": "shop", "hash": "a"}));
        assert_eq!(selected, BTreeSet::from(["10.244.1.0".to_owned()]));
        assert_eq!(ready_addresses(&pods, &json!({"app": "shop"})).len(), 2);
        assert!(ready_addresses(&pods, &Value::Null).is_empty());
    }
}
