//! An emulator of Datadog's API: the endpoints that the plugin uses, with rate limits, counting every request, and
//! able to throttle, fail, hang, lie and stream without end. Its answers follow the recorded cassettes of Datadog's own
//! client repository (datadog-api-client-rust, `tests/scenarios/cassettes`).
//!
//! The module depends on hyper, tokio, serde_json and flate2 alone, so that other test crates can include it by path.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod answer;
mod behaviour;
mod formula;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;

use self::answer::Body;
pub use self::behaviour::Behaviour;

/// An emulator on a port of this machine, for as long as it lives.
pub struct Emulator {
    listening: Option<(SocketAddr, tokio::task::JoinHandle<()>)>,
    state: Arc<State>,
}

pub struct State {
    /// A moment of the calendar on tokio's clock, which tests turn.
    began: (SystemTime, Instant),
    rules: Mutex<Vec<(String, Behaviour)>>,
    seen: Mutex<Vec<Seen>>,
    keys: Mutex<Option<(String, String)>>,
    limit: Mutex<Option<Limit>>,
    storm: Mutex<Option<Storm>>,
    gates: Mutex<HashMap<String, usize>>,
    latency: Mutex<Duration>,
}

/// A rate limit, with periods aligned to the calendar as Datadog's are.
struct Limit {
    requests: u64,
    period: Duration,
    used: (u64, u64),
    headers: bool,
}

/// A time in which every request is refused, in turn in these ways.
struct Storm {
    until: Instant,
    refusals: Vec<Behaviour>,
    next: usize,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Value,
    pub status: u16,
    pub at: Instant,
}

impl Emulator {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::new());
        let serving = state.clone();
        let server = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let state = serving.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| serve(state.clone(), request));
                    // A client that goes away in the middle is part of the play.
                    _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            listening: Some((address, server)),
            state,
        }
    }

    /// Without a port: requests are handed to [`Emulator::answer`], and tokio's clock may stand still.
    pub fn in_memory() -> Self {
        Self {
            listening: None,
            state: Arc::new(State::new()),
        }
    }

    /// Answers a request.
    pub fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Response<Body>> + Send + 'static {
        respond(self.state.clone(), request)
    }

    /// Base address, as `DD_ADDRESS` has it.
    pub fn url(&self) -> String {
        match &self.listening {
            Some((address, _)) => format!("http://{address}"),
            None => "http://datadog.invalid".to_owned(),
        }
    }

    /// How to answer queries, paths and bodies that contain a text. Later rules win; a rule for the same text is
    /// replaced.
    pub fn on(&self, needle: &str, behaviour: Behaviour) -> &Self {
        if let Behaviour::GzipBomb(bytes) = behaviour {
            // Now, and not while somebody waits for it.
            answer::bomb(bytes);
        }
        let mut rules = self.state.rules.lock().unwrap();
        rules.retain(|(known, _)| known != needle);
        rules.push((needle.to_owned(), behaviour));
        drop(rules);
        self
    }

    /// Only these keys are accepted from now on.
    pub fn accept_keys(&self, api_key: &str, app_key: &str) {
        *self.state.keys.lock().unwrap() = Some((api_key.to_owned(), app_key.to_owned()));
    }

    /// So many requests a period; more are refused with 429. With or without the headers that say so.
    pub fn limit(&self, requests: u64, period: Duration, headers: bool) {
        *self.state.limit.lock().unwrap() = Some(Limit {
            requests,
            period,
            used: (0, 0),
            headers,
        });
    }

    /// Every request is refused with 429 for so long.
    pub fn storm(&self, length: Duration) {
        self.storm_of(length, vec![throttled()]);
    }

    /// Every request is refused for so long, in turn in these ways. Rate limit headers come with a 429 in JSON alone.
    pub fn storm_of(&self, length: Duration, refusals: Vec<Behaviour>) {
        *self.state.storm.lock().unwrap() = Some(Storm {
            until: Instant::now() + length,
            refusals,
            next: 0,
        });
    }

    /// The storm is over.
    pub fn calm(&self) {
        *self.state.storm.lock().unwrap() = None;
    }

    /// Every answer takes so long.
    pub fn latency(&self, latency: Duration) {
        *self.state.latency.lock().unwrap() = latency;
    }

    /// What came, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// How many of them had this status.
    pub fn count_status(&self, status: u16) -> usize {
        self.state
            .seen
            .lock()
            .unwrap()
            .iter()
            .filter(|seen| seen.status == status)
            .count()
    }

    pub fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some((_, server)) = &self.listening {
            server.abort();
        }
    }
}

impl State {
    fn new() -> Self {
        Self {
            began: (SystemTime::now(), Instant::now()),
            rules: Mutex::default(),
            seen: Mutex::default(),
            keys: Mutex::default(),
            limit: Mutex::default(),
            storm: Mutex::default(),
            gates: Mutex::default(),
            latency: Mutex::default(),
        }
    }

    pub(self) fn behaviour(&self, text: &str) -> Option<Behaviour> {
        let rules = self.rules.lock().unwrap();
        rules
            .iter()
            .rev()
            .find(|(needle, _)| text.contains(needle.as_str()))
            .map(|(_, behaviour)| behaviour.clone())
    }

    /// The next look at an evaluation, counted from 1.
    pub(self) fn look_at_gate(&self, id: &str) -> usize {
        let mut gates = self.gates.lock().unwrap();
        let looks = gates.entry(id.to_owned()).or_default();
        *looks += 1;
        *looks
    }

    fn note(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }

    /// Headers of the rate limit, and how the request is refused if it is.
    fn meter(&self) -> (Vec<(&'static str, String)>, Option<Behaviour>) {
        let refusal = self.storm.lock().unwrap().as_mut().and_then(Storm::refuse);
        let mut limit = self.limit.lock().unwrap();
        let Some(limit) = limit.as_mut() else {
            return (Vec::new(), refusal);
        };
        let now = self.began.0.duration_since(UNIX_EPOCH).unwrap() + self.began.1.elapsed();
        let period = limit.period.as_millis() as u64;
        let index = now.as_millis() as u64 / period;
        if limit.used.0 != index {
            limit.used = (index, 0);
        }
        let stormy = refusal.is_some();
        let refusal = refusal.or_else(|| (limit.used.1 >= limit.requests).then(throttled));
        if refusal.is_none() {
            limit.used.1 += 1;
        }
        let remaining = match refusal {
            Some(_) => 0,
            None => limit.requests - limit.used.1,
        };
        let reset = ((index + 1) * period - now.as_millis() as u64).div_ceil(1000);
        let headers = vec![
            ("x-ratelimit-limit", limit.requests.to_string()),
            ("x-ratelimit-period", limit.period.as_secs().to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
            ("x-ratelimit-name", "query_scalar_public".to_owned()),
        ];
        let is_plain = matches!(&refusal, Some(Behaviour::Status(429, text)) if text.starts_with('{'));
        let told = limit.headers && (!stormy || is_plain);
        (if told { headers } else { Vec::new() }, refusal)
    }
}

impl Storm {
    fn refuse(&mut self) -> Option<Behaviour> {
        if self.until <= Instant::now() {
            return None;
        }
        self.next += 1;
        Some(self.refusals[(self.next - 1) % self.refusals.len()].clone())
    }
}

fn throttled() -> Behaviour {
    Behaviour::Status(
        429,
        r#"{"errors":["Rate limit of requests exceeded"]}"#.to_owned(),
    )
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let bytes = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    Ok(respond(state, Request::from_parts(parts, bytes)).await)
}

async fn respond(state: Arc<State>, request: Request<Bytes>) -> Response<Body> {
    let (parts, bytes) = request.into_parts();
    let mut seen = Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: decode(parts.uri.query().unwrap_or_default()),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        status: 0,
        at: Instant::now(),
    };
    let (rate, refused) = state.meter();
    let latency = *state.latency.lock().unwrap();
    let key = |name: &str| {
        seen.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let keys = state.keys.lock().unwrap().clone();
    let welcome = keys.is_none_or(|(api, app)| {
        key("dd-api-key") == api && (key("dd-application-key") == app || seen.path.ends_with("/validate"))
    });
    let behaviour = match (refused, welcome) {
        (Some(refusal), _) => refusal,
        (None, false) => Behaviour::Status(403, r#"{"errors":["Forbidden"]}"#.to_owned()),
        _ => answer::plan(&state, &seen),
    };
    seen.status = behaviour.status();
    state.note(seen);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if matches!(behaviour, Behaviour::Hang) {
        std::future::pending::<()>().await;
    }
    if let Behaviour::Slow(length, _) = &behaviour {
        tokio::time::sleep(*length).await;
    }
    let mut response = answer::render(behaviour);
    for (name, value) in rate {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

fn decode(query: &str) -> String {
    let mut bytes = Vec::new();
    let raw = query.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        match raw[at] {
            b'%' if at + 2 < raw.len() => {
                bytes.push(u8::from_str_radix(&query[at + 1..at + 3], 16).unwrap_or(b'?'));
                at += 3;
            }
            b'+' => {
                bytes.push(b' ');
                at += 1;
            }
            byte => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
