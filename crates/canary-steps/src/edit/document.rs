//! A manifest stream cut into documents, as Kubernetes cuts it.
//!
//! Follows `YAMLOrJSONDecoder` and `YAMLReader` of k8s.io/apimachinery `pkg/util/yaml/decoder.go`: a stream that begins
//! with `{` is a sequence of JSON values, and goes on as YAML where the JSON ends; in YAML a line that begins with `---`
//! separates documents and may carry nothing but a comment.

use std::ops::Range;

use serde::de::IgnoredAny;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// YAML, or JSON inside a YAML stream, which is read as YAML all the same.
    Yaml,
    /// A value of a stream that begins as JSON.
    Json,
}

/// One document of a stream: a place, not a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Bytes of the stream, without the separator lines around it.
    pub range: Range<usize>,
    /// Line of the stream at which it begins, counted from 1.
    pub line: usize,
    /// How it is written.
    pub form: Form,
}

/// The stream cannot be cut: text follows `---` on a separator line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: after `---` only a comment may follow, not {found:?}")]
pub struct SplitError {
    /// Line of the stream, counted from 1.
    pub line: usize,
    /// What follows the dashes.
    pub found: String,
}

/// Cuts a stream into its documents; blank ones are left out.
///
/// # Errors
/// [`SplitError`] where Kubernetes' own reader refuses the stream: `--- text`.
pub fn split(stream: &str) -> Result<Vec<Document>, SplitError> {
    let mut documents = Vec::new();
    let yaml_from = json_values(stream, &mut documents);
    yaml_documents(stream, yaml_from, &mut documents)?;
    Ok(documents)
}

/// Takes the JSON values at the beginning and returns where YAML begins.
fn json_values(stream: &str, documents: &mut Vec<Document>) -> usize {
    let mut at = 0;
    while stream[at..].trim_start().starts_with('{') {
        let start = at + (stream.len() - at - stream[at..].trim_start().len());
        let mut values = serde_json::Deserializer::from_str(&stream[start..]).into_iter::<IgnoredAny>();
        let Some(Ok(IgnoredAny)) = values.next() else {
            break;
        };
        let end = start + values.byte_offset();
        documents.push(Document {
            range: start..end,
            line: line_of(stream, start),
            form: Form::Json,
        });
        at = end;
    }
    at
}

fn yaml_documents(stream: &str, from: usize, documents: &mut Vec<Document>) -> Result<(), SplitError> {
    let line = line_of(stream, from);
    let mut open = from..from;
    let mut open_line = line;
    let mut at = from;
    let mut close = |range: Range<usize>, line: usize| {
        if !stream[range.clone()].trim().is_empty() {
            let form = Form::Yaml;
            documents.push(Document { range, line, form });
        }
    };
    for (line, text) in (line..).zip(stream[from..].split_inclusive('\n')) {
        if let Some(rest) = text.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                let found = rest.chars().take(40).collect();
                return Err(SplitError { line, found });
            }
            close(open.clone(), open_line);
            open = at + text.len()..at + text.len();
            open_line = line + 1;
        } else {
            open.end = at + text.len();
        }
        at += text.len();
    }
    close(open, open_line);
    Ok(())
}

/// Line of a byte position, counted from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(stream: &str) -> Vec<(&str, usize, Form)> {
        let documents = split(stream).unwrap();
        documents
            .into_iter()
            .map(|d| (&stream[d.range], d.line, d.form))
            .collect()
    }

    #[test]
    fn separators_may_stand_anywhere_and_carry_comments() {
        let stream = "---\na: 1\n--- # second\nb: 2\n---\n\n---\n# only a comment\n---   \nc: 3";
        assert_eq!(
            texts(stream),
            [
                ("a: 1\n", 2, Form::Yaml),
                ("b: 2\n", 4, Form::Yaml),
                ("# only a comment\n", 8, Form::Yaml),
                ("c: 3", 10, Form::Yaml),
            ]
        );
    }

    #[test]
    fn a_separator_inside_an_indented_block_is_text() {
        assert_eq!(texts("a: |\n  x\n  ---\n  y\n").len(), 1);
    }

    #[test]
    fn text_after_a_separator_is_refused_as_kubernetes_does() {
        let error = split("a: 1\n--- {b: 2}\n").unwrap_err();
        assert_eq!((error.line, error.found.as_str()), (2, "{b: 2}"));
    }

    #[test]
    fn json_values_may_follow_each_other_and_turn_into_yaml() {
        let stream = "{\"a\":1}\n{\"b\":\n2} \n---\nc: 3\n";
        assert_eq!(
            texts(stream),
            [
                ("{\"a\":1}", 1, Form::Json),
                ("{\"b\":\n2}", 2, Form::Json),
                ("c: 3\n", 5, Form::Yaml),
            ]
        );
    }

    #[test]
    fn flow_yaml_that_is_not_json_is_yaml() {
        assert_eq!(texts("{a: 1}\n"), [("{a: 1}\n", 1, Form::Yaml)]);
    }

    #[test]
    fn windows_line_ends_stay_inside() {
        assert_eq!(
            texts("a: 1\r\n---\r\nb: 2\r\n"),
            [("a: 1\r\n", 1, Form::Yaml), ("b: 2\r\n", 3, Form::Yaml)]
        );
    }
}
