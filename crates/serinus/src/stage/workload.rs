//! The pods of the Rollout: versions that start, become ready after a while, and stand behind Services as
//! EndpointSlices. It plays ReplicaSet controller, kubelet and endpoint controller.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch as latest;
use tokio::time::Instant;

use super::api::Api;
use super::api::resource::find;
use super::app::{App, Behaviour};
use super::http::Owned;

/// The label by which Argo Rollouts tells versions apart (`DefaultRolloutUniqueLabelKey`).
pub const HASH_LABEL: &str = "rollouts-pod-template-hash";

/// The running versions. Clones share them.
#[derive(Debug, Clone)]
pub struct Workload {
    shared: Arc<Shared>,
    _controller: Arc<Owned>,
}

#[derive(Debug)]
struct Shared {
    api: Api,
    namespace: String,
    start_delay: Duration,
    sets: Mutex<BTreeMap<String, Set>>,
    changed: latest::Sender<u64>,
    /// Held while slices are written: two writers would undo each other.
    writing: Mutex<()>,
}

/// The pods of one template.
#[derive(Debug)]
struct Set {
    app: App,
    labels: BTreeMap<String, String>,
    /// When each pod becomes ready.
    ready_at: Vec<Instant>,
}

impl Workload {
    /// Begins without pods. A pod is ready `start_delay` after it was asked for.
    pub fn start(api: &Api, namespace: &str, start_delay: Duration) -> Self {
        let shared = Arc::new(Shared {
            api: api.clone(),
            namespace: namespace.to_owned(),
            start_delay,
            sets: Mutex::default(),
            changed: latest::Sender::new(0),
            writing: Mutex::default(),
        });
        let controller = Arc::new(Owned::spawn(control(Arc::clone(&shared))));
        Self {
            shared,
            _controller: controller,
        }
    }

    /// Adds a version, without pods. `labels` are those of the pod template.
    pub async fn deploy(
        &self,
        hash: &str,
        mut labels: BTreeMap<String, String>,
        behaviour: Behaviour,
    ) -> io::Result<()> {
        let app = App::start(behaviour).await?;
        labels.insert(HASH_LABEL.to_owned(), hash.to_owned());
        self.shared.sets().insert(
            hash.to_owned(),
            Set {
                app,
                labels,
                ready_at: Vec::new(),
            },
        );
        Ok(())
    }

    /// Asks for that many pods of a version. Pods that go, go at once.
    pub fn scale(&self, hash: &str, pods: usize) {
        let ready = Instant::now() + self.shared.start_delay;
        if let Some(set) = self.shared.sets().get_mut(hash) {
            set.ready_at.resize(pods, ready);
        }
        self.shared.changed.send_modify(|n| *n += 1);
    }

    /// How many pods of each version are ready.
    pub fn available(&self) -> BTreeMap<String, i32> {
        self.shared.ready(Instant::now())
    }

    /// Brings the EndpointSlices up to date at once, as after a Service's selector has changed. They follow by
    /// themselves too; whoever measures what comes after a switch wants the stage's only delays to be the gateway's.
    pub fn write_endpoints(&self) {
        write_slices(&self.shared, Instant::now());
    }

    /// How many requests reached a version, mirrored ones included.
    pub fn served(&self, hash: &str) -> u64 {
        self.shared.sets().get(hash).map_or(0, |set| set.app.served())
    }

    /// Wakes when pods were asked for or have become ready.
    pub fn changes(&self) -> latest::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

impl Shared {
    fn sets(&self) -> MutexGuard<'_, BTreeMap<String, Set>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self, now: Instant) -> BTreeMap<String, i32> {
        let sets = self.sets();
        let ready = |set: &Set| set.ready(now).try_into().unwrap_or(i32::MAX);
        sets.iter()
            .map(|(hash, set)| (hash.clone(), ready(set)))
            .collect()
    }
}

impl Set {
    fn ready(&self, now: Instant) -> usize {
        self.ready_at.iter().filter(|at| **at <= now).count()
    }
}

/// Writes the EndpointSlices after each change of pods or Services.
async fn control(shared: Arc<Shared>) {
    let mut pods = shared.changed.subscribe();
    let mut revisions = shared.api.revisions();
    let mut told = BTreeMap::new();
    loop {
        pods.borrow_and_update();
        revisions.borrow_and_update();
        let now = Instant::now();
        write_slices(&shared, now);
        // Told by what is and not by the alarm: where this task comes late, pods became ready without one.
        let ready = shared.ready(now);
        if told != ready {
            told = ready;
            shared.changed.send_modify(|n| *n += 1);
        }
        let next = shared
            .sets()
            .values()
            .flat_map(|s| &s.ready_at)
            .filter(|at| **at > now)
            .min()
            .copied();
        let becomes_ready = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = pods.changed() => {}
            changed = revisions.changed() => if changed.is_err() { return },
            () = becomes_ready => {}
        }
    }
}

fn write_slices(shared: &Shared, now: Instant) {
    let _alone = shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
    let services = find("", "services").expect("the stage serves Services");
    let slices = find("discovery.k8s.io", "endpointslices").expect("the stage serves EndpointSlices");
    let mut wanted = BTreeMap::new();
    for service in shared.api.list(services) {
        if service["metadata"]["namespace"] == *shared.namespace {
            for (hash, set) in shared
                .sets()
                .iter()
                .filter(|(_, set)| selects(&service, &set.labels))
            {
                let slice = slice(&service, &shared.namespace, hash, set, now);
                wanted.insert(
                    slice["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    slice,
                );
            }
        }
    }
    for old in shared.api.list(slices) {
        let name = old["metadata"]["name"].as_str().unwrap_or_default();
        if old["metadata"]["namespace"] == *shared.namespace && !wanted.contains_key(name) {
            drop(shared.api.delete(slices, &shared.namespace, name));
        }
    }
    for slice in wanted.into_values() {
        if let Err(error) = shared.api.apply(slice) {
            tracing::warn!(%error, "an EndpointSlice was not written");
        }
    }
}

fn selects(service: &Value, labels: &BTreeMap<String, String>) -> bool {
    let selector = service.pointer("/spec/selector").and_then(Value::as_object);
    selector.is_some_and(|s| {
        !s.is_empty()
            && s.iter()
                .all(|(k, v)| labels.get(k).map(String::as_str) == v.as_str())
    })
}

fn slice(service: &Value, namespace: &str, hash: &str, set: &Set, now: Instant) -> Value {
    let name = service["metadata"]["name"].as_str().unwrap_or_default();
    let addr = set.app.addr();
    let endpoints: Vec<Value> = (0..set.ready_at.len())
        .map(|i| {
            json!({
                "addresses": [addr.ip().to_string()],
                "conditions": {"ready": set.ready_at[i] <= now},
                "targetRef": {"kind": "Pod", "namespace": namespace, "name": format!("{hash}-{i}")},
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-{hash}"),
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name, HASH_LABEL: hash},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": addr.port(), "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rehearsal stood still at its first step, because on a busy machine its pods were ready before the controller of
    /// pods had looked at them for the first time.
    #[tokio::test(start_paused = true)]
    async fn pods_that_were_ready_before_anybody_looked_are_told() {
        let delay = Duration::from_millis(50);
        let workload = Workload::start(&Api::default(), "demo", delay);
        let labels = BTreeMap::new();
        workload
            .deploy("v1", labels, Behaviour::healthy("v1"))
            .await
            .expect("loopback can be listened on");
        tokio::task::yield_now().await;
        workload.scale("v1", 2);
        let mut changes = workload.changes();
        tokio::time::advance(2 * delay).await;
        let told = tokio::time::timeout(Duration::from_secs(10), changes.changed()).await;
        assert!(told.is_ok(), "nobody was told");
        assert_eq!(workload.available()["v1"], 2);
    }
}
