//! `time.Parse` and `time.ParseInLocation`.

use super::civil::{self, Date};
use super::layout::{self, Element, Offset, Pad, Unit};
use super::moment::Clock;
use super::{MONTHS, Time, WEEKDAYS, Zone};
use crate::go::quote::quote;

/// What was read so far. A field that the layout does not mention stays at its default.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: u32,
    is_pm: bool,
    is_am: bool,
    is_utc: bool,
    offset: Option<i64>,
    abbreviation: Option<String>,
}

/// Why an element could not be read.
enum Bad {
    /// It does not look like what the layout asks for.
    Form,
    /// The named field is out of range.
    Range(&'static str),
}

/// A time without a zone is in `zone`; so is one with an offset or an abbreviation that `zone` uses at that time.
///
/// # Errors
/// Go's text of what does not fit.
pub(crate) fn parse(layout: &str, value: &str, zone: &Zone) -> Result<Time, String> {
    let failed = |element: &str, at: &str| {
        let [value, layout, at, element] = [value, layout, at, element].map(|s| quote(s.as_bytes()));
        format!("parsing time {value} as {layout}: cannot parse {at} as {element}")
    };
    let wrong = |what: &str| format!("parsing time {}: {what}", quote(value.as_bytes()));

    let mut fields = Fields::default();
    let (mut rest_of_layout, mut rest) = (layout, value);
    loop {
        let (before, element, after) = layout::next(rest_of_layout);
        rest = skip(rest, before).map_err(|at| failed(before, at))?;
        let Some(element) = element else {
            if rest.is_empty() {
                break;
            }
            return Err(wrong(&format!("extra text: {}", quote(rest.as_bytes()))));
        };
        let spelled = &rest_of_layout[before.len()..rest_of_layout.len() - after.len()];
        rest = fields.read(element, rest, after).map_err(|bad| match bad {
            Bad::Form => failed(spelled, rest),
            Bad::Range(field) => wrong(&format!("{field} out of range")),
        })?;
        rest_of_layout = after;
    }
    fields.resolve(zone).map_err(wrong)
}

/// Removes the text that stands in the layout too; a run of spaces equals any other. The error is where it stopped.
fn skip<'v>(mut value: &'v str, mut text: &str) -> Result<&'v str, &'v str> {
    while let Some(c) = text.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            text = text.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
        } else {
            value = value.strip_prefix(c).ok_or(value)?;
            text = &text[c.len_utf8()..];
        }
    }
    Ok(value)
}

impl Fields {
    /// Reads one element off the value; `after` is the rest of the layout.
    fn read<'v>(&mut self, element: Element, value: &'v str, after: &str) -> Result<&'v str, Bad> {
        Ok(match element {
            Element::Year => {
                let (two, rest) = value.split_at_checked(2).ok_or(Bad::Form)?;
                let year: i64 = two.parse().map_err(|_| Bad::Form)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                rest
            }
            Element::LongYear => {
                let (four, rest) = value.split_at_checked(4).ok_or(Bad::Form)?;
                if !four.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Bad::Form);
                }
                self.year = four.parse().map_err(|_| Bad::Form)?;
                rest
            }
            Element::ShortMonth => {
                let (index, rest) = name(value, MONTHS.iter().map(|month| &month[..3]))?;
                self.month = Some(index + 1);
                rest
            }
            Element::LongMonth => {
                let (index, rest) = name(value, MONTHS.iter().copied())?;
                self.month = Some(index + 1);
                rest
            }
            Element::Month { padded } => {
                let (month, rest) = two_digits(value, padded)?;
                self.month = Some(in_range(month, 1..13, "month")?);
                rest
            }
            Element::ShortWeekday => name(value, WEEKDAYS.iter().map(|day| &day[..3]))?.1,
            Element::LongWeekday => name(value, WEEKDAYS.iter().copied())?.1,
            Element::Day { pad } => {
                let value = if pad == Pad::Space {
                    value.strip_prefix(' ').unwrap_or(value)
                } else {
                    value
                };
                let (day, rest) = two_digits(value, pad == Pad::Zero)?;
                self.day = Some(day);
                rest
            }
            Element::YearDay { pad } => {
                let mut value = value;
                for _ in 0..2 {
                    if pad == Pad::Space {
                        value = value.strip_prefix(' ').unwrap_or(value);
                    }
                }
                let digits = value.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if digits == 0 || pad == Pad::Zero && digits != 3 {
                    return Err(Bad::Form);
                }
                self.year_day = value[..digits].parse().ok();
                &value[digits..]
            }
            Element::Hour => {
                let (hour, rest) = two_digits(value, false)?;
                self.hour = in_range(hour, 0..24, "hour")?;
                rest
            }
            Element::Hour12 { padded } => {
                let (hour, rest) = two_digits(value, padded)?;
                self.hour = in_range(hour, 0..13, "hour")?;
                rest
            }
            Element::Minute { padded } => {
                let (minute, rest) = two_digits(value, padded)?;
                self.minute = in_range(minute, 0..60, "minute")?;
                rest
            }
            Element::Second { padded } => {
                let (second, rest) = two_digits(value, padded)?;
                self.second = in_range(second, 0..60, "second")?;
                // A fraction may follow although the layout has none.
                let fraction_next = matches!(layout::next(after), (_, Some(Element::Fraction { .. }), _));
                let digits = fraction_digits(rest);
                if digits > 0 && !fraction_next {
                    self.read_fraction(rest, digits)?
                } else {
                    rest
                }
            }
            Element::Pm { upper } => {
                let (mark, rest) = value.split_at_checked(2).ok_or(Bad::Form)?;
                match (mark, upper) {
                    ("PM", true) | ("pm", false) => self.is_pm = true,
                    ("AM", true) | ("am", false) => self.is_am = true,
                    _ => return Err(Bad::Form),
                }
                rest
            }
            Element::Offset(offset) => match value.strip_prefix('Z') {
                Some(rest) if offset.iso => {
                    self.is_utc = true;
                    rest
                }
                _ => self.read_offset(value, offset)?,
            },
            Element::Abbreviation => match value.strip_prefix("UTC") {
                Some(rest) => {
                    self.is_utc = true;
                    rest
                }
                None => {
                    let (abbreviation, rest) = value.split_at(abbreviation(value).ok_or(Bad::Form)?);
                    self.abbreviation = Some(abbreviation.to_owned());
                    rest
                }
            },
            Element::Fraction {
                digits, trim: false, ..
            } => {
                if value.len() < digits + 1 || !value.is_char_boundary(digits + 1) {
                    return Err(Bad::Form);
                }
                self.read_fraction(value, digits)?
            }
            // Any number of digits, and none at all.
            Element::Fraction { trim: true, .. } => match fraction_digits(value) {
                0 => value,
                digits => self.read_fraction(value, digits)?,
            },
        })
    }

    /// A period or comma and so many digits, of which nine count.
    fn read_fraction<'v>(&mut self, value: &'v str, digits: usize) -> Result<&'v str, Bad> {
        let (fraction, rest) = value.split_at(digits + 1);
        if !fraction.starts_with(['.', ',']) {
            return Err(Bad::Form);
        }
        let mut nanosecond = 0;
        // Go reads a sign here.
        let counted = &fraction[1..fraction.len().min(10)];
        let unsigned = counted.strip_prefix(['+', '-']).unwrap_or(counted);
        for b in unsigned.bytes() {
            if !b.is_ascii_digit() {
                return Err(Bad::Form);
            }
            nanosecond = nanosecond * 10 + u32::from(b - b'0');
        }
        if counted.starts_with('-') && nanosecond > 0 {
            return Err(Bad::Range("fractional second"));
        }
        self.nanosecond = nanosecond * 10_u32.pow(9 - counted.len() as u32);
        Ok(rest)
    }

    fn read_offset<'v>(&mut self, value: &'v str, offset: Offset) -> Result<&'v str, Bad> {
        let colon = usize::from(offset.colons);
        let parts = match offset.unit {
            Unit::Hours => 1,
            Unit::Minutes => 2,
            Unit::Seconds => 3,
        };
        let (spelled, rest) = value
            .split_at_checked(1 + 2 * parts + colon * (parts - 1))
            .ok_or(Bad::Form)?;
        let (sign, mut spelled) = spelled.split_at_checked(1).ok_or(Bad::Form)?;
        let mut seconds = 0;
        let limits = [
            (24, "time zone offset hour"),
            (60, "time zone offset minute"),
            (60, "time zone offset second"),
        ];
        for (part, (limit, field)) in limits.into_iter().enumerate() {
            seconds *= 60;
            if part >= parts {
                continue;
            }
            if part > 0 && offset.colons {
                spelled = spelled.strip_prefix(':').ok_or(Bad::Form)?;
            }
            let (two, after) = two_digits(spelled, true)?;
            if two > limit {
                return Err(Bad::Range(field));
            }
            seconds += two;
            spelled = after;
        }
        self.offset = Some(match sign {
            "+" => seconds,
            "-" => -seconds,
            _ => return Err(Bad::Form),
        });
        Ok(rest)
    }

    fn resolve(self, zone: &Zone) -> Result<Time, &'static str> {
        let mut hour = self.hour;
        if self.is_pm && hour < 12 {
            hour += 12;
        } else if self.is_am && hour == 12 {
            hour = 0;
        }
        let (month, day) = self.month_and_day()?;
        let date = Date {
            year: self.year,
            month,
            day,
        };
        let clock = Clock {
            hour,
            minute: self.minute,
            second: self.second,
        };
        let shown_in = |zone: &Zone| Time::of_date(date, clock, self.nanosecond, zone.clone());
        if self.is_utc {
            return Ok(shown_in(&Zone::utc()));
        }
        let shown = shown_in(&Zone::utc()).unix_seconds();
        // Go takes an offset of one second west for none.
        if let Some(offset) = self.offset.filter(|offset| *offset != -1) {
            let unix = shown - offset;
            let local = zone.at(unix);
            let abbreviation = self.abbreviation.as_deref().unwrap_or("");
            let is_local =
                local.seconds == offset && (abbreviation.is_empty() || abbreviation == local.abbreviation);
            let zone = if is_local {
                zone.clone()
            } else {
                Zone::fixed(abbreviation, offset)
            };
            return Ok(Time::new(unix, self.nanosecond, zone));
        }
        if let Some(abbreviation) = &self.abbreviation {
            if let Some(offset) = zone.offset_of(abbreviation, shown) {
                return Ok(Time::new(shown - offset, self.nanosecond, zone.clone()));
            }
            let hours = abbreviation
                .strip_prefix("GMT")
                .and_then(|hours| hours.parse::<i64>().ok());
            // Go sets the zone without moving the instant, which is right only where the offset is not known.
            let zone = Zone::fixed(abbreviation, hours.unwrap_or(0) * 3600);
            return Ok(Time::new(shown, self.nanosecond, zone));
        }
        Ok(shown_in(zone))
    }

    fn month_and_day(&self) -> Result<(i64, i64), &'static str> {
        let (month, day) = match self.year_day {
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
            Some(year_day) => {
                let last = if civil::is_leap(self.year) { 366 } else { 365 };
                if !(1..=last).contains(&year_day) {
                    return Err("day-of-year out of range");
                }
                let days = civil::days(self.year.into(), 1, year_day.into());
                let Date { month, day, .. } = civil::date(days as i64);
                if self.month.is_some_and(|given| given != month) {
                    return Err("day-of-year does not match month");
                }
                if self.day.is_some_and(|given| given != day) {
                    return Err("day-of-year does not match day");
                }
                (month, day)
            }
        };
        if day < 1 || day > civil::days_in(month, self.year) {
            return Err("day out of range");
        }
        Ok((month, day))
    }
}

fn in_range(n: i64, range: std::ops::Range<i64>, field: &'static str) -> Result<i64, Bad> {
    if range.contains(&n) {
        Ok(n)
    } else {
        Err(Bad::Range(field))
    }
}

/// One or two digits, or exactly two.
fn two_digits(value: &str, exactly: bool) -> Result<(i64, &str), Bad> {
    match value.bytes().take(2).take_while(u8::is_ascii_digit).count() {
        0 => Err(Bad::Form),
        1 if exactly => Err(Bad::Form),
        digits => Ok((value[..digits].parse().map_err(|_| Bad::Form)?, &value[digits..])),
    }
}

/// The index of the name that the value begins with, in any case.
fn name(value: &str, names: impl Iterator<Item = &'static str>) -> Result<(i64, &str), Bad> {
    for (index, name) in names.enumerate() {
        if let Some((given, rest)) = value.split_at_checked(name.len())
            && given.eq_ignore_ascii_case(name)
        {
            return Ok((index as i64, rest));
        }
    }
    Err(Bad::Form)
}

/// How many digits follow a period or comma at the start; 0 where none is there.
fn fraction_digits(value: &str) -> usize {
    match value.strip_prefix(['.', ',']) {
        Some(rest) => rest.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    }
}

/// The length of something that looks like the abbreviation of a time zone (`parseTimeZone` in `time/format.go`).
fn abbreviation(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    if bytes.len() < 3 {
        return None;
    }
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix("GMT") {
        return Some(3 + signed_offset(rest));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_offset(value)).filter(|len| *len > 0);
    }
    match bytes
        .iter()
        .take(6)
        .take_while(|b| b.is_ascii_uppercase())
        .count()
    {
        3 => Some(3),
        4 if bytes[3] == b'T' || value.starts_with("WITA") => Some(4),
        5 if bytes[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The length of `+03`: a sign and a number up to 23; 0 where there is none.
fn signed_offset(value: &str) -> usize {
    let Some(digits) = value.strip_prefix(['+', '-']) else {
        return 0;
    };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    match digits[..len].parse::<u64>() {
        Ok(0..=23) => 1 + len,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(layout: &str, value: &str) -> Result<String, String> {
        parse(layout, value, &Zone::utc()).map(|time| time.to_string())
    }

    #[test]
    fn reads_what_go_reads() {
        for (layout, value, expected) in [
            ("2006-01-02", "2023-08-14", "2023-08-14 00:00:00 +0000 UTC"),
            (
                "2006-01-02T15:04:05Z07:00",
                "2023-08-14T01:02:03.5+02:00",
                "2023-08-14 01:02:03.5 +0200 +0200",
            ),
            (
                "2006-01-02T15:04:05Z07:00",
                "2023-08-14T01:02:03Z",
                "2023-08-14 01:02:03 +0000 UTC",
            ),
            ("15:04:05", "23:59:59", "0000-01-01 23:59:59 +0000 UTC"),
            (
                "02 Jan 06 15:04 MST",
                "14 aug 70 10:00 CET",
                "1970-08-14 10:00:00 +0000 CET",
            ),
            ("2006 002", "2024 060", "2024-02-29 00:00:00 +0000 UTC"),
            ("3:04PM", "12:30AM", "0000-01-01 00:30:00 +0000 UTC"),
        ] {
            assert_eq!(read(layout, value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for (layout, value) in [
            ("2006-01-02", "2023-02-29"),
            ("2006-01-02", "2023-13-01"),
            ("2006-01-02", "23-01-01"),
            ("2006-01-02", "2023-01-01 "),
            ("15:04", "24:00"),
            ("2006-01-02T15:04:05Z07:00", "2023-08-14T01:02:03"),
            ("MST", "abc"),
        ] {
            assert!(read(layout, value).is_err(), "{value}");
        }
    }
}
