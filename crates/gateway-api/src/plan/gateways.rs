//! What is known of gateways that their reports do not tell.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Problem, view};
use crate::config::SessionAffinity;

/// How a gateway stands to sticky releases.
enum Affinity {
    /// It sets cookies by a filter on a backendRef, and matches them by regular expressions.
    Works,
    /// It does not, and does this instead.
    Fails(&'static str),
}

/// Gateways by `controllerName`. There is no conformance feature for either thing that cookies need, so these are what
/// was tried and what vendors write.
const KNOWN: [(&str, Affinity); 5] = [
    // Tried: Envoy Gateway 1.9 with Envoy 1.40.
    ("gateway.envoyproxy.io/gatewayclass-controller", Affinity::Works),
    // The stage of `serinus`.
    ("serinus.dev/stage-gateway", Affinity::Works),
    // Tried: Traefik 3.6 says Accepted=True and ResolvedRefs=True all the same.
    (
        "traefik.io/gateway-controller",
        Affinity::Fails("accepts filters on backendRefs and ignores them, so no cookie would be set"),
    ),
    (
        "alb.networking.azure.io/alb-controller",
        Affinity::Fails(
            "takes a regular expression on a header for any value, so everybody would stay on the canary",
        ),
    ),
    (
        "networking.gke.io/gateway",
        Affinity::Fails("does not match headers by regular expressions, so no cookie would be found"),
    ),
];

/// Refuses gateways that are known not to keep users where they are, and answers those that nobody knows. Which gateways
/// serve a route its status tells; one that was never served has none.
pub(super) fn check_affinity(route: &Value, cookie: &SessionAffinity) -> Result<Vec<String>, Problem> {
    let reports = route
        .get("status")
        .map_or(&[][..], |status| view::list(status, "parents"));
    let controllers = reports
        .iter()
        .filter_map(|report| report["controllerName"].as_str());
    let mut unknown = Vec::new();
    for controller in controllers.collect::<BTreeSet<_>>() {
        if cookie
            .trusted_controllers
            .iter()
            .any(|trusted| trusted == controller)
        {
            continue;
        }
        match KNOWN.iter().find(|(name, _)| *name == controller) {
            Some((_, Affinity::Works)) => {}
            Some((_, Affinity::Fails(reason))) => {
                return Err(Problem::NoAffinity {
                    controller: controller.to_owned(),
                    reason,
                });
            }
            None => unknown.push(controller.to_owned()),
        }
    }
    Ok(unknown)
}
