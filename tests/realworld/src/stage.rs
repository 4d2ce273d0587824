//! What a scene is given: a world, a namespace of its own, and the usual moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cluster::{Address, Cluster, Kind};
use crate::console;
use crate::example::{Example, OLD, weights};
use crate::plan::Form;
use crate::rollout::Rollout;
use crate::traffic::Load;
use crate::wait::{Seen, wait_for};
use crate::world::{LiveRoute, World};

/// Requests counted at each pause of a release.
pub const REQUESTS: u64 = 300;

/// How long any step of a release may take. Each takes a second or two; machines of CI are busy.
pub const STEP: Duration = Duration::from_secs(60);

/// A scene's part of a world.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The world, shared with the other scenes.
    pub world: Arc<World>,
    /// The scene's name.
    pub scene: &'static str,
    /// The scene's own namespace; it is there already.
    pub namespace: String,
}

impl Stage {
    /// Makes the namespace of a scene.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn set(world: Arc<World>, scene: &'static str) -> Result<Self> {
        let namespace = scene.to_owned();
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        world.cluster.apply("", &object).await?;
        Ok(Self {
            world,
            scene,
            namespace,
        })
    }

    /// Tells the reader of the run what was seen.
    pub fn say(&self, text: &str) {
        console::say(&format!("{} {}", self.world.plan.controller, self.scene), text);
    }

    /// The API server, as one who may do anything.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.world.cluster
    }

    /// Whether to run long.
    #[must_use]
    pub fn form(&self) -> Form {
        self.world.plan.form
    }

    /// The host name by which the gateway finds the scene's route.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.test", self.namespace)
    }

    /// A Rollout of the scene's namespace.
    #[must_use]
    pub fn rollout(&self, name: &str) -> Rollout {
        Rollout::new(self.cluster().clone(), &self.namespace, name)
    }

    /// An HTTPRoute of the scene's namespace.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn route(&self, name: &str) -> Result<Value> {
        self.cluster()
            .read(&Address {
                kind: Kind::http_route(),
                namespace: &self.namespace,
                name,
            })
            .await
    }

    /// The example, its route at the scene's host name.
    ///
    /// # Errors
    /// When the manifests are not what the harness expects.
    pub fn example(&self) -> Result<Example> {
        let mut example = Example::read()?;
        example.route["spec"]["hostnames"] = json!([self.host()]);
        Ok(example)
    }

    /// Applies the example without waiting for anything.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn apply(&self, example: &Example) -> Result<Rollout> {
        self.cluster()
            .apply_all(&self.namespace, &example.objects())
            .await?;
        Ok(self.rollout(example.rollout["metadata"]["name"].as_str().unwrap_or_default()))
    }

    /// Applies the example and waits until its first version is healthy and answers every request.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn deploy(&self, example: &Example) -> Result<Rollout> {
        let rollout = self.apply(example).await?;
        rollout.healthy(STEP).await?;
        self.say(&format!("{OLD} is healthy"));
        self.count(OLD, 1.0).await?;
        Ok(rollout)
    }

    /// `GET /` at the scene's host name.
    #[must_use]
    pub fn load(&self) -> Load {
        Load::new(self.world.traefik.address(), &self.host())
    }

    /// Waits until the gateway works with the weights that the route has in the API, and with exactly the ready pods
    /// behind its services.
    ///
    /// # Errors
    /// When it does not in time, with both.
    pub async fn settled(&self, route: &str) -> Result<()> {
        wait_for(
            format!("the gateway to work with route {route} as it is"),
            STEP,
            async || {
                let weights = weights(&self.route(route).await?);
                let mut pods = BTreeMap::new();
                for service in weights.keys() {
                    pods.insert(service.clone(), self.ready_pods(service).await?);
                }
                let wanted = LiveRoute { weights, pods };
                let live = self.world.traefik.live_route(&self.namespace, route).await?;
                Ok(Seen::when(live == wanted, (), || {
                    format!("in the API {wanted:?}, in the gateway {live:?}")
                }))
            },
        )
        .await
    }

    /// The addresses of the ready pods that a service selects; none if there is no such service.
    async fn ready_pods(&self, service: &str) -> Result<BTreeSet<String>> {
        let address = Address {
            kind: Kind::service(),
            namespace: &self.namespace,
            name: service,
        };
        let selector = self
            .cluster()
            .find(&address)
            .await?
            .map(|mut service| service["spec"]["selector"].take());
        let pods = self.cluster().list(Kind::pod(), &self.namespace).await?;
        Ok(ready_addresses(&pods, &selector.unwrap_or_default()))
    }

    /// Once the gateway works with the route `shop` as it is, sends [`REQUESTS`] requests: the share of `version`
    /// must be consistent with `share`.
    ///
    /// # Errors
    /// When it is not, or requests fail.
    pub async fn count(&self, version: &str, share: f64) -> Result<()> {
        self.settled("shop").await?;
        let tally = self.load().send(REQUESTS).await?;
        self.say(&tally.expect_share(version, share)?);
        Ok(())
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
