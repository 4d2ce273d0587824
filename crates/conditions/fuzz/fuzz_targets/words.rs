//! Conditions of real words, so that most get past the parser: no panic, no hang, no large allocation, and the same
//! answer twice.

#![no_main]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arbitrary::Arbitrary;
use conditions::{Condition, Limits, Value};
use libfuzzer_sys::fuzz_target;

const WORDS: &[&str] = &[
    " ", "(", ")", "[", "]", "{", "}", ",", ".", "..", "?.", " ?? ", " ? ", " : ", "::", "; ", " | ", " || ", " && ", "!", "not ",
    " not in ", " in ", " matches ", " contains ", " startsWith ", " endsWith ", " and ", " or ", "if ", " else ", "let x = ", "x",
    " == ", " != ", " < ", " <= ", " > ", " >= ", " + ", " - ", " * ", " ** ", " / ", " % ", "#", "#index", "#acc", ".a", ".b", "result",
    "result.a", "result[0]", "nil", "true", "false", "0", "1", "2", "-1", "0.5", "9223372036854775807", "1e308", "\"a\"", "'b'", "`c`",
    "\"\\u00e9\"", "\"\"", "$env", "1..3", "1..99", "[1, 2]", "[\"a\"]", "{a: 1}", "all(", "any(", "none(", "one(", "filter(", "map(", "find(",
    "findIndex(", "findLast(", "findLastIndex(", "count(", "sum(", "groupBy(", "sortBy(", "reduce(", "len(", "type(", "abs(", "ceil(", "floor(",
    "round(", "int(", "float(", "string(", "trim(", "trimPrefix(", "trimSuffix(", "upper(", "lower(", "split(", "splitAfter(", "replace(",
    "repeat(", "join(", "indexOf(", "lastIndexOf(", "hasPrefix(", "hasSuffix(", "max(", "min(", "mean(", "median(", "toJSON(", "fromJSON(",
    "toBase64(", "fromBase64(", "now()", "duration(\"1h\")", "date(\"2023-08-14\")", "date(", "timezone(\"Europe/Berlin\")", "first(", "last(",
    "get(", "take(", "keys(", "values(", "toPairs(", "fromPairs(", "reverse(", "uniq(", "concat(", "flatten(", "sort(", "bitand(", "bitshl(",
    "bitnot(", "asInt(", "asFloat(", "isNaN(", "isInf(", "isNil(", "default(", ".Year()", ".Format(", ".Add(", ".Unix()", "`^a+$`", "`\\pL|(?i)x`",
    "\"2006-01-02\"",
];

#[derive(Debug, Arbitrary)]
struct Input {
    result: u8,
    words: Vec<u8>,
}

fn result(number: u8) -> Value {
    let json = |text: &str| Value::from(serde_json::from_str::<serde_json::Value>(text).unwrap());
    match number % 8 {
        0 => Value::nil(),
        1 => Value::from(0.5),
        2 => Value::from(f64::NAN),
        3 => Value::from(vec![1.0, 2.0, f64::NAN]),
        4 => Value::from("a,b"),
        5 => json(r#"{"a": 1, "b": [1, "x", null], "c": {"a": "y"}}"#),
        6 => json(r#"[{"a": 1}, {"a": 2, "b": [3]}]"#),
        _ => Value::from(7),
    }
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fuzz_target!(|input: Input| {
    let result = result(input.result);
    let condition: String = input.words.iter().map(|word| WORDS[*word as usize % WORDS.len()]).collect();
    let mut limits = Limits::default();
    limits.steps = 100_000;
    limits.bytes = 1 << 20;
    if let Ok(compiled) = Condition::compile_within(&condition, &result, &limits) {
        let answer = compiled.evaluate_at(&result, noon);
        assert_eq!(answer, compiled.evaluate_at(&result, noon));
    }
});
