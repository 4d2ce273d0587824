//! A stand-in for scheduler and kubelet: binds every pod to one node, answers HTTP on the pod's own address, reports
//! it ready, and removes it when it is deleted. The only part of every world that is not the released program.
//!
//! What a pod does can be set by annotations of its template, so that two versions of an app can behave differently:
//!
//! | annotation | effect | default |
//! |---|---|---|
//! | `realworld.serinus.dev/fail-rate` | that share of requests is answered with 500, evenly spread; `0` to `1` | `0` |
//! | `realworld.serinus.dev/delay` | milliseconds before each answer | `0` |
//! | `realworld.serinus.dev/linger` | milliseconds for which a deleted pod still answers once no Service has it any more, as an app with a `preStop` sleep does | `3000` |
//!
//! The version that a pod answers with is the tag of its first container's image.

mod behaviour;
mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::TryStreamExt;
use jiff::Timestamp;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::cluster::{Address, Cluster, Kind};
use crate::console;
use behaviour::Behaviour;
use server::PodServer;
pub use server::VERSION_HEADER;

/// How long a deleted pod may be in a Service.
const OUT: Duration = Duration::from_secs(60);
/// The name of the one node.
const NODE: &str = "realworld";

/// The stand-in.
#[derive(Debug)]
pub struct Kubelet {
    served: Arc<Served>,
    held: watch::Sender<BTreeSet<String>>,
    care: AbortHandle,
}

/// Requests that pods have answered, by namespace and version.
#[derive(Debug, Default)]
pub struct Served(Mutex<HashMap<(String, String), Arc<AtomicU64>>>);

impl Kubelet {
    /// Registers the node and begins to care for pods.
    ///
    /// # Errors
    /// When the node cannot be registered.
    pub async fn start(cluster: Cluster) -> Result<Self> {
        cluster
            .apply(
                "",
                &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}),
            )
            .await?;
        let node = Address {
            kind: Kind::node(),
            namespace: "",
            name: NODE,
        };
        cluster.merge(&node, "status", &node_status()).await?;
        let served = Arc::new(Served::default());
        let held = watch::Sender::default();
        let care = tokio::spawn(care(cluster, served.clone(), held.clone())).abort_handle();
        Ok(Self { served, held, care })
    }

    /// From now on, pods of this namespace that begin do not become ready.
    pub fn hold(&self, namespace: &str) {
        self.held
            .send_modify(|held| _ = held.insert(namespace.to_owned()));
    }

    /// Pods of this namespace become ready again, also those that have begun.
    pub fn release(&self, namespace: &str) {
        self.held.send_modify(|held| _ = held.remove(namespace));
    }

    /// Ends all pods' servers and cares for nothing any more.
    pub fn stop(&self) {
        self.care.abort();
    }

    /// How many requests the pods of each version in `namespace` have received since the world began, mirrored ones
    /// too.
    #[must_use]
    pub fn served(&self, namespace: &str) -> BTreeMap<String, u64> {
        let counters = self.served.0.lock().expect("no holder panics");
        let own = counters.iter().filter(|((of, _), _)| of == namespace);
        own.map(|((_, version), count)| (version.clone(), count.load(Ordering::Relaxed)))
            .collect()
    }
}

impl Served {
    fn counter(&self, namespace: &str, version: &str) -> Arc<AtomicU64> {
        let key = (namespace.to_owned(), version.to_owned());
        self.0
            .lock()
            .expect("no holder panics")
            .entry(key)
            .or_default()
            .clone()
    }
}

/// Watches all pods for ever.
async fn care(cluster: Cluster, served: Arc<Served>, held: watch::Sender<BTreeSet<String>>) {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".into(),
        api_version: "v1".into(),
        kind: "Pod".into(),
        plural: "pods".into(),
    };
    let pods: Api<DynamicObject> = Api::all_with(cluster.client().clone(), &resource);
    let mut lives = Lives {
        cluster,
        served,
        held,
        known: HashMap::new(),
        tasks: JoinSet::new(),
        addresses: 0,
    };
    let mut events = std::pin::pin!(watcher(pods, watcher::Config::default()));
    loop {
        match events.try_next().await {
            Ok(Some(Event::Apply(pod) | Event::InitApply(pod))) => lives.see(&pod),
            Ok(Some(Event::Delete(pod))) => lives.forget(&pod),
            Ok(Some(Event::Init | Event::InitDone)) => {}
            Ok(None) => return,
            // The API server was restarted, say; the watcher tries again at the next poll.
            Err(error) => {
                console::say("kubelet", &format!("watch of pods: {error}"));
                sleep(Duration::from_millis(200)).await;
            }
        }
        while lives.tasks.try_join_next().is_some() {}
    }
}

/// The pods that are cared for.
struct Lives {
    cluster: Cluster,
    served: Arc<Served>,
    held: watch::Sender<BTreeSet<String>>,
    known: HashMap<String, Known>,
    tasks: JoinSet<()>,
    addresses: u32,
}

struct Known {
    running: AbortHandle,
    ending: bool,
}

impl Lives {
    fn see(&mut self, pod: &DynamicObject) {
        let Some(uid) = pod.metadata.uid.clone() else {
            return;
        };
        let deleted = pod.metadata.deletion_timestamp.is_some();
        match self.known.get_mut(&uid) {
            None if !deleted => {
                let address = self.next_address();
                let life = Life::of(pod, address, self);
                let running = self.tasks.spawn(async move { life.run().await });
                self.known.insert(
                    uid,
                    Known {
                        running,
                        ending: false,
                    },
                );
            }
            Some(known) if deleted && !known.ending => {
                known.ending = true;
                let (running, cluster, pod) = (known.running.clone(), self.cluster.clone(), pod.clone());
                self.tasks
                    .spawn(async move { end(&cluster, &pod, &running).await });
            }
            Some(_) => {}
            // Deleted before it was ever seen.
            None => {
                let (cluster, pod) = (self.cluster.clone(), pod.clone());
                self.tasks.spawn(async move { remove(&cluster, &pod).await });
            }
        }
    }

    fn forget(&mut self, pod: &DynamicObject) {
        if let Some(known) = pod.metadata.uid.as_ref().and_then(|uid| self.known.remove(uid)) {
            known.running.abort();
        }
    }

    /// 10.244.1.1, 10.244.1.2, …: 65,000 pods, far more than a run has.
    fn next_address(&mut self) -> Ipv4Addr {
        self.addresses += 1;
        let [_, _, high, low] = (self.addresses - 1).to_be_bytes();
        Ipv4Addr::new(10, 244, high.wrapping_add(1), low)
    }
}

/// One pod from its binding to its end.
struct Life {
    cluster: Cluster,
    held: watch::Receiver<BTreeSet<String>>,
    pod: Value,
    address: Ipv4Addr,
    server: PodServer,
}

impl Life {
    fn of(pod: &DynamicObject, address: Ipv4Addr, lives: &Lives) -> Self {
        let pod = serde_json::to_value(pod).expect("a pod came as JSON");
        let (metadata, namespace) = (
            &pod["metadata"],
            pod["metadata"]["namespace"].as_str().unwrap_or_default(),
        );
        let behaviour = Behaviour::of(&metadata["annotations"]);
        let version = version_of(pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default());
        let server = PodServer {
            address,
            ports: ports_of(&pod),
            version: version.to_owned(),
            pod: metadata["name"].as_str().unwrap_or_default().to_owned(),
            hash: metadata["labels"]["rollouts-pod-template-hash"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            fail_rate: behaviour.fail_rate,
            delay: behaviour.delay,
            received: lives.served.counter(namespace, version),
        };
        Self {
            cluster: lives.cluster.clone(),
            held: lives.held.subscribe(),
            address,
            server,
            pod,
        }
    }

    async fn run(mut self) {
        // Whoever deletes the pod ends this.
        while let Err(error) = self.try_run().await {
            console::say(
                "kubelet",
                &format!("pod {}: {error:#}", self.pod["metadata"]["name"]),
            );
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn try_run(&mut self) -> Result<()> {
        let name = self.pod["metadata"]["name"]
            .as_str()
            .context("pod without a name")?;
        let namespace = self.pod["metadata"]["namespace"].as_str().unwrap_or_default();
        if self.pod["spec"]["nodeName"].is_null() {
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": namespace},
                "target": {"apiVersion": "v1", "kind": "Node", "name": NODE},
            });
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
            let bound = self.cluster.post(&path, &binding).await;
            // It may have been bound by a try before.
            if !bound
                .as_ref()
                .is_err_and(|error| error.to_string().ends_with("(409)"))
            {
                bound?;
            }
        }
        let serving = self.server.listen().await?;
        let address = Address {
            kind: Kind::pod(),
            namespace,
            name,
        };
        // Its other end lives as long as whoever cares for pods.
        let _ = self.held.wait_for(|held| !held.contains(namespace)).await;
        self.cluster
            .merge(&address, "status", &pod_status(&self.pod, self.address))
            .await?;
        serving.await;
        Ok(())
    }
}

/// Lets a deleted pod answer for as long as it lingers, then removes it. Its time begins when the controller manager has
/// taken it out of all Services, for which a busy machine may need any time; from then on it is the gateway's.
async fn end(cluster: &Cluster, pod: &DynamicObject, running: &AbortHandle) {
    let address = pod.data["status"]["podIP"].as_str().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let out = async {
        let is_in = |slices: Vec<Value>| slices.iter().any(|slice| has_ready(slice, address));
        while cluster
            .list(Kind::endpoint_slice(), namespace)
            .await
            .map_or(true, is_in)
        {
            sleep(Duration::from_millis(100)).await;
        }
    };
    if timeout(OUT, out).await.is_err() {
        console::say(
            "kubelet",
            &format!("Services still have {address}, which is deleted"),
        );
    }
    let annotations = serde_json::to_value(&pod.metadata.annotations).unwrap_or_default();
    sleep(Behaviour::of(&annotations).linger).await;
    running.abort();
    remove(cluster, pod).await;
}

/// Whether an EndpointSlice sends requests to this address.
fn has_ready(slice: &Value, address: &str) -> bool {
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    endpoints
        .filter(|endpoint| endpoint["conditions"]["ready"] != false)
        .filter_map(|endpoint| endpoint["addresses"].as_array())
        .any(|addresses| addresses.iter().any(|known| known == address))
}

async fn remove(cluster: &Cluster, pod: &DynamicObject) {
    let metadata = &pod.metadata;
    let (namespace, name) = (
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    );
    let address = Address {
        kind: Kind::pod(),
        namespace,
        name,
    };
    let options = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": metadata.uid}});
    if let Err(error) = cluster.delete(&address, &options).await {
        console::say("kubelet", &format!("{error:#}"));
    }
}

/// The tag of an image: `v2` of `registry:5000/shop:v2@sha256:…`, `latest` if there is none.
fn version_of(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split_once(':').map_or("latest", |(_, tag)| tag)
}

fn ports_of(pod: &Value) -> Vec<u16> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    ports
        .filter_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok())
        .collect()
}

fn pod_status(pod: &Value, address: Ipv4Addr) -> Value {
    let now = Timestamp::now().to_string();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
    let containers: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "imageID": container["image"],
                "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": now}},
            })
        })
        .collect();
    json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "10.244.0.1", "startTime": now,
        "conditions": [
            condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready"),
        ],
        "containerStatuses": containers,
    }})
}

fn node_status() -> Value {
    let resources = json!({"cpu": "64", "memory": "256Gi", "pods": "10000"});
    json!({"status": {
        "addresses": [{"type": "InternalIP", "address": "10.244.0.1"}, {"type": "Hostname", "address": NODE}],
        "capacity": resources, "allocatable": resources,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": Timestamp::now().to_string()}],
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_tag() {
        for (image, version) in [
            ("shop:v2", "v2"),
            ("registry:5000/team/shop:v2", "v2"),
            ("registry:5000/team/shop", "latest"),
            ("shop:v2@sha256:0123", "v2"),
            ("shop", "latest"),
        ] {
            assert_eq!(version_of(image), version, "{image}");
        }
    }

    #[test]
    fn a_slice_has_those_that_are_ready() {
        let slice = json!({"endpoints": [
            {"addresses": ["10.244.1.1"], "conditions": {"ready": true}},
            {"addresses": ["10.244.1.2"], "conditions": {"ready": false, "serving": true, "terminating": true}},
            {"addresses": ["10.244.1.3"]},
        ]});
        let has = ["10.244.1.1", "10.244.1.2", "10.244.1.3", "10.244.1.4"].map(|one| has_ready(&slice, one));
        assert_eq!(has, [true, false, true, false]);
        assert!(!has_ready(&json!({"endpoints": null}), "10.244.1.1"));
    }

    #[test]
    fn every_container_port_is_served() {
        let pod = json!({"spec": {"containers": [
            {"ports": [{"containerPort": 8080}, {"containerPort": 9090}]}, {"name": "sidecar"}, {"ports": [{"containerPort": 99999}]},
        ]}});
        assert_eq!(ports_of(&pod), [8080, 9090]);
    }
}
