//! What is known of gateways that their reports do not tell.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Problem, view};
use crate::config::SessionAffinity;

/// Gateways that are known to set cookies by a filter on a backendRef and to match them by expressions. There is no
/// conformance feature for either, so these were tried.
const STICKY: [&str; 4] = [
    // Envoy Gateway 1.9 with Envoy 1.39.
    "gateway.envoyproxy.io/gatewayclass-controller",
    // Contour 1.33 with Envoy 1.39.
    "projectcontour.io/gateway-controller",
    // Istio 1.31's mesh with a sidecar of Envoy 1.39; its gateways are made of the same.
    "istio.io/gateway-controller",
    // The stage of `serinus`.
    "serinus.dev/stage-gateway",
];

/// Gateways that do not apply a filter on a backendRef: the first was tried, the others were read in their sources.
const NO_BACKEND_FILTERS: [(&str, &str); 7] = [
    // Traefik 3.6 says Accepted=True and ResolvedRefs=True all the same. 3.7 has them (its `httproute.go` `loadService`).
    (
        "traefik.io/gateway-controller",
        "ignores filters on backendRefs before version 3.7, so no cookie would be set; with 3.7 name it in trustedControllers",
    ),
    // 2.6: `internal/controller/state/graph/backend_refs.go` `validateRouteBackendRef`.
    (
        "gateway.nginx.org/nginx-gateway-controller",
        "answers 500 for a backendRef with a filter",
    ),
    // 2.2: `internal/adc/translator/httproute.go`.
    ("apisix.apache.org/apisix-ingress-controller", IGNORES),
    // 1.21: `projects/gateway2/translator/httproute/gateway_http_route_translator.go` `setRouteAction`.
    ("solo.io/gloo-gateway", IGNORES),
    // 3.5: `pkg/gateway/routeutils/http.go`.
    ("gateway.k8s.aws/alb", IGNORES),
    // 2.1: `pkg/gateway/model_build_rule.go`; it does not match headers by regular expressions either.
    ("application-networking.k8s.aws/gateway-api-controller", IGNORES),
    // 2.14: `controllers/gatewayapi/http_route_conversion.go` `gapiToKumaMeshRule`.
    ("gateways.kuma.io/controller", IGNORES),
];

const IGNORES: &str = "ignores filters on backendRefs, so no cookie would be set";

/// Gateways that do not match headers by regular expressions, as their vendors write or their sources say.
const NO_EXPRESSIONS: [(&str, &str); 3] = [
    (
        "application-networking.k8s.aws/gateway-api-controller",
        "takes no route with a regular expression on a header",
    ),
    (
        "alb.networking.azure.io/alb-controller",
        "takes a regular expression on a header for any value",
    ),
    (
        "networking.gke.io/gateway",
        "does not match headers by regular expressions",
    ),
];

/// Refuses rules with a regular expression on a header that the user's rules do not have, where a gateway does not take
/// one.
pub(super) fn check_expressions(route: &Value, rules: &[Value], sources: &[&Value]) -> Result<(), Problem> {
    let is_expression = |header: &Value| header["type"] == "RegularExpression";
    let has = |rule: &Value| {
        view::list(rule, "matches")
            .iter()
            .any(|one| view::list(one, "headers").iter().any(is_expression))
    };
    if sources.iter().any(|source| has(source)) || !rules.iter().any(has) {
        return Ok(());
    }
    let known = controllers(route)
        .into_iter()
        .find_map(|controller| NO_EXPRESSIONS.iter().find(|(name, _)| *name == controller));
    match known {
        None => Ok(()),
        Some((controller, reason)) => Err(Problem::NoExpressions {
            controller: (*controller).to_owned(),
            reason,
        }),
    }
}

/// Which gateways serve a route its status tells; one that was never served has none.
fn controllers(route: &Value) -> BTreeSet<&str> {
    let reports = route
        .get("status")
        .map_or(&[][..], |status| view::list(status, "parents"));
    reports
        .iter()
        .filter_map(|report| report["controllerName"].as_str())
        .collect()
}

/// Refuses gateways that are known not to keep users where they are, and answers those that nobody knows.
pub(super) fn check_affinity(route: &Value, cookie: &SessionAffinity) -> Result<Vec<String>, Problem> {
    let mut unknown = Vec::new();
    for controller in controllers(route) {
        if STICKY.contains(&controller)
            || cookie
                .trusted_controllers
                .iter()
                .any(|trusted| trusted == controller)
        {
            continue;
        }
        let mut failing = NO_BACKEND_FILTERS.iter().chain(&NO_EXPRESSIONS);
        match failing.find(|(name, _)| *name == controller) {
            Some((_, reason)) => {
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

/// What a gateway reports of backends it does not find, in its own words, for the route as it is now.
pub(super) fn unresolved(route: &Value) -> Option<String> {
    let reports = route
        .get("status")
        .map_or(&[][..], |status| view::list(status, "parents"));
    let generation = route.pointer("/metadata/generation").and_then(Value::as_i64);
    reports.iter().find_map(|report| {
        let condition = view::list(report, "conditions")
            .iter()
            .find(|condition| condition["type"] == "ResolvedRefs")?;
        let is_present = condition["observedGeneration"].as_i64() >= generation;
        (condition["status"] == "False" && is_present).then(|| {
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            let controller = report["controllerName"].as_str().unwrap_or_default();
            let message: String = text("message").chars().take(300).collect();
            format!(
                "{controller:?} reports ResolvedRefs=False ({}): {message}",
                text("reason")
            )
        })
    })
}
