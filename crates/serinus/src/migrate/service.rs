//! The Service that stays, and the second one for the canary.

use canary_steps::edit::Change;
use serde_json::{Value, json};

use super::Wishes;
use super::deployment::{Deployment, describe};
use super::names::LONGEST;
use super::object::{Object, edited, foreign_metadata, list, same_namespace, set, text, unset};
use super::problem::{Problem, Refusal};
use super::route::{self, KINDS};
use crate::manifests::Document;

/// The user's Service: it becomes the stable one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'d> {
    pub(super) object: Object<'d>,
}

/// The new Service.
#[derive(Debug, Clone)]
pub(super) struct Canary {
    pub(super) name: String,
    pub(super) document: Document,
}

impl Service<'_> {
    /// Its ports by number.
    pub(super) fn ports(&self) -> Vec<u64> {
        let ports = list(&self.object.value["spec"]["ports"]).iter();
        ports.filter_map(|port| port["port"].as_u64()).collect()
    }

    /// Whether a backend of a route in that namespace is this Service.
    pub(super) fn is_meant(&self, backend: &Value, namespace: &str) -> bool {
        self.is_called(self.object.name(), backend, namespace)
    }

    /// Whether such a backend is a Service of that name beside this one.
    pub(super) fn is_called(&self, name: &str, backend: &Value, namespace: &str) -> bool {
        let own = text(&backend["namespace"]);
        text(&backend["group"]).is_empty()
            && matches!(text(&backend["kind"]), "" | "Service")
            && text(&backend["name"]) == name
            && same_namespace(
                if own.is_empty() { namespace } else { own },
                self.object.namespace(),
            )
    }
}

/// The Service that selects the Deployment's pods and to which routes refer.
pub(super) fn choose<'d>(
    objects: &[Object<'d>],
    deployment: &Deployment<'d>,
    wishes: &Wishes,
) -> Result<Service<'d>, Refusal> {
    let services: Vec<Service<'d>> = objects
        .iter()
        .filter(|object| object.is("", "Service") && object.is_beside(&deployment.object))
        .map(|object| Service { object: *object })
        .collect();
    let wanted = wishes.service.as_deref();
    let named: Vec<_> = services
        .iter()
        .filter(|service| wanted.is_none_or(|name| service.object.name() == name))
        .copied()
        .collect();
    if named.is_empty() {
        let name = wanted.map(|name| format!(" {name:?}")).unwrap_or_default();
        let problem = format!(
            "no Service{name} in the manifests; give the one that selects the pods of {} with -f",
            deployment.object.title()
        );
        return Err(Problem::new("", "", problem).into());
    }
    let (selecting, others): (Vec<_>, Vec<_>) = named
        .into_iter()
        .partition(|service| selects(service, deployment.labels()));
    if selecting.is_empty() {
        return Err(Refusal(
            others
                .iter()
                .map(|service| mismatch(service, deployment))
                .collect(),
        ));
    }
    let routed: Vec<_> = selecting
        .iter()
        .filter(|service| objects.iter().any(|object| route::refers(object, service)))
        .copied()
        .collect();
    match routed[..] {
        [one] => {
            managed(&one, deployment)?;
            Ok(one)
        }
        [] => Err(unrouted(objects, &selecting).into()),
        _ => {
            let names: Vec<_> = routed.iter().map(|service| service.object.name()).collect();
            let problem = format!(
                "routes refer to {} Services that select the pods of {} ({}); choose one with --service",
                names.len(),
                deployment.object.title(),
                names.join(", ")
            );
            Err(Problem::new("", "", problem).into())
        }
    }
}

/// Other Services that select the Deployment's pods.
pub(super) fn others<'d>(
    objects: &[Object<'d>],
    service: &Service<'_>,
    deployment: &Deployment<'_>,
) -> Vec<Object<'d>> {
    let all = objects
        .iter()
        .filter(|object| object.is("", "Service") && object.is_beside(&deployment.object));
    let others = all.filter(|object| {
        object.name() != service.object.name() && selects(&Service { object: **object }, deployment.labels())
    });
    others.copied().collect()
}

/// Other workloads whose pods the Service selects, and will not when it selects the Rollout's alone.
pub(super) fn left_out<'d>(
    objects: &[Object<'d>],
    service: &Service<'_>,
    deployment: &Deployment<'_>,
) -> Vec<Object<'d>> {
    const WORKLOADS: [(&str, &str); 6] = [
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("apps", "ReplicaSet"),
        ("", "ReplicationController"),
        ("argoproj.io", "Rollout"),
    ];
    let others = objects.iter().filter(|object| {
        WORKLOADS.iter().any(|(group, kind)| object.is(group, kind))
            && !std::ptr::eq(object.document, deployment.object.document)
            && object.is_beside(&service.object)
            && selects(service, &object.value["spec"]["template"]["metadata"]["labels"])
    });
    others.copied().collect()
}

/// Whether the Service selects pods with these labels.
fn selects(service: &Service<'_>, labels: &Value) -> bool {
    let selector = service.object.value["spec"]["selector"].as_object();
    selector.is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
    })
}

fn mismatch(service: &Service<'_>, deployment: &Deployment<'_>) -> Problem {
    let problem = format!(
        "{} does not select the pods of {}, which have {}",
        describe(&service.object.value["spec"]["selector"]),
        deployment.object.title(),
        deployment.described()
    );
    Problem::new(service.object.title(), "spec.selector", problem)
}

/// Another Rollout has it (`ServiceReferencingManagedService` in argo-rollouts).
fn managed(service: &Service<'_>, deployment: &Deployment<'_>) -> Result<(), Problem> {
    const BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
    match text(&service.object.value["metadata"]["annotations"][BY]) {
        "" => Ok(()),
        owner if owner == deployment.name() => Ok(()),
        owner => Err(Problem::new(
            service.object.title(),
            format!("metadata.annotations[{BY}]"),
            format!("{owner}: another Rollout points it at its pods; a Service can be that of one"),
        )),
    }
}

fn unrouted(objects: &[Object<'_>], services: &[Service<'_>]) -> Problem {
    let names: Vec<_> = services.iter().map(|service| service.object.name()).collect();
    let kinds: Vec<_> = KINDS.iter().map(|(kind, _)| *kind).collect();
    let elsewhere = objects
        .iter()
        .find(|object| names.iter().any(|name| mentions(object, name)));
    let elsewhere = elsewhere.map(|object| {
        format!(
            "; {} does, and requests that come by it cannot be divided by this traffic router",
            object.title()
        )
    });
    let problem = format!(
        "no route in the manifests refers to Service {}{}; accepted are {}",
        names.join(" or "),
        elsewhere.unwrap_or_default(),
        kinds.join(", ")
    );
    Problem::new("", "", problem)
}

/// Whether an object that brings requests in by other ways than the Gateway API names the Service.
pub(super) fn mentions(object: &Object<'_>, service: &str) -> bool {
    let kinds = [
        "Ingress",
        "VirtualService",
        "IngressRoute",
        "HTTPProxy",
        "Mapping",
        "ApisixRoute",
    ];
    if !kinds.contains(&object.kind()) {
        return false;
    }
    let text = object.value["spec"].to_string();
    text.contains(&format!("\"{service}\"")) || text.contains(&format!("\"{service}."))
}

/// The canary's Service: as the user's, but for what there can be only once.
pub(super) fn canary(
    objects: &[Object<'_>],
    service: &Service<'_>,
    wishes: &Wishes,
) -> Result<Canary, Refusal> {
    let own = service.object.name();
    let name = wishes
        .canary_service
        .clone()
        .unwrap_or_else(|| format!("{own}-canary"));
    if name.len() > LONGEST || name == own {
        let problem = format!(
            "the canary's Service cannot be called {name}; give another name of at most {LONGEST} letters with --canary-service"
        );
        return Err(Problem::new(service.object.title(), "metadata.name", problem).into());
    }
    let there = objects.iter().find(|object| {
        object.is("", "Service") && object.is_beside(&service.object) && object.name() == name
    });
    if let Some(there) = there {
        let problem =
            format!("{name}: it is there already; give the canary's another name with --canary-service");
        return Err(Problem::new(there.title(), "metadata.name", problem).into());
    }
    let value = service.object.value;
    let mut changes: Vec<Change> = foreign_metadata(value);
    changes.push(set(&["metadata", "name"], json!(name)));
    let spec = &value["spec"];
    let headless = spec["clusterIP"] == "None";
    let once = [
        "healthCheckNodePort",
        "loadBalancerIP",
        "loadBalancerClass",
        "loadBalancerSourceRanges",
        "allocateLoadBalancerNodePorts",
        "externalIPs",
        "externalTrafficPolicy",
    ];
    changes.extend(once.iter().map(|field| unset(&["spec", field])));
    if !headless {
        changes.extend(["clusterIP", "clusterIPs"].map(|field| unset(&["spec", field])));
    }
    if !matches!(text(&spec["type"]), "" | "ClusterIP") {
        changes.push(unset(&["spec", "type"]));
    }
    let mut ports = list(&spec["ports"]).to_vec();
    for port in &mut ports {
        port.as_object_mut().map(|port| port.remove("nodePort"));
    }
    if list(&spec["ports"]) != ports {
        changes.push(set(&["spec", "ports"], json!(ports)));
    }
    let mut document = edited(service.object.document, &changes);
    let body = document.text.trim_start_matches('\n');
    let body: String = body
        .split_inclusive('\n')
        .skip_while(|line| line.starts_with('#'))
        .collect();
    document.text =
        format!("# As Service {own}; the controller points it at the new version in a release.\n{body}");
    Ok(Canary { name, document })
}
