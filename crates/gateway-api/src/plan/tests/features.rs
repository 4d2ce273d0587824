//! What gateways cannot do, by what they say and by what is known of them.

use super::*;

fn class(features: Value) -> Features {
    let mut all = Features::default();
    all.add(&json!({"metadata": {"name": "edge"}, "spec": {"controllerName": "example.com/gw"}, "status": {"supportedFeatures": features}}));
    all
}

fn mirror(percentage: Option<i32>) -> SetMirrorRoute {
    serde_json::from_value(
        json!({"name": "mirror", "percentage": percentage, "match": [{"path": {"prefix": "/"}}]}),
    )
    .unwrap()
}

fn config_with(field: &str, value: Value) -> Config {
    let mut config = json!({"httpRoute": "web"});
    config[field] = value;
    Config::parse("plugin", config.to_string().as_bytes(), "shop").unwrap()
}

fn refusals(call: Call<'_>, config: &Config, route: &Value, features: &Features) -> String {
    let intent = Intent::derive(&parse(&rollout("web")), config, call, false).unwrap();
    let plan = plan_route_on(&web(), route, &intent, None, features).unwrap();
    plan.refused
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn what_a_class_does_not_list_is_refused() {
    let simple = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let mut mirrored = simple.clone();
    mirrored["spec"]["rules"][0]["filters"] =
        json!([{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "log", "port": 80}}}]);
    let matches = |one: Value| config_with("managedRoutes", json!([{"name": "header", "match": [one]}]));
    let (all, half, step) = (mirror(None), mirror(Some(50)), header("header", "1"));
    let names = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Value>();
    let basic = &["HTTPRouteRequestMirror"];
    let cases = [
        (
            Call::SetMirrorRoute(&all),
            config(),
            &simple,
            names(&["HTTPRouteMethodMatching"]),
            Some("HTTPRouteRequestMirror"),
        ),
        (Call::SetMirrorRoute(&all), config(), &simple, names(basic), None),
        (Call::SetMirrorRoute(&all), config(), &simple, json!(basic), None),
        (Call::SetMirrorRoute(&all), config(), &simple, json!([]), None),
        (
            Call::SetMirrorRoute(&half),
            config(),
            &simple,
            names(basic),
            Some("HTTPRouteRequestPercentageMirror"),
        ),
        (
            Call::SetMirrorRoute(&all),
            config(),
            &mirrored,
            names(basic),
            Some("HTTPRouteRequestMultipleMirrors"),
        ),
        (
            Call::SetMirrorRoute(&half),
            config_with("assumeFeatures", json!(["HTTPRouteRequestPercentageMirror"])),
            &simple,
            names(basic),
            None,
        ),
        (Call::SetHeaderRoute(&step), config(), &simple, names(basic), None),
        (
            Call::SetHeaderRoute(&step),
            matches(json!({"queryParams": {"q": {"exact": "1"}}})),
            &simple,
            names(basic),
            Some("HTTPRouteQueryParamMatching"),
        ),
        (
            Call::SetHeaderRoute(&step),
            matches(json!({"method": {"exact": "GET"}})),
            &simple,
            names(basic),
            Some("HTTPRouteMethodMatching"),
        ),
    ];
    for (call, config, route, listed, expected) in cases {
        let found = refusals(call, &config, route, &class(listed.clone()));
        let expected = expected.map_or_else(String::new, |feature| {
            format!(
                "GatewayClass \"edge\" (example.com/gw) does not list {feature} in status.supportedFeatures"
            )
        });
        assert!(
            found.contains(&expected) && found.is_empty() == expected.is_empty(),
            "{listed}: {found}"
        );
    }
}

#[test]
fn cookies_need_response_headers() {
    let config = config_with("sessionAffinity", json!({}));
    let intent = Intent::derive(&parse(&rollout("web")), &config, Call::SetWeight(10, &[]), false).unwrap();
    let simple = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let features = class(json!([{"name": "HTTPRouteMethodMatching"}]));
    let error = plan_route_on(&web(), &simple, &intent, None, &features).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not list HTTPRouteResponseHeaderModification"),
        "{error}"
    );
}

#[test]
fn a_gateway_that_is_known_not_to_take_expressions_is_refused() {
    let mut simple = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    simple["status"] = json!({"parents": [{"controllerName": "networking.gke.io/gateway"}]});
    let prefix: SetHeaderRoute = serde_json::from_value(
        json!({"name": "header", "match": [{"headerName": "x", "headerValue": {"prefix": "a"}}]}),
    )
    .unwrap();
    let none = Features::default();
    assert_eq!(
        refusals(Call::SetHeaderRoute(&prefix), &config(), &simple, &none),
        "HTTPRoute shop/web: managed route \"header\": a header cannot be matched by prefix or regex: \
         \"networking.gke.io/gateway\" does not match headers by regular expressions"
    );
    assert_eq!(
        refusals(
            Call::SetHeaderRoute(&header("header", "1")),
            &config(),
            &simple,
            &none
        ),
        ""
    );
}

/// CRDs before 1.3 drop `percent`, and names as well.
#[test]
fn a_percentage_that_is_dropped_is_told_and_not_written_again() {
    let original = route(vec![rule("/", &[("web-stable", 100), ("web-canary", 0)])]);
    let derive = |step: &SetMirrorRoute| derive(&rollout("web"), Call::SetMirrorRoute(step));
    let planned = apply(&web(), &original, &derive(&mirror(Some(25))));
    let mut stored = planned.clone();
    let rule = &mut stored["spec"]["rules"][0];
    rule.as_object_mut().unwrap().remove("name");
    rule["filters"][0]["requestMirror"]
        .as_object_mut()
        .unwrap()
        .remove("percent");
    let told = "spec.rules[0] (mirror): the API server left out the mirror's percentage, so every request is mirrored";
    assert!(
        pruned(&web().key, &planned, &stored)[0]
            .to_string()
            .contains(told)
    );
    assert!(pruned(&web().key, &planned, &planned).is_empty());

    let again = plan_route(
        &web(),
        &stored,
        &derive(&mirror(Some(25))),
        Some(&Label::in_progress()),
    )
    .unwrap();
    assert_eq!(again.object, None, "it would be dropped again");
    assert!(
        again.warnings[0]
            .to_string()
            .contains("rule mirror: the API server left out the mirror's percentage")
    );
    let other = plan_route(
        &web(),
        &planned,
        &derive(&mirror(Some(50))),
        Some(&Label::in_progress()),
    )
    .unwrap();
    assert_eq!(
        other.object.unwrap()["spec"]["rules"][0]["filters"][0]["requestMirror"]["percent"],
        50
    );
    let remove = super::derive(&rollout("web"), Call::RemoveManagedRoutes);
    assert_eq!(apply(&web(), &stored, &remove), original);
}
