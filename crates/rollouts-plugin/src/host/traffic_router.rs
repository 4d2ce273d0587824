//! Go: `TrafficRouterPluginRPC` in `rollout/trafficrouting/plugin/rpc/rpc.go`.

use std::sync::LazyLock;

use gob::Type;

use super::{PluginClient, Stub, any};
use crate::types::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};
use crate::wire::traffic_router::{
    Arguments, COOKIE, NAME, RemoveManagedRoutes, SetHeader, SetMirror, UpdateHash, VerifyWeightResponse,
    Weight,
};
use crate::{RpcResult, Verified};

static ANY: LazyLock<Type> = LazyLock::new(|| any(include_str!("../schema/trafficrouter.schema")));

/// Calls a traffic router.
#[derive(Clone)]
pub struct TrafficRouterClient(Stub);

impl PluginClient for TrafficRouterClient {
    const COOKIE: &'static str = COOKIE;
    const NAME: &'static str = NAME;
    fn new(stub: Stub) -> Self {
        Self(stub)
    }
}

/// Each method answers as the plugin's method of that name, or with `<Method> rpc call error: …`.
impl TrafficRouterClient {
    /// `InitPlugin`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn init(&self) -> RpcResult {
        self.0.init(&ANY).await
    }

    /// `Type`.
    ///
    /// # Errors
    /// The call's.
    pub async fn kind(&self) -> RpcResult<String> {
        self.0.call_nil("Type", &ANY).await
    }

    /// `UpdateHash`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn update_hash(
        &self,
        rollout: &Rollout,
        canary_hash: &str,
        stable_hash: &str,
        additional: &[WeightDestination],
    ) -> RpcResult {
        let arguments = Arguments::UpdateHash(UpdateHash {
            rollout: rollout.clone(),
            canary_hash: canary_hash.to_owned(),
            stable_hash: stable_hash.to_owned(),
            additional_destinations: additional.to_vec(),
        });
        self.0.call_for_error("UpdateHash", &ANY, &arguments).await
    }

    /// `SetWeight`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn set_weight(
        &self,
        rollout: &Rollout,
        desired: i32,
        additional: &[WeightDestination],
    ) -> RpcResult {
        self.0
            .call_for_error("SetWeight", &ANY, &weight(rollout, desired, additional))
            .await
    }

    /// `VerifyWeight`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn verify_weight(
        &self,
        rollout: &Rollout,
        desired: i32,
        additional: &[WeightDestination],
    ) -> RpcResult<Verified> {
        let arguments = weight(rollout, desired, additional);
        let answer: VerifyWeightResponse = self.0.call("VerifyWeight", &ANY, &arguments).await?;
        answer.err.into_result()?;
        Ok(Verified::from_wire(answer.verified))
    }

    /// `SetHeaderRoute`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn set_header_route(&self, rollout: &Rollout, route: &SetHeaderRoute) -> RpcResult {
        let arguments = Arguments::SetHeader(SetHeader {
            rollout: rollout.clone(),
            set_header_route: route.clone(),
        });
        self.0.call_for_error("SetHeaderRoute", &ANY, &arguments).await
    }

    /// `SetMirrorRoute`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn set_mirror_route(&self, rollout: &Rollout, route: &SetMirrorRoute) -> RpcResult {
        let arguments = Arguments::SetMirror(SetMirror {
            rollout: rollout.clone(),
            set_mirror_route: route.clone(),
        });
        self.0.call_for_error("SetMirrorRoute", &ANY, &arguments).await
    }

    /// `RemoveManagedRoutes`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn remove_managed_routes(&self, rollout: &Rollout) -> RpcResult {
        let arguments = Arguments::RemoveManagedRoutes(RemoveManagedRoutes {
            rollout: rollout.clone(),
        });
        self.0
            .call_for_error("RemoveManagedRoutes", &ANY, &arguments)
            .await
    }
}

fn weight(rollout: &Rollout, desired_weight: i32, additional: &[WeightDestination]) -> Arguments {
    Arguments::Weight(Weight {
        rollout: rollout.clone(),
        desired_weight,
        additional_destinations: additional.to_vec(),
    })
}
