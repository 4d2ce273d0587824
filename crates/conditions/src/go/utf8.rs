//! `unicode/utf8`: bytes that are not UTF-8 count as U+FFFD, one by one.

use std::borrow::Cow;

/// The first character and its width in bytes; U+FFFD and 1 where the bytes are not UTF-8 (`DecodeRune`).
///
/// # Panics
/// On no bytes.
pub(crate) fn decode(bytes: &[u8]) -> (char, usize) {
    let width = match bytes[0] {
        0..=0x7f => return (char::from(bytes[0]), 1),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    let decoded = bytes.get(..width).and_then(|bytes| str::from_utf8(bytes).ok());
    match decoded.and_then(|s| s.chars().next()) {
        Some(c) => (c, width),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// The characters, each with its width in bytes (`for range` over a string).
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = (char, usize)> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (c, width) = decode(rest);
        rest = &rest[width..];
        Some((c, width))
    })
}

/// Unlike [`String::from_utf8_lossy`], which takes several bytes for one U+FFFD.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(s) => Cow::Borrowed(s),
        Err(_) => Cow::Owned(runes(bytes).map(|(c, _)| c).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_byte_is_a_character() {
        assert_eq!(lossy(b"a\xe2\x82z"), "a\u{fffd}\u{fffd}z");
        assert_eq!(decode(b"\xf5\x80"), (char::REPLACEMENT_CHARACTER, 1));
        assert_eq!(decode("é".as_bytes()), ('é', 2));
        assert_eq!(
            runes("aé😀".as_bytes())
                .map(|(_, width)| width)
                .collect::<Vec<_>>(),
            [1, 2, 4]
        );
    }
}
