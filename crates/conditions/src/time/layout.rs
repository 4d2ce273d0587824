//! Go's way to write a time format: how the reference time, Mon Jan 2 15:04:05 MST 2006, would look.

/// A part of a layout that stands for something (`nextStdChunk` in `time/format.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    ShortMonth,
    Month {
        padded: bool,
    },
    LongWeekday,
    ShortWeekday,
    Day {
        pad: Pad,
    },
    YearDay {
        pad: Pad,
    },
    Hour,
    Hour12 {
        padded: bool,
    },
    Minute {
        padded: bool,
    },
    Second {
        padded: bool,
    },
    LongYear,
    Year,
    Pm {
        upper: bool,
    },
    Abbreviation,
    Offset(Offset),
    /// Digits after the second; `trim` leaves trailing zeros out.
    Fraction {
        separator: u8,
        digits: usize,
        trim: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pad {
    None,
    Space,
    Zero,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` for UTC.
    pub(super) iso: bool,
    pub(super) colons: bool,
    pub(super) unit: Unit,
}

/// The last unit of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Hours,
    Minutes,
    Seconds,
}

/// The text before the first element, the element, and the text after it; no element when there is none.
pub(super) fn next(layout: &str) -> (&str, Option<Element>, &str) {
    for at in 0..layout.len() {
        if let Some(rest) = layout.get(at..)
            && let Some((skip, element, width)) = element(rest)
        {
            return (&layout[..at + skip], Some(element), &layout[at + skip + width..]);
        }
    }
    (layout, None, "")
}

/// The element that the text begins with, its width, and how much text before it is not part of it.
fn element(t: &str) -> Option<(usize, Element, usize)> {
    let bytes = t.as_bytes();
    let then_lower = |width: usize| bytes.get(width).is_some_and(u8::is_ascii_lowercase);
    let found = |element, width| Some((0, element, width));
    match bytes[0] {
        b'J' if t.starts_with("January") => found(Element::LongMonth, 7),
        b'J' if t.starts_with("Jan") && !then_lower(3) => found(Element::ShortMonth, 3),
        b'M' if t.starts_with("Monday") => found(Element::LongWeekday, 6),
        b'M' if t.starts_with("Mon") && !then_lower(3) => found(Element::ShortWeekday, 3),
        b'M' if t.starts_with("MST") => found(Element::Abbreviation, 3),
        b'0' => match bytes.get(1)? {
            b'1' => found(Element::Month { padded: true }, 2),
            b'2' => found(Element::Day { pad: Pad::Zero }, 2),
            b'3' => found(Element::Hour12 { padded: true }, 2),
            b'4' => found(Element::Minute { padded: true }, 2),
            b'5' => found(Element::Second { padded: true }, 2),
            b'6' => found(Element::Year, 2),
            b'0' if bytes.get(2) == Some(&b'2') => found(Element::YearDay { pad: Pad::Zero }, 3),
            _ => None,
        },
        b'1' if bytes.get(1) == Some(&b'5') => found(Element::Hour, 2),
        b'1' => found(Element::Month { padded: false }, 1),
        b'2' if t.starts_with("2006") => found(Element::LongYear, 4),
        b'2' => found(Element::Day { pad: Pad::None }, 1),
        b'_' if t.starts_with("_2006") => Some((1, Element::LongYear, 4)),
        b'_' if t.starts_with("_2") => found(Element::Day { pad: Pad::Space }, 2),
        b'_' if t.starts_with("__2") => found(Element::YearDay { pad: Pad::Space }, 3),
        b'3' => found(Element::Hour12 { padded: false }, 1),
        b'4' => found(Element::Minute { padded: false }, 1),
        b'5' => found(Element::Second { padded: false }, 1),
        b'P' if bytes.get(1) == Some(&b'M') => found(Element::Pm { upper: true }, 2),
        b'p' if bytes.get(1) == Some(&b'm') => found(Element::Pm { upper: false }, 2),
        sign @ (b'-' | b'Z') => {
            let offset = |colons, unit| {
                Element::Offset(Offset {
                    iso: sign == b'Z',
                    colons,
                    unit,
                })
            };
            match &t[1..] {
                t if t.starts_with("070000") => found(offset(false, Unit::Seconds), 7),
                t if t.starts_with("07:00:00") => found(offset(true, Unit::Seconds), 9),
                t if t.starts_with("0700") => found(offset(false, Unit::Minutes), 5),
                t if t.starts_with("07:00") => found(offset(true, Unit::Minutes), 6),
                t if t.starts_with("07") => found(offset(false, Unit::Hours), 3),
                _ => None,
            }
        }
        separator @ (b'.' | b',') => {
            let digit = *bytes.get(1).filter(|b| matches!(b, b'0' | b'9'))?;
            let digits = bytes[1..].iter().take_while(|b| **b == digit).count();
            if bytes.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            found(
                Element::Fraction {
                    separator,
                    digits: digits & 0xfff,
                    trim: digit == b'9',
                },
                1 + digits,
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_elements() {
        assert_eq!(next("at 15:04"), ("at ", Some(Element::Hour), ":04"));
        assert_eq!(next("_2006x"), ("_", Some(Element::LongYear), "x"));
        assert_eq!(next("Month"), ("Month", None, ""));
        assert_eq!(
            next("é.000Z"),
            (
                "é",
                Some(Element::Fraction {
                    separator: b'.',
                    digits: 3,
                    trim: false
                }),
                "Z"
            )
        );
        // Not a fraction: other digits follow the zeros.
        assert_eq!(next(".0001"), (".00", Some(Element::Month { padded: true }), ""));
    }
}
