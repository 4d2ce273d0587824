//! What the gateways of a route can do, asked of their classes. It is asked only where a managed route or a sticky release
//! needs to know; where nobody may be asked, nothing is known, and nothing is refused.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::apply::{ApiError, Applier};
use crate::plan::Features;
use crate::{GROUP, RouteKey};

/// How long an answer holds: classes change with an upgrade of the gateway.
const FRESH: Duration = Duration::from_secs(600);
/// The same for an answer that is missing for now.
const PASSING: Duration = Duration::from_secs(30);
/// Number of routes from which on old answers are dropped.
const MANY: usize = 1024;

/// The answers, by route.
#[derive(Default)]
pub(super) struct KnownFeatures {
    /// Until when they hold.
    routes: Mutex<HashMap<RouteKey, (Instant, Arc<Features>)>>,
}

impl KnownFeatures {
    /// The features of the gateways of a route.
    pub(super) async fn of(&self, applier: &Applier, key: &RouteKey, deadline: Instant) -> Arc<Features> {
        let now = Instant::now();
        let known = self
            .routes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned();
        if let Some((_, features)) = known.filter(|(until, _)| now < *until) {
            return features;
        }
        let Ok((features, is_whole)) = timeout_at(deadline, ask(applier, key)).await else {
            return Arc::default();
        };
        let mut features = Arc::new(features);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= MANY {
            routes.retain(|_, (until, _)| now < *until);
        }
        let until = now + if is_whole { FRESH } else { PASSING };
        // What was known is better than what cannot be found out for now.
        if let (false, Some((_, known))) = (is_whole, routes.get(key)) {
            features = Arc::clone(known);
        } else if !is_whole {
            return features;
        }
        routes.insert(key.clone(), (until, Arc::clone(&features)));
        features
    }
}

/// The features, and whether the answers are there to stay.
async fn ask(applier: &Applier, key: &RouteKey) -> (Features, bool) {
    let (mut features, mut is_whole) = (Features::default(), true);
    let Ok(route) = applier.route(key).await else {
        return (features, false);
    };
    let mut unknown = |name: &str, error: ApiError| {
        is_whole &= !error.is_passing();
        tracing::debug!(name, %error, "what it can do is not known");
    };
    let mut classes = BTreeSet::new();
    for (namespace, name) in gateways(&route, key) {
        let path = format!("/apis/{GROUP}/v1/namespaces/{namespace}/gateways/{name}");
        match applier.api().get(path).await {
            Ok(gateway) => classes.extend(gateway["spec"]["gatewayClassName"].as_str().map(str::to_owned)),
            Err(error) => unknown(&name, error),
        }
    }
    for class in classes {
        match applier
            .api()
            .get(format!("/apis/{GROUP}/v1/gatewayclasses/{class}"))
            .await
        {
            Ok(found) => features.add(&found),
            Err(error) => unknown(&class, error),
        }
    }
    (features, is_whole)
}

/// Namespace and name of the Gateways among the parents of a route.
fn gateways(route: &Value, key: &RouteKey) -> BTreeSet<(String, String)> {
    let parents = route["spec"]["parentRefs"].as_array().into_iter().flatten();
    let is_gateway = |parent: &&Value| {
        parent["group"].as_str().is_none_or(|group| group == GROUP)
            && parent["kind"].as_str().is_none_or(|kind| kind == "Gateway")
    };
    let gateways = parents.filter(is_gateway).filter_map(|parent| {
        let namespace = parent["namespace"].as_str().unwrap_or(&key.namespace);
        Some((namespace.to_owned(), parent["name"].as_str()?.to_owned()))
    });
    gateways.collect()
}
