//! Watches that keep the [`Cache`] up to date, where the API server permits them.
//!
//! One watch a kind for the whole cluster, or where that is not permitted one a namespace; started when somebody asks
//! for a route there, ended when nobody asks any more. A watch begins at the version of a list of one object, not with
//! all objects: only routes that somebody asked for are read, one GET each, and from then on followed.
//!
//! Whether a watch may be used is learned by trying. Where it may not, or while it is interrupted, routes are read as if
//! there were none.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

use super::cache::{Cache, version};
use super::selections::Selections;
use super::{Api, ApiError, Object};
use crate::config::RouteSelector;
use crate::{RouteKey, RouteKind};

/// A route that nobody asked for in this time is not followed any more: longer than the controller's resync of
/// 15 minutes.
const UNUSED: Duration = Duration::from_secs(3600);
/// How long a refusal is believed; somebody may grant the right meanwhile.
const REFUSED: Duration = Duration::from_secs(600);
/// How long a watch may be silent: an API server sends a bookmark about every minute.
const SILENCE: Duration = Duration::from_secs(150);
/// How long opening may take.
const OPEN: Duration = Duration::from_secs(10);
/// Pause after a failure, doubled with each one in a row.
const PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// A watch that held so long was no failure when it ended: API servers end them after 5 to 10 minutes.
const HELD: Duration = Duration::from_secs(30);
/// Watches at once; where namespaces have to be watched one by one, each is a connection.
const MAX_WATCHES: usize = 256;

/// Changes that wait to be looked at; each takes a fraction of a millisecond.
const CHANGES: usize = 1024;

/// What a watch covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) kind: RouteKind,
    /// [`None`] is the whole cluster.
    pub(super) namespace: Option<String>,
}

impl Scope {
    fn covers(&self, key: &RouteKey) -> bool {
        self.kind == key.kind
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == key.namespace)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}s in namespace {namespace}", self.kind),
            None => write!(f, "{}s", self.kind),
        }
    }
}

/// How far a watch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has no position yet, or lost it.
    Starting,
    /// Everything that changes after this position will be heard of, sooner or later.
    Placed(u64),
    /// It will be heard of at once.
    Live(u64),
    /// It is not permitted.
    Refused(Instant),
}

/// What an answer that was asked for now is worth when it arrives: whether all later changes are heard of.
#[derive(Debug, Clone)]
pub(super) struct Token {
    scope: Scope,
    place: u64,
}

/// The watches of a process.
pub(super) struct Watches {
    api: Arc<Api>,
    cache: Cache,
    selections: Selections,
    states: Mutex<HashMap<Scope, State>>,
    told: AtomicBool,
    /// Routes that were asked for and have changed.
    changed: Sender<RouteKey>,
}

impl Watches {
    /// The other end is told which routes have changed, of those that somebody asked for.
    pub(super) fn new(api: Arc<Api>) -> (Arc<Self>, Receiver<RouteKey>) {
        let (changed, changes) = channel(CHANGES);
        let watches = Self {
            api,
            cache: Cache::default(),
            selections: Selections::default(),
            states: Mutex::default(),
            told: AtomicBool::new(false),
            changed,
        };
        (Arc::new(watches), changes)
    }

    /// The route as a watch told it last. Where there is none, what a GET answers should be handed to
    /// [`saw`](Self::saw) with the token.
    pub(super) fn ask(self: &Arc<Self>, key: &RouteKey) -> (Option<Object>, Option<Token>) {
        let Some((scope, state)) = self.scope_of(key.kind, &key.namespace) else {
            return (None, None);
        };
        match state {
            State::Live(place) => (self.cache.ask(key), Some(Token { scope, place })),
            State::Placed(place) => {
                self.cache.ask(key);
                (None, Some(Token { scope, place }))
            }
            State::Starting => {
                self.cache.ask(key);
                (None, None)
            }
            State::Refused(_) => (None, None),
        }
    }

    /// What a selector found, where a watch says that it still holds. Otherwise what the API server answers should be
    /// handed to [`found`](Self::found) with the token.
    pub(super) fn select(
        self: &Arc<Self>,
        selector: &RouteSelector,
    ) -> (Option<Vec<RouteKey>>, Option<(Token, u64)>) {
        let Some((scope, state)) = self.scope_of(selector.kind, &selector.namespace) else {
            return (None, None);
        };
        let known = match state {
            State::Live(place) => self.selections.known(selector, place),
            _ => None,
        };
        let (State::Live(place) | State::Placed(place)) = state else {
            return (None, None);
        };
        (
            known,
            Some((Token { scope, place }, self.selections.begin(selector))),
        )
    }

    /// What the API server found for a selector.
    pub(super) fn found(
        &self,
        selector: &RouteSelector,
        token: &(Token, u64),
        routes: &[(RouteKey, String)],
    ) {
        let (token, changes) = token;
        if self.is_in_place(Some(token)) {
            self.selections.found(selector, token.place, *changes, routes);
        }
    }

    /// A request that began when the token was given brought this.
    pub(super) fn saw(&self, key: &RouteKey, object: &Object, token: Option<&Token>) {
        match self.is_in_place(token) {
            true => self.cache.saw(key, object),
            // The watch has begun anew since then; it may be that a change in between is never heard of.
            false => self.cache.lost(key, version(object).unwrap_or(0)),
        }
    }

    /// A write of which nobody knows what became.
    pub(super) fn doubt(&self, key: &RouteKey) {
        self.cache.doubt(key);
    }

    /// The watch that covers the routes of a namespace; one is started where none is.
    fn scope_of(self: &Arc<Self>, kind: RouteKind, namespace: &str) -> Option<(Scope, State)> {
        let mut scope = Scope {
            kind,
            namespace: None,
        };
        let mut states = self.lock();
        for namespace in [None, Some(namespace)] {
            scope.namespace = namespace.map(str::to_owned);
            match states.get(&scope) {
                Some(State::Refused(since)) if since.elapsed() < REFUSED => {}
                Some(State::Refused(_)) | None => {
                    if states.len() >= MAX_WATCHES {
                        states.retain(
                            |_, state| !matches!(state, State::Refused(since) if since.elapsed() >= REFUSED),
                        );
                        if states.len() >= MAX_WATCHES {
                            return None;
                        }
                    }
                    states.insert(scope.clone(), State::Starting);
                    tokio::spawn(Arc::clone(self).keep(scope.clone()));
                    return Some((scope, State::Starting));
                }
                Some(state) => return Some((scope, *state)),
            }
        }
        None
    }

    fn is_in_place(&self, token: Option<&Token>) -> bool {
        let Some(token) = token else { return false };
        matches!(self.lock().get(&token.scope),
            Some(State::Placed(place) | State::Live(place)) if *place == token.place)
    }

    fn set(&self, scope: &Scope, state: State) {
        self.lock().insert(scope.clone(), state);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Scope, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until nobody asks any more or the API server refuses.
    async fn keep(self: Arc<Self>, scope: Scope) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let error = match self.keep_once(&scope).await {
                Ok(()) => {
                    self.lock().remove(&scope);
                    tracing::debug!("{scope} are not watched any more, nobody asks for them");
                    return;
                }
                Err(error) => error,
            };
            self.set(&scope, State::Starting);
            self.cache.forget(|key| scope.covers(key));
            if is_refusal(&error) {
                self.set(&scope, State::Refused(Instant::now()));
                if scope.namespace.is_some() && !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "{scope} cannot be watched, so each reconcile reads them; list and watch would spare that, and \
                         this is not said again: {error}"
                    );
                }
                return;
            }
            failures = if began.elapsed() < HELD { failures + 1 } else { 1 };
            tracing::debug!("watch of {scope} is interrupted: {error}");
            sleep(pause(failures)).await;
        }
    }

    /// Watches from a new position on, through interruptions that lose nothing. Ends well when nobody asks any more.
    async fn keep_once(&self, scope: &Scope) -> Result<(), ApiError> {
        let mut at = timed(self.api.position(scope)).await?;
        // What was read before is of unknown age; what is read from here on is followed.
        self.cache.forget(|key| scope.covers(key));
        let place = at;
        let mut failures = 0;
        loop {
            self.set(scope, State::Placed(place));
            let began = Instant::now();
            match self.follow(scope, place, &mut at).await {
                Ok(Some(())) => return Ok(()),
                Ok(None) => failures = 0,
                Err(error) if is_refusal(&error) || error.code() == Some(410) => return Err(error),
                Err(error) => {
                    failures = if began.elapsed() < HELD { failures + 1 } else { 1 };
                    tracing::debug!("watch of {scope} is interrupted: {error}");
                    self.set(scope, State::Placed(place));
                    sleep(pause(failures)).await;
                }
            }
        }
    }

    /// One watch request. Ends with `Some` when nobody asks any more, with [`None`] when the API server ends it.
    async fn follow(&self, scope: &Scope, place: u64, at: &mut u64) -> Result<Option<()>, ApiError> {
        let mut lines = timed(self.api.watch(scope, *at)).await?;
        self.set(scope, State::Live(place));
        tracing::debug!("{scope} are watched");
        loop {
            let line = match timeout(SILENCE, lines.next()).await {
                Ok(line) => line?,
                Err(_) => return Err(ApiError::Timeout(SILENCE)),
            };
            let Some(line) = line else { return Ok(None) };
            let is_bookmark = self.take(scope.kind, &line, at)?;
            if is_bookmark && self.cache.prune(UNUSED, |key| scope.covers(key)) == 0 {
                return Ok(Some(()));
            }
        }
    }

    /// One event of a watch; answers whether it is a bookmark.
    fn take(&self, kind: RouteKind, line: &[u8], at: &mut u64) -> Result<bool, ApiError> {
        let unreadable = |error: serde_json::Error| ApiError::Unreadable(error.to_string());
        let event: Event<'_> = serde_json::from_slice(line).map_err(unreadable)?;
        let text = event.object.get();
        if event.kind == "ERROR" {
            return Err(ApiError::refused(text.as_bytes()));
        }
        let Head { metadata } = serde_json::from_str(text).map_err(unreadable)?;
        let Ok(version) = metadata.resource_version.parse() else {
            return Err(ApiError::Unreadable(format!(
                "resourceVersion {:?} is no number",
                metadata.resource_version
            )));
        };
        *at = version;
        if event.kind == "BOOKMARK" {
            return Ok(true);
        }
        let key = RouteKey {
            kind,
            namespace: metadata.namespace.into_owned(),
            name: metadata.name.into_owned(),
        };
        let labels = metadata.labels.map_or("", RawValue::get);
        self.selections
            .saw(&key, (event.kind != "DELETED").then_some(labels));
        if event.kind == "DELETED" {
            self.cache.lost(&key, version);
        } else if self.cache.wants(&key) {
            self.cache
                .saw(&key, &serde_json::from_str(text).map_err(unreadable)?);
            // Who cannot follow hears of it with the next call.
            _ = self.changed.try_send(key);
        }
        Ok(false)
    }
}

/// A line of a watch (Kubernetes `metav1.WatchEvent`).
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
}

/// Whether there is no use in asking again soon.
fn is_refusal(error: &ApiError) -> bool {
    matches!(error, ApiError::NotServed { .. }) || matches!(error.code(), Some(401 | 403 | 404 | 405))
}

fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(MAX_PAUSE)
}

async fn timed<T>(request: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    timeout(OPEN, request)
        .await
        .unwrap_or(Err(ApiError::Timeout(OPEN)))
}
