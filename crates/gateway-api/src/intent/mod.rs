//! What a Rollout wants of its routes, derived from its spec, its status and one call of the controller.
//!
//! Everything is derived from scratch at each call (level-based): what a flap of the canary, a restart or another
//! writer took away comes back with the next call.

mod affinity;
mod error;
mod managed;
mod nameless;
mod split;

use rollouts_plugin::types::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};

pub use self::affinity::{Affinity, Draw, Level, Share, Side};
pub use self::error::IntentError;
use self::managed::managed_routes;
pub use self::managed::{Managed, ManagedRoute};
pub use self::split::{Experiment, MAX_WEIGHT, Services, Split};
use self::split::{services, split};
use crate::config::{Config, RouteMatches};
use crate::plan::Leftovers;

/// What a Rollout wants of each of its routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// `namespace/name` of the Rollout: the owner of what is added to a route.
    pub owner: String,
    /// Namespace of the Rollout and so of its Services.
    pub namespace: String,
    /// The two Services.
    pub services: Services,
    /// The split; [`None`] leaves the weights as they are.
    pub split: Option<Split>,
    /// Header and mirror routes.
    pub managed: Managed,
    /// Which users are drawn for the canary, and how they stay there; [`None`] draws for each request.
    pub affinity: Option<Affinity>,
    /// What requests managed routes take, where the plugin's configuration says it.
    pub matches: Vec<RouteMatches>,
    /// What the configuration says of a managed route that the Rollout does not have: nothing follows from it.
    pub unknown: Option<IntentError>,
    /// Features of gateways that the user vouches for.
    pub assumed: Vec<String>,
    /// What the Go plugin may have left on the routes.
    pub leftovers: Leftovers,
}

/// The call of the controller that an intent answers.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// `SetWeight`, with what experiments get.
    SetWeight(i32, &'a [WeightDestination]),
    /// `SetHeaderRoute`.
    SetHeaderRoute(&'a SetHeaderRoute),
    /// `SetMirrorRoute`.
    SetMirrorRoute(&'a SetMirrorRoute),
    /// `RemoveManagedRoutes`.
    RemoveManagedRoutes,
}

impl Intent {
    /// What `rollout` wants when the controller makes this call, with what `config` says of it.
    ///
    /// `removed` says that the controller asked to remove managed routes in this very reconcile: then `SetWeight` does
    /// not bring them back. A weight outside of 0 to `maxTrafficWeight` is taken for the nearest bound: it comes from
    /// the controller's arithmetic on replica counts (argo-rollouts #3589, #4424), and an error would block the abort
    /// in which it happens.
    ///
    /// # Errors
    /// Where the Rollout lacks what routing needs, or the weights do not add up.
    pub fn derive(
        rollout: &Rollout,
        config: &Config,
        call: Call<'_>,
        removed: bool,
    ) -> Result<Self, IntentError> {
        let services = services(rollout)?;
        let split = match call {
            Call::SetWeight(desired, additional) => Some(split(rollout, desired, additional)?),
            Call::SetHeaderRoute(_) | Call::SetMirrorRoute(_) | Call::RemoveManagedRoutes => None,
        };
        let managed = match call {
            Call::RemoveManagedRoutes => Managed::NONE,
            _ if removed || is_over(rollout) => Managed::NONE,
            Call::SetWeight(..) => Managed::Exactly(managed_routes(rollout, None)),
            Call::SetHeaderRoute(route) => {
                Managed::Exactly(managed_routes(rollout, Some(ManagedRoute::Header(route.clone()))))
            }
            Call::SetMirrorRoute(route) => {
                Managed::Exactly(managed_routes(rollout, Some(ManagedRoute::Mirror(route.clone()))))
            }
        };
        let affinity = config.affinity.as_ref().zip(canary_weight(rollout, call));
        // After it has removed managed routes the controller may still call for the step's before it takes the weight.
        let takes_back = removed && !matches!(call, Call::SetWeight(..));
        let is_dispensable = matches!(call, Call::RemoveManagedRoutes) || takes_back || is_over(rollout);
        let affinity =
            affinity.and_then(|(cookie, weight)| Affinity::derive(rollout, cookie, weight, is_dispensable));
        Ok(Self {
            owner: rollout.key(),
            namespace: rollout.metadata.namespace.clone(),
            services,
            split,
            managed,
            affinity,
            matches: config.matches.clone(),
            unknown: unknown_match(rollout, config),
            assumed: config.assumed.clone(),
            leftovers: Leftovers::of(rollout),
        })
    }
}

impl Intent {
    /// Whether it may ask more of gateways than every gateway can do: to divide requests, and to match headers.
    pub fn asks_for_features(&self) -> bool {
        let is_more =
            |route: &ManagedRoute| matches!(route, ManagedRoute::Mirror(_)) || !self.matches.is_empty();
        self.affinity.is_some()
            || matches!(&self.managed, Managed::Exactly(routes) if routes.iter().any(is_more))
    }
}

/// The canary's weight: what the call says or, of calls that say none, what the controller recorded when it set it.
fn canary_weight(rollout: &Rollout, call: Call<'_>) -> Option<i32> {
    match call {
        Call::SetWeight(desired, _) => Some(desired),
        Call::SetHeaderRoute(_) | Call::SetMirrorRoute(_) | Call::RemoveManagedRoutes => {
            recorded_weight(rollout)
        }
    }
}

/// The weight that the controller recorded when it last set one for the present canary.
pub(crate) fn recorded_weight(rollout: &Rollout) -> Option<i32> {
    let canary = &rollout.status.canary.weights.as_ref()?.canary;
    (canary.pod_template_hash == rollout.status.current_pod_hash).then_some(canary.weight)
}

/// The first match of the configuration that is for none of the Rollout's managed routes.
fn unknown_match(rollout: &Rollout, config: &Config) -> Option<IntentError> {
    let routing = rollout
        .canary()
        .and_then(|canary| canary.traffic_routing.as_ref());
    let names = routing.map_or(&[][..], |routing| &routing.managed_routes);
    let unknown = config
        .matches
        .iter()
        .find(|matches| names.iter().all(|known| known.name != matches.name));
    unknown.map(|unknown| IntentError::UnknownManagedRoute {
        name: unknown.name.clone(),
        known: names
            .iter()
            .map(|known| format!("{:?}", known.name))
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// Whether the release has ended or gives up its managed routes: the states in which the controller calls
/// `RemoveManagedRoutes` and which the status tells (Go: `rollout/trafficrouting.go` `reconcileTrafficRouting`).
pub(crate) fn is_over(rollout: &Rollout) -> bool {
    let status = &rollout.status;
    status.abort || status.promote_full || is_fully_promoted(rollout)
}

/// Whether the stable version is the wanted one (Go: `utils/rollout/rolloututil.go` `IsFullyPromoted`).
pub(crate) fn is_fully_promoted(rollout: &Rollout) -> bool {
    rollout.status.stable_rs == rollout.status.current_pod_hash
}

#[cfg(test)]
mod tests;
