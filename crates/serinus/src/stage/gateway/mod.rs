//! A small HTTP gateway that obeys the HTTPRoutes of the stage's API.
//!
//! It reads routes, Services, ReferenceGrants and EndpointSlices as any gateway controller would, programs itself
//! after a configurable delay, and only then says so in `status.parents` with the generation it serves. A route is
//! served through the listeners that take it ([`attach`]); all of them are one port here. It obeys hostnames, matches
//! (path, method, headers, query) in the Gateway API's order of precedence, weights, header modifiers and request mirrors
//! (on rules and on backendRefs). A route with another filter is not accepted; the rule fields it does not heed
//! (`timeouts`, `retry`, …) are listed by [`route::unheeded`].

pub mod attach;
pub mod conditions;
pub mod filter;
pub mod matching;
#[cfg(test)]
mod matching_tests;
mod program;
mod proxy;
pub mod route;
pub mod split;
pub mod stats;
pub mod table;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use self::program::Delays;
use self::proxy::Proxy;
use self::stats::Stats;
use super::api::Api;
use super::http::{Owned, Server};

/// `spec.controllerName` of the GatewayClass that this gateway answers for.
pub const CONTROLLER_NAME: &str = "serinus.dev/stage-gateway";

/// How the gateway behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; 0 takes a free port.
    pub port: u16,
    /// Makes the draws of a run repeatable.
    pub seed: u64,
    /// From a changed route to a gateway that obeys it and says so. Envoy Gateway needs some tenths of a second,
    /// GKE about 8 s.
    pub route_delay: Duration,
    /// From changed endpoints to a gateway that uses them. Longer than `route_delay` on GKE (about 18 s), which is
    /// what makes promotions race: for a moment the stable version's Service still leads to the old pods.
    pub endpoint_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            route_delay: Duration::from_millis(150),
            endpoint_delay: Duration::ZERO,
        }
    }
}

/// The running gateway.
#[derive(Debug)]
pub struct Gateway {
    server: Server,
    proxy: Arc<Proxy>,
    _program: Owned,
}

impl Gateway {
    /// Listens, and follows the API until it is dropped.
    pub async fn start(api: &Api, config: &Config) -> io::Result<Self> {
        let proxy = Arc::new(Proxy::new(config.seed));
        let answering = Arc::clone(&proxy);
        let server = super::http::serve(config.port, move |request| {
            let proxy = Arc::clone(&answering);
            async move { proxy.answer(request).await }
        })
        .await?;
        let delays = Delays {
            routes: config.route_delay,
            endpoints: config.endpoint_delay,
        };
        let program = Owned::spawn(program::follow(api.clone(), Arc::clone(&proxy), delays));
        Ok(Self {
            server,
            proxy,
            _program: program,
        })
    }

    /// `http://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it counted.
    pub fn stats(&self) -> &Stats {
        &self.proxy.stats
    }
}
