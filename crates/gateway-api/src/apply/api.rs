//! The connection to the API server: raw JSON requests with the cluster's credentials.
//!
//! Configuration, credentials and TLS are kube's (kubeconfig with token, certificate or exec plugin; in a pod the
//! service account, whose token and CA are read again as they rotate). The HTTP client on top is our own few lines, for
//! kube's sets no `TCP_NODELAY` (40 ms more for each new connection on Linux) and queues requests behind one another.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::ConfigExt;
use serde_json::Value;
use tokio::sync::OnceCell;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt};

use super::{ApiError, FIELD_MANAGER, Status};
use crate::config::RouteSelector;
use crate::{GROUP, RouteKey, RouteKind};

/// An object as the API server has it.
pub type Object = Value;

/// More than the largest object an API server stores (etcd takes 1.5 MB), also for lists of a namespace's routes.
const MAX_BODY: usize = 32 << 20;

/// How long a TCP and TLS connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

const USER_AGENT: &str = concat!(
    "rollouts-plugin-trafficrouter-gatewayapi/",
    env!("CARGO_PKG_VERSION")
);

/// Takes requests to the API server. Tests put a fake in its place.
pub(super) type Http =
    BoxCloneSyncService<Request<Full<Bytes>>, Response<UnsyncBoxBody<Bytes, BoxError>>, BoxError>;

/// A lazily opened connection pool to the API server of the environment. It can be shared.
pub struct Api {
    source: Source,
    http: OnceCell<Mutex<Http>>,
    versions: [AtomicUsize; RouteKind::ALL.len()],
    requests: AtomicU64,
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
            requests: AtomicU64::new(0),
        }
    }

    /// Number of requests sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Reads a route.
    ///
    /// # Errors
    /// See [`ApiError`]; [`ApiError::is_missing`] tells that there is no such route.
    pub async fn route(&self, key: &RouteKey) -> Result<Object, ApiError> {
        self.in_served_version(key.kind, |version| self.get(path(version, key)))
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

    /// The routes that a selector finds, by name.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn routes(&self, selector: &RouteSelector) -> Result<Vec<RouteKey>, ApiError> {
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
        let names = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["metadata"]["name"].as_str());
        Ok(names
            .map(|name| RouteKey {
                kind: *kind,
                namespace: namespace.clone(),
                name: name.to_owned(),
            })
            .collect())
    }

    /// Creates an event.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn post_event(&self, namespace: &str, event: &Object) -> Result<Object, ApiError> {
        let path = format!("/api/v1/namespaces/{namespace}/events?fieldManager={FIELD_MANAGER}");
        self.send(Method::POST, path, Bytes::from(event.to_string()))
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
        let http = self.http().await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, USER_AGENT);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| ApiError::Unreachable(error.into()))?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let response = http.oneshot(request).await.map_err(ApiError::Unreachable)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(ApiError::Unreachable)?.to_bytes();
        if !head.status.is_success() {
            let retry_after = head
                .headers
                .get(header::RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(
                Status::parse(head.status.as_u16(), retry_after.map(Duration::from_secs), &body).into(),
            );
        }
        serde_json::from_slice(&body).map_err(|error| ApiError::Unreadable(error.to_string()))
    }

    async fn http(&self) -> Result<Http, ApiError> {
        let http = self
            .http
            .get_or_try_init(|| async { self.connect().await.map(Mutex::new) })
            .await?;
        Ok(http
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone())
    }

    async fn connect(&self) -> Result<Http, ApiError> {
        let config = match &self.source {
            #[cfg(test)]
            Source::Fake(http) => return Ok(http.clone()),
            Source::Config(config) => (**config).clone(),
            Source::Environment => kube::Config::infer()
                .await
                .map_err(|error| ApiError::Config(error.into()))?,
        };
        let failed = |error: kube::Error| ApiError::Config(error.into());
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
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
                response.map(|body| Limited::new(body, MAX_BODY).boxed_unsync())
            })
            .service(client);
        Ok(BoxCloneSyncService::new(service))
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
