//! Header and mirror routes: what they become, and when they go.

use super::*;
use crate::config::RuleChoice;

/// Issue #207 of the Go plugin, and what it drops of the user's rule.
#[test]
fn a_header_route_is_the_users_rule_whole() {
    let mut main = rule("/", &[("web-stable", 100), ("web-canary", 0)]);
    main["name"] = json!("main");
    main["timeouts"] = json!({"request": "3s"});
    main["later"] = json!({"field": [1]});
    main["backendRefs"][1]["filters"] = json!([{"type": "RequestHeaderModifier"}]);
    let original = route(vec![
        main,
        rule("/api", &[("web-stable", 100), ("web-canary", 0)]),
        rule("/docs", &[("docs", 1)]),
    ]);
    let step = header("header", "1");
    let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
    let planned = apply(&web(), &original, &intent);
    check(
        &planned,
        expect![[r#"
        header / x-canary=1 web-canary:1
        header-1 /api x-canary=1 web-canary:1
        main / web-stable:100 web-canary:0
        - /api web-stable:100 web-canary:0
        - /docs docs:1"#]],
    );
    let managed = &planned["spec"]["rules"][0];
    assert_eq!(managed["timeouts"], json!({"request": "3s"}));
    assert_eq!(managed["later"], json!({"field": [1]}));
    assert_eq!(
        managed["backendRefs"][0]["filters"],
        json!([{"type": "RequestHeaderModifier"}])
    );
    assert_eq!(
        planned["metadata"]["labels"],
        json!({"rollouts.argoproj.io/gatewayapi-canary": "in-progress"})
    );
    let remove = derive(&rollout("web"), Call::RemoveManagedRoutes);
    assert_eq!(apply(&web(), &planned, &remove), original);
}

#[test]
fn managed_rules_follow_the_weights_and_their_order() {
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let mut web_rollout = rollout("web");
    web_rollout["spec"]["strategy"]["canary"]["steps"] = json!([
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x", "headerValue": {"prefix": "a"}}]}},
        {"setMirrorRoute": {"name": "mirror", "percentage": 25, "match": [{"method": {"exact": "GET"}}]}},
        {"setWeight": 30}]);
    web_rollout["status"]["currentStepIndex"] = json!(2);
    let planned = apply(&web(), &original, &weights(&web_rollout, 30));
    check(
        &planned,
        expect![[r#"
        mirror / RequestMirror web-stable:70 web-canary:30
        header / x=^a.* web-canary:1
        - / web-stable:70 web-canary:30"#]],
    );
    assert_eq!(
        planned["spec"]["rules"][0]["filters"][0]["requestMirror"],
        json!({"backendRef": {"group": "", "kind": "Service", "name": "web-canary", "port": 80}, "percent": 25})
    );
    let later = apply(&web(), &planned, &weights(&web_rollout, 60));
    check(
        &later,
        expect![[r#"
        mirror / RequestMirror web-stable:40 web-canary:60
        header / x=^a.* web-canary:1
        - / web-stable:40 web-canary:60"#]],
    );
    assert_eq!(apply(&web(), &later, &weights(&rollout("web"), 0)), original);
}

#[test]
fn a_managed_route_that_does_not_fit_is_refused_and_the_weights_are_set() {
    let full = (0..16)
        .map(|n| rule(&format!("/{n}"), &[("web-stable", 100), ("web-canary", 0)]))
        .collect();
    let mut with_step = rollout("web");
    with_step["spec"]["strategy"]["canary"]["steps"] = json!([
        {"setHeaderRoute": {"name": "header", "match": [{"headerName": "x", "headerValue": {"exact": "v"}}]}}]);
    let plan = plan_route(&web(), &route(full), &weights(&with_step, 50), None).unwrap();
    assert_eq!(
        plan.refused[0].to_string(),
        "HTTPRoute shop/web: managed route \"header\": the route would have 32 rules, at most 16 are accepted"
    );
    assert!(lines(&plan.object.unwrap()).starts_with("- /0 web-stable:50 web-canary:50\n"));

    let mut many = rule("/", &[("web-stable", 100), ("web-canary", 0)]);
    many["matches"] = (0..65)
        .map(|n| json!({"path": {"type": "Exact", "value": format!("/{n}")}}))
        .collect();
    let plan = plan_route(&web(), &route(vec![many.clone()]), &weights(&with_step, 50), None).unwrap();
    assert!(
        plan.refused[0]
            .to_string()
            .contains("65 matches in one rule, at most 64")
    );
    many["matches"].as_array_mut().unwrap().truncate(64);
    let two = route(vec![many, rule("/x", &[("web-stable", 100), ("web-canary", 0)])]);
    let plan = plan_route(&web(), &two, &weights(&with_step, 50), None).unwrap();
    assert!(
        plan.refused[0]
            .to_string()
            .contains("130 matches in all rules, at most 128")
    );
}

#[test]
fn what_the_api_server_would_refuse_is_refused_before() {
    let mut full = rule("/", &[("web-stable", 100), ("web-canary", 0)]);
    let filter = |n: usize| json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": format!("m{n}"), "port": 80}}});
    full["filters"] = (0..16).map(filter).collect();
    full["matches"][0]["headers"] = (0..16)
        .map(|n| json!({"name": format!("h{n}"), "value": "1"}))
        .collect();
    let mirror = |condition: Value| {
        let step: SetMirrorRoute =
            serde_json::from_value(json!({"name": "mirror", "match": [condition]})).unwrap();
        derive(&rollout("web"), Call::SetMirrorRoute(&step))
    };
    let step = header("header", "1");
    let by_header = derive(&rollout("web"), Call::SetHeaderRoute(&step));
    for (intent, expected) in [
        (
            by_header,
            "the route would have 17 headers in one match, at most 16 are accepted",
        ),
        (
            mirror(json!({"path": {"prefix": "/a"}})),
            "the route would have 17 filters in one rule, at most 16 are accepted",
        ),
        (
            mirror(json!({"path": {"prefix": "a"}})),
            "match.path is \"a\", accepted is an absolute path",
        ),
        (
            mirror(json!({"path": {"exact": "/a/../b"}})),
            "match.path is \"/a/../b\", accepted is",
        ),
        (
            mirror(json!({"method": {"exact": "get"}})),
            "match.method is \"get\", accepted are GET, HEAD, POST",
        ),
        (
            mirror(json!({"headers": {"x": {"regex": "(?x)a # b"}}})),
            "headerValue of header x is not a regular expression that gateways take",
        ),
    ] {
        let plan = plan_route(&web(), &route(vec![full.clone()]), &intent, None).unwrap();
        let refused = plan.refused[0].to_string();
        assert!(
            refused.starts_with("HTTPRoute shop/web: managed route "),
            "{refused}"
        );
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(plan.object, None);
    }
}

/// argo-rollouts takes any text for the name of a managed route; the Gateway API takes few for that of a rule.
#[test]
fn the_name_of_a_managed_route_is_made_one_of_a_rule() {
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    for (name, expected) in [
        ("set-header.1", "set-header.1"),
        ("Set_Header 1", "set-header-1"),
        ("-ü-", "managed"),
        (&"x".repeat(300), &"x".repeat(180)),
    ] {
        let step = header(name, "1");
        let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
        let planned = apply(&web(), &original, &intent);
        assert_eq!(view::name(&planned["spec"]["rules"][0]), Some(expected));
        let none = SetHeaderRoute {
            matches: Vec::new(),
            ..step
        };
        let removed = derive(&rollout("web"), Call::SetHeaderRoute(&none));
        assert_eq!(apply(&web(), &planned, &removed), original);
    }
}

#[test]
fn a_managed_route_takes_requests_by_cookie_query_parameter_and_method() {
    let with = |matches: Value| {
        let config = json!({"httpRoute": "web", "grpcRoute": "api", "managedRoutes": [{"name": "header", "match": matches}]});
        Config::parse("plugin", config.to_string().as_bytes(), "shop").unwrap()
    };
    let step = header("header", "1");
    let derive = |config: &Config| {
        Intent::derive(
            &parse(&rollout("web")),
            config,
            Call::SetHeaderRoute(&step),
            false,
        )
    };
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let config = with(json!([
        {"cookies": {"beta": {"exact": "a.b"}}, "method": {"exact": "GET"}},
        {"queryParams": {"preview": {"exact": "1"}, "q": {"prefix": "x"}}, "headers": {"t": {"exact": "2"}}, "path": {"prefix": "/api"}}]));
    let planned = apply(&config.routes[0], &original, &derive(&config).unwrap());
    assert_eq!(
        planned["spec"]["rules"][0]["matches"],
        json!([
            {"path": {"type": "PathPrefix", "value": "/"}, "method": "GET",
                "headers": [{"name": "Cookie", "type": "RegularExpression", "value": r"^(?:.*;\s*)?beta=a\.b(?:;.*)?$"}]},
            {"path": {"type": "PathPrefix", "value": "/api"}, "headers": [{"name": "t", "type": "Exact", "value": "2"}],
                "queryParams": [{"name": "preview", "type": "Exact", "value": "1"},
                    {"name": "q", "type": "RegularExpression", "value": "^x.*"}]}]),
        "the step's own match only says that the route is there"
    );
    let none = SetHeaderRoute {
        matches: Vec::new(),
        ..step.clone()
    };
    let removed = Intent::derive(
        &parse(&rollout("web")),
        &config,
        Call::SetHeaderRoute(&none),
        false,
    )
    .unwrap();
    assert_eq!(apply(&config.routes[0], &planned, &removed), original);

    let refusal = |at: usize, config: &Config, route: &Value| {
        let plan = plan_route(&config.routes[at], route, &derive(config).unwrap(), None).unwrap();
        plan.refused[0].to_string()
    };
    let mut queried = original.clone();
    queried["spec"]["rules"][0]["matches"][0]["queryParams"] =
        json!([{"name": "q", "type": "RegularExpression", "value": "a"}]);
    let query = with(json!([{"queryParams": {"q": {"exact": "1"}}}]));
    assert!(refusal(0, &query, &queried).contains("already matches query parameter q by another expression"));
    assert!(refusal(1, &query, &original).contains(
        "GRPCRoute shop/api: managed route \"header\": match.queryParams cannot be used with GRPCRoute"
    ));
    let broken = with(json!([{"cookies": {"beta": {"regex": "("}}}]));
    assert!(refusal(0, &broken, &original).contains("the value of cookie beta is not a regular expression"));

    let mut elsewhere = rollout("web");
    elsewhere["spec"]["strategy"]["canary"]["trafficRouting"]["managedRoutes"] = json!([{"name": "other"}]);
    let intent = Intent::derive(&parse(&elsewhere), &config, Call::SetWeight(0, &[]), false).unwrap();
    assert_eq!(
        intent.unknown.unwrap().to_string(),
        "managedRoutes of the plugin's configuration names \"header\", \
         spec.strategy.canary.trafficRouting.managedRoutes has \"other\""
    );
}

/// Pull request #226 of the Go plugin.
#[test]
fn rules_can_be_chosen() {
    let named = |name: &str, path: &str| {
        let mut rule = rule(path, &[("web-stable", 100), ("web-canary", 0)]);
        rule["name"] = json!(name);
        rule
    };
    let original = route(vec![
        named("live", "/"),
        named("preview", "/preview"),
        rule("/docs", &[("docs", 1)]),
    ]);
    let step = header("header", "1");
    for config in [
        json!({"httpRoutes": [{"name": "web", "ruleName": "live", "useHeaderRoutes": true}]}),
        json!({"httpRoutes": [{"name": "web", "ruleNames": ["live"], "useHeaderRoutes": true}]}),
        json!({"httpRoutes": [{"name": "web", "ruleMatches": [{"path": {"value": "/"}}], "useHeaderRoutes": true}]}),
        json!({"httpRoute": "web", "httpRouteRuleName": "live"}),
    ] {
        let scoped = target(config);
        let planned = apply(&scoped, &original, &weights(&rollout("web"), 20));
        check(
            &planned,
            expect![[r#"
                live / web-stable:80 web-canary:20
                preview /preview web-stable:100 web-canary:0
                - /docs docs:1"#]],
        );
        let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
        assert_eq!(
            lines(&apply(&scoped, &original, &intent))
                .matches("x-canary=1")
                .count(),
            1
        );
    }
    let mut all = target(json!({"httpRoute": "web", "httpRoutes": [{"name": "web", "ruleName": "live"}]}));
    assert!(
        all.rules.is_empty(),
        "named twice, once without a rule: all of them"
    );
    let name = |name: &str| RuleChoice::Name(name.to_owned());
    for (choice, expected) in [
        (
            name("gone"),
            "the configuration names rule \"gone\", which is not there: CRDs before 1.4 drop rules[].name; named rules of the route: \"live\", \"preview\", \"docs\"",
        ),
        (
            RuleChoice::Match(json!({"path": {"value": "/gone"}})),
            "the configuration names a rule that matches {\"path\":{\"value\":\"/gone\"}}, which is not there; named rules",
        ),
        (name("docs"), "which has not both Services in its backendRefs"),
        (
            RuleChoice::Match(json!({"path": {"value": "/docs"}})),
            "which has not both Services in its backendRefs",
        ),
    ] {
        all.rules = vec![choice];
        let mut route = original.clone();
        route["spec"]["rules"][2]["name"] = json!("docs");
        let error = plan_route(&all, &route, &weights(&rollout("web"), 20), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn kinds_without_headers_are_weighed_only() {
    let step = header("header", "1");
    let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
    let tcp = target(json!({"tcpRoute": "web"}));
    let original = route(vec![
        json!({"backendRefs": [backend("web-stable", 100), backend("web-canary", 0)]}),
    ]);
    assert_eq!(plan_route(&tcp, &original, &intent, None).unwrap().object, None);
    check(
        &apply(&tcp, &original, &weights(&rollout("web"), 5)),
        expect!["- web-stable:95 web-canary:5"],
    );
    let without = target(json!({"httpRoutes": [{"name": "web"}]}));
    assert_eq!(
        plan_route(&without, &original, &intent, None).unwrap().object,
        None,
        "useHeaderRoutes is false"
    );
}

#[test]
fn grpc_routes_carry_header_routes() {
    let grpc = target(json!({"grpcRoute": "web"}));
    let original = route(vec![json!({
        "matches": [{"method": {"type": "Exact", "service": "shop.Cart"}}],
        "backendRefs": [backend("web-stable", 100), backend("web-canary", 0)]})]);
    let step = header("header", "1");
    let intent = derive(&rollout("web"), Call::SetHeaderRoute(&step));
    let planned = apply(&grpc, &original, &intent);
    assert_eq!(
        planned["spec"]["rules"][0]["matches"],
        json!([{"method": {"type": "Exact", "service": "shop.Cart"},
            "headers": [{"name": "x-canary", "type": "Exact", "value": "1"}]}])
    );
}

#[test]
fn a_mirror_on_grpc_with_a_path_is_refused() {
    let step: SetMirrorRoute =
        serde_json::from_value(json!({"name": "mirror", "match": [{"path": {"exact": "/a"}}]})).unwrap();
    let intent = derive(&rollout("web"), Call::SetMirrorRoute(&step));
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let plan = plan_route(&target(json!({"grpcRoute": "web"})), &original, &intent, None).unwrap();
    assert_eq!(
        plan.refused[0].to_string(),
        "GRPCRoute shop/web: managed route \"mirror\": match.path cannot be used with GRPCRoute"
    );
}

/// Of rules with equally many conditions the first wins: a tenant's requests with the header went to our canary, because
/// our rule stood before all others.
#[test]
fn a_managed_rule_takes_no_requests_from_rules_that_stand_before_ours() {
    let mut tenant = rule("/", &[("tenant", 1)]);
    tenant["matches"][0]["headers"] = json!([{"name": "x-tenant", "value": "b"}]);
    let ours = rule("/", &[("web-stable", 100), ("web-canary", 0)]);
    let original = route(vec![tenant.clone(), ours.clone(), rule("/docs", &[("docs", 1)])]);
    let mut held = apply(
        &web(),
        &original,
        &derive(&rollout("web"), Call::SetHeaderRoute(&header("header", "1"))),
    );
    check(
        &held,
        expect![[r#"
            - / x-tenant=b tenant:1
            header / x-canary=1 web-canary:1
            - / web-stable:100 web-canary:0
            - /docs docs:1"#]],
    );
    // As an earlier version of this plugin left it.
    held["spec"]["rules"].as_array_mut().unwrap().swap(0, 1);
    let mut at_header = rollout("web");
    at_header["spec"]["strategy"]["canary"]["steps"] = json!([{"setHeaderRoute": header("header", "1")}]);
    at_header["status"]["currentStepIndex"] = json!(0);
    let again = apply(&web(), &held, &weights(&at_header, 0));
    check(
        &again,
        expect![[r#"
            - / x-tenant=b tenant:1
            header / x-canary=1 web-canary:1
            - / web-stable:100 web-canary:0
            - /docs docs:1"#]],
    );
    assert_eq!(apply(&web(), &again, &weights(&rollout("web"), 0)), original);
}

/// A user's rule may be what we would write ourselves, also where names are dropped.
#[test]
fn of_rules_with_equal_content_the_users_stays() {
    let mut user = rule("/", &[("web-canary", 1)]);
    user["matches"][0]["headers"] = json!([{"name": "x-canary", "type": "Exact", "value": "1"}]);
    user["name"] = json!("mine");
    let original = route(vec![user, rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    for has_names in [true, false] {
        let mut held = apply(
            &web(),
            &original,
            &derive(&rollout("web"), Call::SetHeaderRoute(&header("header", "1"))),
        );
        let mut expected = original.clone();
        if !has_names {
            for route in [&mut held, &mut expected] {
                let rules = route["spec"]["rules"].as_array_mut().unwrap();
                rules
                    .iter_mut()
                    .for_each(|rule| _ = rule.as_object_mut().unwrap().remove("name"));
            }
        }
        assert_eq!(held["spec"]["rules"].as_array().unwrap().len(), 3);
        assert_eq!(apply(&web(), &held, &weights(&rollout("web"), 0)), expected);
    }
}
