//! The Gateway API's precedence, as tables.

use http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};

use super::matching::Head;
use super::table::Table;

fn route(name: &str, created: &str, spec: &Value) -> Value {
    let mut route = json!({
        "metadata": {"name": name, "namespace": "shop", "generation": 1, "creationTimestamp": created},
        "spec": spec,
    });
    crate::stage::api::defaults::fill(
        crate::stage::api::resource::find("gateway.networking.k8s.io", "httproutes").unwrap(),
        &mut route,
    );
    route
}

/// A route with one rule for each match.
fn rules(matches: &[Value]) -> Value {
    let rules: Vec<Value> = matches.iter().map(|one| json!({"matches": [one]})).collect();
    json!({ "rules": rules })
}

/// `METHOD host/path?query name=value…` to route and rule.
fn find(table: &Table, request: &str) -> Option<String> {
    let mut words = request.split_whitespace();
    let method: Method = words.next().unwrap().parse().unwrap();
    let (host, path) = words.next().unwrap().split_once('/').unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in words.map(|w| w.split_once('=').unwrap()) {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let uri = format!("/{path}").parse().unwrap();
    let rule = table.find(&Head {
        method: &method,
        uri: &uri,
        headers: &headers,
        host,
    })?;
    Some(format!(
        "{}#{}",
        rule.route.trim_start_matches("shop/"),
        rule.index
    ))
}

fn check(routes: &[Value], cases: &[(&str, Option<&str>)]) {
    let (table, verdicts) = Table::compile(routes, &|_, target| Ok(target.name.clone()));
    assert!(verdicts.iter().all(|v| v.accepted.is_ok()), "{verdicts:?}");
    for (request, want) in cases {
        assert_eq!(find(&table, request).as_deref(), *want, "{request}");
    }
}

#[test]
fn within_a_route() {
    let exact = |p| json!({"path": {"type": "Exact", "value": p}});
    let prefix = |p| json!({"path": {"type": "PathPrefix", "value": p}});
    let header = |v: &str| json!({"name": "x-user", "value": v});
    check(
        &[route(
            "web",
            "",
            &rules(&[
                prefix("/"),
                prefix("/shop"),
                exact("/shop"),
                json!({"path": {"value": "/shop"}, "method": "POST"}),
                json!({"path": {"value": "/shop"}, "headers": [header("tester")]}),
                json!({"path": {"value": "/shop"}, "headers": [header("tester"), {"name": "x-more", "value": "1"}]}),
                json!({"path": {"value": "/shop"}, "queryParams": [{"name": "v", "value": "2"}]}),
                json!({"path": {"type": "RegularExpression", "value": "/shop/[0-9]+"}}),
                json!({"headers": [{"name": "cookie", "type": "RegularExpression", "value": "(?:.*; )?canary=yes(?:;.*)?"}]}),
                prefix("/shop"),
            ]),
        )],
        &[
            ("GET any/", Some("web#0")),
            ("GET any/elsewhere", Some("web#0")),
            ("GET any/shop", Some("web#2")),
            ("GET any/shop/", Some("web#1")),
            ("GET any/shop/cart", Some("web#1")),
            ("GET any/shopping", Some("web#0")),
            // A longer path beats everything that follows, an exact one all others.
            ("POST any/shop", Some("web#2")),
            ("POST any/shop/cart", Some("web#3")),
            ("GET any/shop/cart x-user=tester", Some("web#4")),
            ("GET any/shop/cart x-user=tester x-more=1", Some("web#5")),
            ("POST any/shop/cart x-user=tester x-more=1", Some("web#3")),
            ("GET any/shop/cart x-user=else", Some("web#1")),
            ("GET any/shop/cart?v=2", Some("web#6")),
            ("GET any/shop/cart?w=1&v=2", Some("web#6")),
            ("GET any/shop/cart?v=20", Some("web#1")),
            ("GET any/shop/cart?v=2 x-user=tester", Some("web#4")),
            ("GET any/shop/17", Some("web#7")),
            ("GET any/shop/17/more", Some("web#1")),
            ("GET any/ cookie=canary=yes", Some("web#8")),
            ("GET any/ cookie=a=b cookie=canary=yes", Some("web#8")),
            ("GET any/ cookie=canary=yesterday", Some("web#0")),
            ("GET any/shop/x cookie=canary=yes", Some("web#1")),
        ],
    );
}

#[test]
fn between_routes() {
    let with = |hosts: &[&str]| {
        let mut spec = rules(&[json!({"path": {"value": "/"}})]);
        spec["hostnames"] = json!(hosts);
        spec
    };
    check(
        &[
            route("newer", "2026-01-02T00:00:00Z", &with(&[])),
            route("older-b", "2026-01-01T00:00:00Z", &with(&[])),
            route("older-a", "2026-01-01T00:00:00Z", &with(&[])),
            route("wild", "2026-01-03T00:00:00Z", &with(&["*.example.com"])),
            route("deep", "2026-01-03T00:00:00Z", &with(&["*.shop.example.com"])),
            route("exact", "2026-01-03T00:00:00Z", &with(&["WWW.example.com"])),
        ],
        &[
            ("GET other.org/", Some("older-a#0")),
            ("GET www.example.com/", Some("exact#0")),
            ("GET api.example.com/", Some("wild#0")),
            ("GET a.shop.example.com/", Some("deep#0")),
            ("GET example.com/", Some("older-a#0")),
        ],
    );
    check(
        &[route("only", "", &with(&["www.example.com"]))],
        &[("GET other.org/", None)],
    );
}

#[test]
fn what_is_not_accepted_serves_nothing() {
    let cases = [
        (
            json!({"rules": [{"filters": [{"type": "URLRewrite", "urlRewrite": {}}]}]}),
            "spec.rules[0]: filters[0].type URLRewrite is not supported by this gateway",
        ),
        (
            rules(&[
                json!({}),
                json!({"headers": [{"name": "x", "type": "RegularExpression", "value": "("}]}),
            ]),
            "spec.rules[1]: matches[0].headers: [0]: invalid regular expression \"(\"",
        ),
        (
            rules(&[json!({"path": {"type": "Wild", "value": "/"}})]),
            "spec.rules[0]: matches[0].path: type \"Wild\" is none of Exact, PathPrefix, RegularExpression",
        ),
    ];
    for (spec, want) in cases {
        let (table, verdicts) =
            Table::compile(&[route("web", "", &spec)], &|_, target| Ok(target.name.clone()));
        let (reason, message) = verdicts[0].accepted.clone().unwrap_err();
        assert_eq!(reason, "UnsupportedValue");
        assert!(message.starts_with(want), "{message}");
        assert_eq!(find(&table, "GET any/"), None);
    }
}

#[test]
fn a_backend_that_cannot_be_resolved_keeps_its_share() {
    let spec = json!({"rules": [{"backendRefs": [{"name": "good", "port": 80}, {"name": "gone", "port": 80, "weight": 3}]}]});
    let (table, verdicts) = Table::compile(
        &[route("web", "", &spec)],
        &|_, target| match target.name.as_str() {
            "gone" => Err(("BackendNotFound", "Service shop/gone not found".to_owned())),
            name => Ok(name.to_owned()),
        },
    );
    assert_eq!(verdicts[0].accepted, Ok(()));
    let want = (
        "BackendNotFound",
        "spec.rules[0]: Service shop/gone not found".to_owned(),
    );
    assert_eq!(verdicts[0].resolved_refs, Err(want));
    let uri = "/".parse().unwrap();
    let head = Head {
        method: &Method::GET,
        uri: &uri,
        headers: &HeaderMap::new(),
        host: "",
    };
    let backends = &table.find(&head).unwrap().backends;
    let seen: Vec<_> = backends.iter().map(|b| (b.weight, b.service.is_ok())).collect();
    assert_eq!(seen, [(1, true), (3, false)]);
}
