//! The traffic router itself: the controller's calls, turned into plans and carried out.

mod cycles;
mod features;
mod orphans;
mod routes;
mod standing;
mod sweep;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use rollouts_plugin::types::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};
use rollouts_plugin::{RpcError, RpcResult, TrafficRouter, Verified};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use self::cycles::{Asked, Cycles};
use self::features::KnownFeatures;
use self::orphans::Orphans;
use self::routes::{Report, Routes};
use self::standing::{Guard, Standings};
use self::sweep::Sweep;
use crate::apply::{Applier, ApplyError};
use crate::config::{Config, PluginName};
use crate::events::{Events, Reason};
use crate::intent::{Call, Intent, Split, is_fully_promoted, is_over};
use crate::plan::plan_route;
use crate::verify::{Settle, Verdict, is_asked, judge, only_failure_protects};

/// How long `VerifyWeight` looks before it says "not yet": the controller comes back only after 10 s.
const VERIFY_WAIT: Duration = Duration::from_millis(2500);
/// Time between two looks.
const VERIFY_INTERVAL: Duration = Duration::from_millis(250);
/// How long a gateway may take before the Rollout's people are told what keeps it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long `SetWeight` protects users from a promotion that no gateway confirmed, where only its failure can.
const GUARD: Duration = Duration::from_secs(300);

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// When a gateway's report can be believed.
    pub settle: Settle,
    /// How long traffic stays on the canary Service after a promotion, while gateways learn that the stable Service has
    /// other endpoints. Both select the same pods in that time. Zero switches it off.
    pub promotion_hold: Duration,
    /// Where Prometheus finds metrics; nowhere if [`None`].
    pub metrics: Option<SocketAddr>,
}

impl Default for Settings {
    /// A hold of 5 s, which gateways with endpoint discovery need at most.
    fn default() -> Self {
        Self {
            settle: Settle::default(),
            promotion_hold: Duration::from_secs(5),
            metrics: None,
        }
    }
}

/// The traffic router of one controller.
pub struct Router {
    name: PluginName,
    applier: Arc<Applier>,
    settings: Settings,
    cycles: Cycles,
    orphans: Arc<Orphans>,
    standings: Arc<Standings>,
    features: KnownFeatures,
    events: Arc<Events>,
    /// What goes on beside the calls, from the first one on.
    tasks: Mutex<JoinSet<()>>,
}

impl Router {
    /// A router that finds its configuration under this name and reaches routes through this applier.
    pub fn new(name: PluginName, applier: Applier, settings: Settings) -> Self {
        let events = Arc::new(Events::new(Arc::clone(applier.api())));
        Self {
            name,
            applier: Arc::new(applier),
            settings,
            cycles: Cycles::default(),
            orphans: Arc::default(),
            standings: Arc::default(),
            features: KnownFeatures::default(),
            events,
            tasks: Mutex::default(),
        }
    }

    fn config(&self, rollout: &Rollout) -> RpcResult<Config> {
        let (path, json) = self.name.entry(rollout).map_err(|error| about(rollout, &error))?;
        Config::parse(&path, json.as_bytes(), &rollout.metadata.namespace)
            .map_err(|error| about(rollout, &error))
    }

    fn intent(&self, rollout: &Rollout, config: &Config, call: Call<'_>) -> RpcResult<Intent> {
        Intent::derive(rollout, config, call, self.cycles.has_removed(rollout))
            .map_err(|error| about(rollout, &error))
    }

    /// Brings all routes of a Rollout to what it wants, each for itself; one that fails does not hold up the others.
    async fn apply(&self, rollout: &Rollout, config: &Config, intent: Intent, deadline: Instant) -> Report {
        let routes = Routes::find(&self.applier, config, deadline).await;
        let report = routes
            .apply(rollout, config, intent, (&self.events, &self.features), deadline)
            .await;
        self.orphans.heard(&rollout.key(), report.looked_at());
        report
    }

    async fn set_managed(
        &self,
        rollout: &Rollout,
        call: Call<'_>,
        step: &str,
        name: &str,
        removes: bool,
    ) -> RpcResult {
        let config = self.config(rollout)?;
        // After an abort the controller begins again at the first step, and calls for it before it sets the weight.
        let adds = !removes && !is_over(rollout) && !self.cycles.has_removed(rollout);
        if adds && !config.carries_managed_routes() {
            return Err(RpcError::new(format!(
                "rollout {}: {step} {name:?} needs an HTTPRoute or a GRPCRoute with useHeaderRoutes, and there is none",
                rollout.key()
            )));
        }
        self.standings.end(&rollout.key());
        let intent = self.intent(rollout, &config, call)?;
        if let Some(unknown) = intent.unknown.as_ref().filter(|_| adds) {
            return Err(about(rollout, unknown));
        }
        let report = self
            .apply(rollout, &config, intent, self.applier.deadline())
            .await;
        let drifted = self
            .cycles
            .remember_step(rollout, Asked::of(rollout, 0, &[], 0, false), &report);
        report.tell_drift(rollout, &drifted, &self.events, self.applier.api().metrics());
        report.into_result(rollout, Some(name))
    }

    /// The worst verdict on all routes, after a short wait for a better one.
    async fn verdict(
        &self,
        rollout: &Rollout,
        weight: i32,
        additional: &[WeightDestination],
        deadline: Instant,
    ) -> RpcResult<Verdict> {
        let config = self.config(rollout)?;
        let intent = self.intent(rollout, &config, Call::SetWeight(weight, additional))?;
        let end = (Instant::now() + VERIFY_WAIT).min(deadline);
        let routes = Routes::find(&self.applier, &config, deadline).await;
        if let Some(error) = routes.unfound() {
            return Ok(Verdict::Pending(RpcError::chain(error).to_string()));
        }
        let mut open = routes.targets().to_vec();
        let mut worst = Verdict::Verified;
        // A watch that fell behind costs 10 s if it alone says "not yet": the last look is at the API server.
        let mut is_last = false;
        loop {
            let applier = &self.applier;
            let reads = join_all(open.iter().map(async |target| match is_last {
                true => applier.route_now(&target.key).await,
                false => applier.route(&target.key).await,
            }));
            let reads = match tokio::time::timeout_at(deadline, reads).await {
                Ok(reads) => reads,
                Err(_) => return Ok(Verdict::Pending("the API server does not answer".to_owned())),
            };
            let mut pending = None;
            let mut still_open = Vec::new();
            for (target, read) in open.into_iter().zip(reads) {
                let verdict = match read {
                    Ok(route) => {
                        let written = self.cycles.written(rollout, &target.key);
                        judge(
                            &target,
                            &route,
                            &intent,
                            written.as_ref(),
                            &self.settings.settle,
                            Timestamp::now(),
                        )
                    }
                    Err(error) => Verdict::Pending(format!("{}: {}", target.key, RpcError::chain(&error))),
                };
                match verdict {
                    Verdict::Verified => {}
                    Verdict::Unconfirmed(_) => worst = verdict,
                    Verdict::Pending(reason) => {
                        pending = Some(reason);
                        still_open.push(target);
                    }
                }
            }
            let Some(reason) = pending else { return Ok(worst) };
            open = still_open;
            if Instant::now() + VERIFY_INTERVAL > end {
                if is_last || !applier.watches() {
                    return Ok(Verdict::Pending(reason));
                }
                is_last = true;
                continue;
            }
            sleep(VERIFY_INTERVAL).await;
        }
    }

    /// Whether a promotion is so fresh that moving traffic back to the stable Service would meet gateways that do not
    /// know its new endpoints yet: the controller changes the Service's selector and the weight in the same reconcile
    /// (argo-rollouts #4710).
    ///
    /// Only after a promotion, which the controller's own record tells: the canary that had the traffic is the stable
    /// version now. A rollback to the stable version looks alike otherwise, and must not wait.
    fn holds_promotion(&self, rollout: &Rollout) -> bool {
        let canary = rollout
            .status
            .canary
            .weights
            .as_ref()
            .map(|weights| &weights.canary);
        let began = canary
            .is_some_and(|canary| canary.weight > 0 && canary.pod_template_hash == rollout.status.stable_rs);
        let since = self
            .cycles
            .promoted_for(rollout, is_fully_promoted(rollout), began);
        since.is_some_and(|since| since < self.settings.promotion_hold)
    }

    /// Waits for gateways where nothing but a failure keeps the controller from going on.
    async fn guard(
        &self,
        rollout: &Rollout,
        weight: i32,
        additional: &[WeightDestination],
        deadline: Instant,
    ) -> RpcResult {
        if !only_failure_protects(rollout, weight) {
            self.cycles.end_guard(rollout);
            return Ok(());
        }
        match self.verdict(rollout, weight, additional, deadline).await? {
            Verdict::Pending(reason) if self.cycles.guarded_for(rollout, weight) < GUARD => {
                Err(RpcError::new(format!(
                    "rollout {}: waiting for the gateway before the stable version shrinks: {reason}",
                    rollout.key()
                )))
            }
            Verdict::Pending(reason) => {
                let minutes = GUARD.as_secs() / 60;
                let message = format!(
                    "weight {weight} is taken for served after {minutes} minutes, although it is not confirmed: {reason}"
                );
                self.events.warn(rollout, Reason::WeightNotServed, &message);
                Ok(())
            }
            Verdict::Verified | Verdict::Unconfirmed(_) => {
                self.cycles.end_guard(rollout);
                Ok(())
            }
        }
    }
}

impl TrafficRouter for Router {
    async fn init(&self) -> RpcResult {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // The controller may say it again.
        if tasks.is_empty() {
            let sweep = Sweep {
                name: self.name.clone(),
                promotion_hold: self.settings.promotion_hold,
                applier: Arc::clone(&self.applier),
                orphans: Arc::clone(&self.orphans),
                standings: Arc::clone(&self.standings),
                events: Arc::clone(&self.events),
            };
            tasks.spawn(sweep.run());
            if let Some(changes) = self.applier.changes() {
                let guard = Guard {
                    applier: Arc::clone(&self.applier),
                    standings: Arc::clone(&self.standings),
                    events: Arc::clone(&self.events),
                };
                tasks.spawn(guard.run(changes));
            }
            if let Some(address) = self.settings.metrics {
                let metrics = Arc::clone(self.applier.api().metrics());
                tasks.spawn(async move { match metrics.serve(address).await {} });
            }
        }
        Ok(())
    }

    fn kind(&self) -> String {
        // What the Go plugin answers (`pkg/plugin/plugin.go` `Type`); it is only logged.
        "GatewayAPI".to_owned()
    }

    async fn set_weight(
        &self,
        rollout: &Rollout,
        desired_weight: i32,
        additional: &[WeightDestination],
    ) -> RpcResult {
        self.standings.end(&rollout.key());
        let config = self.config(rollout)?;
        let mut intent = self.intent(rollout, &config, Call::SetWeight(desired_weight, additional))?;
        // A step that asks for a managed route fails for it; weights, and an abort's least of all, do not.
        if let Some(unknown) = intent.unknown.as_ref().filter(|_| !is_over(rollout)) {
            self.events
                .warn(rollout, Reason::ManagedRouteRefused, &unknown.to_string());
        }
        if self.holds_promotion(rollout) {
            tracing::info!(
                rollout = rollout.key(),
                "promoted: traffic stays where it is until gateways know the new endpoints"
            );
            intent.split = None;
        }
        if !(0..=rollout.max_traffic_weight()).contains(&desired_weight) {
            let message = format!(
                "the controller asked for weight {desired_weight}, which lies outside of 0 to {}; the nearest bound is taken",
                rollout.max_traffic_weight()
            );
            self.events.warn(rollout, Reason::WeightOutOfRange, &message);
        }
        if let Some(Split {
            unnamed: unnamed @ 1..,
            ..
        }) = &intent.split
        {
            let message = format!(
                "the controller asks for weight {unnamed} for experiments whose Services it does not name: they get no traffic"
            );
            self.events.warn(rollout, Reason::WeightNotServed, &message);
        }
        let is_held = intent.split.is_none();
        let services = intent.services.clone();
        let result = async {
            let deadline = self.applier.deadline();
            let mut report = self.apply(rollout, &config, intent, deadline).await;
            let removed = self.cycles.has_removed(rollout);
            let asked = Asked::of(rollout, desired_weight, additional, report.experiments(), removed);
            if !is_held && let Some(standing) = report.take_standing() {
                self.standings.begin(standing);
            }
            let drifted = self
                .cycles
                .remember(rollout, (!is_held).then_some(asked), &report);
            report.tell_drift(rollout, &drifted, &self.events, self.applier.api().metrics());
            if is_over(rollout) {
                // Nothing depends on it, and the next call does it again.
                _ = timeout_at(deadline, report.disown(&self.applier)).await;
            }
            report.measure(rollout, desired_weight, &services, self.applier.api().metrics());
            if has_one_version(rollout) {
                report = report.without_missing(|missing| {
                    let message = format!(
                        "{missing}; there is one version only, so nothing is divided until it is there"
                    );
                    self.events.warn(rollout, Reason::RouteMissing, &message);
                });
            }
            report.into_result(rollout, None)?;
            self.guard(rollout, desired_weight, additional, deadline).await
        }
        .await;
        if result.is_err() {
            // The reconcile ends here, and with it what it removed.
            self.cycles.end(rollout);
        }
        result
    }

    async fn verify_weight(
        &self,
        rollout: &Rollout,
        desired_weight: i32,
        additional: &[WeightDestination],
    ) -> RpcResult<Verified> {
        let verified = if self.holds_promotion(rollout) {
            // The controller comes back in 10 s, and nothing else waits for it.
            Verified::NotVerified
        } else if !is_asked(rollout, desired_weight) || rollout.steps().is_empty() {
            Verified::Verified
        } else {
            // An error would let the promotion pass and the controller would not come back (`trafficrouting.go`).
            let deadline = self.applier.deadline();
            let verdict = self.verdict(rollout, desired_weight, additional, deadline).await;
            match verdict.unwrap_or_else(|error| Verdict::Pending(error.to_string())) {
                Verdict::Verified => Verified::Verified,
                Verdict::Unconfirmed(reason) => {
                    let message = format!("weight {desired_weight} is taken for served: {reason}");
                    self.events.warn(rollout, Reason::WeightUnconfirmed, &message);
                    Verified::Verified
                }
                Verdict::Pending(reason) => {
                    tracing::info!(
                        rollout = rollout.key(),
                        desired_weight,
                        reason,
                        "weight not verified yet"
                    );
                    if self.cycles.pending_for(rollout, desired_weight) >= PATIENCE {
                        let message = format!("weight {desired_weight} is not served yet: {reason}");
                        self.events.warn(rollout, Reason::WeightNotServed, &message);
                    }
                    Verified::NotVerified
                }
            }
        };
        if verified == Verified::Verified {
            if is_asked(rollout, desired_weight)
                && let Some(after) = self.cycles.take_written_for(rollout)
            {
                self.applier.api().metrics().verified(after);
            }
            self.cycles.end_pending(rollout);
        }
        self.cycles.end(rollout);
        Ok(verified)
    }

    async fn set_header_route(&self, rollout: &Rollout, route: &SetHeaderRoute) -> RpcResult {
        let call = Call::SetHeaderRoute(route);
        self.set_managed(
            rollout,
            call,
            "setHeaderRoute",
            &route.name,
            route.matches.is_empty(),
        )
        .await
    }

    async fn set_mirror_route(&self, rollout: &Rollout, route: &SetMirrorRoute) -> RpcResult {
        let call = Call::SetMirrorRoute(route);
        self.set_managed(
            rollout,
            call,
            "setMirrorRoute",
            &route.name,
            route.matches.is_empty(),
        )
        .await
    }

    async fn remove_managed_routes(&self, rollout: &Rollout) -> RpcResult {
        let config = self.config(rollout)?;
        self.standings.end(&rollout.key());
        self.cycles.begin_removed(rollout);
        let intent = self.intent(rollout, &config, Call::RemoveManagedRoutes)?;
        let report = self
            .apply(rollout, &config, intent, self.applier.deadline())
            .await;
        // Nothing is left to remove from a route that is not there; the Go plugin's error blocked first deployments.
        report.without_missing(|_| {}).into_result(rollout, None)
    }
}

/// Whether there is but one version to route to: before the first release has ended, and when all is promoted. A missing
/// route is no error then: it would keep the controller from starting or scaling pods (issue 95 of the Go plugin), and
/// whoever applies the route last would wait for the controller's back-off.
fn has_one_version(rollout: &Rollout) -> bool {
    rollout.status.stable_rs.is_empty() || is_fully_promoted(rollout)
}

fn about(rollout: &Rollout, error: &(dyn std::error::Error + 'static)) -> RpcError {
    RpcError::new(format!("rollout {}: {}", rollout.key(), RpcError::chain(error)))
}

#[cfg(test)]
mod tests;
