//! What an Envoy works with, from its administration interface; and how to read it where the control plane makes one of
//! Envoy's routes of each match, with a cluster for each Service.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::LiveRoute;
use crate::traffic;

/// The dump of an Envoy whose administration interface is there, with endpoints, as JSON.
///
/// # Errors
/// When it does not answer.
pub(super) async fn fetch(administration: &str) -> Result<String> {
    let (status, body) = traffic::fetch(&format!("http://{administration}/config_dump?include_eds")).await?;
    ensure!(status == 200, "Envoy's administration interface: {status} {body}");
    Ok(body)
}

/// How a control plane names things.
pub(super) trait Names {
    /// The name of the virtual host that serves the route.
    fn virtual_host(&self) -> String;
    /// The Service of a cluster.
    fn service<'c>(&self, cluster: &'c str) -> Option<&'c str>;
    /// Whether a cluster's endpoints have this name.
    fn has_endpoints(&self, cluster: &str, name: &str) -> bool;
}

/// Reads what the dump says of an HTTPRoute whose rules have one match each. A single cluster has no weight in Envoy; it
/// gets all, so it counts with what a rule that sends to it alone gives it.
///
/// # Errors
/// When the dump has another form than that of Envoy 1.39, or its routes are not the rules of the HTTPRoute.
pub(super) fn parse(dump: &Value, route: &Value, names: &impl Names) -> Result<LiveRoute> {
    let mut rules = route["spec"]["rules"]
        .as_array()
        .context("a route without rules")?
        .iter()
        .collect::<Vec<_>>();
    let host = names.virtual_host();
    let hosts = sections(dump, "dynamic_route_configs")
        .flat_map(|config| list(&config["route_config"]["virtual_hosts"]));
    let routes = hosts
        .filter(|one| one["name"] == *host)
        .flat_map(|one| list(&one["routes"]))
        .collect::<Vec<_>>();
    ensure!(
        routes.len() == rules.len(),
        "Envoy has {} routes of {} rules",
        routes.len(),
        rules.len()
    );
    let mut live = LiveRoute::default();
    let mut add = |cluster: &Value, weight: &mut dyn FnMut(&str) -> u64| -> Result<()> {
        let cluster = cluster.as_str().context("a cluster without a name")?;
        let service = names
            .service(cluster)
            .with_context(|| format!("Envoy sends to {cluster}"))?;
        *live.weights.entry(service.to_owned()).or_default() += weight(service);
        let pods = pods(dump, |name| names.has_endpoints(cluster, name));
        live.pods.insert(service.to_owned(), pods);
        Ok(())
    };
    for action in routes.into_iter().map(|route| &route["route"]) {
        for cluster in list(&action["weighted_clusters"]["clusters"]) {
            add(&cluster["name"], &mut |_| {
                cluster["weight"].as_u64().unwrap_or_default()
            })?;
        }
        if let Some(cluster) = action.get("cluster") {
            add(cluster, &mut |service| take_sole(&mut rules, service))?;
        }
    }
    Ok(live.without_idle())
}

/// The weight of a Service in a rule that sends to nothing else, which is not to be counted again; 0 if there is none.
fn take_sole(rules: &mut Vec<&Value>, service: &str) -> u64 {
    let sole = |rule: &Value| {
        let mut weighted = list(&rule["backendRefs"]).filter(|backend| weight(backend) > 0);
        let first = weighted.next().filter(|backend| backend["name"] == *service)?;
        weighted.next().is_none().then(|| weight(first))
    };
    let found = rules
        .iter()
        .enumerate()
        .find_map(|(at, rule)| Some((at, sole(rule)?)));
    found.map_or(0, |(at, weight)| {
        rules.remove(at);
        weight
    })
}

fn weight(backend: &Value) -> u64 {
    backend["weight"].as_u64().unwrap_or(1)
}

/// The pods that get new requests.
fn pods(dump: &Value, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let endpoints = sections(dump, "dynamic_endpoint_configs")
        .map(|config| &config["endpoint_config"])
        .filter(|config| config["cluster_name"].as_str().is_some_and(&is_wanted))
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

    struct Plain;

    impl Names for Plain {
        fn virtual_host(&self) -> String {
            "shop".to_owned()
        }
        fn service<'c>(&self, cluster: &'c str) -> Option<&'c str> {
            cluster.strip_prefix("to-")
        }
        fn has_endpoints(&self, cluster: &str, name: &str) -> bool {
            name == format!("pods {cluster}")
        }
    }

    fn dump() -> Value {
        let endpoints = |name: &str, pods: &[(&str, &str)]| {
            let pods: Vec<Value> = pods
                .iter()
                .map(|(pod, health)| {
                    json!({"endpoint": {"address": {"socket_address": {"address": pod, "port_value": 8080}}},
                        "health_status": health})
                })
                .collect();
            json!({"endpoint_config": {"cluster_name": format!("pods to-{name}"), "endpoints": [{"lb_endpoints": pods}]}})
        };
        json!({"configs": [
            {"dynamic_endpoint_configs": [
                endpoints("stable", &[("10.244.1.0", "HEALTHY"), ("10.244.1.3", "DRAINING")]),
                endpoints("canary", &[("10.244.1.1", "HEALTHY"), ("10.244.1.2", "HEALTHY")]),
                endpoints("idle", &[("10.244.1.9", "HEALTHY")]),
            ]},
            {"dynamic_route_configs": [{"route_config": {"virtual_hosts": [
                {"name": "other", "routes": [{"route": {"cluster": "to-other"}}]},
                {"name": "shop", "routes": [
                    {"name": "dark", "route": {"cluster": "to-canary"}},
                    {"name": "all", "route": {"weighted_clusters": {"clusters": [
                        {"name": "to-stable", "weight": 80}, {"name": "to-canary", "weight": 20}]}}},
                ]},
            ]}}]},
        ]})
    }

    fn route(rules: &Value) -> Value {
        json!({"metadata": {"namespace": "a", "name": "shop"}, "spec": {"rules": rules}})
    }

    #[test]
    fn clusters_are_the_backends_of_the_routes_rules() {
        let (stable, canary) = (json!({"name": "stable"}), json!({"name": "canary", "weight": 3}));
        // In whatever order Envoy has them.
        let rules = json!([{"backendRefs": [stable, canary]}, {"backendRefs": [canary]}]);
        let live = parse(&dump(), &route(&rules), &Plain).unwrap();
        assert_eq!(
            live.weights,
            [("stable".to_owned(), 80), ("canary".to_owned(), 23)].into()
        );
        let pods = |pods: &[&str]| pods.iter().map(|pod| (*pod).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(live.pods["stable"], pods(&["10.244.1.0"]));
        assert_eq!(live.pods["canary"], pods(&["10.244.1.1", "10.244.1.2"]));
        assert_eq!(live.pods.len(), 2);
    }

    #[test]
    fn a_single_cluster_that_no_rule_sends_to_alone_counts_for_nothing() {
        let both = json!({"backendRefs": [{"name": "stable", "weight": 1}, {"name": "canary", "weight": 1}]});
        let live = parse(&dump(), &route(&json!([both, both])), &Plain).unwrap();
        assert_eq!(live.weights["canary"], 20);
    }

    #[test]
    fn a_rule_that_envoy_has_not_yet_or_still_has_is_told() {
        let error = parse(&dump(), &route(&json!([{"backendRefs": []}])), &Plain).unwrap_err();
        assert_eq!(error.to_string(), "Envoy has 2 routes of 1 rules");
    }
}
