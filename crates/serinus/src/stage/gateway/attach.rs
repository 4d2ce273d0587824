//! Whether a Gateway takes a route that refers to it, and under which hosts. Pure.
//!
//! Follows the Gateway API's `ParentReference` (`sectionName`, `port`), `AllowedRoutes` and `Listener.hostname`.

use serde_json::Value;

use crate::stage::api::selector::selects;

/// Under which hosts a route is served through a parent, none of them for all; or reason and message of
/// `Accepted=False`.
pub type Attachment = Result<Vec<String>, (&'static str, String)>;

/// The labels of a Namespace, where there is one.
pub type Labels<'a> = dyn Fn(&str) -> Option<Value> + 'a;

/// Attaches a route to a Gateway by one of its parentRefs. A Namespace that is not there is taken for one that a selector
/// takes.
pub fn attach(gateway: &Value, route: &Value, parent: &Value, labels: &Labels<'_>) -> Attachment {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let meta = |field: &str| text(&gateway["metadata"][field]);
    let name = format!("Gateway {}/{}", meta("namespace"), meta("name"));
    let own = text(&route["metadata"]["namespace"]);

    let mut listeners: Vec<&Value> = list(&gateway["spec"]["listeners"]).iter().collect();
    listeners.retain(|l| parent["sectionName"].is_null() || parent["sectionName"] == l["name"]);
    listeners.retain(|l| parent["port"].is_null() || parent["port"] == l["port"]);
    if listeners.is_empty() {
        let wanted = [("sectionName", &parent["sectionName"]), ("port", &parent["port"])];
        let wanted = wanted.iter().filter(|(_, value)| !value.is_null());
        let wanted: Vec<String> = wanted
            .map(|(field, value)| format!(" of {field} {value}"))
            .collect();
        return Err((
            "NoMatchingParent",
            format!("{name} has no listener{}", wanted.join(" and")),
        ));
    }
    listeners.retain(|l| takes_http_routes(l));
    if listeners.is_empty() {
        let message = format!("{name} has no listener of protocol HTTP or HTTPS that takes HTTPRoutes");
        return Err(("NotAllowedByListeners", message));
    }
    listeners.retain(|l| takes_namespace(l, &meta("namespace"), &own, labels));
    if listeners.is_empty() {
        let message = format!(
            "{name} has no listener that takes routes from namespace {own} (allowedRoutes.namespaces)"
        );
        return Err(("NotAllowedByListeners", message));
    }
    let wanted: Vec<String> = list(&route["spec"]["hostnames"]).iter().map(text).collect();
    let served = listeners
        .iter()
        .map(|l| common_hosts(&text(&l["hostname"]), &wanted));
    let served: Vec<Vec<String>> = served.flatten().collect();
    if served.is_empty() {
        let message = format!("{name} has no listener for {}", wanted.join(", "));
        return Err(("NoMatchingListenerHostname", message));
    }
    Ok(union(served))
}

/// The hosts of several attachments together.
pub fn union(hosts: Vec<Vec<String>>) -> Vec<String> {
    if hosts.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    let mut all: Vec<String> = Vec::new();
    for host in hosts.into_iter().flatten() {
        if !all.contains(&host) {
            all.push(host);
        }
    }
    all
}

fn takes_http_routes(listener: &Value) -> bool {
    let kinds = list(&listener["allowedRoutes"]["kinds"]);
    ["HTTP", "HTTPS"]
        .iter()
        .any(|protocol| listener["protocol"] == **protocol)
        && (kinds.is_empty() || kinds.iter().any(|kind| kind["kind"] == "HTTPRoute"))
}

fn takes_namespace(listener: &Value, gateway: &str, route: &str, labels: &Labels<'_>) -> bool {
    let namespaces = &listener["allowedRoutes"]["namespaces"];
    match namespaces["from"].as_str().unwrap_or("Same") {
        "All" => true,
        "Same" => gateway == route,
        "Selector" => labels(route).is_none_or(|labels| selects(&namespaces["selector"], &labels)),
        _ => false,
    }
}

/// The hosts that a listener and a route have in common: none of them for all, `None` for no host.
fn common_hosts(listener: &str, route: &[String]) -> Option<Vec<String>> {
    match (listener, route) {
        ("", route) => Some(route.to_vec()),
        (listener, []) => Some(vec![listener.to_owned()]),
        (listener, route) => {
            let common: Vec<String> = route
                .iter()
                .filter_map(|host| common_host(listener, host))
                .collect();
            (!common.is_empty()).then_some(common)
        }
    }
}

/// The narrower of two hosts, where one holds the other.
fn common_host(one: &str, other: &str) -> Option<String> {
    let holds = |wide: &str, narrow: &str| {
        let suffix = wide.strip_prefix('*');
        suffix.is_some_and(|suffix| narrow.len() > suffix.len() && narrow.ends_with(suffix))
    };
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    if one == other || holds(&one, &other) {
        Some(other)
    } else {
        holds(&other, &one).then_some(one)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attached(listener: &Value, parent: &Value, hostnames: &Value) -> Result<Vec<String>, String> {
        let mut full = json!({"name": "http", "port": 80, "protocol": "HTTP"});
        json_patch::merge(&mut full, listener);
        let gateway =
            json!({"metadata": {"namespace": "infra", "name": "gw"}, "spec": {"listeners": [full]}});
        let route = json!({"metadata": {"namespace": "shop"}, "spec": {"hostnames": hostnames}});
        attach(&gateway, &route, parent, &|name| {
            (name == "shop").then(|| json!({"team": "shop"}))
        })
        .map_err(|(reason, message)| format!("{reason}: {message}"))
    }

    #[test]
    fn listeners_are_chosen_by_name_port_protocol_and_namespace() {
        let all = json!({"allowedRoutes": {"namespaces": {"from": "All"}}});
        let with = |more: Value| {
            let mut listener = all.clone();
            json_patch::merge(&mut listener, &more);
            listener
        };
        let from = |namespaces: Value| json!({"allowedRoutes": {"namespaces": namespaces}});
        let team =
            |team: &str| from(json!({"from": "Selector", "selector": {"matchLabels": {"team": team}}}));
        let far = "NotAllowedByListeners: Gateway infra/gw has no listener that takes routes from namespace shop (allowedRoutes.namespaces)";
        let http = "NotAllowedByListeners: Gateway infra/gw has no listener of protocol HTTP or HTTPS that takes HTTPRoutes";
        let cases = [
            (all.clone(), json!({}), None),
            (all.clone(), json!({"sectionName": "http", "port": 80}), None),
            (
                all.clone(),
                json!({"sectionName": "https", "port": 80}),
                Some(
                    r#"NoMatchingParent: Gateway infra/gw has no listener of sectionName "https" and of port 80"#,
                ),
            ),
            (
                all.clone(),
                json!({"port": 8080}),
                Some("NoMatchingParent: Gateway infra/gw has no listener of port 8080"),
            ),
            (with(json!({"protocol": "HTTPS"})), json!({}), None),
            (with(json!({"protocol": "TCP"})), json!({}), Some(http)),
            (
                with(json!({"allowedRoutes": {"kinds": [{"kind": "GRPCRoute"}]}})),
                json!({}),
                Some(http),
            ),
            (json!({}), json!({}), Some(far)),
            (from(json!({"from": "None"})), json!({}), Some(far)),
            (team("shop"), json!({}), None),
            (team("other"), json!({}), Some(far)),
        ];
        for (listener, parent, want) in cases {
            let error = attached(&listener, &parent, &json!([])).err();
            assert_eq!(error.as_deref(), want, "{listener} {parent}");
        }
    }

    #[test]
    fn hosts_are_what_listener_and_route_have_in_common() {
        // listener, route, hosts
        let cases = [
            (json!(null), json!([]), Some(json!([]))),
            (json!(null), json!(["a.example"]), Some(json!(["a.example"]))),
            (json!("a.example"), json!([]), Some(json!(["a.example"]))),
            (
                json!("A.example"),
                json!(["a.example", "b.example"]),
                Some(json!(["a.example"])),
            ),
            (
                json!("*.example"),
                json!(["a.b.example", "*.c.example"]),
                Some(json!(["a.b.example", "*.c.example"])),
            ),
            (
                json!("a.example"),
                json!(["*.example"]),
                Some(json!(["a.example"])),
            ),
            (json!("only.example"), json!(["other.example"]), None),
            (json!("*.example"), json!(["example"]), None),
        ];
        for (listener, route, want) in cases {
            let listener = json!({"hostname": listener, "allowedRoutes": {"namespaces": {"from": "All"}}});
            let found = attached(&listener, &json!({}), &route);
            let refused = found
                .as_ref()
                .err()
                .is_some_and(|e| e.starts_with("NoMatchingListenerHostname: "));
            assert_eq!(refused, want.is_none(), "{listener} {route}");
            assert_eq!(found.ok().map(Value::from), want, "{listener} {route}");
        }
    }
}
