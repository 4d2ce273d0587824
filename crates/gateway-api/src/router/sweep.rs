//! Ends the releases that nobody else ends, aside: no call waits for it.
//!
//! Such are those of Rollouts that were deleted in the midst of them. A suspect is looked up. It is gone where the API
//! server says that there is no such Rollout, or that it is being deleted: nobody can take that back, and the controller
//! does nothing more for it, however long a finalizer keeps the object. What cannot be found out or done is tried again
//! later.
//!
//! And those that were promoted while the controller does not come back: a `VerifyWeight` that is cut off, as when this
//! process is killed in it, ends a reconcile for good (Go: `rollout/trafficrouting.go`), and the next one is that of the
//! resync, 15 minutes later. Until then all traffic would stay on the canary Service. What that reconcile would ask for
//! is done here.
//!
//! A process that was just started knows of no release, so it looks once at the records of all routes, where it may
//! list them.

use std::sync::Arc;
use std::time::Duration;

use rollouts_plugin::RpcError;
use rollouts_plugin::types::Rollout;
use tokio::time::{Instant, sleep, timeout};

use super::orphans::Orphans;
use super::standing::Standings;
use crate::apply::{ApiError, Applier, Object};
use crate::config::{Config, PluginName, RouteTarget};
use crate::events::{Events, Reason};
use crate::intent::{Call, Intent, is_fully_promoted};
use crate::plan::{Ledger, Plan, plan_orphan, plan_route};
use crate::{RouteKey, RouteKind};

/// Time between two looks at who is due.
const ROUND: Duration = Duration::from_secs(15);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// What the task needs.
pub(super) struct Sweep {
    pub(super) name: PluginName,
    /// How long traffic may stay where it was at a promotion.
    pub(super) promotion_hold: Duration,
    pub(super) applier: Arc<Applier>,
    pub(super) orphans: Arc<Orphans>,
    pub(super) standings: Arc<Standings>,
    pub(super) events: Arc<Events>,
}

impl Sweep {
    /// Goes on for ever.
    pub(super) async fn run(self) {
        let mut unread = RouteKind::ALL.to_vec();
        loop {
            sleep(ROUND).await;
            let mut still_unread = Vec::new();
            for kind in unread {
                if !self.has_read_records(kind).await {
                    still_unread.push(kind);
                }
            }
            unread = still_unread;
            for owner in self.orphans.due() {
                self.look_up(&owner).await;
            }
        }
    }

    /// Finds the releases that are recorded on routes of a kind. Answers whether that need not be tried again.
    async fn has_read_records(&self, kind: RouteKind) -> bool {
        let mut from = String::new();
        loop {
            let page = timeout(REQUEST, self.applier.api().metadata(kind, &from)).await;
            let page = match page.unwrap_or(Err(ApiError::Timeout(REQUEST))) {
                Ok(page) => page,
                Err(error) if error.is_passing() => return false,
                Err(error) => {
                    tracing::debug!("{kind}s are not searched for releases of deleted Rollouts: {error}");
                    return true;
                }
            };
            for route in page["items"].as_array().into_iter().flatten() {
                let text = |field: &str| route["metadata"][field].as_str().unwrap_or_default().to_owned();
                let key = RouteKey {
                    kind,
                    namespace: text("namespace"),
                    name: text("name"),
                };
                for (owner, _) in Ledger::read(route).entries() {
                    self.orphans.found(owner, &key);
                }
            }
            match page["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut from),
                _ => return true,
            }
        }
    }

    async fn look_up(&self, owner: &str) {
        let Some((namespace, name)) = owner.split_once('/') else {
            return;
        };
        let asked = Instant::now();
        let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{name}");
        let Ok(answer) = timeout(REQUEST, self.applier.api().get(path)).await else {
            return;
        };
        if !is_gone(&answer) {
            if let Ok(rollout) = answer
                && self.orphans.silence(owner) >= self.promotion_hold
            {
                self.finish(owner, rollout, asked).await;
            }
            return;
        }
        let routes = self.orphans.silent_since(owner, asked).unwrap_or_default();
        if !routes.is_empty() {
            self.standings.end(owner);
        }
        for key in routes {
            self.end(owner, &key, asked).await;
        }
    }

    /// Ends a release on one of its routes, unless a Rollout of its name has turned up meanwhile.
    async fn end(&self, owner: &str, key: &RouteKey, asked: Instant) {
        let plan = |route: &Object| match self.orphans.silent_since(owner, asked) {
            Some(_) => plan_orphan(key, route, owner),
            None => Ok(Plan::default()),
        };
        match self.applier.update(key, self.applier.deadline(), plan).await {
            Ok(applied) if applied.plan.object.is_none() => self.orphans.forget(owner, key),
            Ok(applied) => {
                self.orphans.forget(owner, key);
                let message = format!(
                    "Rollout {owner} was deleted in mid-release: all of its traffic is stable again, and what it had added \
                     is gone"
                );
                self.events
                    .warn_of_route(key, &applied.object, Reason::ReleaseAbandoned, &message);
            }
            Err(error) if error.is_missing() => self.orphans.forget(owner, key),
            Err(error) => tracing::warn!(
                rollout = owner,
                error = RpcError::chain(&error).as_str(),
                "its release cannot be ended although it was deleted"
            ),
        }
    }
}

impl Sweep {
    /// Ends a release that was promoted, as the controller's next reconcile would; also on routes that the Rollout does
    /// not name any more.
    async fn finish(&self, owner: &str, rollout: Object, asked: Instant) {
        let Some((config, intent)) = self.promoted(rollout) else {
            return;
        };
        let keys = self.orphans.silent_since(owner, asked).unwrap_or_default();
        if !keys.is_empty() {
            self.standings.end(owner);
        }
        for key in keys {
            let target = config.routes.iter().find(|target| target.key == key).cloned();
            let target = target.unwrap_or_else(|| RouteTarget::new(key.clone(), true));
            let label = config.in_progress_label.as_ref();
            let plan = |route: &Object| match self.orphans.silent_since(owner, asked) {
                Some(_) => plan_route(&target, route, &intent, label),
                None => Ok(Plan::default()),
            };
            match self.applier.update(&key, self.applier.deadline(), plan).await {
                Ok(applied) => {
                    for change in &applied.plan.changes {
                        tracing::info!(rollout = owner, route = key.to_string(), "promoted: {change}");
                    }
                    if Ledger::read(&applied.object).entry(owner).is_none() {
                        self.orphans.forget(owner, &key);
                    }
                }
                Err(error) if error.is_missing() => self.orphans.forget(owner, &key),
                // The controller's next call will say so.
                Err(error) => tracing::debug!(
                    rollout = owner,
                    error = RpcError::chain(&error).as_str(),
                    "its release was promoted and cannot be ended"
                ),
            }
        }
    }

    /// What a Rollout that is fully promoted asks for; [`None`] where it is not, or is none of ours.
    fn promoted(&self, rollout: Object) -> Option<(Config, Intent)> {
        let rollout: Rollout = serde_json::from_value(rollout).ok()?;
        if rollout.status.stable_rs.is_empty()
            || !is_fully_promoted(&rollout)
            || is_rolling_back_slowly(&rollout)
        {
            return None;
        }
        let (path, json) = self.name.entry(&rollout).ok()?;
        let config = Config::parse(&path, json.as_bytes(), &rollout.metadata.namespace).ok()?;
        let intent = Intent::derive(&rollout, &config, Call::SetWeight(0, &[]), true).ok()?;
        Some((config, intent))
    }
}

/// Whether the stable version is wanted again, and the controller takes the weight from the canary only as fast as the stable
/// version's pods become available (Go: `utils/rollout/rolloututil.go` `IsDynamicallyRollingBackToStable`).
fn is_rolling_back_slowly(rollout: &Rollout) -> bool {
    let recorded = rollout.status.canary.weights.as_ref();
    rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale)
        && recorded.is_some_and(|weights| {
            weights.canary.weight > 0 && weights.canary.pod_template_hash != rollout.status.stable_rs
        })
}

/// Whether a Rollout is not there, or will not be for long.
fn is_gone(answer: &Result<Object, ApiError>) -> bool {
    match answer {
        Ok(rollout) => !rollout["metadata"]["deletionTimestamp"].is_null(),
        Err(error) => error.is_missing(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::apply::Status;

    #[test]
    fn a_rollout_that_is_being_deleted_is_gone_and_one_that_cannot_be_read_is_not() {
        let refused = |code, is_object| {
            Err(ApiError::from(Status {
                code,
                reason: String::new(),
                message: String::new(),
                retry_after: None,
                is_object,
            }))
        };
        let being_deleted =
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.com/slow"]});
        for (answer, expected) in [
            (Ok(json!({"metadata": {}})), false),
            (Ok(json!({ "metadata": being_deleted })), true),
            (refused(404, true), true),
            (refused(404, false), false),
            (refused(403, true), false),
            (refused(503, true), false),
            (Err(ApiError::Timeout(REQUEST)), false),
        ] {
            assert_eq!(is_gone(&answer), expected, "{answer:?}");
        }
    }
}
