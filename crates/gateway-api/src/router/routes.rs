//! The routes of one Rollout and one call.

use std::collections::HashSet;
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
use crate::verify::Written;

/// The routes of a Rollout: those it names and those its selectors find.
pub(super) struct Routes<'a> {
    applier: &'a Applier,
    targets: Vec<RouteTarget>,
    /// Selectors that found no route; those that are named do not wait for them.
    unfound: Vec<SelectError>,
}

impl<'a> Routes<'a> {
    pub(super) async fn find(applier: &'a Applier, config: &Config, deadline: Instant) -> Self {
        let mut targets = config.routes.clone();
        let mut unfound = Vec::new();
        let answers = config
            .selectors
            .iter()
            .map(|selector| applier.select(selector, deadline));
        for answer in join_all(answers).await {
            let keys = answer.unwrap_or_else(|error| {
                unfound.push(error);
                Vec::new()
            });
            for key in keys {
                if targets.iter().all(|target| target.key != key) {
                    // As in the Go plugin (`pkg/plugin/plugin.go` `discoverRoutesBySelector`).
                    targets.push(RouteTarget::new(key, false));
                }
            }
        }
        Self {
            applier,
            targets,
            unfound,
        }
    }

    pub(super) fn targets(&self) -> &[RouteTarget] {
        &self.targets
    }

    /// Why not all routes are known.
    pub(super) fn unfound(&self) -> Option<&SelectError> {
        self.unfound.first()
    }

    /// Brings each route to what the intent says, all at the same time.
    pub(super) async fn apply(
        self,
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
        let label = config.in_progress_label.as_ref();
        let results = loop {
            let updates = self.targets.iter().zip(&features).map(|(target, features)| {
                let intent = &intent;
                self.applier.update(&target.key, deadline, move |route| {
                    plan_route_on(target, route, intent, label, features)
                })
            });
            let results = join_all(updates)
                .await
                .into_iter()
                .map(|result| result.map_err(RouteError::from));
            let results = results.collect::<Vec<_>>();
            let wanted = results
                .iter()
                .find_map(|result| service_without_ports(result.as_ref().err()?));
            let Some(service) = wanted else { break results };
            let ports = self.ports(&intent.namespace, &service, deadline).await;
            let experiments = intent.split.as_mut().map(|split| &mut split.experiments);
            let Some(experiments) = experiments else {
                break results;
            };
            let Some(at) = experiments.iter().position(|known| known.service == service) else {
                break results;
            };
            match ports {
                Ok(ports) => experiments[at].ports = ports,
                // One without ports never has a Service, and a name is not a reason to hold up a release.
                Err((problem, false)) if experiments[at].is_derived => {
                    let message = format!(
                        "{problem}; the controller does not name it, and its weight {} is not given to it",
                        experiments[at].weight
                    );
                    events.warn(rollout, Reason::WeightNotServed, &message);
                    experiments.remove(at);
                }
                Err((problem, _)) => {
                    // Of the routes that need it alone; the others are as they should be.
                    let told = |(result, target): (Result<Applied, RouteError>, &RouteTarget)| match result {
                        Err(error) if service_without_ports(&error).is_some() => {
                            Err(RouteError::Experiment(format!("{}: {problem}", target.key)))
                        }
                        result => result,
                    };
                    break results.into_iter().zip(&self.targets).map(told).collect();
                }
            }
        };
        let results = self
            .retry_without_managed((rollout, events), label, &intent, results, deadline)
            .await;
        // A release that is under way has its record on a route.
        let is_ours = |applied: &Applied| Ledger::read(&applied.object).entry(&intent.owner).is_some();
        let stands = self.unfound.is_empty()
            && results.iter().all(Result::is_ok)
            && results.iter().flatten().any(is_ours);
        let keys = self.targets.iter().map(|target| target.key.clone());
        let results = keys.zip(results).collect();
        let experiments = intent.split.as_ref().map_or(0, |split| split.experiments.len());
        let standing = stands.then(|| {
            let targets = self.targets.into_iter().zip(features).collect();
            Standing::new(rollout, intent, label.cloned(), targets)
        });
        let report = Report {
            results,
            unfound: self.unfound,
            standing,
            experiments,
        };
        report.tell(rollout, events);
        report
    }
}

/// Why a route is not what a call asks for.
#[derive(Debug, thiserror::Error)]
enum RouteError {
    #[error(transparent)]
    Apply(Box<ApplyError>),
    /// The Service of an experiment, which the route needs to know.
    #[error("{0}")]
    Experiment(String),
}

impl From<ApplyError> for RouteError {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}

impl RouteError {
    fn is_missing(&self) -> bool {
        matches!(self, Self::Apply(error) if error.is_missing())
    }

    /// What was said of a route that was written, where it is not taken.
    fn refusal(&self) -> Option<&ApiError> {
        let Self::Apply(error) = self else { return None };
        match &**error {
            ApplyError::Api {
                source,
                verb: "patch" | "update",
                ..
            } => Some(source).filter(|source| source.is_about_the_object()),
            _ => None,
        }
    }
}

/// The experiment's Service whose ports the plan of a route asks for.
fn service_without_ports(error: &RouteError) -> Option<String> {
    let RouteError::Apply(error) = error else {
        return None;
    };
    let ApplyError::Plan(error) = &**error else {
        return None;
    };
    match &*error.problem {
        Problem::NeedsPorts { service } => Some(service.clone()),
        _ => None,
    }
}

impl Routes<'_> {
    /// The ports of an experiment's Service, or why they are not to be had, and whether that passes.
    async fn ports(
        &self,
        namespace: &str,
        service: &str,
        deadline: Instant,
    ) -> Result<Vec<u16>, (String, bool)> {
        let asked = timeout_at(deadline, self.applier.api().service_ports(namespace, service)).await;
        match asked.unwrap_or(Err(ApiError::Timeout(Default::default()))) {
            Ok(ports) if ports.is_empty() => {
                Err((format!("experiment Service {service:?} has no ports"), false))
            }
            Ok(ports) => Ok(ports),
            Err(error) => {
                let told = RpcError::chain(&error);
                Err((
                    format!("experiment Service {service:?} cannot be read: {told}"),
                    error.is_passing(),
                ))
            }
        }
    }

    /// Sets the weights alone on routes whose managed rules the API server or a webhook refused: an invalid rule must not hold
    /// up weights, least of all an abort's. The refusal is told.
    async fn retry_without_managed(
        &self,
        (rollout, events): (&Rollout, &Events),
        label: Option<&Label>,
        intent: &Intent,
        results: Vec<Result<Applied, RouteError>>,
        deadline: Instant,
    ) -> Vec<Result<Applied, RouteError>> {
        if intent.split.is_none()
            || !matches!(&intent.managed, Managed::Exactly(routes) if !routes.is_empty())
        {
            return results;
        }
        let weights = Intent {
            managed: Managed::Keep,
            ..intent.clone()
        };
        let retries = self.targets.iter().zip(results).map(async |(target, result)| {
            let Some(source) = result.as_ref().err().and_then(RouteError::refusal) else {
                return result;
            };
            let message = format!(
                "{}: managed rules were refused, only the weights are set: {source}",
                target.key
            );
            events.warn(rollout, Reason::ManagedRouteRefused, &message);
            let plan = |route: &Object| plan_route(target, route, &weights, label);
            let updated = self.applier.update(&target.key, deadline, plan).await;
            updated.map_err(RouteError::from)
        });
        join_all(retries).await
    }
}

/// What became of each route.
pub(super) struct Report {
    results: Vec<(RouteKey, Result<Applied, RouteError>)>,
    unfound: Vec<SelectError>,
    standing: Option<Standing>,
    experiments: usize,
}

impl Report {
    /// What became of one route.
    pub(super) fn of(key: &RouteKey, applied: Applied) -> Self {
        Self {
            results: vec![(key.clone(), Ok(applied))],
            unfound: Vec::new(),
            standing: None,
            experiments: 0,
        }
    }

    /// How many experiments got their share.
    pub(super) fn experiments(&self) -> usize {
        self.experiments
    }

    /// What the routes are to be until the next call, where a release is under way and every one of them is as it
    /// should be.
    pub(super) fn take_standing(&mut self) -> Option<Standing> {
        self.standing.take()
    }

    /// Whether any route was written now.
    pub(super) fn has_written(&self) -> bool {
        let mut done = self.results.iter().filter_map(|(_, result)| result.as_ref().ok());
        done.any(|applied| applied.plan.object.is_some())
    }

    /// The routes that are as they should be, and in which generation; also those that were before, as where the answer to
    /// a write was lost.
    pub(super) fn seen(&self) -> impl Iterator<Item = (&RouteKey, Written)> {
        self.results
            .iter()
            .filter_map(|(key, result)| Some((key, Written::of(&result.as_ref().ok()?.object)?)))
    }

    /// The routes that could be read, as they are now, and those that are not there.
    pub(super) fn looked_at(&self) -> impl Iterator<Item = (&RouteKey, Option<&Object>)> {
        self.results.iter().filter_map(|(key, result)| match result {
            Ok(applied) => Some((key, Some(&applied.object))),
            Err(error) if error.is_missing() => Some((key, None)),
            Err(_) => None,
        })
    }

    /// Takes our name from the routes on which there was nothing to do and on which no release has anything.
    pub(super) async fn disown(&self, applier: &Applier) {
        let bare = self.results.iter().filter_map(|(key, result)| {
            let applied = result.as_ref().ok()?;
            applied.plan.object.is_none().then_some((key, &applied.object))
        });
        join_all(bare.map(|(key, route)| applier.disown(key, route))).await;
    }

    /// Forgets the routes that do not exist, the selectors that find none, and tells each.
    pub(super) fn without_missing(mut self, tell: impl Fn(String)) -> Self {
        self.unfound.retain(|error| match error {
            SelectError::Nothing { .. } => {
                tell(error.to_string());
                false
            }
            SelectError::Api { .. } => true,
        });
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
        let unfound = self
            .unfound
            .iter()
            .map(|error| RpcError::chain(error).as_str().to_owned());
        let mut failures = unfound.collect::<Vec<_>>();
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

    /// Tells who changed what had been set on these routes, now that it is set right.
    pub(super) fn tell_drift(
        &self,
        rollout: &Rollout,
        drifted: &HashSet<RouteKey>,
        events: &Events,
        metrics: &Metrics,
    ) {
        for (key, result) in self.results.iter().filter(|(key, _)| drifted.contains(key)) {
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
