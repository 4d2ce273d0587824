//! An API server and a gateway that tests can make misbehave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::BoxError;
use tower::util::BoxCloneSyncService;

use super::{Api, Applier, FIELD_MANAGER, Limits};

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// What the fake does with one request instead of serving it.
#[derive(Clone)]
pub(crate) enum Fault {
    Status(u16, &'static str),
    RetryAfter(u64),
    Plain(u16, &'static str),
    Hang,
    Cut,
    /// Somebody else writes just before the request is served.
    OtherWriter,
    /// The request is served, but its answer does not arrive.
    LostAnswer,
}

/// Objects by path, served in one version.
pub(crate) struct Fake {
    version: &'static str,
    objects: Mutex<BTreeMap<String, Value>>,
    faults: Mutex<Vec<(Method, Fault)>>,
    log: Mutex<Vec<String>>,
    other_writes: AtomicUsize,
    events: Mutex<Vec<String>>,
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
            gateway_works: AtomicBool::new(true),
        };
        fake.add_route("httproutes", "web");
        Arc::new(fake)
    }

    pub(crate) fn add_route(&self, resource: &str, name: &str) {
        let route = json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": "1", "generation": 1,
                "labels": {"app": name}, "managedFields": [{"manager": "kubectl"}]},
            "spec": {"later": true, "parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [
                {"name": "stable", "port": 80, "weight": 100}, {"name": "canary", "port": 80, "weight": 0}]}]}});
        self.objects
            .lock()
            .unwrap()
            .insert(self.path(resource, name), route);
    }

    pub(crate) fn remove_route(&self, resource: &str, name: &str) {
        self.objects.lock().unwrap().remove(&self.path(resource, name));
    }

    pub(crate) fn add(&self, path: &str, object: Value) {
        self.objects.lock().unwrap().insert(path.to_owned(), object);
    }

    pub(crate) fn applier(self: &Arc<Self>) -> Applier {
        let fake = Arc::clone(self);
        let service = tower::service_fn(move |request| {
            let fake = Arc::clone(&fake);
            async move { fake.answer(request).await }
        });
        Applier::new(Api::of_fake(BoxCloneSyncService::new(service)), Limits::default())
    }

    /// The HTTPRoute `shop/web`.
    pub(crate) fn web(&self) -> Value {
        self.objects.lock().unwrap()[&self.path("httproutes", "web")].clone()
    }

    pub(crate) fn edit_web(&self, edit: impl FnOnce(&mut Value)) {
        edit(
            self.objects
                .lock()
                .unwrap()
                .get_mut(&self.path("httproutes", "web"))
                .unwrap(),
        );
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
            .filter(|verb| *verb != "POST")
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
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.log
            .lock()
            .unwrap()
            .push(format!("{} {}", head.method, head.uri));
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
            Some(Fault::Plain(code, text)) => return Ok(response(code, text)),
            Some(Fault::Hang) => return std::future::pending().await,
            Some(Fault::Cut) => return Err("connection reset".into()),
            Some(Fault::OtherWriter) => {
                let writes = self.other_writes.fetch_add(1, Ordering::Relaxed) + 1;
                self.edit_web(|route| {
                    route["metadata"]["annotations"] = json!({"other": writes.to_string()});
                    bump(route);
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
        let mut objects = self.objects.lock().unwrap();
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
        if head.method == Method::PUT {
            let mut new: Value = serde_json::from_slice(body).unwrap();
            assert_eq!(new["metadata"]["managedFields"], Value::Null);
            if new["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
                return status(409, "Conflict");
            }
            if new["spec"] != object["spec"] {
                new["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap() + 1);
            }
            new["metadata"]["managedFields"] =
                json!([{"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z"}]);
            bump(&mut new);
            *object = new;
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
