//! Read, plan, write, and again from the start where that did not work out.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep, timeout_at};

use super::locks::Locks;
use super::{Api, ApiError, Object};
use crate::config::RouteSelector;
use crate::plan::{Plan, PlanError};
use crate::{RouteKey, RouteKind};

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
        /// `get` or `update`, as RBAC calls them.
        verb: &'static str,
        /// How often it was tried.
        attempts: u32,
        /// Why.
        source: ApiError,
    },
}

/// Routes that could not be found by their labels.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SelectError {
    /// The API server.
    #[error("{kind}s in namespace {namespace:?} with labels {labels:?}: list failed")]
    Api {
        /// Kind of the routes.
        kind: RouteKind,
        /// Where they were looked for.
        namespace: String,
        /// The selector.
        labels: String,
        /// Why.
        source: ApiError,
    },
    /// No route has such labels.
    #[error("no {kind} in namespace {namespace:?} has the labels {labels:?} of the selector")]
    Nothing {
        /// Kind of the routes.
        kind: RouteKind,
        /// Where they were looked for.
        namespace: String,
        /// The selector.
        labels: String,
    },
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
    api: Arc<Api>,
    limits: Limits,
    locks: Locks,
}

impl Applier {
    /// Over this API server, within these limits.
    pub fn new(api: Api, limits: Limits) -> Self {
        Self {
            api: Arc::new(api),
            limits,
            locks: Locks::default(),
        }
    }

    /// The API server.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// The moment by which a call that begins now must have its answer.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.limits.call
    }

    /// The routes that a selector finds.
    ///
    /// # Errors
    /// Where there is none, or the API server does not list them.
    pub async fn select(
        &self,
        selector: &RouteSelector,
        deadline: Instant,
    ) -> Result<Vec<RouteKey>, SelectError> {
        let RouteSelector {
            kind,
            namespace,
            labels,
        } = selector;
        let mut attempts = 0;
        let list = async {
            loop {
                attempts += 1;
                match self.timed(self.api.routes(selector)).await {
                    Err(error) if error.is_passing() => sleep(pause(&error, attempts)).await,
                    result => return result,
                }
            }
        };
        let keys = timeout_at(deadline, list)
            .await
            .unwrap_or(Err(ApiError::Timeout(self.limits.call)));
        let (namespace, labels) = (namespace.clone(), labels.clone());
        match keys {
            Ok(keys) if keys.is_empty() => Err(SelectError::Nothing {
                kind: *kind,
                namespace,
                labels,
            }),
            Ok(keys) => Ok(keys),
            Err(source) => Err(SelectError::Api {
                kind: *kind,
                namespace,
                labels,
                source,
            }),
        }
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
        let mut attempts = 0;
        let mut verb = "get";
        let mut last = ApiError::Timeout(self.limits.call);
        let result = timeout_at(deadline, async {
            let _guard = self.locks.lock(key).await;
            loop {
                attempts += 1;
                let error = match self.attempt(key, &plan, &mut verb).await {
                    Ok(applied) => return applied.map_err(Some),
                    Err(error) => error,
                };
                if !error.is_passing() || attempts >= self.limits.attempts {
                    last = error;
                    return Err(None);
                }
                let pause = pause(&error, attempts);
                last = error;
                sleep(pause).await;
            }
        })
        .await;
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

    /// One attempt; the inner result is the plan's.
    async fn attempt(
        &self,
        key: &RouteKey,
        plan: &(impl Fn(&Object) -> Result<Plan, PlanError> + Send),
        verb: &mut &'static str,
    ) -> Result<Result<Applied, PlanError>, ApiError> {
        *verb = "get";
        let object = self.timed(self.api.route(key)).await?;
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
        *verb = "update";
        // The API server keeps the entries of other managers when a write does not mention them.
        if let Some(metadata) = planned["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let before = object;
        let object = self.timed(self.api.put_route(key, planned)).await?;
        Ok(Ok(Applied {
            object,
            plan,
            before: Some(before),
        }))
    }

    async fn timed<T>(&self, request: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        match tokio::time::timeout(self.limits.request, request).await {
            Ok(result) => result,
            Err(_) => Err(ApiError::Timeout(self.limits.request)),
        }
    }
}

/// How long to wait before the next attempt: what the API server asks for; next to nothing after a conflict, whose
/// cure is a fresh read; otherwise twice as long each time. Jitter keeps writers that met once from meeting again.
fn pause(error: &ApiError, attempts: u32) -> Duration {
    const MAX: Duration = Duration::from_secs(1);
    if let Some(asked) = error.retry_after() {
        return asked;
    }
    let first = Duration::from_millis(if error.is_conflict() { 2 } else { 50 });
    let full = first.saturating_mul(1 << (attempts - 1).min(10)).min(MAX);
    let random = RandomState::new().hash_one(attempts) % 1000;
    full / 2 + full.mul_f64(random as f64 / 2000.0)
}
