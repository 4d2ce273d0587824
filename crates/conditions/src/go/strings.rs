//! `strings` and `unicode`, on bytes.

use memchr::memmem;

use super::utf8;

/// The first place of `part`; an empty one is everywhere (`Index`).
pub(crate) fn index(text: &[u8], part: &[u8]) -> Option<usize> {
    memmem::find(text, part)
}

/// The last place of `part`; an empty one is at the end (`LastIndex`).
pub(crate) fn last_index(text: &[u8], part: &[u8]) -> Option<usize> {
    memmem::rfind(text, part)
}

/// `ToUpper`: each character by itself, so that `ß` stays.
pub(crate) fn to_upper(text: &[u8]) -> Vec<u8> {
    map(text, upper)
}

/// `ToLower`: each character by itself.
pub(crate) fn to_lower(text: &[u8]) -> Vec<u8> {
    map(text, lower)
}

fn map(text: &[u8], to: impl Fn(char) -> char) -> Vec<u8> {
    let mut mapped = Vec::with_capacity(text.len());
    for (c, _) in utf8::runes(text) {
        mapped.extend(to(c).encode_utf8(&mut [0; 4]).bytes());
    }
    mapped
}

/// Unicode's simple upper case, which is one character where the full one is several.
fn upper(c: char) -> char {
    let mut full = c.to_uppercase();
    match (full.next(), full.next()) {
        (Some(single), None) => single,
        _ => match u32::from(c) {
            // Greek with iota below: the simple upper case has it beside.
            code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => shift(c, code + 8),
            code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => shift(c, code + 9),
            _ => c,
        },
    }
}

fn lower(c: char) -> char {
    // The only character whose full lower case is several.
    if c == 'İ' {
        return 'i';
    }
    c.to_lowercase().next().unwrap_or(c)
}

fn shift(c: char, code: u32) -> char {
    char::from_u32(code).unwrap_or(c)
}

/// `TrimSpace`.
pub(crate) fn trim_space(text: &[u8]) -> &[u8] {
    trim_where(text, |c, width| c.is_whitespace() && (width > 1 || c.is_ascii()))
}

/// `Trim`: off both ends, every character of `cutset`.
pub(crate) fn trim<'t>(text: &'t [u8], cutset: &[u8]) -> &'t [u8] {
    let cutset: Vec<char> = utf8::runes(cutset).map(|(c, _)| c).collect();
    trim_where(text, |c, _| cutset.contains(&c))
}

fn trim_where(text: &[u8], cut: impl Fn(char, usize) -> bool) -> &[u8] {
    let (mut start, mut end, mut at) = (None, 0, 0);
    for (c, width) in utf8::runes(text) {
        if !cut(c, width) {
            start = start.or(Some(at));
            end = at + width;
        }
        at += width;
    }
    &text[start.unwrap_or(0)..end]
}

/// `SplitN` and `SplitAfterN` (`keep`): at most `limit` parts where it is positive, all where it is negative, no slice
/// at all where it is 0.
pub(crate) fn split<'t>(text: &'t [u8], separator: &[u8], limit: i64, keep: bool) -> Option<Vec<&'t [u8]>> {
    if limit == 0 {
        return None;
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = text;
    if separator.is_empty() {
        while !rest.is_empty() && parts.len() + 1 < limit {
            let (_, width) = utf8::decode(rest);
            let (part, after) = rest.split_at(width);
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(rest);
        }
        return Some(parts);
    }
    while parts.len() + 1 < limit {
        let Some(at) = index(rest, separator) else {
            break;
        };
        parts.push(&rest[..at + if keep { separator.len() } else { 0 }]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    Some(parts)
}

/// `Replace`: the first `limit` places where it is not negative; an empty `old` is before every character and at the
/// end. `None` when the result would be longer than `max` bytes.
pub(crate) fn replace(text: &[u8], old: &[u8], new: &[u8], limit: i64, max: usize) -> Option<Vec<u8>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut replaced = Vec::with_capacity(text.len());
    let (mut rest, mut places) = (text, 0);
    while places < limit && old != new {
        let at = if !old.is_empty() {
            match index(rest, old) {
                Some(at) => at,
                None => break,
            }
        } else if places == 0 {
            0
        } else if rest.is_empty() {
            break;
        } else {
            utf8::decode(rest).1
        };
        replaced.extend(&rest[..at]);
        replaced.extend(new);
        rest = &rest[at + old.len()..];
        places += 1;
        if replaced.len() > max {
            return None;
        }
    }
    replaced.extend(rest);
    (replaced.len() <= max).then_some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, separator: &str, limit: i64, keep: bool) -> Option<Vec<String>> {
        let parts = split(text.as_bytes(), separator.as_bytes(), limit, keep)?;
        Some(
            parts
                .into_iter()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect(),
        )
    }

    #[test]
    fn an_empty_part_is_everywhere() {
        assert_eq!((index(b"ab", b""), last_index(b"ab", b"")), (Some(0), Some(2)));
        assert_eq!(
            (
                index(b"abab", b"ab"),
                last_index(b"abab", b"ab"),
                index(b"a", b"ab")
            ),
            (Some(0), Some(2), None)
        );
    }

    #[test]
    fn splits_like_go() {
        let some = |parts: &[&str]| Some(parts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parts("a,b,c", ",", -1, false), some(&["a", "b", "c"]));
        assert_eq!(parts("a,b,c", ",", 2, false), some(&["a", "b,c"]));
        assert_eq!(parts("a,b,", ",", -1, true), some(&["a,", "b,", ""]));
        assert_eq!(parts("", ",", -1, false), some(&[""]));
        assert_eq!(parts("", "", -1, false), some(&[]));
        assert_eq!(parts("aéb", "", 2, false), some(&["a", "éb"]));
        assert_eq!(parts("a", ",", 0, false), None);
    }

    #[test]
    fn replaces_like_go() {
        for (text, old, new, limit, expected) in [
            ("aaa", "a", "b", 2, "bba"),
            ("aé", "", "-", -1, "-a-é-"),
            ("aé", "", "-", 2, "-a-é"),
            ("", "", "-", -1, "-"),
            ("abc", "x", "y", -1, "abc"),
            ("abc", "b", "", 0, "abc"),
        ] {
            let replaced = replace(text.as_bytes(), old.as_bytes(), new.as_bytes(), limit, 100);
            assert_eq!(replaced.as_deref(), Some(expected.as_bytes()), "{text} {old}");
        }
        assert_eq!(replace(b"aaaa", b"a", b"bbbb", -1, 10), None);
    }

    #[test]
    fn trims_whole_characters() {
        assert_eq!(trim("éaé".as_bytes(), "é".as_bytes()), b"a");
        assert_eq!(trim_space("\u{a0} a\t\u{2003}".as_bytes()), b"a");
        assert_eq!(trim_space(b" \n "), b"");
        assert_eq!(trim_space(b"\xa0a"), b"\xa0a");
    }

    #[test]
    fn case_is_simple() {
        assert_eq!(to_upper("straße ﬁ ᾀ ᾳ ŉ".as_bytes()), "STRAßE ﬁ ᾈ ᾼ ŉ".as_bytes());
        assert_eq!(to_lower("İΣ".as_bytes()), "iσ".as_bytes());
        assert_eq!(to_upper(b"a\xff"), "A\u{fffd}".as_bytes());
    }
}
