//! Read, plan, write, and again from the start where that did not work out.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::MutexGuard;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::disown::Failures;
use super::patch::{Patches, is_refusal, plan_patch};
use super::seen::Seen;
use super::turns::{Turn, Turns};
use super::watch::{Token, Watches};
use super::{Api, ApiError, Object};
use crate::RouteKey;
#[cfg(test)]
use crate::RouteKind;
use crate::plan::{Plan, PlanError};

/// How long and how often is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deadline of a whole call.
    pub call: Duration,
    /// Deadline of one request; after it the request is sent again on another connection.
    pub request: Duration,
    /// Attempts to write one route. Each conflict costs one.
    pub attempts: u32,
}

impl Default for Limits {
    /// 10 s a call, as a reconcile waits for it and holds one of the controller's ten workers; 4 s a request; 12
    /// attempts, which a storm of conflicting writers does not use up (the Go plugin's five are: 2 to 4 of 30 calls
    /// fail).
    fn default() -> Self {
        Self {
            call: Duration::from_secs(10),
            request: Duration::from_secs(4),
            attempts: 12,
        }
    }
}

/// A route that could not be brought to its plan.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The plan is impossible; nothing was written.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The API server.
    #[error("{route}: {verb} failed{}", if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() })]
    Api {
        /// Which route.
        route: RouteKey,
        /// `get`, `patch` or `update`, as RBAC calls them.
        verb: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// Why.
        source: ApiError,
    },
}

impl ApplyError {
    /// There is no such route.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Api { source, .. } if source.is_missing())
    }
}

/// A route after its plan was carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The route as the API server has it.
    pub object: Object,
    /// The plan; [`Plan::object`] is [`None`] where nothing had to be written.
    pub plan: Plan,
    /// The route as it was before the write.
    pub before: Option<Object>,
}

/// Brings routes to their plans.
pub struct Applier {
    pub(super) api: Arc<Api>,
    pub(super) limits: Limits,
    turns: Turns,
    pub(super) watches: Option<Arc<Watches>>,
    seen: Seen,
    changes: Mutex<Option<Receiver<RouteKey>>>,
    pub(super) patches: Patches,
    /// Routes from which our name could not be taken.
    pub(super) undisowned: Failures,
}

impl Applier {
    /// Over this API server, within these limits. Routes are followed by watches where that is permitted.
    pub fn new(api: Api, limits: Limits) -> Self {
        let api = Arc::new(api);
        let (watches, changes) = Watches::new(Arc::clone(&api));
        Self {
            watches: Some(watches),
            changes: Mutex::new(Some(changes)),
            ..Self::plain(api, limits)
        }
    }

    /// One that reads each route whenever it looks at it: as it is now, or as the API server's cache has it.
    pub fn without_watches(api: Api, limits: Limits) -> Self {
        Self::plain(Arc::new(api), limits)
    }

    fn plain(api: Arc<Api>, limits: Limits) -> Self {
        Self {
            api,
            limits,
            turns: Turns::default(),
            watches: None,
            seen: Seen::default(),
            changes: Mutex::default(),
            patches: Patches::default(),
            undisowned: Failures::default(),
        }
    }

    /// The API server.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Whether readings may come from watches.
    pub fn watches(&self) -> bool {
        self.watches.is_some()
    }

    /// Tells which routes have changed, of those that were asked for; [`None`] where nothing is watched, and for everyone
    /// but the first who asks.
    pub(crate) fn changes(&self) -> Option<Receiver<RouteKey>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The moment by which a call that begins now must have its answer.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.limits.call
    }

    /// A route as a watch told it last, or without one as the API server's cache has it; never older than our own last
    /// write.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn route(&self, key: &RouteKey) -> Result<Object, ApiError> {
        Ok(self.read(key, Age::Any).await?.object)
    }

    /// A route as it is now.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn route_now(&self, key: &RouteKey) -> Result<Object, ApiError> {
        Ok(self.read(key, Age::Now).await?.object)
    }

    /// Reads a route, plans, and writes it if the plan differs; on a conflict, a fault or a cut connection all over
    /// again.
    ///
    /// # Errors
    /// Where the plan is impossible, or the API server refuses or stays away until the deadline.
    pub async fn update(
        &self,
        key: &RouteKey,
        deadline: Instant,
        plan: impl Fn(&Object) -> Result<Plan, PlanError> + Send,
    ) -> Result<Applied, ApplyError> {
        let turn = self.turns.of(key);
        let mut course = Course {
            key,
            turn: &turn,
            guard: None,
            age: Age::Any,
            refused_patch: None,
            verb: "get",
        };
        let mut attempts = 0;
        let mut last = ApiError::Timeout(self.limits.call);
        let result = timeout_at(deadline, async {
            loop {
                attempts += 1;
                let error = match self.attempt(&mut course, &plan).await {
                    Ok(applied) => return applied.map_err(Some),
                    Err(error) => error,
                };
                // The test operations of a patch failed, or it is invalid; a PUT of what is there now will tell.
                let is_outdated = course.verb == "patch" && error.code() == Some(422);
                if !(is_outdated || error.is_passing()) || attempts >= self.limits.attempts {
                    last = error;
                    return Err(None);
                }
                let is_conflict = is_outdated || error.is_conflict();
                if is_conflict {
                    self.api.metrics().conflict();
                }
                let pause = pause(&error, is_conflict, attempts);
                last = error;
                if Instant::now() + pause >= deadline {
                    // Nobody waits for what cannot come in time; the controller has its own back-off.
                    return Err(None);
                }
                course.age = Age::Now;
                sleep(pause).await;
            }
        })
        .await;
        let verb = course.verb;
        if verb != "get" && result.is_err() {
            // Cut off in mid-write.
            self.doubt(key);
        }
        match result {
            Ok(Ok(applied)) => Ok(applied),
            Ok(Err(Some(error))) => Err(error.into()),
            Ok(Err(None)) | Err(_) => Err(ApplyError::Api {
                route: key.clone(),
                verb,
                attempts,
                source: last,
            }),
        }
    }

    /// One attempt; the inner result is the plan's. Only who has something to write waits for its turn, and keeps it
    /// for further attempts.
    async fn attempt(
        &self,
        course: &mut Course<'_>,
        plan: &(impl Fn(&Object) -> Result<Plan, PlanError> + Send),
    ) -> Result<Result<Applied, PlanError>, ApiError> {
        loop {
            let count = course.turn.count();
            course.verb = "get";
            let Reading { object, token } = self.read(course.key, course.age).await?;
            let mut plan = match plan(&object) {
                Ok(plan) => plan,
                Err(error) => return Ok(Err(error)),
            };
            let Some(planned) = plan.object.as_mut() else {
                return Ok(Ok(Applied {
                    object,
                    plan,
                    before: None,
                }));
            };
            if course.guard.is_none() {
                let (guard, still_holds) = course.turn.take(count).await;
                course.guard = Some(guard);
                if !still_holds {
                    continue;
                }
            }
            // The API server keeps the entries of other managers when a write does not mention them.
            if let Some(metadata) = planned["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            let before = object;
            let written = self.write(course, &before, planned).await;
            match &written {
                Ok(object) => self.saw(course.key, object, token.as_ref()),
                Err(error) if error.is_doubtful() => self.doubt(course.key),
                Err(_) => {}
            }
            return Ok(Ok(Applied {
                object: written?,
                plan,
                before: Some(before),
            }));
        }
    }

    async fn read(&self, key: &RouteKey, age: Age) -> Result<Reading, ApiError> {
        let (known, token) = match &self.watches {
            Some(watches) => watches.ask(key),
            None => (None, None),
        };
        if age == Age::Any {
            if let Some(object) = known {
                return Ok(Reading { object, token });
            }
            if token.is_none()
                && let Some(object) = self.read_cached(key).await?
            {
                return Ok(Reading { object, token });
            }
        }
        let object = self.timed(self.api.route(key)).await?;
        self.saw(key, &object, token.as_ref());
        Ok(Reading { object, token })
    }

    /// From the API server's cache, where a version of the route is known that it must have reached.
    async fn read_cached(&self, key: &RouteKey) -> Result<Option<Object>, ApiError> {
        let Some(version) = self.seen.version(key) else {
            return Ok(None);
        };
        match self.timed(self.api.route_since(key, version)).await {
            Ok(object) => {
                self.saw(key, &object, None);
                Ok(Some(object))
            }
            // It is gone, or made anew a moment ago; or "Too large resource version": the cache is behind, or etcd was
            // restored from a backup. What is there now will tell.
            Err(error) if error.is_missing() || error.code() == Some(504) => {
                self.seen.forget(key);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A route was read or written. Of what a watch tells no other account is kept, for it would be out of date when the
    /// watch ends.
    pub(super) fn saw(&self, key: &RouteKey, object: &Object, token: Option<&Token>) {
        match token {
            Some(_) => self.seen.forget(key),
            None => self.seen.saw(key, object),
        }
        if let Some(watches) = &self.watches {
            watches.saw(key, object, token);
        }
    }

    /// Patches where that is permitted, which is less likely to conflict; otherwise replaces the whole object.
    async fn write(
        &self,
        course: &mut Course<'_>,
        before: &Object,
        planned: &Object,
    ) -> Result<Object, ApiError> {
        let key = course.key;
        let generation = before.pointer("/metadata/generation");
        let was_refused = course.refused_patch.is_some() && course.refused_patch.as_ref() == generation;
        if !was_refused
            && self.patches.are_permitted(key.kind)
            && let Some(operations) = plan_patch(before, planned)
        {
            course.verb = "patch";
            match self.timed(self.api.patch_route(key, &operations)).await {
                Err(error) if is_refusal(&error) => {
                    self.patches.refuse(key.kind, &error);
                }
                Err(error) => {
                    if error.code() == Some(422) {
                        course.refused_patch = generation.cloned();
                    }
                    return Err(error);
                }
                patched => return patched,
            }
        }
        course.verb = "update";
        self.timed(self.api.put_route(key, planned)).await
    }

    #[cfg(test)]
    pub(super) fn refuse_patches(&self) {
        for kind in RouteKind::ALL {
            self.patches.refuse(kind, &ApiError::Timeout(Duration::ZERO));
        }
    }

    pub(super) fn doubt(&self, key: &RouteKey) {
        self.seen.forget(key);
        if let Some(watches) = &self.watches {
            watches.doubt(key);
        }
    }

    pub(super) async fn timed<T>(
        &self,
        request: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        match tokio::time::timeout(self.limits.request, request).await {
            Ok(result) => result,
            Err(_) => Err(ApiError::Timeout(self.limits.request)),
        }
    }
}

/// How old a reading may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// A watch keeps it up to date.
    Any,
    /// Read now.
    Now,
}

/// A route, and the token for what is written on top of it.
struct Reading {
    object: Object,
    token: Option<Token>,
}

/// What a call remembers from attempt to attempt.
struct Course<'a> {
    key: &'a RouteKey,
    turn: &'a Turn,
    guard: Option<MutexGuard<'a, ()>>,
    age: Age,
    /// The generation on which a patch was refused as invalid or outdated.
    refused_patch: Option<Value>,
    /// What was tried last, as RBAC calls it.
    verb: &'static str,
}

/// How long to wait before the next attempt: what the API server asks for; next to nothing after a conflict, whose
/// cure is a fresh read; otherwise twice as long each time. Jitter keeps writers that met once from meeting again.
pub(super) fn pause(error: &ApiError, is_conflict: bool, attempts: u32) -> Duration {
    const MAX: Duration = Duration::from_secs(1);
    if let Some(asked) = error.retry_after() {
        return asked;
    }
    let first = Duration::from_millis(if is_conflict { 2 } else { 50 });
    let full = first.saturating_mul(1 << (attempts - 1).min(10)).min(MAX);
    let random = RandomState::new().hash_one(attempts) % 1000;
    full / 2 + full.mul_f64(random as f64 / 2000.0)
}
