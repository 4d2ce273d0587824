//! The smallest traffic router: it keeps weights in memory instead of giving them to a gateway.
//!
//! Register it with the controller through `argo-rollouts-config`:
//! `trafficRouterPlugins: [{name: example/memory, location: "file:///path/to/traffic_router"}]`

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Mutex;

use rollouts_plugin::types::{Rollout, SetHeaderRoute, WeightDestination};
use rollouts_plugin::{Plugin, RpcResult, TrafficRouter, Verified};

#[derive(Default)]
struct Memory(Mutex<HashMap<String, i32>>);

impl TrafficRouter for Memory {
    fn kind(&self) -> String {
        "Memory".to_owned()
    }

    async fn set_weight(&self, rollout: &Rollout, desired: i32, _: &[WeightDestination]) -> RpcResult {
        let (key, max) = (rollout.key(), rollout.max_traffic_weight());
        if !(0..=max).contains(&desired) {
            return Err(format!("rollout {key}: weight {desired}: 0 to {max} is accepted").into());
        }
        self.0.lock().expect("no call panics").insert(key, desired);
        Ok(())
    }

    async fn verify_weight(
        &self,
        rollout: &Rollout,
        desired: i32,
        _: &[WeightDestination],
    ) -> RpcResult<Verified> {
        let kept = self
            .0
            .lock()
            .expect("no call panics")
            .get(&rollout.key())
            .copied();
        Ok(if kept == Some(desired) {
            Verified::Verified
        } else {
            Verified::NotVerified
        })
    }

    async fn set_header_route(&self, _: &Rollout, route: &SetHeaderRoute) -> RpcResult {
        tracing::info!(route = route.name, "requests with a header go to the canary");
        Ok(())
    }

    async fn remove_managed_routes(&self, _: &Rollout) -> RpcResult {
        Ok(())
    }
}

fn main() -> ExitCode {
    Plugin::traffic_router(Memory::default()).serve()
}
