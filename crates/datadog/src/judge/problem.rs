//! The shapes in which Datadog says that something is wrong.

use serde_json::Value;

/// The most of an error text that is worth keeping, in bytes.
const LONGEST: usize = 300;

/// What an answer says is wrong with the request, if it says so: `{"errors": ["text"]}`,
/// `{"errors": [{"title", "detail"}]}`, `{"status": "error", "error": "text"}` and their relatives. An answer with
/// status 200 may carry one too.
pub fn problem_of(body: &Value) -> Option<String> {
    let listed = [
        body.get("errors"),
        body.pointer("/data/errors"),
        body.pointer("/data/attributes/errors"),
    ];
    for errors in listed.into_iter().flatten() {
        let texts: Vec<String> = match errors {
            Value::Array(errors) => errors.iter().filter_map(one).collect(),
            other => one(other).into_iter().collect(),
        };
        if !texts.is_empty() {
            return Some(brief(&texts.join("; ")));
        }
    }
    let failed = body.get("status").and_then(Value::as_str) == Some("error");
    match body.get("error").and_then(one) {
        Some(text) => Some(brief(&text)),
        None if failed => Some("Datadog answered status: error without saying why".to_owned()),
        None => None,
    }
}

fn one(error: &Value) -> Option<String> {
    match error {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Object(error) => {
            let text = |name: &str| {
                error
                    .get(name)
                    .and_then(Value::as_str)
                    .filter(|text| !text.is_empty())
            };
            match (text("title"), text("detail").or_else(|| text("message"))) {
                (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
                (Some(text), None) | (None, Some(text)) => Some(text.to_owned()),
                (None, None) => None,
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// A text in one line and of bounded length; of a page of html only its title or words.
pub fn brief(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').trim();
    let plain = match text.get(..1) == Some("<") {
        true => html(text),
        false => text.to_owned(),
    };
    let mut line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    cut(line, LONGEST)
}

/// A text of at most so many bytes.
pub fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let mut end = most.saturating_sub('…'.len_utf8());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

fn html(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if let Some(start) = lower.find("<title") {
        let inside = start + lower[start..].find('>').map_or(0, |close| close + 1);
        let end = lower[inside..].find('<').map_or(text.len(), |end| inside + end);
        let title = text[inside..end].trim();
        if !title.is_empty() {
            return format!("a web page: {title}");
        }
    }
    let mut words = String::new();
    let mut inside = false;
    for c in text.chars().take(4 * LONGEST) {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                words.push(' ');
            }
            c if !inside => words.push(c),
            _ => {}
        }
    }
    format!("a web page: {words}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_an_error() {
        for (body, expected) in [
            (
                json!({"errors": ["Invalid query", "and more"]}),
                Some("Invalid query; and more"),
            ),
            (
                json!({"errors": [{"status": "404", "title": "Not Found", "detail": "no gate found"}]}),
                Some("Not Found: no gate found"),
            ),
            (
                json!({"status": "error", "error": "Error parsing query"}),
                Some("Error parsing query"),
            ),
            (
                json!({"status": "error"}),
                Some("Datadog answered status: error without saying why"),
            ),
            (json!({"data": {"errors": "wrong"}}), Some("wrong")),
            (json!({"errors": "one text"}), Some("one text")),
            (json!({"errors": [], "data": {}}), None),
            (json!({"errors": null, "error": null, "status": "ok"}), None),
            (json!({"data": {"attributes": {}}}), None),
        ] {
            assert_eq!(problem_of(&body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn pages_and_long_texts_become_one_short_line() {
        let page = "<!DOCTYPE html>\n<html><head><title>\n 403 Forbidden</title></head><body>…</body></html>";
        assert_eq!(brief(page), "a web page: 403 Forbidden");
        assert_eq!(brief("<h1>502 Bad\nGateway</h1>"), "a web page: 502 Bad Gateway");
        assert!(brief(&"é".repeat(10_000)).len() <= LONGEST);
        assert_eq!(brief("a\u{7}\n b"), "a b");
    }
}
