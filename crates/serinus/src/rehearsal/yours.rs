//! A script from somebody's own manifests. Pure.
//!
//! The stage plays what it can and says what it plays otherwise: Gateways of any class are served by its own gateway,
//! Services that are missing are made up, analyses ask the gateway's counts, kinds it does not know are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::script::{Act, Ending, Script, Version};
use super::workload::{self, WorkloadError};
use crate::stage::api::defaults;
use crate::stage::api::resource::{self, find};
use crate::stage::app::Behaviour;
use crate::stage::gateway::CONTROLLER_NAME;
use crate::stage::gateway::attach::{attach, union};
use crate::stage::gateway::matching::Head;
use crate::stage::gateway::table::{Table, Verdict};
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

/// A plain GET that the rule serves which splits between the Rollout's Services, and no other: path and host.
fn entrance(objects: &[Value], spec: &Spec, wishes: &Wishes) -> Result<(String, String), ScriptError> {
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
mod tests {
    use super::*;
    use crate::manifests;

    fn wishes() -> Wishes {
        Wishes {
            rollout: None,
            error_rate: 0.0,
            latency: Duration::ZERO,
            analysis: analysis::Settings::default(),
            path: None,
            host: None,
        }
    }

    fn rollout() -> Value {
        manifests::read("rollout.yaml", include_str!("../../demo/rollout.yaml"))
            .unwrap()
            .remove(0)
    }

    fn route(rules: &str) -> Value {
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: web}}\nspec:\n  hostnames: ['*.shop.example']\n  parentRefs: [{{name: edge, namespace: infra}}]\n  rules: {rules}\n"
        );
        manifests::read("route.yaml", &text).unwrap().remove(0)
    }

    const SPLIT: &str = "[{matches: [{path: {value: /buy}}], backendRefs: [{name: web-stable, port: 8080}, {name: web-canary, port: 8080, weight: 0}]}]";

    #[test]
    fn what_is_missing_is_made_up_and_said() {
        let mut with_analysis = wishes();
        with_analysis.error_rate = 0.2;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        let yours = script(vec![secret, rollout(), route(SPLIT)], &with_analysis).unwrap();
        assert_eq!(
            (yours.path.as_str(), yours.host.as_str()),
            ("/buy", "any.shop.example")
        );
        assert_eq!(yours.longest_pause, Duration::from_secs(60));
        assert_eq!(yours.script.acts[0].ending, Ending::Aborted);
        assert_eq!(
            yours.script.notes,
            [
                "left out, as the stage does not know them: Secret",
                "Gateway infra/edge is not in the manifests; the stage's gateway stands in",
                "Service demo/web-canary is not in the manifests; one is made up",
                "Service demo/web-stable is not in the manifests; one is made up",
                "the analysis asks the stage's gateway for a success rate of 95 %, not the templates' providers",
            ]
        );
        let service = yours
            .script
            .objects
            .iter()
            .find(|o| o["metadata"]["name"] == "web-canary")
            .unwrap();
        assert_eq!(service["spec"]["ports"][0]["port"], 8080);
        let (before, after) = (
            &yours.script.before.rollout,
            &yours.script.acts[0].version.rollout,
        );
        assert_ne!(
            Spec::read(before).unwrap().template_hash,
            Spec::read(after).unwrap().template_hash
        );
    }

    #[test]
    fn every_backend_of_a_route_is_there() {
        let rules = SPLIT.replace(
            "[{matches",
            "[{matches: [{path: {value: /api}}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 81}}}], backendRefs: [{name: api, port: 80}]}, {matches",
        );
        let script = script(vec![rollout(), route(&rules)], &wishes()).unwrap().script;
        for name in ["api", "copy"] {
            let note = format!("Service demo/{name} is not in the manifests; one is made up, without pods");
            assert!(script.notes.contains(&note), "{:?}", script.notes);
            let service = script
                .objects
                .iter()
                .find(|o| o["metadata"]["name"] == name)
                .unwrap();
            assert_eq!(service["spec"]["selector"], json!({}));
        }
    }

    #[test]
    fn what_is_asked_for_reaches_the_split_rule() {
        let other = |matches: &str| {
            let other = format!(
                "[{{matches: [{matches}], backendRefs: [{{name: web-stable, port: 8080}}]}}, {{matches"
            );
            SPLIT.replace("[{matches", &other)
        };
        let exact = |path: &str| format!("{{path: {{type: Exact, value: {path}}}}}");
        let taken = "HTTPRoute demo/web: spec.rules[1] splits the traffic, but a GET of any.shop.example/buy is served by spec.rules[0] of HTTPRoute demo/web; name a path and a host that it serves with --path and --host";
        let elsewhere = "HTTPRoute demo/web: spec.rules[0] splits the traffic, but a GET of any.shop.example/sell is served by no rule; name a path and a host that it serves with --path and --host";
        let far = "HTTPRoute demo/web: spec.rules[0] splits the traffic, but a GET of other.example/buy is served by no rule; name a path and a host that it serves with --path and --host";
        let rewrite = "HTTPRoute demo/web: the stage's gateway does not accept it: spec.rules[0]: filters[0].type URLRewrite is not supported by this gateway";
        let regex = SPLIT.replace("value: /buy", "type: RegularExpression, value: '/b.y'");
        let cases = [
            (SPLIT.to_owned(), None, None, Ok("/buy")),
            (other(&exact("/buy")), None, None, Ok("/buy/")),
            (
                other(&format!("{}, {}", exact("/buy"), exact("/buy/"))),
                None,
                None,
                Ok("/buy/serinus"),
            ),
            (other("{path: {value: /buy}}"), None, None, Err(taken)),
            (SPLIT.to_owned(), Some("/buy/now"), None, Ok("/buy/now")),
            (SPLIT.to_owned(), Some("/sell"), None, Err(elsewhere)),
            (SPLIT.to_owned(), None, Some("other.example"), Err(far)),
            (regex, Some("/bay"), Some("www.shop.example:80"), Ok("/bay")),
            (
                SPLIT.replace("{matches", "{filters: [{type: URLRewrite}], matches"),
                None,
                None,
                Err(rewrite),
            ),
        ];
        for (rules, path, host, want) in cases {
            let mut wishes = wishes();
            (wishes.path, wishes.host) = (path.map(str::to_owned), host.map(str::to_owned));
            let found = script(vec![rollout(), route(&rules)], &wishes);
            let found = found.map(|yours| yours.path).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{rules}");
        }
    }

    #[test]
    fn gateways_that_take_no_such_route_are_said() {
        let with = |listener: Value| {
            let mut full = json!({"name": "http", "port": 80, "protocol": "HTTP"});
            json_patch::merge(&mut full, &listener);
            let gateway = json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                "metadata": {"name": "edge", "namespace": "infra"}, "spec": {"listeners": [full]},
            });
            script(vec![rollout(), route(SPLIT), gateway], &wishes())
        };
        assert_eq!(
            with(json!({})).unwrap_err().to_string(),
            "HTTPRoute demo/web: the stage's gateway does not accept it: Gateway infra/edge has no listener that takes routes from namespace demo (allowedRoutes.namespaces) (NotAllowedByListeners)"
        );
        let host = json!({"hostname": "eu.shop.example", "allowedRoutes": {"namespaces": {"from": "All"}}});
        assert_eq!(with(host).unwrap().host, "eu.shop.example");
        let selected = with(json!({"allowedRoutes": {"namespaces": {"from": "Selector"}}})).unwrap();
        let note = "Namespace demo is not in the manifests; it is taken for one from which Gateway edge takes routes";
        assert!(
            selected.script.notes.iter().any(|n| n == note),
            "{:?}",
            selected.script.notes
        );

        let named = route(SPLIT).to_string().replace(
            r#""namespace":"infra""#,
            r#""namespace":"infra","sectionName":"https""#,
        );
        let named: Value = serde_json::from_str(&named).unwrap();
        assert!(
            script(vec![rollout(), named], &wishes()).is_ok(),
            "a Gateway that is made up has every listener"
        );
    }

    #[test]
    fn a_dry_run_ends_no_release() {
        let mut dry = rollout();
        dry["spec"]["strategy"]["canary"]["analysis"]["dryRun"] = json!([{"metricName": ".*"}]);
        let mut failing = wishes();
        failing.error_rate = 0.5;
        let script = script(vec![dry, route(SPLIT)], &failing).unwrap().script;
        assert_eq!(script.acts[0].ending, Ending::Promoted);
        let note = "the analysis is a dry run: it fails nothing".to_owned();
        assert!(script.notes.contains(&note), "{:?}", script.notes);
    }

    #[test]
    fn an_analysis_before_any_traffic_decides_nothing() {
        let mut early = rollout();
        let canary = &mut early["spec"]["strategy"]["canary"];
        canary["analysis"] = Value::Null;
        canary["steps"] = json!([{"analysis": {}}, {"setWeight": 20}, {"pause": {}}]);
        let mut failing = wishes();
        failing.error_rate = 0.5;
        let script = script(vec![early, route(SPLIT)], &failing).unwrap().script;
        assert_eq!(script.acts[0].ending, Ending::Promoted);
        let note = "spec.strategy.canary.steps[0].analysis comes before any traffic: it passes on the stage";
        assert_eq!(script.notes.last().map(String::as_str), Some(note));
    }

    #[test]
    fn a_mirror_beside_a_plugin_is_played_and_older_controllers_are_named() {
        let mut mirroring = rollout();
        let canary = &mut mirroring["spec"]["strategy"]["canary"];
        canary["analysis"] = Value::Null;
        canary["trafficRouting"]["managedRoutes"] = json!([{"name": "copy"}]);
        canary["steps"] = json!([{"setWeight": 20}, {"setMirrorRoute": {"name": "copy"}}, {"pause": {}}]);
        let script = script(vec![mirroring, route(SPLIT)], &wishes()).unwrap().script;
        let note = "spec.strategy.canary.steps[1].setMirrorRoute: controllers before argo-rollouts #4643 (1.10) refuse it beside a plugin";
        assert!(
            script.notes.iter().any(|known| known == note),
            "{:?}",
            script.notes
        );
    }

    #[test]
    fn a_change_of_the_workload_is_the_release() {
        let mut referring = rollout();
        let spec = &mut referring["spec"];
        let template = spec["template"].take();
        spec["workloadRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "demo"},
            "spec": {"replicas": 0, "selector": spec["selector"].take(), "template": template.clone()},
        });
        let yours = script(vec![referring, deployment, route(SPLIT)], &wishes()).unwrap();
        let script = yours.script;
        assert_eq!(
            script.notes.last().unwrap(),
            "the pod template is that of Deployment web; the stage plays the Rollout's pods, and no others"
        );
        assert!(
            script.notes.iter().all(|note| !note.contains("left out")),
            "{:?}",
            script.notes
        );
        assert_eq!(
            script.acts[0].said,
            ["changed the pod template of Deployment web"]
        );
        assert_eq!(script.before.rollout["spec"]["template"], template);
        let selector = &script.before.rollout["spec"]["selector"];
        let service = script
            .objects
            .iter()
            .find(|o| o["metadata"]["name"] == "web-canary");
        assert_eq!(service.unwrap()["spec"]["selector"], selector["matchLabels"]);
        let hash = |rollout: &Value| Spec::read(rollout).unwrap().template_hash;
        assert_ne!(
            hash(&script.before.rollout),
            hash(&script.acts[0].version.rollout)
        );
    }

    #[test]
    fn what_cannot_be_played_is_said() {
        let headers = SPLIT.replace("path: {value: /buy}", "headers: [{name: a, value: b}]");
        let mut mesh = route(SPLIT);
        mesh["spec"]["parentRefs"] = json!([{"kind": "Service", "group": "", "name": "web"}]);
        let mut other = rollout();
        other["metadata"]["name"] = "other".into();
        let cases = [
            (vec![route(SPLIT)], "no Rollout in the manifests"),
            (
                vec![rollout(), other],
                "2 Rollouts in the manifests (web, other); choose one with --rollout",
            ),
            (
                vec![rollout()],
                "no HTTPRoute in the manifests refers to Service web-canary in a rule that a plain request reaches",
            ),
            (
                vec![rollout(), route(&headers)],
                "no HTTPRoute in the manifests refers to Service web-canary in a rule that a plain request reaches",
            ),
            (
                vec![rollout(), mesh],
                "HTTPRoute web is attached to no Gateway; the stage plays no mesh",
            ),
        ];
        for (manifests, want) in cases {
            assert_eq!(script(manifests, &wishes()).unwrap_err().to_string(), want);
        }
        let bad = |kind: &str, more: Value| {
            let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "bad"}});
            json_patch::merge(&mut object, &more);
            object
        };
        let gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "spec": 5});
        for (object, want) in [
            (
                bad("Service", json!({"metadata": "foo"})),
                r#"Service: metadata: "foo" is not an object"#,
            ),
            (
                bad("Service", json!({"spec": "foo"})),
                r#"Service bad: spec: "foo" is not an object"#,
            ),
            (
                bad("Service", json!({"spec": {"selector": "foo"}})),
                r#"Service bad: spec.selector: "foo" is not an object"#,
            ),
            (bad("Gateway", gateway), "Gateway bad: spec: 5 is not an object"),
        ] {
            let error = script(vec![rollout(), route(SPLIT), object], &wishes()).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
        let mut nobody = wishes();
        nobody.rollout = Some("nobody".into());
        let error = script(vec![rollout()], &nobody).unwrap_err().to_string();
        assert_eq!(error, "no Rollout \"nobody\" in the manifests");
    }
}
