//! Durations as Go writes them.

use std::time::Duration;

/// A year is more than any window or patience; beyond it a slip of the pen is likelier.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

/// Reads `5m`, `1h30m`, `1.5s`, `300ms`, `0` (Go: `time.ParseDuration`; a negative one is refused).
///
/// # Errors
/// Why the text is no duration.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.starts_with('-') {
        return Err("it must not be negative");
    }
    rest = rest.strip_prefix('+').unwrap_or(rest);
    if rest.is_empty() {
        return Err("it is empty");
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| "a number is missing")?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let scale = match &rest[..unit] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "" => return Err("a unit is missing"),
            _ => return Err("the unit is none of ns, us, ms, s, m, h"),
        };
        seconds += number * scale;
        rest = &rest[unit..];
    }
    if seconds > LONGEST {
        return Err("it is longer than a year");
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Writes a duration the way people do: `5m`, `1h30m`, `1.5s`, `300ms`.
pub fn render(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.is_zero() {
        return "0s".to_owned();
    }
    if duration < Duration::from_secs(1) {
        return format!("{}ms", duration.as_millis());
    }
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    let rest = duration.as_secs_f64() - (hours * 3600 + minutes * 60) as f64;
    let mut text = String::new();
    if hours > 0 {
        text.push_str(&format!("{hours}h"));
    }
    if minutes > 0 {
        text.push_str(&format!("{minutes}m"));
    }
    if rest >= 0.001 {
        text.push_str(&format!("{}s", (rest * 1000.0).round() / 1000.0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_reads_them() {
        for (text, milliseconds) in [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("300ms", 300),
            ("0", 0),
            ("+2s", 2_000),
            (".5m", 30_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "-5m", "5 m", "m", "1d", "5m3", "9999999h", "1..5s", "∞s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn written_as_read() {
        for text in ["5m", "1h30m", "1.5s", "300ms", "0s", "1h0.25s", "45s"] {
            assert_eq!(render(parse(text).unwrap()), text);
        }
    }
}
