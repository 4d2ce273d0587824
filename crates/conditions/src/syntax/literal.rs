//! The values of string and number literals (`parser/lexer/utils.go` and `parseSecondary` of expr).

use crate::go::number;

/// The text of a quoted literal, quotes included. Escapes are Go's, and `\u{…}`.
///
/// # Errors
/// What is wrong with an escape.
pub(super) fn unescape(quoted: &str) -> Result<Vec<u8>, &'static str> {
    let text = quoted.replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = &text[1..text.len() - 1];
    let mut out = Vec::with_capacity(rest.len());
    while let Some(at) = rest.find('\\') {
        out.extend(&rest.as_bytes()[..at]);
        rest = escape(&rest[at + 1..], &mut out)?;
    }
    out.extend(rest.as_bytes());
    Ok(out)
}

const BAD: &str = "unable to unescape string";

/// Writes the character that the escape stands for; gives the text after it.
fn escape<'t>(t: &'t str, out: &mut Vec<u8>) -> Result<&'t str, &'static str> {
    let Some(c) = t.chars().next() else {
        return Err("unable to unescape string, found '\\' as last character");
    };
    let rest = &t[c.len_utf8()..];
    let plain = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '\'' | '"' => c as u8,
        'x' => return hex(rest, 2, out),
        'u' => match rest.strip_prefix('{') {
            Some(braced) => {
                let (digits, rest) = braced.split_once('}').ok_or(BAD)?;
                let code = u32::from_str_radix(digits, 16).map_err(|_| BAD)?;
                if code > 0x10_ffff {
                    return Err(BAD);
                }
                push(code as i32, out);
                return Ok(rest);
            }
            None => return hex(rest, 4, out),
        },
        'U' => return hex(rest, 8, out),
        '0'..='3' => {
            let digits = t
                .get(..3)
                .filter(|digits| digits.bytes().all(|b| matches!(b, b'0'..=b'7')));
            let digits = digits.ok_or("unable to unescape octal sequence in string")?;
            push(i32::from_str_radix(digits, 8).map_err(|_| BAD)?, out);
            return Ok(&t[3..]);
        }
        _ => return Err(BAD),
    };
    out.push(plain);
    Ok(rest)
}

fn hex<'t>(t: &'t str, digits: usize, out: &mut Vec<u8>) -> Result<&'t str, &'static str> {
    let (digits, rest) = t.split_at_checked(digits).ok_or(BAD)?;
    // A rune of Go is a signed 32-bit number, and eight digits may make it negative.
    let code = u32::from_str_radix(digits, 16).map_err(|_| BAD)? as i32;
    if code > 0x10_ffff {
        return Err(BAD);
    }
    push(code, out);
    Ok(rest)
}

fn push(code: i32, out: &mut Vec<u8>) {
    match u32::try_from(code) {
        Ok(code) => {
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend(c.encode_utf8(&mut [0; 4]).bytes());
        }
        // expr takes every number below 0x80 for a byte, negative ones included.
        Err(_) => out.push(code as u8),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
}

/// The value of a number literal.
///
/// # Errors
/// What is wrong with it.
pub(super) fn number(literal: &str) -> Result<Number, String> {
    let plain = literal.replace('_', "").to_ascii_lowercase();
    let (name, radix, digits) = match plain.get(..2) {
        Some("0x") => ("hex", 16, &plain[2..]),
        _ if plain.contains(['.', 'e']) => {
            return number::parse_float(plain.as_bytes())
                .map(Number::Float)
                .map_err(|why| format!("invalid float literal: {why}"));
        }
        Some("0b") => ("binary", 2, &plain[2..]),
        Some("0o") => ("octal", 8, &plain[2..]),
        _ => ("integer", 10, plain.as_str()),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| char::from(b).is_digit(radix));
    match i64::from_str_radix(digits, radix) {
        Ok(n) if is_number => Ok(Number::Integer(n)),
        _ => {
            let why = if is_number {
                "value out of range"
            } else {
                "invalid syntax"
            };
            Err(format!(
                "invalid {name} literal: strconv.ParseInt: parsing {plain:?}: {why}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (quoted, text) in [
            (r#""a\tb""#, "a\tb".as_bytes()),
            (r#"'it\'s'"#, b"it's"),
            (r#""\x41\u00e9\u{1F600}\101""#, "Aé😀A".as_bytes()),
            (r#""\xff""#, "ÿ".as_bytes()),
            (r#""\ud800""#, "\u{fffd}".as_bytes()),
            (r#""\U80000041""#, b"A"),
            ("\"a\r\nb\rc\"", b"a\nb\nc"),
        ] {
            assert_eq!(unescape(quoted).as_deref(), Ok(text), "{quoted}");
        }
        for quoted in [
            r#""\q""#,
            r#""\777""#,
            r#""\u{110000}""#,
            r#""\u{}""#,
            r#""\U00110000""#,
        ] {
            assert!(unescape(quoted).is_err(), "{quoted}");
        }
    }

    #[test]
    fn numbers() {
        for (literal, value) in [
            ("1_000", Number::Integer(1000)),
            ("0x_1F", Number::Integer(31)),
            ("0b11", Number::Integer(3)),
            ("0o17", Number::Integer(15)),
            ("08", Number::Integer(8)),
            (".5", Number::Float(0.5)),
            ("1.", Number::Float(1.0)),
            ("1E3", Number::Float(1000.0)),
        ] {
            assert_eq!(number(literal), Ok(value), "{literal}");
        }
        for literal in ["9223372036854775808", "1e999", "0x", "0x1.8", "1.2.3", "1e"] {
            assert!(number(literal).is_err(), "{literal}");
        }
    }
}
