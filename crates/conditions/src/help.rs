//! What to write instead.

use crate::builtins::Builtin;
use crate::env;
use crate::error::{ErrorKind, Failure};
use crate::value::{Datum, Value};

/// A guess at what was meant, for mistakes that are made often.
pub(crate) fn guess(failure: &Failure, source: &str, result: &Value) -> Option<String> {
    let message = failure.fault.message.as_str();
    match failure.fault.kind {
        ErrorKind::Syntax => syntax(message, source),
        ErrorKind::Type | ErrorKind::Evaluation => types(message, result),
        ErrorKind::NotBool => not_bool(&result.0),
        ErrorKind::Limit => None,
    }
}

fn syntax(message: &str, source: &str) -> Option<String> {
    if source.contains("{{") {
        return Some(
            "an argument of the AnalysisTemplate was not replaced; is it declared in `args`?".to_owned(),
        );
    }
    if source.trim().is_empty() {
        return Some("the condition is empty".to_owned());
    }
    let help = match message {
        "unexpected token Operator(\"=\")" => "`==` compares; `>=` and `<=` have the `=` last",
        "unexpected token Operator(\"&\")" => "write `&&` or `and`",
        "unexpected token Operator(\"#\")" => {
            "`#` is the element inside a predicate; a comment begins with `//`"
        }
        "unexpected token Identifier(\"AND\")" => "write `and` or `&&`",
        "unexpected token Identifier(\"OR\")" => "write `or` or `||`",
        "unexpected token Identifier(\"NOT\")" => "write `not` or `!`",
        message if message.contains("coalesce") => "write `(a ?? b) < c`",
        _ => return None,
    };
    Some(help.to_owned())
}

fn types(message: &str, result: &Value) -> Option<String> {
    if let Some(name) = message.strip_prefix("unknown name ") {
        return nearest(name).map(|known| format!("did you mean `{known}`?"));
    }
    match &result.0 {
        Datum::Nil if message.contains("unknown") || message.contains("nil") => Some(
            "there is no data; `default(result, 0) < 0.05` and `(result ?? 0) < 0.05` say what then"
                .to_owned(),
        ),
        Datum::List(_) if message.starts_with("invalid operation") && message.contains("[]float64") => {
            Some("the result is a list; write `result[0] < 0.05` or `all(result, # < 0.05)`".to_owned())
        }
        _ if message.contains("operation: % (mismatched types float64") => {
            Some("% takes integers; write `int(result) % 2`".to_owned())
        }
        _ if message.contains("index out of range") => {
            Some("check `len(…)` first, or use `get(list, index)`, which is nil then".to_owned())
        }
        _ if message.starts_with("cannot fetch") && message.ends_with("<nil>") => {
            Some("write `a?.b` where `a` may be missing".to_owned())
        }
        _ => None,
    }
}

fn not_bool(result: &Datum) -> Option<String> {
    let example = match result {
        Datum::List(_) => "all(result, # < 0.05)",
        _ => "result < 0.05",
    };
    Some(format!("a condition says true or false, as `{example}` does"))
}

/// The known name that differs least, if by little.
fn nearest(name: &str) -> Option<&'static str> {
    let known = env::NAMES
        .iter()
        .map(|(name, _)| *name)
        .chain(Builtin::NAMES.iter().copied());
    let most = name.chars().count() / 3;
    known
        .map(|known| {
            (
                distance(&name.to_ascii_lowercase(), &known.to_ascii_lowercase()),
                known,
            )
        })
        .filter(|(distance, _)| *distance <= most.max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many characters must be added, removed or changed.
fn distance(a: &str, b: &str) -> usize {
    // A name that long is not a slip of the finger.
    if a.len() > 30 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
