//! Real requests through the gateway, counted by the version that answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::binomial::{CONFIDENCE, accepted};
use crate::kubelet::VERSION_HEADER;

/// No request of a healthy world takes longer, even on a machine whose cores are all somebody else's for a while.
const DEADLINE: Duration = Duration::from_secs(60);

/// Requests of one kind.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where the gateway listens: `host:port`.
    pub gateway: String,
    /// The `Host` header, by which the gateway finds the route.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Further headers, cookies among them.
    pub headers: Vec<(String, String)>,
    /// How many are under way at once.
    pub at_once: usize,
}

impl Load {
    /// `GET /` of `host`, eight at once.
    #[must_use]
    pub fn new(gateway: String, host: &str) -> Self {
        Self {
            gateway,
            host: host.to_owned(),
            path: "/".to_owned(),
            headers: vec![],
            at_once: 8,
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another path and query.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sends `count` requests and counts who answered.
    ///
    /// # Errors
    /// When the load itself is malformed; a request that fails is counted, not an error.
    pub async fn send(&self, count: u64) -> Result<Tally> {
        self.request()?;
        let left = Arc::new(AtomicU64::new(count));
        let client = client();
        let mut workers = JoinSet::new();
        for _ in 0..self.at_once {
            let (load, left, client) = (self.clone(), left.clone(), client.clone());
            workers.spawn(async move {
                let mut tally = Tally::default();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    tally.add(load.one(&client).await);
                }
                tally
            });
        }
        Ok(workers
            .join_all()
            .await
            .into_iter()
            .fold(Tally::default(), Tally::merge))
    }

    /// Sends requests without end, each [`Load::at_once`] of them after a rest, until it is told to stop.
    ///
    /// # Errors
    /// When the load itself is malformed.
    pub fn keep_sending(&self) -> Result<Stream> {
        self.request()?;
        let (stop, stopped) = watch::channel(false);
        let client = client();
        let mut workers = JoinSet::new();
        for _ in 0..self.at_once {
            let (load, stopped, client) = (self.clone(), stopped.clone(), client.clone());
            workers.spawn(async move {
                let mut tally = Tally::default();
                while !*stopped.borrow() {
                    tally.add(load.one(&client).await);
                    sleep(REST).await;
                }
                tally
            });
        }
        Ok(Stream { stop, workers })
    }

    async fn one(&self, client: &HttpClient) -> Result<String, String> {
        self.ask(client).await.map(|answer| answer.version)
    }

    /// Sends one request; the words of an error say what went wrong, and from whom it came.
    pub(crate) async fn ask(&self, client: &HttpClient) -> Result<Answer, String> {
        let request = self.request().map_err(|error| format!("{error:#}"))?;
        let answered = timeout(DEADLINE, async {
            let response = client.request(request).await.map_err(|error| chain(&error))?;
            let status = response.status();
            let version = response
                .headers()
                .get(VERSION_HEADER)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            let cookies = response.headers().get_all("set-cookie").into_iter();
            let cookies = cookies
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect();
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(|error| chain(&error))?
                .to_bytes();
            match version {
                Some(version) if status.is_success() => Ok(Answer { version, cookies }),
                Some(version) => Err(format!("{status} from {version}")),
                None => Err(format!(
                    "{status} from the gateway: {}",
                    String::from_utf8_lossy(&body).trim()
                )),
            }
        });
        answered
            .await
            .unwrap_or_else(|_elapsed| Err(format!("no answer within {} s", DEADLINE.as_secs())))
    }

    fn request(&self) -> Result<Request<Empty<Bytes>>> {
        let mut request =
            Request::get(format!("http://{}{}", self.gateway, self.path)).header("host", self.host.as_str());
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request
            .body(Empty::new())
            .with_context(|| format!("request to {}{}", self.host, self.path))
    }
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) version: String,
    /// The values of its `Set-Cookie` headers.
    pub(crate) cookies: Vec<String>,
}

/// Requests that are sent until someone has seen enough.
#[derive(Debug)]
pub struct Stream {
    stop: watch::Sender<bool>,
    workers: JoinSet<Tally>,
}

/// How long each of a stream's senders rests after an answer.
const REST: Duration = Duration::from_millis(50);

impl Stream {
    /// Stops, and tells who answered how often from first to last.
    pub async fn stop(self) -> Tally {
        // The workers hold receivers until they have seen it.
        let _ = self.stop.send(true);
        let tallies = self.workers.join_all().await;
        tallies.into_iter().fold(Tally::default(), Tally::merge)
    }
}

/// Who answered how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Successful answers by version.
    pub answered: BTreeMap<String, u64>,
    /// Everything else, by what it was.
    pub failed: BTreeMap<String, u64>,
}

impl Tally {
    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.answered.values().chain(self.failed.values()).sum()
    }

    /// Successful answers of one version.
    #[must_use]
    pub fn of(&self, version: &str) -> u64 {
        self.answered.get(version).copied().unwrap_or_default()
    }

    /// Checks that there were requests and that none failed; the sentence that comes back states the count.
    ///
    /// # Errors
    /// What failed, and how often.
    pub fn expect_no_failure(&self) -> Result<String> {
        let total = self.total();
        if total == 0 || !self.failed.is_empty() {
            bail!(
                "requests failed: {:?} (of {total}; answered: {:?})",
                self.failed,
                self.answered
            );
        }
        Ok(format!(
            "none of {total} requests failed; answered: {:?}",
            self.answered
        ))
    }

    /// Checks that no request failed and that the share of `version` is consistent with `share` (`0.0..=1.0`); the
    /// sentence that comes back states count and interval.
    ///
    /// # Errors
    /// The same sentence, when it is not so.
    pub fn expect_share(&self, version: &str, share: f64) -> Result<String> {
        let (total, count) = (self.total(), self.of(version));
        self.expect_no_failure()?;
        let range = accepted(total, share, CONFIDENCE);
        let sentence = format!(
            "{version} answered {count} of {total} requests; {} % of {total}, {} % binomial: {} to {}",
            share * 100.0,
            CONFIDENCE * 100.0,
            range.start(),
            range.end()
        );
        if !range.contains(&count) {
            bail!(
                "{sentence}: outside of the interval; all answers: {:?}",
                self.answered
            );
        }
        Ok(sentence)
    }

    fn add(&mut self, outcome: Result<String, String>) {
        match outcome {
            Ok(version) => *self.answered.entry(version).or_default() += 1,
            Err(what) => *self.failed.entry(what).or_default() += 1,
        }
    }

    /// Both together.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (version, count) in other.answered {
            *self.answered.entry(version).or_default() += count;
        }
        for (what, count) in other.failed {
            *self.failed.entry(what).or_default() += count;
        }
        self
    }
}

/// GETs `url`: the status and the body as text.
///
/// # Errors
/// When nobody answers in time.
pub async fn fetch(url: &str) -> Result<(u16, String)> {
    let request = Request::get(url).body(Empty::new())?;
    timeout(DEADLINE, async {
        let response = client()
            .request(request)
            .await
            .map_err(|error| anyhow::anyhow!("GET {url}: {}", chain(&error)))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    })
    .await?
}

pub(crate) type HttpClient = Client<HttpConnector, Empty<Bytes>>;

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answered: &[(&str, u64)], failed: &[(&str, u64)]) -> Tally {
        let owned = |pairs: &[(&str, u64)]| {
            pairs
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect()
        };
        Tally {
            answered: owned(answered),
            failed: owned(failed),
        }
    }

    #[test]
    fn a_count_inside_of_the_interval_is_stated() {
        let sentence = tally(&[("v1", 238), ("v2", 62)], &[])
            .expect_share("v2", 0.2)
            .unwrap();
        assert_eq!(
            sentence,
            "v2 answered 62 of 300 requests; 20 % of 300, 99.99 % binomial: 35 to 88"
        );
    }

    #[test]
    fn a_count_outside_of_it_is_an_error() {
        let error = tally(&[("v1", 200), ("v2", 100)], &[])
            .expect_share("v2", 0.2)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("100 of 300") && error.contains("outside"),
            "{error}"
        );
    }

    #[test]
    fn a_single_stray_answer_breaks_a_share_of_nothing() {
        assert!(
            tally(&[("v1", 299), ("v2", 1)], &[])
                .expect_share("v2", 0.0)
                .is_err()
        );
        assert!(tally(&[("v1", 300)], &[]).expect_share("v2", 0.0).is_ok());
    }

    #[test]
    fn a_failed_request_is_an_error_whatever_the_share() {
        let error = tally(&[("v2", 299)], &[("503 from the gateway: ", 1)])
            .expect_share("v2", 1.0)
            .unwrap_err();
        assert!(
            error.to_string().starts_with("requests failed: {\"503"),
            "{error}"
        );
    }

    #[test]
    fn no_requests_at_all_prove_nothing() {
        assert!(tally(&[], &[]).expect_no_failure().is_err());
        assert_eq!(
            tally(&[("v1", 3)], &[]).expect_no_failure().unwrap(),
            "none of 3 requests failed; answered: {\"v1\": 3}"
        );
    }

    #[test]
    fn tallies_add_up() {
        let both = tally(&[("v1", 1)], &[("x", 1)]).merge(tally(&[("v1", 2), ("v2", 3)], &[]));
        assert_eq!(both, tally(&[("v1", 3), ("v2", 3)], &[("x", 1)]));
        assert_eq!(both.total(), 7);
    }
}
