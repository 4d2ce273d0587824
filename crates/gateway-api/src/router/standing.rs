//! What each release wants of its routes between two calls of the controller, and the guard that keeps it so: somebody
//! else's change, such as a sync of Argo CD, is set right as soon as a watch tells of it. Without a watch that is left to
//! the controller's next call.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rollouts_plugin::RpcError;
use rollouts_plugin::types::{ObjectMeta, Rollout};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

use super::routes::Report;
use crate::RouteKey;
use crate::apply::{Applier, Object};
use crate::config::{Label, RouteTarget};
use crate::events::Events;
use crate::intent::Intent;
use crate::plan::{Features, Plan, plan_route_on};

/// Time between two repairs of a route. Who writes it again and again is not answered in kind.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// What nobody confirmed for so long is not defended any more: longer than the controller's resync of 15 minutes. The
/// Rollout may have been given another router meanwhile.
const STALE: Duration = Duration::from_secs(20 * 60);

/// What a call asked for, while nothing has taken its place.
#[derive(Clone)]
pub(super) struct Standing {
    /// Who asked; its name and identity alone.
    rollout: Rollout,
    intent: Intent,
    label: Option<Label>,
    routes: Vec<(RouteTarget, Arc<Features>)>,
    since: Instant,
}

impl Standing {
    pub(super) fn new(
        rollout: &Rollout,
        intent: Intent,
        label: Option<Label>,
        routes: Vec<(RouteTarget, Arc<Features>)>,
    ) -> Self {
        // What an event names; annotations alone may be as large as the rest of the Rollout.
        let metadata = ObjectMeta {
            name: rollout.metadata.name.clone(),
            namespace: rollout.metadata.namespace.clone(),
            uid: rollout.metadata.uid.clone(),
            resource_version: rollout.metadata.resource_version.clone(),
            ..ObjectMeta::default()
        };
        let rollout = Rollout {
            metadata,
            ..Rollout::default()
        };
        Self {
            rollout,
            intent,
            label,
            routes,
            since: Instant::now(),
        }
    }

    fn route(&self, key: &RouteKey) -> Option<&(RouteTarget, Arc<Features>)> {
        self.routes.iter().find(|(target, _)| target.key == *key)
    }

    fn plan(&self, key: &RouteKey, route: &Object) -> Result<Plan, crate::plan::PlanError> {
        match self.route(key) {
            Some((target, features)) => {
                plan_route_on(target, route, &self.intent, self.label.as_ref(), features)
            }
            None => Ok(Plan::default()),
        }
    }
}

/// What stands, by Rollout.
#[derive(Default)]
pub(super) struct Standings {
    releases: Mutex<HashMap<String, Arc<Standing>>>,
}

impl Standings {
    /// A call has begun that may want something else, or the Rollout is gone: what it wanted stands no more.
    pub(super) fn end(&self, owner: &str) {
        self.lock().remove(owner);
    }

    /// A call has brought its routes to this.
    pub(super) fn begin(&self, standing: Standing) {
        let standing = Arc::new(standing);
        self.lock().insert(standing.rollout.key(), standing);
    }

    fn of(&self, key: &RouteKey) -> Vec<Arc<Standing>> {
        let mut releases = self.lock();
        releases.retain(|_, standing| standing.since.elapsed() < STALE);
        let concerned = releases.values().filter(|standing| standing.route(key).is_some());
        concerned.cloned().collect()
    }

    fn holds(&self, standing: &Arc<Standing>) -> bool {
        let releases = self.lock();
        releases
            .get(&standing.rollout.key())
            .is_some_and(|now| Arc::ptr_eq(now, standing))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Standing>>> {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Defends what stands.
pub(super) struct Guard {
    pub(super) applier: Arc<Applier>,
    pub(super) standings: Arc<Standings>,
    pub(super) events: Arc<Events>,
}

impl Guard {
    /// Goes on until watches tell no more.
    pub(super) async fn run(self, mut changed: Receiver<RouteKey>) {
        // Routes to look at and when, and when each was repaired.
        let mut due: HashMap<RouteKey, Instant> = HashMap::new();
        let mut repaired: HashMap<RouteKey, Instant> = HashMap::new();
        loop {
            let next = due.iter().min_by_key(|(_, at)| **at);
            let key = match next.map(|(key, at)| (key.clone(), *at)) {
                None => changed.recv().await,
                Some((key, at)) => {
                    // What is due comes before news, or a storm of them would keep it for ever.
                    let wait = at.saturating_duration_since(Instant::now());
                    let news = match wait.is_zero() {
                        true => None,
                        false => timeout(wait, changed.recv()).await.ok(),
                    };
                    let Some(news) = news else {
                        due.remove(&key);
                        if self.repair(&key).await {
                            repaired.insert(key, Instant::now());
                        }
                        continue;
                    };
                    news
                }
            };
            let Some(key) = key else { return };
            repaired.retain(|_, at| at.elapsed() < AGAIN);
            let at = repaired.get(&key).map_or_else(Instant::now, |at| *at + AGAIN);
            due.entry(key).or_insert(at);
        }
    }

    /// Sets right what somebody else changed; answers whether there was something.
    async fn repair(&self, key: &RouteKey) -> bool {
        let mut was_wrong = false;
        for standing in self.standings.of(key) {
            let plan = |route: &Object| match self.standings.holds(&standing) {
                true => standing.plan(key, route),
                false => Ok(Plan::default()),
            };
            let deadline = self.applier.deadline();
            match self.applier.update(key, deadline, plan).await {
                Ok(applied) if applied.plan.object.is_none() => {}
                Ok(applied) => {
                    was_wrong = true;
                    let metrics = self.applier.api().metrics();
                    let drifted = HashSet::from([key.clone()]);
                    Report::of(key, applied).tell_drift(&standing.rollout, &drifted, &self.events, metrics);
                }
                // The next call will say so.
                Err(error) => tracing::debug!(
                    route = key.to_string(),
                    error = RpcError::chain(&error).as_str(),
                    "what somebody changed cannot be set right"
                ),
            }
        }
        was_wrong
    }
}
