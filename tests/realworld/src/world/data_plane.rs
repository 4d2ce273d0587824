//! A running gateway, whichever it is.

use anyhow::Result;
use serde_json::Value;

use super::gateway::{Gateway, LiveRoute};
use super::{Contour, EnvoyGateway, Ground, Istio, Traefik};
use crate::cluster::Cluster;
use crate::process::Process;

/// A gateway or mesh with all of its processes.
#[derive(Debug)]
pub enum DataPlane {
    /// [`Gateway::Traefik`].
    Traefik(Traefik),
    /// [`Gateway::Envoy`].
    Envoy(EnvoyGateway),
    /// [`Gateway::Contour`].
    Contour(Contour),
    /// [`Gateway::Istio`].
    Istio(Istio),
}

impl DataPlane {
    pub(super) async fn start(gateway: Gateway, ground: &Ground, cluster: &Cluster) -> Result<Self> {
        Ok(match gateway {
            Gateway::Traefik => Self::Traefik(Traefik::start(ground, cluster).await?),
            Gateway::Envoy => Self::Envoy(EnvoyGateway::start(ground, cluster).await?),
            Gateway::Contour => Self::Contour(Contour::start(ground, cluster).await?),
            Gateway::Istio => Self::Istio(Istio::start(ground, cluster).await?),
        })
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<&Process> {
        match self {
            Self::Traefik(traefik) => vec![traefik.process()],
            Self::Envoy(envoy) => vec![envoy.process()],
            Self::Contour(contour) => contour.processes().into(),
            Self::Istio(istio) => istio.processes().into(),
        }
    }

    /// All that it tells about the configuration it works with, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn live(&self) -> Result<String> {
        match self {
            Self::Traefik(traefik) => traefik.live().await,
            Self::Envoy(envoy) => envoy.live().await,
            Self::Contour(contour) => contour.live().await,
            Self::Istio(istio) => istio.live().await,
        }
    }

    /// What it works with for an HTTPRoute, without services that get nothing.
    ///
    /// # Errors
    /// When it does not answer, or serves other rules than those of the route.
    pub async fn live_route(&self, route: &Value) -> Result<LiveRoute> {
        match self {
            Self::Traefik(traefik) => traefik.live_route(route).await,
            Self::Envoy(envoy) => envoy.live_route(route).await,
            Self::Contour(contour) => contour.live_route(route).await,
            Self::Istio(istio) => istio.live_route(route).await,
        }
    }
}
