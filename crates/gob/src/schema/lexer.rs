//! Go's tokens, as far as declarations of types need them.

use crate::Error;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An identifier or keyword, with a package in front where there is one: `metav1.Time`.
    Name(String),
    Number(u64),
    /// A string literal, unquoted.
    Text(String),
    /// A character that stands for itself, and `;` where Go inserts one at the end of a line.
    Sign(char),
    End,
}

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    pub(super) const START: Place = Place { line: 1, column: 1 };

    pub(super) fn error(self, message: impl Into<String>) -> Error {
        Error::Schema {
            line: self.line,
            column: self.column,
            message: message.into(),
        }
    }
}

pub(super) struct Lexer<'t> {
    rest: &'t str,
    place: Place,
    /// The last token can end a statement, so Go puts a semicolon at the end of the line.
    ends: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Lexer {
            rest: text,
            place: Place::START,
            ends: false,
        }
    }

    pub(super) fn next(&mut self) -> Result<(Token, Place), Error> {
        if self.space()? {
            self.ends = false;
            return Ok((Token::Sign(';'), self.place));
        }
        let place = self.place;
        let token = self.token()?;
        self.ends = match &token {
            Token::Name(_) | Token::Number(_) | Token::Text(_) => true,
            Token::Sign(sign) => matches!(sign, ')' | ']' | '}'),
            Token::End => false,
        };
        Ok((token, place))
    }

    /// Passes over blanks and comments; true when a semicolon belongs there.
    fn space(&mut self) -> Result<bool, Error> {
        loop {
            let place = self.place;
            let Some(c) = self.rest.chars().next() else {
                return Ok(self.ends);
            };
            if c == '\n' && self.ends {
                return Ok(true);
            } else if c.is_whitespace() {
                self.advance(c.len_utf8());
            } else if self.rest.starts_with("//") {
                self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let end = self
                    .rest
                    .find("*/")
                    .ok_or_else(|| place.error("a comment without an end"))?;
                let lines = self.rest[..end].contains('\n');
                self.advance(end + 2);
                if lines && self.ends {
                    return Ok(true);
                }
            } else {
                return Ok(false);
            }
        }
    }

    fn token(&mut self) -> Result<Token, Error> {
        let place = self.place;
        let Some(c) = self.rest.chars().next() else {
            return Ok(Token::End);
        };
        if c.is_alphabetic() || c == '_' {
            let name = self
                .rest
                .find(|c: char| !c.is_alphanumeric() && !"_.".contains(c));
            return Ok(Token::Name(self.take(name).to_owned()));
        }
        if c.is_ascii_digit() {
            let digits = self.rest.find(|c: char| !c.is_ascii_digit());
            let digits = self.take(digits);
            let number = digits
                .parse()
                .map_err(|_| place.error(format!("{digits} is too large a number")));
            return number.map(Token::Number);
        }
        if c == '"' || c == '`' {
            return self.text(c);
        }
        self.advance(c.len_utf8());
        Ok(Token::Sign(c))
    }

    fn text(&mut self, quote: char) -> Result<Token, Error> {
        let place = self.place;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.advance(at + 1);
                    return Ok(Token::Text(text));
                }
                '\n' if quote == '"' => break,
                '\\' if quote == '"' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    _ => return Err(place.error("only \\\" and \\\\ can be escaped in a string here")),
                },
                c => text.push(c),
            }
        }
        Err(place.error("a string without an end"))
    }

    fn take(&mut self, end: Option<usize>) -> &'t str {
        let taken = &self.rest[..end.unwrap_or(self.rest.len())];
        self.advance(taken.len());
        taken
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        for c in passed.chars() {
            if c == '\n' {
                self.place = Place {
                    line: self.place.line + 1,
                    column: 1,
                };
            } else {
                self.place.column += 1;
            }
        }
        self.rest = rest;
    }
}
