//! `time.Duration`, in nanoseconds.

use crate::go::quote::quote;
use crate::go::utf8;

pub(crate) const SECOND: i64 = 1_000_000_000;

/// `time.ParseDuration`: `300ms`, `-1.5h`, `2h45m`.
///
/// # Errors
/// Go's text of what is wrong.
pub(crate) fn parse(text: &[u8]) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let spelled = utf8::lossy(text);
    let (negative, mut rest) = match spelled.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, spelled.strip_prefix('+').unwrap_or(&spelled)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    const MAX: u64 = 1 << 63;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (digits, after) = split_digits(rest);
        let whole = if digits.is_empty() {
            Some(0)
        } else {
            digits.parse::<u64>().ok()
        };
        let whole = whole.filter(|n| *n <= MAX).ok_or_else(invalid)?;
        let (fraction, after) = match after.strip_prefix('.') {
            Some(t) => split_digits(t),
            None => ("", after),
        };
        if digits.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some(nanoseconds) = nanoseconds(unit) else {
            return Err(format!(
                "time: unknown unit {} in duration {}",
                quote(unit.as_bytes()),
                quote(text)
            ));
        };
        let mut part = whole
            .checked_mul(nanoseconds)
            .filter(|n| *n <= MAX)
            .ok_or_else(invalid)?;
        let (numerator, scale) = leading_fraction(fraction);
        if numerator > 0 {
            part += (numerator as f64 * (nanoseconds as f64 / scale)) as u64;
        }
        total = total
            .checked_add(part)
            .filter(|n| part <= MAX && *n <= MAX)
            .ok_or_else(invalid)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Ok(total),
        (false, Err(_)) => Err(invalid()),
        (true, _) => Ok((total as i64).wrapping_neg()),
    }
}

fn split_digits(t: &str) -> (&str, &str) {
    t.split_at(t.find(|c: char| !c.is_ascii_digit()).unwrap_or(t.len()))
}

fn nanoseconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The digits as a number and what to divide it by; digits that no longer fit are dropped.
fn leading_fraction(digits: &str) -> (u64, f64) {
    let (mut numerator, mut scale) = (0_u64, 1.0);
    for digit in digits.bytes() {
        let next = numerator
            .checked_mul(10)
            .and_then(|n| n.checked_add(u64::from(digit - b'0')));
        match next.filter(|n| numerator <= i64::MAX as u64 / 10 && *n <= 1 << 63) {
            Some(next) => numerator = next,
            None => break,
        }
        scale *= 10.0;
    }
    (numerator, scale)
}

/// `Duration.String`: `1h15m30.918s`, `1.2ms`.
pub(crate) fn print(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let (whole, fraction, unit) = match size {
        0 => return "0s".to_owned(),
        1..1_000 => (size.to_string(), String::new(), "ns"),
        1_000..1_000_000 => (format!("{}", size / 1_000), format!("{:03}", size % 1_000), "µs"),
        1_000_000..1_000_000_000 => (
            format!("{}", size / 1_000_000),
            format!("{:06}", size % 1_000_000),
            "ms",
        ),
        _ => {
            let seconds = size / 1_000_000_000;
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let whole = match (hours, minutes) {
                (0, 0) => format!("{seconds}"),
                (0, _) => format!("{minutes}m{seconds}"),
                _ => format!("{hours}h{minutes}m{seconds}"),
            };
            (whole, format!("{:09}", size % 1_000_000_000), "s")
        }
    };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}{unit}")
}

/// `Duration.Round`: to the nearest multiple, halves away from zero.
pub(crate) fn round(duration: i64, multiple: i64) -> i64 {
    if multiple <= 0 {
        return duration;
    }
    let (size, multiple) = (i128::from(duration).abs(), i128::from(multiple));
    let remainder = size % multiple;
    let rounded = if remainder * 2 < multiple {
        size - remainder
    } else {
        size + multiple - remainder
    };
    let rounded = if duration < 0 { -rounded } else { rounded };
    rounded.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// `Duration.Truncate`: towards zero.
pub(crate) fn truncate(duration: i64, multiple: i64) -> i64 {
    if multiple <= 0 {
        duration
    } else {
        duration - duration % multiple
    }
}

/// `Duration.Hours` and its like: `unit` nanoseconds each, whole and fraction divided apart as Go does.
pub(crate) fn in_units(duration: i64, unit: i64) -> f64 {
    (duration / unit) as f64 + (duration % unit) as f64 / unit as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed_as_go_does() {
        for (text, nanoseconds, printed) in [
            ("1h", 3600 * SECOND, "1h0m0s"),
            ("-1.5h", -5400 * SECOND, "-1h30m0s"),
            ("1h15m30.918s", 4_530_918_000_000, "1h15m30.918s"),
            (".5ms", 500_000, "500µs"),
            ("1µs2ns", 1_002, "1.002µs"),
            ("+0", 0, "0s"),
            ("-9223372036854775808ns", i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(nanoseconds), "{text}");
            assert_eq!(print(nanoseconds), printed);
        }
        for text in [
            "",
            "1",
            "h",
            ".h",
            "1x",
            "1h ",
            "9223372036854775808ns",
            "3000000h",
            "--1s",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn rounding() {
        assert_eq!(
            (round(1_500, 1_000), round(-1_500, 1_000), round(1_499, 1_000)),
            (2_000, -2_000, 1_000)
        );
        assert_eq!(round(i64::MAX, SECOND), i64::MAX);
        assert_eq!(truncate(-1_999, 1_000), -1_000);
    }
}
