//! The conditions of header and mirror routes, joined with the matches of a user's rule.

mod problem;
mod text;

use rollouts_plugin::types::{HeaderRoutingMatch, RouteMatch, StringMatch};
use serde_json::{Map, Value, json};

pub use self::problem::MatchProblem;
pub(super) use self::text::{Test, escaped};
use self::text::{Text, anchored, is_header_name, is_header_value, one_of};
use crate::RouteKind;

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

    /// A header, the `Cookie` header for one.
    pub(super) fn of_header(name: &str, test: Test) -> Self {
        Self {
            headers: vec![Header {
                name: name.to_owned(),
                test,
            }],
            ..Self::default()
        }
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

/// Whether a path lies under a prefix, by whole segments (Gateway API `PathMatchPathPrefix`).
fn is_under(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
