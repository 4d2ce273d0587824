//! One request and its answer.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::{Account, Failure, RateHeaders};
use crate::judge;
use crate::plan::{Call, Method};

/// The most of an answer that is read, after decompression. A scalar answer has some hundred bytes; the largest useful
/// one, a thousand groups, has a hundred kilobytes.
const MOST_BYTES: usize = 512 << 10;
/// The most of an answer with an error status; 300 bytes of it are shown.
const MOST_ERROR_BYTES: usize = 32 << 10;
/// Answers beyond this size are held one at a time, so that many large ones together stay small. One of three hundred
/// metrics has 30 KB.
const LARGE: usize = 32 << 10;
/// How long one of these may take from there on: others wait for it.
const LARGE_TAKES: Duration = Duration::from_secs(2);
/// How many answers of one account are read at the same time: each may fill a buffer of hyper, 400 KB, before its size is
/// known. An account is somebody's address, so whoever answers without end is in the way of himself alone.
const READ_TOGETHER: usize = 3;
/// Accounts beyond so many are forgotten where nobody reads.
const MOST_ACCOUNTS: usize = 1000;
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The HTTP client of the process: one pool, made at the first request.
pub struct Http {
    client: OnceLock<Result<reqwest::Client, String>>,
    /// What carries requests in the place of the client.
    carrier: Option<Carrier>,
    large: Semaphore,
    reading: Mutex<HashMap<Account, Arc<Semaphore>>>,
}

/// Carries a request and brings its answer. Tests whose clock stands still have one without sockets.
pub type Carrier = Arc<
    dyn Fn(reqwest::Request) -> Pin<Box<dyn Future<Output = reqwest::Result<reqwest::Response>> + Send>>
        + Send
        + Sync,
>;

/// An answer with status 200 to 299.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The JSON of the body.
    pub body: Value,
    /// The status.
    pub status: u16,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            client: OnceLock::new(),
            carrier: None,
            large: Semaphore::new(1),
            reading: Mutex::default(),
        }
    }
}

impl Http {
    /// A client whose requests are carried so.
    pub fn carried_by(carrier: Carrier) -> Self {
        Self {
            carrier: Some(carrier),
            ..Self::default()
        }
    }

    /// Sends a request. The answer's rate limit headers come back with failures too.
    pub async fn send(
        &self,
        account: &Account,
        call: &Call,
        timeout: Duration,
    ) -> (Result<Reply, Failure>, Sent) {
        let mut sent = Sent::default();
        let result = match tokio::time::timeout(timeout, self.exchange(account, call, &mut sent)).await {
            Ok(result) => result,
            Err(_) => {
                let waited = crate::config::duration::render(timeout);
                Err(Failure::Unavailable(format!(
                    "no answer within {waited} (requestTimeout)"
                )))
            }
        };
        (result.map_err(|failure| failure.without(account)), sent)
    }

    async fn exchange(&self, account: &Account, call: &Call, sent: &mut Sent) -> Result<Reply, Failure> {
        let client = self
            .client
            .get_or_init(client)
            .as_ref()
            .map_err(|why| Failure::Refused(why.clone()))?;
        let url = format!("{}{}", account.api, call.path);
        let mut request = match call.method {
            Method::Get => client.get(&url),
            Method::Post => client.post(&url),
        };
        if !call.parameters.is_empty() {
            request = request.query(&call.parameters);
        }
        if let Some(body) = &call.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        request = request.headers(keys(account)?);
        let answered = match &self.carrier {
            None => request.send().await,
            Some(carrier) => match request.build() {
                Ok(request) => carrier(request).await,
                Err(error) => Err(error),
            },
        };
        let mut response = answered.map_err(|error| Failure::Unavailable(describe(&error)))?;
        let status = response.status();
        sent.status = Some(status.as_u16());
        sent.rate = RateHeaders::read(response.headers());
        let limit = if status.is_success() {
            MOST_BYTES
        } else {
            MOST_ERROR_BYTES
        };
        let too_large = || {
            let limit = limit >> 10;
            Failure::Unreadable(format!("the answer is larger than {limit} KiB; narrow the query"))
        };
        if status.is_success()
            && response
                .content_length()
                .is_some_and(|length| length > limit as u64)
        {
            return Err(too_large());
        }
        let reading = self.reading(account);
        let _one_of_few = reading.acquire().await.ok();
        let mut body = Vec::new();
        let mut permit = None;
        while let Some(chunk) = next_chunk(&mut response, permit.as_ref()).await? {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(too_large());
                }
                break;
            }
            if body.len() + chunk.len() > LARGE && permit.is_none() {
                let held = self.large.acquire().await.ok();
                permit = held.map(|held| (held, Instant::now() + LARGE_TAKES));
            }
            body.extend_from_slice(&chunk);
        }
        judge_status(status.as_u16(), &body, account)
    }

    /// Who may read answers of an account.
    fn reading(&self, account: &Account) -> Arc<Semaphore> {
        let mut reading = self.reading.lock().expect("no panic holds this lock");
        if reading.len() > MOST_ACCOUNTS {
            reading.retain(|_, readers| Arc::strong_count(readers) > 1);
        }
        if let Some(readers) = reading.get(account) {
            return readers.clone();
        }
        let readers = Arc::new(Semaphore::new(READ_TOGETHER));
        reading.insert(account.clone(), readers.clone());
        readers
    }
}

/// The next piece of a body; that of a large one has to come before others have waited too long.
async fn next_chunk(
    response: &mut reqwest::Response,
    permit: Option<&(SemaphorePermit<'_>, Instant)>,
) -> Result<Option<bytes::Bytes>, Failure> {
    let chunk = response.chunk();
    let chunk = match permit {
        None => chunk.await,
        Some((_, until)) => match tokio::time::timeout_at(*until, chunk).await {
            Ok(chunk) => chunk,
            Err(_) => {
                return Err(Failure::Unavailable(format!(
                    "an answer of more than {} KiB took longer than {}s",
                    LARGE >> 10,
                    LARGE_TAKES.as_secs()
                )));
            }
        },
    };
    chunk.map_err(|error| Failure::Unavailable(describe(&error)))
}

/// What is known of a request's fate whether it has an answer or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// Its status.
    pub status: Option<u16>,
    /// The headers of its rate limit.
    pub rate: Option<RateHeaders>,
}

/// Sorts an answer by its status.
fn judge_status(status: u16, body: &[u8], account: &Account) -> Result<Reply, Failure> {
    match (status, serde_json::from_slice::<Value>(body)) {
        // Datadog answers in JSON; a page is of something on the way, and gone when that is mended.
        (200..=299 | 401 | 403 | 404, Err(_)) if is_page(body) => {
            let text = judge::brief(&String::from_utf8_lossy(body));
            Err(Failure::Unavailable(format!(
                "a web page came in the place of an answer of {} (status {status}): {text}",
                account.api
            )))
        }
        (200..=299, Ok(json)) => match judge::problem_of(&json) {
            Some(problem) => Err(Failure::Refused(format!("Datadog refused the query: {problem}"))),
            None => Ok(Reply { body: json, status }),
        },
        (200..=299, Err(_)) if body.is_empty() => Ok(Reply {
            body: Value::Null,
            status,
        }),
        (200..=299, Err(error)) => {
            let text = judge::brief(&String::from_utf8_lossy(body));
            Err(Failure::Unreadable(format!(
                "the answer of {} is no JSON ({error}): {text}",
                account.api
            )))
        }
        (status, json) => Err(refusal(status, &said(json.ok(), body), account)),
    }
}

/// Whether this is HTML or XML.
fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    body.trim_ascii_start().starts_with(b"<")
}

fn refusal(status: u16, said: &str, account: &Account) -> Failure {
    match status {
        // Following would hand the keys to whoever is named there.
        300..=399 => Failure::Refused(format!(
            "{} redirects (status {status}), and keys are not sent elsewhere; correct the address or the site",
            account.api
        )),
        401 | 403 => Failure::Unauthorized {
            status,
            why: said.to_owned(),
        },
        404 => Failure::Missing(format!("Datadog does not know it (status 404): {said}")),
        429 => Failure::Throttled {
            wait: Duration::ZERO,
            why: format!("Datadog's rate limit is used up: {said}"),
        },
        408 | 425 | 500..=599 => Failure::Unavailable(format!("status {status}: {said}")),
        _ => Failure::Refused(format!("Datadog refused the request (status {status}): {said}")),
    }
}

/// What an answer with an error status says.
fn said(json: Option<Value>, body: &[u8]) -> String {
    match json {
        Some(json) => judge::problem_of(&json).unwrap_or_else(|| judge::brief(&json.to_string())),
        None if body.is_empty() => "without a word".to_owned(),
        None => judge::brief(&String::from_utf8_lossy(body)),
    }
}

fn client() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(8)
        .pool_idle_timeout(Duration::from_secs(60))
        .user_agent(concat!(
            "rollouts-plugin-metric-datadog/",
            env!("CARGO_PKG_VERSION")
        ))
        .build()
        .map_err(|error| format!("no HTTP client: {}", describe(&error)))
}

fn keys(account: &Account) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, key) in [
        ("dd-api-key", &account.api_key),
        ("dd-application-key", &account.app_key),
    ] {
        let mut value = HeaderValue::from_str(key).map_err(|_| {
            Failure::Refused(format!(
                "{}: a key has characters that no header may have",
                account.origin
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// An error and its causes, without the address: its query holds what arguments were resolved to.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the answer broke off".to_owned()
    };
    let mut source = std::error::Error::source(error);
    let mut last = String::new();
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    if !last.is_empty() {
        text = format!("{text}: {}", judge::brief(&last));
    }
    text
}
