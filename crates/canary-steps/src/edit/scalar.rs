//! What a scalar means to Kubernetes: YAML 1.1 as go-yaml reads it.
//!
//! Follows `resolve` in go.yaml.in/yaml/v2 `resolve.go`, which sigs.k8s.io/yaml uses: `yes`, `on` and `y` are true,
//! `0644` is 420, `1_000` is a number, a timestamp stays text.

use serde_json::{Number, Value};

/// The tag of a node, resolved; `None` where it has none.
pub(crate) type Tag = Option<Box<str>>;

const YAML: &str = "tag:yaml.org,2002:";

/// Resolves a scalar; `plain` is whether it stands without quotes and is not a block scalar.
pub(crate) fn resolve(text: &str, plain: bool, tag: &Tag) -> Result<Value, String> {
    let short = match tag.as_deref() {
        None if plain => None,
        None => return Ok(text.into()),
        Some(tag) => match tag.strip_prefix(YAML) {
            Some("str") | None => return Ok(text.into()),
            Some("binary") => return Err("!!binary has no meaning to Kubernetes".into()),
            short => short,
        },
    };
    let value = untagged(text)?;
    match (short, &value) {
        (None | Some("timestamp"), _)
        | (Some("bool"), Value::Bool(_))
        | (Some("null"), Value::Null)
        | (Some("float"), Value::Number(_)) => Ok(value),
        (Some("int"), Value::Number(n)) if !n.is_f64() => Ok(value),
        (Some("bool" | "null" | "float" | "int"), _) => Err(format!(
            "{text:?} is not of the type !!{}",
            short.unwrap_or_default()
        )),
        // Tags that go-yaml does not know leave the text as it is.
        _ => Ok(text.into()),
    }
}

fn untagged(text: &str) -> Result<Value, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err(format!("{text} is not a number that JSON knows")),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => {
            number(text).map_or_else(|| text.into(), Value::Number)
        }
        _ => text.into(),
    })
}

fn number(text: &str) -> Option<Number> {
    if text.starts_with('.') {
        return float(text);
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits))
}

/// Go's `strconv.ParseInt(s, 0, 64)`, then `ParseUint`.
fn integer(text: &str) -> Option<Number> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match magnitude.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &magnitude[2..]),
        Some("0o") => (8, &magnitude[2..]),
        Some("0b") => (2, &magnitude[2..]),
        _ if magnitude.len() > 1 && magnitude.starts_with('0') => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(value).map(Number::from);
    }
    // ParseUint takes no sign.
    (i64::try_from(value).is_ok() || !text.starts_with('+')).then(|| Number::from(value))
}

/// go-yaml's `yamlStyleFloat`: digits, at most one dot, an exponent; no `inf`, no hexadecimal.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_ok = match mantissa.split_once('.') {
        Some((whole, part)) => {
            (whole.is_empty() || all_digits(whole)) && all_digits(part) && mantissa.len() > 1
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && all_digits(e)
    });
    if !(mantissa_ok && exponent_ok) {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubernetes_takes_them_for() {
        let cases = [
            ("yes", json!(true)),
            ("on", json!(true)),
            ("y", json!(true)),
            ("Off", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
            ("0644", json!(420)),
            ("0o14", json!(12)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("1_000", json!(1000)),
            ("-0b11", json!(-3)),
            ("+7", json!(7)),
            ("089", json!(89.0)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("12:30:45", json!("12:30:45")),
            ("2001-12-14", json!("2001-12-14")),
            ("25%", json!("25%")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            (".", json!(".")),
            ("yEs", json!("yEs")),
            ("infinity", json!("infinity")),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text, true, &None), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn quotes_and_tags_decide() {
        let tag = |t: &str| Some(format!("tag:yaml.org,2002:{t}").into_boxed_str());
        assert_eq!(resolve("yes", false, &None), Ok(json!("yes")));
        assert_eq!(resolve("12", true, &tag("str")), Ok(json!("12")));
        assert_eq!(resolve("12", false, &tag("int")), Ok(json!(12)));
        assert_eq!(resolve("12", true, &Some("!own".into())), Ok(json!("12")));
        assert!(resolve("abc", true, &tag("int")).is_err());
        assert!(resolve(".inf", true, &None).is_err());
    }
}
