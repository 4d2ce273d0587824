//! Kinds of objects by apiVersion and kind, as every manifest names them.

use anyhow::{Context, Result};
use serde_json::Value;

/// An apiVersion and a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Pod`.
    pub kind: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $api_version:literal $kind:literal;)*) => {
        impl Kind {
            $($(#[$doc])* #[must_use] pub fn $name() -> Self { Self::new($api_version, $kind) })*
        }
    };
}

kinds! {
    /// Argo Rollouts: the resource that replaces a Deployment.
    rollout = "argoproj.io/v1alpha1" "Rollout";
    /// Argo Rollouts: one run of analysis metrics.
    analysis_run = "argoproj.io/v1alpha1" "AnalysisRun";
    /// Argo Rollouts: temporary ReplicaSets beside a release.
    experiment = "argoproj.io/v1alpha1" "Experiment";
    /// Gateway API: where HTTP requests go.
    http_route = "gateway.networking.k8s.io/v1" "HTTPRoute";
    /// Gateway API: listeners that routes attach to.
    gateway = "gateway.networking.k8s.io/v1" "Gateway";
    /// Gateway API: who implements a Gateway.
    gateway_class = "gateway.networking.k8s.io/v1" "GatewayClass";
    /// A pod.
    pod = "v1" "Pod";
    /// A service.
    service = "v1" "Service";
    /// A node.
    node = "v1" "Node";
    /// A configuration map.
    config_map = "v1" "ConfigMap";
    /// What happened to an object.
    event = "v1" "Event";
    /// A namespace.
    namespace = "v1" "Namespace";
    /// A service account.
    service_account = "v1" "ServiceAccount";
    /// Pods of one template.
    replica_set = "apps/v1" "ReplicaSet";
    /// The ready addresses of a service.
    endpoint_slice = "discovery.k8s.io/v1" "EndpointSlice";
    /// The definition of a custom kind.
    custom_resource_definition = "apiextensions.k8s.io/v1" "CustomResourceDefinition";
}

impl Kind {
    /// A kind by its two names.
    #[must_use]
    pub fn new(api_version: &str, kind: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// The kind of an object.
    ///
    /// # Errors
    /// When it does not name one.
    pub fn of(object: &Value) -> Result<Self> {
        let field = |name: &str| {
            object[name]
                .as_str()
                .with_context(|| format!("object without `{name}`: {object}"))
        };
        Ok(Self::new(field("apiVersion")?, field("kind")?))
    }
}
