use expect_test::expect;

use super::*;
use crate::apply::Status;

fn key() -> RouteKey {
    RouteKey {
        kind: RouteKind::Http,
        namespace: "shop".into(),
        name: "web".into(),
    }
}

fn route() -> Value {
    let rule = json!({"backendRefs": [{"name": "stable", "weight": 100}, {"name": "canary", "weight": 0}],
        "sessionPersistence": {"sessionName": "s"}});
    json!({"kind": "HTTPRoute", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "gw"}, {"name": "mesh", "kind": "Service"}, {"name": "edge", "namespace": "infra"}],
            "rules": [rule, {"backendRefs": [{"name": "stable", "namespace": "shop"}, {"name": "auth", "namespace": "id"}]}]},
        "status": {"parents": [
            {"controllerName": "example.com/gw", "conditions": [{"type": "Accepted", "status": "True"}]},
            {"controllerName": "example.com/edge", "conditions": [
                {"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "no auth"}]}]}})
}

fn rollout(steps: Value) -> Rollout {
    serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary", "steps": steps}}}}))
    .unwrap()
}

fn told(findings: impl IntoIterator<Item = Finding>) -> String {
    findings
        .into_iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}

#[test]
fn a_route_is_looked_at_from_all_sides() {
    let mut findings = reports(&key(), &route());
    findings.extend(reports(&key(), &json!({})));
    expect![[r#"
        ok      HTTPRoute shop/web: example.com/gw accepts it
        bad     HTTPRoute shop/web: example.com/edge reports ResolvedRefs=False (BackendNotFound): no auth
        beware  HTTPRoute shop/web: no gateway has reported on it, so no weight will count as verified
    "#]]
    .assert_eq(&told(findings));
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(foreign_services(&key(), &route()), [pair("id", "auth")].into());
    assert_eq!(
        gateways(&key(), &route()),
        [pair("infra", "edge"), pair("shop", "gw")].into()
    );
}

#[test]
fn a_reference_grant_names_who_and_what() {
    let grant = |kind: &str, namespace: &str, name: Value| {
        let mut to = json!({"group": "", "kind": "Service"});
        if !name.is_null() {
            to["name"] = name;
        }
        Ok(json!({"items": [{"metadata": {"name": "g"},
            "spec": {"from": [{"group": GROUP, "kind": kind, "namespace": namespace}], "to": [to]}}]}))
    };
    let cases = [
        (grant("HTTPRoute", "shop", Value::Null), Level::Good),
        (grant("HTTPRoute", "shop", json!("auth")), Level::Good),
        (grant("HTTPRoute", "shop", json!("other")), Level::Bad),
        (grant("HTTPRoute", "other", Value::Null), Level::Bad),
        (grant("GRPCRoute", "shop", Value::Null), Level::Bad),
        (Ok(json!({})), Level::Bad),
    ];
    for (grants, expected) in cases {
        let finding = super::grant(&key(), "id", "auth", &grants);
        assert_eq!(finding.level, expected, "{finding}: {grants:?}");
    }
}

#[test]
fn mirrors_need_a_gateway_that_lists_them() {
    let steps =
        json!([{"setMirrorRoute": {"name": "m", "percentage": 30, "match": [{"path": {"prefix": "/"}}]}}]);
    let class = Ok(json!({"spec": {"controllerName": "example.com/gw"},
        "status": {"supportedFeatures": [{"name": "HTTPRoute"}, {"name": "HTTPRouteRequestMirror"}]}}));
    expect![[r#"
        ok      Gateway shop/gw: example.com/gw lists 2 features
        beware  Gateway shop/gw: example.com/gw does not list HTTPRouteRequestPercentageMirror, which a setMirrorRoute step needs
    "#]]
    .assert_eq(&told(super::class("Gateway shop/gw", &class, &rollout(steps))));
}

#[test]
fn what_is_served_and_what_is_permitted() {
    let lists = [
        ("v1", json!({"resources": [{"name": "httproutes"}]})),
        ("v1alpha2", json!({"resources": [{"name": "tcproutes"}]})),
    ];
    let mut findings = [RouteKind::Http, RouteKind::Tcp, RouteKind::Udp]
        .map(|kind| versions(kind, &lists))
        .to_vec();
    let rights = rights(&[RouteKind::Http], "shop");
    assert_eq!(rights.len(), 9);
    findings.extend(rights.iter().take(4).map(|of| right(of, &Ok(of.verb == "get"))));
    let forbidden = Err(ApiError::Refused(Status {
        code: 403,
        reason: "Forbidden".into(),
        message: "no".into(),
        retry_after: None,
        is_object: true,
    }));
    findings.push(right(&rights[0], &forbidden));
    expect![[r#"
        ok      HTTPRoute is served as v1
        ok      TCPRoute is served as v1alpha2
        bad     UDPRoute is served in none of the versions v1, v1alpha2: the CRDs of the Gateway API are not installed, or are another channel's
        ok      may get httproutes in namespace shop
        bad     may not update httproutes in namespace shop, without which nothing works
        beware  may not list httproutes in namespace shop: selectors find nothing, and each reconcile reads the routes
        beware  may not watch httproutes in the cluster: each reconcile reads the routes, or they are watched namespace by namespace
        beware  whether it may get httproutes in namespace shop cannot be read: the API server answered 403 Forbidden: no
    "#]]
    .assert_eq(&told(findings));
}

fn stages(steps: Value, config: Value) -> Vec<Stage> {
    let mut rollout = json!({"kind": "Rollout", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary", "steps": steps,
            "trafficRouting": {"managedRoutes": [{"name": "h"}], "plugins": {"x/y": config}}}}}});
    name_routes(&mut rollout, &PluginName::default(), &[key()]);
    crate::preview::preview(&PluginName::default(), &[rollout, route()]).unwrap()
}

#[test]
fn the_block_for_argo_cd_is_as_small_as_it_can_be() {
    let weights = stages(json!([{"setWeight": 20}]), json!({"httpRoute": "web"}));
    expect![[r#"
        ignoreDifferences:
          - group: gateway.networking.k8s.io
            kind: HTTPRoute
            name: web
            namespace: shop
            jqPathExpressions: ['.spec.rules[]?.backendRefs[]?.weight']
        # with RespectIgnoreDifferences=true write group: "" and kind: Service in each backendRef in Git
    "#]]
    .assert_eq(&ignore_differences(&weights));
    // What planning warns of is told once, not at each step.
    let told = release(&weights);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].text.contains("sessionPersistence") && told[0].level == Level::Beware,
        "{told:?}"
    );
    let header = json!({"name": "h", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]});
    let header = stages(json!([{"setHeaderRoute": header}]), json!({"httpRoute": "web"}));
    let block = ignore_differences(&header);
    assert!(block.ends_with("['.spec.rules']\n"), "{block}");
}

#[test]
fn routes_that_a_selector_found_are_played_like_named_ones() {
    let config = json!({"httpRouteSelector": {"matchLabels": {"app": "web"}}});
    let stages = stages(json!([{"setWeight": 20}]), config);
    assert_eq!(stages[0].routes[0].key, key());
}
