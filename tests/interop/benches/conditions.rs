//! Conditions here and in Argo Rollouts' own evaluator, in the same run.
//!
//! `cargo bench -p interop --bench conditions` prints both and the ratio. Argo Rollouts compiles a condition with every
//! measurement, so this is what is compared; beside it stands what is left when a condition was compiled before. The
//! goal is at most 5 µs, and less than Go.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a report for a human")]

use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use allocator as _; // as in the plugin
use conditions::{Condition, Value, evaluate};
use serde::Deserialize;

/// Results and conditions as AnalysisTemplates have them.
const TYPICAL: [(&str, &str); 8] = [
    ("f:0.03", "result < 0.05"),
    ("f:0.97", "isNaN(result) || result >= 0.95"),
    ("nil", "default(result, 0) < 0.05"),
    ("sf:[0.96]", "len(result) > 0 && result[0] >= 0.95"),
    (
        "sf:[0.01,0.02,0.03,0.01,0.04]",
        "all(result, # < 0.05) && len(result) >= 2",
    ),
    (
        r#"json:{"ok":true,"successPercent":0.95}"#,
        "result.ok && result.successPercent >= 0.90",
    ),
    (
        r#"json:{"counts":{"status":[{"name":"OK","count":5},{"name":"Alert","count":0}]}}"#,
        "none(result.counts.status, {.name == 'Alert' && .count > 0})",
    ),
    (
        r#"json:{"canary":{"p99":120},"baseline":{"p99":100}}"#,
        "result.canary.p99 <= result.baseline.p99 * 1.25",
    ),
];

/// How long each is measured, three times; the best counts.
const ROUND: Duration = Duration::from_millis(100);
const GOAL: f64 = 5_000.0;

/// What the Go program says with `-bench`, in nanoseconds.
#[derive(Deserialize)]
struct Measured {
    nanoseconds: f64,
    compiled: f64,
}

fn main() {
    let Some(program) = interop::go_program("conditions") else {
        return;
    };
    println!(
        "{:>9} {:>9} {:>6}  {:>9} {:>9} {:>6}",
        "here", "Go", "ratio", "compiled", "Go", "ratio"
    );
    let (mut slowest, mut least) = (0.0_f64, f64::INFINITY);
    for (result, condition) in TYPICAL {
        let value: Value = result.parse().expect("the results above are spelled right");
        let compiled = Condition::compile(condition, &value).expect("the conditions above are right");
        let here = nanoseconds(|| evaluate(&value, black_box(condition)).is_ok());
        let there = in_go(&program, result, condition);
        let here_compiled = nanoseconds(|| compiled.evaluate(black_box(&value)).is_ok());
        println!(
            "{here:>6.0} ns {:>6.0} ns {:>5.1}x  {here_compiled:>6.0} ns {:>6.0} ns {:>5.1}x  {condition}",
            there.nanoseconds,
            there.nanoseconds / here,
            there.compiled,
            there.compiled / here_compiled,
        );
        slowest = slowest.max(here);
        least = least.min(there.nanoseconds / here);
    }
    let verdict = if slowest <= GOAL && least > 1.0 {
        "kept"
    } else {
        "missed"
    };
    println!(
        "goal {verdict}: slowest {slowest:.0} ns of {GOAL:.0} ns, at least {least:.1} times as fast as Go"
    );
}

/// One call, the best of three rounds.
fn nanoseconds(call: impl Fn() -> bool) -> f64 {
    let round = || {
        let (begin, mut calls) = (Instant::now(), 0_u32);
        while begin.elapsed() < ROUND {
            for _ in 0..64 {
                black_box(call());
            }
            calls += 64;
        }
        begin.elapsed().as_nanos() as f64 / f64::from(calls)
    };
    (0..3).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn in_go(program: &std::path::Path, result: &str, condition: &str) -> Measured {
    let request = serde_json::json!({"result": result, "condition": condition});
    let mut child = Command::new(program)
        .arg(format!("-bench={}ms", 3 * ROUND.as_millis()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a program that was just built starts");
    let mut input = child.stdin.take().expect("stdin is piped");
    writeln!(input, "{request}").expect("the program reads its requests");
    drop(input);
    let output = child.wait_with_output().expect("the program ends with its input");
    serde_json::from_slice(&output.stdout).expect("the program answers in JSON")
}
