//! The pod template of a Rollout that refers to a workload (`spec.workloadRef`). Pure.
//!
//! Follows `informerBasedTemplateResolver.Resolve` and `infoByGroupKind` of argo-rollouts `rollout/templateref.go`.

use serde_json::Value;

/// What a Rollout can refer to: group, kind, and where the pod template and the selector are.
const KINDS: [(&str, &str, &str, Option<&str>); 3] = [
    ("apps", "Deployment", "/spec/template", Some("/spec/selector")),
    ("apps", "ReplicaSet", "/spec/template", Some("/spec/selector")),
    ("", "PodTemplate", "/template", None),
];

/// A Rollout whose pods are made from nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rollout {rollout}: {field}: {problem}")]
pub struct WorkloadError {
    rollout: String,
    field: &'static str,
    problem: String,
}

/// Puts the pod template of its workload into the Rollout, as the controller does in memory, and takes the workload out
/// of the other objects. What comes back names it; a Rollout with a template of its own is left as it is.
pub(super) fn resolve(rollout: &mut Value, others: &mut Vec<Value>) -> Result<Option<String>, WorkloadError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&rollout["metadata"]["name"]);
    let error = |field, problem: String| WorkloadError {
        rollout: name.clone(),
        field,
        problem,
    };
    let reference = &rollout["spec"]["workloadRef"];
    let own = !rollout["spec"]["template"].is_null();
    if reference.is_null() {
        let missing = "missing; write a pod template, or name a workload that has one in spec.workloadRef";
        return if own {
            Ok(None)
        } else {
            Err(error("spec.template", missing.to_owned()))
        };
    }
    if own {
        let both = "set beside spec.workloadRef, and the controller takes one of them; delete it";
        return Err(error("spec.template", both.to_owned()));
    }
    let (api_version, kind) = (text(&reference["apiVersion"]), text(&reference["kind"]));
    let group = |api_version: &str| {
        api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
            .to_owned()
    };
    let known = KINDS
        .iter()
        .find(|known| (known.0, known.1) == (&group(&api_version), &kind));
    let Some((.., template, selector)) = known else {
        let problem = format!(
            "{api_version} {kind} has no pod template for it; accepted are apps/v1 Deployment, apps/v1 ReplicaSet and v1 PodTemplate"
        );
        return Err(error("spec.workloadRef", problem));
    };
    let wanted = text(&reference["name"]);
    let namespace = text(&rollout["metadata"]["namespace"]);
    let found = others.iter().position(|other| {
        let own = text(&other["metadata"]["namespace"]);
        other["kind"] == *kind
            && group(&text(&other["apiVersion"])) == group(&api_version)
            && other["metadata"]["name"] == *wanted
            && (own.is_empty() || namespace.is_empty() || own == namespace)
    });
    let Some(index) = found else {
        return Err(error(
            "spec.workloadRef",
            format!("no {kind} {wanted} in the manifests"),
        ));
    };
    let workload = others.remove(index);
    let spec = &mut rollout["spec"];
    spec["template"] = workload.pointer(template).cloned().unwrap_or_default();
    if let Some(selector) = selector.filter(|_| spec["selector"].is_null()) {
        spec["selector"] = workload.pointer(selector).cloned().unwrap_or_default();
    }
    Ok(Some(format!("{kind} {wanted}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(spec: &Value) -> Value {
        json!({"kind": "Rollout", "metadata": {"name": "web"}, "spec": spec})
    }

    #[test]
    fn templates_are_found_where_each_kind_has_them() {
        let template = json!({"metadata": {"labels": {"app": "web"}}});
        let selector = json!({"matchLabels": {"app": "web"}});
        let cases = [
            (
                "apps/v1",
                "Deployment",
                json!({"spec": {"template": template, "selector": selector}}),
                selector.clone(),
            ),
            (
                "apps/v1",
                "ReplicaSet",
                json!({"spec": {"template": template, "selector": selector}}),
                selector,
            ),
            ("v1", "PodTemplate", json!({ "template": template }), Value::Null),
        ];
        for (api_version, kind, mut workload, selector) in cases {
            let reference = json!({"apiVersion": api_version, "kind": kind, "name": "web"});
            workload["apiVersion"] = json!(api_version);
            workload["kind"] = json!(kind);
            workload["metadata"] = json!({"name": "web"});
            let mut others = vec![json!({"kind": "Service", "metadata": {"name": "web"}}), workload];
            let mut rollout = rollout(&json!({ "workloadRef": reference }));
            assert_eq!(
                resolve(&mut rollout, &mut others),
                Ok(Some(format!("{kind} web")))
            );
            assert_eq!(
                (&rollout["spec"]["template"], others.len()),
                (&template, 1),
                "{kind}"
            );
            assert_eq!(rollout["spec"]["selector"], selector, "{kind}");
        }
    }

    #[test]
    fn what_has_no_template_is_said() {
        let reference =
            |api_version: &str, kind: &str| json!({"apiVersion": api_version, "kind": kind, "name": "web"});
        for (spec, want) in [
            (
                json!({}),
                "rollout web: spec.template: missing; write a pod template, or name a workload that has one in spec.workloadRef",
            ),
            (
                json!({"template": {}, "workloadRef": reference("apps/v1", "Deployment")}),
                "rollout web: spec.template: set beside spec.workloadRef, and the controller takes one of them; delete it",
            ),
            (
                json!({"workloadRef": reference("apps/v1", "Deployment")}),
                "rollout web: spec.workloadRef: no Deployment web in the manifests",
            ),
            (
                json!({"workloadRef": reference("apps/v1", "StatefulSet")}),
                "rollout web: spec.workloadRef: apps/v1 StatefulSet has no pod template for it; accepted are apps/v1 Deployment, apps/v1 ReplicaSet and v1 PodTemplate",
            ),
        ] {
            let error = resolve(&mut rollout(&spec), &mut vec![]).unwrap_err();
            assert_eq!(error.to_string(), want);
        }
    }
}
