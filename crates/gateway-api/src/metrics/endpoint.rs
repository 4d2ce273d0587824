//! Where Prometheus reads: `GET /metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Metrics;

/// Time between two tries to listen: a plugin that is replaced may hold the address a moment longer.
const AGAIN: Duration = Duration::from_secs(5);
/// Readers at once.
const READERS: usize = 4;
/// How long one may take.
const READING: Duration = Duration::from_secs(10);

impl Metrics {
    /// Answers `GET /metrics` for ever.
    pub(crate) async fn serve(self: Arc<Self>, address: SocketAddr) -> Infallible {
        let mut told = false;
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) if told => tracing::debug!("metrics cannot be served on {address}: {error}"),
                Err(error) => {
                    tracing::warn!("metrics cannot be served on {address}, which is tried again: {error}");
                }
            }
            told = true;
            sleep(AGAIN).await;
        };
        tracing::info!("metrics are served on http://{address}/metrics");
        let readers = Arc::new(Semaphore::new(READERS));
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                sleep(AGAIN).await;
                continue;
            };
            // One more is turned away.
            let Ok(reader) = Arc::clone(&readers).try_acquire_owned() else {
                continue;
            };
            let metrics = Arc::clone(&self);
            tokio::spawn(async move {
                let _reader = reader;
                let service = service_fn(|request| {
                    let answer = metrics.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let serving = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                // A reader that goes away is no concern of ours.
                _ = timeout(READING, serving).await;
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let is_ours = request.method() == Method::GET && request.uri().path() == "/metrics";
        let mut response = Response::new(Full::from(if is_ours {
            self.render()
        } else {
            "/metrics\n".to_owned()
        }));
        if !is_ours {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        let text = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }
}

/// An address to listen on; `:8085` is every address of the machine.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_owned(),
    };
    full.parse()
        .map_err(|_| format!("{text:?} is not an address with a port, like 127.0.0.1:8085 or :8085"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port() {
        assert_eq!(parse_address(":8085").unwrap().to_string(), "0.0.0.0:8085");
        assert_eq!(parse_address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert!(parse_address("localhost").unwrap_err().contains("127.0.0.1:8085"));
    }
}
