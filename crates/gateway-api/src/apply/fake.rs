//! An API server and a gateway that tests can make misbehave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::BoxError;
use tower::util::BoxCloneSyncService;

use super::cache::version;
use super::{Api, Applier, FIELD_MANAGER, Limits};
use crate::{RouteKey, RouteKind};

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// What the fake does with one request instead of serving it.
#[derive(Clone)]
pub(crate) enum Fault {
    Status(u16, &'static str),
    RetryAfter(u64),
    /// 403 with this message.
    Denied(&'static str),
    Plain(u16, &'static str),
    Hang,
    Cut,
    /// Somebody else writes just before the request is served.
    OtherWriter,
    /// The request is served, but its answer does not arrive.
    LostAnswer,
}

/// The HTTPRoute `shop/<name>`.
pub(super) fn key(name: &str) -> RouteKey {
    RouteKey {
        kind: RouteKind::Http,
        namespace: "shop".into(),
        name: name.into(),
    }
}

/// Objects by path, served in one version.
pub(crate) struct Fake {
    version: &'static str,
    objects: Mutex<BTreeMap<String, Value>>,
    faults: Mutex<Vec<(Method, Fault)>>,
    log: Mutex<Vec<String>>,
    other_writes: AtomicUsize,
    events: Mutex<Vec<String>>,
    /// Paths and ends of the watches under way.
    watches: Mutex<Vec<(String, mpsc::UnboundedSender<String>)>>,
    /// Whether watches are told nothing.
    pub(crate) is_silent: AtomicBool,
    /// Verbs that RBAC does not grant, as in `watch` or, for the whole cluster alone, `watch cluster`.
    pub(crate) forbidden: Mutex<Vec<&'static str>>,
    /// Whether the gateway accepts what is written.
    pub(crate) gateway_works: AtomicBool,
}

impl Fake {
    /// With one HTTPRoute `shop/web` whose only rule divides 100:0.
    pub(crate) fn new(faults: Vec<(Method, Fault)>) -> Arc<Self> {
        Self::serving("v1", faults)
    }

    pub(crate) fn serving(version: &'static str, faults: Vec<(Method, Fault)>) -> Arc<Self> {
        let fake = Self {
            version,
            objects: Mutex::default(),
            faults: Mutex::new(faults),
            log: Mutex::default(),
            other_writes: AtomicUsize::new(0),
            events: Mutex::default(),
            watches: Mutex::default(),
            is_silent: AtomicBool::new(false),
            forbidden: Mutex::default(),
            gateway_works: AtomicBool::new(true),
        };
        fake.add_route("httproutes", "web");
        Arc::new(fake)
    }

    pub(crate) fn add_route(&self, resource: &str, name: &str) {
        let route = json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1", "generation": 1,
                "labels": {"app": name}, "managedFields": [{"manager": "kubectl"}]},
            "spec": {"later": true, "parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [
                {"name": "stable", "port": 80, "weight": 100}, {"name": "canary", "port": 80, "weight": 0}]}]}});
        self.objects
            .lock()
            .unwrap()
            .insert(self.path(resource, name), route);
    }

    pub(crate) fn remove_route(&self, resource: &str, name: &str) {
        let path = self.path(resource, name);
        let mut removed = self.objects.lock().unwrap().remove(&path).unwrap();
        bump(&mut removed);
        self.report("DELETED", &path, &removed);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.objects.lock().unwrap().remove(path).unwrap();
    }

    pub(crate) fn add(&self, path: &str, object: Value) {
        self.objects.lock().unwrap().insert(path.to_owned(), object);
    }

    /// One that reads and replaces: what every RBAC profile grants.
    pub(crate) fn applier(self: &Arc<Self>) -> Applier {
        self.forbidden.lock().unwrap().extend(["patch"]);
        let applier = Applier::without_watches(self.api(), Limits::default());
        applier.refuse_patches();
        applier
    }

    /// One that uses what it finds permitted.
    pub(crate) fn watching(self: &Arc<Self>) -> Applier {
        Applier::new(self.api(), Limits::default())
    }

    pub(crate) fn api(self: &Arc<Self>) -> Api {
        let fake = Arc::clone(self);
        let service = tower::service_fn(move |request| {
            let fake = Arc::clone(&fake);
            async move { fake.answer(request).await }
        });
        Api::of_fake(BoxCloneSyncService::new(service))
    }

    /// Ends all watches with this error, or as at the end of their time.
    pub(crate) fn end_watches(&self, code: Option<u16>) {
        for (_, watch) in std::mem::take(&mut *self.watches.lock().unwrap()) {
            if let Some(code) = code {
                let status = json!({"kind": "Status", "code": code, "message": "too old"});
                _ = watch.send(json!({"type": "ERROR", "object": status}).to_string());
            }
        }
    }

    /// Watches that are under way.
    pub(crate) fn watching_now(&self) -> usize {
        self.watches.lock().unwrap().len()
    }

    pub(crate) fn bookmark(&self) {
        let bookmark = json!({"type": "BOOKMARK", "object": {"kind": "HTTPRoute", "metadata": {"resourceVersion": "9"}}});
        self.watches
            .lock()
            .unwrap()
            .retain(|(_, watch)| watch.send(bookmark.to_string()).is_ok());
    }

    /// The last state of the route, as a watch tells it that begins before it.
    pub(crate) fn tell_again(&self) {
        self.report("MODIFIED", &self.path("httproutes", "web"), &self.web());
    }

    /// One more fault.
    pub(crate) fn fault(&self, method: Method, fault: Fault) {
        self.faults.lock().unwrap().push((method, fault));
    }

    /// Lets tasks of the background do what they can.
    pub(crate) async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    fn report(&self, kind: &str, path: &str, object: &Value) {
        if self.is_silent.load(Ordering::Relaxed) {
            return;
        }
        let event = json!({"type": kind, "object": object}).to_string();
        self.watches
            .lock()
            .unwrap()
            .retain(|(prefix, watch)| !is_below(path, prefix) || watch.send(event.clone()).is_ok());
    }

    /// The HTTPRoute `shop/web`.
    pub(crate) fn web(&self) -> Value {
        self.objects.lock().unwrap()[&self.path("httproutes", "web")].clone()
    }

    pub(crate) fn edit_web(&self, edit: impl FnOnce(&mut Value)) {
        let path = self.path("httproutes", "web");
        let mut objects = self.objects.lock().unwrap();
        let web = objects.get_mut(&path).unwrap();
        let spec = web["spec"].clone();
        edit(web);
        if web["spec"] != spec {
            web["metadata"]["generation"] = json!(web["metadata"]["generation"].as_i64().unwrap() + 1);
        }
        bump(web);
        self.report("MODIFIED", &path, web);
    }

    /// Weights of the last rule of the HTTPRoute, stable first.
    pub(crate) fn weights(&self) -> String {
        let route = self.web();
        let refs = &route["spec"]["rules"].as_array().unwrap().last().unwrap()["backendRefs"];
        format!("{}:{}", refs[0]["weight"], refs[1]["weight"])
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The methods of all requests since the last look.
    pub(crate) fn verbs(&self) -> String {
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        log.iter()
            .map(|line| line.split(' ').next().unwrap())
            .filter(|verb| !["POST", "LIST", "WATCH"].contains(verb))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The events sent so far, once those under way have arrived.
    pub(crate) async fn events(&self) -> Vec<String> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    fn path(&self, resource: &str, name: &str) -> String {
        format!(
            "/apis/gateway.networking.k8s.io/{}/namespaces/shop/{resource}/{name}",
            self.version
        )
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Result<Answer, BoxError> {
        tokio::task::yield_now().await;
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = head.uri.query().unwrap_or_default();
        let verb = match head.method.as_str() {
            "GET" if query.contains("watch=true") => "WATCH",
            "GET" if query.contains("limit=") => "LIST",
            other => other,
        };
        self.log.lock().unwrap().push(format!("{verb} {}", head.uri));
        let scope = match head.uri.path().contains("/namespaces/") {
            true => "",
            false => " cluster",
        };
        let asked = format!("{}{scope}", verb.to_lowercase());
        if self
            .forbidden
            .lock()
            .unwrap()
            .iter()
            .any(|verb| *verb == asked || asked.split(' ').next() == Some(verb))
        {
            return Ok(status(403, "Forbidden"));
        }
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            faults
                .iter()
                .position(|(method, _)| *method == head.method)
                .map(|at| faults.remove(at).1)
        };
        match fault {
            Some(Fault::Status(code, reason)) => return Ok(status(code, reason)),
            Some(Fault::RetryAfter(seconds)) => {
                let mut answer = status(429, "TooManyRequests");
                answer.headers_mut().insert("retry-after", seconds.into());
                return Ok(answer);
            }
            Some(Fault::Denied(message)) => {
                let status =
                    json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": message});
                return Ok(response(403, &status.to_string()));
            }
            Some(Fault::Plain(code, text)) => return Ok(response(code, text)),
            Some(Fault::Hang) => return std::future::pending().await,
            Some(Fault::Cut) => return Err("connection reset".into()),
            Some(Fault::OtherWriter) => {
                let writes = self.other_writes.fetch_add(1, Ordering::Relaxed) + 1;
                self.edit_web(|route| {
                    route["metadata"]["annotations"]["other"] = json!(writes.to_string());
                });
            }
            Some(Fault::LostAnswer) => {
                self.serve(&head, &body);
                return Err("connection reset".into());
            }
            None => {}
        }
        Ok(self.serve(&head, &body))
    }

    fn serve(&self, head: &http::request::Parts, body: &Bytes) -> Answer {
        let path = head.uri.path();
        let group = "/apis/gateway.networking.k8s.io/";
        if path.starts_with(group) && !path.starts_with(&format!("{group}{}/", self.version)) {
            return response(404, "404 page not found\n");
        }
        if head.method == Method::POST {
            let event: Value = serde_json::from_slice(body).unwrap();
            let text = format!(
                "{}: {}",
                event["reason"].as_str().unwrap(),
                event["message"].as_str().unwrap()
            );
            self.events.lock().unwrap().push(text);
            return response(201, &event.to_string());
        }
        let query = head.uri.query().unwrap_or_default();
        if query.contains("watch=true") {
            let (sender, receiver) = mpsc::unbounded_channel::<String>();
            self.watches.lock().unwrap().push((path.to_owned(), sender));
            let lines = futures::stream::unfold(receiver, async |mut receiver| {
                let line = receiver.recv().await?;
                Some((
                    Ok::<_, BoxError>(Frame::data(Bytes::from(format!("{line}\n")))),
                    receiver,
                ))
            });
            return Response::new(StreamBody::new(lines).boxed_unsync());
        }
        let mut objects = self.objects.lock().unwrap();
        if let Some((_, from)) = query.split_once("limit=100&continue=") {
            // A page has one object.
            let from = from.parse().unwrap_or(0);
            let mut below = objects
                .iter()
                .filter(|(known, _)| is_below(known, path))
                .skip(from);
            let items = below
                .next()
                .map(|(_, object)| json!({"metadata": object["metadata"]}));
            let next = below.next().map(|_| (from + 1).to_string());
            let list = json!({"metadata": {"continue": next}, "items": items.as_slice()});
            return response(200, &list.to_string());
        }
        if query.contains("limit=1") {
            let versions = objects.values().filter_map(version);
            let list = json!({"metadata": {"resourceVersion": versions.max().unwrap_or(1).to_string()}, "items": []});
            return response(200, &list.to_string());
        }
        if let Some(query) = head
            .uri
            .query()
            .and_then(|query| query.strip_prefix("labelSelector="))
        {
            let label = query.replace("%3D", "=");
            let items = objects
                .iter()
                .filter(|(known, _)| known.starts_with(path))
                .map(|(_, object)| object.clone())
                .filter(|object| {
                    label.is_empty()
                        || format!("app={}", object["metadata"]["labels"]["app"].as_str().unwrap()) == label
                })
                .collect::<Vec<_>>();
            return response(200, &json!({ "items": items }).to_string());
        }
        let Some(object) = objects.get_mut(path) else {
            return status(404, "NotFound");
        };
        if head.method == Method::PUT || head.method == Method::PATCH {
            let mut new: Value = match head.method {
                Method::PUT => serde_json::from_slice(body).unwrap(),
                _ => {
                    let patch: json_patch::Patch = serde_json::from_slice(body).unwrap();
                    let mut patched = object.clone();
                    if json_patch::patch(&mut patched, &patch).is_err() {
                        return status(422, "Invalid");
                    }
                    patched
                }
            };
            if new["metadata"]["managedFields"].is_null() {
                new["metadata"]["managedFields"] = object["metadata"]["managedFields"].clone();
            }
            if new["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
                return status(409, "Conflict");
            }
            if new["spec"] != object["spec"] {
                new["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
            }
            if without_managers(&new) != without_managers(object) {
                let ours = json!({"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z"});
                let managers = new["metadata"]["managedFields"].as_array_mut().unwrap();
                managers.retain(|entry| entry["manager"] != FIELD_MANAGER);
                managers.push(ours);
            }
            bump(&mut new);
            *object = new;
            self.report("MODIFIED", path, object);
        }
        if self.gateway_works.load(Ordering::Relaxed)
            && object
                .get("spec")
                .is_some_and(|spec| spec.get("parentRefs").is_some())
        {
            let condition = |kind: &str| json!({"type": kind, "status": "True", "observedGeneration": object["metadata"]["generation"]});
            object["status"] = json!({"parents": [{"parentRef": {"name": "gw"}, "controllerName": "example.com/gw",
                "conditions": [condition("Accepted"), condition("ResolvedRefs")]}]});
        }
        response(200, &object.to_string())
    }
}

fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["managedFields"] = Value::Null;
    object
}

fn is_below(path: &str, collection: &str) -> bool {
    // A watch of the whole cluster names no namespace.
    path.starts_with(collection) || path.replace("/namespaces/shop", "").starts_with(collection)
}

fn bump(object: &mut Value) {
    let version: u64 = object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn status(code: u16, reason: &str) -> Answer {
    let text =
        json!({"kind": "Status", "reason": reason, "message": format!("because of {reason}"), "code": code});
    response(code, &text.to_string())
}

fn response(code: u16, body: &str) -> Answer {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()))
        .map_err(BoxError::from)
        .boxed_unsync();
    Response::builder().status(code).body(body).unwrap()
}
