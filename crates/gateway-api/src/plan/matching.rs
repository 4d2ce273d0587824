//! The conditions of header and mirror routes, joined with the matches of a user's rule.

use serde_json::{Map, Value, json};
use thiserror::Error;

use rollouts_plugin::types::{HeaderRoutingMatch, RouteMatch, StringMatch};

use crate::RouteKind;

/// Longest value of a header match (Gateway API `HTTPHeaderMatch.value`).
const MAX_HEADER_VALUE: usize = 4096;
/// Longest name of a header (Gateway API `HeaderName`).
const MAX_HEADER_NAME: usize = 256;

/// Why a managed route cannot be expressed on a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MatchProblem {
    /// None, or more than one, of `exact`, `prefix` and `regex`.
    #[error("{field} needs one of exact, prefix and regex")]
    NotOne {
        /// Which field.
        field: String,
    },
    /// Not the name of a header.
    #[error("headerName is {name:?}, accepted is the name of an HTTP header")]
    HeaderName {
        /// What was found.
        name: String,
    },
    /// A value that header matches do not take.
    #[error(
        "the value of header {name} is {value:?}, accepted are at most {MAX_HEADER_VALUE} visible ASCII characters, \
         single blanks between them"
    )]
    HeaderValue {
        /// Name of the header.
        name: String,
        /// What was found.
        value: String,
    },
    /// Not a regular expression.
    #[error("{field} is not a regular expression that gateways take: {message}")]
    Regex {
        /// Which field.
        field: String,
        /// What the parser says.
        message: String,
    },
    /// The user's rule has a condition on the same header, and both cannot be said at once.
    #[error(
        "the rule already matches header {name} by another expression, a header can be matched only once"
    )]
    HeaderTwice {
        /// Name of the header.
        name: String,
    },
    /// The user's rule has a condition on the path, and both cannot be said at once.
    #[error("the rule already matches the path by another expression, a path can be matched only once")]
    PathTwice,
    /// Methods are matched whole.
    #[error("match.method must be exact, the Gateway API matches methods whole")]
    MethodNotExact,
    /// A condition that this kind of route cannot carry.
    #[error("match.{field} cannot be used with {kind}")]
    NotForKind {
        /// Which field.
        field: &'static str,
        /// Kind of the route.
        kind: RouteKind,
    },
    /// The user's matches and the managed route's exclude each other.
    #[error("no request can match both the rule and the managed route")]
    Never,
}

/// What a request must have, beside what the user's rule asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    headers: Vec<Header>,
    path: Option<Path>,
    method: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    name: String,
    test: Test,
}

/// A condition on a header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exact(String),
    /// The text before escaping and the expression.
    Prefix(String, String),
    Regex(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Path {
    Exact(String),
    Prefix(String),
    Regex(String),
}

impl Conditions {
    /// All headers of a `setHeaderRoute` step must match, as in the Go plugin (`pkg/plugin/httproute.go`
    /// `getHTTPHeaderRouteRuleList`).
    pub(super) fn of_headers(matches: &[HeaderRoutingMatch]) -> Result<Self, MatchProblem> {
        let mut conditions = Self::default();
        for condition in matches {
            let missing = || MatchProblem::NotOne {
                field: format!("headerValue of header {}", condition.header_name),
            };
            let value = condition.header_value.as_ref().ok_or_else(missing)?;
            conditions.add_header(&condition.header_name, value)?;
        }
        Ok(conditions)
    }

    /// One alternative of a `setMirrorRoute` step.
    pub(super) fn of_route(kind: RouteKind, route: &RouteMatch) -> Result<Self, MatchProblem> {
        let mut conditions = Self::default();
        for (name, value) in &route.headers {
            conditions.add_header(name, value)?;
        }
        if let Some(path) = &route.path {
            if kind != RouteKind::Http {
                return Err(MatchProblem::NotForKind { field: "path", kind });
            }
            conditions.path = Some(match one_of("match.path", path)? {
                Text::Exact(text) => Path::Exact(text.to_owned()),
                Text::Prefix(text) => Path::Prefix(text.to_owned()),
                Text::Regex(text) => Path::Regex(anchored("match.path", text)?),
            });
        }
        if let Some(method) = &route.method {
            if kind != RouteKind::Http {
                return Err(MatchProblem::NotForKind {
                    field: "method",
                    kind,
                });
            }
            let Text::Exact(method) = one_of("match.method", method)? else {
                return Err(MatchProblem::MethodNotExact);
            };
            conditions.method = Some(method.to_owned());
        }
        Ok(conditions)
    }

    fn add_header(&mut self, name: &str, value: &StringMatch) -> Result<(), MatchProblem> {
        if !is_header_name(name) {
            return Err(MatchProblem::HeaderName {
                name: name.to_owned(),
            });
        }
        let field = format!("headerValue of header {name}");
        let test = match one_of(&field, value)? {
            Text::Exact(text) => Test::Exact(text.to_owned()),
            Text::Prefix(text) => Test::Prefix(text.to_owned(), format!("^{}.*", escaped(text))),
            Text::Regex(text) => Test::Regex(anchored(&field, text)?),
        };
        let text = test.text();
        if !is_header_value(text) {
            return Err(MatchProblem::HeaderValue {
                name: name.to_owned(),
                value: text.to_owned(),
            });
        }
        match self
            .headers
            .iter_mut()
            .find(|known| known.name.eq_ignore_ascii_case(name))
        {
            None => self.headers.push(Header {
                name: name.to_owned(),
                test,
            }),
            Some(known) => {
                let both = known.test.and(&test).ok_or_else(|| MatchProblem::HeaderTwice {
                    name: name.to_owned(),
                })?;
                known.test = both.ok_or(MatchProblem::Never)?;
            }
        }
        Ok(())
    }

    /// The user's match with these conditions in addition; [`None`] where no request can satisfy both.
    pub(super) fn join(&self, user: &Value) -> Result<Option<Value>, MatchProblem> {
        let mut joined = user.as_object().cloned().unwrap_or_default();
        let fits =
            self.join_headers(&mut joined)? && self.join_path(&mut joined)? && self.join_method(&mut joined);
        Ok(fits.then(|| joined.into()))
    }

    fn join_headers(&self, joined: &mut Map<String, Value>) -> Result<bool, MatchProblem> {
        if self.headers.is_empty() {
            return Ok(true);
        }
        let mut headers = joined.remove("headers").and_then(|headers| match headers {
            Value::Array(headers) => Some(headers),
            _ => None,
        });
        let headers = headers.get_or_insert_default();
        for header in &self.headers {
            let same = |known: &&mut Value| {
                known["name"]
                    .as_str()
                    .is_some_and(|name| name.eq_ignore_ascii_case(&header.name))
            };
            match headers.iter_mut().find(same) {
                None => headers.push(header.test.to_match(&header.name)),
                Some(known) => {
                    let twice = || MatchProblem::HeaderTwice {
                        name: header.name.clone(),
                    };
                    let theirs = Test::from_match(known).ok_or_else(twice)?;
                    match theirs.and(&header.test).ok_or_else(twice)? {
                        None => return Ok(false),
                        Some(both) if both == theirs => {}
                        Some(both) => {
                            let name = known["name"].as_str().unwrap_or(&header.name).to_owned();
                            *known = both.to_match(&name);
                        }
                    }
                }
            }
        }
        joined.insert("headers".into(), std::mem::take(headers).into());
        Ok(true)
    }

    fn join_path(&self, joined: &mut Map<String, Value>) -> Result<bool, MatchProblem> {
        let Some(path) = &self.path else { return Ok(true) };
        let user = joined.get("path");
        let kind = user
            .and_then(|path| path["type"].as_str())
            .unwrap_or("PathPrefix");
        let value = user.and_then(|path| path["value"].as_str()).unwrap_or("/");
        let narrowed = match (kind, path) {
            ("PathPrefix", Path::Exact(exact)) if is_under(exact, value) => Some(("Exact", exact)),
            ("PathPrefix", Path::Prefix(prefix)) if is_under(prefix, value) => Some(("PathPrefix", prefix)),
            ("PathPrefix", Path::Prefix(prefix)) if is_under(value, prefix) => None,
            ("PathPrefix", Path::Regex(regex)) if value == "/" => Some(("RegularExpression", regex)),
            ("Exact", Path::Exact(exact)) if exact == value => None,
            ("Exact", Path::Prefix(prefix)) if is_under(value, prefix) => None,
            ("PathPrefix", Path::Exact(_) | Path::Prefix(_))
            | ("Exact", Path::Exact(_) | Path::Prefix(_)) => {
                return Ok(false);
            }
            ("RegularExpression", Path::Regex(regex)) if regex == value => None,
            _ => return Err(MatchProblem::PathTwice),
        };
        if let Some((kind, value)) = narrowed {
            joined.insert("path".into(), json!({"type": kind, "value": value}));
        }
        Ok(true)
    }

    fn join_method(&self, joined: &mut Map<String, Value>) -> bool {
        let Some(method) = &self.method else { return true };
        match joined.get("method").and_then(Value::as_str) {
            Some(known) => known == method,
            None => {
                joined.insert("method".into(), method.clone().into());
                true
            }
        }
    }
}

impl Test {
    fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(_, text) | Self::Regex(text) => text,
        }
    }

    fn to_match(&self, name: &str) -> Value {
        let kind = match self {
            Self::Exact(_) => "Exact",
            Self::Prefix(..) | Self::Regex(_) => "RegularExpression",
        };
        json!({"name": name, "type": kind, "value": self.text()})
    }

    fn from_match(header: &Value) -> Option<Self> {
        let value = header["value"].as_str()?.to_owned();
        match header.get("type").and_then(Value::as_str).unwrap_or("Exact") {
            "Exact" => Some(Self::Exact(value)),
            "RegularExpression" => Some(Self::Regex(value)),
            _ => None,
        }
    }

    /// Both at once: [`None`] where one expression cannot say it, `Some(None)` where nothing satisfies both.
    fn and(&self, other: &Self) -> Option<Option<Self>> {
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

enum Text<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Regex(&'a str),
}

fn one_of<'a>(field: &str, value: &'a StringMatch) -> Result<Text<'a>, MatchProblem> {
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
fn anchored(field: &str, expression: &str) -> Result<String, MatchProblem> {
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
    let is_whole = expression.starts_with('^')
        && expression.ends_with('$')
        && !expression.ends_with("\\$")
        && !expression.contains('|');
    match is_whole {
        true => Ok(expression.to_owned()),
        false => Ok(format!("^(?:{expression})$")),
    }
}

/// The text as an expression that matches just it (RE2 syntax, which gateways take).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a path lies under a prefix, by whole segments (Gateway API `PathMatchPathPrefix`).
fn is_under(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (1..=MAX_HEADER_NAME).contains(&name.len()) && name.chars().all(is_token)
}

/// The experimental HTTPRoute asks for `^[!-~]+([\t ]?[!-~]+)*$` whatever the type of the match.
fn is_header_value(value: &str) -> bool {
    value.len() <= MAX_HEADER_VALUE
        && !value.is_empty()
        && value
            .split([' ', '\t'])
            .all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: &str, text: &str) -> StringMatch {
        serde_json::from_value(json!({ kind: text })).unwrap()
    }

    fn header(name: &str, kind: &str, value: &str) -> HeaderRoutingMatch {
        HeaderRoutingMatch {
            header_name: name.into(),
            header_value: Some(text(kind, value)),
        }
    }

    fn joined(user: Value, conditions: &[HeaderRoutingMatch]) -> String {
        match Conditions::of_headers(conditions).and_then(|conditions| conditions.join(&user)) {
            Ok(Some(joined)) => joined.to_string(),
            Ok(None) => "never".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn header_values_are_escaped_and_anchored() {
        let value = |kind: &str, value: &str| {
            let json: Value = serde_json::from_str(&joined(json!({}), &[header("x", kind, value)])).unwrap();
            format!(
                "{} {}",
                json["headers"][0]["type"].as_str().unwrap(),
                json["headers"][0]["value"].as_str().unwrap()
            )
        };
        assert_eq!(value("exact", "v1.2"), "Exact v1.2");
        assert_eq!(value("prefix", "v1."), r"RegularExpression ^v1\..*");
        assert_eq!(value("prefix", "a+(b)"), r"RegularExpression ^a\+\(b\).*");
        assert_eq!(value("regex", "foo"), "RegularExpression ^(?:foo)$");
        assert_eq!(value("regex", "^foo$"), "RegularExpression ^foo$");
        assert_eq!(value("regex", "^a|b$"), "RegularExpression ^(?:^a|b$)$");
        assert_eq!(
            value("regex", r"^cost: 5\$"),
            r"RegularExpression ^(?:^cost: 5\$)$"
        );
    }

    #[test]
    fn a_header_is_never_matched_twice() {
        let user =
            |kind: &str, value: &str| json!({"headers": [{"name": "X-User", "type": kind, "value": value}]});
        let ours = |kind: &str, value: &str| [header("x-user", kind, value)];
        let cases = [
            (
                user("Exact", "a"),
                ours("exact", "a"),
                r#"{"headers":[{"name":"X-User","type":"Exact","value":"a"}]}"#,
            ),
            (user("Exact", "a"), ours("exact", "b"), "never"),
            (
                user("Exact", "abc"),
                ours("prefix", "a"),
                r#"{"headers":[{"name":"X-User","type":"Exact","value":"abc"}]}"#,
            ),
            (user("Exact", "abc"), ours("prefix", "b"), "never"),
            (
                user("Exact", "abc"),
                ours("regex", "a.*"),
                "the rule already matches header x-user by another expression",
            ),
            (
                user("RegularExpression", "a.*"),
                ours("exact", "abc"),
                "the rule already matches header x-user",
            ),
        ];
        for (user, ours, expected) in cases {
            let found = joined(user.clone(), &ours);
            assert!(found.starts_with(expected), "{user} + {ours:?}: {found}");
        }
        assert_eq!(
            joined(
                json!({}),
                &[header("a", "prefix", "v"), header("A", "prefix", "v1")]
            ),
            r#"{"headers":[{"name":"a","type":"RegularExpression","value":"^v1.*"}]}"#
        );
        assert_eq!(
            joined(
                json!({"method": "GET", "headers": [{"name": "t", "value": "1"}]}),
                &[header("u", "exact", "2")]
            ),
            r#"{"headers":[{"name":"t","value":"1"},{"name":"u","type":"Exact","value":"2"}],"method":"GET"}"#
        );
    }

    #[test]
    fn what_gateways_do_not_take_is_named() {
        let cases = [
            (
                header("x", "exact", ""),
                "headerValue of header x needs one of exact, prefix and regex",
            ),
            (
                HeaderRoutingMatch {
                    header_name: "x".into(),
                    header_value: None,
                },
                "needs one of",
            ),
            (header("", "exact", "a"), "headerName is \"\""),
            (header("x y", "exact", "a"), "headerName is \"x y\""),
            (header("x", "exact", "ü"), "the value of header x is \"ü\""),
            (
                header("x", "exact", "a  b"),
                "accepted are at most 4096 visible ASCII characters",
            ),
            (
                header("x", "regex", "a("),
                "headerValue of header x is not a regular expression that gateways take: ",
            ),
        ];
        for (condition, expected) in cases {
            let found = joined(json!({}), std::slice::from_ref(&condition));
            assert!(found.contains(expected), "{condition:?}: {found}");
        }
    }

    #[test]
    fn paths_and_methods_are_narrowed() {
        let user = |kind: &str, value: &str| json!({"path": {"type": kind, "value": value}});
        let cases = [
            (
                json!({}),
                json!({"path": {"prefix": "/a"}}),
                r#"{"path":{"type":"PathPrefix","value":"/a"}}"#,
            ),
            (
                user("PathPrefix", "/a"),
                json!({"path": {"prefix": "/"}}),
                r#"{"path":{"type":"PathPrefix","value":"/a"}}"#,
            ),
            (
                user("PathPrefix", "/a"),
                json!({"path": {"exact": "/a/b"}}),
                r#"{"path":{"type":"Exact","value":"/a/b"}}"#,
            ),
            (
                user("PathPrefix", "/a"),
                json!({"path": {"exact": "/ab"}}),
                "never",
            ),
            (user("Exact", "/a"), json!({"path": {"prefix": "/b"}}), "never"),
            (
                user("PathPrefix", "/a"),
                json!({"path": {"regex": "/.*"}}),
                "the rule already matches the path",
            ),
            (
                json!({}),
                json!({"path": {"regex": "/.*"}}),
                r#"{"path":{"type":"RegularExpression","value":"^(?:/.*)$"}}"#,
            ),
            (
                json!({}),
                json!({"method": {"exact": "GET"}}),
                r#"{"method":"GET"}"#,
            ),
            (
                json!({"method": "POST"}),
                json!({"method": {"exact": "GET"}}),
                "never",
            ),
            (
                json!({}),
                json!({"method": {"prefix": "P"}}),
                "match.method must be exact",
            ),
        ];
        for (user, ours, expected) in cases {
            let route: RouteMatch = serde_json::from_value(ours.clone()).unwrap();
            let found = match Conditions::of_route(RouteKind::Http, &route).and_then(|c| c.join(&user)) {
                Ok(Some(joined)) => joined.to_string(),
                Ok(None) => "never".into(),
                Err(error) => error.to_string(),
            };
            assert!(found.starts_with(expected), "{user} + {ours}: {found}");
        }
        let route: RouteMatch = serde_json::from_value(json!({"path": {"exact": "/"}})).unwrap();
        let error = Conditions::of_route(RouteKind::Grpc, &route)
            .unwrap_err()
            .to_string();
        assert_eq!(error, "match.path cannot be used with GRPCRoute");
    }
}
