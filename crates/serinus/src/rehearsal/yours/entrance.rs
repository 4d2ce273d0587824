//! What the load asks for. Pure.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::{ScriptError, Wishes, list, parents, served};
use crate::stage::api::defaults;
use crate::stage::api::resource::find;
use crate::stage::gateway::matching::Head;
use crate::stage::gateway::table::{Table, Verdict};
use crate::stage::release::spec::Spec;

/// A plain GET that the rule serves which splits between the Rollout's Services, and no other: path and host.
pub(super) fn entrance(
    objects: &[Value],
    spec: &Spec,
    wishes: &Wishes,
) -> Result<(String, String), ScriptError> {
    let resource = find("gateway.networking.k8s.io", "httproutes").expect("the stage serves HTTPRoutes");
    let routes: Vec<Value> = objects
        .iter()
        .filter(|o| o["kind"] == "HTTPRoute")
        .map(|route| {
            let mut filled = route.clone();
            defaults::fill(resource, &mut filled);
            filled
        })
        .collect();
    let attached: Vec<Result<Value, String>> = routes.iter().map(|route| served(objects, route)).collect();
    let taken: Vec<Value> = attached.iter().filter_map(|route| route.clone().ok()).collect();
    let (table, verdicts) = Table::compile(&taken, &|_, target| Ok(target.name.clone()));
    let mut missed = None;
    for (route, attached) in routes.iter().zip(&attached) {
        let meta = |field: &str| route["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (meta("namespace"), meta("name"));
        for (index, rule) in list(&route["spec"], "rules").iter().enumerate() {
            let serves = |service: &str| list(rule, "backendRefs").iter().any(|b| b["name"] == service);
            if !serves(&spec.canary_service) || !serves(&spec.stable_service) {
                continue;
            }
            if parents(route).next().is_none() {
                return Err(ScriptError::NoGateway(name));
            }
            let refused = |problem| ScriptError::Refused(format!("{namespace}/{name}"), problem);
            let attached = attached.as_ref().map_err(|problem| refused(problem.clone()))?;
            let of_route = |v: &&Verdict| (&v.namespace, &v.name) == (&namespace, &name);
            let accepted = match verdicts.iter().find(of_route) {
                Some(verdict) => verdict.accepted.clone().map_err(|(_, message)| message),
                None => Err("a field is of another type than the Gateway API's".to_owned()),
            };
            accepted.map_err(refused)?;
            for (path, host) in requests(attached, rule, wishes) {
                let server = server(&table, &path, &host);
                if server == Some((format!("{namespace}/{name}"), index)) {
                    return Ok((path, host));
                }
                missed.get_or_insert_with(|| ScriptError::Elsewhere {
                    rule: format!("HTTPRoute {namespace}/{name}: spec.rules[{index}]"),
                    request: format!("{host}{path}"),
                    server: server.map_or("no rule".to_owned(), |(route, index)| {
                        format!("spec.rules[{index}] of HTTPRoute {route}")
                    }),
                });
            }
        }
    }
    Err(missed.unwrap_or(ScriptError::NoRoute(spec.canary_service.clone())))
}

/// Plain requests that a rule may serve, the plainest first: path and host, as wished or as it matches.
fn requests(route: &Value, rule: &Value, wishes: &Wishes) -> Vec<(String, String)> {
    let hosts: Vec<String> = match &wishes.host {
        Some(host) => vec![host.clone()],
        None => list(&route["spec"], "hostnames")
            .iter()
            .filter_map(Value::as_str)
            .map(|host| host.replace('*', "any"))
            .collect(),
    };
    let any = [String::new()];
    let hosts = if hosts.is_empty() { &any[..] } else { &hosts };
    let mut paths = Vec::new();
    let plain = |one: &&Value| {
        list(one, "headers").is_empty()
            && list(one, "queryParams").is_empty()
            && one["method"].as_str().is_none_or(|m| m == "GET")
    };
    match &wishes.path {
        Some(path) => paths.push(path.clone()),
        None => {
            for one in list(rule, "matches").iter().filter(plain) {
                let value = one["path"]["value"].as_str().unwrap_or("/");
                match one["path"]["type"].as_str() {
                    Some("Exact") => paths.push(value.to_owned()),
                    // Another rule may take the prefix itself, or what is right below it.
                    Some("PathPrefix") => {
                        let prefix = value.trim_end_matches('/');
                        let whole = if value.is_empty() { "/" } else { value };
                        paths.extend([
                            whole.to_owned(),
                            format!("{prefix}/"),
                            format!("{prefix}/serinus"),
                        ]);
                    }
                    _ => {}
                }
            }
        }
    }
    let pairs = paths
        .iter()
        .flat_map(|path| hosts.iter().map(move |host| (path.clone(), host.clone())));
    pairs.collect()
}

/// Which rule of which route serves a GET.
fn server(table: &Table, path: &str, host: &str) -> Option<(String, usize)> {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let rule = table.find(&Head {
        method: &Method::GET,
        uri: &path.parse().ok()?,
        headers: &HeaderMap::new(),
        host: if host.is_empty() { "127.0.0.1" } else { host },
    })?;
    Some((rule.route.clone(), rule.index))
}
