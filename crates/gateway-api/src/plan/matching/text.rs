//! Conditions on texts: what the Gateway API can say, escaped and anchored.

use rollouts_plugin::types::StringMatch;
use serde_json::{Value, json};

use super::MatchProblem;

/// Longest value of a header match (Gateway API `HTTPHeaderMatch.value`).
pub(super) const MAX_HEADER_VALUE: usize = 4096;
/// Longest value of a query parameter match (Gateway API `HTTPQueryParamMatch.value`).
pub(super) const MAX_QUERY_VALUE: usize = 1024;
/// Longest path (Gateway API `HTTPPathMatch.value`).
const MAX_PATH: usize = 1024;
/// Methods that can be matched (Gateway API `HTTPMethod`).
pub(super) const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// Longest name of a header (Gateway API `HeaderName`).
const MAX_HEADER_NAME: usize = 256;

/// A condition on a header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plan) enum Test {
    Exact(String),
    /// The text before escaping and the expression.
    Prefix(String, String),
    Regex(String),
}

impl Test {
    pub(super) fn of(field: &str, value: &StringMatch) -> Result<Self, MatchProblem> {
        Ok(match one_of(field, value)? {
            Text::Exact(text) => Self::Exact(text.to_owned()),
            Text::Prefix(text) => Self::Prefix(text.to_owned(), format!("^{}.*", escaped(text))),
            Text::Regex(text) => Self::Regex(anchored(field, text)?),
        })
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(_, text) | Self::Regex(text) => text,
        }
    }

    pub(super) fn to_match(&self, name: &str) -> Value {
        let kind = match self {
            Self::Exact(_) => "Exact",
            Self::Prefix(..) | Self::Regex(_) => "RegularExpression",
        };
        json!({"name": name, "type": kind, "value": self.text()})
    }

    pub(super) fn from_match(header: &Value) -> Option<Self> {
        let value = header["value"].as_str()?.to_owned();
        match header.get("type").and_then(Value::as_str).unwrap_or("Exact") {
            "Exact" => Some(Self::Exact(value)),
            "RegularExpression" => Some(Self::Regex(value)),
            _ => None,
        }
    }

    /// Both at once: [`None`] where one expression cannot say it, `Some(None)` where nothing satisfies both.
    pub(super) fn and(&self, other: &Self) -> Option<Option<Self>> {
        use Test::{Exact, Prefix, Regex};
        match (self, other) {
            (a, b) if a.text() == b.text() => Some(Some(a.clone())),
            (Exact(_), Exact(_)) => Some(None),
            (Exact(exact), Prefix(prefix, _)) | (Prefix(prefix, _), Exact(exact)) => {
                Some(exact.starts_with(prefix.as_str()).then(|| Exact(exact.clone())))
            }
            (Prefix(a, _), Prefix(b, _)) if a.starts_with(b.as_str()) => Some(Some(self.clone())),
            (Prefix(a, _), Prefix(b, _)) => Some(b.starts_with(a.as_str()).then(|| other.clone())),
            (Regex(_), _) | (_, Regex(_)) => None,
        }
    }
}

pub(super) enum Text<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Regex(&'a str),
}

pub(super) fn one_of<'a>(field: &str, value: &'a StringMatch) -> Result<Text<'a>, MatchProblem> {
    match (value.exact.as_str(), value.prefix.as_str(), value.regex.as_str()) {
        (exact, "", "") if !exact.is_empty() => Ok(Text::Exact(exact)),
        ("", prefix, "") if !prefix.is_empty() => Ok(Text::Prefix(prefix)),
        ("", "", regex) if !regex.is_empty() => Ok(Text::Regex(regex)),
        _ => Err(MatchProblem::NotOne {
            field: field.to_owned(),
        }),
    }
}

/// An expression that matches the whole value: some gateways search where others compare.
pub(super) fn anchored(field: &str, expression: &str) -> Result<String, MatchProblem> {
    checked(field, expression)?;
    let is_whole = expression.starts_with('^')
        && expression.ends_with('$')
        && !expression.ends_with("\\$")
        && !expression.contains('|');
    if is_whole {
        return Ok(expression.to_owned());
    }
    // An expression may hide what comes behind it: `(?x)a # b`.
    let whole = format!("^(?:{expression})$");
    checked(field, &whole)?;
    Ok(whole)
}

/// A path as the Gateway API takes it to be compared or to be the beginning of one (the CEL rules of `HTTPPathMatch`).
pub(super) fn checked_path(path: &str) -> Result<String, MatchProblem> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c);
    let hides = ["//", "/./", "/../", "%2f", "%2F"];
    let is_path = path.starts_with('/')
        && path.len() <= MAX_PATH
        && path.chars().all(is_taken)
        && hides.iter().all(|hidden| !path.contains(hidden))
        && !path.ends_with("/..")
        && !path.ends_with("/.");
    match is_path {
        true => Ok(path.to_owned()),
        false => Err(MatchProblem::Path {
            found: path.to_owned(),
        }),
    }
}

/// Refuses what is no regular expression before the API server stores it.
pub(super) fn checked<'a>(field: &str, expression: &'a str) -> Result<&'a str, MatchProblem> {
    regex_syntax::Parser::new().parse(expression).map_err(|error| {
        let message = match error {
            regex_syntax::Error::Parse(error) => error.kind().to_string(),
            regex_syntax::Error::Translate(error) => error.kind().to_string(),
            _ => "it cannot be parsed".to_owned(),
        };
        MatchProblem::Regex {
            field: field.to_owned(),
            message,
        }
    })?;
    Ok(expression)
}

/// An expression for a `Cookie` header with this cookie among others; `value` is an expression.
pub(in crate::plan) fn cookie(name: &str, value: &str) -> String {
    format!("^(?:.*;\\s*)?{}={value}(?:;.*)?$", escaped(name))
}

/// The text as an expression that matches just it (RE2 syntax, which gateways take).
pub(in crate::plan) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// An expression that matches just these texts. What they begin and end with alike stands in it once: Envoy takes no
/// expression whose program has more than 100 instructions, about one a character, unless it is told otherwise
/// (its runtime key `re2.max_program_size.error_level`).
pub(in crate::plan) fn any_of(texts: &[String]) -> String {
    let [first, others @ ..] = texts else {
        return String::new();
    };
    if others.is_empty() {
        return escaped(first);
    }
    let starts = others.iter().map(|text| alike(first.chars(), text.chars()));
    let (start, rest) = first.split_at(starts.min().unwrap_or_default());
    let rests = texts.iter().map(|text| &text[start.len()..]);
    let ends = rests
        .clone()
        .skip(1)
        .map(|text| alike(rest.chars().rev(), text.chars().rev()));
    let end = &rest[rest.len() - ends.min().unwrap_or_default()..];
    let middles = rests.map(|text| escaped(&text[..text.len() - end.len()]));
    let middles = middles.collect::<Vec<_>>().join("|");
    format!("{}(?:{middles}){}", escaped(start), escaped(end))
}

/// Bytes of what two texts have alike, from the ends that are given first.
fn alike(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> usize {
    let alike = one.zip(other).take_while(|(one, other)| one == other);
    alike.map(|(c, _)| c.len_utf8()).sum()
}

pub(super) fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (1..=MAX_HEADER_NAME).contains(&name.len()) && name.chars().all(is_token)
}

/// The experimental HTTPRoute asks for `^[!-~]+([\t ]?[!-~]+)*$` whatever the type of the match.
pub(super) fn is_header_value(value: &str) -> bool {
    value.len() <= MAX_HEADER_VALUE
        && !value.is_empty()
        && value
            .split([' ', '\t'])
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic()))
}
