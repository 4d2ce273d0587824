//! `strconv.Quote`, as far as messages need it.

use std::fmt::Write as _;

use super::utf8;

/// The text in double quotes, with Go's escapes.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    let mut at = 0;
    for (c, width) in utf8::runes(bytes) {
        let byte = bytes[at];
        at += width;
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{07}' => quoted.push_str("\\a"),
            '\u{08}' => quoted.push_str("\\b"),
            '\u{0c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{0b}' => quoted.push_str("\\v"),
            char::REPLACEMENT_CHARACTER if width == 1 => hex(&mut quoted, byte),
            c if c.is_ascii_control() => hex(&mut quoted, byte),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn hex(quoted: &mut String, byte: u8) {
    let _ = write!(quoted, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn escapes_what_would_not_show() {
        assert_eq!(quote(b"a\"b\\\n\x00\xff"), r#""a\"b\\\n\x00\xff""#);
        assert_eq!(quote("é\u{85}".as_bytes()), "\"é\\u0085\"");
    }
}
