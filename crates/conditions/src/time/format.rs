//! `Time.Format`.

use std::fmt::Write as _;

use super::civil::{self, Date};
use super::layout::{self, Element, Offset, Pad, Unit};
use super::moment::Clock;
use super::{Time, month_name, weekday_name, zone};

pub(super) fn format(time: &Time, layout: &str) -> String {
    let mut out = String::with_capacity(layout.len() + 10);
    let shown = Shown {
        time,
        date: time.date(),
        clock: time.clock(),
        zone: time.zone().at(time.unix_seconds()),
    };
    let mut rest = layout;
    loop {
        let (before, element, after) = layout::next(rest);
        out.push_str(before);
        let Some(element) = element else {
            return out;
        };
        write(&mut out, &shown, element);
        rest = after;
    }
}

/// What a clock and a calendar show: a layout may ask for it thousands of times.
struct Shown<'t> {
    time: &'t Time,
    date: Date,
    clock: Clock,
    zone: zone::Offset,
}

fn write(out: &mut String, shown: &Shown<'_>, element: Element) {
    let Shown {
        time,
        date,
        clock,
        zone,
    } = shown;
    match element {
        Element::LongMonth => out.push_str(&month_name(date.month)),
        Element::ShortMonth => out.push_str(&month_name(date.month)[..3]),
        Element::Month { padded } => number(out, date.month, if padded { 2 } else { 0 }),
        Element::LongWeekday => out.push_str(&weekday_name(civil::weekday(time.days()))),
        Element::ShortWeekday => out.push_str(&weekday_name(civil::weekday(time.days()))[..3]),
        Element::Day { pad } => padded(out, date.day, pad, 2),
        Element::YearDay { pad } => padded(out, civil::year_day(*date), pad, 3),
        Element::Hour => number(out, clock.hour, 2),
        Element::Hour12 { padded } => {
            let hour = if clock.hour % 12 == 0 { 12 } else { clock.hour % 12 };
            number(out, hour, if padded { 2 } else { 0 });
        }
        Element::Minute { padded } => number(out, clock.minute, if padded { 2 } else { 0 }),
        Element::Second { padded } => number(out, clock.second, if padded { 2 } else { 0 }),
        Element::LongYear => number(out, date.year, 4),
        Element::Year => number(out, date.year.abs() % 100, 2),
        Element::Pm { upper } => out.push_str(match (clock.hour >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Element::Abbreviation => {
            if zone.abbreviation.is_empty() {
                let whole = Offset {
                    iso: false,
                    colons: false,
                    unit: Unit::Minutes,
                };
                write_offset(out, zone.seconds, whole);
            } else {
                out.push_str(&zone.abbreviation);
            }
        }
        Element::Offset(offset) => write_offset(out, zone.seconds, offset),
        Element::Fraction {
            separator,
            digits,
            trim,
        } => {
            if trim && (digits == 0 || time.nanosecond() == 0) {
                return;
            }
            let nanoseconds = format!("{:09}", time.nanosecond());
            let fraction = &nanoseconds[..digits.min(9)];
            let fraction = if trim {
                fraction.trim_end_matches('0')
            } else {
                fraction
            };
            if !(trim && fraction.is_empty()) {
                out.push(char::from(separator));
                out.push_str(fraction);
            }
        }
    }
}

fn write_offset(out: &mut String, seconds: i64, offset: Offset) {
    if offset.iso && seconds == 0 {
        out.push('Z');
        return;
    }
    // An offset of less than a minute west has the sign of zero.
    let minutes = seconds / 60;
    out.push(if minutes < 0 { '-' } else { '+' });
    let colon = if offset.colons { ":" } else { "" };
    let seconds = if minutes < 0 { -seconds } else { seconds };
    let minutes = minutes.abs();
    number(out, minutes / 60, 2);
    if offset.unit != Unit::Hours {
        out.push_str(colon);
        number(out, minutes % 60, 2);
    }
    if offset.unit == Unit::Seconds {
        out.push_str(colon);
        number(out, seconds % 60, 2);
    }
}

fn padded(out: &mut String, n: i64, pad: Pad, width: usize) {
    let _ = match pad {
        Pad::None => write!(out, "{n}"),
        Pad::Space => write!(out, "{n:width$}"),
        Pad::Zero => write!(out, "{n:0width$}"),
    };
}

/// At least so many digits, the sign not counted.
fn number(out: &mut String, n: i64, width: usize) {
    if n < 0 {
        out.push('-');
    }
    let _ = write!(out, "{:0width$}", n.unsigned_abs());
}
