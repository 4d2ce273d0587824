//! `regexp`: Go's syntax, matched by the `regex` crate.
//!
//! Both engines are of the same family, their syntaxes differ: Go's `\d`, `\w`, `\s` and `\b` are ASCII, `\Q…\E` quotes,
//! octal escapes exist, `x**` is an error, `&&` inside a class is two characters, and only some names of `\p{…}` are
//! known. The pattern is therefore read as Go reads it and written again so that `regex` cannot misunderstand it.
//!
//! One difference stays: a pattern of nothing but `\B`s may match inside a character that is not ASCII.

use std::fmt::Write as _;

use regex::bytes::{Regex, RegexBuilder};

/// The most a repeat may say, alone or multiplied with those around it (`repeatIsValid` in `regexp/syntax/parse.go`).
const MAX_REPEAT: u32 = 1000;
/// Groups within groups (`maxHeight` in `regexp/syntax/parse.go`).
const MAX_HEIGHT: usize = 1000;
/// What a compiled pattern and its caches may take, in bytes. Go allows 128 MiB.
const MAX_SIZE: usize = 1 << 20;

/// # Errors
/// What is wrong with the pattern, as Go says it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let written = Translator::new(pattern).translate()?;
    RegexBuilder::new(&written)
        .size_limit(MAX_SIZE)
        .dfa_size_limit(MAX_SIZE)
        .nest_limit(2 * MAX_HEIGHT as u32)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => failed("expression too large", pattern),
            // The translation leaves nothing else to refuse.
            other => failed(&other.to_string(), pattern),
        })
}

fn failed(why: &str, part: &str) -> String {
    format!("error parsing regexp: {why}: `{part}`")
}

#[derive(Clone, Copy)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_newline: bool,
}

/// An open parenthesis: what to return to when it closes.
struct Group {
    flags: Flags,
    repeat: u32,
    /// Where the last operand began, for a repeat to apply to.
    operand: usize,
}

struct Translator<'p> {
    pattern: &'p str,
    rest: &'p str,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    /// Where the operand before the cursor begins in `out`; `None` where a repeat has nothing to repeat.
    operand: Option<usize>,
    /// The product of the counted repeats inside that operand.
    operand_repeat: u32,
    /// The greatest such product of the operands of this group.
    group_repeat: u32,
    /// Where the repeat just read began.
    last_repeat: Option<&'p str>,
}

impl<'p> Translator<'p> {
    fn new(pattern: &'p str) -> Self {
        let flags = Flags {
            fold: false,
            multi_line: false,
            dot_newline: false,
        };
        Self {
            pattern,
            rest: pattern,
            out: String::with_capacity(2 * pattern.len()),
            flags,
            groups: Vec::new(),
            operand: None,
            operand_repeat: 1,
            group_repeat: 1,
            last_repeat: None,
        }
    }

    fn translate(mut self) -> Result<String, String> {
        while let Some(c) = self.rest.chars().next() {
            let mut repeat = None;
            match c {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.rest = &self.rest[1..];
                    self.out.push('|');
                    self.operand = None;
                }
                '^' => self.assertion(1, if self.flags.multi_line { "(?m:^)" } else { r"\A" }),
                '$' => self.assertion(1, if self.flags.multi_line { "(?m:$)" } else { r"\z" }),
                '.' => {
                    self.rest = &self.rest[1..];
                    self.atom(if self.flags.dot_newline {
                        "(?s:.)"
                    } else {
                        r"[^\n]"
                    });
                }
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    repeat = Some(self.rest);
                    let after = &self.rest[1..];
                    self.repeat(None, after, &c.to_string())?;
                }
                '{' => match counted(self.rest) {
                    None => {
                        self.rest = &self.rest[1..];
                        self.literal('{');
                    }
                    Some((count, after)) => {
                        repeat = Some(self.rest);
                        self.repeat(Some(count), after, "")?;
                    }
                },
                '\\' => self.escape()?,
                c => {
                    self.rest = &self.rest[c.len_utf8()..];
                    self.literal(c);
                }
            }
            self.last_repeat = repeat;
        }
        if self.groups.is_empty() {
            Ok(self.out)
        } else {
            Err(failed("missing closing )", self.pattern))
        }
    }

    fn atom(&mut self, written: &str) {
        self.operand = Some(self.out.len());
        self.operand_repeat = 1;
        self.out.push_str(written);
    }

    fn assertion(&mut self, width: usize, written: &str) {
        self.rest = &self.rest[width..];
        // In a group, for a repeat may follow: Go allows `^*`.
        self.atom(&format!("(?:{written})"));
    }

    fn literal(&mut self, c: char) {
        let written = if self.flags.fold {
            format!("(?i:{})", spelled(c))
        } else {
            spelled(c)
        };
        self.atom(&written);
    }

    /// A code point that may be a surrogate, which no text contains.
    fn code(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(c) => self.literal(c),
            None => self.atom(NOTHING),
        }
    }

    fn open(&mut self) -> Result<(), String> {
        let mut flags = self.flags;
        let after = if let Some(t) = self.rest.strip_prefix("(?") {
            if let Some(name) = t
                .strip_prefix("P<")
                .or_else(|| t.strip_prefix('<'))
                .filter(|name| !name.is_empty())
            {
                let Some((name, after)) = name.split_once('>') else {
                    return Err(failed("invalid named capture", self.rest));
                };
                if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                    return Err(failed(
                        "invalid named capture",
                        &self.rest[..self.rest.len() - after.len()],
                    ));
                }
                after
            } else {
                let (new, after, opens) = self.flag_group(t)?;
                flags = new;
                if !opens {
                    self.flags = flags;
                    self.rest = after;
                    // Go keeps what came before as the operand of a repeat: a(?i)* is a*.
                    return Ok(());
                }
                after
            }
        } else {
            &self.rest[1..]
        };
        if self.groups.len() >= MAX_HEIGHT {
            return Err(failed("expression nests too deeply", self.pattern));
        }
        self.groups.push(Group {
            flags: self.flags,
            repeat: self.group_repeat.max(self.operand_repeat),
            operand: self.out.len(),
        });
        self.flags = flags;
        self.out.push_str("(?:");
        self.operand = None;
        (self.group_repeat, self.operand_repeat) = (1, 1);
        self.rest = after;
        Ok(())
    }

    /// `ims-U)` or `ims-U:`; the flags, what follows, and whether a group opens. Which match is preferred (`U`) does
    /// not matter to whether there is one.
    fn flag_group(&self, t: &'p str) -> Result<(Flags, &'p str, bool), String> {
        let mut flags = self.flags;
        let (mut on, mut saw_flag) = (true, false);
        for (at, c) in t.char_indices() {
            match c {
                'i' => (flags.fold, saw_flag) = (on, true),
                'm' => (flags.multi_line, saw_flag) = (on, true),
                's' => (flags.dot_newline, saw_flag) = (on, true),
                'U' => saw_flag = true,
                '-' if on => (on, saw_flag) = (false, false),
                ':' | ')' if on || saw_flag => return Ok((flags, &t[at + 1..], c == ':')),
                c => {
                    let end = at + c.len_utf8() + 2;
                    return Err(failed("invalid or unsupported Perl syntax", &self.rest[..end]));
                }
            }
        }
        Err(failed("invalid or unsupported Perl syntax", self.rest))
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(group) = self.groups.pop() else {
            return Err(failed("unexpected )", self.pattern));
        };
        self.rest = &self.rest[1..];
        self.out.push(')');
        self.flags = group.flags;
        self.operand = Some(group.operand);
        self.operand_repeat = self.group_repeat.max(self.operand_repeat);
        self.group_repeat = group.repeat;
        Ok(())
    }

    /// `count` is `{min,max}`, or `None` for an operator of one character, which is `operator`.
    fn repeat(
        &mut self,
        count: Option<(u32, Option<u32>)>,
        after: &'p str,
        operator: &str,
    ) -> Result<(), String> {
        let before = self.rest;
        if let Some((min, max)) = count
            && (min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || min > max))
        {
            return Err(failed(
                "invalid repeat count",
                &before[..before.len() - after.len()],
            ));
        }
        let after = after.strip_prefix('?').unwrap_or(after);
        if let Some(last) = self.last_repeat {
            let stacked = &last[..last.len() - after.len()];
            return Err(failed("invalid nested repetition operator", stacked));
        }
        let Some(operand) = self.operand else {
            return Err(failed(
                "missing argument to repetition operator",
                &before[..before.len() - after.len()],
            ));
        };
        self.out.insert_str(operand, "(?:");
        self.out.push(')');
        match count {
            None => self.out.push_str(operator),
            Some((min, max)) => {
                let _ = match max {
                    Some(max) => write!(self.out, "{{{min},{max}}}"),
                    None => write!(self.out, "{{{min},}}"),
                };
                let times = max.unwrap_or(min);
                if times > 0 {
                    self.operand_repeat = self.operand_repeat.saturating_mul(times);
                    if (min >= 2 || max.is_some_and(|max| max >= 2)) && self.operand_repeat > MAX_REPEAT {
                        return Err(failed(
                            "invalid repeat count",
                            &before[..before.len() - after.len()],
                        ));
                    }
                } else {
                    self.operand_repeat = 1;
                }
            }
        }
        self.group_repeat = self.group_repeat.max(self.operand_repeat);
        // Another repeat is an error, but a flag group between them makes them two: a*(?i)*.
        self.out.insert_str(operand, "(?:");
        self.out.push(')');
        self.rest = after;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.assertion(2, r"\A"),
            Some(b'b') => self.assertion(2, r"(?-u:\b)"),
            Some(b'B') => self.assertion(2, r"(?-u:\B)"),
            Some(b'z') => self.assertion(2, r"\z"),
            Some(b'C') => return Err(failed("invalid escape sequence", &self.rest[..2])),
            Some(b'Q') => {
                let (quoted, after) = self.rest[2..].split_once(r"\E").unwrap_or((&self.rest[2..], ""));
                for c in quoted.chars() {
                    self.literal(c);
                }
                self.rest = after;
            }
            _ => {
                if let Some((class, after)) = named_class(self.rest)? {
                    self.rest = after;
                    let written = if self.flags.fold {
                        format!("(?i:{class})")
                    } else {
                        class
                    };
                    self.atom(&written);
                } else {
                    let (code, after) = escaped(self.rest)?;
                    self.rest = after;
                    self.code(code);
                }
            }
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        let mut t = &whole[1..];
        let mut members = String::new();
        let negated = t.strip_prefix('^');
        t = negated.unwrap_or(t);
        let mut first = true;
        while first || !t.starts_with(']') {
            first = false;
            if let Some(name) = t.strip_prefix("[:")
                && let Some(end) = name.find(":]")
            {
                let (name, after) = (&name[..end], &name[end + 2..]);
                let Some(class) = posix_class(name) else {
                    return Err(failed("invalid character class range", &t[..end + 4]));
                };
                members.push_str(&class);
                t = after;
                continue;
            }
            if let Some((class, after)) = named_class(t)? {
                members.push_str(&class);
                t = after;
                continue;
            }
            let range = t;
            let (low, after) = class_char(t, whole)?;
            t = after;
            let mut high = low;
            if let Some(upper) = t.strip_prefix('-')
                && !upper.is_empty()
                && !upper.starts_with(']')
            {
                (high, t) = class_char(upper, whole)?;
                if high < low {
                    return Err(failed(
                        "invalid character class range",
                        &range[..range.len() - t.len()],
                    ));
                }
            }
            push_range(&mut members, low, high);
        }
        self.rest = &t[1..];
        // Go's classes match a newline too, negated or not. A class of surrogates only has no members.
        let written = match (negated.is_some(), members.is_empty()) {
            (false, true) => NOTHING.to_owned(),
            (true, true) => "(?s:.)".to_owned(),
            (false, false) => format!("[{members}]"),
            (true, false) => format!("[^{members}]"),
        };
        let written = if self.flags.fold {
            format!("(?i:{written})")
        } else {
            written
        };
        self.atom(&written);
        Ok(())
    }
}

/// A class without members.
const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";

fn spelled(c: char) -> String {
    if c.is_ascii_alphanumeric() {
        c.to_string()
    } else {
        format!(r"\x{{{:X}}}", u32::from(c))
    }
}

/// Surrogates are left out: no text contains one.
fn push_range(members: &mut String, low: u32, high: u32) {
    let low = if (0xd800..0xe000).contains(&low) {
        0xe000
    } else {
        low
    };
    let high = if (0xd800..0xe000).contains(&high) {
        0xd7ff
    } else {
        high
    };
    if low <= high {
        let _ = write!(members, r"\x{{{low:X}}}-\x{{{high:X}}}");
    }
}

/// `{min}`, `{min,}` or `{min,max}`; anything else is not a repeat. A number too great to hold reads as one above
/// [`MAX_REPEAT`].
fn counted(t: &str) -> Option<((u32, Option<u32>), &str)> {
    let (min, t) = count(t.strip_prefix('{')?)?;
    if let Some(after) = t.strip_prefix('}') {
        return Some(((min, Some(min)), after));
    }
    let t = t.strip_prefix(',')?;
    if let Some(after) = t.strip_prefix('}') {
        return Some(((min, None), after));
    }
    let (max, t) = count(t)?;
    Some(((min, Some(max)), t.strip_prefix('}')?))
}

/// Decimal digits without leading zeros.
fn count(t: &str) -> Option<(u32, &str)> {
    let end = t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len());
    let (digits, after) = t.split_at(end);
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(MAX_REPEAT + 1), after))
}

fn class_char<'p>(t: &'p str, whole: &str) -> Result<(u32, &'p str), String> {
    match t.chars().next() {
        None => Err(failed("missing closing ]", whole)),
        Some('\\') => escaped(t),
        Some(c) => Ok((c.into(), &t[c.len_utf8()..])),
    }
}

/// `\d`, `\p{Greek}` and their like, as a class of `regex`; `None` where the text is no such thing.
fn named_class(t: &str) -> Result<Option<(String, &str)>, String> {
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
        Some('p' | 'P') => return unicode_class(t).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((perl.to_owned(), &after[1..])))
}

fn unicode_class(t: &str) -> Result<(String, &str), String> {
    let mut negated = t.as_bytes()[1] == b'P';
    let after = &t[2..];
    let (name, rest) = match after.strip_prefix('{') {
        Some(braced) => braced
            .split_once('}')
            .ok_or_else(|| failed("invalid character class range", t))?,
        None => match after.chars().next() {
            Some(c) => after.split_at(c.len_utf8()),
            // Go reads on where there is nothing left, and says this.
            None => return Err(failed("invalid escape sequence", t)),
        },
    };
    let whole = &t[..t.len() - rest.len()];
    let plain = match name.strip_prefix('^') {
        Some(plain) => {
            negated = !negated;
            plain
        }
        None => name,
    };
    let canonical: String = plain
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | ' '))
        .collect::<String>()
        .to_ascii_lowercase();
    let simple = !canonical.is_empty() && canonical.bytes().all(|b| b.is_ascii_alphanumeric());
    let spelled = match canonical.as_str() {
        "any" => Some("Any".to_owned()),
        "ascii" => Some("ASCII".to_owned()),
        "assigned" => Some("Assigned".to_owned()),
        _ if !simple => None,
        // Go knows the categories by short and long names, and the scripts.
        name => [format!("gc={name}"), format!("sc={name}")]
            .into_iter()
            .find(|class| Regex::new(&format!(r"\p{{{class}}}")).is_ok()),
    };
    match spelled {
        Some(name) => Ok((format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' }), rest)),
        None => Err(failed("invalid character class range", whole)),
    }
}

fn posix_class(name: &str) -> Option<String> {
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
    Some(format!("[{negated}{members}]"))
}

/// An escape that stands for one code point.
fn escaped(t: &str) -> Result<(u32, &str), String> {
    let after = &t[1..];
    let Some(c) = after.chars().next() else {
        return Err(failed("trailing backslash at end of expression", ""));
    };
    let rest = &after[c.len_utf8()..];
    let bad = |rest: &str| Err(failed("invalid escape sequence", &t[..t.len() - rest.len()]));
    let octal = |t: &str| t.bytes().next().is_some_and(|b| matches!(b, b'0'..=b'7'));
    match c {
        // A single digit but 0 would refer back to a group.
        '1'..='7' if !octal(rest) => bad(rest),
        '0'..='7' => {
            let more = rest
                .bytes()
                .take(2)
                .take_while(|b| matches!(b, b'0'..=b'7'))
                .count();
            let digits = &after[..1 + more];
            Ok((u32::from_str_radix(digits, 8).unwrap_or(0), &rest[more..]))
        }
        'x' => {
            if let Some(braced) = rest.strip_prefix('{') {
                let end = braced
                    .find(|c: char| !c.is_ascii_hexdigit())
                    .unwrap_or(braced.len());
                let (digits, after) = braced.split_at(end);
                return match (u32::from_str_radix(digits, 16), after.strip_prefix('}')) {
                    (Ok(code @ 0..=0x10_ffff), Some(rest)) => Ok((code, rest)),
                    _ => bad(""),
                };
            }
            match rest
                .get(..2)
                .map(|digits| (digits, u32::from_str_radix(digits, 16)))
            {
                Some((digits, Ok(code))) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
                    Ok((code, &rest[2..]))
                }
                _ => bad(""),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        for (pattern, text, expected) in [
            ("^h.*d$", "hello world", true),
            ("(?i)^ok$", "OK", true),
            (r"^\d+$", "٣", false),
            (r"\w", "é", false),
            (r"^\s$", "\u{0b}", false),
            ("^[[:space:]]$", "\u{0b}", true),
            ("^[a&&b]$", "&", true),
            ("^[]a]$", "]", true),
            ("^[^a]$", "\n", true),
            ("^.$", "\n", false),
            ("(?s)^.$", "\n", true),
            ("(?m)^b$", "a\nb", true),
            ("^a$", "a\n", false),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\101\x41\x{41}$", "AAA", true),
            ("a{,2}", "a{,2}", true),
            ("^a{2}$", "aa", true),
            (r"^\p{Greek}\pL$", "αa", true),
            (r"^\p{^Greek}$", "a", true),
            (r"^\p{Letter}$", "a", true),
            ("(?i)^k$", "\u{212a}", true),
            ("(?i:a)b", "Ab", true),
            ("(?i:a)b", "AB", false),
            ("^a**$", "", false),
            ("(?P<n>x)(?<m>y)", "xy", true),
            ("^*", "", true),
            ("^x(?i)*y$", "XY", false),
            ("^x(?i)*y$", "xxY", true),
            (r"\bé", "é", false),
            ("a|b|", "", true),
        ] {
            match compile(pattern) {
                Ok(regex) => assert_eq!(regex.is_match(text.as_bytes()), expected, "{pattern} on {text:?}"),
                Err(_) => assert!(!expected, "{pattern}"),
            }
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for pattern in [
            "(",
            ")",
            "[",
            "[a",
            "a**",
            "a{2}{3}",
            "*",
            "a{1001}",
            "(a{100}){100}",
            "a{2,1}",
            r"\8",
            r"\1",
            r"\q",
            r"\",
            r"\x{110000}",
            "(?",
            "(?z)",
            "(?-)",
            "(?P<>a)",
            "(?P=n)",
            "(?=a)",
            r"\p{Nope}",
            r"\p{Alphabetic}",
            "[z-a]",
            "[[:nope:]]",
            r"[a-\d]",
            r"\C",
            r"\Z",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn large_patterns_are_errors() {
        assert!(compile(r"(\pL{1,1000}){1}").is_err_and(|why| why.contains("too large")));
        assert!(compile(&"(".repeat(5000)).is_err());
    }
}
