//! A request on its way: rule, mirrors, share, pod, answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::filter::Mirror;
use super::matching::Head;
use super::split::choose;
use super::stats::{Served, Stats};
use super::table::Table;
use crate::stage::http::{Body, full, plain};

/// How long a backend may take to begin its answer (Envoy's default route timeout).
const TIMEOUT: Duration = Duration::from_secs(15);
/// A mirrored request is held in memory, up to this size.
const MAX_MIRRORED_BODY: usize = 1 << 20;

/// Where the ready pods of a Service are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Address of the pods.
    pub(super) addr: SocketAddr,
    /// Their pod template hash.
    pub(super) hash: String,
    /// How many of them are ready.
    pub(super) ready: u32,
}

/// `<namespace>/<name>` of a Service to its endpoints.
pub(super) type Endpoints = BTreeMap<String, Vec<Endpoint>>;

/// What the gateway obeys now, and what it counted.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) table: RwLock<Arc<Table>>,
    pub(super) endpoints: RwLock<Arc<Endpoints>>,
    pub(super) stats: Stats,
    random: Mutex<fastrand::Rng>,
    client: Client<HttpConnector, Body>,
}

impl Proxy {
    pub(super) fn new(seed: u64) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector);
        Self {
            table: RwLock::default(),
            endpoints: RwLock::default(),
            stats: Stats::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            client,
        }
    }

    /// Answers one request of a user.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let began = Instant::now();
        let mut served = Served {
            service: String::new(),
            hash: String::new(),
        };
        let response = self.serve(request, &mut served).await;
        self.stats.count(served, response.status(), began.elapsed());
        response
    }

    async fn serve(&self, request: Request<Incoming>, served: &mut Served) -> Response<Body> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let (mut parts, body) = request.into_parts();
        let host = host_of(&parts.uri, &parts.headers);
        let head = Head {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            host: &host,
        };
        let Some(rule) = table.find(&head) else {
            return plain(StatusCode::NOT_FOUND, "no route matches\n");
        };

        strip_hop_by_hop(&mut parts.headers);
        rule.edits.request(&mut parts.headers);
        // Filters of a backendRef are for requests that are forwarded to it.
        let chosen = choose(&rule.backends, self.draw());
        let forwarded = chosen.filter(|backend| backend.service.is_ok());
        let mirrors = rule
            .mirrors
            .iter()
            .chain(forwarded.into_iter().flat_map(|b| &b.mirrors));
        let body = match self.mirror(mirrors, &parts, body).await {
            Ok(body) => body,
            Err(response) => return response,
        };

        // The Gateway API on a backendRef that is not valid: "500 status code … for the proportion of requests".
        let Some(backend) = chosen else {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("{}: no backend has a weight\n", rule.route),
            );
        };
        let service = match &backend.service {
            Ok(service) => service,
            Err(why) => {
                return plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("{}: {why}\n", rule.route),
                );
            }
        };
        served.service.clone_from(service);
        let Some(endpoint) = self.endpoint(service) else {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{service} has no ready endpoint\n"),
            );
        };
        served.hash.clone_from(&endpoint.hash);
        backend.edits.request(&mut parts.headers);
        let mut response = self.forward(endpoint.addr, parts, body).await;
        strip_hop_by_hop(response.headers_mut());
        backend.edits.response(response.headers_mut());
        rule.edits.response(response.headers_mut());
        response
    }

    async fn forward(&self, to: SocketAddr, mut parts: http::request::Parts, body: Body) -> Response<Body> {
        parts.uri = redirected(&parts.uri, to);
        parts.version = http::Version::HTTP_11;
        let answer =
            tokio::time::timeout(TIMEOUT, self.client.request(Request::from_parts(parts, body))).await;
        match answer {
            Ok(Ok(response)) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
            Ok(Err(error)) => plain(StatusCode::BAD_GATEWAY, format!("{to}: {error}\n")),
            Err(_) => plain(
                StatusCode::GATEWAY_TIMEOUT,
                format!("{to}: no answer in {TIMEOUT:?}\n"),
            ),
        }
    }

    /// Sends the copies that these want, without waiting for their answers, and gives the body back.
    async fn mirror(
        &self,
        mirrors: impl Iterator<Item = &Mirror>,
        parts: &http::request::Parts,
        body: Incoming,
    ) -> Result<Body, Response<Body>> {
        let mut to = Vec::new();
        for mirror in mirrors {
            let drawn = self.draw() * f64::from(mirror.share.denominator) < f64::from(mirror.share.numerator);
            if drawn && let Some(endpoint) = mirror.service.as_deref().ok().and_then(|s| self.endpoint(s)) {
                to.push(endpoint.addr);
            }
        }
        if to.is_empty() {
            return Ok(body.map_err(Into::into).boxed_unsync());
        }
        let body = match Limited::new(body, MAX_MIRRORED_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(e) => {
                return Err(plain(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("cannot be mirrored: {e}\n"),
                ));
            }
        };
        for addr in to {
            let mut copy = Request::new(full(body.clone()));
            copy.method_mut().clone_from(&parts.method);
            copy.headers_mut().clone_from(&parts.headers);
            *copy.uri_mut() = redirected(&parts.uri, addr);
            let sent = self.client.request(copy);
            // Nobody waits for a mirror: its answer is read for the connection's sake and thrown away, in bounded time.
            tokio::spawn(tokio::time::timeout(TIMEOUT, async move {
                if let Ok(response) = sent.await {
                    drop(response.into_body().collect().await);
                }
            }));
        }
        Ok(full(body))
    }

    fn endpoint(&self, service: &str) -> Option<Endpoint> {
        let endpoints = Arc::clone(&self.endpoints.read().unwrap_or_else(PoisonError::into_inner));
        let of_service = endpoints.get(service)?;
        let pods: u32 = of_service.iter().map(|e| e.ready).sum();
        let mut pod = (self.draw() * f64::from(pods)) as u32;
        of_service
            .iter()
            .find(|e| {
                let here = pod < e.ready;
                pod = pod.saturating_sub(e.ready);
                here
            })
            .cloned()
    }

    fn draw(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

fn host_of(uri: &Uri, headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or(uri.host())
        .unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    name.map_or(host, |(name, _)| name).to_owned()
}

fn redirected(uri: &Uri, to: SocketAddr) -> Uri {
    let authority: Authority = to.to_string().parse().expect("a socket address is an authority");
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path)
        .build()
        .expect("scheme, authority and path are set")
}

/// RFC 9110 §7.6.1: these speak of one connection only.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ] {
        headers.remove(HeaderName::from_static(name));
    }
}
