//! The smallest traffic router: it keeps one weight in memory instead of giving them to a gateway.
//!
//! Register it with the controller through `argo-rollouts-config`:
//! `trafficRouterPlugins: [{name: example/memory, location: "file:///path/to/traffic_router"}]`

use std::process::ExitCode;
use std::sync::atomic::{AtomicI32, Ordering};

use rollouts_plugin::types::{Rollout, SetHeaderRoute, WeightDestination};
use rollouts_plugin::{Plugin, RpcResult, TrafficRouter, Verified};

struct Memory(AtomicI32);

impl TrafficRouter for Memory {
    fn kind(&self) -> String {
        "Memory".to_owned()
    }

    async fn set_weight(&self, rollout: &Rollout, desired: i32, _: &[WeightDestination]) -> RpcResult {
        let max = rollout.max_traffic_weight();
        if !(0..=max).contains(&desired) {
            return Err(format!(
                "rollout {}: weight {desired}: 0 to {max} is accepted",
                rollout.key()
            )
            .into());
        }
        self.0.store(desired, Ordering::Relaxed);
        Ok(())
    }

    async fn verify_weight(&self, _: &Rollout, desired: i32, _: &[WeightDestination]) -> RpcResult<Verified> {
        Ok(match self.0.load(Ordering::Relaxed) == desired {
            true => Verified::Verified,
            false => Verified::NotVerified,
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
    Plugin::traffic_router(Memory(AtomicI32::new(0))).serve()
}
