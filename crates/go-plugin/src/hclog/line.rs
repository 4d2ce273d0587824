//! One line: a JSON object that never exceeds what the host reads as one.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde_json::Value;

/// Bytes of a line with its end; the host's reader holds as many (`client.go`, `defaultPluginLogBufferSize`).
pub(super) const LONGEST: usize = 64 * 1024;
/// Bytes of a line kept free for what says that something was cut.
const RESERVE: usize = 128;

/// A line in the making.
#[derive(Debug)]
pub(super) struct Line {
    json: Vec<u8>,
    fields: Vec<(String, Value)>,
}

impl Line {
    pub(super) fn new(level: &str, module: &str, at: Timestamp) -> Self {
        let mut json = Vec::with_capacity(256);
        json.extend_from_slice(b"{\"@level\":");
        push_string(&mut json, level, 16);
        json.extend_from_slice(b",\"@module\":");
        push_string(&mut json, module, 256);
        json.extend_from_slice(b",\"@timestamp\":");
        push_string(&mut json, &timestamp(at), 64);
        Self {
            json,
            fields: Vec::new(),
        }
    }

    /// The text of the line. It may use half of the room.
    pub(super) fn message(&mut self, text: &str) {
        self.json.extend_from_slice(b",\"@message\":");
        push_string(&mut self.json, text, LONGEST / 2);
    }

    /// A key and its value; the last one of a name counts. Names that begin with `@` are hclog's, and `timestamp` is
    /// what the host itself adds: they get an underscore in front.
    pub(super) fn field(&mut self, name: &str, value: Value) {
        let name = if name.starts_with('@') || name == "timestamp" {
            format!("_{name}")
        } else {
            name.to_owned()
        };
        match self.fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.fields.push((name, value)),
        }
    }

    /// The bytes of the line, with its end. What does not fit is cut, and said to be.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut left_out = 0;
        for (name, value) in std::mem::take(&mut self.fields) {
            let start = self.json.len();
            self.json.push(b',');
            push_string(&mut self.json, &name, 256);
            self.json.push(b':');
            let room = (LONGEST - RESERVE).saturating_sub(self.json.len());
            match &value {
                // Half of the room, so that the fields after a long one have some too.
                Value::String(text) => push_string(&mut self.json, text, room / 2),
                other => self.json.extend_from_slice(other.to_string().as_bytes()),
            }
            if self.json.len() > LONGEST - RESERVE {
                self.json.truncate(start);
                left_out += 1;
            }
        }
        if left_out > 0 {
            self.json
                .extend_from_slice(format!(",\"_left_out\":\"{left_out} fields\"").as_bytes());
        }
        self.json.extend_from_slice(b"}\n");
        self.json
    }
}

/// RFC 3339 in UTC with the six fractional digits that the host insists on.
fn timestamp(at: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    PRINTER.timestamp_to_string(&at)
}

/// Appends `text` as a JSON string of at most `most` bytes, the quotes and a mark of what was cut not counted.
fn push_string(json: &mut Vec<u8>, text: &str, most: usize) {
    let start = json.len();
    append(json, text);
    if json.len() - start - 2 <= most {
        return;
    }
    json.truncate(start);
    let mut length = 0;
    let fits = |character: &char| {
        length += escaped_length(*character);
        length <= most
    };
    let kept: usize = text.chars().take_while(fits).map(char::len_utf8).sum();
    append(
        json,
        &format!("{}…[{} bytes cut]", &text[..kept], text.len() - kept),
    );
}

fn append(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("memory takes any string");
}

/// Bytes of a character in a JSON string as serde_json writes it.
fn escaped_length(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..'\u{20}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn read(line: &[u8]) -> Map<String, Value> {
        assert_eq!(
            line.iter().position(|byte| *byte == b'\n'),
            Some(line.len() - 1),
            "one line"
        );
        serde_json::from_slice(line).unwrap()
    }

    fn line(message: &str, fields: &[(&str, Value)]) -> Vec<u8> {
        let mut line = Line::new(
            "warn",
            "router",
            Timestamp::from_microsecond(1_795_264_496_000_789).unwrap(),
        );
        line.message(message);
        for (name, value) in fields {
            line.field(name, value.clone());
        }
        line.finish()
    }

    #[test]
    fn the_form_of_hclog() {
        let line = line(
            "two\nlines",
            &[("weight", json!(20)), ("ok", json!(true)), ("weight", json!(30))],
        );
        let expected = r#"{"@level":"warn","@module":"router","@timestamp":"2026-11-21T12:34:56.000789Z","@message":"two\nlines","weight":30,"ok":true}"#;
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn whole_seconds_have_six_digits_too() {
        assert_eq!(
            timestamp(Timestamp::from_second(0).unwrap()),
            "1970-01-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn fields_do_not_overwrite_what_the_host_asserts() {
        let line = line(
            "m",
            &[
                ("@level", json!(3)),
                ("@message", json!(null)),
                ("timestamp", json!("x")),
            ],
        );
        let read = read(&line);
        assert_eq!(read["@level"], "warn");
        assert_eq!(read["@message"], "m");
        assert_eq!(
            (&read["_@level"], &read["_@message"], &read["_timestamp"]),
            (&json!(3), &Value::Null, &json!("x"))
        );
    }

    #[test]
    fn long_lines_are_cut_and_say_so() {
        let long = "é".repeat(100_000);
        let bytes = line(
            &long,
            &[
                ("a", json!(long)),
                ("b", json!(long)),
                ("c", json!([long])),
                ("d", json!(1)),
            ],
        );
        assert!(bytes.len() <= LONGEST, "{}", bytes.len());
        let read = read(&bytes);
        assert!(
            read["@message"]
                .as_str()
                .unwrap()
                .ends_with("é…[167232 bytes cut]"),
            "{:?}",
            &read["@message"].as_str().unwrap()[32_760..]
        );
        assert!(read["a"].as_str().unwrap().ends_with("bytes cut]"));
        assert!(read.contains_key("_left_out"));
    }

    proptest! {
        #[test]
        fn every_line_fits_and_is_read(message: String, name: String, text: String, count in 1..30_000usize) {
            let bytes = line(&message.repeat(count), &[(&name, json!(text.repeat(count))), ("n", json!(count))]);
            prop_assert!(bytes.len() <= LONGEST);
            let read = read(&bytes);
            for key in ["@level", "@message", "@module", "@timestamp"] {
                prop_assert!(read[key].is_string());
            }
        }

        #[test]
        fn lengths_are_those_of_serde_json(character: char) {
            let mut json = Vec::new();
            append(&mut json, &character.to_string());
            prop_assert_eq!(json.len(), escaped_length(character) + 2);
        }
    }
}
