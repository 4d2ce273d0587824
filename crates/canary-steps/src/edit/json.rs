//! JSON written so that a YAML 1.1 reader sees the same value.
//!
//! The repo-server reads a plugin's answer with sigs.k8s.io/yaml, also where it is JSON. That reader knows no `\/`, no
//! surrogate pairs, takes some characters for line breaks and wants a key and its colon on one line.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::document::{Form, split};

/// Re-writes the strings of a JSON text that a YAML 1.1 reader would misread; all other bytes stay.
///
/// `json` must be valid JSON. A lone surrogate becomes U+FFFD, as Go's `encoding/json` reads it.
#[must_use]
pub fn yaml_safe(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                let token = &json[at..end];
                if misread(token) {
                    out.push_str(&json[copied..at]);
                    write_string(&mut out, &decode(&token[1..token.len() - 1]));
                    copied = end;
                }
                at = end;
            }
            b':' => {
                let key_end = json[..at].trim_end().len();
                if key_end < at && key_end >= copied {
                    out.push_str(&json[copied..key_end]);
                    copied = at;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// A manifest stream whose JSON documents are written as by [`yaml_safe`]; a stream that cannot be cut is left alone.
#[must_use]
pub fn yaml_safe_documents(stream: &str) -> Cow<'_, str> {
    if !stream.trim_start().starts_with('{') {
        return stream.into();
    }
    let mut out = String::with_capacity(stream.len());
    let mut copied = 0;
    let documents = split(stream).unwrap_or_default();
    for document in documents.into_iter().filter(|d| d.form == Form::Json) {
        out.push_str(&stream[copied..document.range.start]);
        out.push_str(&yaml_safe(&stream[document.range.clone()]));
        copied = document.range.end;
    }
    out.push_str(&stream[copied..]);
    out.into()
}

/// A string as a JSON token that YAML 1.1 reads the same.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if special(c) => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes all"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Characters that are line breaks, unprintable or a byte order mark to a YAML 1.1 reader. All are in the basic plane.
fn special(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn misread(token: &str) -> bool {
    let surrogate = |at: usize| {
        let digits = token.as_bytes().get(at + 2..at + 4);
        digits.is_some_and(|d| d[0].eq_ignore_ascii_case(&b'd') && d[1].to_ascii_lowercase() >= b'8')
    };
    let mut escaped = false;
    for (at, c) in token.char_indices() {
        if escaped {
            escaped = false;
            if c == '/' || (c == 'u' && surrogate(at - 1)) {
                return true;
            }
        } else if c == '\\' {
            escaped = true;
        } else if special(c) {
            return true;
        }
    }
    false
}

/// The text of a JSON string's inside.
fn decode(inside: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(inside.len());
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            continue;
        }
        match rest.next() {
            Some('n') => units.push(0x0a),
            Some('t') => units.push(0x09),
            Some('r') => units.push(0x0d),
            Some('b') => units.push(0x08),
            Some('f') => units.push(0x0c),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap_or(0xfffd));
            }
            Some(c) => units.extend_from_slice(c.encode_utf16(&mut [0; 2])),
            None => {}
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_json_is_left_alone() {
        let text = "{\n\t\"a\": [1.50, \"\\u00e9\\n\\\"x\"], \"b\": {}}";
        assert!(matches!(yaml_safe(text), Cow::Borrowed(_)));
    }

    #[test]
    fn what_yaml_misreads_is_written_otherwise() {
        let cases = [
            (r#"{"a":"x\/y"}"#, r#"{"a":"x/y"}"#),
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"😀"}"#),
            (r#"{"a":"\ud83d!"}"#, "{\"a\":\"\u{fffd}!\"}"),
            (
                "{\"a\":\"\u{85}\u{2028}\u{7f}\"}",
                r#"{"a":"\u0085\u2028\u007f"}"#,
            ),
            ("{\"a\"\n  :1, \"b\" : 2}", "{\"a\":1, \"b\": 2}"),
            ("{\"a\\/\" :\"\\/ : \"}", "{\"a/\":\"/ : \"}"),
        ];
        for (json, expected) in cases {
            assert_eq!(yaml_safe(json), expected, "{json}");
        }
    }

    #[test]
    fn only_the_json_of_a_stream_is_written_otherwise() {
        let cases = [
            (
                "{\"a\":\"x\\/y\"}\n{\"b\":\"\\/\"} \n",
                "{\"a\":\"x/y\"}\n{\"b\":\"/\"} \n",
            ),
            (
                "{\"a\":\"\\/\"}\n---\n# c\nb: '\\/'\n",
                "{\"a\":\"/\"}\n---\n# c\nb: '\\/'\n",
            ),
            ("b: '\\/'\n", "b: '\\/'\n"),
            ("{\"a\":\"\\/\"}\n--- x\n", "{\"a\":\"\\/\"}\n--- x\n"),
        ];
        for (stream, expected) in cases {
            assert_eq!(yaml_safe_documents(stream), expected, "{stream}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_value_never_changes(text in ".*", key in ".*") {
            let json = serde_json::json!({ key: [text, 1, null] }).to_string();
            let escaped: String = json
                .chars()
                .flat_map(|c| if c == '/' { vec!['\\', '/'] } else { vec![c] })
                .collect();
            let before: serde_json::Value = serde_json::from_str(&escaped).unwrap();
            let after: serde_json::Value = serde_json::from_str(&yaml_safe(&escaped)).unwrap();
            proptest::prop_assert_eq!(before, after);
        }
    }
}
