//! The text of a document, and where in it the pieces of a line begin and end.

use std::borrow::Cow;

/// A text and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
}

impl<'t> Source<'t> {
    /// `None` where there is something in it that this reader leaves to the parser.
    pub(super) fn new(text: &'t str) -> Option<Self> {
        let bytes = text.as_bytes();
        let simple = bytes
            .iter()
            .all(|byte| *byte == b'\n' || (b' '..0x7f).contains(byte));
        (simple || clean(text)).then_some(Source { text, bytes })
    }

    /// Where the key that begins at `at` ends, which a colon follows directly.
    pub(super) fn key_end(&self, at: usize) -> Option<usize> {
        let bytes = self.bytes;
        let end = match *bytes.get(at)? {
            quote @ (b'"' | b'\'') => self.quote_end(at, quote)?,
            first if begins_plain(first) => {
                let mut end = at + 1;
                loop {
                    match *bytes.get(end)? {
                        b'\n' => return None,
                        b':' if self.is_end(end + 1) => break end,
                        b'#' if bytes[end - 1] == b' ' => return None,
                        _ => end += 1,
                    }
                }
            }
            _ => return None,
        };
        (bytes.get(end) == Some(&b':') && bytes[end - 1] != b' ' && self.is_end(end + 1)).then_some(end)
    }

    /// Behind the closing quote, which must stand on the same line.
    pub(super) fn quote_end(&self, at: usize, quote: u8) -> Option<usize> {
        let mut end = at + 1;
        loop {
            match *self.bytes.get(end)? {
                b'\n' => return None,
                b'\\' if quote == b'"' => end += 1,
                byte if byte == quote => {
                    if quote == b'\'' && self.bytes.get(end + 1) == Some(&b'\'') {
                        end += 1;
                    } else {
                        return Some(end + 1);
                    }
                }
                _ => {}
            }
            end += 1;
        }
    }

    /// Whether a blank, a line break or the text's end is at `at`.
    pub(super) fn is_end(&self, at: usize) -> bool {
        self.bytes.get(at).is_none_or(|b| matches!(b, b' ' | b'\n'))
    }

    pub(super) fn blanks_end(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|b| **b == b' ').count()
    }

    /// What stands on the rest of the line, if it is more than a comment.
    pub(super) fn skip_blanks(&self, at: usize) -> Option<usize> {
        let next = self.blanks_end(at);
        match self.bytes.get(next) {
            None | Some(b'\n') => None,
            Some(b'#') if next > at => None,
            Some(_) => Some(next),
        }
    }

    pub(super) fn line_end(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.iter()
            .position(|b| *b == b'\n')
            .map_or(self.bytes.len(), |n| at + n)
    }
}

/// Characters with which a word may begin; all others mean something, or might.
pub(super) fn begins_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'_' | b'.' | b'/' | b'$' | b'(' | b')' | b'+' | b'<' | b'=' | b'~' | b'^' | b'\\' | b';'
        )
        || byte >= 0x80
}

/// The text of a double-quoted string with the escapes that are common.
pub(super) fn unescaped(inside: &str) -> Option<Cow<'_, str>> {
    if !inside.contains('\\') {
        return Some(inside.into());
    }
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                't' => '\t',
                c @ ('"' | '\\') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(text.into())
}

/// Whether nothing stands in the text that is no character of YAML, or a line break to some readers and not to others.
fn clean(text: &str) -> bool {
    let strange = |c| matches!(c, '\0'..='\x09' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}'..);
    !text.contains(strange)
}
