//! The router in our own hands: no controller, no gateway, and a proxy in front of the API server that counts each
//! request and makes trouble. A call takes milliseconds, so a table of them is a scene.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::Either;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use rollouts_plugin::host::{Host, TrafficRouterClient};
use rollouts_plugin::types::Rollout;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cluster::{Address, Cluster, Kind};
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};
use crate::world::credentials::User;

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the proxy does with a request instead of passing it on.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// Answers so itself.
    Refuse(u16, &'static str),
    /// 429 and a moment to come back, in seconds.
    Later(u64),
    /// Never answers.
    Hang,
    /// Closes the connection.
    Cut,
    /// Passes the request on, and closes the connection instead of answering.
    LoseAnswer,
    /// Somebody else changes the route first, by this merge patch.
    SecondWriter(Value),
}

/// A proxy that acts as one user.
pub(super) struct Proxy {
    address: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

struct Inner {
    cluster: Cluster,
    admin: Cluster,
    route: (String, String),
    seen: Mutex<Vec<String>>,
    troubles: Mutex<VecDeque<(&'static str, usize, Trouble)>>,
    /// Raised to end the watches under way.
    cuts: watch::Sender<usize>,
    /// Whether watches bring nothing.
    holds: watch::Sender<bool>,
}

impl Proxy {
    /// Listens. `route` is the one that second writers change.
    async fn start(stage: &Stage, user: &User, route: &str) -> Result<Self> {
        let cluster = Cluster::connect(&stage.world.credentials.kubeconfig(user)).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let inner = Arc::new(Inner {
            cluster,
            admin: stage.cluster().clone(),
            route: (stage.namespace.clone(), route.to_owned()),
            seen: Mutex::default(),
            troubles: Mutex::default(),
            cuts: watch::Sender::new(0),
            holds: watch::Sender::new(false),
        });
        let shared = inner.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| inner.clone().answer(request));
                    // Cut connections are what it is for.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            inner,
            server,
        })
    }

    /// From now on, `times` requests of this verb meet trouble.
    pub(super) fn trouble(&self, verb: &'static str, times: usize, trouble: Trouble) {
        lock(&self.inner.troubles).push_back((verb, times, trouble));
    }

    /// No more trouble.
    pub(super) fn peace(&self) {
        lock(&self.inner.troubles).clear();
        self.inner.holds.send_replace(false);
    }

    /// Ends the watches under way.
    pub(super) fn cut_watches(&self) {
        self.inner.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Holds back what watches bring.
    pub(super) fn hold_watches(&self) {
        self.inner.holds.send_replace(true);
    }

    /// The verbs of the requests about routes since the last look, as RBAC calls them.
    pub(super) fn seen(&self) -> String {
        std::mem::take(&mut *lock(&self.inner.seen)).join(" ")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inner {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, BoxError> {
        let verb = verb(&request);
        // The search for releases of deleted Rollouts comes when it comes.
        let is_search = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("limit=100"));
        if request.uri().path().contains("routes") && !is_search {
            lock(&self.seen).push(verb.to_owned());
        }
        let trouble = self.next_trouble(verb);
        match &trouble {
            Some(Trouble::Refuse(code, reason)) => return status(*code, reason, None),
            Some(Trouble::Later(seconds)) => return status(429, "TooManyRequests", Some(*seconds)),
            Some(Trouble::Hang) => std::future::pending().await,
            Some(Trouble::Cut) => return Err("cut".into()),
            Some(Trouble::SecondWriter(patch)) => {
                let (namespace, name) = &self.route;
                let route = Address {
                    kind: Kind::http_route(),
                    namespace,
                    name,
                };
                self.admin.merge(&route, "", patch).await?;
            }
            Some(Trouble::LoseAnswer) | None => {}
        }
        let (mut head, body) = request.into_parts();
        head.headers.remove(header::HOST);
        head.headers.remove(header::AUTHORIZATION);
        let body = Body::from(body.collect().await?.to_bytes());
        let answer = self
            .cluster
            .client()
            .send(Request::from_parts(head, body))
            .await?;
        if matches!(trouble, Some(Trouble::LoseAnswer)) {
            return Err("the answer is lost".into());
        }
        let is_watch = verb == "watch";
        Ok(answer.map(|body| match is_watch {
            true => self.watched(body),
            false => body.map_err(BoxError::from).boxed_unsync(),
        }))
    }

    fn next_trouble(&self, verb: &str) -> Option<Trouble> {
        let mut troubles = lock(&self.troubles);
        let (_, times, trouble) = troubles
            .iter_mut()
            .find(|(of, times, _)| *of == verb && *times > 0)?;
        *times -= 1;
        Some(trouble.clone())
    }

    /// The body of a watch, which can be held back and cut.
    fn watched(&self, body: Body) -> UnsyncBoxBody<Bytes, BoxError> {
        let state = (Box::pin(body), self.cuts.subscribe(), self.holds.subscribe());
        let frames = futures::stream::unfold(state, async |(mut body, mut cuts, mut holds)| {
            let frame = {
                let next = std::pin::pin!(async {
                    let frame = body.frame().await;
                    let _ = holds.wait_for(|holds| !holds).await;
                    frame
                });
                let cut = std::pin::pin!(cuts.changed());
                match futures::future::select(next, cut).await {
                    Either::Left((frame, _)) => frame?.map_err(BoxError::from),
                    Either::Right(_) => Err("cut".into()),
                }
            };
            Some((frame, (body, cuts, holds)))
        });
        http_body_util::StreamBody::new(frames).boxed_unsync()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

fn verb(request: &Request<Incoming>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        Method::GET if query.contains("watch=true") => "watch",
        Method::GET if query.contains("limit=") || query.contains("labelSelector=") => "list",
        Method::GET => "get",
        Method::PATCH => "patch",
        Method::PUT => "update",
        Method::POST => "create",
        _ => "other",
    }
}

fn status(code: u16, reason: &str, retry_after: Option<u64>) -> Result<Answer, BoxError> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code,
        "message": format!("{reason} by the proxy")});
    let body = Full::new(Bytes::from(status.to_string())).map_err(|never: Infallible| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(code)?;
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(answer)
}

/// Where the next router tells its metrics: below the ports that connections are given, of which one might take it first
/// (`net.ipv4.ip_local_port_range`), and above those of the world's programs.
static METRICS: AtomicU16 = AtomicU16::new(22_000);

/// A route, and a router that was started for it alone.
pub(super) struct Driven {
    stage: Stage,
    kind: Kind,
    name: String,
    /// What the router talks through.
    pub(super) proxy: Proxy,
    host: Host<TrafficRouterClient>,
    router: TrafficRouterClient,
    rollout: Rollout,
    metrics: SocketAddr,
}

impl Driven {
    /// Makes the HTTPRoute `name` and starts the router as `user`.
    pub(super) async fn start(stage: &Stage, name: &str, user: &User, watches: bool) -> Result<Self> {
        let backend = |service: &str, weight: u64| json!({"name": service, "port": 80, "weight": weight});
        let route = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name},
            "spec": {"hostnames": [format!("{name}.test")], "rules": [{"timeouts": {"request": "7s"}, "backendRefs": [
                backend("stable", 100), backend("canary", 0)]}]}});
        Self::start_on(stage, &route, &json!({"httpRoute": name}), user, watches).await
    }

    /// Makes any route and starts the router as `user`, with the plugin's configuration for it.
    pub(super) async fn start_on(
        stage: &Stage,
        route: &Value,
        config: &Value,
        user: &User,
        watches: bool,
    ) -> Result<Self> {
        let name = route["metadata"]["name"]
            .as_str()
            .context("a route without a name")?;
        stage.cluster().apply(&stage.namespace, route).await?;
        let rollout = json!({"metadata": {"name": name, "namespace": stage.namespace, "uid": name, "resourceVersion": "1"},
            "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary",
                "steps": [{"setWeight": 20}, {"pause": {}}],
                "trafficRouting": {"managedRoutes": [{"name": "dark"}], "plugins": {"serinus/driven": config}}}}},
            "status": {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": 1}});
        let proxy = Proxy::start(stage, user, name).await?;
        let credentials = &stage.world.credentials;
        let kubeconfig = credentials.write_kubeconfig(&format!("{name}-proxy"), user, &proxy.address)?;
        let program = stage.world.plan.router.clone().context("no router in the plan")?;
        let mut launch = Host::traffic_router(program).env("KUBECONFIG", kubeconfig);
        if !watches {
            launch = launch.arg("--no-watch");
        }
        let port = METRICS.fetch_add(1, Ordering::Relaxed);
        let metrics = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let host = launch
            .env("SERINUS_METRICS_ADDRESS", metrics.to_string())
            .start()
            .await?;
        let router = host.connect().await?;
        router
            .init()
            .await
            .map_err(|error| anyhow::anyhow!("{}", error.as_str()))?;
        Ok(Self {
            stage: stage.clone(),
            kind: Kind::of(route)?,
            name: name.to_owned(),
            proxy,
            host,
            router,
            rollout: serde_json::from_value(rollout)?,
            metrics,
        })
    }

    /// `SetWeight`: the plugin's error, if any.
    pub(super) async fn set(&self, weight: i32) -> Result<(), String> {
        let set = self.router.set_weight(&self.rollout, weight, &[]).await;
        set.map_err(|error| error.as_str().to_owned())
    }

    /// `SetHeaderRoute` of the managed route `dark`: the plugin's error, if any.
    pub(super) async fn set_header(&self, header: &str, value: &str) -> Result<(), String> {
        let route =
            json!({"name": "dark", "match": [{"headerName": header, "headerValue": {"exact": value}}]});
        let route = serde_json::from_value(route).map_err(|error| error.to_string())?;
        let set = self.router.set_header_route(&self.rollout, &route).await;
        set.map_err(|error| error.as_str().to_owned())
    }

    /// `RemoveManagedRoutes`: the plugin's error, if any.
    pub(super) async fn remove(&self) -> Result<(), String> {
        let removed = self.router.remove_managed_routes(&self.rollout).await;
        removed.map_err(|error| error.as_str().to_owned())
    }

    /// From now on the new version is the stable one.
    pub(super) fn promoted(&mut self) {
        self.rollout.status.stable_rs = self.rollout.status.current_pod_hash.clone();
    }

    /// Reconciles in which nothing happens, until three in a row cost these requests: by then the router has found out
    /// what it may do, and watches if it may.
    pub(super) async fn rest(&self, requests: &str) -> Result<()> {
        wait_for(format!("a rest to cost {requests:?}"), STEP, async || {
            for _ in 0..3 {
                self.proxy.seen();
                self.set(0).await.map_err(anyhow::Error::msg)?;
                tokio::time::sleep(Duration::from_millis(150)).await;
                let seen = self.proxy.seen();
                if seen != requests {
                    return Ok(Seen::Not(seen));
                }
            }
            Ok(Seen::Yes(()))
        })
        .await
    }

    /// The route as it is.
    pub(super) async fn route(&self) -> Result<Value> {
        let address = Address {
            kind: self.kind.clone(),
            namespace: &self.stage.namespace,
            name: &self.name,
        };
        self.stage.cluster().read(&address).await
    }

    /// Somebody else changes the route.
    pub(super) async fn patch(&self, patch: &Value) -> Result<()> {
        let address = Address {
            kind: self.kind.clone(),
            namespace: &self.stage.namespace,
            name: &self.name,
        };
        self.stage.cluster().merge(&address, "", patch).await?;
        Ok(())
    }

    /// Weights of stable and canary in the only rule.
    pub(super) async fn weights(&self) -> Result<String> {
        let route = self.route().await?;
        let rules = route["spec"]["rules"].as_array().context("no rules")?;
        let backends = &rules.last().context("no rule")?["backendRefs"];
        Ok(format!("{}:{}", backends[0]["weight"], backends[1]["weight"]))
    }

    /// What Prometheus would read.
    pub(super) async fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.metrics).await?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: router\r\n\r\n")
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// Ends the router.
    pub(super) async fn quit(self) -> Result<()> {
        self.host.quit().await?;
        Ok(())
    }
}

/// Whether these were the requests. A watch that begins anew in this very moment, as the API server ends one now and then,
/// costs readings more, and no writing.
pub(super) fn are_requests(seen: &str, expected: &str) -> bool {
    fn verbs<'a>(requests: &'a str, of: &'a [&str]) -> impl Iterator<Item = &'a str> {
        requests.split(' ').filter(|verb| of.contains(verb))
    }
    let writes = ["patch", "update"];
    let is_watch_new = verbs(seen, &["watch", "list"]).next().is_some();
    seen == expected || (is_watch_new && verbs(seen, &writes).eq(verbs(expected, &writes)))
}

/// Runs `doctor` as a user, in the scene's namespace: whether it found nothing bad, and what it said.
pub(super) async fn doctor(stage: &Stage, user: &User, args: &[&str]) -> Result<(bool, String)> {
    let program = stage.world.plan.router.clone().context("no router in the plan")?;
    let output = tokio::process::Command::new(program)
        .args(["doctor", "--namespace", &stage.namespace])
        .args(args)
        .env("KUBECONFIG", stage.world.credentials.kubeconfig(user))
        .output()
        .await?;
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok((output.status.success(), told.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_watch_excuses_readings_and_no_writing() {
        for (seen, expected, are) in [
            ("patch", "patch", true),
            ("", "", true),
            ("get patch", "patch", false),
            ("get watch get patch", "patch", true),
            ("list watch", "", true),
            ("watch patch", "", false),
            ("watch patch patch", "patch", false),
            ("watch patch update", "update", false),
        ] {
            assert_eq!(are_requests(seen, expected), are, "{seen:?} for {expected:?}");
        }
    }
}
