//! What Go's evaluator answers to 508 conditions, and to those of Argo's documentation.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails the test")]

use conditions::{ErrorKind, Value, evaluate};

#[derive(Clone)]
struct Case {
    result: String,
    condition: String,
    outcome: String,
    message: String,
}

/// The conditions of Argo's documentation, each with results of every kind.
const DOCUMENTATION: &str = include_str!("../fixtures/argo-docs.jsonl");
/// Conditions of users, tests of Argo Rollouts, and corners of the language.
const CONDITIONS: &str = include_str!("../fixtures/conditions.jsonl");
/// What a reader of expr's source would try.
const CORNERS: &str = include_str!("../fixtures/corners.jsonl");

fn cases(file: &str) -> Vec<Case> {
    let lines = file.lines();
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
    let cases = [cases(CONDITIONS), cases(DOCUMENTATION), cases(CORNERS)];
    assert_eq!(cases.each_ref().map(Vec::len), [508, 840, 500]);
    for Case {
        result,
        condition,
        outcome,
        message,
    } in cases.into_iter().flatten()
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
    let mut wrong = Vec::new();
    for Case {
        result,
        condition,
        outcome,
        message,
    } in [cases(CONDITIONS), cases(DOCUMENTATION), cases(CORNERS)].concat()
    {
        if outcome != "error" {
            continue;
        }
        let error = evaluate(&result.parse().unwrap(), &condition).unwrap_err();
        let has_place =
            error.position().is_some() || error.kind() == ErrorKind::NotBool || condition.is_empty();
        let expected = reworded(&message);
        if !error.message().to_lowercase().starts_with(expected.trim()) || !has_place {
            wrong.push(format!("{condition} with {result}: {error}\nin Go {message}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Go's message without what we say otherwise.
fn reworded(message: &str) -> String {
    message
        // Go prints the type of nil as a failed format.
        .replace("%!s(<nil>)", "nil")
        .replace("cannot be mixed. Wrap either by parentheses.", "")
        .replace(
            "runtime error: hash of unhashable type ",
            "hash of unhashable type: ",
        )
        // Where in the text is in the words of the decoder.
        .replace("illegal base64 data at input byte 0", "illegal base64 data")
        .to_lowercase()
}
