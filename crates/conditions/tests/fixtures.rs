//! What Go's evaluator answers to 508 conditions, and to those of Argo's documentation.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use conditions::{ErrorKind, Value, evaluate};

struct Case {
    result: String,
    condition: String,
    outcome: String,
    message: String,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../fixtures/conditions.jsonl").lines();
    let case = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| json[name].as_str().unwrap().to_owned();
        Case {
            result: field("result"),
            condition: field("condition"),
            outcome: field("outcome"),
            message: field("message"),
        }
    };
    lines.map(case).collect()
}

#[test]
fn every_outcome_is_that_of_go() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert_eq!(cases.len(), 508);
    for Case {
        result,
        condition,
        outcome,
        message,
    } in cases
    {
        let value: Value = result.parse().unwrap();
        let (ours, text) = match evaluate(&value, &condition) {
            Ok(answer) => (answer.to_string(), String::new()),
            Err(error) => ("error".to_owned(), error.message().to_owned()),
        };
        if ours != outcome {
            wrong.push(format!(
                "{condition} with {result}: {ours} ({text}), in Go {outcome} ({message})"
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_error_says_what_go_says() {
    let reworded = |message: &str| {
        message
            .replace("cannot be mixed. Wrap either by parentheses.", "")
            .to_lowercase()
    };
    let mut wrong = Vec::new();
    for Case {
        result,
        condition,
        outcome,
        message,
    } in cases()
    {
        if outcome != "error" {
            continue;
        }
        let error = evaluate(&result.parse().unwrap(), &condition).unwrap_err();
        let has_place =
            error.position().is_some() || error.kind() == ErrorKind::NotBool || condition.is_empty();
        // Go prints the type of nil as a failed format.
        let expected = reworded(&message).replace("%!s(<nil>)", "nil");
        if !error.message().to_lowercase().starts_with(expected.trim()) || !has_place {
            wrong.push(format!("{condition} with {result}: {error}\nin Go {message}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
