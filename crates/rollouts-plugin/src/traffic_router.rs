//! Traffic routers: who sends which share of the requests where.

use std::future::Future;

use crate::types::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};
use crate::{RpcError, RpcResult};

/// A traffic router, as the controller calls it.
///
/// The controller calls at every reconcile, also when nothing changes: in the order [`update_hash`], [`set_weight`],
/// [`verify_weight`], with [`remove_managed_routes`] before them whenever the release is over, aborted or promoted in
/// full, and [`set_header_route`] and [`set_mirror_route`] while such a step is the current one (Go:
/// `rollout/trafficrouting.go` `reconcileTrafficRouting`). Calls for different Rollouts overlap.
///
/// Any error but one of [`verify_weight`] stops that reconcile: no scaling, no analysis, no pause, no status.
///
/// [`update_hash`]: TrafficRouter::update_hash
/// [`set_weight`]: TrafficRouter::set_weight
/// [`verify_weight`]: TrafficRouter::verify_weight
/// [`remove_managed_routes`]: TrafficRouter::remove_managed_routes
/// [`set_header_route`]: TrafficRouter::set_header_route
/// [`set_mirror_route`]: TrafficRouter::set_mirror_route
pub trait TrafficRouter: Send + Sync + 'static {
    /// Called once after the start, under a mutex that holds up every Rollout of the controller: no network I/O here. An
    /// error is told once; the controller then goes on with the plugin as it is.
    fn init(&self) -> impl Future<Output = RpcResult> + Send {
        async { Ok(()) }
    }

    /// A word for the controller's log.
    fn kind(&self) -> String;

    /// Sends `desired_weight` of `maxTrafficWeight` to the canary, the weights of `additional` to experiments, the rest
    /// to the stable version.
    fn set_weight(
        &self,
        rollout: &Rollout,
        desired_weight: i32,
        additional: &[WeightDestination],
    ) -> impl Future<Output = RpcResult> + Send;

    /// Whether the gateway serves what [`TrafficRouter::set_weight`] asked for.
    ///
    /// Answer [`Verified::NotVerified`] rather than an error: on an error the controller does not come back by itself,
    /// and at the end of a release it goes on as if the weight were verified.
    fn verify_weight(
        &self,
        rollout: &Rollout,
        desired_weight: i32,
        additional: &[WeightDestination],
    ) -> impl Future<Output = RpcResult<Verified>> + Send;

    /// Tells the pod-template hashes of both versions.
    fn update_hash(
        &self,
        rollout: &Rollout,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[WeightDestination],
    ) -> impl Future<Output = RpcResult> + Send {
        let _ = (rollout, canary_hash, stable_hash, additional);
        async { Ok(()) }
    }

    /// Sends requests with a header to the canary. A router that cannot must say so: the step completes at once.
    fn set_header_route(
        &self,
        rollout: &Rollout,
        route: &SetHeaderRoute,
    ) -> impl Future<Output = RpcResult> + Send {
        let error = unsupported("setHeaderRoute", rollout, &route.name);
        async { Err(error) }
    }

    /// Copies requests to the canary. A router that cannot must say so: the step completes at once.
    fn set_mirror_route(
        &self,
        rollout: &Rollout,
        route: &SetMirrorRoute,
    ) -> impl Future<Output = RpcResult> + Send {
        let error = unsupported("setMirrorRoute", rollout, &route.name);
        async { Err(error) }
    }

    /// Removes all header and mirror routes of this Rollout.
    fn remove_managed_routes(&self, rollout: &Rollout) -> impl Future<Output = RpcResult> + Send;
}

/// Answer of [`TrafficRouter::verify_weight`]; complete. Go: `utils/plugin/types` `RpcVerified`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Not yet: ask again in about ten seconds.
    NotVerified = 0,
    /// The gateway serves these weights.
    Verified = 1,
    /// This router cannot tell; the controller goes on.
    NotImplemented = 2,
}

impl Verified {
    /// Anything unknown counts as not verified, as in Go (`RpcVerified.IsVerified`).
    #[cfg_attr(not(feature = "host"), allow(dead_code))]
    pub(crate) fn from_wire(value: i32) -> Self {
        match value {
            1 => Self::Verified,
            2 => Self::NotImplemented,
            _ => Self::NotVerified,
        }
    }
}

fn unsupported(step: &str, rollout: &Rollout, route: &str) -> RpcError {
    RpcError::new(format!(
        "rollout {}: {step} {route:?} is not supported by this traffic router",
        rollout.key()
    ))
}
