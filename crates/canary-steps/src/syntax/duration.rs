//! Durations of a pause, as the Rollouts controller reads them.

/// Seconds of `30`, `30s`, `1h30m`, `1.5h`; `None` where the controller would refuse the text.
///
/// Follows `RolloutPause.DurationSeconds` in argo-rollouts `pkg/apis/rollouts/v1alpha1/types.go`: an integer of 32 bits
/// is seconds, all else goes through Go's `time.ParseDuration`, whose fractions are cut off.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i32>() {
        return Some(seconds.into());
    }
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds = 0_f64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        if number == "." || number.matches('.').count() > 1 {
            return None;
        }
        nanoseconds += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    // Go counts in 64-bit nanoseconds and refuses what does not fit.
    if nanoseconds >= 9.223_372_036_854_776e18 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked above, and Go cuts the fraction off too"
    )]
    Some((sign * nanoseconds / 1e9) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("90", Some(90)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("30s", Some(30)),
            ("1h30m", Some(5400)),
            ("1.5h", Some(5400)),
            ("100ms", Some(0)),
            (".5m", Some(30)),
            ("2h45m30.5s", Some(9930)),
            ("-5s", Some(-5)),
            ("1d", None),
            ("1h30", None),
            ("s", None),
            ("", None),
            ("-", None),
            ("1..5s", None),
            (".s", None),
            ("5 s", None),
            ("9999999999h", None),
            ("99999999999", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
