//! How many pods each template should have. Pure.
//!
//! Follows argo-rollouts `utils/replicaset/canary.go` for traffic routing without dynamicStableScale.

use super::plan::last_set_weight;
use super::spec::{CanaryScale, Step, share_of};
use super::state::{Observed, Release};

impl Release {
    /// Pods of the wanted template (`CalculateReplicaCountsForTrafficRoutedCanary`).
    pub(super) fn canary_replicas(&self) -> i32 {
        let (spec, status) = (&self.spec, &self.status);
        if status.promote_full || status.stable_rs.is_empty() || self.is_fully_promoted() {
            return spec.replicas;
        }
        let so_far = status
            .current_step_index
            .and_then(|index| spec.steps.get(..=index));
        let of_traffic = match so_far {
            _ if status.abort => 0,
            Some(so_far) => last_set_weight(so_far),
            None => spec.max_weight,
        };
        // `UseSetCanaryScale`: an aborted canary keeps its scale only where no delay ends it.
        let scaled = so_far.filter(|_| !status.abort || spec.abort_scale_down_delay.is_none());
        let scale = scaled.and_then(|steps| steps.iter().rev().find_map(canary_scale));
        let weight = match scale {
            Some(CanaryScale::Replicas(n)) => return n,
            Some(CanaryScale::Weight(w)) => w,
            Some(CanaryScale::MatchTrafficWeight) | None => of_traffic,
        };
        match i32::try_from(share_of(spec.replicas, weight, spec.max_weight)).unwrap_or(i32::MAX) {
            0 => 0,
            // `CheckMinPodsPerReplicaSet`
            pods => pods.max(spec.min_pods.min(spec.replicas)),
        }
    }

    /// Whether both templates have the pods that the current step wants (`AtDesiredReplicaCountsForCanary`).
    pub(super) fn at_desired_replicas(&self, observed: &Observed) -> bool {
        let wanted = self.canary_replicas();
        let new = &self.status.current_pod_hash;
        let stable = self.set(&self.status.stable_rs).map_or(0, |set| set.desired);
        self.set(new).is_some_and(|set| set.desired == wanted)
            && observed.available(new) == wanted
            && stable == self.spec.replicas
    }
}

fn canary_scale(step: &Step) -> Option<CanaryScale> {
    match step {
        Step::SetCanaryScale(scale) => Some(*scale),
        _ => None,
    }
}
