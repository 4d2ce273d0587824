//! A YAML document as nodes that know where in the text they stand.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StructureStyle};

use super::ordinary;
use super::scalar::Tag;

/// Index of a node in its [`Tree`].
pub(crate) type NodeId = usize;

/// A document could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReadError {
    /// Line of the document, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

/// The nodes of one document; `root` is absent where it holds only comments.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tree<'t> {
    pub(crate) nodes: Vec<Node<'t>>,
    pub(crate) root: Option<NodeId>,
}

/// A node and its place in the text.
#[derive(Debug, PartialEq)]
pub(crate) struct Node<'t> {
    pub(crate) kind: Kind<'t>,
    /// From its first property, or where it has none from its own first character. A block collection begins at its
    /// first entry, which for a sequence may be behind the dash.
    pub(crate) start: usize,
    /// Behind its last character; white space behind a block scalar does not count. Of an absent value, its start.
    pub(crate) end: usize,
}

/// What a node is.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind<'t> {
    Scalar {
        /// The text itself where it stands there as it is: most do, and a copy costs more than finding them.
        text: Cow<'t, str>,
        plain: bool,
        tag: Tag,
    },
    Mapping {
        entries: Vec<(NodeId, NodeId)>,
        flow: bool,
    },
    Sequence {
        items: Vec<NodeId>,
        flow: bool,
    },
    Alias {
        target: NodeId,
    },
}

impl<'t> Tree<'t> {
    /// Reads the first document of `text`.
    pub(crate) fn parse(text: &'t str) -> Result<Tree<'t>, ReadError> {
        ordinary::read(text).map_or_else(|| Tree::parse_any(text), Ok)
    }

    /// Reads it with the parser for all of YAML.
    pub(super) fn parse_any(text: &'t str) -> Result<Tree<'t>, ReadError> {
        match build(text) {
            Ok(tree) => Ok(tree),
            Err(Failure::Scan(error)) if *error.kind() == ErrorKind::InvalidQuotedScalarIndent => {
                parse_indented(text, error)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Entries of a block or flow mapping, none for any other node.
    pub(crate) fn entries(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        match &self.nodes[id].kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The text of a node that is a scalar.
    pub(crate) fn scalar_text(&self, id: NodeId) -> Option<&str> {
        match &self.nodes[id].kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

enum Failure {
    Scan(Box<ScanError>),
    Meaning(ReadError),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Scan(error) => ReadError {
                line: error.marker().line(),
                problem: error.kind().to_string(),
            },
            Failure::Meaning(error) => error,
        }
    }
}

/// go-yaml lets the lines of a quoted text begin further left than its key; the parser we use does not. The text is
/// read again with those lines moved to the right, which changes nothing inside quotes, and the places are moved back.
fn parse_indented(text: &str, first: Box<ScanError>) -> Result<Tree<'static>, ReadError> {
    /// Each line costs a parse; a manifest with more of them is not read.
    const MOST_LINES: usize = 256;
    /// Deeper than any key that a document may have: the parser allows 255 levels.
    const INDENT: usize = 512;

    let mut moved: Vec<usize> = Vec::new();
    let mut shadow = text.to_owned();
    let mut error = first;
    while moved.len() < MOST_LINES {
        let Some(at) = error.marker().byte_offset() else {
            break;
        };
        let line_start = shadow[..at].rfind(['\n', '\r']).map_or(0, |n| n + 1);
        let own_start = line_start.checked_sub(moved.len() * INDENT);
        // A line that was moved already is not what is wrong.
        let Some(own_start) = own_start.filter(|start| moved.last().is_none_or(|last| start > last)) else {
            break;
        };
        shadow.insert_str(line_start, &" ".repeat(INDENT));
        moved.push(own_start);
        match build(&shadow) {
            Ok(mut tree) => {
                for node in &mut tree.nodes {
                    for at in [&mut node.start, &mut node.end] {
                        // `moved` rises: the parser meets the lines from top to bottom.
                        let mut shift = 0;
                        for line in &moved {
                            if *at - shift > *line {
                                shift += INDENT.min(*at - shift - line);
                            }
                        }
                        *at -= shift;
                    }
                }
                return Ok(tree);
            }
            Err(Failure::Scan(next)) if *next.kind() == ErrorKind::InvalidQuotedScalarIndent => error = next,
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(Failure::Scan(error).into())
}

fn build(text: &str) -> Result<Tree<'static>, Failure> {
    let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|e| Failure::Scan(Box::new(e)))?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event, &span, text).map_err(Failure::Meaning)?;
    }
    Ok(builder.tree)
}

#[derive(Default)]
struct Builder {
    tree: Tree<'static>,
    /// Collections that are still open; for a mapping with the key that waits for its value.
    open: Vec<(NodeId, Option<NodeId>)>,
    anchors: HashMap<usize, NodeId>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span, text: &str) -> Result<(), ReadError> {
        let range = bytes(span);
        let property = span.tag_start().and_then(|m| m.byte_offset());
        let start = property.map_or(range.start, |p| p.min(range.start));
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if plain && self.in_flow() && read_otherwise_by_go(&text[range.clone()], &text[range.end..]) {
                    return Err(ReadError {
                        line: span.start.line(),
                        problem: format!("{value:?} in brackets needs a blank behind its colon, or quotes"),
                    });
                }
                let absent = plain && range.is_empty();
                let end = range.start + text[range.clone()].trim_end().len();
                let kind = Kind::Scalar {
                    text: if absent {
                        "".into()
                    } else {
                        value.into_owned().into()
                    },
                    plain,
                    tag: tag.map(|t| format!("{}{}", t.handle(), t.suffix()).into_boxed_str()),
                };
                let id = self.add(kind, start, end);
                self.anchors.insert(anchor, id);
                self.place(id);
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let entries = Vec::new();
                self.open(Kind::Mapping { entries, flow }, anchor, start);
            }
            Event::SequenceStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let items = Vec::new();
                self.open(Kind::Sequence { items, flow }, anchor, start);
            }
            Event::MappingEnd | Event::SequenceEnd => self.close(range.end),
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied().ok_or_else(|| ReadError {
                    line: span.start.line(),
                    problem: "unknown anchor".into(),
                })?;
                let id = self.add(Kind::Alias { target }, start, range.end);
                self.place(id);
            }
            Event::Anchor(anchor, _) => {
                let id = self.anchors[&anchor];
                let node = &mut self.tree.nodes[id];
                // An absent value that carries an anchor ends behind it.
                node.end = node.end.max(range.end);
                node.start = node.start.min(range.start);
            }
            _ => {}
        }
        Ok(())
    }

    fn in_flow(&self) -> bool {
        let innermost = self.open.last().map(|(id, _)| &self.tree.nodes[*id].kind);
        matches!(
            innermost,
            Some(Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. })
        )
    }

    fn add(&mut self, kind: Kind<'static>, start: usize, end: usize) -> NodeId {
        self.tree.nodes.push(Node { kind, start, end });
        self.tree.nodes.len() - 1
    }

    fn open(&mut self, kind: Kind<'static>, anchor: usize, start: usize) {
        let id = self.add(kind, start, start);
        self.anchors.insert(anchor, id);
        self.place(id);
        self.open.push((id, None));
    }

    fn close(&mut self, end_of_token: usize) {
        let Some((id, _)) = self.open.pop() else {
            return;
        };
        let node = &self.tree.nodes[id];
        let end = match &node.kind {
            Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. } => end_of_token,
            Kind::Mapping { entries, .. } => {
                let last = entries.last();
                last.map_or(node.end, |(k, v)| {
                    self.tree.nodes[*v].end.max(self.tree.nodes[*k].end)
                })
            }
            Kind::Sequence { items, .. } => items.last().map_or(node.end, |i| self.tree.nodes[*i].end),
            _ => node.end,
        };
        let node = &mut self.tree.nodes[id];
        node.end = node.end.max(end);
    }

    fn place(&mut self, id: NodeId) {
        let Some((parent, waiting)) = self.open.last_mut() else {
            self.tree.root = Some(id);
            return;
        };
        match &mut self.tree.nodes[*parent].kind {
            Kind::Mapping { entries, .. } => match waiting.take() {
                None => *waiting = Some(id),
                Some(key) => entries.push((key, id)),
            },
            Kind::Sequence { items, .. } => items.push(id),
            _ => {}
        }
    }
}

/// Whether go-yaml reads a word in brackets otherwise: to it `{a:}` has the key `a:`, and `[?a]` holds a mapping
/// (`yaml_parser_scan_plain_scalar` in go.yaml.in/yaml/v2 `scannerc.go`).
fn read_otherwise_by_go(word: &str, behind: &str) -> bool {
    let colon = behind.strip_prefix(':');
    word.starts_with('?') || colon.is_some_and(|rest| rest.starts_with([',', '[', ']', '{', '}']))
}

fn bytes(span: &Span) -> Range<usize> {
    // A parser over a `str` gives a byte offset to every mark (granit-parser `Parser::new_from_str`).
    let at = |m: granit_parser::Marker| m.byte_offset().unwrap_or_default();
    at(span.start)..at(span.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<&str> {
        let tree = Tree::parse(text).unwrap();
        tree.nodes.iter().map(|n| &text[n.start..n.end]).collect()
    }

    #[test]
    fn nodes_know_their_text() {
        let text = "a: &x !!str 'q'  # c\nb:\n  - c: |\n      long\n\n  - *x\nd:\n";
        assert_eq!(
            places(text),
            [
                "a: &x !!str 'q'  # c\nb:\n  - c: |\n      long\n\n  - *x\nd",
                "a",
                "&x !!str 'q'",
                "b",
                "- c: |\n      long\n\n  - *x",
                "c: |\n      long",
                "c",
                "long",
                "*x",
                "d",
                "",
            ]
        );
    }

    #[test]
    fn quoted_lines_may_begin_further_left_than_their_key() {
        let text = "a:\n  - b: 'one\n  two\n\n  three'\n    c: \"x\ny\nz\"\n    d: 4\n";
        let tree = Tree::parse(text).unwrap();
        let texts = tree.nodes.iter().filter_map(|n| match &n.kind {
            Kind::Scalar { text, .. } => Some(&**text),
            _ => None,
        });
        assert_eq!(
            texts.collect::<Vec<_>>(),
            ["a", "b", "one two\nthree", "c", "x y z", "d", "4"]
        );
        let last = tree.nodes.last().unwrap();
        assert_eq!(&text[last.start..last.end], "4");
    }

    #[test]
    fn lines_may_end_as_they_did_on_old_machines() {
        // The parser takes a lone carriage return for the end of a line.
        for text in ["a:\n \"\rb: 1\n", "a:\r  - 'x\ry'\r", "\"\r\"\r\"\r:"] {
            let _ = Tree::parse(text);
        }
        assert!(Tree::parse("a:\r  - 'x\ry'\r").is_ok());
    }

    #[test]
    fn what_the_repo_server_reads_otherwise_is_not_read() {
        for text in ["{a:}", "{a: 1, b:, c: 2}", "[1, ?2]", "[a:, b]", "x:\n- {a:}\n"] {
            let error = Tree::parse(text).unwrap_err();
            assert!(error.problem.contains("in brackets"), "{text}: {error}");
        }
        for text in ["{a: }", "{\"a\":1}", "{a: http://x:80}", "x: ?2\n", "[a:b]"] {
            assert!(Tree::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_names_its_line() {
        let error = Tree::parse("a: 1\nb: [1\nc: 2\n").unwrap_err();
        assert!(error.line >= 2, "{error}");
        assert_eq!(Tree::parse("a: *nobody\n").unwrap_err().line, 1);
    }

    #[test]
    fn comments_alone_are_no_document() {
        assert!(Tree::parse("# nothing\n\n").unwrap().root.is_none());
    }
}
