//! The Rollout and its strategy.

use serde::{Deserialize, Serialize};

use super::{CanaryStep, ObjectMeta, RolloutStatus, RolloutTrafficRouting, TypeMeta};

/// `v1alpha1.Rollout`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollout {
    /// Kind and version; usually empty.
    #[serde(rename = "TypeMeta")]
    pub type_meta: TypeMeta,
    /// Name, namespace, UID and the rest.
    #[serde(rename = "ObjectMeta", alias = "metadata")]
    pub metadata: ObjectMeta,
    /// What the user wants.
    #[serde(rename = "Spec", alias = "spec")]
    pub spec: RolloutSpec,
    /// Where the release stands.
    #[serde(rename = "Status", alias = "status")]
    pub status: RolloutStatus,
}

impl Rollout {
    /// The canary strategy, if that is the Rollout's strategy.
    pub fn canary(&self) -> Option<&CanaryStrategy> {
        self.spec.strategy.canary.as_ref()
    }

    /// The steps of the canary; empty for another strategy.
    pub fn steps(&self) -> &[CanaryStep] {
        self.canary().map_or(&[], |canary| &canary.steps)
    }

    /// `status.currentStepIndex` with the zero that gob drops restored: [`None`] only where there are no steps.
    ///
    /// Equal to the number of steps when all are done (Go: `utils/replicaset/canary.go` `GetCurrentCanaryStep`). It is
    /// also 0 for a Rollout that the controller has not yet reconciled.
    pub fn current_step_index(&self) -> Option<usize> {
        if self.steps().is_empty() {
            return None;
        }
        Some(
            self.status
                .current_step_index
                .map_or(0, |index| usize::try_from(index).unwrap_or(0)),
        )
    }

    /// The sum of all weights of a split: `maxTrafficWeight`, 100 where it is absent (Go: `utils/weightutil`
    /// `MaxTrafficWeight`).
    pub fn max_traffic_weight(&self) -> i32 {
        self.canary()
            .and_then(|canary| canary.traffic_routing.as_ref())
            .and_then(|routing| routing.max_traffic_weight)
            .unwrap_or(100)
    }

    /// `namespace/name`, for messages.
    pub fn key(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }
}

/// `v1alpha1.RolloutSpec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutSpec {
    /// Desired pods. 0 travels as [`None`], as does an absent value, which means 1.
    #[serde(rename = "Replicas", alias = "replicas")]
    pub replicas: Option<i32>,
    /// The workload whose pod template is used, instead of one of the Rollout's own.
    #[serde(rename = "WorkloadRef", alias = "workloadRef")]
    pub workload_ref: Option<ObjectRef>,
    /// How versions are exchanged.
    #[serde(rename = "Strategy", alias = "strategy")]
    pub strategy: RolloutStrategy,
    /// Paused by the user.
    #[serde(rename = "Paused", alias = "paused")]
    pub paused: bool,
}

/// `v1alpha1.ObjectRef`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectRef {
    /// API version of the workload.
    #[serde(rename = "APIVersion", alias = "apiVersion")]
    pub api_version: String,
    /// Kind of the workload.
    #[serde(rename = "Kind", alias = "kind")]
    pub kind: String,
    /// Name of the workload.
    #[serde(rename = "Name", alias = "name")]
    pub name: String,
    /// `never`, `onsuccess` or `progressively`.
    #[serde(rename = "ScaleDown", alias = "scaleDown")]
    pub scale_down: String,
}

/// `v1alpha1.RolloutStrategy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RolloutStrategy {
    /// Canary; [`None`] for blue-green.
    #[serde(rename = "Canary", alias = "canary")]
    pub canary: Option<CanaryStrategy>,
}

/// `v1alpha1.CanaryStrategy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanaryStrategy {
    /// Service whose selector follows the canary; empty with ping-pong.
    #[serde(rename = "CanaryService", alias = "canaryService")]
    pub canary_service: String,
    /// Service whose selector follows the stable version; empty with ping-pong.
    #[serde(rename = "StableService", alias = "stableService")]
    pub stable_service: String,
    /// The steps.
    #[serde(rename = "Steps", alias = "steps")]
    pub steps: Vec<CanaryStep>,
    /// Traffic routing; [`None`] for a canary by replicas alone.
    #[serde(rename = "TrafficRouting", alias = "trafficRouting")]
    pub traffic_routing: Option<RolloutTrafficRouting>,
    /// The stable version shrinks as the canary grows.
    #[serde(rename = "DynamicStableScale", alias = "dynamicStableScale")]
    pub dynamic_stable_scale: bool,
    /// Two services that take turns at being stable.
    #[serde(rename = "PingPong", alias = "pingPong")]
    pub ping_pong: Option<PingPongSpec>,
}

/// `v1alpha1.PingPongSpec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PingPongSpec {
    /// The first service.
    #[serde(rename = "PingService", alias = "pingService")]
    pub ping_service: String,
    /// The second service.
    #[serde(rename = "PongService", alias = "pongService")]
    pub pong_service: String,
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    #[test]
    fn reads_kubernetes_json() {
        let rollout: Rollout = serde_json::from_value(serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": 3, "creationTimestamp": null},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "strategy": {"canary": {
                "canaryService": "web-canary", "stableService": "web-stable",
                "trafficRouting": {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "web"}}, "maxTrafficWeight": 1000},
                "steps": [{"setWeight": 0}, {"pause": {"duration": "30s"}}, {"setCanaryScale": {"replicas": 1}}]}}},
            "status": {"currentStepIndex": 0, "stableRS": "abc", "currentPodHash": "def"}
        }))
        .unwrap();
        assert_eq!(rollout.key(), "shop/web");
        assert_eq!(rollout.max_traffic_weight(), 1000);
        assert_eq!(rollout.current_step_index(), Some(0));
        assert_eq!(rollout.steps()[0].action(), Action::SetWeight(0));
        assert!(matches!(rollout.steps()[1].action(), Action::Pause(pause) if pause.duration.is_some()));
        let plugins = &rollout
            .canary()
            .unwrap()
            .traffic_routing
            .as_ref()
            .unwrap()
            .plugins;
        assert_eq!(
            plugins["argoproj-labs/gatewayAPI"].as_bytes(),
            br#"{"httpRoute":"web"}"#
        );
    }

    /// gob drops a pointer to zero, so neither `setWeight: 0` nor `currentStepIndex: 0` arrives.
    #[test]
    fn zeros_that_gob_drops_are_restored() {
        let mut rollout = Rollout::default();
        assert_eq!(rollout.current_step_index(), None, "no steps");
        rollout.spec.strategy.canary = Some(CanaryStrategy {
            steps: vec![CanaryStep::default()],
            ..Default::default()
        });
        assert_eq!(rollout.current_step_index(), Some(0));
        assert_eq!(rollout.steps()[0].action(), Action::SetWeight(0));
        assert_eq!(rollout.max_traffic_weight(), 100);
    }
}
