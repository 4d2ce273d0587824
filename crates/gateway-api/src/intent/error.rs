//! Why a Rollout cannot be turned into routing.

use thiserror::Error;

use super::MAX_WEIGHT;

/// Why a Rollout cannot be turned into routing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntentError {
    /// No canary strategy.
    #[error("spec.strategy.canary is missing, there is nothing to route")]
    NoCanary,
    /// A Service is not named.
    #[error("spec.strategy.canary.{field} is empty, a Service name is needed")]
    NoService {
        /// Which field.
        field: &'static str,
    },
    /// Both names are the same.
    #[error("spec.strategy.canary names the same Service {service:?} for both versions, two are needed")]
    SameService {
        /// Their name.
        service: String,
    },
    /// `maxTrafficWeight` is out of range.
    #[error("spec.strategy.canary.trafficRouting.maxTrafficWeight is {found}, accepted is 1 to {MAX_WEIGHT}")]
    MaxWeight {
        /// The value.
        found: i32,
    },
    /// The plugin's configuration has a match for a managed route that the Rollout does not have.
    #[error(
        "managedRoutes of the plugin's configuration names {name:?}, spec.strategy.canary.trafficRouting.managedRoutes \
         has {}", if known.is_empty() { "none" } else { known.as_str() }
    )]
    UnknownManagedRoute {
        /// The name.
        name: String,
        /// The Rollout's.
        known: String,
    },
    /// An experiment's weight is out of range.
    #[error("the weight of experiment Service {service:?} is {found}, accepted is 0 to {max}")]
    ExperimentWeight {
        /// The Service.
        service: String,
        /// The value.
        found: i32,
        /// `maxTrafficWeight`.
        max: u64,
    },
    /// Canary and experiments together are more than everything.
    #[error("the canary's weight {canary} and the experiments' {experiments} exceed maxTrafficWeight {max}")]
    TooMuch {
        /// Weight of the canary.
        canary: u64,
        /// Sum of the experiments.
        experiments: u64,
        /// `maxTrafficWeight`.
        max: u64,
    },
}
