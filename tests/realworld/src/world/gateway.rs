//! What the gateways of a world have in common.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The namespace of the Gateways; routes of all namespaces may attach to them.
pub const GATEWAY_NAMESPACE: &str = "gateway-system";

/// A gateway that a world can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
pub enum Gateway {
    /// [`super::Traefik`]: deals weights exactly; knows no mirrors, and no filters of a single backend.
    Traefik,
    /// [`super::EnvoyGateway`]: Envoy Gateway and the Envoy that it starts; it serves all of the Gateway API.
    Envoy,
    /// [`super::Contour`]: its control plane and one Envoy.
    Contour,
    /// [`super::Istio`]: a mesh. Routes attach to the Service that clients name.
    Istio,
}

impl Gateway {
    /// The name of the Gateway object; of a mesh, which has none, its own.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            // As in the example of `manifests/`.
            Self::Traefik => "gateway",
            Self::Envoy => "envoy",
            Self::Contour => "contour",
            Self::Istio => "istio",
        }
    }

    /// The port of its one listener; in a mesh that of the Services.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Traefik => 8000,
            Self::Envoy => 8100,
            Self::Contour => 8200,
            Self::Istio => 80,
        }
    }

    /// The port that its Gateway names.
    fn listener(self) -> u16 {
        match self {
            // Its Envoy is behind a Service, and listens 8000 higher (Contour's `internal/gatewayapi/listeners.go`).
            Self::Contour => self.port() - 8000,
            gateway => gateway.port(),
        }
    }

    /// Where requests go in: `host:port`.
    #[must_use]
    pub fn address(self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// The host name by which requests reach an application of that name.
    #[must_use]
    pub fn host(self, application: &str, namespace: &str) -> String {
        match self {
            Self::Traefik | Self::Envoy | Self::Contour => format!("{application}.{namespace}.test"),
            Self::Istio => format!("{application}.{namespace}.svc.cluster.local"),
        }
    }

    /// The labels of a namespace whose routes attach to it: the mesh sees no others.
    #[must_use]
    pub fn labels(self) -> Value {
        match self {
            Self::Traefik | Self::Envoy | Self::Contour => json!({"istio-discovery": "disabled"}),
            Self::Istio => json!({}),
        }
    }

    /// Its GatewayClass and Gateway.
    pub(super) fn objects(self, class: &str, controller: &str) -> Vec<Value> {
        let api_version = "gateway.networking.k8s.io/v1";
        vec![
            json!({
                "apiVersion": api_version, "kind": "GatewayClass", "metadata": {"name": class},
                "spec": {"controllerName": controller},
            }),
            json!({
                "apiVersion": api_version, "kind": "Gateway",
                "metadata": {"name": self.name(), "namespace": GATEWAY_NAMESPACE},
                "spec": {"gatewayClassName": class, "listeners": [{
                    "name": "web", "protocol": "HTTP", "port": self.listener(), "allowedRoutes": {"namespaces": {"from": "All"}},
                }]},
            }),
        ]
    }
}

/// What a gateway's data plane works with for a route, or what it should work with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveRoute {
    /// Weights by service, summed over the route's rules; none if it does not know the route.
    pub weights: BTreeMap<String, u64>,
    /// Addresses of the pods that get new requests, by service.
    pub pods: BTreeMap<String, BTreeSet<String>>,
}

impl LiveRoute {
    /// Without the services that get nothing: some gateways do not look after their pods.
    #[must_use]
    pub fn without_idle(mut self) -> Self {
        let Self { weights, pods } = &mut self;
        weights.retain(|_, weight| *weight > 0);
        pods.retain(|service, _| weights.contains_key(service));
        self
    }
}
