//! A traffic router in this process: it edits the route through the stage's API over HTTP, as a plugin would, with
//! GET, PUT and resourceVersion.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in #[test] functions only, and this serves them"
)]

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
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

    /// A request of the API.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header("content-type", "application/json")
            .header("user-agent", "fake-router")
            .body(Full::new(body))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
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
