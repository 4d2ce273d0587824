//! Go: `rollout/trafficrouting/plugin/rpc/rpc.go`.

use serde::{Deserialize, Serialize};

use crate::error::RpcErrorWire;
use crate::types::{Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};

/// Value of the cookie.
pub(crate) const COOKIE: &str = "trafficrouter";
/// Name to dispense.
pub(crate) const NAME: &str = "RpcTrafficRouterPlugin";

/// An argument, by its registered name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Arguments {
    #[serde(rename = "UpdateHashArgs")]
    UpdateHash(UpdateHash),
    #[serde(rename = "SetWeightAndVerifyWeightArgs")]
    Weight(Weight),
    #[serde(rename = "SetHeaderArgs")]
    SetHeader(SetHeader),
    #[serde(rename = "SetMirrorArgs")]
    SetMirror(SetMirror),
    #[serde(rename = "RemoveManagedRoutesArgs")]
    RemoveManagedRoutes(RemoveManagedRoutes),
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct UpdateHash {
    pub(crate) rollout: Rollout,
    pub(crate) canary_hash: String,
    pub(crate) stable_hash: String,
    pub(crate) additional_destinations: Vec<WeightDestination>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Weight {
    pub(crate) rollout: Rollout,
    pub(crate) desired_weight: i32,
    pub(crate) additional_destinations: Vec<WeightDestination>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct SetHeader {
    pub(crate) rollout: Rollout,
    pub(crate) set_header_route: SetHeaderRoute,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct SetMirror {
    pub(crate) rollout: Rollout,
    pub(crate) set_mirror_route: SetMirrorRoute,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct RemoveManagedRoutes {
    pub(crate) rollout: Rollout,
}

/// Answer of `VerifyWeight`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct VerifyWeightResponse {
    pub(crate) verified: i32,
    pub(crate) err: RpcErrorWire,
}
