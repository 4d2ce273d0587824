//! Datadog's formulas and classic metrics queries, as far as names and groups go.

use std::collections::HashMap;

/// Whether a text can be a query's name in a formula.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.len() <= 64
}

/// The query names that a formula uses, in order, each once.
///
/// # Errors
/// Where a quote or a parenthesis is not closed.
pub fn names(formula: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    for piece in pieces(formula)? {
        if let Piece::Name(name) = piece
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// The formula with its query names replaced.
///
/// # Errors
/// As [`names`].
pub fn renamed(formula: &str, names: &HashMap<&str, &str>) -> Result<String, String> {
    let mut text = String::with_capacity(formula.len() + 8);
    for piece in pieces(formula)? {
        match piece {
            Piece::Name(name) => text.push_str(names.get(name).unwrap_or(&name)),
            Piece::Other(other) => text.push_str(other),
        }
    }
    Ok(text)
}

/// Whether a classic metrics query has a value a group: `by {tag}` outside of its filters.
pub fn groups_of_metric_query(query: &str) -> bool {
    let mut depth = 0_u32;
    let mut word = String::new();
    for c in query.chars() {
        match c {
            '{' if depth == 0 && word == "by" => return true,
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ' ' | '\t' | '\n' if word == "by" => {}
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => {
                if c == 'b' && word == "by" {
                    word.clear();
                }
                word.push(c);
                continue;
            }
            _ => word.clear(),
        }
        if depth > 0 || c == '}' {
            word.clear();
        }
    }
    false
}

/// Whether a classic query is really several, separated by commas.
pub fn is_several(query: &str) -> bool {
    let mut depth = 0_i32;
    for c in query.chars() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ',' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

enum Piece<'a> {
    Name(&'a str),
    Other(&'a str),
}

/// Cuts a formula into query names and the rest. A word before `(` is a function, a word in quotes is a parameter.
fn pieces(formula: &str) -> Result<Vec<Piece<'_>>, String> {
    let bytes = formula.as_bytes();
    let mut pieces = Vec::new();
    let (mut at, mut depth) = (0, 0_i32);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                let end = formula[at + 1..].find(quote as char);
                let Some(end) = end else {
                    return Err(format!("the quote at character {} is not closed", at + 1));
                };
                at += end + 2;
                pieces.push(Piece::Other(&formula[start..at]));
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                    at += 1;
                }
                let next = formula[at..].trim_start().as_bytes().first();
                pieces.push(match next {
                    Some(b'(') => Piece::Other(&formula[start..at]),
                    _ => Piece::Name(&formula[start..at]),
                });
            }
            byte if byte.is_ascii_digit() || byte == b'.' => {
                // A number may end in an exponent, which is no name: 1e3.
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.') {
                    at += 1;
                }
                pieces.push(Piece::Other(&formula[start..at]));
            }
            byte => {
                depth += i32::from(byte == b'(') - i32::from(byte == b')');
                if depth < 0 {
                    return Err(format!(
                        "the parenthesis at character {} was never opened",
                        at + 1
                    ));
                }
                at += formula[at..].chars().next().map_or(1, char::len_utf8);
                pieces.push(Piece::Other(&formula[start..at]));
            }
        }
    }
    match depth {
        0 => Ok(pieces),
        _ => Err("a parenthesis is not closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_functions_numbers_and_parameters() {
        assert_eq!(
            names("moving_rollup(b, 180, 'sum') / a * 1e3 + b").unwrap(),
            ["b", "a"]
        );
        assert_eq!(names("errors / (errors + ok) * 100").unwrap(), ["errors", "ok"]);
        assert_eq!(names("default_zero (a)").unwrap(), ["a"]);
        assert!(names("(a").is_err());
        assert!(names("a)").is_err());
        assert!(names("f(a, 'sum)").is_err());
    }

    #[test]
    fn renaming_leaves_the_rest_alone() {
        let names = HashMap::from([("a", "q10"), ("sum", "q2")]);
        let formula = "moving_rollup(a, 60, 'sum')/sum+aa";
        assert_eq!(
            renamed(formula, &names).unwrap(),
            "moving_rollup(q10, 60, 'sum')/q2+aa"
        );
    }

    #[test]
    fn groups_of_queries() {
        for grouped in [
            "avg:cpu{*} by {host}",
            "avg:cpu{a:b}by{host,region}.rollup(avg, 60)",
            "sum:a{*} / sum:b{*} by {host}",
        ] {
            assert!(groups_of_metric_query(grouped), "{grouped}");
        }
        for single in [
            "avg:cpu{*}",
            "avg:cpu{by:x}",
            "avg:cpu.by{*}",
            "avg:standby{*}",
            "sum:a{by} + sum:b{c}",
            "",
        ] {
            assert!(!groups_of_metric_query(single), "{single}");
        }
    }

    #[test]
    fn several_queries_in_one_text() {
        assert!(is_several("avg:a{*}, avg:b{*}"));
        for one in [
            "avg:a{x:1,y:2}",
            "moving_rollup(avg:a{*}, 60, 'avg')",
            "avg:a{*} by {b,c}",
        ] {
            assert!(!is_several(one), "{one}");
        }
    }
}
