//! What a sidecar works with, from its administration interface.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::world::LiveRoute;

/// Reads what `/config_dump?include_eds` says of an HTTPRoute whose rules have one match each.
///
/// Istio makes one of Envoy's routes of each match, in the order of the rules, in the virtual host of the Service that
/// the route names as its parent. Their clusters are called `outbound|<port>||<service>.<namespace>.svc.cluster.local`
/// (`BuildSubsetKey` of its `pilot/pkg/model/push_context.go`), and those of weight 0 are left out. A single one has no
/// weight in Envoy; it gets all, so it counts with what the route's rule gives it.
///
/// # Errors
/// When the dump has another form than that of Envoy 1.39, or its routes are not the rules of the HTTPRoute.
pub(super) fn parse(dump: &Value, route: &Value) -> Result<LiveRoute> {
    let namespace = route["metadata"]["namespace"].as_str().unwrap_or_default();
    let parent = &route["spec"]["parentRefs"][0];
    let (service, port) = (parent["name"].as_str().unwrap_or_default(), &parent["port"]);
    let rules = route["spec"]["rules"]
        .as_array()
        .context("a route without rules")?;
    let host = format!("{service}.{namespace}.svc.cluster.local:{port}");
    let hosts = sections(dump, "dynamic_route_configs")
        .flat_map(|config| list(&config["route_config"]["virtual_hosts"]));
    let routes = hosts
        .filter(|one| one["name"] == *host)
        .flat_map(|one| list(&one["routes"]))
        .collect::<Vec<_>>();
    ensure!(
        routes.len() == rules.len(),
        "the sidecar has {} routes of {} rules",
        routes.len(),
        rules.len()
    );
    let mut live = LiveRoute::default();
    for (rule, route) in rules.iter().zip(routes) {
        let action = &route["route"];
        let weighted = list(&action["weighted_clusters"]["clusters"])
            .map(|cluster| (&cluster["name"], cluster["weight"].as_u64().unwrap_or_default()));
        let single = action.get("cluster").map(|cluster| {
            let service = cluster.as_str().and_then(|name| service_of(name, namespace));
            (cluster, service.map_or(0, |service| weight(rule, service)))
        });
        for (cluster, weight) in weighted.chain(single) {
            let cluster = cluster.as_str().context("a cluster without a name")?;
            let service =
                service_of(cluster, namespace).with_context(|| format!("the sidecar sends to {cluster}"))?;
            *live.weights.entry(service.to_owned()).or_default() += weight;
            live.pods.insert(service.to_owned(), pods(dump, cluster));
        }
    }
    Ok(live.without_idle())
}

/// The Service of a cluster.
fn service_of<'a>(cluster: &'a str, namespace: &str) -> Option<&'a str> {
    let (_, host) = cluster.split_once("||")?;
    host.strip_suffix(&format!(".{namespace}.svc.cluster.local"))
}

/// What a rule gives to a Service.
fn weight(rule: &Value, service: &str) -> u64 {
    list(&rule["backendRefs"])
        .filter(|backend| backend["name"] == *service)
        .map(|backend| backend["weight"].as_u64().unwrap_or(1))
        .sum()
}

/// The pods that get new requests.
fn pods(dump: &Value, cluster: &str) -> BTreeSet<String> {
    let endpoints = sections(dump, "dynamic_endpoint_configs")
        .map(|config| &config["endpoint_config"])
        .filter(|config| config["cluster_name"] == *cluster)
        .flat_map(|config| list(&config["endpoints"]))
        .flat_map(|locality| list(&locality["lb_endpoints"]));
    let healthy = endpoints.filter(|one| one["health_status"] == "HEALTHY");
    let addresses =
        healthy.filter_map(|one| one["endpoint"]["address"]["socket_address"]["address"].as_str());
    addresses.map(str::to_owned).collect()
}

/// The entries of a section, whatever part of the dump it is in.
fn sections<'a>(dump: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    list(&dump["configs"]).flat_map(move |part| list(&part[name]))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dump() -> Value {
        let cluster = |name: &str| format!("outbound|80||{name}.a.svc.cluster.local");
        let endpoints = |name: &str, pods: &[(&str, &str)]| {
            let pods: Vec<Value> = pods
                .iter()
                .map(|(pod, health)| {
                    json!({"endpoint": {"address": {"socket_address": {"address": pod, "port_value": 8080}}},
                        "health_status": health})
                })
                .collect();
            json!({"endpoint_config": {"cluster_name": cluster(name), "endpoints": [{"lb_endpoints": pods}]}})
        };
        json!({"configs": [
            {"dynamic_endpoint_configs": [
                endpoints("stable", &[("10.244.1.0", "HEALTHY"), ("10.244.1.3", "DRAINING")]),
                endpoints("canary", &[("10.244.1.1", "HEALTHY"), ("10.244.1.2", "HEALTHY")]),
                endpoints("idle", &[("10.244.1.9", "HEALTHY")]),
            ]},
            {"dynamic_route_configs": [{"route_config": {"name": "80", "virtual_hosts": [
                {"name": "other.a.svc.cluster.local:80", "routes": [{"route": {"cluster": cluster("other")}}]},
                {"name": "shop.a.svc.cluster.local:80", "routes": [
                    {"name": "dark", "route": {"cluster": cluster("canary")}},
                    {"name": "shop.a.1", "route": {"weighted_clusters": {"clusters": [
                        {"name": cluster("stable"), "weight": 80}, {"name": cluster("canary"), "weight": 20}]}}},
                ]},
            ]}}]},
        ]})
    }

    fn route(rules: &Value) -> Value {
        json!({"metadata": {"namespace": "a", "name": "shop"}, "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "shop", "port": 80}], "rules": rules}})
    }

    #[test]
    fn clusters_are_the_backends_of_the_routes_rules() {
        let rules = json!([{"backendRefs": [{"name": "canary", "weight": 1}]}, {"backendRefs": []}]);
        let live = parse(&dump(), &route(&rules)).unwrap();
        assert_eq!(
            live.weights,
            [("stable".to_owned(), 80), ("canary".to_owned(), 21)].into()
        );
        let pods = |pods: &[&str]| pods.iter().map(|pod| (*pod).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(live.pods["stable"], pods(&["10.244.1.0"]));
        assert_eq!(live.pods["canary"], pods(&["10.244.1.1", "10.244.1.2"]));
        assert_eq!(live.pods.len(), 2);
    }

    #[test]
    fn a_rule_that_the_sidecar_has_not_yet_or_still_has_is_told() {
        let error = parse(&dump(), &route(&json!([{"backendRefs": []}]))).unwrap_err();
        assert_eq!(error.to_string(), "the sidecar has 2 routes of 1 rules");
    }
}
