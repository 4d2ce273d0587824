//! Sentences of what the API server answered. Pure.

use std::collections::BTreeSet;
use std::fmt;

use rollouts_plugin::RpcError;
use rollouts_plugin::types::{Action, Rollout};
use serde_json::{Value, json};

use crate::apply::{ApiError, Object};
use crate::config::PluginName;
use crate::preview::Stage;
use crate::{GROUP, RouteKey, RouteKind};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// Releases go through, and something is worse than it could be.
    Beware,
    /// A release will fail.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) text: String,
}

impl Finding {
    pub(super) fn good(text: String) -> Self {
        Self {
            level: Level::Good,
            text,
        }
    }

    pub(super) fn beware(text: String) -> Self {
        Self {
            level: Level::Beware,
            text,
        }
    }

    pub(super) fn bad(text: String) -> Self {
        Self {
            level: Level::Bad,
            text,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.level {
            Level::Good => "ok    ",
            Level::Beware => "beware",
            Level::Bad => "bad   ",
        };
        write!(f, "{mark}  {}", self.text)
    }
}

/// A right that the router uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) verb: &'static str,
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    /// Empty for the whole cluster.
    pub(super) namespace: String,
    /// What is worse without; [`None`] where nothing works.
    without: Option<&'static str>,
}

pub(super) fn reached(version: &Result<Object, ApiError>) -> Finding {
    match version {
        Ok(version) => {
            let version = version["gitVersion"].as_str().unwrap_or("of an unknown version");
            Finding::good(format!("the API server answers, {version}"))
        }
        Err(error) => Finding::bad(RpcError::chain(error).as_str().to_owned()),
    }
}

pub(super) fn unreadable(what: &str, error: &ApiError) -> Finding {
    let text = format!("{what} cannot be read: {}", RpcError::chain(error).as_str());
    match error.code() == Some(403) {
        // One who may not read it here; the controller may.
        true => Finding::beware(text),
        false => Finding::bad(text),
    }
}

/// Names of the Rollout's Services.
pub(super) fn services(rollout: &Rollout) -> Vec<String> {
    let Some(canary) = rollout.canary() else {
        return Vec::new();
    };
    let mut names = vec![canary.stable_service.clone(), canary.canary_service.clone()];
    if let Some(pair) = &canary.ping_pong {
        names.extend([pair.ping_service.clone(), pair.pong_service.clone()]);
    }
    names.retain(|name| !name.is_empty());
    names
}

pub(super) fn service(namespace: &str, name: &str, ports: &Result<Vec<u16>, ApiError>) -> Finding {
    match ports {
        Ok(ports) => Finding::good(format!("Service {namespace}/{name} has the ports {ports:?}")),
        Err(error) => unreadable(&format!("Service {namespace}/{name}"), error),
    }
}

/// What the gateways report on a route.
pub(super) fn reports(key: &RouteKey, route: &Value) -> Vec<Finding> {
    let parents = list(route, "/status/parents");
    if parents.is_empty() {
        return vec![Finding::beware(format!(
            "{key}: no gateway has reported on it, so no weight will count as verified"
        ))];
    }
    let mut findings = Vec::new();
    for parent in parents {
        let controller = parent["controllerName"]
            .as_str()
            .unwrap_or("a controller without a name");
        let bad = list(parent, "/conditions").iter().filter(|condition| {
            ["Accepted", "ResolvedRefs"]
                .iter()
                .any(|kind| condition["type"] == *kind)
                && condition["status"] != "True"
        });
        let bad = bad
            .map(|condition| {
                let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                format!(
                    "{}={} ({}): {}",
                    text("type"),
                    text("status"),
                    text("reason"),
                    text("message")
                )
            })
            .collect::<Vec<_>>();
        findings.push(match bad.is_empty() {
            true => Finding::good(format!("{key}: {controller} accepts it")),
            false => Finding::bad(format!("{key}: {controller} reports {}", bad.join("; "))),
        });
    }
    findings
}

/// Namespace and name of the Services that a route names in other namespaces.
pub(super) fn foreign_services(key: &RouteKey, route: &Value) -> BTreeSet<(String, String)> {
    let backends = list(route, "/spec/rules")
        .iter()
        .flat_map(|rule| list(rule, "/backendRefs"));
    let foreign = backends.filter_map(|backend| {
        let namespace = backend["namespace"]
            .as_str()
            .filter(|namespace| *namespace != key.namespace)?;
        Some((namespace.to_owned(), backend["name"].as_str()?.to_owned()))
    });
    foreign.collect()
}

/// Whether a ReferenceGrant permits a route to name a Service of another namespace.
pub(super) fn grant(
    key: &RouteKey,
    namespace: &str,
    service: &str,
    grants: &Result<Object, ApiError>,
) -> Finding {
    let what = format!("ReferenceGrants of namespace {namespace}");
    let grants = match grants {
        Ok(grants) => list(grants, "/items"),
        Err(error) => return unreadable(&what, error),
    };
    let permits = |grant: &&Value| {
        let from = list(grant, "/spec/from").iter().any(|from| {
            from["group"] == GROUP && from["kind"] == key.kind.name() && from["namespace"] == *key.namespace
        });
        let to = list(grant, "/spec/to").iter().any(|to| {
            to["kind"] == "Service"
                && to["name"]
                    .as_str()
                    .is_none_or(|name| name.is_empty() || name == service)
        });
        from && to
    };
    match grants.iter().find(permits) {
        Some(grant) => Finding::good(format!(
            "{key}: ReferenceGrant {namespace}/{} permits Service {service}",
            grant["metadata"]["name"].as_str().unwrap_or_default()
        )),
        None => Finding::bad(format!(
            "{key}: no ReferenceGrant in namespace {namespace} permits it to name Service {service}"
        )),
    }
}

/// Namespace and name of the Gateways among the parents of a route.
pub(super) fn gateways(key: &RouteKey, route: &Value) -> BTreeSet<(String, String)> {
    let parents = list(route, "/spec/parentRefs").iter();
    let gateways = parents.filter(|parent| parent["kind"].as_str().is_none_or(|kind| kind == "Gateway"));
    let names = gateways.filter_map(|parent| {
        let namespace = parent["namespace"].as_str().unwrap_or(&key.namespace);
        Some((namespace.to_owned(), parent["name"].as_str()?.to_owned()))
    });
    names.collect()
}

/// What the class of a Gateway says it can do, beside what the steps ask for.
pub(super) fn class(gateway: &str, class: &Result<Object, ApiError>, rollout: &Rollout) -> Vec<Finding> {
    let class = match class {
        Ok(class) => class,
        Err(error) => return vec![unreadable(&format!("the class of {gateway}"), error)],
    };
    let controller = class["spec"]["controllerName"].as_str().unwrap_or_default();
    let features = list(class, "/status/supportedFeatures").iter();
    let features = features
        .filter_map(|feature| feature.as_str().or_else(|| feature["name"].as_str()))
        .collect::<BTreeSet<_>>();
    if features.is_empty() {
        return vec![Finding::beware(format!(
            "{gateway}: {controller} does not say what it can do"
        ))];
    }
    let mut findings = vec![Finding::good(format!(
        "{gateway}: {controller} lists {} features",
        features.len()
    ))];
    let mut wanted = BTreeSet::new();
    for step in rollout.steps() {
        if let Action::SetMirrorRoute(mirror) = step.action() {
            wanted.insert("HTTPRouteRequestMirror");
            if mirror.percentage.is_some_and(|percentage| percentage < 100) {
                wanted.insert("HTTPRouteRequestPercentageMirror");
            }
        }
    }
    for feature in wanted.into_iter().filter(|feature| !features.contains(feature)) {
        findings.push(Finding::beware(format!(
            "{gateway}: {controller} does not list {feature}, which a setMirrorRoute step needs"
        )));
    }
    findings
}

/// What cannot be had in a release that was played on paper.
pub(super) fn release(stages: &[Stage]) -> Vec<Finding> {
    let notes = stages
        .iter()
        .flat_map(|stage| &stage.routes)
        .flat_map(|route| &route.notes);
    let told = notes.filter_map(|note| {
        let refused = note
            .strip_prefix("refused: ")
            .map(|note| Finding::bad(note.to_owned()));
        refused.or_else(|| Some(Finding::beware(note.strip_prefix("beware: ")?.to_owned())))
    });
    let mut findings: Vec<Finding> = Vec::new();
    for finding in told {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    if findings.is_empty() {
        findings.push(Finding::good(format!(
            "a release can be planned from step to step ({} stages)",
            stages.len()
        )));
    }
    findings
}

/// Writes the routes that selectors found into the configuration, which plays without a cluster then.
pub(super) fn name_routes(rollout: &mut Value, name: &PluginName, keys: &[RouteKey]) {
    let Ok(typed) = serde_json::from_value::<Rollout>(rollout.clone()) else {
        return;
    };
    let Ok((_, json)) = name.entry(&typed) else { return };
    let Ok(mut config) = serde_json::from_slice::<Value>(json.as_bytes()) else {
        return;
    };
    let plugins = rollout.pointer_mut("/spec/strategy/canary/trafficRouting/plugins");
    let entries = plugins.and_then(Value::as_object_mut).into_iter().flatten();
    let Some((_, entry)) = entries.into_iter().find(|(_, entry)| **entry == config) else {
        return;
    };
    for kind in RouteKind::ALL {
        let field = kind
            .name()
            .replace("HTTP", "http")
            .replace("GRPC", "grpc")
            .replace("TCP", "tcp");
        let field = field.replace("TLS", "tls").replace("UDP", "udp");
        if config.get(format!("{field}Selector")).is_none_or(Value::is_null) {
            continue;
        }
        config[format!("{field}Selector")] = Value::Null;
        let found = keys.iter().filter(|key| key.kind == kind);
        let found = found.map(|key| json!({"name": key.name, "namespace": key.namespace}));
        let mut all = list(&config, &format!("/{field}s")).to_vec();
        all.extend(found);
        config[format!("{field}s")] = all.into();
    }
    *entry = config;
}

/// The block of an Argo CD Application for these routes: their weights alone where a release changes nothing else.
pub(super) fn ignore_differences(stages: &[Stage]) -> String {
    let mut block = "ignoreDifferences:\n".to_owned();
    let mut names_weights = false;
    let routes = stages.first().map_or(&[][..], |stage| &stage.routes);
    for (at, route) in routes.iter().enumerate() {
        let before = without_weights(&route.before);
        let weights_alone = stages
            .iter()
            .all(|stage| without_weights(&stage.routes[at].after) == before);
        let RouteKey {
            kind,
            namespace,
            name,
        } = &route.key;
        let expression = match weights_alone {
            true => ".spec.rules[]?.backendRefs[]?.weight",
            false => ".spec.rules",
        };
        block.push_str(&format!(
            "  - group: {GROUP}\n    kind: {kind}\n    name: {name}\n    namespace: {namespace}\n    jqPathExpressions: ['{expression}']\n"
        ));
        names_weights |= weights_alone;
    }
    // Argo CD then applies the live list, and would find what the API server has filled in missing in Git.
    if names_weights {
        block.push_str(
            "# with RespectIgnoreDifferences=true write group: \"\" and kind: Service in each backendRef in Git\n",
        );
    }
    block
}

fn without_weights(route: &Value) -> Value {
    let mut rules = route.pointer("/spec/rules").cloned().unwrap_or_default();
    for rule in rules.as_array_mut().into_iter().flatten() {
        let backends = rule.get_mut("backendRefs").and_then(Value::as_array_mut);
        for backend in backends.into_iter().flatten().filter_map(Value::as_object_mut) {
            backend.remove("weight");
        }
    }
    rules
}

/// Whether a kind is served in a version that the router knows.
pub(super) fn versions(kind: RouteKind, lists: &[(&str, Object)]) -> Finding {
    let serves = |list: &Object| {
        self::list(list, "/resources")
            .iter()
            .any(|found| found["name"] == kind.resource())
    };
    let served = lists
        .iter()
        .filter(|(_, list)| serves(list))
        .map(|(version, _)| *version);
    let served = served.collect::<Vec<_>>();
    match kind.versions().iter().find(|version| served.contains(version)) {
        Some(version) => Finding::good(format!("{kind} is served as {version}")),
        None => Finding::bad(format!(
            "{kind} is served in none of the versions {}: the CRDs of the Gateway API are not installed, or are another \
             channel's",
            kind.versions().join(", ")
        )),
    }
}

/// Release and channel of the CRDs.
pub(super) fn bundle(definition: &Value) -> Option<Finding> {
    let annotations = definition.pointer("/metadata/annotations")?;
    let of = |name: &str| annotations.get(format!("{GROUP}/{name}"))?.as_str();
    let (version, channel) = (of("bundle-version")?, of("channel").unwrap_or("unknown"));
    Some(Finding::good(format!(
        "CRDs of the Gateway API {version}, {channel} channel"
    )))
}

/// The rights that the router uses, for these kinds.
pub(super) fn rights(kinds: &[RouteKind], namespace: &str) -> Vec<Right> {
    let right = |verb, group, resource, namespace: &str, without| Right {
        verb,
        group,
        resource,
        namespace: namespace.to_owned(),
        without,
    };
    let mut rights = Vec::new();
    for kind in kinds {
        let of_route =
            |verb, namespace: &str, without| right(verb, GROUP, kind.resource(), namespace, without);
        rights.extend([
            of_route("get", namespace, None),
            of_route("update", namespace, None),
            of_route(
                "list",
                namespace,
                Some("selectors find nothing, and each reconcile reads the routes"),
            ),
            of_route(
                "watch",
                "",
                Some("each reconcile reads the routes, or they are watched namespace by namespace"),
            ),
            of_route(
                "patch",
                namespace,
                Some("a write conflicts with a gateway's report and is planned anew"),
            ),
        ]);
    }
    let features = Some("what a gateway can do is not known, so nothing is refused for it");
    rights.extend([
        right(
            "create",
            "",
            "events",
            namespace,
            Some("nobody is told what happens to traffic"),
        ),
        right(
            "get",
            "",
            "services",
            namespace,
            Some("experiments with weights fail"),
        ),
        right("get", GROUP, "gateways", namespace, features),
        right("get", GROUP, "gatewayclasses", "", features),
    ]);
    rights
}

pub(super) fn right(right: &Right, allowed: &Result<bool, ApiError>) -> Finding {
    let Right {
        verb,
        resource,
        without,
        ..
    } = right;
    let place = if right.namespace.is_empty() {
        "the cluster".to_owned()
    } else {
        format!("namespace {}", right.namespace)
    };
    let what = format!("{verb} {resource} in {place}");
    match (allowed, without) {
        (Ok(true), _) => Finding::good(format!("may {what}")),
        (Ok(false), Some(without)) => Finding::beware(format!("may not {what}: {without}")),
        (Ok(false), None) => Finding::bad(format!("may not {what}, without which nothing works")),
        (Err(error), _) => unreadable(&format!("whether it may {what}"), error),
    }
}

fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    object
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
