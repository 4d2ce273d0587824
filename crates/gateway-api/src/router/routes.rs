//! The routes of one Rollout and one call.

use std::sync::Arc;

use futures::future::join_all;
use rollouts_plugin::types::Rollout;
use rollouts_plugin::{RpcError, RpcResult};
use tokio::time::{Instant, timeout_at};

use super::features::KnownFeatures;
use super::standing::Standing;
use super::{ApplyError, plan_route};
use crate::RouteKey;
use crate::apply::{ApiError, Applied, Applier, Object, SelectError};
use crate::config::{Config, Label, RouteTarget};
use crate::events::{Events, Reason, last_other_writer};
use crate::intent::{Intent, Managed, Services};
use crate::metrics::Metrics;
use crate::plan::{Change, Ledger, Problem, plan_route_on, pruned};

/// The routes of a Rollout: those it names and those its selectors find.
pub(super) struct Routes<'a> {
    applier: &'a Applier,
    targets: Vec<RouteTarget>,
}

impl<'a> Routes<'a> {
    pub(super) async fn find(
        applier: &'a Applier,
        config: &Config,
        deadline: Instant,
    ) -> Result<Self, SelectError> {
        let mut targets = config.routes.clone();
        for selector in &config.selectors {
            for key in applier.select(selector, deadline).await? {
                if targets.iter().all(|target| target.key != key) {
                    // As in the Go plugin (`pkg/plugin/plugin.go` `discoverRoutesBySelector`).
                    targets.push(RouteTarget::new(key, false));
                }
            }
        }
        Ok(Self { applier, targets })
    }

    pub(super) fn targets(&self) -> &[RouteTarget] {
        &self.targets
    }

    /// Brings each route to what the intent says, all at the same time.
    pub(super) async fn apply(
        &self,
        rollout: &Rollout,
        config: &Config,
        mut intent: Intent,
        (events, known): (&Events, &KnownFeatures),
        deadline: Instant,
    ) -> Report {
        let features = match intent.asks_for_features() {
            true => {
                join_all(
                    self.targets
                        .iter()
                        .map(|target| known.of(self.applier, &target.key, deadline)),
                )
                .await
            }
            false => vec![Arc::default(); self.targets.len()],
        };
        loop {
            let label = config.in_progress_label.as_ref();
            let updates = self.targets.iter().zip(&features).map(|(target, features)| {
                let intent = &intent;
                self.applier.update(&target.key, deadline, move |route| {
                    plan_route_on(target, route, intent, label, features)
                })
            });
            let results = join_all(updates).await;
            let wanted = results.iter().find_map(|result| match result {
                Err(ApplyError::Plan(error)) => match &*error.problem {
                    Problem::NeedsPorts { service } => Some(service.clone()),
                    _ => None,
                },
                _ => None,
            });
            if let Some(service) = wanted
                && let Some(split) = &mut intent.split
                && let Some(experiment) = split.experiments.iter_mut().find(|e| e.service == service)
            {
                let ports = self.applier.api().service_ports(&intent.namespace, &service);
                match timeout_at(deadline, ports)
                    .await
                    .unwrap_or(Err(ApiError::Timeout(Default::default())))
                {
                    Ok(ports) if !ports.is_empty() => {
                        experiment.ports = ports;
                        continue;
                    }
                    Ok(_) => {
                        return Report::failed(format!("experiment Service {service:?} has no ports"));
                    }
                    Err(error) => {
                        let error = RpcError::chain(&error);
                        return Report::failed(format!(
                            "experiment Service {service:?} cannot be read: {error}"
                        ));
                    }
                }
            }
            let results = self
                .retry_without_managed((rollout, events), label, &intent, results, deadline)
                .await;
            let standing = results.iter().all(Result::is_ok).then(|| {
                let targets = self.targets.iter().cloned().zip(features).collect();
                Standing::new(rollout, intent.clone(), label.cloned(), targets)
            });
            let report = Report {
                results: self.targets.iter().map(|t| t.key.clone()).zip(results).collect(),
                failure: None,
                standing,
            };
            report.tell(rollout, events);
            return report;
        }
    }
}

impl Routes<'_> {
    /// Sets the weights alone on routes whose managed rules the API server refused (422): an invalid rule must not hold
    /// up weights, least of all an abort's. The refusal is told.
    async fn retry_without_managed(
        &self,
        (rollout, events): (&Rollout, &Events),
        label: Option<&Label>,
        intent: &Intent,
        results: Vec<Result<Applied, ApplyError>>,
        deadline: Instant,
    ) -> Vec<Result<Applied, ApplyError>> {
        if intent.split.is_none()
            || !matches!(&intent.managed, Managed::Exactly(routes) if !routes.is_empty())
        {
            return results;
        }
        let weights = Intent {
            managed: Managed::Keep,
            ..intent.clone()
        };
        let retries = self
            .targets
            .iter()
            .zip(results)
            .map(async |(target, result)| match result {
                Err(ApplyError::Api {
                    source,
                    verb: "update",
                    ..
                }) if source.code() == Some(422) => {
                    let message = format!(
                        "{}: managed rules were refused, only the weights are set: {source}",
                        target.key
                    );
                    events.warn(rollout, Reason::ManagedRouteRefused, &message);
                    let plan = |route: &Object| plan_route(target, route, &weights, label);
                    self.applier.update(&target.key, deadline, plan).await
                }
                other => other,
            });
        join_all(retries).await
    }
}

/// What became of each route.
pub(super) struct Report {
    results: Vec<(RouteKey, Result<Applied, ApplyError>)>,
    failure: Option<String>,
    standing: Option<Standing>,
}

impl Report {
    fn failed(failure: String) -> Self {
        Self {
            results: Vec::new(),
            failure: Some(failure),
            standing: None,
        }
    }

    /// What became of one route.
    pub(super) fn of(key: &RouteKey, applied: Applied) -> Self {
        Self {
            results: vec![(key.clone(), Ok(applied))],
            failure: None,
            standing: None,
        }
    }

    /// What the routes are to be until the next call, where a release is under way and every one of them is as it
    /// should be.
    pub(super) fn take_standing(&mut self, owner: &str) -> Option<Standing> {
        let is_under_way = self
            .routes()
            .any(|(_, route)| Ledger::read(route).entry(owner).is_some());
        self.standing.take().filter(|_| is_under_way)
    }

    /// The routes that were written now, and their generations.
    pub(super) fn written(&self) -> impl Iterator<Item = (&RouteKey, i64)> {
        self.results.iter().filter_map(|(key, result)| {
            let applied = result
                .as_ref()
                .ok()
                .filter(|applied| applied.plan.object.is_some())?;
            Some((key, applied.object.pointer("/metadata/generation")?.as_i64()?))
        })
    }

    /// The routes that could be read, as they are now.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&RouteKey, &Object)> {
        self.results
            .iter()
            .filter_map(|(key, result)| Some((key, &result.as_ref().ok()?.object)))
    }

    /// Takes our name from the routes on which there was nothing to do and on which no release has anything.
    pub(super) async fn disown(&self, applier: &Applier) {
        let bare = self.results.iter().filter_map(|(key, result)| {
            let applied = result.as_ref().ok()?;
            applied.plan.object.is_none().then_some((key, &applied.object))
        });
        join_all(bare.map(|(key, route)| applier.disown(key, route))).await;
    }

    /// Forgets the routes that do not exist, and tells each.
    pub(super) fn without_missing(mut self, tell: impl Fn(String)) -> Self {
        self.results.retain(|(_, result)| match result {
            Err(error) if error.is_missing() => {
                tell(RpcError::chain(error).to_string());
                false
            }
            _ => true,
        });
        self
    }

    /// An error that names every route that failed, and says which did not. A managed route that a route cannot carry
    /// is an error where it was asked for by name; otherwise it never blocks the weights.
    pub(super) fn into_result(self, rollout: &Rollout, managed: Option<&str>) -> RpcResult {
        let mut failures = self.failure.into_iter().collect::<Vec<_>>();
        let mut done = Vec::new();
        for (key, result) in &self.results {
            match result {
                Err(error) => failures.push(RpcError::chain(error).as_str().to_owned()),
                Ok(applied) => match applied
                    .plan
                    .refused
                    .iter()
                    .find(|refusal| Some(refusal.name.as_str()) == managed)
                {
                    Some(refusal) => failures.push(refusal.to_string()),
                    None => done.push(key.to_string()),
                },
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        let mut sentence = format!("rollout {}: {}", rollout.key(), failures.join("; "));
        if !done.is_empty() {
            sentence.push_str(&format!("; done: {}", done.join(", ")));
        }
        Err(RpcError::new(sentence))
    }

    fn tell(&self, rollout: &Rollout, events: &Events) {
        for (key, result) in &self.results {
            let Ok(applied) = result else { continue };
            for change in &applied.plan.changes {
                tracing::info!(rollout = rollout.key(), route = key.to_string(), "{change}");
            }
            for refusal in &applied.plan.refused {
                events.warn(rollout, Reason::ManagedRouteRefused, &refusal.to_string());
            }
            let written = applied.plan.object.as_ref();
            let pruned = written.map_or_else(Vec::new, |planned| pruned(key, planned, &applied.object));
            for warning in applied.plan.warnings.iter().chain(&pruned) {
                events.warn(rollout, Reason::FeatureUnconfirmed, &warning.to_string());
            }
        }
    }

    /// What was asked for, and what each route carries.
    pub(super) fn measure(&self, rollout: &Rollout, desired: i32, services: &Services, metrics: &Metrics) {
        for (key, result) in &self.results {
            let observed = result
                .as_ref()
                .ok()
                .and_then(|applied| observed_weight(&applied.object, services, rollout.max_traffic_weight()));
            metrics.weights(rollout.key(), key.to_string(), desired, observed);
        }
    }

    /// Tells who changed what had been set, now that it is set right.
    pub(super) fn tell_drift(&self, rollout: &Rollout, events: &Events, metrics: &Metrics) {
        for (key, result) in &self.results {
            let Ok(Applied {
                plan,
                before: Some(before),
                ..
            }) = result
            else {
                continue;
            };
            let drifts = plan
                .changes
                .iter()
                .filter(|change| !matches!(change, Change::Record | Change::Label { .. }));
            let drifts = drifts.map(Change::to_string).collect::<Vec<_>>();
            if !drifts.is_empty() {
                let who = last_other_writer(before).unwrap_or("somebody");
                let message = format!(
                    "{key}: {who} had changed what a release needs, it is set right: {}",
                    drifts.join("; ")
                );
                metrics.drift();
                events.warn(rollout, Reason::RouteReverted, &message);
            }
        }
    }
}

/// The canary's weight in the last rule that names both Services, where the user's rules stand, in terms of `max`.
fn observed_weight(route: &Object, services: &Services, max: i32) -> Option<f64> {
    let rules = route.pointer("/spec/rules")?.as_array()?;
    rules.iter().rev().find_map(|rule| {
        let weight = |service: &str| {
            let backends = rule["backendRefs"].as_array()?;
            let backend = backends.iter().find(|backend| backend["name"] == service)?;
            // An absent weight is 1 (Gateway API `BackendRef.weight`).
            Some(backend["weight"].as_f64().unwrap_or(1.0))
        };
        let (stable, canary) = (weight(&services.stable)?, weight(&services.canary)?);
        (stable + canary > 0.0).then(|| canary / (stable + canary) * f64::from(max))
    })
}
