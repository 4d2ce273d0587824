//! The connection to the API server: raw JSON requests with the cluster's credentials.
//!
//! Configuration, credentials and TLS are kube's (kubeconfig with token, certificate or exec plugin; in a pod the
//! service account, whose token and CA are read again as they rotate). The HTTP client on top is our own few lines, for
//! kube's sets no `TCP_NODELAY` (40 ms more for each new connection on Linux) and queues requests behind one another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::cache::version;
use super::lines::Lines;
use super::watch::Scope;
use super::{ApiError, FIELD_MANAGER, Status};
use crate::config::RouteSelector;
use crate::metrics::Metrics;
use crate::{GROUP, RouteKey, RouteKind};

/// An object as the API server has it.
pub type Object = Value;

/// More than the largest object an API server stores (etcd takes 1.5 MB), also for lists of a namespace's routes.
const MAX_BODY: usize = 32 << 20;

/// How long a TCP and TLS connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

const JSON: &str = "application/json";
/// Objects without `spec` and `status` (Kubernetes API concepts, "Alternate representations of resources").
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// Objects of a page.
const PAGE: usize = 100;

const USER_AGENT: &str = concat!(
    "rollouts-plugin-trafficrouter-gatewayapi/",
    env!("CARGO_PKG_VERSION")
);

/// Takes requests to the API server. Tests put a fake in its place.
pub(super) type Http = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, BoxError>;

pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A lazily opened connection pool to the API server of the environment. It can be shared.
pub struct Api {
    source: Source,
    http: OnceCell<Connection>,
    versions: [AtomicUsize; RouteKind::ALL.len()],
    metrics: Arc<Metrics>,
}

/// An open way to the API server.
struct Connection {
    http: Mutex<Http>,
    /// Scheme, host and port.
    address: String,
}

enum Source {
    Environment,
    Config(Box<kube::Config>),
    #[cfg(test)]
    Fake(Http),
}

impl Api {
    /// The API server of the environment: `KUBECONFIG`, `~/.kube/config`, or the pod's service account, in this order.
    /// Nothing is read and nothing is opened before the first request.
    pub fn of_environment() -> Self {
        Self::new(Source::Environment)
    }

    /// The API server of a configuration.
    pub fn of_config(config: kube::Config) -> Self {
        Self::new(Source::Config(Box::new(config)))
    }

    #[cfg(test)]
    pub(super) fn of_fake(http: Http) -> Self {
        Self::new(Source::Fake(http))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            http: OnceCell::new(),
            versions: Default::default(),
            metrics: Arc::default(),
        }
    }

    /// What is counted, requests to the API server among it.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Reads a route as it is now.
    ///
    /// # Errors
    /// See [`ApiError`]; [`ApiError::is_missing`] tells that there is no such route.
    pub async fn route(&self, key: &RouteKey) -> Result<Object, ApiError> {
        self.in_served_version(key.kind, |version| self.get(path(version, key)))
            .await
    }

    /// Reads a route as it was in this version or later; a version to come is waited for by the API server, for 3 s.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub(super) async fn route_since(&self, key: &RouteKey, seen: u64) -> Result<Object, ApiError> {
        self.in_served_version(key.kind, |version| {
            self.get(format!("{}?resourceVersion={seen}", path(version, key)))
        })
        .await
    }

    /// Replaces a route. `object` carries the `resourceVersion` that was read.
    ///
    /// # Errors
    /// See [`ApiError`]; [`ApiError::code`] is 409 where somebody else wrote since.
    pub async fn put_route(&self, key: &RouteKey, object: &Object) -> Result<Object, ApiError> {
        let body = Bytes::from(object.to_string());
        self.in_served_version(key.kind, |version| {
            self.send(
                Method::PUT,
                format!("{}?fieldManager={FIELD_MANAGER}", path(version, key)),
                body.clone(),
            )
        })
        .await
    }

    /// Changes a route by a JSON Patch (RFC 6902).
    ///
    /// # Errors
    /// See [`ApiError`]; [`ApiError::code`] is 422 where a `test` operation failed, too.
    pub async fn patch_route(&self, key: &RouteKey, operations: &[Value]) -> Result<Object, ApiError> {
        let body = serde_json::to_vec(operations).map_err(|error| ApiError::Unreadable(error.to_string()))?;
        let body = Bytes::from(body);
        self.in_served_version(key.kind, |version| {
            self.send(
                Method::PATCH,
                format!("{}?fieldManager={FIELD_MANAGER}", path(version, key)),
                body.clone(),
            )
        })
        .await
    }

    /// The version that the routes of a scope have now.
    pub(super) async fn position(&self, scope: &Scope) -> Result<u64, ApiError> {
        let list = self
            .in_served_version(scope.kind, |version| {
                self.get(format!("{}?limit=1", collection(version, scope)))
            })
            .await?;
        version(&list).ok_or_else(|| ApiError::Unreadable("a list without a resourceVersion".to_owned()))
    }

    /// What happens to the routes of a scope from a version on.
    pub(super) async fn watch(&self, scope: &Scope, from: u64) -> Result<Lines, ApiError> {
        let version = scope.kind.versions()[self.versions[scope.kind as usize].load(Ordering::Relaxed)];
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={from}",
            collection(version, scope)
        );
        let (body, address) = self.open(Method::GET, path, Bytes::new(), JSON).await?;
        Ok(Lines::new(body, address))
    }

    /// A page of all routes of a kind, without anything but their metadata; `from` is the `metadata.continue` of the
    /// page before.
    pub(crate) async fn metadata(&self, kind: RouteKind, from: &str) -> Result<Object, ApiError> {
        let scope = Scope {
            kind,
            namespace: None,
        };
        let from = url_encoded(from);
        self.in_served_version(kind, |version| {
            let path = format!("{}?limit={PAGE}&continue={from}", collection(version, &scope));
            self.send_as(Method::GET, path, Bytes::new(), METADATA)
        })
        .await
    }

    /// The routes that a selector finds, by name, with their labels as compact JSON.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn routes(&self, selector: &RouteSelector) -> Result<Vec<(RouteKey, String)>, ApiError> {
        let RouteSelector {
            kind,
            namespace,
            labels,
        } = selector;
        let query = url_encoded(labels);
        let list = self
            .in_served_version(*kind, |version| {
                let resource = kind.resource();
                self.get(format!(
                    "/apis/{GROUP}/{version}/namespaces/{namespace}/{resource}?labelSelector={query}"
                ))
            })
            .await?;
        let items = list["items"].as_array().into_iter().flatten();
        let routes = items.filter_map(|item| {
            let key = RouteKey {
                kind: *kind,
                namespace: namespace.clone(),
                name: item["metadata"]["name"].as_str()?.to_owned(),
            };
            let labels = item["metadata"].get("labels").map(Value::to_string);
            Some((key, labels.unwrap_or_default()))
        });
        Ok(routes.collect())
    }

    /// Creates an event.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn post_event(&self, namespace: &str, event: &Object) -> Result<Object, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/events?fieldManager={FIELD_MANAGER}");
        self.post(path, event).await
    }

    /// Creates any object.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn post(&self, path: String, object: &Object) -> Result<Object, ApiError> {
        self.send(Method::POST, path, Bytes::from(object.to_string()))
            .await
    }

    /// Port numbers of a Service.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn service_ports(&self, namespace: &str, name: &str) -> Result<Vec<u16>, ApiError> {
        let service = self
            .get(format!("/api/v1/namespaces/{namespace}/services/{name}"))
            .await?;
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        Ok(ports
            .filter_map(|port| u16::try_from(port["port"].as_u64()?).ok())
            .collect())
    }

    /// Reads any path.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn get(&self, path: String) -> Result<Object, ApiError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Tries the versions of a kind until one is served, beginning with the one that was served last.
    async fn in_served_version<F>(
        &self,
        kind: RouteKind,
        request: impl Fn(&'static str) -> F,
    ) -> Result<Object, ApiError>
    where
        F: Future<Output = Result<Object, ApiError>>,
    {
        let versions = kind.versions();
        let known = &self.versions[kind as usize];
        let first = known.load(Ordering::Relaxed);
        for offset in 0..versions.len() {
            let at = (first + offset) % versions.len();
            let result = request(versions[at]).await;
            if !matches!(&result, Err(error) if error.is_not_served()) {
                known.store(at, Ordering::Relaxed);
                return result;
            }
        }
        Err(ApiError::NotServed {
            resource: kind.resource(),
            versions: versions.join(", "),
        })
    }

    async fn send(&self, method: Method, path: String, body: Bytes) -> Result<Object, ApiError> {
        self.send_as(method, path, body, JSON).await
    }

    async fn send_as(
        &self,
        method: Method,
        path: String,
        body: Bytes,
        accept: &'static str,
    ) -> Result<Object, ApiError> {
        let (body, address) = self.open(method, path, body, accept).await?;
        let body = collect(body, &address).await?;
        serde_json::from_slice(&body).map_err(|error| ApiError::Unreadable(error.to_string()))
    }

    /// Sends a request; the body of its answer, where that is a success, and the API server's address.
    async fn open(
        &self,
        method: Method,
        path: String,
        body: Bytes,
        accept: &'static str,
    ) -> Result<(Body, String), ApiError> {
        let connection = self.connection().await?;
        let address = connection.address.clone();
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(header::ACCEPT, accept)
            .header(header::USER_AGENT, USER_AGENT);
        if !body.is_empty() {
            let kind = match method {
                Method::PATCH => "application/json-patch+json",
                _ => JSON,
            };
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| ApiError::Config(error.into()))?;
        let verb = verb(&request);
        let http = connection
            .http
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let response = match http.oneshot(request).await {
            Ok(response) => response,
            Err(source) => {
                self.metrics.request(verb, 0);
                return Err(ApiError::Unreachable { address, source });
            }
        };
        self.metrics.request(verb, response.status().as_u16());
        let (head, body) = response.into_parts();
        if head.status.is_success() {
            return Ok((body, address));
        }
        let retry_after = head
            .headers
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = collect(body, &address).await?;
        Err(Status::parse(head.status.as_u16(), retry_after.map(Duration::from_secs), &body).into())
    }

    async fn connection(&self) -> Result<&Connection, ApiError> {
        self.http.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Connection, ApiError> {
        let config = match &self.source {
            #[cfg(test)]
            Source::Fake(http) => {
                return Ok(Connection {
                    http: Mutex::new(http.clone()),
                    address: "https://fake".to_owned(),
                });
            }
            Source::Config(config) => (**config).clone(),
            Source::Environment => kube::Config::infer()
                .await
                .map_err(|error| ApiError::Config(error.into()))?,
        };
        let address = config.cluster_url.to_string();
        let address = address.trim_end_matches('/').to_owned();
        let failed = |error: kube::Error| ApiError::Config(error.into());
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // A watch may be silent for a minute; a dead peer is noticed before.
        tcp.set_keepalive(Some(KEEP_ALIVE));
        let connector = config
            .rustls_https_connector_with_connector(tcp)
            .map_err(failed)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        let service = ServiceBuilder::new()
            .layer(config.base_uri_layer())
            .option_layer(config.auth_layer().map_err(failed)?)
            .layer(config.extra_headers_layer().map_err(failed)?)
            .map_err(BoxError::from)
            .map_response(|response: Response<hyper::body::Incoming>| {
                response.map(|body| {
                    body.map_err(|error| -> BoxError { Box::new(error) })
                        .boxed_unsync()
                })
            })
            .service(client);
        Ok(Connection {
            http: Mutex::new(BoxCloneSyncService::new(service)),
            address,
        })
    }
}

fn path(version: &str, key: &RouteKey) -> String {
    format!(
        "/apis/{GROUP}/{version}/namespaces/{}/{}/{}",
        key.namespace,
        key.kind.resource(),
        key.name
    )
}

fn collection(version: &str, scope: &Scope) -> String {
    let resource = scope.kind.resource();
    match &scope.namespace {
        Some(namespace) => format!("/apis/{GROUP}/{version}/namespaces/{namespace}/{resource}"),
        None => format!("/apis/{GROUP}/{version}/{resource}"),
    }
}

/// What RBAC calls a request.
fn verb(request: &Request<Full<Bytes>>) -> &'static str {
    let query = request.uri().query().unwrap_or_default();
    match request.method().as_str() {
        "GET" if query.contains("watch=true") => "watch",
        "GET" if query.contains("limit=1") || query.contains("labelSelector=") => "list",
        "GET" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        _ => "create",
    }
}

async fn collect(mut body: Body, address: &str) -> Result<Bytes, ApiError> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| ApiError::Unreachable {
            address: address.to_owned(),
            source,
        })?;
        all.extend_from_slice(frame.data_ref().map_or(&[][..], AsRef::as_ref));
        if all.len() > MAX_BODY {
            return Err(ApiError::Unreadable(format!("it has more than {MAX_BODY} bytes")));
        }
    }
    Ok(all.freeze())
}

/// Percent-encodes a query value (RFC 3986, section 2.3).
fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
