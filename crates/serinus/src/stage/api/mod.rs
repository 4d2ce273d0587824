//! A small Kubernetes API in memory, over HTTP on 127.0.0.1: the objects a traffic router touches, and nothing else.
//!
//! What it keeps to: optimistic concurrency by resourceVersion (409), `generation` counted for changes outside
//! metadata and status, the status subresource, watch with bookmarks and `410 Expired`, JSON Patch (a failing `test`
//! is 422) and merge patch, the CRD's defaults and limits for HTTPRoute, `Status` objects for refusals, and plain
//! `404 page not found` where an API version is not served.
//!
//! What it leaves out: authentication, admission, `managedFields` and server-side apply, pruning, protobuf, paging
//! (`limit` is accepted and everything is answered at once).

pub mod defaults;
pub mod discovery;
pub mod failure;
pub mod kubeconfig;
pub mod log;
pub mod resource;
pub mod selector;
mod serve;
pub mod store;
pub mod validate;
mod watch;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch as latest;

use self::failure::Failure;
use self::log::RequestLog;
use self::resource::Resource;
use self::selector::Selector;
use self::store::{Change, Part, Store};
use super::http::Server;

/// The API. Clones share the objects; the stage's own rooms read and write through it without HTTP.
#[derive(Debug, Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    log: Mutex<RequestLog>,
    denied: Mutex<Vec<Denied>>,
    revision: latest::Sender<u64>,
    began: Instant,
}

/// A verb that the stage refuses with 403, as a Role without it would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// `patch`, `watch`, …
    pub verb: String,
    /// `httproutes.gateway.networking.k8s.io`, …
    pub group_resource: String,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                store: Mutex::default(),
                log: Mutex::default(),
                denied: Mutex::default(),
                revision: latest::Sender::new(0),
                began: Instant::now(),
            }),
        }
    }
}

impl Api {
    /// Listens on 127.0.0.1 and answers clients until the server is dropped.
    pub async fn serve(&self) -> io::Result<Server> {
        let api = self.clone();
        super::http::serve(0, move |request| serve::answer(api.clone(), request)).await
    }

    /// Creates the object, or replaces the spec of the one that is there.
    pub fn apply(&self, object: Value) -> Result<Value, Failure> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let (resource, _) = resource::of_object(&api_version, &kind).ok_or_else(|| {
            Failure::bad_request(format!("no matches for kind {kind:?} in version {api_version:?}"))
        })?;
        let name = text("/metadata/name");
        let namespace = match text("/metadata/namespace") {
            _ if !resource.namespaced => String::new(),
            ns if ns.is_empty() => "default".to_owned(),
            ns => ns,
        };
        self.change(|store| match store.get(resource, &namespace, &name) {
            Err(_) => store.create(resource, &namespace, object, Timestamp::now()),
            Ok(current) => {
                let mut object = object;
                object["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"].clone();
                store.replace(resource, &namespace, &name, Part::Main, object)
            }
        })
    }

    /// The object as it is now.
    pub fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Result<Value, Failure> {
        self.store().get(resource, namespace, name).cloned()
    }

    /// The objects of a kind in every namespace.
    pub fn list(&self, resource: &'static Resource) -> Vec<Value> {
        self.store()
            .list(resource, None, &Selector::default())
            .into_iter()
            .cloned()
            .collect()
    }

    /// Changes an object in one step: nobody else writes between the reading and the writing.
    pub fn update(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        part: Part,
        edit: impl FnOnce(&mut Value),
    ) -> Result<Value, Failure> {
        self.change(|store| {
            let mut object = store.get(resource, namespace, name)?.clone();
            edit(&mut object);
            store.replace(resource, namespace, name, part, object)
        })
    }

    /// Removes an object.
    pub fn delete(&self, resource: &'static Resource, namespace: &str, name: &str) -> Result<Value, Failure> {
        self.change(|store| store.delete(resource, namespace, name))
    }

    /// Follows the resourceVersion: each change wakes the receiver.
    pub fn revisions(&self) -> latest::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// The changes after `revision`, oldest first.
    pub fn changes_since(&self, revision: u64) -> Result<Vec<Change>, Failure> {
        Ok(self.store().changes_since(revision)?.cloned().collect())
    }

    /// What clients asked over HTTP.
    pub fn log(&self) -> MutexGuard<'_, RequestLog> {
        lock(&self.shared.log)
    }

    /// From now on refuses these verbs, and says so to a SelfSubjectAccessReview.
    pub fn deny(&self, denied: Vec<Denied>) {
        *lock(&self.shared.denied) = denied;
    }

    fn is_denied(&self, verb: &str, group_resource: &str) -> bool {
        lock(&self.shared.denied)
            .iter()
            .any(|d| d.verb == verb && d.group_resource == group_resource)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.shared.store)
    }

    /// A client's write; a dry run leaves everything as it was.
    fn write<T>(&self, dry_run: bool, write: impl FnOnce(&mut Store) -> T) -> T {
        if dry_run {
            write(&mut self.store().clone())
        } else {
            self.change(write)
        }
    }

    fn change<T>(&self, write: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = self.store();
        let answer = write(&mut store);
        self.shared.revision.send_if_modified(|seen| {
            let moved = *seen != store.revision();
            *seen = store.revision();
            moved
        });
        answer
    }
}

/// The store changes in single assignments, so what a panicking holder leaves behind is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
