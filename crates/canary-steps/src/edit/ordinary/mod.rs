//! Documents in the form in which nearly all manifests are written, read in one pass.
//!
//! The parser behind [`Tree::parse`] reads all of YAML at some four hundred instructions a byte. This reader knows the
//! part that people and programs write – block mappings and lists, words, quotes, blocks of text, short flow collections
//! on one line – and gives up at the first thing it does not know for certain: an anchor, an alias, a tag, a tab, a text
//! over several lines, anything that might be an error. Then the parser reads the document from its beginning, so this
//! can make nothing right that is wrong, and the tests hold both to the same trees.

mod source;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::tree::{Kind, Node, NodeId, Tree};
use source::{Source, begins_plain, unescaped};

/// Deeper than any manifest; the parser reads what is.
const MOST_DEPTH: usize = 64;

/// The parser takes keys of at most 1024 characters.
const MOST_KEY: usize = 1000;

/// Reads a document; `None` where it is not of the ordinary form.
pub(super) fn read(text: &str) -> Option<Tree<'_>> {
    let mut reader = Reader {
        source: Source::new(text)?,
        at: 0,
        column: 0,
        tree: Tree {
            // A node takes some twelve bytes of a manifest.
            nodes: Vec::with_capacity(text.len() / 12),
            root: None,
        },
    };
    reader.next_line();
    let root = reader.block(0)?;
    if reader.at < text.len() {
        return None;
    }
    reader.tree.root = Some(root);
    Some(reader.tree)
}

struct Reader<'t> {
    source: Source<'t>,
    /// The first character of what is read next: of a line, or behind a dash.
    at: usize,
    /// Its column.
    column: usize,
    tree: Tree<'t>,
}

impl<'t> Reader<'t> {
    /// A collection whose first entry stands at [`Reader::at`].
    fn block(&mut self, depth: usize) -> Option<NodeId> {
        if depth > MOST_DEPTH {
            return None;
        }
        if self.dash() {
            self.sequence(depth)
        } else {
            self.mapping(depth)
        }
    }

    fn mapping(&mut self, depth: usize) -> Option<NodeId> {
        let column = self.column;
        let id = self.add(Kind::Alias { target: 0 }, self.at, self.at);
        let mut entries = Vec::with_capacity(8);
        loop {
            let (key, colon) = self.key(self.at)?;
            let value = match self.source.skip_blanks(colon) {
                // The value stands on a later line.
                None => {
                    self.line_behind(colon);
                    if self.column > column && self.at < self.source.bytes.len() {
                        self.block(depth + 1)?
                    } else if self.column == column && self.dash() {
                        let id = self.sequence(depth + 1)?;
                        // Where its dashes stand below the key, the parser lets a list begin behind the first one.
                        if let Kind::Sequence { items, .. } = &self.tree.nodes[id].kind {
                            self.tree.nodes[id].start = self.tree.nodes[items[0]].start;
                        }
                        id
                    } else {
                        self.absent(colon - 1)
                    }
                }
                Some(at) => self.value(at, column, depth)?,
            };
            entries.push((key, value));
            if !self.goes_on(column)? {
                break;
            }
        }
        let end = entries.last().map(|(_, v)| self.tree.nodes[*v].end)?;
        Some(self.closed(id, Kind::Mapping { entries, flow: false }, end))
    }

    fn sequence(&mut self, depth: usize) -> Option<NodeId> {
        let column = self.column;
        let id = self.add(Kind::Alias { target: 0 }, self.at, self.at);
        let mut items = Vec::with_capacity(4);
        loop {
            // An entry that begins on a later line, or is absent, is rare.
            let at = self.source.skip_blanks(self.at + 1)?;
            let collection = match self.source.bytes[at] {
                b'-' => self.source.is_end(at + 1),
                b'[' | b'{' => false,
                _ => self.source.key_end(at).is_some(),
            };
            let item = if collection {
                self.column += at - self.at;
                self.at = at;
                self.block(depth + 1)?
            } else {
                self.value(at, column, depth)?
            };
            items.push(item);
            if !self.goes_on(column)? || !self.dash() {
                break;
            }
        }
        let end = items.last().map(|item| self.tree.nodes[*item].end)?;
        Some(self.closed(id, Kind::Sequence { items, flow: false }, end))
    }

    /// Whether the next line is an entry of the collection at `column`; `None` where it is neither that nor further left.
    fn goes_on(&self, column: usize) -> Option<bool> {
        if self.at >= self.source.bytes.len() || self.column < column {
            return Some(false);
        }
        (self.column == column).then_some(true)
    }

    /// A value on the line of its key or dash, and all that belongs to it; `column` is that of the collection.
    fn value(&mut self, at: usize, column: usize, depth: usize) -> Option<NodeId> {
        let (id, end) = match self.source.bytes[at] {
            b'"' | b'\'' => self.quoted(at)?,
            b'[' | b'{' => self.flow(at, depth + 1)?,
            b'|' | b'>' => return self.text_block(at, column),
            _ => self.plain(at)?,
        };
        if self.source.skip_blanks(end).is_some() {
            return None;
        }
        self.line_behind(end);
        // A line further right would go on with the value.
        (self.at >= self.source.bytes.len() || self.column <= column).then_some(id)
    }

    /// Reads a key and its colon; returns where the colon ends.
    fn key(&mut self, at: usize) -> Option<(NodeId, usize)> {
        let end = self.source.key_end(at)?;
        if end - at > MOST_KEY {
            return None;
        }
        let id = match self.source.bytes[at] {
            b'"' | b'\'' => self.quoted(at)?.0,
            _ => self.scalar(self.source.text[at..end].into(), true, at, end),
        };
        Some((id, end + 1))
    }

    /// A word or several, up to the end of the line or a comment.
    fn plain(&mut self, at: usize) -> Option<(NodeId, usize)> {
        let bytes = self.source.bytes;
        let first = bytes[at];
        let negative = first == b'-' && !self.source.is_end(at + 1);
        if !begins_plain(first) && !negative {
            return None;
        }
        let mut end = at + 1;
        let mut word_end = end;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'\n' => break,
                b'#' if bytes[end - 1] == b' ' => break,
                b':' if self.source.is_end(end + 1) => return None,
                b' ' => {}
                _ => word_end = end + 1,
            }
            end += 1;
        }
        let id = self.scalar(self.source.text[at..word_end].into(), true, at, word_end);
        Some((id, word_end))
    }

    fn quoted(&mut self, at: usize) -> Option<(NodeId, usize)> {
        let quote = self.source.bytes[at];
        let end = self.source.quote_end(at, quote)?;
        let inside = &self.source.text[at + 1..end - 1];
        let text = match quote {
            b'\'' if inside.contains('\'') => inside.replace("''", "'").into(),
            b'\'' => inside.into(),
            _ => unescaped(inside)?,
        };
        Some((self.scalar(text, false, at, end), end))
    }

    /// A list or mapping in brackets on one line.
    fn flow(&mut self, at: usize, depth: usize) -> Option<(NodeId, usize)> {
        if depth > MOST_DEPTH {
            return None;
        }
        let mapping = self.source.bytes[at] == b'{';
        let close = if mapping { b'}' } else { b']' };
        let id = self.add(Kind::Alias { target: 0 }, at, at);
        let (mut entries, mut items) = (Vec::new(), Vec::new());
        let mut next = self.source.blanks_end(at + 1);
        if self.source.bytes.get(next) != Some(&close) {
            loop {
                if mapping {
                    let (key, end) = self.flow_node(next, depth, true)?;
                    let colon = end;
                    let from = self.source.blanks_end(colon + 1);
                    let adjacent = from == colon + 1;
                    if self.source.bytes.get(colon) != Some(&b':')
                        || (adjacent && self.source.bytes[next] != b'"')
                    {
                        return None;
                    }
                    let (value, end) = self.flow_node(from, depth, false)?;
                    entries.push((key, value));
                    next = self.source.blanks_end(end);
                } else {
                    let (item, end) = self.flow_node(next, depth, false)?;
                    items.push(item);
                    next = self.source.blanks_end(end);
                }
                match *self.source.bytes.get(next)? {
                    b',' => next = self.source.blanks_end(next + 1),
                    byte if byte == close => break,
                    _ => return None,
                }
            }
        }
        let end = next + 1;
        let kind = if mapping {
            Kind::Mapping { entries, flow: true }
        } else {
            Kind::Sequence { items, flow: true }
        };
        Some((self.closed(id, kind, end), end))
    }

    /// A node inside brackets; a key is one that a colon follows directly.
    fn flow_node(&mut self, at: usize, depth: usize, key: bool) -> Option<(NodeId, usize)> {
        match *self.source.bytes.get(at)? {
            b'"' | b'\'' => self.quoted(at).filter(|(_, end)| end - at <= MOST_KEY),
            b'[' | b'{' if !key => self.flow(at, depth + 1),
            first if begins_plain(first) || first == b'-' => {
                let mut end = at;
                let mut word_end = end;
                loop {
                    match *self.source.bytes.get(end)? {
                        b'\n' => return None,
                        b'[' | b'{' => return None,
                        b',' | b']' | b'}' => break,
                        b':' => {
                            let next = *self.source.bytes.get(end + 1)?;
                            if matches!(next, b' ' | b'\n' | b',' | b'[' | b']' | b'{' | b'}') {
                                break;
                            }
                            word_end = end + 1;
                        }
                        b'#' if end == at || self.source.bytes[end - 1] == b' ' => return None,
                        b' ' => {}
                        _ => word_end = end + 1,
                    }
                    end += 1;
                }
                let text = &self.source.text[at..word_end];
                // A lone dash, and a key that is none.
                let colon = self.source.bytes[end] == b':';
                if text.starts_with('-') && !text[1..].starts_with(|c: char| c.is_ascii_alphanumeric())
                    || colon != key
                    || (key && (end != word_end || text.len() > MOST_KEY))
                {
                    return None;
                }
                Some((self.scalar(text.into(), true, at, word_end), word_end))
            }
            _ => None,
        }
    }

    /// A block of text behind `|` or `>`; its lines stand further right than `column`.
    fn text_block(&mut self, at: usize, column: usize) -> Option<NodeId> {
        let folded = self.source.bytes[at] == b'>';
        let line_end = self.source.line_end(at);
        let keep = match &self.source.text[at + 1..line_end] {
            "" => Some(false),
            "-" => None,
            "+" => Some(true),
            _ => return None,
        };
        let first = line_end + 1;
        let indent = self.source.blanks_end(first).checked_sub(first)?;
        let start = first + indent;
        if indent <= column || self.source.bytes.get(start).is_none_or(|b| *b == b'\n') {
            return None;
        }
        let mut text = String::new();
        let (mut line, mut blank, mut content_end) = (first, 0, start);
        while line < self.source.bytes.len() {
            let begin = self.source.blanks_end(line);
            let end = self.source.line_end(line);
            if begin == end {
                if begin - line > indent {
                    return None;
                }
                blank += 1;
            } else if begin - line < indent {
                // A line between the block's own column and the key's is an error, also where it is a comment.
                if begin - line > column {
                    return None;
                }
                break;
            } else {
                // Folding keeps breaks around blank lines and around lines that stand further right.
                if folded && (blank > 0 || begin - line != indent) {
                    return None;
                }
                if content_end > start {
                    text.push(if folded { ' ' } else { '\n' });
                }
                text.extend(std::iter::repeat_n('\n', blank));
                blank = 0;
                text.push_str(&self.source.text[line + indent..end]);
                content_end = end;
            }
            line = end + 1;
        }
        // Without a line break at the end there is none to keep.
        if !self.source.text.ends_with('\n') && line >= self.source.bytes.len() {
            return None;
        }
        match keep {
            None => {}
            Some(false) => text.push('\n'),
            Some(true) => text.extend(std::iter::repeat_n('\n', blank + 1)),
        }
        let end = start + self.source.text[start..content_end].trim_end().len();
        let id = self.scalar(text.into(), false, start, end);
        self.line_behind(content_end);
        Some(id)
    }

    /// An absent value: nothing behind `at`.
    fn absent(&mut self, at: usize) -> NodeId {
        self.scalar("".into(), true, at, at)
    }

    fn scalar(&mut self, text: Cow<'t, str>, plain: bool, start: usize, end: usize) -> NodeId {
        self.add(
            Kind::Scalar {
                text,
                plain,
                tag: None,
            },
            start,
            end,
        )
    }

    fn add(&mut self, kind: Kind<'t>, start: usize, end: usize) -> NodeId {
        self.tree.nodes.push(Node { kind, start, end });
        self.tree.nodes.len() - 1
    }

    fn closed(&mut self, id: NodeId, kind: Kind<'t>, end: usize) -> NodeId {
        let node = &mut self.tree.nodes[id];
        node.kind = kind;
        node.end = end;
        id
    }

    /// Whether an entry of a list begins here.
    fn dash(&self) -> bool {
        self.source.bytes.get(self.at) == Some(&b'-') && self.source.is_end(self.at + 1)
    }

    /// Goes on behind the line of `at`.
    fn line_behind(&mut self, at: usize) {
        self.at = (self.source.line_end(at) + 1).min(self.source.bytes.len());
        self.next_line();
    }

    /// From the start of a line to the first one with more than a comment.
    fn next_line(&mut self) {
        while self.at < self.source.bytes.len() {
            let begin = self.source.blanks_end(self.at);
            match self.source.bytes.get(begin) {
                None => self.at = begin,
                Some(b'\n') => self.at = begin + 1,
                Some(b'#') => self.at = (self.source.line_end(begin) + 1).min(self.source.bytes.len()),
                Some(_) => {
                    self.column = begin - self.at;
                    self.at = begin;
                    return;
                }
            }
        }
        self.column = 0;
    }
}
