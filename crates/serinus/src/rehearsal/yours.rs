//! A script from somebody's own manifests. Pure.
//!
//! The stage plays what it can and says what it plays otherwise: Gateways of any class are served by its own gateway,
//! Services that are missing are made up, analyses ask the gateway's counts, kinds it does not know are left out.

mod entrance;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use self::entrance::entrance;
use super::script::{Act, Ending, Script, Version};
use super::workload::{self, WorkloadError};
use crate::stage::api::resource;
use crate::stage::app::Behaviour;
use crate::stage::gateway::CONTROLLER_NAME;
use crate::stage::gateway::attach::{attach, union};
use crate::stage::release::analysis;
use crate::stage::release::plan::last_set_weight;
use crate::stage::release::spec::{Spec, SpecError, Step, not_an_object};

/// Class of every Gateway on the stage.
const CLASS: &str = "serinus-stage";

/// What to play with the manifests.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Which Rollout, where there are several.
    pub rollout: Option<String>,
    /// Share of the canary's requests that fail, 0.0 to 1.0.
    pub error_rate: f64,
    /// How long the canary thinks before it answers.
    pub latency: Duration,
    /// What is asked of it by an analysis.
    pub analysis: analysis::Settings,
    /// What to ask for, where it is not left to the split rule's matches.
    pub path: Option<String>,
    /// The `Host` to ask for, where it is not left to the route's hostnames.
    pub host: Option<String>,
}

/// A script, and how to ask for what it serves.
#[derive(Debug)]
pub struct Yours {
    /// What to play.
    pub script: Script,
    /// A path that the split rule serves.
    pub path: String,
    /// A host that it serves; empty where it serves any.
    pub host: String,
    /// The longest pause that has a duration.
    pub longest_pause: Duration,
}

/// Why manifests cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// There is none, or none of that name.
    #[error("no Rollout{} in the manifests", .0.as_ref().map(|n| format!(" {n:?}")).unwrap_or_default())]
    NoRollout(Option<String>),
    /// There are several.
    #[error("{} Rollouts in the manifests ({}); choose one with --rollout", .0.len(), .0.join(", "))]
    ManyRollouts(Vec<String>),
    /// It cannot be played.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It has no pod template.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A member is of another type than it must be.
    #[error("{object}: {field}: {value} is not an object")]
    NoObject {
        /// Kind and name.
        object: String,
        /// The member.
        field: &'static str,
        /// What it is.
        value: String,
    },
    /// There is nothing to split.
    #[error("no HTTPRoute in the manifests refers to Service {0} in a rule that a plain request reaches")]
    NoRoute(String),
    /// The gateway does not accept the route with the split rule.
    #[error("HTTPRoute {0}: the stage's gateway does not accept it: {1}")]
    Refused(String, String),
    /// What would be asked for is served by another rule.
    #[error(
        "{rule} splits the traffic, but a GET of {request} is served by {server}; name a path and a host that it serves with --path and --host"
    )]
    Elsewhere {
        /// The split rule.
        rule: String,
        /// Host and path.
        request: String,
        /// Who serves them.
        server: String,
    },
    /// The split rule is not reached through a Gateway.
    #[error("HTTPRoute {0} is attached to no Gateway; the stage plays no mesh")]
    NoGateway(String),
}

/// Makes the script: the Rollout as it stands, then once more with a changed pod template.
pub fn script(manifests: Vec<Value>, wishes: &Wishes) -> Result<Yours, ScriptError> {
    let mut notes = Vec::new();
    let (rollouts, mut others): (Vec<Value>, Vec<Value>) =
        manifests.into_iter().partition(|o| o["kind"] == "Rollout");
    let mut rollout = choose(rollouts, wishes.rollout.as_deref())?;
    let workload = workload::resolve(&mut rollout, &mut others)?;
    let spec = Spec::read(&rollout)?;
    let mut objects = known(others, &spec.namespace, &mut notes)?;
    gateways(&mut objects, &mut notes);
    notes.extend(unknown_namespace(&objects, &spec));
    let (path, host) = entrance(&objects, &spec, wishes)?;
    services(&mut objects, &rollout, &spec, &mut notes);

    let mut dry = Vec::new();
    for (i, step) in spec.steps.iter().enumerate() {
        match step {
            Step::Analysis { .. } if last_set_weight(&spec.steps[..i]) == 0 => notes.push(format!(
                "spec.strategy.canary.steps[{i}].analysis comes before any traffic: it passes on the stage"
            )),
            Step::Analysis { dry: is_dry } => dry.push(*is_dry),
            Step::SetMirrorRoute(_) => notes.push(format!(
                "spec.strategy.canary.steps[{i}].setMirrorRoute: controllers before argo-rollouts #4643 (1.10) refuse it beside a plugin"
            )),
            _ => {}
        }
    }
    dry.extend(spec.background_from.map(|_| spec.background_dry));
    let analysed = !dry.is_empty();
    let deciding = dry.contains(&false);
    let doomed = deciding && wishes.error_rate > 1.0 - wishes.analysis.success_rate;
    if analysed && !deciding {
        notes.push("the analysis is a dry run: it fails nothing".to_owned());
    }
    if analysed {
        notes.push(format!(
            "the analysis asks the stage's gateway for a success rate of {} %, not the templates' providers",
            wishes.analysis.success_rate * 100.0
        ));
    }
    if !spec.unplayed.is_empty() {
        notes.push(format!("not played: {}", spec.unplayed.join(", ")));
    }
    let mut said = Vec::new();
    if let Some(workload) = workload {
        notes.push(format!(
            "the pod template is that of {workload}; the stage plays the Rollout's pods, and no others"
        ));
        said.push(format!("changed the pod template of {workload}"));
    }
    let mut canary = rollout.clone();
    canary["spec"]["template"]["metadata"]["annotations"]["serinus.dev/rehearsal"] = "canary".into();
    let steps: Vec<String> = spec.steps.iter().map(Step::describe).collect();
    let title = if steps.is_empty() {
        "without steps".to_owned()
    } else {
        steps.join(", ")
    };
    let pauses = spec.steps.iter().filter_map(|step| match step {
        Step::Pause(duration) => *duration,
        _ => None,
    });
    Ok(Yours {
        longest_pause: pauses.max().unwrap_or_default(),
        path,
        host,
        script: Script {
            title: format!("serinus rehearse {}/{}", spec.namespace, spec.name),
            objects,
            notes,
            router_env: Vec::new(),
            before: Version {
                rollout,
                behaviour: Behaviour::healthy("stable"),
            },
            acts: vec![Act {
                title,
                said,
                version: Version {
                    rollout: canary,
                    behaviour: Behaviour {
                        version: "canary".to_owned(),
                        error_rate: wishes.error_rate,
                        latency: wishes.latency,
                    },
                },
                ending: if doomed { Ending::Aborted } else { Ending::Promoted },
            }],
        },
    })
}

fn choose(rollouts: Vec<Value>, name: Option<&str>) -> Result<Value, ScriptError> {
    let named = |o: &Value| o["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut fitting: Vec<Value> = rollouts
        .into_iter()
        .filter(|o| name.is_none_or(|n| o["metadata"]["name"] == n))
        .collect();
    match fitting.len() {
        0 => Err(ScriptError::NoRollout(name.map(str::to_owned))),
        1 => Ok(fitting.remove(0)),
        _ => Err(ScriptError::ManyRollouts(fitting.iter().map(named).collect())),
    }
}

/// Members of any object that are objects, where they are set.
const OBJECTS: [&str; 5] = [
    "metadata",
    "metadata.labels",
    "metadata.annotations",
    "spec",
    "status",
];

/// The objects that the stage knows, each with a namespace.
fn known(others: Vec<Value>, namespace: &str, notes: &mut Vec<String>) -> Result<Vec<Value>, ScriptError> {
    let mut left_out = BTreeSet::new();
    let mut objects = Vec::new();
    for mut object in others {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        match resource::of_object(&text("apiVersion"), &text("kind")) {
            Some((resource, _)) => {
                let selector: &[&str] = if resource.kind == "Service" {
                    &["spec.selector"]
                } else {
                    &[]
                };
                for fields in [&OBJECTS[..], selector] {
                    if let Some((field, value)) = not_an_object(&object, fields) {
                        let name = object["metadata"]["name"].as_str().unwrap_or_default();
                        return Err(ScriptError::NoObject {
                            object: format!("{} {name}", resource.kind).trim_end().to_owned(),
                            field,
                            value: value.to_string(),
                        });
                    }
                }
                if resource.namespaced
                    && object["metadata"]["namespace"]
                        .as_str()
                        .unwrap_or_default()
                        .is_empty()
                {
                    object["metadata"]["namespace"] = namespace.into();
                }
                objects.push(object);
            }
            None => drop(left_out.insert(text("kind"))),
        }
    }
    if !left_out.is_empty() {
        let kinds: Vec<String> = left_out.into_iter().collect();
        notes.push(format!(
            "left out, as the stage does not know them: {}",
            kinds.join(", ")
        ));
    }
    Ok(objects)
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// Every Gateway is of the stage's class, and those that routes name are there; one that is made up takes every route.
fn gateways(objects: &mut Vec<Value>, notes: &mut Vec<String>) {
    objects.retain(|o| o["kind"] != "GatewayClass");
    for gateway in objects.iter_mut().filter(|o| o["kind"] == "Gateway") {
        let class = gateway["spec"]["gatewayClassName"].as_str().unwrap_or_default();
        let name = gateway["metadata"]["name"].as_str().unwrap_or_default();
        notes.push(format!(
            "the stage's gateway stands in for Gateway {name} of class {class}"
        ));
        gateway["spec"]["gatewayClassName"] = CLASS.into();
    }
    objects.push(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": CLASS},
        "spec": {"controllerName": CONTROLLER_NAME},
    }));
    let mut missing: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for route in objects.iter().filter(|o| o["kind"] == "HTTPRoute") {
        for (namespace, name, parent) in parents(route) {
            if !has(objects, "Gateway", &namespace, &name) {
                let section = parent["sectionName"].as_str().map(str::to_owned);
                let listeners = missing.entry((namespace, name)).or_default();
                listeners.insert((section, parent["port"].as_u64()));
            }
        }
    }
    for ((namespace, name), listeners) in missing {
        notes.push(format!(
            "Gateway {namespace}/{name} is not in the manifests; the stage's gateway stands in"
        ));
        let listeners = listeners.into_iter().enumerate().map(|(i, (section, port))| {
            json!({
                "name": section.unwrap_or(format!("listener-{i}")), "port": port.unwrap_or(80), "protocol": "HTTP",
                "allowedRoutes": {"namespaces": {"from": "All"}},
            })
        });
        let listeners: Vec<Value> = listeners.collect();
        objects.push(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"gatewayClassName": CLASS, "listeners": listeners},
        }));
    }
}

/// The Gateways that a route refers to: namespace, name and parentRef.
fn parents(route: &Value) -> impl Iterator<Item = (String, String, &Value)> {
    let own = route["metadata"]["namespace"].as_str().unwrap_or_default();
    let parents = list(&route["spec"], "parentRefs").iter();
    let gateways = parents.filter(|p| p["kind"].as_str().is_none_or(|kind| kind == "Gateway"));
    gateways.map(move |parent| {
        let namespace = parent["namespace"].as_str().unwrap_or(own).to_owned();
        let name = parent["name"].as_str().unwrap_or_default().to_owned();
        (namespace, name, parent)
    })
}

/// The route with the hosts under which its Gateways serve it, or why none does.
fn served(objects: &[Value], route: &Value) -> Result<Value, String> {
    let labels = |name: &str| {
        let namespace = objects
            .iter()
            .find(|o| o["kind"] == "Namespace" && o["metadata"]["name"] == *name)?;
        Some(namespace["metadata"]["labels"].clone())
    };
    let (mut hosts, mut problems) = (Vec::new(), Vec::new());
    for (namespace, name, parent) in parents(route) {
        let gateway = objects.iter().find(|o| is(o, "Gateway", &namespace, &name));
        match gateway.map(|gateway| attach(gateway, route, parent, &labels)) {
            Some(Ok(of_gateway)) => hosts.push(of_gateway),
            Some(Err((reason, message))) => problems.push(format!("{message} ({reason})")),
            None => {}
        }
    }
    if hosts.is_empty() {
        return Err(problems.join("; "));
    }
    let mut served = route.clone();
    served["spec"]["hostnames"] = union(hosts).into();
    Ok(served)
}

/// Every Service that a route refers to, made up where it is missing: a route with a backend that does not exist is one
/// that no gateway takes over in full. The Rollout's pods stand behind its own two Services, none behind the others.
fn services(objects: &mut Vec<Value>, rollout: &Value, spec: &Spec, notes: &mut Vec<String>) {
    let mut missing: BTreeMap<(String, String), BTreeSet<u64>> = BTreeMap::new();
    for name in [&spec.canary_service, &spec.stable_service] {
        missing.entry((spec.namespace.clone(), name.clone())).or_default();
    }
    for route in objects.iter().filter(|o| o["kind"] == "HTTPRoute") {
        let own = route["metadata"]["namespace"].as_str().unwrap_or_default();
        for backend in backends(route).filter(|b| is_service(b)) {
            let namespace = backend["namespace"].as_str().unwrap_or(own);
            let name = backend["name"].as_str().unwrap_or_default();
            let ports = missing
                .entry((namespace.to_owned(), name.to_owned()))
                .or_default();
            ports.extend(backend["port"].as_u64());
        }
    }
    for ((namespace, name), ports) in missing {
        if has(objects, "Service", &namespace, &name) {
            continue;
        }
        let ours =
            namespace == spec.namespace && [&spec.canary_service, &spec.stable_service].contains(&&name);
        let (selector, without) = if ours {
            (rollout["spec"]["selector"]["matchLabels"].clone(), "")
        } else {
            (json!({}), ", without pods")
        };
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| json!({"name": format!("p{port}"), "port": port}))
            .collect();
        notes.push(format!(
            "Service {namespace}/{name} is not in the manifests; one is made up{without}"
        ));
        objects.push(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": selector, "ports": ports},
        }));
    }
}

/// The backends of a route's rules, and those of its mirrors.
fn backends(route: &Value) -> impl Iterator<Item = &Value> {
    let rules = route["spec"]["rules"].as_array().into_iter().flatten();
    rules.flat_map(|rule| {
        let backends = rule["backendRefs"].as_array().into_iter().flatten();
        let own = backends.flat_map(|backend| std::iter::once(backend).chain(mirrored(backend)));
        own.chain(mirrored(rule))
    })
}

fn mirrored(holder: &Value) -> impl Iterator<Item = &Value> {
    let filters = holder["filters"].as_array().into_iter().flatten();
    filters.map(|filter| &filter["requestMirror"]["backendRef"])
}

fn is_service(backend: &Value) -> bool {
    backend["name"].is_string()
        && backend["group"].as_str().is_none_or(str::is_empty)
        && backend["kind"].as_str().is_none_or(|kind| kind == "Service")
}

fn has(objects: &[Value], kind: &str, namespace: &str, name: &str) -> bool {
    objects.iter().any(|o| is(o, kind, namespace, name))
}

fn is(object: &Value, kind: &str, namespace: &str, name: &str) -> bool {
    object["kind"] == kind
        && object["metadata"]["name"] == name
        && object["metadata"]["namespace"] == namespace
}

/// A note if a Gateway asks for labels of the Rollout's Namespace, and nobody knows them.
fn unknown_namespace(objects: &[Value], spec: &Spec) -> Option<String> {
    let asks = |gateway: &&Value| {
        let listeners = list(&gateway["spec"], "listeners").iter();
        gateway["kind"] == "Gateway"
            && listeners
                .into_iter()
                .any(|l| l["allowedRoutes"]["namespaces"]["from"] == "Selector")
    };
    let known = |o: &Value| o["kind"] == "Namespace" && o["metadata"]["name"] == *spec.namespace;
    let gateway = objects.iter().find(asks).filter(|_| !objects.iter().any(known))?;
    let name = gateway["metadata"]["name"].as_str().unwrap_or_default();
    Some(format!(
        "Namespace {} is not in the manifests; it is taken for one from which Gateway {name} takes routes",
        spec.namespace
    ))
}

#[cfg(test)]
mod tests;
