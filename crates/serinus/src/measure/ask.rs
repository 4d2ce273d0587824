//! One request, and who answered it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::by::By;

/// More of a body than this tells nobody which version answered.
const MAX_BODY: usize = 1 << 20;

/// A body that nobody needs is read so far. Behind it the connection is closed, which costs less than the rest.
const MAX_SPARE: usize = 64 << 10;

/// How long is waited for a body that nobody needs; less where the question's time ends before.
const SPARE_TIME: Duration = Duration::from_millis(250);

/// What to ask.
#[derive(Debug, Clone)]
pub struct Question {
    /// `http://…` or `https://…`
    pub uri: Uri,
    /// HTTP method.
    pub method: Method,
    /// Sent with each request.
    pub headers: HeaderMap,
    /// Where the answer says who served it.
    pub by: By,
    /// For one request, from connecting to the end of the answer; of one whose head is enough, to the end of the head.
    pub timeout: Duration,
    /// Use connections again. Without it each request makes its own, as curl does: gateways and service meshes that
    /// choose a backend by connection are then seen as they treat new users.
    pub keep_alive: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Who served, where the answer says so.
    pub who: Option<String>,
    /// HTTP status.
    pub status: StatusCode,
    /// From the request to the end of what is read of the answer.
    pub took: Duration,
}

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No TLS roots to trust.
    #[error("no certificate authorities to trust were found on this machine; point SSL_CERT_FILE at some")]
    NoRoots(#[source] std::io::Error),
    /// The request could not be sent, or its answer not be read.
    #[error("{uri}: {problem}")]
    Failed {
        /// What was asked.
        uri: Uri,
        /// What went wrong, down to its root.
        problem: String,
    },
    /// It took too long.
    #[error("{uri}: no answer in {timeout:?}")]
    Late {
        /// What was asked.
        uri: Uri,
        /// How long was waited.
        timeout: Duration,
    },
}

/// Asks the same question again and again.
#[derive(Debug, Clone)]
pub struct Asker {
    question: Question,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Asker {
    /// Prepares to ask. Reads the machine's certificate authorities for an `https` question.
    pub fn new(question: Question) -> Result<Self, AskError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let https = HttpsConnectorBuilder::new();
        let https = if question.uri.scheme_str() == Some("https") {
            https.with_native_roots().map_err(AskError::NoRoots)?
        } else {
            // Never used for TLS: there is nothing to read from disk for a plain question.
            let empty = rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            https.with_tls_config(empty)
        };
        let connector = https.https_or_http().enable_http1().wrap_connector(http);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        if !question.keep_alive {
            builder.pool_max_idle_per_host(0);
        }
        Ok(Self {
            client: builder.build(connector),
            question,
        })
    }

    /// Asks once.
    pub async fn ask(&self) -> Result<Answer, AskError> {
        let Question {
            uri,
            method,
            headers,
            by,
            timeout,
            ..
        } = &self.question;
        let began = Instant::now();
        let mut request = Request::new(Full::default());
        request.method_mut().clone_from(method);
        request.uri_mut().clone_from(uri);
        request.headers_mut().clone_from(headers);
        let answer = async {
            let failed = |e: &dyn std::error::Error| AskError::Failed {
                uri: uri.clone(),
                problem: chain(e),
            };
            let response = self.client.request(request).await.map_err(|e| failed(&e))?;
            let (head, body) = response.into_parts();
            let body = if by.needs_body(head.status) {
                let whole = Limited::new(body, MAX_BODY).collect().await;
                whole.map_err(|e| failed(&*tell(e)))?.to_bytes()
            } else {
                let left = timeout.saturating_sub(began.elapsed());
                spare(body, left.min(SPARE_TIME)).await.map_err(|e| failed(&e))?;
                Bytes::new()
            };
            Ok(Answer {
                who: by.read(head.status, &head.headers, &body),
                status: head.status,
                took: began.elapsed(),
            })
        };
        match tokio::time::timeout(*timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(AskError::Late {
                uri: uri.clone(),
                timeout: *timeout,
            }),
        }
    }
}

/// Reads a body that nobody needs, if it is small and comes soon: the server sees no broken connection, and the
/// connection can be used again. One that breaks off by then is a failure like any other.
async fn spare(mut body: Incoming, time: Duration) -> hyper::Result<()> {
    if body.size_hint().lower() > MAX_SPARE as u64 {
        return Ok(());
    }
    let mut seen = 0;
    let rest = async {
        while let Some(frame) = body.frame().await {
            seen += frame?.data_ref().map_or(0, Bytes::len);
            if seen > MAX_SPARE {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(time, rest).await.unwrap_or(Ok(()))
}

/// Why a body was not read, in words that say what to do.
fn tell(error: Box<dyn std::error::Error + Send + Sync>) -> Box<dyn std::error::Error + Send + Sync> {
    if error.is::<LengthLimitError>() {
        return format!(
            "the body is longer than {MAX_BODY} bytes; let a header say who served (--by header:NAME)"
        )
        .into();
    }
    error
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
