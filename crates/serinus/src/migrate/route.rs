//! The routes that send requests to the Service: they get the canary's as a second backend.

use canary_steps::edit;
use serde_json::{Value, json};

use super::object::{Object, list, same_namespace, text, written};
use super::problem::{Problem, Refusal};
use super::service::Service;
use crate::manifests::Document;

/// Kinds of routes, and the fields by which the traffic router is told of them: one, or several.
pub(super) const KINDS: [(&str, (&str, &str)); 5] = [
    ("HTTPRoute", ("httpRoute", "httpRoutes")),
    ("GRPCRoute", ("grpcRoute", "grpcRoutes")),
    ("TCPRoute", ("tcpRoute", "tcpRoutes")),
    ("TLSRoute", ("tlsRoute", "tlsRoutes")),
    ("UDPRoute", ("udpRoute", "udpRoutes")),
];

/// A route that was changed.
#[derive(Debug, Clone)]
pub(super) struct Route<'d> {
    pub(super) object: Object<'d>,
    pub(super) document: Document,
    /// Whether comments of the text were lost.
    pub(super) anew: bool,
}

/// Whether an object is a route with this Service as a backend.
pub(super) fn refers(object: &Object<'_>, service: &Service<'_>) -> bool {
    is_route(object)
        && list(&object.value["spec"]["rules"]).iter().any(|rule| {
            list(&rule["backendRefs"])
                .iter()
                .any(|backend| service.is_meant(backend, object.namespace()))
        })
}

fn is_route(object: &Object<'_>) -> bool {
    object.group() == "gateway.networking.k8s.io" && KINDS.iter().any(|(kind, _)| *kind == object.kind())
}

/// All routes with the Service, each with the canary beside it in every rule.
pub(super) fn change<'d>(
    objects: &[Object<'d>],
    service: &Service<'_>,
    canary: &str,
) -> Result<Vec<Route<'d>>, Refusal> {
    let mut problems = Vec::new();
    let mut routes = Vec::new();
    for object in objects.iter().filter(|object| refers(object, service)) {
        match change_one(object, service, canary) {
            Ok(route) => routes.push(route),
            Err(refusal) => problems.extend(refusal.0),
        }
    }
    if problems.is_empty() {
        Ok(routes)
    } else {
        Err(Refusal(problems))
    }
}

fn change_one<'d>(object: &Object<'d>, service: &Service<'_>, canary: &str) -> Result<Route<'d>, Refusal> {
    let mut problems = Vec::new();
    let mut value = object.value.clone();
    let mut in_text = Some(object.document.text.clone());
    for (r, rule) in list(&object.value["spec"]["rules"]).iter().enumerate() {
        let backends = list(&rule["backendRefs"]);
        let meant = |name: &str| -> Vec<(usize, &Value)> {
            let found = backends.iter().enumerate();
            let found = found.filter(|(_, backend)| service.is_called(name, backend, object.namespace()));
            found.collect()
        };
        let own = meant(service.object.name());
        let Some((b, backend)) = own.first() else { continue };
        let at = format!("spec.rules[{r}].backendRefs");
        if own.len() > 1 {
            let problem = format!(
                "{} is in it {} times; a rule can divide the requests of one",
                service.object.title(),
                own.len()
            );
            problems.push(Problem::new(object.title(), &at, problem));
            continue;
        }
        let ports = service.ports();
        if !backend["port"].as_u64().is_some_and(|port| ports.contains(&port)) {
            let known: Vec<String> = ports.iter().map(u64::to_string).collect();
            let problem = format!(
                "{} is no port of {}; it has {}",
                backend["port"],
                service.object.title(),
                known.join(", ")
            );
            problems.push(Problem::new(object.title(), format!("{at}[{b}].port"), problem));
            continue;
        }
        if !meant(canary).is_empty() {
            continue;
        }
        let mut second = (*backend).clone();
        second["name"] = json!(canary);
        second["weight"] = json!(0);
        let pointer = format!("/spec/rules/{r}/backendRefs");
        in_text = in_text.and_then(|text| edit::append(&text, &pointer, &second).ok());
        if let Some(list) = value.pointer_mut(&pointer).and_then(Value::as_array_mut) {
            list.push(second);
        }
    }
    if !problems.is_empty() {
        return Err(Refusal(problems));
    }
    let anew = in_text.is_none();
    let document = match in_text {
        Some(text) => Document {
            text,
            value,
            rewritten: object.document.rewritten,
        },
        None => written(value),
    };
    Ok(Route {
        object: *object,
        document,
        anew,
    })
}

/// The traffic router's settings for these routes of a Rollout in that namespace.
pub(super) fn settings(routes: &[Route<'_>], namespace: &str) -> Value {
    let mut settings = json!({});
    for (kind, (one, several)) in KINDS {
        let own: Vec<&Object<'_>> = routes
            .iter()
            .map(|route| &route.object)
            .filter(|object| object.kind() == kind)
            .collect();
        let elsewhere = |object: &Object<'_>| !same_namespace(object.namespace(), namespace);
        match own[..] {
            [] => {}
            [route] if elsewhere(route) => {
                settings[one] = json!(format!("{}/{}", route.namespace(), route.name()));
            }
            [route] => settings[one] = json!(route.name()),
            _ => {
                let entries = own.iter().map(|route| {
                    let mut entry = json!({"name": route.name()});
                    if elsewhere(route) {
                        entry["namespace"] = json!(route.namespace());
                    }
                    entry
                });
                settings[several] = entries.collect();
            }
        }
    }
    settings
}

/// Rules of these routes that send copies of requests to the Service (`requestMirror`): they stay as they are.
pub(super) fn mirrors(route: &Route<'_>, service: &Service<'_>) -> bool {
    let rules = list(&route.object.value["spec"]["rules"]).iter();
    let mut filters = rules.flat_map(|rule| list(&rule["filters"]));
    filters.any(|filter| text(&filter["requestMirror"]["backendRef"]["name"]) == service.object.name())
}
