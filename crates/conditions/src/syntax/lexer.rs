//! From text to words (`parser/lexer` of expr).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::literal;
use super::token::{Token, TokenKind};

/// What keeps the text from being words, and where.
#[derive(Clone, Debug)]
pub(super) struct LexError {
    pub(super) at: u32,
    pub(super) message: String,
}

/// The words of a condition, one after the other. The last is [`TokenKind::Eof`].
pub(super) struct Lexer<'s> {
    source: &'s str,
    /// The cursor, and the start of the word under it.
    end: Place,
    start: Place,
    /// A word found while looking for the end of the one before: the name after `#`, the operator after `not`.
    queued: Option<Token<'s>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    byte: usize,
    rune: u32,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            end: Place::default(),
            start: Place::default(),
            queued: None,
        }
    }

    /// # Errors
    /// A character, literal or comment that is none.
    pub(super) fn next(&mut self) -> Result<Token<'s>, LexError> {
        if let Some(token) = self.queued.take() {
            return Ok(token);
        }
        loop {
            self.start = self.end;
            let Some(c) = self.bump() else {
                let at = self.end.rune.saturating_sub(1);
                return Ok(Token {
                    kind: TokenKind::Eof,
                    text: Cow::Borrowed(b""),
                    at,
                });
            };
            match c {
                c if c.is_whitespace() => {}
                '\'' | '"' => return self.quoted(c),
                '`' => return self.raw(),
                '0'..='9' => return self.number(),
                '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => return self.number(),
                '/' if self.accept("/") => while !matches!(self.bump(), None | Some('\n')) {},
                '/' if self.accept("*") => self.skip_comment()?,
                '?' => return Ok(self.operator_with(".?")),
                '.' => return Ok(self.operator_with(".")),
                '|' => return Ok(self.operator_with("|")),
                ':' => return Ok(self.operator_with(":")),
                '&' | '!' | '=' | '*' | '<' | '>' => return Ok(self.operator_with("&=*")),
                '#' => return Ok(self.pointer()),
                '(' | '[' | '{' | ')' | ']' | '}' => return Ok(self.token(TokenKind::Bracket)),
                ',' | ';' | '%' | '+' | '-' | '^' | '/' => return Ok(self.token(TokenKind::Operator)),
                c if is_alphanumeric(c) => return Ok(self.word()),
                c => return Err(self.error(format!("unrecognized character: U+{:04X} '{c}'", u32::from(c)))),
            }
        }
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.end.byte += c.len_utf8();
        self.end.rune += 1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.source[self.end.byte..].chars().next()
    }

    fn accept(&mut self, any_of: &str) -> bool {
        let found = self.peek().is_some_and(|c| any_of.contains(c));
        if found {
            self.bump();
        }
        found
    }

    fn accept_while(&mut self, accepted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&accepted) {
            self.bump();
        }
    }

    fn under_cursor(&self) -> &'s str {
        &self.source[self.start.byte..self.end.byte]
    }

    fn token(&self, kind: TokenKind) -> Token<'s> {
        Token {
            kind,
            text: Cow::Borrowed(self.under_cursor().as_bytes()),
            at: self.start.rune,
        }
    }

    /// An operator that one more character may belong to.
    fn operator_with(&mut self, any_of: &str) -> Token<'s> {
        self.accept(any_of);
        self.token(TokenKind::Operator)
    }

    fn error(&self, message: impl Into<String>) -> LexError {
        LexError {
            at: self.end.rune.saturating_sub(1),
            message: message.into(),
        }
    }

    /// At the end of the text there is no character to point at; the caret goes behind the last.
    fn error_at_end(&self, message: &str) -> LexError {
        LexError {
            at: self.end.rune,
            message: message.to_owned(),
        }
    }

    fn skip_comment(&mut self) -> Result<(), LexError> {
        loop {
            match self.bump() {
                None => return Err(self.error_at_end("unclosed comment")),
                Some('*') if self.accept("/") => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn word(&mut self) -> Token<'s> {
        self.accept_while(is_alphanumeric);
        match self.under_cursor() {
            "not" => {
                let not = self.token(TokenKind::Operator);
                self.look_behind_not();
                not
            }
            "in" | "or" | "and" | "matches" | "contains" | "startsWith" | "endsWith" | "let" | "if"
            | "else" => self.token(TokenKind::Operator),
            _ => self.token(TokenKind::Identifier),
        }
    }

    /// After `not` and blanks an operator in letters is one word even where a name would go on: `not in_` has none.
    fn look_behind_not(&mut self) {
        self.start = self.end;
        self.accept_while(|c| c == ' ');
        self.start = self.end;
        let back = self.end;
        self.accept_while(is_alphanumeric);
        match self.under_cursor() {
            "in" | "matches" | "contains" | "startsWith" | "endsWith" => {
                self.queued = Some(self.token(TokenKind::Operator));
            }
            _ => self.end = back,
        }
    }

    /// `#`, and the name that follows it as a word of its own.
    fn pointer(&mut self) -> Token<'s> {
        let pointer = self.operator_with("#");
        self.start = self.end;
        self.accept_while(is_alphanumeric);
        if !self.under_cursor().is_empty() {
            self.queued = Some(self.token(TokenKind::Identifier));
        }
        pointer
    }

    /// The first character was read already: a digit, or the period before one.
    fn number(&mut self) -> Result<Token<'s>, LexError> {
        let first = self.under_cursor();
        let mut radix = 10;
        if first == "0" || first == "." && self.accept("0") {
            radix = match self.peek() {
                Some('x' | 'X') => 16,
                Some('o' | 'O') => 8,
                Some('b' | 'B') => 2,
                _ => 10,
            };
            if radix != 10 {
                self.bump();
            }
        }
        let is_digit = |c: char| c == '_' || c.is_digit(radix);
        self.accept_while(is_digit);
        let back = self.end;
        if self.accept(".") {
            // Two periods are a range.
            if self.peek() == Some('.') {
                self.end = back;
                return Ok(self.token(TokenKind::Number));
            }
            self.accept_while(is_digit);
        }
        if self.accept("eE") {
            self.accept("+-");
            self.accept_while(is_digit);
        }
        if self.peek().is_some_and(is_alphanumeric) {
            self.bump();
            return Err(self.error(format!("bad number syntax: {:?}", self.under_cursor())));
        }
        Ok(self.token(TokenKind::Number))
    }

    fn quoted(&mut self, quote: char) -> Result<Token<'s>, LexError> {
        loop {
            match self.bump() {
                None => return Err(self.error_at_end("literal not terminated")),
                Some('\n') => return Err(self.error("literal not terminated")),
                Some('\\') => self.skip_escape(quote)?,
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        let text = literal::unescape(self.under_cursor()).map_err(|why| self.error(why))?;
        Ok(Token {
            kind: TokenKind::String,
            text: Cow::Owned(text),
            at: self.start.rune,
        })
    }

    /// The characters of an escape must be there before the literal may end.
    fn skip_escape(&mut self, quote: char) -> Result<(), LexError> {
        let bad = "invalid char escape";
        let Some(c) = self.bump() else {
            return Err(self.error_at_end(bad));
        };
        let (radix, mut digits) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => (8, 2),
            'x' => (16, 2),
            'u' if self.accept("{") => {
                let begin = self.end.byte;
                self.accept_while(|c| c.is_ascii_hexdigit());
                let digits = self.end.byte - begin;
                return if (1..=6).contains(&digits) && self.accept("}") {
                    Ok(())
                } else {
                    Err(self.error(bad))
                };
            }
            'u' => (16, 4),
            'U' => (16, 8),
            _ => return Err(self.error(bad)),
        };
        while digits > 0 {
            match self.bump() {
                Some(c) if c.is_digit(radix) => digits -= 1,
                Some(_) => return Err(self.error(bad)),
                None => return Err(self.error_at_end(bad)),
            }
        }
        Ok(())
    }

    /// Between backticks nothing is escaped, but two of them are one.
    fn raw(&mut self) -> Result<Token<'s>, LexError> {
        loop {
            match self.bump() {
                None => return Err(self.error_at_end("literal not terminated")),
                Some('`') if !self.accept("`") => break,
                Some(_) => {}
            }
        }
        let word = self.under_cursor();
        let text = &word[1..word.len() - 1];
        let text = if text.contains('`') {
            Cow::Owned(text.replace("``", "`").into_bytes())
        } else {
            Cow::Borrowed(text.as_bytes())
        };
        Ok(Token {
            kind: TokenKind::String,
            text,
            at: self.start.rune,
        })
    }
}

/// A letter, a digit, `_` or `$` (`parser/utils` of expr).
pub(super) fn is_alphanumeric(c: char) -> bool {
    static LETTER_OR_DIGIT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\pL\p{Nd}]").expect("the pattern is constant"));
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_' || c == '$';
    }
    LETTER_OR_DIGIT.is_match(c.encode_utf8(&mut [0; 4]))
}

/// Whether the text could stand in a condition without quotes, as a field's name after a period.
pub(super) fn is_identifier(text: &[u8]) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\pL").expect("the pattern is constant"));
    let Some(text) = str::from_utf8(text)
        .ok()
        .filter(|text| text.chars().all(is_alphanumeric))
    else {
        return false;
    };
    match text.chars().next() {
        Some('_' | '$') => true,
        Some(c) if c.is_ascii() => c.is_ascii_alphabetic(),
        Some(_) => LETTER.is_match(text),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Result<String, String> {
        let mut lexer = Lexer::new(source);
        let mut words = Vec::new();
        loop {
            let token = lexer.next().map_err(|e| format!("{}: {}", e.at, e.message))?;
            if token.kind == TokenKind::Eof {
                return Ok(words.join(" "));
            }
            words.push(token.to_string());
        }
    }

    #[test]
    fn splits_into_words() {
        for (source, expected) in [
            ("1..2", r#"Number("1") Operator("..") Number("2")"#),
            ("1...5", r#"Number("1") Operator("..") Number(".5")"#),
            (
                "a?.b ?? c?d",
                r#"Identifier("a") Operator("?.") Identifier("b") Operator("??") Identifier("c") Operator("?") Identifier("d")"#,
            ),
            (
                "#acc + ##",
                "Operator(\"#\") Identifier(\"acc\") Operator(\"+\") Operator(\"##\")",
            ),
            (
                "x not  in y",
                r#"Identifier("x") Operator("not") Operator("in") Identifier("y")"#,
            ),
            ("not inner", r#"Operator("not") Identifier("inner")"#),
            (
                "a /* b */ // c\n&& d",
                r#"Identifier("a") Operator("&&") Identifier("d")"#,
            ),
            ("`a``b`", r#"String("a`b")"#),
            ("$env.é١", r#"Identifier("$env") Operator(".") Identifier("é١")"#),
            (
                "a|b||c::d:e",
                r#"Identifier("a") Operator("|") Identifier("b") Operator("||") Identifier("c") Operator("::") Identifier("d") Operator(":") Identifier("e")"#,
            ),
        ] {
            assert_eq!(words(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn points_at_what_is_no_word() {
        for (source, expected) in [
            ("a @ b", "2: unrecognized character: U+0040 '@'"),
            ("\"abc", "4: literal not terminated"),
            ("'a\nb'", "2: literal not terminated"),
            (r#""\q""#, "2: invalid char escape"),
            ("1_a", "2: bad number syntax: \"1_a\""),
            ("a /* b", "6: unclosed comment"),
            ("`a``", "4: literal not terminated"),
        ] {
            assert_eq!(words(source), Err(expected.to_owned()), "{source}");
        }
    }
}
