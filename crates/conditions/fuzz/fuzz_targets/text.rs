//! Any text as a condition, and any text as a result: no panic, no hang, no large allocation.

#![no_main]

use arbitrary::Arbitrary;
use conditions::{Condition, Limits, Value};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    result: ResultText<'a>,
    condition: &'a str,
}

#[derive(Debug, Arbitrary)]
enum ResultText<'a> {
    Nil,
    Number(f64),
    Numbers(Vec<f64>),
    Text(&'a str),
    Json(&'a str),
}

fuzz_target!(|input: Input<'_>| {
    let result = match input.result {
        ResultText::Nil => Value::nil(),
        ResultText::Number(x) => Value::from(x),
        ResultText::Numbers(numbers) => Value::from(numbers),
        ResultText::Text(text) => Value::from(text),
        ResultText::Json(text) => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => Value::from(json),
            Err(_) => return,
        },
    };
    // Small budgets, so that a run which ends at one is still quick under the sanitizer.
    let mut limits = Limits::default();
    limits.steps = 100_000;
    limits.bytes = 1 << 20;
    if let Ok(condition) = Condition::compile_within(input.condition, &result, &limits) {
        let _ = condition.evaluate(&result);
        // Another type than it was compiled for.
        let _ = condition.evaluate(&Value::nil());
    }
});
