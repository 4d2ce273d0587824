use serde_json::json;

use super::*;

fn parse(value: Value) -> Result<Config, ConfigError> {
    Config::parse("plugins.gw", value.to_string().as_bytes(), "shop")
}

fn routes(value: Value) -> Vec<String> {
    let config = parse(value).unwrap();
    config
        .routes
        .iter()
        .map(|target| {
            format!(
                "{}{}",
                target.key,
                if target.header_routes { " +headers" } else { "" }
            )
        })
        .collect()
}

#[test]
fn the_go_plugins_fields_name_routes() {
    assert_eq!(
        routes(json!({"httpRoute": "web"})),
        ["HTTPRoute shop/web +headers"]
    );
    assert_eq!(
        routes(
            json!({"namespace": "edge", "httpRoute": "web", "grpcRoutes": [{"name": "api", "useHeaderRoutes": true}],
            "tcpRoute": "db", "tlsRoutes": [{"name": "mail"}], "httpRoutes": null})
        ),
        [
            "HTTPRoute edge/web +headers",
            "GRPCRoute edge/api +headers",
            "TCPRoute edge/db +headers",
            "TLSRoute edge/mail"
        ]
    );
    assert_eq!(
        routes(json!({"httpRoutes": [{"name": "a"}, {"name": "b", "useHeaderRoutes": false}]})),
        ["HTTPRoute shop/a", "HTTPRoute shop/b"]
    );
}

#[test]
fn routes_may_lie_in_several_namespaces_and_count_once() {
    assert_eq!(
        routes(json!({"httpRoute": "other/web", "httpRoutes": [
            {"name": "web"}, {"name": "web", "namespace": "other"}, {"name": "shop/web", "useHeaderRoutes": true}],
            "udpRoute": "dns"})),
        [
            "HTTPRoute shop/web +headers",
            "HTTPRoute other/web +headers",
            "UDPRoute shop/dns +headers"
        ]
    );
}

#[test]
fn labels_have_defaults() {
    let label = |value| {
        parse(value)
            .unwrap()
            .in_progress_label
            .map(|label| format!("{}={}", label.key, label.value))
    };
    assert_eq!(
        label(json!({"httpRoute": "web"})).as_deref(),
        Some("rollouts.argoproj.io/gatewayapi-canary=in-progress")
    );
    assert_eq!(
        label(json!({"httpRoute": "web", "inProgressLabelKey": "a/b", "inProgressLabelValue": "c"}))
            .as_deref(),
        Some("a/b=c")
    );
    assert_eq!(
        label(json!({"httpRoute": "web", "disableInProgressLabel": true})),
        None
    );
}

#[test]
fn what_is_not_understood_is_named() {
    let cases = [
        (json!({}), "plugins.gw names no route: at least one of httpRoute"),
        (json!({"httpRoute": ""}), "names no route"),
        (
            json!({"grpcRoute": "web", "httpRouteRuleName": "main"}),
            "plugins.gw.httpRouteRuleName is \"main\", accepted is the name of a rule beside the one route",
        ),
        (
            json!({"grpcRoute": "web", "sessionAffinity": {}}),
            "plugins.gw.sessionAffinity needs an HTTPRoute",
        ),
        (json!("web"), "plugins.gw must be an object, found \"web\""),
        (
            json!({"httpRoute": ["web"]}),
            "plugins.gw.httpRoute must be a string, found [\"web\"]",
        ),
        (
            json!({"httpRoutee": "web"}),
            "plugins.gw.httpRoutee is not a known field, did you mean httpRoute?",
        ),
        (json!({"HTTPRoute": "web"}), "did you mean httpRoute?"),
        (
            json!({"gateway": "web"}),
            "plugins.gw.gateway is not a known field, known are namespace, httpRoutes",
        ),
        (
            json!({"httpRoutes": "web"}),
            "plugins.gw.httpRoutes must be a list, found \"web\"",
        ),
        (
            json!({"httpRoutes": ["web"]}),
            "plugins.gw.httpRoutes[0] must be an object, found \"web\"",
        ),
        (
            json!({"httpRoutes": [{"useHeaderRoutes": true}]}),
            "plugins.gw.httpRoutes[0].name is missing",
        ),
        (
            json!({"httpRoutes": [{"name": "a"}, {"name": "b", "useHeaderRoute": true}]}),
            "plugins.gw.httpRoutes[1].useHeaderRoute is not a known field, did you mean useHeaderRoutes?",
        ),
        (
            json!({"httpRoutes": [{"name": "a", "ruleMatches": [{"pathh": {"value": "/"}}]}]}),
            "plugins.gw.httpRoutes[0].ruleMatches[0].pathh is not a known field, did you mean path?",
        ),
        (
            json!({"httpRoutes": [{"name": "a", "ruleMatches": [{"path": "/api"}]}]}),
            "plugins.gw.httpRoutes[0].ruleMatches[0].path must be an object, found \"/api\"",
        ),
        (
            json!({"grpcRoutes": [{"name": "a", "ruleMatches": [{"method": "GET"}]}]}),
            "plugins.gw.grpcRoutes[0].ruleMatches[0].method must be an object, found \"GET\"",
        ),
        (
            json!({"httpRoutes": [{"name": "a", "ruleMatches": [{}]}]}),
            "plugins.gw.httpRoutes[0].ruleMatches[0] is {}, accepted is what one of a rule's matches has",
        ),
        (
            json!({"tcpRoutes": [{"name": "a", "ruleMatches": [{"path": {}}]}]}),
            "accepted is nothing: rules of this kind match no requests",
        ),
        (
            json!({"httpRoute": "Web"}),
            "plugins.gw.httpRoute is \"Web\", accepted is the name of a route",
        ),
        (
            json!({"httpRoute": "../secrets/x"}),
            "plugins.gw.httpRoute is \"..\"",
        ),
        (
            json!({"httpRoute": "web", "namespace": "a/b"}),
            "plugins.gw.namespace is \"a/b\"",
        ),
        (
            json!({"httpRoute": "web", "inProgressLabelKey": "a b"}),
            "plugins.gw.inProgressLabelKey is \"a b\"",
        ),
        (
            json!({"httpRoute": "web", "disableInProgressLabel": "yes"}),
            "must be true or false, found \"yes\"",
        ),
    ];
    for (value, expected) in cases {
        let error = parse(value.clone()).unwrap_err().to_string();
        assert!(error.contains(expected), "{value}: {error}");
    }
    let error = Config::parse("plugins.gw", b"{", "shop").unwrap_err().to_string();
    assert!(error.starts_with("plugins.gw is not valid JSON: EOF"), "{error}");
}

#[test]
fn a_long_value_is_cut_in_the_message() {
    let error = parse(json!({"httpRoute": vec!["ü".repeat(50); 3]}))
        .unwrap_err()
        .to_string();
    assert!(error.ends_with('…') && error.chars().count() < 140, "{error}");
}

/// What users copy must read.
#[test]
fn the_sticky_example_reads() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../manifests/gateway-api/example-sticky/rollout.yaml"
    );
    let rollout: rollouts_plugin::types::Rollout =
        serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (path, json) = PluginName::default().entry(&rollout).unwrap();
    let config = Config::parse(&path, json.as_bytes(), "shop").unwrap();
    assert_eq!(
        config.affinity.unwrap().cookie_name.as_deref(),
        Some("shop-version")
    );
}
