//! `encoding/json`: `toJSON` and `fromJSON`.

use std::collections::BTreeMap;

use base64::Engine as _;

use super::{number, utf8};
use crate::value::{Datum, List, ListKind, Map, MapKind, Text};

/// `json.MarshalIndent(x, "", "  ")`.
///
/// # Errors
/// Go's text of what JSON cannot hold: a function, a map whose keys are not strings, NaN.
pub(crate) fn encode(datum: &Datum) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(&mut out, datum, Some(0))?;
    Ok(out)
}

/// `json.Marshal(x)`.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_compact(datum: &Datum) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(&mut out, datum, None)?;
    Ok(out)
}

fn write(out: &mut Vec<u8>, datum: &Datum, indent: Option<usize>) -> Result<(), String> {
    match datum {
        Datum::Nil => out.extend(b"null"),
        Datum::Bool(b) => out.extend(b.to_string().bytes()),
        Datum::Int(n) | Datum::Int64(n) | Datum::Duration(n) | Datum::Month(n) | Datum::Weekday(n) => {
            out.extend(n.to_string().bytes());
        }
        Datum::Uint8(n) => out.extend(n.to_string().bytes()),
        Datum::Float(x) => match number::json(*x) {
            Some(written) => out.extend(written.bytes()),
            None => return Err(format!("json: unsupported value: {}", number::general(*x))),
        },
        Datum::Text(text) => write_string(out, text.as_bytes()),
        Datum::List(list) => return write_list(out, list, indent),
        Datum::Map(map) => return write_map(out, map, indent),
        Datum::Function(_) => return Err(format!("json: unsupported type: {}", datum.go_type())),
        Datum::Time(time) => {
            let written = time.to_rfc3339().map_err(|why| {
                format!("json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: {why}")
            })?;
            out.push(b'"');
            out.extend(written.bytes());
            out.push(b'"');
        }
        // A struct whose fields are all its own business.
        Datum::Zone(_) | Datum::ZoneStruct(_) => out.extend(b"{}"),
    }
    Ok(())
}

fn write_list(out: &mut Vec<u8>, list: &List, indent: Option<usize>) -> Result<(), String> {
    if list.is_nil() {
        out.extend(b"null");
        return Ok(());
    }
    if list.kind() == ListKind::Uint8 {
        let bytes: Vec<u8> = list
            .iter()
            .filter_map(|item| item.as_int())
            .map(|n| n as u8)
            .collect();
        out.push(b'"');
        out.extend(base64::prelude::BASE64_STANDARD.encode(bytes).bytes());
        out.push(b'"');
        return Ok(());
    }
    if list.len() == 0 {
        out.extend(b"[]");
        return Ok(());
    }
    out.push(b'[');
    for (index, item) in list.iter().enumerate() {
        next_line(out, index > 0, indent.map(|depth| depth + 1));
        write(out, &item, indent.map(|depth| depth + 1))?;
    }
    next_line(out, false, indent);
    out.push(b']');
    Ok(())
}

fn write_map(out: &mut Vec<u8>, map: &Map, indent: Option<usize>) -> Result<(), String> {
    match map.kind() {
        MapKind::StringAny | MapKind::IntSet | MapKind::StringSet => {}
        MapKind::AnyAny | MapKind::Groups => {
            return Err(format!("json: unsupported type: {}", map.kind().go_type()));
        }
    }
    if map.len() == 0 {
        out.extend(b"{}");
        return Ok(());
    }
    out.push(b'{');
    for (index, (key, value)) in map.iter().enumerate() {
        next_line(out, index > 0, indent.map(|depth| depth + 1));
        write_string(out, &super::print::value(&key));
        out.push(b':');
        match (map.kind(), indent) {
            // The elements of a set are empty structs.
            (MapKind::IntSet | MapKind::StringSet, _) => out.extend(b"{}"),
            (_, Some(depth)) => {
                out.push(b' ');
                write(out, value, Some(depth + 1))?;
            }
            (_, None) => write(out, value, None)?,
        }
    }
    next_line(out, false, indent);
    out.push(b'}');
    Ok(())
}

fn next_line(out: &mut Vec<u8>, comma: bool, indent: Option<usize>) {
    if comma {
        out.push(b',');
    }
    if let Some(depth) = indent {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', 2 * depth));
    }
}

/// Go escapes what would be unsafe inside HTML and JavaScript.
fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for (c, width) in utf8::runes(bytes) {
        match c {
            '"' => out.extend(b"\\\""),
            '\\' => out.extend(b"\\\\"),
            '\u{08}' => out.extend(b"\\b"),
            '\u{0c}' => out.extend(b"\\f"),
            '\n' => out.extend(b"\\n"),
            '\r' => out.extend(b"\\r"),
            '\t' => out.extend(b"\\t"),
            char::REPLACEMENT_CHARACTER if width == 1 => out.extend(b"\\ufffd"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend(format!("\\u{:04x}", u32::from(c)).bytes());
            }
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out.push(b'"');
}

/// `json.Unmarshal(text, &x)` into an `any`.
///
/// # Errors
/// What is wrong with the text. `max_depth` bounds how deep lists and objects lie within each other; Go's own bound is
/// 10,000.
pub(crate) fn decode(text: &[u8], max_depth: u32) -> Result<Datum, String> {
    let mut decoder = Decoder {
        text,
        at: 0,
        depth: 0,
        max_depth,
    };
    let datum = decoder.value()?;
    decoder.skip_space();
    match decoder.peek() {
        None => Ok(datum),
        Some(_) => Err(decoder.unexpected("after top-level value")),
    }
}

struct Decoder<'t> {
    text: &'t [u8],
    at: usize,
    depth: u32,
    max_depth: u32,
}

impl Decoder<'_> {
    fn value(&mut self) -> Result<Datum, String> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Datum::Text(self.string()?)),
            Some(b't') => self.word("true", Datum::Bool(true)),
            Some(b'f') => self.word("false", Datum::Bool(false)),
            Some(b'n') => self.word("null", Datum::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Datum, String>) -> Result<Datum, String> {
        self.depth += 1;
        if self.depth > self.max_depth {
            return Err(format!("exceeded max depth of {}", self.max_depth));
        }
        self.at += 1;
        let datum = read(self)?;
        self.depth -= 1;
        Ok(datum)
    }

    fn object(&mut self) -> Result<Datum, String> {
        let mut entries = BTreeMap::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Datum::map(Map::texts(entries)));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected("after object key"));
            }
            entries.insert(key, self.value()?);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Datum::map(Map::texts(entries)));
            }
            if !self.take(b',') {
                return Err(self.unexpected("after object key:value pair"));
            }
        }
    }

    fn array(&mut self) -> Result<Datum, String> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Datum::list(List::any(items)));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Datum::list(List::any(items)));
            }
            if !self.take(b',') {
                return Err(self.unexpected("after array element"));
            }
        }
    }

    fn word(&mut self, word: &str, datum: Datum) -> Result<Datum, String> {
        for expected in word.bytes() {
            if !self.take(expected) {
                return Err(self.unexpected(&format!("in literal {word}")));
            }
        }
        Ok(datum)
    }

    fn number(&mut self) -> Result<Datum, String> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return Err(self.unexpected("in numeric literal"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.unexpected("after decimal point in numeric literal"));
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
        }
        let digits = &self.text[start..self.at];
        number::parse_float(digits).map(Datum::Float).map_err(|_| {
            format!(
                "json: cannot unmarshal number {} into Go value of type float64",
                utf8::lossy(digits)
            )
        })
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<Text, String> {
        self.at += 1;
        let mut decoded = String::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text::from(decoded));
                }
                Some(b'\\') => {
                    self.at += 1;
                    decoded.push(self.escape()?);
                }
                Some(0..0x20) | None => return Err(self.unexpected("in string literal")),
                Some(_) => {
                    let (c, width) = utf8::decode(&self.text[self.at..]);
                    self.at += width;
                    decoded.push(c);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let Some(byte) = self.peek() else {
            return Err(self.unexpected("in string escape code"));
        };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{08}',
            b'f' => '\u{0c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                if let Some(c) = char::from_u32(first) {
                    return Ok(c);
                }
                // Half a surrogate pair; alone it is U+FFFD, and so it is before anything but the other half.
                if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let second = self.hex4()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.at = back;
                }
                char::REPLACEMENT_CHARACTER
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected("in string escape code"));
            }
        })
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|b| char::from(b).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return Err(self.unexpected("in \\u hexadecimal character escape")),
            }
            self.at += 1;
        }
        Ok(code)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, place: &str) -> String {
        match self.peek() {
            None => "unexpected end of JSON input".to_owned(),
            Some(b) => format!("invalid character {:?} {place}", char::from(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Result<String, String> {
        let datum = decode(text.as_bytes(), 100)?;
        encode_compact(&datum).map(|out| String::from_utf8(out).unwrap())
    }

    #[test]
    fn documents_survive() {
        for (text, written) in [
            (
                r#" {"b":[1,2.50,-0,1e3],"a":null,"b2":{}} "#,
                r#"{"a":null,"b":[1,2.5,-0,1000],"b2":{}}"#,
            ),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\u00e9\ud83d\ude00\n\/<""#, r#""é😀\n/\u003c""#),
            (r#""\ud800x\ud800\ud800""#, r#""�x��""#),
        ] {
            assert_eq!(again(text).as_deref(), Ok(written));
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "", "01", "1.", "-", "1e", "[1,]", "{,}", "{\"a\"}", "nul", "\"\t\"", "\"\\x\"", "1 2", "'a'",
            "1e999", "\"a",
        ] {
            assert!(again(text).is_err(), "{text}");
        }
        assert!(decode(b"[[[]]]", 2).is_err());
        assert!(encode(&Datum::Float(f64::NAN)).is_err());
    }

    #[test]
    fn indented_as_go_does() {
        let datum = decode(br#"{"a":[1,{}],"b":[]}"#, 100).unwrap();
        let written = String::from_utf8(encode(&datum).unwrap()).unwrap();
        assert_eq!(written, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
        assert_eq!(encode(&Datum::list(List::nil(ListKind::Any))).unwrap(), b"null");
    }
}
