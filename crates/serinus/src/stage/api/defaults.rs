//! What the API server fills into an HTTPRoute before it keeps it (the `default:` values of Gateway API's CRD). A
//! router that compares what it wrote with what it reads back has to live with these.

use serde_json::{Map, Value, json};

use super::resource::Resource;

/// Fills the defaults of the object's schema.
pub fn fill(resource: &Resource, object: &mut Value) {
    if resource.kind == "HTTPRoute"
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        http_route(spec);
    }
}

fn http_route(spec: &mut Map<String, Value>) {
    for parent in each(spec.get_mut("parentRefs")) {
        default(parent, "group", || json!("gateway.networking.k8s.io"));
        default(parent, "kind", || json!("Gateway"));
    }
    let rules = spec.entry("rules").or_insert_with(|| json!([{}]));
    for rule in each(Some(rules)) {
        default(rule, "matches", || json!([{}]));
        for one in each(rule.get_mut("matches")) {
            default(one, "path", || json!({}));
            if let Some(path) = one.get_mut("path").and_then(Value::as_object_mut) {
                default(path, "type", || json!("PathPrefix"));
                default(path, "value", || json!("/"));
            }
            for list in ["headers", "queryParams"] {
                for item in each(one.get_mut(list)) {
                    default(item, "type", || json!("Exact"));
                }
            }
        }
        filters(rule);
        for backend in each(rule.get_mut("backendRefs")) {
            reference(backend);
            default(backend, "weight", || json!(1));
            filters(backend);
        }
    }
}

fn filters(holder: &mut Map<String, Value>) {
    for filter in each(holder.get_mut("filters")) {
        if let Some(mirror) = filter.get_mut("requestMirror")
            && let Some(backend) = mirror.get_mut("backendRef").and_then(Value::as_object_mut)
        {
            reference(backend);
        }
    }
}

fn reference(backend: &mut Map<String, Value>) {
    default(backend, "group", || json!(""));
    default(backend, "kind", || json!("Service"));
}

fn default(object: &mut Map<String, Value>, field: &str, value: impl FnOnce() -> Value) {
    object.entry(field).or_insert_with(value);
}

fn each(list: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    list.and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::api::resource::find;

    #[test]
    fn an_http_route() {
        let mut route = json!({"spec": {
            "parentRefs": [{"name": "gw"}],
            "rules": [
                {"backendRefs": [{"name": "web", "port": 80, "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m", "port": 1}}}]}]},
                {"matches": [{"headers": [{"name": "x", "value": "1"}]}]},
            ],
        }});
        fill(
            find("gateway.networking.k8s.io", "httproutes").unwrap(),
            &mut route,
        );
        let path = json!({"type": "PathPrefix", "value": "/"});
        let want = json!({"spec": {
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}],
            "rules": [
                {"matches": [{"path": path}], "backendRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80, "weight": 1,
                    "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"group": "", "kind": "Service", "name": "m", "port": 1}}}]}]},
                {"matches": [{"path": path, "headers": [{"name": "x", "type": "Exact", "value": "1"}]}]},
            ],
        }});
        assert_eq!(route, want);
    }
}
