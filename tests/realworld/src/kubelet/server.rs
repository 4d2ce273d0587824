//! The HTTP server of one pod: answers every request with who it is and what it received.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The answering header that carries the version; [`crate::traffic`] counts by it.
pub const VERSION_HEADER: &str = "x-version";

/// What a pod serves, and on which ports.
#[derive(Debug, Clone)]
pub(super) struct PodServer {
    pub(super) address: Ipv4Addr,
    pub(super) ports: Vec<u16>,
    pub(super) version: String,
    pub(super) pod: String,
    pub(super) hash: String,
    pub(super) fail_rate: f64,
    pub(super) delay: Duration,
    pub(super) received: Arc<AtomicU64>,
}

impl PodServer {
    /// Binds all ports; the future that comes back serves them for ever, and stops when it is dropped.
    pub(super) async fn listen(&self) -> Result<impl Future<Output = ()> + use<>> {
        let mut listeners = Vec::new();
        for port in &self.ports {
            let address = (self.address, *port);
            listeners.push(
                TcpListener::bind(address)
                    .await
                    .with_context(|| format!("bind {address:?}"))?,
            );
        }
        let server = Arc::new(self.clone());
        Ok(async move {
            let mut accepting = JoinSet::new();
            for listener in listeners {
                accepting.spawn(server.clone().accept(listener));
            }
            // A pod without ports runs too.
            std::future::pending::<()>().await;
            drop(accepting);
        })
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let server = self.clone();
            connections.spawn(async move {
                let answer = service_fn(|request| server.answer(request));
                // A gateway that drops a kept connection is not an event.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        let status = if fails(number, self.fail_rate) {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        let headers: Map<String, Value> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        let body = json!({
            "version": self.version, "pod": self.pod, "podTemplateHash": self.hash,
            "method": request.method().as_str(), "path": request.uri().path(), "query": request.uri().query(), "headers": headers,
        });
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header(VERSION_HEADER, &self.version)
            .header("x-pod", &self.pod)
            .header("x-pod-template-hash", &self.hash)
            .body(Full::from(body.to_string()))
            .expect("names and tags of Kubernetes are valid header values");
        Ok(response)
    }
}

/// Whether request `number` (from 0) fails, so that of any `n` in a row `n × rate` fail, give or take one.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn fails(number: u64, rate: f64) -> bool {
    ((number + 1) as f64 * rate).floor() > (number as f64 * rate).floor()
}

#[cfg(test)]
mod tests {
    use super::fails;

    #[test]
    fn failures_are_spread_evenly() {
        for (rate, expected) in [(0.0, 0), (0.1, 10), (0.25, 25), (0.5, 50), (1.0, 100)] {
            assert_eq!(
                (0..100).filter(|number| fails(*number, rate)).count(),
                expected,
                "{rate}"
            );
        }
        assert_eq!(
            (0..8).map(|number| fails(number, 0.25)).collect::<Vec<_>>(),
            [false, false, false, true].repeat(2)
        );
    }
}
