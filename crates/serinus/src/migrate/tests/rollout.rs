//! Selectors and steps of the Rollout.

use super::*;

#[test]
fn selectors_with_expressions_are_taken_over() {
    let expressions = DEPLOYMENT.replace(
        "matchLabels: {app: shop}",
        "matchExpressions: [{key: app, operator: In, values: [shop]}]",
    );
    let migration = migrate(&[&expressions, SERVICE, ROUTE], &Wishes::default()).unwrap();
    assert_eq!(
        migration.stream.last().unwrap().value["spec"]["selector"].to_string(),
        r#"{"matchExpressions":[{"key":"app","operator":"In","values":["shop"]}]}"#
    );
}

#[test]
fn steps() {
    let rollout = |steps: &str| {
        let wishes = Wishes {
            steps: steps.to_owned(),
            ..Wishes::default()
        };
        migrate(&[DEPLOYMENT, SERVICE, ROUTE], &wishes).map(|migration| {
            migration.stream.last().unwrap().value["spec"]["strategy"]["canary"]["steps"].to_string()
        })
    };
    for (typed, want) in [
        (
            "20,pause:1m,100",
            Ok(r#"[{"setWeight":20},{"pause":{"duration":"1m"}},{"setWeight":100}]"#),
        ),
        ("off", Ok("null")),
        (
            "20,paus",
            Err(r#"--steps: item 2 "paus" is not a step; did you mean "pause"?"#),
        ),
        (
            "git",
            Err(
                r#"--steps: "git" says nothing about a new Rollout; accepted are steps like 20,pause,100, ramp and off"#,
            ),
        ),
        (
            "",
            Err(
                r#"--steps: "" says nothing about a new Rollout; accepted are steps like 20,pause,100, ramp and off"#,
            ),
        ),
    ] {
        assert_eq!(
            rollout(typed).as_deref(),
            want.map_err(str::to_owned).as_deref(),
            "{typed}"
        );
    }
    assert!(rollout("ramp").unwrap().starts_with("[{\"setWeight\":10}"));
    assert!(rollout("nonsense").unwrap_err().starts_with("--steps: "));
}
