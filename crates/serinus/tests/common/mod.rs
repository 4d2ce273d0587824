//! A traffic router in this process: it edits the route through the stage's API over HTTP, as a plugin would, with
//! GET, PUT and resourceVersion.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in #[test] functions only, and this serves them"
)]

use std::sync::LazyLock;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use serinus::stage::gateway::CONTROLLER_NAME;
use serinus::stage::release::call::{Answer, Call, CallError, Router};

/// The fake.
pub(crate) struct FakeRouter {
    client: Client<HttpConnector, Full<Bytes>>,
    api: String,
}

impl FakeRouter {
    /// For the API at that URL.
    pub(crate) fn new(api: String) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            api,
        }
    }

    /// A request of the API with a JSON body.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, text) = self.raw(method, path, "application/json", body).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// A patch in one of its forms.
    pub(crate) async fn patch(&self, path: &str, form: &str, patch: &Value) -> (u16, Value) {
        let (status, text) = self.raw(Method::PATCH, path, form, Some(patch)).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// The text at a path.
    pub(crate) async fn text(&self, path: &str) -> (u16, String) {
        self.raw(Method::GET, path, "application/json", None).await
    }

    async fn raw(&self, method: Method, path: &str, form: &str, body: Option<&Value>) -> (u16, String) {
        let body = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header("content-type", form)
            .header("user-agent", "fake-router")
            .body(Full::new(body))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn set_weight(&self, rollout: &Value, weight: i64) -> Result<Answer, CallError> {
        let path = route_path(rollout);
        for _ in 0..5 {
            let (_, mut route) = self.send(Method::GET, &path, None).await;
            let before = route.clone();
            let canary = &rollout["spec"]["strategy"]["canary"];
            for backend in route["spec"]["rules"][0]["backendRefs"].as_array_mut().unwrap() {
                if backend["name"] == canary["canaryService"] {
                    backend["weight"] = weight.into();
                } else if backend["name"] == canary["stableService"] {
                    backend["weight"] = (100 - weight).into();
                }
            }
            if route == before {
                return Ok(Answer::Done);
            }
            match self.send(Method::PUT, &path, Some(&route)).await {
                (200, _) => return Ok(Answer::Done),
                (409, _) => {}
                (_, status) => return Err(CallError(status["message"].to_string())),
            }
        }
        Err(CallError("five conflicts".to_owned()))
    }

    async fn verify(&self, rollout: &Value) -> Result<Answer, CallError> {
        let (_, route) = self.send(Method::GET, &route_path(rollout), None).await;
        let condition = &route["status"]["parents"][0]["conditions"][0];
        let observed = condition["observedGeneration"] == route["metadata"]["generation"];
        Ok(Answer::Verified(Some(condition["status"] == "True" && observed)))
    }
}

impl Router for FakeRouter {
    fn call<'a>(&'a self, rollout: &'a Value, call: &'a Call) -> BoxFuture<'a, Result<Answer, CallError>> {
        async move {
            match call {
                Call::Type => Ok(Answer::Kind("fake".to_owned())),
                Call::SetWeight(weight) => self.set_weight(rollout, i64::from(*weight)).await,
                Call::VerifyWeight(_) => self.verify(rollout).await,
                _ => Ok(Answer::Done),
            }
        }
        .boxed()
    }
}

fn route_path(rollout: &Value) -> String {
    let config =
        &rollout["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"];
    format!(
        "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/{}",
        rollout["metadata"]["namespace"].as_str().unwrap(),
        config["httpRoute"].as_str().unwrap()
    )
}

/// GatewayClass and Gateway of the stage's own gateway.
pub(crate) fn gateway_objects(namespace: &str) -> [Value; 2] {
    [
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "stage"},
            "spec": {"controllerName": CONTROLLER_NAME}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "gw", "namespace": namespace},
            "spec": {"gatewayClassName": "stage", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]}}),
    ]
}

/// An answer.
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

/// A request to a gateway.
pub(crate) async fn get(url: &str, headers: HeaderMap) -> Seen {
    static CLIENT: LazyLock<Client<HttpConnector, Full<Bytes>>> = LazyLock::new(|| {
        Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http()
    });
    let mut request = Request::new(Full::default());
    *request.uri_mut() = url.parse().unwrap();
    *request.headers_mut() = headers;
    let response = CLIENT.request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Seen {
        status: head.status.as_u16(),
        headers: head.headers,
        text,
        json,
    }
}
