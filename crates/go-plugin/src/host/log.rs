//! What a plugin writes on stderr, logged again at the level it says (`client.go`, `logStderr`).

use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};
use tracing::Level;

/// Bytes of a line; a longer one is logged in pieces.
pub(super) const LONGEST: usize = 64 * 1024;

/// One line of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) level: Level,
    pub(super) module: String,
    pub(super) message: String,
    /// As JSON, without what the fields above hold; empty when there are none.
    pub(super) fields: String,
}

/// Reads a plugin's lines, of which the ones of a Go panic are only known by the line that began it.
#[derive(Debug, Default)]
pub(super) struct Parser {
    in_panic: bool,
}

impl Parser {
    /// Unlike Go, which ends the host when one of the `@` keys is no string, takes such a line for a text.
    pub(super) fn parse(&mut self, line: &str) -> Entry {
        hclog(line).unwrap_or_else(|| {
            self.in_panic |= line.starts_with("panic: ") || line.starts_with("fatal error: ");
            let prefixes = [
                ("[TRACE]", Level::TRACE),
                ("[DEBUG]", Level::DEBUG),
                ("[INFO]", Level::INFO),
                ("[WARN]", Level::WARN),
                ("[ERROR]", Level::ERROR),
            ];
            let said = prefixes
                .iter()
                .find(|(prefix, _)| line.starts_with(prefix))
                .map(|(_, level)| *level);
            let level = said.unwrap_or(if self.in_panic { Level::ERROR } else { Level::DEBUG });
            Entry {
                level,
                module: String::new(),
                message: line.to_owned(),
                fields: String::new(),
            }
        })
    }
}

/// A line in hclog's form (`log_entry.go`, `parseJSON`); one without a known level is none.
fn hclog(line: &str) -> Option<Entry> {
    let mut object: Map<String, Value> = serde_json::from_str(line).ok()?;
    let mut text = |key: &str| match object.remove(key) {
        None => Some(String::new()),
        Some(Value::String(text)) => Some(text),
        Some(_) => None,
    };
    let (level, module, message) = (text("@level")?, text("@module")?, text("@message")?);
    text("@timestamp")?;
    let level = match level.to_ascii_lowercase().as_str() {
        "trace" => Level::TRACE,
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => return None,
    };
    let fields = if object.is_empty() {
        String::new()
    } else {
        Value::Object(object).to_string()
    };
    Some(Entry {
        level,
        module,
        message,
        fields,
    })
}

/// The next line without its end, or the next piece of one that is too long; `None` at the end.
pub(super) async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    loop {
        // A pipe that fails is one that ended.
        let available = reader.fill_buf().await.ok()?;
        if available.is_empty() {
            return (!line.is_empty()).then(|| text(&line));
        }
        let room = LONGEST - line.len();
        let end = available.iter().take(room).position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(available.len().min(room));
        line.extend_from_slice(&available[..taken]);
        reader.consume(taken + usize::from(end.is_some()));
        if end.is_some() || line.len() == LONGEST {
            return Some(text(&line));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\r').to_owned()
}

/// Logs a plugin's line at its level.
pub(super) fn log(plugin: &str, entry: &Entry) {
    let Entry {
        level,
        module,
        message,
        fields,
    } = entry;
    // The level of an event is part of the code that logs it.
    macro_rules! at {
        ($level:expr) => {
            tracing::event!(target: "go_plugin::plugin", $level, plugin, module, fields, "{message}")
        };
    }
    match *level {
        Level::TRACE => at!(Level::TRACE),
        Level::DEBUG => at!(Level::DEBUG),
        Level::INFO => at!(Level::INFO),
        Level::WARN => at!(Level::WARN),
        Level::ERROR => at!(Level::ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> (Level, String, String) {
        let Entry {
            level,
            message,
            fields,
            ..
        } = Parser::default().parse(line);
        (level, message, fields)
    }

    #[test]
    fn hclog_lines() {
        let line = r#"{"@level":"warn","@message":"slow","@module":"x","@timestamp":"2026-11-21T12:34:56.000789Z","ms":12}"#;
        let expected = Entry {
            level: Level::WARN,
            module: "x".into(),
            message: "slow".into(),
            fields: r#"{"ms":12}"#.into(),
        };
        assert_eq!(Parser::default().parse(line), expected);
    }

    #[test]
    fn other_lines() {
        assert_eq!(entry("hello"), (Level::DEBUG, "hello".into(), String::new()));
        assert_eq!(entry("[WARN] careful").0, Level::WARN);
        assert_eq!(entry("{\"no\":\"level\"}").0, Level::DEBUG);
        // The Go host panics on this one.
        assert_eq!(entry("{\"@level\":3,\"@message\":\"m\"}").0, Level::DEBUG);
    }

    #[test]
    fn what_follows_a_panic_is_part_of_it() {
        let mut parser = Parser::default();
        assert_eq!(parser.parse("goroutine 1").level, Level::DEBUG);
        assert_eq!(parser.parse("panic: no").level, Level::ERROR);
        assert_eq!(parser.parse("goroutine 1").level, Level::ERROR);
        assert_eq!(
            parser.parse(r#"{"@level":"info","@message":"m"}"#).level,
            Level::INFO
        );
    }

    #[tokio::test]
    async fn lines_and_pieces() {
        let long = "x".repeat(LONGEST + 1);
        let input = format!("one\r\n\n{long}\nlast");
        let mut reader = input.as_bytes();
        let mut lengths = Vec::new();
        while let Some(line) = next_line(&mut reader).await {
            lengths.push(line.len());
        }
        assert_eq!(lengths, [3, 0, LONGEST, 1, 4]);
    }
}
