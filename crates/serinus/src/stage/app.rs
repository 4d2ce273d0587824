//! One version of the application: an HTTP server that says which version it is, and behaves as told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

use super::http::{Body, Server, full};

/// The answer's header that names the version.
pub const VERSION_HEADER: &str = "x-version";

/// How a version behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    /// What it calls itself.
    pub version: String,
    /// Share of the requests that it answers with 500, 0.0 to 1.0.
    pub error_rate: f64,
    /// How long it thinks before it answers.
    pub latency: Duration,
}

impl Behaviour {
    /// A version that answers at once and well.
    pub fn healthy(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            error_rate: 0.0,
            latency: Duration::ZERO,
        }
    }
}

/// A running version. All its pods are this one server.
#[derive(Debug)]
pub struct App {
    server: Server,
    served: Arc<AtomicU64>,
}

impl App {
    /// Starts a version on a free port of 127.0.0.1.
    pub async fn start(behaviour: Behaviour) -> io::Result<Self> {
        let behaviour = Arc::new(behaviour);
        let served = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&served);
        let server = super::http::serve(0, move |request| {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            answer(Arc::clone(&behaviour), number, request)
        })
        .await?;
        Ok(Self { server, served })
    }

    /// Where it listens.
    pub fn addr(&self) -> std::net::SocketAddr {
        self.server.addr
    }

    /// How many requests reached it, mirrored ones included.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

async fn answer(behaviour: Arc<Behaviour>, number: u64, request: Request<Incoming>) -> Response<Body> {
    if !behaviour.latency.is_zero() {
        tokio::time::sleep(behaviour.latency).await;
    }
    let failed = fails(number, behaviour.error_rate);
    let headers: serde_json::Map<String, serde_json::Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let body = json!({
        "version": behaviour.version,
        "ok": !failed,
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "headers": headers,
    });
    let mut response = Response::new(full(format!("{body}\n")));
    if failed {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(version) = HeaderValue::from_str(&behaviour.version) {
        headers.insert(VERSION_HEADER, version);
    }
    response
}

/// Whether request `number` fails so that the given share of all fails, evenly spread: a failing version should fail
/// visibly from its first moments on, whatever the luck of the draw.
fn fails(number: u64, rate: f64) -> bool {
    let until = |n: u64| (n as f64 * rate).floor();
    until(number + 1) > until(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_failures_is_exact() {
        for (rate, want) in [(0.0, 0), (0.3, 300), (0.5, 500), (1.0, 1000)] {
            assert_eq!((0..1000).filter(|&n| fails(n, rate)).count(), want, "{rate}");
        }
    }
}
