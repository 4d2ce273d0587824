//! The rank test against SciPy: committed reference values, and where python3 has SciPy the same again live.
//!
//! The references are printed by `python3 crates/datadog/tests/scipy/reference.py` (SciPy 1.17.1).

#![allow(clippy::unwrap_used)]

use std::process::Command;

use datadog::judge::statistics::{Alternative, hodges_lehmann, mann_whitney_u};
use serde_json::Value;

const REFERENCE: &str = include_str!("scipy/reference.jsonl");

#[test]
fn as_scipy_calculated_it() {
    assert!(compare(REFERENCE) >= 100);
}

#[test]
fn as_scipy_calculates_it_here() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scipy/reference.py");
    let output = Command::new("python3").args([script, "4711"]).output();
    match output {
        Ok(output) if output.status.success() => {
            assert!(compare(&String::from_utf8(output.stdout).unwrap()) >= 100);
        }
        _ => println!("skipped: no python3 with scipy on PATH"),
    }
}

fn compare(lines: &str) -> usize {
    let numbers = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap())
            .collect::<Vec<f64>>()
    };
    let mut count = 0;
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        let alternative = match case["alternative"].as_str().unwrap() {
            "greater" => Alternative::Greater,
            "less" => Alternative::Less,
            _ => Alternative::TwoSided,
        };
        let test = mann_whitney_u(&x, &y, alternative);
        let close = |ours: f64, theirs: &Value| {
            let theirs = theirs.as_f64().unwrap();
            (ours - theirs).abs() <= 1e-9 * theirs.abs() + 1e-300
        };
        assert!(
            close(test.u, &case["u"]) && close(test.p, &case["p"]),
            "{test:?} for {line}"
        );
        assert!(
            (hodges_lehmann(&x, &y) - case["shift"].as_f64().unwrap()).abs() < 1e-9,
            "{line}"
        );
        count += 1;
    }
    count
}
