//! Evaluates conditions from stdin, one JSON object a line: `{"result": "f:0.5", "condition": "result < 1"}`. For each it
//! prints `true`, `false` or `error: …` on a line of its own.
//!
//! ```sh
//! cargo run --release -p conditions --example evaluate < crates/conditions/fixtures/conditions.jsonl
//! ```
//!
//! The notation of `result` is that of `Value::from_str`.

use std::io::{self, BufRead as _, Write as _};

use conditions::{Value, evaluate};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            writeln!(
                out,
                "{}",
                answer(&line).unwrap_or_else(|why| format!("error: {why}"))
            )?;
        }
    }
    out.flush()
}

/// The outcome of one line, in one line.
fn answer(line: &str) -> Result<String, String> {
    let case: serde_json::Value =
        serde_json::from_str(line).map_err(|why| format!("not a JSON object: {why}"))?;
    let field = |name: &str| {
        case[name]
            .as_str()
            .ok_or_else(|| format!("{name} is missing, or not a string"))
    };
    let result: Value = field("result")?.parse().map_err(|why| format!("{why}"))?;
    let answer = evaluate(&result, field("condition")?).map_err(|error| {
        let place = error
            .position()
            .map_or_else(String::new, |(line, column)| format!(" ({line}:{column})"));
        let help = error
            .help()
            .map_or_else(String::new, |help| format!("; help: {help}"));
        format!("{}{place}{help}", error.message()).replace('\n', " ")
    })?;
    Ok(answer.to_string())
}
