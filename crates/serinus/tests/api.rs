//! The stage's API over HTTP: what a client library relies on.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use serinus::stage::api::{Api, Denied};
use serinus::stage::http::Server;

use common::FakeRouter as Peer;

const ROUTES: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes";
const WEB: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web";

fn route(weight: i64) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"rules": [{"backendRefs": [{"name": "canary", "port": 80, "weight": weight}]}], "later": {"field": 1}},
    })
}

async fn api_with_route() -> (Api, Server, Peer) {
    let api = Api::default();
    let server = api.serve().await.unwrap();
    let peer = Peer::new(server.url());
    let (status, _) = peer.send(Method::POST, ROUTES, Some(&route(0))).await;
    assert_eq!(status, 201);
    (api, server, peer)
}

#[tokio::test]
async fn two_writers_do_not_lose_updates() {
    let (_api, _server, one) = api_with_route().await;
    let (_, first) = one.send(Method::GET, WEB, None).await;
    let (_, second) = one.send(Method::GET, WEB, None).await;

    let mut mine = first.clone();
    mine["spec"]["rules"][0]["backendRefs"][0]["weight"] = 20.into();
    let (status, written) = one.send(Method::PUT, WEB, Some(&mine)).await;
    assert_eq!(status, 200);
    assert_eq!(written["metadata"]["generation"], 2);
    assert_ne!(
        written["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert_eq!(
        written["spec"]["later"],
        json!({"field": 1}),
        "unknown fields stay"
    );

    let mut theirs = second;
    theirs["spec"]["rules"][0]["backendRefs"][0]["weight"] = 60.into();
    let (status, refused) = one.send(Method::PUT, WEB, Some(&theirs)).await;
    assert_eq!(
        (status, refused["reason"].as_str(), refused["code"].as_u64()),
        (409, Some("Conflict"), Some(409))
    );
    let message = "Operation cannot be fulfilled on httproutes.gateway.networking.k8s.io \"web\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!(refused["message"], message);

    // The same again changes nothing, not even the resourceVersion.
    let (status, same) = one.send(Method::PUT, WEB, Some(&written)).await;
    assert_eq!((status, &same), (200, &written));
}

#[tokio::test]
async fn what_counts_as_a_generation() {
    let (_api, _server, peer) = api_with_route().await;
    let merge = |path: &'static str, patch: Value| {
        let peer = &peer;
        async move { peer.patch(path, "application/merge-patch+json", &patch).await }
    };
    let status = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web/status";
    // path, patch, generation afterwards, resourceVersion moves
    let cases = [
        (WEB, json!({"metadata": {"annotations": {"a": "b"}}}), 1, true),
        (status, json!({"status": {"parents": []}}), 1, true),
        (WEB, json!({"status": {"parents": [1]}}), 1, false),
        (status, json!({"spec": {"rules": []}}), 1, false),
        (WEB, json!({"spec": {"hostnames": ["a.example"]}}), 2, true),
        (WEB, json!({"spec": {"hostnames": ["a.example"]}}), 2, false),
        (
            WEB,
            json!({"metadata": {"generation": 17, "creationTimestamp": null}}),
            2,
            false,
        ),
    ];
    let (_, mut before) = peer.send(Method::GET, WEB, None).await;
    for (path, patch, generation, moves) in cases {
        let (code, after) = merge(path, patch.clone()).await;
        assert_eq!(code, 200, "{patch}");
        assert_eq!(after["metadata"]["generation"], generation, "{patch}");
        let moved = after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"];
        assert_eq!(moved, moves, "{patch}");
        before = after;
    }
    assert_eq!(before["status"], json!({"parents": []}));
    assert_eq!(
        before["spec"]["rules"][0]["backendRefs"][0]["kind"], "Service",
        "defaults are filled"
    );
}

#[tokio::test]
async fn json_patches_with_tests() {
    let (_api, _server, peer) = api_with_route().await;
    let (_, before) = peer.send(Method::GET, WEB, None).await;
    let patch = |uid: &Value, weight: i64| {
        json!([
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/spec/rules/0/backendRefs/0/weight", "value": weight},
        ])
    };
    let json = "application/json-patch+json";
    let (status, after) = peer
        .patch(WEB, json, &patch(&before["metadata"]["uid"], 20))
        .await;
    assert_eq!(
        (status, &after["spec"]["rules"][0]["backendRefs"][0]["weight"]),
        (200, &json!(20))
    );

    // refused: patch, status, reason
    let other_version = json!({"metadata": {"resourceVersion": before["metadata"]["resourceVersion"]}});
    let cases = [
        (json, patch(&json!("another"), 40), 422, "Invalid"),
        (json, patch(&before["metadata"]["uid"], -1), 422, "Invalid"),
        (json, json!({"not": "a patch"}), 400, "BadRequest"),
        ("application/merge-patch+json", other_version, 409, "Conflict"),
        (
            "application/merge-patch+json",
            json!({"metadata": {"name": "x"}}),
            422,
            "Invalid",
        ),
        (
            "application/apply-patch+yaml",
            json!({}),
            415,
            "UnsupportedMediaType",
        ),
    ];
    for (form, patch, code, reason) in cases {
        let (status, body) = peer.patch(WEB, form, &patch).await;
        assert_eq!(
            (status, body["reason"].as_str()),
            (code, Some(reason)),
            "{patch}: {body}"
        );
    }
    let (_, same) = peer.send(Method::GET, WEB, None).await;
    assert_eq!(same, after);
}

#[tokio::test]
async fn missing_objects_and_missing_versions_differ() {
    let (_api, _server, peer) = api_with_route().await;
    let (status, body) = peer.send(Method::GET, &format!("{ROUTES}/other"), None).await;
    assert_eq!(
        (status, body["kind"].as_str(), body["details"]["name"].as_str()),
        (404, Some("Status"), Some("other"))
    );
    let path = "/apis/gateway.networking.k8s.io/v1alpha2/namespaces/shop/httproutes/web";
    assert_eq!(peer.text(path).await, (404, "404 page not found\n".to_owned()));
    // Another served version shows the same object.
    let (_, beta) = peer
        .send(Method::GET, &WEB.replace("/v1/", "/v1beta1/"), None)
        .await;
    assert_eq!(beta["apiVersion"], "gateway.networking.k8s.io/v1beta1");
}

#[tokio::test]
async fn what_a_role_does_not_permit() {
    let (api, _server, peer) = api_with_route().await;
    let denied = |verb: &str| Denied {
        verb: verb.into(),
        group_resource: "httproutes.gateway.networking.k8s.io".into(),
    };
    api.deny(vec![denied("patch"), denied("watch")]);
    let (status, body) = peer.patch(WEB, "application/merge-patch+json", &json!({})).await;
    assert_eq!((status, body["reason"].as_str()), (403, Some("Forbidden")));
    assert_eq!(peer.text(&format!("{ROUTES}?watch=true")).await.0, 403);
    assert_eq!(peer.send(Method::GET, WEB, None).await.0, 200);
    for (verb, allowed) in [("patch", false), ("update", true)] {
        let review = json!({"spec": {"resourceAttributes": {
            "verb": verb, "group": "gateway.networking.k8s.io", "resource": "httproutes", "namespace": "shop"}}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let (status, body) = peer.send(Method::POST, path, Some(&review)).await;
        assert_eq!(
            (status, body["status"]["allowed"].as_bool()),
            (201, Some(allowed)),
            "{verb}"
        );
    }
}

#[tokio::test]
async fn discovery() {
    let (_api, _server, peer) = api_with_route().await;
    let (_, groups) = peer.send(Method::GET, "/apis", None).await;
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"gateway.networking.k8s.io") && names.contains(&"argoproj.io"),
        "{names:?}"
    );
    let (_, list) = peer
        .send(Method::GET, "/apis/gateway.networking.k8s.io/v1", None)
        .await;
    let kinds: Vec<&str> = list["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"httproutes") && kinds.contains(&"httproutes/status"),
        "{kinds:?}"
    );
    assert!(!kinds.contains(&"referencegrants"), "only in v1beta1");
}

/// A watch from a resourceVersion tells what came after it, once and in order; a selector decides what enters and
/// leaves.
#[tokio::test]
async fn a_watch_follows_another_writer() {
    let (_api, server, peer) = api_with_route().await;
    let (_, list) = peer.send(Method::GET, ROUTES, None).await;
    let from = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let merge = "application/merge-patch+json";
    peer.patch(WEB, merge, &json!({"spec": {"hostnames": ["a.example"]}}))
        .await;

    let mut watch = Watch::open(&format!(
        "{}{ROUTES}?watch=1&resourceVersion={from}&labelSelector=app%3Dweb",
        server.url()
    ))
    .await;
    assert_eq!(watch.next().await, ("MODIFIED".to_owned(), 2));
    peer.patch(WEB, merge, &json!({"metadata": {"labels": {"app": "other"}}}))
        .await;
    assert_eq!(watch.next().await, ("DELETED".to_owned(), 2));
    peer.patch(WEB, merge, &json!({"spec": {"hostnames": ["b.example"]}}))
        .await;
    peer.patch(WEB, merge, &json!({"metadata": {"labels": {"app": "web"}}}))
        .await;
    assert_eq!(watch.next().await, ("ADDED".to_owned(), 3));
    peer.send(Method::DELETE, WEB, None).await;
    assert_eq!(watch.next().await, ("DELETED".to_owned(), 3));
}

#[tokio::test]
async fn a_watch_from_the_beginning_lists_first() {
    let (_api, server, _peer) = api_with_route().await;
    let url = format!(
        "{}{ROUTES}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true",
        server.url()
    );
    let mut watch = Watch::open(&url).await;
    assert_eq!(watch.next().await.0, "ADDED");
    let bookmark = watch.line().await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(
        bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
}

#[tokio::test]
async fn a_watch_that_comes_too_late_is_told() {
    let (api, server, peer) = api_with_route().await;
    for i in 0..5000 {
        api.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": {"i": i}}))
            .unwrap();
    }
    let mut watch = Watch::open(&format!("{}{ROUTES}?watch=1&resourceVersion=1", server.url())).await;
    let error = watch.line().await;
    assert_eq!(
        (error["type"].as_str(), error["object"]["code"].as_u64()),
        (Some("ERROR"), Some(410))
    );
    // And the log of requests keeps what was asked.
    peer.send(Method::GET, WEB, None).await;
    let log = api.log();
    let last = log.since(log.total() - 1).next().unwrap();
    assert_eq!(
        (last.verb, last.status, last.agent.as_str()),
        ("get", 200, "fake-router")
    );
}

struct Watch {
    body: hyper::body::Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    async fn open(url: &str) -> Self {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.get(url.parse().unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self {
            body: response.into_body(),
            buffer: Vec::new(),
        }
    }

    async fn line(&mut self) -> Value {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame());
            let frame = frame
                .await
                .expect("an event")
                .expect("the watch goes on")
                .unwrap();
            self.buffer.extend_from_slice(frame.data_ref().unwrap());
        }
    }

    /// Type and generation of the next event.
    async fn next(&mut self) -> (String, u64) {
        let event = self.line().await;
        let generation = event["object"]["metadata"]["generation"].as_u64().unwrap();
        (event["type"].as_str().unwrap().to_owned(), generation)
    }
}
