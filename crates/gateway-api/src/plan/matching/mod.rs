//! The conditions of header and mirror routes, joined with the matches of a user's rule.

mod problem;
mod text;

use rollouts_plugin::types::{HeaderRoutingMatch, RouteMatch, StringMatch};
use serde_json::{Map, Value, json};

pub use self::problem::MatchProblem;
use self::text::{
    MAX_QUERY_VALUE, METHODS, Text, anchored, checked, checked_path, is_header_name, is_header_value, one_of,
};
pub(super) use self::text::{Test, any_of, cookie, escaped};
use crate::RouteKind;
use crate::config::RequestMatch;

/// What a request must have, beside what the user's rule asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    headers: Vec<Named>,
    query_params: Vec<Named>,
    path: Option<Path>,
    method: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
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
            headers: vec![Named {
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
        conditions.set_path(kind, route.path.as_ref())?;
        conditions.set_method(kind, route.method.as_ref())?;
        Ok(conditions)
    }

    /// One alternative of the plugin's configuration.
    pub(super) fn of_request(kind: RouteKind, request: &RequestMatch) -> Result<Self, MatchProblem> {
        let mut conditions = Self::default();
        for (name, value) in &request.headers {
            conditions.add_header(name, value)?;
        }
        if let Some((name, value)) = &request.cookie {
            let value = match one_of(&format!("the value of cookie {name}"), value)? {
                Text::Exact(text) => escaped(text),
                Text::Prefix(text) => format!("{}[^;]*", escaped(text)),
                Text::Regex(text) => {
                    format!("(?:{})", checked(&format!("the value of cookie {name}"), text)?)
                }
            };
            let regex = StringMatch {
                regex: cookie(name, &value),
                ..StringMatch::default()
            };
            conditions.add_header("Cookie", &regex)?;
        }
        for (name, value) in &request.query_params {
            conditions.add_query_param(kind, name, value)?;
        }
        conditions.set_path(kind, request.path.as_ref())?;
        conditions.set_method(kind, request.method.as_ref())?;
        Ok(conditions)
    }

    fn set_path(&mut self, kind: RouteKind, path: Option<&StringMatch>) -> Result<(), MatchProblem> {
        let Some(path) = path else { return Ok(()) };
        http_only(kind, "path")?;
        self.path = Some(match one_of("match.path", path)? {
            Text::Exact(text) => Path::Exact(checked_path(text)?),
            Text::Prefix(text) => Path::Prefix(checked_path(text)?),
            Text::Regex(text) => Path::Regex(anchored("match.path", text)?),
        });
        Ok(())
    }

    fn set_method(&mut self, kind: RouteKind, method: Option<&StringMatch>) -> Result<(), MatchProblem> {
        let Some(method) = method else { return Ok(()) };
        http_only(kind, "method")?;
        let Text::Exact(method) = one_of("match.method", method)? else {
            return Err(MatchProblem::MethodNotExact);
        };
        if !METHODS.contains(&method) {
            return Err(MatchProblem::Method {
                found: method.to_owned(),
            });
        }
        self.method = Some(method.to_owned());
        Ok(())
    }

    fn add_query_param(
        &mut self,
        kind: RouteKind,
        name: &str,
        value: &StringMatch,
    ) -> Result<(), MatchProblem> {
        http_only(kind, "queryParams")?;
        let field = format!("the value of query parameter {name}");
        let test = Test::of(&field, value)?;
        if !is_header_name(name) || !(1..=MAX_QUERY_VALUE).contains(&test.text().len()) {
            return Err(MatchProblem::QueryParam {
                name: name.to_owned(),
                value: test.text().to_owned(),
            });
        }
        self.query_params.push(Named {
            name: name.to_owned(),
            test,
        });
        Ok(())
    }

    fn add_header(&mut self, name: &str, value: &StringMatch) -> Result<(), MatchProblem> {
        if !is_header_name(name) {
            return Err(MatchProblem::HeaderName {
                name: name.to_owned(),
            });
        }
        let field = format!("headerValue of header {name}");
        let test = Test::of(&field, value)?;
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
            None => self.headers.push(Named {
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
        let fits = join_all(&mut joined, Part::Headers, &self.headers)?
            && join_all(&mut joined, Part::QueryParams, &self.query_params)?
            && self.join_path(&mut joined)?
            && self.join_method(&mut joined);
        Ok(fits.then(|| joined.into()))
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

/// A part of a match that is a map by name.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Headers,
    QueryParams,
}

impl Part {
    fn field(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::QueryParams => "queryParams",
        }
    }

    fn is_same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Headers => one.eq_ignore_ascii_case(other),
            Self::QueryParams => one == other,
        }
    }

    fn twice(self, name: &str) -> MatchProblem {
        let name = name.to_owned();
        match self {
            Self::Headers => MatchProblem::HeaderTwice { name },
            Self::QueryParams => MatchProblem::QueryParamTwice { name },
        }
    }
}

/// Adds conditions to those of a user's match; false where no request can satisfy both.
fn join_all(joined: &mut Map<String, Value>, part: Part, conditions: &[Named]) -> Result<bool, MatchProblem> {
    if conditions.is_empty() {
        return Ok(true);
    }
    let mut list = match joined.remove(part.field()) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    for condition in conditions {
        let same = |known: &&mut Value| {
            known["name"]
                .as_str()
                .is_some_and(|name| part.is_same(name, &condition.name))
        };
        match list.iter_mut().find(same) {
            None => list.push(condition.test.to_match(&condition.name)),
            Some(known) => {
                let twice = || part.twice(&condition.name);
                let theirs = Test::from_match(known).ok_or_else(twice)?;
                match theirs.and(&condition.test).ok_or_else(twice)? {
                    None => return Ok(false),
                    Some(both) if both == theirs => {}
                    Some(both) => {
                        let name = known["name"].as_str().unwrap_or(&condition.name).to_owned();
                        *known = both.to_match(&name);
                    }
                }
            }
        }
    }
    joined.insert(part.field().into(), list.into());
    Ok(true)
}

fn http_only(kind: RouteKind, field: &'static str) -> Result<(), MatchProblem> {
    match kind {
        RouteKind::Http => Ok(()),
        kind => Err(MatchProblem::NotForKind { field, kind }),
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
