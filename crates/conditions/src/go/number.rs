//! `strconv`: numbers to text and back.

use super::quote::quote;

/// `fmt`'s `%v` of a `float64`: the shortest digits that read back, with an exponent below 1e-4 and from 1e6 on.
pub(crate) fn general(x: f64) -> String {
    if let Some(name) = special(x) {
        return name.to_owned();
    }
    let exponential = shortest(x);
    let (digits, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..GENERAL_EXPONENT).contains(&exponent) {
        return plain(x);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The `eprec` of `formatDigits` in `strconv/ftoa.go` where the shortest digits are wanted.
const GENERAL_EXPONENT: i32 = 6;

/// As `encoding/json` writes a `float64`; `None` where JSON has no spelling.
pub(crate) fn json(x: f64) -> Option<String> {
    if !x.is_finite() {
        return None;
    }
    let size = x.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Some(plain(x));
    }
    let exponential = shortest(x);
    let (digits, exponent) = exponential.split_once('e').unwrap_or((&exponential, "0"));
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    Some(format!("{digits}e{sign}{exponent}"))
}

/// The shortest digits that read back, with an exponent. Of two that are equally near Go takes the even one, Rust the
/// greater one.
fn shortest(x: f64) -> String {
    let ours = format!("{x:e}");
    match lower_of_a_tie(x, &ours) {
        Some(even) => even,
        None => ours,
    }
}

/// The same digits without an exponent.
fn plain(x: f64) -> String {
    let mut ours = format!("{x}").into_bytes();
    let exponential = format!("{x:e}");
    if let Some(even) = lower_of_a_tie(x, &exponential) {
        let digits = even.bytes().take_while(|byte| *byte != b'e');
        let digits: Vec<u8> = digits.filter(u8::is_ascii_digit).collect();
        let places = ours
            .iter_mut()
            .filter(|byte| byte.is_ascii_digit())
            .skip_while(|byte| **byte == b'0');
        for (place, digit) in places.zip(digits) {
            *place = digit;
        }
    }
    String::from_utf8_lossy(&ours).into_owned()
}

/// Where a number lies exactly between two shortest spellings, and Rust's is the odd one: the other.
fn lower_of_a_tie(x: f64, ours: &str) -> Option<String> {
    // Fewer digits never tie: their neighbours read back as other numbers.
    if ours.len() < 17 {
        return None;
    }
    let (digits, exponent) = ours.split_once('e')?;
    let exact = format!("{x:.40e}");
    let (exact, same) = exact.split_once('e')?;
    let (lower, rest) = exact.split_at_checked(digits.len())?;
    let is_tie = rest.starts_with('5') && rest[1..].bytes().all(|byte| byte == b'0') && same == exponent;
    let is_even = lower.bytes().last().is_some_and(|byte| byte % 2 == 0);
    let other = format!("{lower}e{exponent}");
    (is_tie && is_even && other.parse() == Ok(x)).then_some(other)
}

/// `NaN`, `+Inf`, `-Inf`.
fn special(x: f64) -> Option<&'static str> {
    if x.is_nan() {
        return Some("NaN");
    }
    x.is_infinite().then_some(if x > 0.0 { "+Inf" } else { "-Inf" })
}

/// `strconv.ParseInt(text, 10, 64)`.
///
/// # Errors
/// Go's text of what is wrong.
pub(crate) fn parse_int(text: &[u8]) -> Result<i64, String> {
    let failed = |why| Err(format!("strconv.ParseInt: parsing {}: {why}", quote(text)));
    let digits = text
        .strip_prefix(b"-")
        .or_else(|| text.strip_prefix(b"+"))
        .unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return failed("invalid syntax");
    }
    match str::from_utf8(text).ok().and_then(|s| s.parse().ok()) {
        Some(n) => Ok(n),
        None => failed("value out of range"),
    }
}

/// `strconv.ParseFloat(text, 64)`.
///
/// # Errors
/// Go's text of what is wrong.
pub(crate) fn parse_float(text: &[u8]) -> Result<f64, String> {
    let failed = |why| Err(format!("strconv.ParseFloat: parsing {}: {why}", quote(text)));
    let Some(x) = str::from_utf8(text).ok().and_then(read_float) else {
        return failed("invalid syntax");
    };
    // "inf" is a number to read, and 1e999 one that does not fit.
    if x.is_infinite() && text.iter().any(u8::is_ascii_digit) {
        return failed("value out of range");
    }
    Ok(x)
}

fn read_float(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        // Only NaN may not carry a sign.
        "nan" => return (unsigned.len() == text.len()).then_some(f64::NAN),
        _ => {}
    }
    if unsigned.contains('_') && !are_underscores_ok(unsigned) {
        return None;
    }
    let plain = unsigned.replace('_', "");
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return read_hex(hex).map(|x| sign * x);
    }
    // Rust reads "inf" and "nan" too, in any case; those were handled above, and "infx" is neither.
    if !plain
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        || plain.starts_with(['+', '-'])
    {
        return None;
    }
    plain.parse::<f64>().ok().map(|x| sign * x)
}

/// An underscore stands between two digits, or between the base prefix and a digit (`underscoreOK` in
/// `strconv/atoi.go`).
fn are_underscores_ok(text: &str) -> bool {
    let (mut last, rest, hex) = match text.get(..2) {
        Some("0x" | "0X") => ('0', &text[2..], true),
        Some("0b" | "0B" | "0o" | "0O") => ('0', &text[2..], false),
        _ => ('^', text, false),
    };
    for c in rest.chars() {
        if c.is_ascii_digit() || hex && c.is_ascii_hexdigit() {
            last = '0';
        } else if c == '_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// `1.8p3` after `0x`: hexadecimal digits and a power of two, which must be there.
fn read_hex(text: &str) -> Option<f64> {
    let (mantissa, power) = text.split_once(['p', 'P'])?;
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let power: i64 = power
        .parse()
        .unwrap_or(if power.starts_with('-') { -100_000 } else { 100_000 });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }

    // The leading 60 bits, and whether anything follows them: enough to round once, correctly.
    let (mut bits, mut exponent, mut sticky) = (0_u64, power.clamp(-100_000, 100_000), false);
    for (digit, is_fraction) in whole
        .chars()
        .map(|c| (c, false))
        .chain(fraction.chars().map(|c| (c, true)))
    {
        let digit = u64::from(digit.to_digit(16)?);
        if bits >> 56 == 0 {
            bits = bits << 4 | digit;
            exponent -= if is_fraction { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if is_fraction { 0 } else { 4 };
        }
    }
    Some(scale(bits << 2 | u64::from(sticky), exponent - 2))
}

/// `bits * 2^exponent`, rounded once to the nearest even.
fn scale(bits: u64, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let top = 63 - i64::from(bits.leading_zeros()) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    // How many bits the result keeps: 53, fewer where it is subnormal.
    let keep = (53 + (top + 1022).min(0)).max(-1);
    let drop = 64 - i64::from(bits.leading_zeros()) - keep;
    let mut kept = bits;
    if drop > 0 {
        kept = if drop >= 64 { 0 } else { bits >> drop };
        let rest = if drop >= 64 {
            bits
        } else {
            bits & ((1 << drop) - 1)
        };
        let half = if drop > 64 { u64::MAX } else { 1 << (drop - 1) };
        if rest > half || rest == half && kept & 1 == 1 {
            kept += 1;
        }
    }
    // Exact: `kept` has at most 54 bits, and both powers are in range.
    let exponent = exponent + drop.max(0);
    let (first, second) = (exponent / 2, exponent - exponent / 2);
    kept as f64 * 2_f64.powi(first as i32) * 2_f64.powi(second as i32)
}

/// `int(x)` of a `float64` on amd64: what does not fit becomes the least integer.
pub(crate) fn truncate(x: f64) -> i64 {
    // 2^63 itself does not fit.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&x) {
        x as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_is_what_go_prints() {
        for (x, printed) in [
            (5.0, "5"),
            (0.05, "0.05"),
            (-0.0, "-0"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (123_456_789.0, "1.23456789e+08"),
            // Exactly between two spellings of 17 digits.
            (157_387_313_134_450.62, "1.5738731313445062e+14"),
            (151_886_938_663_464.62, "1.5188693866346462e+14"),
            (100_000.0, "100000"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(general(x), printed);
        }
    }

    #[test]
    fn json_is_what_go_writes() {
        for (x, written) in [
            (5.0, "5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-0.0, "-0"),
        ] {
            assert_eq!(json(x).as_deref(), Some(written));
        }
        assert_eq!(json(f64::NAN), None);
    }

    #[test]
    fn floats_are_read_as_go_reads_them() {
        for (text, x) in [
            ("1e3", 1e3),
            ("+.5", 0.5),
            ("1.", 1.0),
            ("1_0", 10.0),
            ("-INFinity", f64::NEG_INFINITY),
            ("0x1p-2", 0.25),
            ("0x_1.8p1", 3.0),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.fffffffffffff7fp0", 1.999_999_999_999_999_8),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
        ] {
            assert_eq!(parse_float(text.as_bytes()), Ok(x), "{text}");
        }
        for text in [
            "", ".", "1_", "_1", "1__0", "0x1", "0x", "--1", "+-1", "-nan", "1e", "infx", "1 ", "e5",
        ] {
            assert!(parse_float(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_float(b"1e999").is_err_and(|e| e.ends_with("value out of range")));
        assert!(parse_float(b"nan").is_ok_and(f64::is_nan));
    }

    #[test]
    fn integers_are_decimal() {
        assert_eq!(parse_int(b"+5"), Ok(5));
        assert_eq!(parse_int(b"-9223372036854775808"), Ok(i64::MIN));
        for (text, why) in [
            ("0x10", "invalid syntax"),
            ("", "invalid syntax"),
            ("1_0", "invalid syntax"),
            ("9223372036854775808", "value out of range"),
        ] {
            assert!(
                parse_int(text.as_bytes()).is_err_and(|e| e.ends_with(why)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_the_least_integer() {
        assert_eq!(truncate(-1.9), -1);
        assert_eq!(
            [
                truncate(f64::NAN),
                truncate(1e30),
                truncate(-1e30),
                truncate(9.3e18)
            ],
            [i64::MIN; 4]
        );
    }
}
