//! From Go's syntax to that of `regex`.

use std::fmt::Write as _;

use super::class::{Class, NOTHING, UnicodeNames, class_char, escaped, posix_class, push_range};
use super::{MAX_HEIGHT, MAX_WEIGHT, failed, too_large};

/// The most a repeat may say, alone or multiplied with those around it (`repeatIsValid` in `regexp/syntax/parse.go`).
const MAX_REPEAT: u32 = 1000;

/// The weight of a character or an assertion.
const LITERAL: usize = 2;
/// The weight that all characters but a few have.
const NEGATED: usize = 10;

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
    weight: usize,
}

/// Reads a pattern and writes it again.
pub(super) struct Translator<'p> {
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
    /// The weight of that operand, and of all of this group so far.
    operand_weight: usize,
    group_weight: usize,
    /// Where the repeat just read began.
    last_repeat: Option<&'p str>,
    unicode: UnicodeNames,
}

impl<'p> Translator<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
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
            operand_weight: 0,
            group_weight: 0,
            last_repeat: None,
            unicode: UnicodeNames::default(),
        }
    }

    /// The pattern for `regex`, and its weight.
    pub(super) fn translate(mut self) -> Result<(String, usize), String> {
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
                    let any = if self.flags.dot_newline {
                        "(?s:.)"
                    } else {
                        r"[^\n]"
                    };
                    self.atom(any, NEGATED);
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
            if self.group_weight > MAX_WEIGHT {
                return Err(too_large(self.pattern));
            }
        }
        if self.groups.is_empty() {
            Ok((self.out, self.group_weight))
        } else {
            Err(failed("missing closing )", self.pattern))
        }
    }

    fn atom(&mut self, written: &str, weight: usize) {
        self.operand = Some(self.out.len());
        self.operand_repeat = 1;
        self.operand_weight = weight;
        self.group_weight += weight;
        self.out.push_str(written);
    }

    fn assertion(&mut self, width: usize, written: &str) {
        self.rest = &self.rest[width..];
        // In a group, for a repeat may follow: Go allows `^*`.
        self.atom(&format!("(?:{written})"), LITERAL);
    }

    fn literal(&mut self, c: char) {
        let written = self.folded(spelled(c));
        self.atom(&written, LITERAL);
    }

    fn folded(&self, written: String) -> String {
        if self.flags.fold {
            format!("(?i:{written})")
        } else {
            written
        }
    }

    /// A code point that may be a surrogate, which no text contains.
    fn code(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(c) => self.literal(c),
            None => self.atom(NOTHING, LITERAL),
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
            weight: self.group_weight,
        });
        self.flags = flags;
        self.out.push_str("(?:");
        self.operand = None;
        (self.group_repeat, self.operand_repeat) = (1, 1);
        (self.group_weight, self.operand_weight) = (0, 0);
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
        self.operand_weight = self.group_weight;
        self.group_weight += group.weight;
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
                self.weigh_repeat(max.map_or(min + 1, |max| max.max(1)));
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

    /// A counted repeat is compiled as so many copies.
    fn weigh_repeat(&mut self, copies: u32) {
        let repeated = self.operand_weight.saturating_mul(copies as usize);
        self.group_weight = (self.group_weight - self.operand_weight).saturating_add(repeated);
        self.operand_weight = repeated;
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
                if let Some((class, after)) = self.unicode.named_class(self.rest)? {
                    self.rest = after;
                    let written = self.folded(class.written);
                    self.atom(&written, class.weight);
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
        let mut members = Class {
            written: String::new(),
            weight: LITERAL,
        };
        let negated = t.strip_prefix('^');
        t = negated.unwrap_or(t);
        let mut first = true;
        while first || !t.starts_with(']') {
            first = false;
            if members.weight > MAX_WEIGHT {
                return Err(too_large(self.pattern));
            }
            let named = match t.strip_prefix("[:").and_then(|name| name.split_once(":]")) {
                Some((name, after)) => {
                    let unknown = || failed("invalid character class range", &t[..t.len() - after.len()]);
                    Some((posix_class(name).ok_or_else(unknown)?, after))
                }
                None => self.unicode.named_class(t)?,
            };
            if let Some((class, after)) = named {
                members.written.push_str(&class.written);
                members.weight += class.weight;
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
                    let range = &range[..range.len() - t.len()];
                    return Err(failed("invalid character class range", range));
                }
            }
            push_range(&mut members, low, high);
        }
        self.rest = &t[1..];
        // Go's classes match a newline too, negated or not. A class of surrogates only has no members.
        let Class { written, weight } = members;
        let (written, weight) = match (negated.is_some(), written.is_empty()) {
            (false, true) => (NOTHING.to_owned(), weight),
            (true, true) => ("(?s:.)".to_owned(), weight + NEGATED),
            (false, false) => (format!("[{written}]"), weight),
            (true, false) => (format!("[^{written}]"), weight + NEGATED),
        };
        let written = self.folded(written);
        self.atom(&written, weight);
        Ok(())
    }
}

fn spelled(c: char) -> String {
    if c.is_ascii_alphanumeric() {
        c.to_string()
    } else {
        format!(r"\x{{{:X}}}", u32::from(c))
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
