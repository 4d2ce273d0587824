//! Words of a condition.

use std::borrow::Cow;
use std::fmt;

use crate::go::quote::quote;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Identifier,
    Number,
    String,
    Operator,
    Bracket,
    Eof,
}

#[derive(Clone, Debug)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    /// A string without its quotes and escapes; everything else as written.
    pub(super) text: Cow<'s, [u8]>,
    /// Where it begins, in characters from the start.
    pub(super) at: u32,
}

impl Token<'_> {
    pub(super) fn is(&self, kind: TokenKind, text: &str) -> bool {
        self.kind == kind && *self.text == *text.as_bytes()
    }

    pub(super) fn is_operator(&self, text: &str) -> bool {
        self.is(TokenKind::Operator, text)
    }

    pub(super) fn is_bracket(&self, text: &str) -> bool {
        self.is(TokenKind::Bracket, text)
    }
}

/// As expr's messages show a token: `Operator("=")`, `EOF`.
impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TokenKind::Identifier => "Identifier",
            TokenKind::Number => "Number",
            TokenKind::String => "String",
            TokenKind::Operator => "Operator",
            TokenKind::Bracket => "Bracket",
            TokenKind::Eof => "EOF",
        };
        f.write_str(kind)?;
        if self.text.is_empty() {
            Ok(())
        } else {
            write!(f, "({})", quote(&self.text))
        }
    }
}
