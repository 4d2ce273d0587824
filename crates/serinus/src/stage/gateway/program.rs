//! The gateway's controller: it follows the API and programs the proxy.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::CONTROLLER_NAME;
use super::attach::{Attachment, attach, union};
use super::conditions;
use super::proxy::{Endpoint, Endpoints, Proxy};
use super::route::ObjectRef;
use super::table::Table;
use crate::stage::api::resource::{Resource, find};
use crate::stage::api::store::{Change, Part, rfc3339};
use crate::stage::api::{Api, resource};

const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// Follows the API: `delays` after a change the proxy obeys it, routes and endpoints each with their own delay. What
/// becomes due first is programmed first, however late this task comes to it; endpoints go before routes.
pub(super) async fn follow(api: Api, proxy: Arc<Proxy>, delays: Delays) {
    let mut revisions = api.revisions();
    let mut seen = *revisions.borrow_and_update();
    program_endpoints(&api, &proxy);
    program_routes(&api, &proxy);
    let (mut endpoints_due, mut routes_due) = (None, None);
    loop {
        revisions.borrow_and_update();
        let now = Instant::now();
        let (endpoints, routes) = match api.changes_since(seen) {
            Ok(changes) => {
                seen = changes.last().map_or(seen, |change| change.revision);
                (
                    changes.iter().any(concerns_endpoints),
                    changes.iter().any(concerns_routes),
                )
            }
            // So many changes that some are forgotten: both, and on from here.
            Err(_) => {
                seen = *revisions.borrow();
                (true, true)
            }
        };
        if endpoints {
            endpoints_due.get_or_insert(now + delays.endpoints);
        }
        if routes {
            routes_due.get_or_insert(now + delays.routes);
        }
        let next = [endpoints_due, routes_due].into_iter().flatten().min();
        match next {
            Some(due) if due <= now && endpoints_due == Some(due) => {
                endpoints_due = None;
                program_endpoints(&api, &proxy);
            }
            Some(due) if due <= now => {
                routes_due = None;
                program_routes(&api, &proxy);
            }
            Some(due) => {
                tokio::select! {
                    changed = revisions.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep_until(due) => {}
                }
            }
            None => {
                if revisions.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// From a change to a proxy that obeys it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delays {
    pub(super) routes: Duration,
    pub(super) endpoints: Duration,
}

fn concerns_routes(change: &Change) -> bool {
    let (plural, group) = change.key.kind.split_once('.').unwrap_or((&change.key.kind, ""));
    // A status that was written, by us or another controller, changes nothing for the proxy.
    let generation = |object: &Value| object["metadata"]["generation"].as_u64();
    let only_status = change.before.as_ref().is_some_and(|before| {
        generation(before).is_some() && generation(before) == generation(&change.object)
    });
    let ours = ["httproutes", "gateways", "gatewayclasses", "referencegrants"];
    (["services", "namespaces"].contains(&plural) && group.is_empty())
        || (group == GATEWAY_GROUP && ours.contains(&plural) && !only_status)
}

fn concerns_endpoints(change: &Change) -> bool {
    change.key.kind == "endpointslices.discovery.k8s.io"
}

/// Obeys the routes as they are, then tells in their status what became of them.
fn program_routes(api: &Api, proxy: &Proxy) {
    let httproutes = find(GATEWAY_GROUP, "httproutes").expect("the stage serves HTTPRoutes");
    let (mut served, mut refused) = (Vec::new(), Vec::new());
    for route in api.list(httproutes) {
        let route = Attached::new(api, route);
        match route.served() {
            _ if route.parents.is_empty() => {}
            Some(as_served) => served.push((as_served, route)),
            None => refused.push((route.route.clone(), route)),
        }
    }
    let compile = |routes: &[(Value, Attached)]| {
        let routes: Vec<Value> = routes.iter().map(|(route, _)| route.clone()).collect();
        Table::compile(&routes, &|namespace, target| resolve(api, namespace, target))
    };
    let (table, mut verdicts) = compile(&served);
    *proxy.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    verdicts.extend(compile(&refused).1);

    let now = rfc3339(Timestamp::now());
    for verdict in verdicts {
        let (namespace, name) = (&verdict.namespace, &verdict.name);
        let of_verdict = |(route, _): &&(Value, Attached)| {
            route["metadata"]["name"] == **name && route["metadata"]["namespace"] == **namespace
        };
        let Some((_, attached)) = served.iter().chain(&refused).find(of_verdict) else {
            continue;
        };
        let written = api.update(httproutes, namespace, name, Part::Status, |route| {
            route["status"]["parents"] = conditions::parents(route, &attached.parents, &verdict, &now).into();
        });
        if let Err(error) = written {
            tracing::debug!(%error, "the route is gone before its status was written");
        }
    }
}

fn program_endpoints(api: &Api, proxy: &Proxy) {
    let slices = find("discovery.k8s.io", "endpointslices").expect("the stage serves EndpointSlices");
    let mut all = Endpoints::new();
    for slice in api.list(slices) {
        if let Some((service, endpoint)) = endpoint_of(&slice) {
            all.entry(service).or_default().push(endpoint);
        }
    }
    *proxy.endpoints.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
}

/// A route with its parentRefs that are Gateways of ours, and what these say to it.
struct Attached {
    route: Value,
    parents: Vec<(Value, Attachment)>,
}

impl Attached {
    fn new(api: &Api, route: Value) -> Self {
        let own = route["metadata"]["namespace"].as_str().unwrap_or_default();
        let refs = route.pointer("/spec/parentRefs").and_then(Value::as_array);
        let mut parents = Vec::new();
        for parent in refs.into_iter().flatten() {
            let text = |field: &str| parent[field].as_str();
            let is_gateway = text("group").unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
                && text("kind").unwrap_or("Gateway") == "Gateway";
            let (namespace, name) = (text("namespace").unwrap_or(own), text("name").unwrap_or_default());
            if let Some(gateway) = our_gateway(api, namespace, name).filter(|_| is_gateway) {
                let attachment = attach(&gateway, &route, parent, &|name| labels(api, name));
                parents.push((parent.clone(), attachment));
            }
        }
        Self { route, parents }
    }

    /// The route with the hosts under which it is served; `None` if no parent takes it.
    fn served(&self) -> Option<Value> {
        let taken = self
            .parents
            .iter()
            .filter_map(|(_, attachment)| attachment.clone().ok());
        let hosts: Vec<Vec<String>> = taken.collect();
        if hosts.is_empty() {
            return None;
        }
        let mut served = self.route.clone();
        served["spec"]["hostnames"] = union(hosts).into();
        Some(served)
    }
}

fn our_gateway(api: &Api, namespace: &str, name: &str) -> Option<Value> {
    let known = |plural| find(GATEWAY_GROUP, plural).expect("the stage serves gateways");
    let gateway = api.get(known("gateways"), namespace, name).ok()?;
    let class = gateway.pointer("/spec/gatewayClassName")?.as_str()?;
    let class = api.get(known("gatewayclasses"), "", class).ok()?;
    (class["spec"]["controllerName"] == CONTROLLER_NAME).then_some(gateway)
}

fn labels(api: &Api, namespace: &str) -> Option<Value> {
    let namespaces = find("", "namespaces").expect("the stage serves Namespaces");
    let namespace = api.get(namespaces, "", namespace).ok()?;
    Some(namespace["metadata"]["labels"].clone())
}

/// The Service behind a backendRef: `<namespace>/<name>`, or reason and message of `ResolvedRefs=False`.
fn resolve(api: &Api, from: &str, target: &ObjectRef) -> Result<String, (&'static str, String)> {
    let namespace = target.namespace.as_deref().unwrap_or(from);
    let what = format!("{namespace}/{}", target.name);
    if !target.group.is_empty() || target.kind != "Service" {
        let kind = format!("{} {}", target.group, target.kind);
        return Err((
            "InvalidKind",
            format!("backend {what} is a {}, not a Service", kind.trim()),
        ));
    }
    if namespace != from && !is_granted(api, from, namespace, &target.name) {
        return Err((
            "RefNotPermitted",
            format!("no ReferenceGrant lets a route in {from} refer to Service {what}"),
        ));
    }
    let services = resource::find("", "services").expect("the stage serves Services");
    let Ok(service) = api.get(services, namespace, &target.name) else {
        return Err(("BackendNotFound", format!("Service {what} not found")));
    };
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let has_port = ports
        .into_iter()
        .flatten()
        .any(|p| p["port"].as_u64() == target.port.map(u64::from));
    if !has_port {
        let port = target.port.unwrap_or_default();
        return Err(("BackendNotFound", format!("Service {what} has no port {port}")));
    }
    Ok(what)
}

fn is_granted(api: &Api, from: &str, namespace: &str, name: &str) -> bool {
    let grants: &'static Resource =
        find(GATEWAY_GROUP, "referencegrants").expect("the stage serves ReferenceGrants");
    api.list(grants)
        .iter()
        .filter(|g| g["metadata"]["namespace"] == namespace)
        .any(|grant| {
            let list = |field: &str| grant["spec"][field].as_array().cloned().unwrap_or_default();
            let from_ok = list("from")
                .iter()
                .any(|f| f["group"] == GATEWAY_GROUP && f["kind"] == "HTTPRoute" && f["namespace"] == from);
            let to_ok = list("to").iter().any(|t| {
                t["group"] == ""
                    && t["kind"] == "Service"
                    && t["name"].as_str().is_none_or(|n| n.is_empty() || n == name)
            });
            from_ok && to_ok
        })
}

fn endpoint_of(slice: &Value) -> Option<(String, Endpoint)> {
    let labels = &slice["metadata"]["labels"];
    let service = labels["kubernetes.io/service-name"].as_str()?;
    let namespace = slice["metadata"]["namespace"].as_str()?;
    let port = u16::try_from(slice.pointer("/ports/0/port")?.as_u64()?).ok()?;
    let endpoints = slice["endpoints"].as_array()?;
    let ready = endpoints
        .iter()
        .filter(|e| e["conditions"]["ready"].as_bool().unwrap_or(true))
        .count();
    let address = endpoints.first()?.pointer("/addresses/0")?.as_str()?;
    let endpoint = Endpoint {
        addr: SocketAddr::new(address.parse().ok()?, port),
        hash: labels["rollouts-pod-template-hash"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        ready: u32::try_from(ready).ok()?,
    };
    Some((format!("{namespace}/{service}"), endpoint))
}
