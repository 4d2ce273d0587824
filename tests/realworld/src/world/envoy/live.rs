//! What Envoy works with, from its administration interface.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::world::LiveRoute;

/// Reads what `/config_dump?include_eds` says of an HTTPRoute. Envoy Gateway names the locality of each backend
/// `httproute/<namespace>/<route>/rule/<rule>/backend/<backend>` in whatever cluster it puts it, with the backend's
/// weight (`irDestinationSettingName` of its `internal/gatewayapi/helpers.go`), and Envoy's routes
/// `httproute/<namespace>/<route>/rule/<rule>/match/…`. Backends without weight or without pods have no locality.
///
/// # Errors
/// When the dump has another form than that of Envoy 1.39, or its rules are not those of the route.
pub(super) fn parse(dump: &Value, route: &Value) -> Result<LiveRoute> {
    let field = |name: &str| route["metadata"][name].as_str().unwrap_or_default();
    let prefix = format!("httproute/{}/{}/rule/", field("namespace"), field("name"));
    let rules = route["spec"]["rules"]
        .as_array()
        .context("a route without rules")?;
    let served: BTreeSet<usize> = named(dump, "name")
        .filter_map(|route| numbers(route["name"].as_str()?, &prefix, "match"))
        .map(|(rule, _)| rule)
        .collect();
    anyhow::ensure!(
        served == (0..rules.len()).collect(),
        "Envoy serves the rules {served:?} of {}",
        rules.len()
    );
    let mut live = LiveRoute::default();
    for locality in named(dump, "locality") {
        let region = locality["locality"]["region"].as_str().unwrap_or_default();
        let Some((rule, backend)) = numbers(region, &prefix, "backend") else {
            continue;
        };
        let rule = rules
            .get(rule)
            .context("Envoy still has endpoints of a former rule")?;
        let Some(service) = rule["backendRefs"][backend]["name"].as_str() else {
            continue;
        };
        let weight = locality["load_balancing_weight"].as_u64().unwrap_or_default();
        *live.weights.entry(service.to_owned()).or_default() += weight;
        let pods = locality["lb_endpoints"].as_array().into_iter().flatten();
        let addresses =
            pods.filter_map(|pod| pod["endpoint"]["address"]["socket_address"]["address"].as_str());
        live.pods
            .entry(service.to_owned())
            .or_default()
            .extend(addresses.map(str::to_owned));
    }
    Ok(live.without_idle())
}

/// `<prefix>3/<word>/1` as `(3, 1)`; what follows the second number may be anything that begins with a slash.
fn numbers(name: &str, prefix: &str, word: &str) -> Option<(usize, usize)> {
    let mut parts = name.strip_prefix(prefix)?.split('/');
    let first = parts.next()?.parse().ok()?;
    if parts.next()? != word {
        return None;
    }
    Some((first, parts.next()?.parse().ok()?))
}

/// Every object of the dump, at whatever depth, that has this field.
fn named<'a>(dump: &'a Value, field: &'a str) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    match dump {
        Value::Object(fields) => {
            let me = fields.contains_key(field).then_some(dump);
            Box::new(
                me.into_iter()
                    .chain(fields.values().flat_map(move |one| named(one, field))),
            )
        }
        Value::Array(items) => Box::new(items.iter().flat_map(move |one| named(one, field))),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn locality(region: &str, weight: u64, pods: &[&str]) -> Value {
        let pods: Vec<Value> = pods
            .iter()
            .map(|pod| json!({"endpoint": {"address": {"socket_address": {"address": pod, "port_value": 8080}}}}))
            .collect();
        json!({"locality": {"region": region}, "load_balancing_weight": weight, "lb_endpoints": pods})
    }

    fn dump() -> Value {
        json!({"configs": [
            {"dynamic_endpoint_configs": [
                {"endpoint_config": {"cluster_name": "httproute/a/shop/rule/1", "endpoints": [
                    locality("httproute/a/shop/rule/1/backend/0", 80, &["10.244.1.0"]),
                    locality("httproute/a/shop/rule/1/backend/1", 20, &["10.244.1.1", "10.244.1.2"]),
                ]}},
                {"endpoint_config": {"cluster_name": "httproute/a/shop/rule/0", "endpoints": [
                    locality("httproute/a/shop/rule/0/backend/0", 1, &["10.244.1.1"]),
                ]}},
                {"endpoint_config": {"cluster_name": "httproute/a/shopping/rule/0", "endpoints": [
                    locality("httproute/a/shopping/rule/0/backend/0", 7, &["10.244.1.9"]),
                ]}},
            ]},
            {"dynamic_route_configs": [{"route_config": {"virtual_hosts": [{"routes": [
                {"name": "httproute/a/shop/rule/0/match/0/shop_a_test"}, {"name": "httproute/a/shop/rule/1/match/0/shop_a_test"},
            ]}]}}]},
        ]})
    }

    fn route(rules: &Value) -> Value {
        json!({"metadata": {"namespace": "a", "name": "shop"}, "spec": {"rules": rules}})
    }

    #[test]
    fn localities_are_the_backends_of_the_routes_rules() {
        let (stable, canary) = (json!({"name": "stable"}), json!({"name": "canary"}));
        let rules = json!([{"backendRefs": [canary]}, {"backendRefs": [stable, canary]}]);
        let live = parse(&dump(), &route(&rules)).unwrap();
        assert_eq!(
            live.weights,
            [("stable".to_owned(), 80), ("canary".to_owned(), 21)].into()
        );
        let pods = |pods: &[&str]| pods.iter().map(|pod| (*pod).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(live.pods["stable"], pods(&["10.244.1.0"]));
        assert_eq!(live.pods["canary"], pods(&["10.244.1.1", "10.244.1.2"]));
    }

    #[test]
    fn a_rule_that_envoy_has_not_yet_or_still_has_is_told() {
        let error = parse(&dump(), &route(&json!([{"backendRefs": []}]))).unwrap_err();
        assert_eq!(error.to_string(), "Envoy serves the rules {0, 1} of 1");
        let mut dump = dump();
        dump["configs"][1]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"][0]["routes"] =
            json!([{"name": "httproute/a/shop/rule/0/match/0/shop_a_test"}]);
        let error = parse(&dump, &route(&json!([{"backendRefs": []}]))).unwrap_err();
        assert!(error.to_string().contains("a former rule"), "{error}");
    }
}
