//! Classes of characters, and escapes that stand for one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use regex::bytes::Regex;

use super::failed;

/// The weight of a class that Unicode's tables define.
const UNICODE: usize = 100;
/// The weight of a range of characters.
const RANGE: usize = 2;

/// A class in the syntax of `regex`.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) written: String,
    pub(super) weight: usize,
}

/// A class without members.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

/// Adds a range to the members of a class. Surrogates are left out: no text contains one.
pub(super) fn push_range(members: &mut Class, low: u32, high: u32) {
    let is_surrogate = |code| (0xd800..0xe000).contains(&code);
    let low = if is_surrogate(low) { 0xe000 } else { low };
    let high = if is_surrogate(high) { 0xd7ff } else { high };
    if low <= high {
        let _ = write!(members.written, r"\x{{{low:X}}}-\x{{{high:X}}}");
        members.weight += RANGE;
    }
}

/// The names of `\p{…}` that were looked up: it takes a while.
#[derive(Default)]
pub(super) struct UnicodeNames(BTreeMap<String, Option<String>>);

impl UnicodeNames {
    /// `\d`, `\p{Greek}` and their like; `None` where the text is no such thing.
    pub(super) fn named_class<'p>(&mut self, t: &'p str) -> Result<Option<(Class, &'p str)>, String> {
        let Some(after) = t.strip_prefix('\\') else {
            return Ok(None);
        };
        let perl = match after.chars().next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('s') => r"[\t\n\f\r ]",
            Some('S') => r"[^\t\n\f\r ]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('p' | 'P') => return self.unicode_class(t).map(Some),
            _ => return Ok(None),
        };
        let class = Class {
            written: perl.to_owned(),
            weight: 5 * RANGE,
        };
        Ok(Some((class, &after[1..])))
    }

    fn unicode_class<'p>(&mut self, t: &'p str) -> Result<(Class, &'p str), String> {
        let unknown = |part| failed("invalid character class range", part);
        let (letter, after) = t[1..].split_at(1);
        let (name, rest) = match (after.strip_prefix('{'), after.chars().next()) {
            (Some(braced), _) => braced.split_once('}').ok_or_else(|| unknown(t))?,
            (None, Some(c)) => after.split_at(c.len_utf8()),
            // Go reads on where there is nothing left, and says this.
            (None, None) => return Err(failed("invalid escape sequence", t)),
        };
        let plain = name.strip_prefix('^');
        let is_negated = (letter == "P") != plain.is_some();
        let spelled = self.known(plain.unwrap_or(name));
        let spelled = spelled.ok_or_else(|| unknown(&t[..t.len() - rest.len()]))?;
        let letter = if is_negated { 'P' } else { 'p' };
        let class = Class {
            written: format!(r"\{letter}{{{spelled}}}"),
            weight: UNICODE,
        };
        Ok((class, rest))
    }

    /// The name as `regex` spells it, if Go knows it: the categories by short and long names, and the scripts. Case,
    /// blanks, hyphens and underscores do not count.
    fn known(&mut self, name: &str) -> Option<String> {
        let plain = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        let canonical: String = plain.collect::<String>().to_ascii_lowercase();
        match canonical.as_str() {
            "any" => return Some("Any".to_owned()),
            "ascii" => return Some("ASCII".to_owned()),
            "assigned" => return Some("Assigned".to_owned()),
            name if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) => return None,
            _ => {}
        }
        let find = || {
            let spellings = [format!("gc={canonical}"), format!("sc={canonical}")];
            let is_known = |name: &String| Regex::new(&format!(r"\p{{{name}}}")).is_ok();
            spellings.into_iter().find(is_known)
        };
        self.0.entry(canonical.clone()).or_insert_with(find).clone()
    }
}

/// The class of `[:name:]`.
pub(super) fn posix_class(name: &str) -> Option<Class> {
    let (negated, plain) = match name.strip_prefix('^') {
        Some(plain) => ("^", plain),
        None => ("", name),
    };
    let members = match plain {
        "alnum" => "0-9A-Za-z",
        "alpha" => "A-Za-z",
        "ascii" => r"\x00-\x7F",
        "blank" => r"\t ",
        "cntrl" => r"\x00-\x1F\x7F",
        "digit" => "0-9",
        "graph" => "!-~",
        "lower" => "a-z",
        "print" => " -~",
        "punct" => "!-/:-@\\[-`{-~",
        "space" => r"\t\n\v\f\r ",
        "upper" => "A-Z",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some(Class {
        written: format!("[{negated}{members}]"),
        weight: 5 * RANGE,
    })
}

/// A character inside a class, escaped or not.
pub(super) fn class_char<'p>(t: &'p str, whole: &str) -> Result<(u32, &'p str), String> {
    match t.chars().next() {
        None => Err(failed("missing closing ]", whole)),
        Some('\\') => escaped(t),
        Some(c) => Ok((c.into(), &t[c.len_utf8()..])),
    }
}

/// An escape that stands for one code point (`parseEscape` in `regexp/syntax/parse.go`).
pub(super) fn escaped(t: &str) -> Result<(u32, &str), String> {
    let after = &t[1..];
    let Some(c) = after.chars().next() else {
        return Err(failed("trailing backslash at end of expression", ""));
    };
    let rest = &after[c.len_utf8()..];
    let bad = |rest: &str| Err(failed("invalid escape sequence", &t[..t.len() - rest.len()]));
    let is_octal = |b: &u8| matches!(b, b'0'..=b'7');
    match c {
        // A single digit but 0 would refer back to a group.
        '1'..='7' if !rest.as_bytes().first().is_some_and(is_octal) => bad(rest),
        '0'..='7' => {
            let more = rest.bytes().take(2).take_while(is_octal).count();
            let code = u32::from_str_radix(&after[..1 + more], 8).unwrap_or(0);
            Ok((code, &rest[more..]))
        }
        'x' => {
            if let Some(braced) = rest.strip_prefix('{') {
                let end = braced.find(|c: char| !c.is_ascii_hexdigit());
                let (digits, after) = braced.split_at(end.unwrap_or(braced.len()));
                return match (u32::from_str_radix(digits, 16), after.strip_prefix('}')) {
                    (Ok(code @ 0..=0x10_ffff), Some(rest)) => Ok((code, rest)),
                    _ => bad(""),
                };
            }
            let two = rest.split_at_checked(2);
            match two.filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_hexdigit())) {
                Some((digits, rest)) => Ok((u32::from_str_radix(digits, 16).unwrap_or(0), rest)),
                None => bad(""),
            }
        }
        'a' => Ok((0x07, rest)),
        'f' => Ok((0x0c, rest)),
        'n' => Ok((0x0a, rest)),
        'r' => Ok((0x0d, rest)),
        't' => Ok((0x09, rest)),
        'v' => Ok((0x0b, rest)),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok((c.into(), rest)),
        _ => bad(rest),
    }
}
