use proptest::prelude::*;
use regex::Regex;

use super::*;

fn text(kind: &str, text: &str) -> StringMatch {
    serde_json::from_value(json!({ kind: text })).unwrap()
}

fn header(name: &str, kind: &str, value: &str) -> HeaderRoutingMatch {
    HeaderRoutingMatch {
        header_name: name.into(),
        header_value: Some(text(kind, value)),
    }
}

fn joined(user: Value, conditions: &[HeaderRoutingMatch]) -> String {
    match Conditions::of_headers(conditions).and_then(|conditions| conditions.join(&user)) {
        Ok(Some(joined)) => joined.to_string(),
        Ok(None) => "never".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn header_values_are_escaped_and_anchored() {
    let value = |kind: &str, value: &str| {
        let json: Value = serde_json::from_str(&joined(json!({}), &[header("x", kind, value)])).unwrap();
        format!(
            "{} {}",
            json["headers"][0]["type"].as_str().unwrap(),
            json["headers"][0]["value"].as_str().unwrap()
        )
    };
    assert_eq!(value("exact", "v1.2"), "Exact v1.2");
    assert_eq!(value("prefix", "v1."), r"RegularExpression ^v1\..*");
    assert_eq!(value("prefix", "a+(b)"), r"RegularExpression ^a\+\(b\).*");
    assert_eq!(value("regex", "foo"), "RegularExpression ^(?:foo)$");
    assert_eq!(value("regex", "^foo$"), "RegularExpression ^foo$");
    assert_eq!(value("regex", "^a|b$"), "RegularExpression ^(?:^a|b$)$");
    assert_eq!(
        value("regex", r"^cost: 5\$"),
        r"RegularExpression ^(?:^cost: 5\$)$"
    );
}

#[test]
fn a_header_is_never_matched_twice() {
    let user =
        |kind: &str, value: &str| json!({"headers": [{"name": "X-User", "type": kind, "value": value}]});
    let ours = |kind: &str, value: &str| [header("x-user", kind, value)];
    let cases = [
        (
            user("Exact", "a"),
            ours("exact", "a"),
            r#"{"headers":[{"name":"X-User","type":"Exact","value":"a"}]}"#,
        ),
        (user("Exact", "a"), ours("exact", "b"), "never"),
        (
            user("Exact", "abc"),
            ours("prefix", "a"),
            r#"{"headers":[{"name":"X-User","type":"Exact","value":"abc"}]}"#,
        ),
        (user("Exact", "abc"), ours("prefix", "b"), "never"),
        (
            user("Exact", "abc"),
            ours("regex", "a.*"),
            "the rule already matches header x-user by another expression",
        ),
        (
            user("RegularExpression", "a.*"),
            ours("exact", "abc"),
            "the rule already matches header x-user",
        ),
    ];
    for (user, ours, expected) in cases {
        let found = joined(user.clone(), &ours);
        assert!(found.starts_with(expected), "{user} + {ours:?}: {found}");
    }
    assert_eq!(
        joined(
            json!({}),
            &[header("a", "prefix", "v"), header("A", "prefix", "v1")]
        ),
        r#"{"headers":[{"name":"a","type":"RegularExpression","value":"^v1.*"}]}"#
    );
    assert_eq!(
        joined(
            json!({"method": "GET", "headers": [{"name": "t", "value": "1"}]}),
            &[header("u", "exact", "2")]
        ),
        r#"{"headers":[{"name":"t","value":"1"},{"name":"u","type":"Exact","value":"2"}],"method":"GET"}"#
    );
}

#[test]
fn what_gateways_do_not_take_is_named() {
    let cases = [
        (
            header("x", "exact", ""),
            "headerValue of header x needs one of exact, prefix and regex",
        ),
        (
            HeaderRoutingMatch {
                header_name: "x".into(),
                header_value: None,
            },
            "needs one of",
        ),
        (header("", "exact", "a"), "headerName is \"\""),
        (header("x y", "exact", "a"), "headerName is \"x y\""),
        (header("x", "exact", "ü"), "the value of header x is \"ü\""),
        (
            header("x", "exact", "a  b"),
            "accepted are at most 4096 visible ASCII characters",
        ),
        (
            header("x", "regex", "a("),
            "headerValue of header x is not a regular expression that gateways take: ",
        ),
    ];
    for (condition, expected) in cases {
        let found = joined(json!({}), std::slice::from_ref(&condition));
        assert!(found.contains(expected), "{condition:?}: {found}");
    }
}

#[test]
fn paths_and_methods_are_narrowed() {
    let user = |kind: &str, value: &str| json!({"path": {"type": kind, "value": value}});
    let cases = [
        (
            json!({}),
            json!({"path": {"prefix": "/a"}}),
            r#"{"path":{"type":"PathPrefix","value":"/a"}}"#,
        ),
        (
            user("PathPrefix", "/a"),
            json!({"path": {"prefix": "/"}}),
            r#"{"path":{"type":"PathPrefix","value":"/a"}}"#,
        ),
        (
            user("PathPrefix", "/a"),
            json!({"path": {"exact": "/a/b"}}),
            r#"{"path":{"type":"Exact","value":"/a/b"}}"#,
        ),
        (
            user("PathPrefix", "/a"),
            json!({"path": {"exact": "/ab"}}),
            "never",
        ),
        (user("Exact", "/a"), json!({"path": {"prefix": "/b"}}), "never"),
        (
            user("PathPrefix", "/a"),
            json!({"path": {"regex": "/.*"}}),
            "the rule already matches the path",
        ),
        (
            json!({}),
            json!({"path": {"regex": "/.*"}}),
            r#"{"path":{"type":"RegularExpression","value":"^(?:/.*)$"}}"#,
        ),
        (
            json!({}),
            json!({"method": {"exact": "GET"}}),
            r#"{"method":"GET"}"#,
        ),
        (
            json!({"method": "POST"}),
            json!({"method": {"exact": "GET"}}),
            "never",
        ),
        (
            json!({}),
            json!({"method": {"prefix": "P"}}),
            "match.method must be exact",
        ),
    ];
    for (user, ours, expected) in cases {
        let route: RouteMatch = serde_json::from_value(ours.clone()).unwrap();
        let found = match Conditions::of_route(RouteKind::Http, &route).and_then(|c| c.join(&user)) {
            Ok(Some(joined)) => joined.to_string(),
            Ok(None) => "never".into(),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expected), "{user} + {ours}: {found}");
    }
    let route: RouteMatch = serde_json::from_value(json!({"path": {"exact": "/"}})).unwrap();
    let error = Conditions::of_route(RouteKind::Grpc, &route)
        .unwrap_err()
        .to_string();
    assert_eq!(error, "match.path cannot be used with GRPCRoute");
}

#[test]
fn texts_that_begin_and_end_alike_are_one_short_expression() {
    for (texts, expected) in [
        (&["b-0-10of100-canary"][..], "b-0-10of100-canary"),
        (
            &["b-1-50of100-canary", "b-0-10of100-canary"],
            "b-(?:1-5|0-1)0of100-canary",
        ),
        (&["b.c", "b.d"], r"b\.(?:c|d)"),
        (&["a-stable", "b-canary"], "(?:a-stable|b-canary)"),
        (&["aa", "a", "aaa"], "a(?:a||aa)"),
        (&["é-ä", "è-ä"], "(?:é|è)-ä"),
    ] {
        let texts = texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(any_of(&texts), expected);
    }
}

proptest! {
    #[test]
    fn an_expression_of_texts_matches_them_and_no_others(
        texts in proptest::collection::vec("[ab.|é]{0,4}", 1..5),
        other in "[ab.|é]{0,4}",
    ) {
        let expression = Regex::new(&format!("^(?:{})$", any_of(&texts))).unwrap();
        for text in &texts {
            prop_assert!(expression.is_match(text));
        }
        prop_assert_eq!(expression.is_match(&other), texts.contains(&other));
    }
}
