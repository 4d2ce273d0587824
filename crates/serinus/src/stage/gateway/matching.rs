//! Which rule serves a request: the matches of all routes, in the Gateway API's order of precedence. Pure.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, Method, Uri};
use regex::Regex;

use super::route::{self, HttpRoute};

/// A request, as far as a match can see it.
#[derive(Debug)]
pub struct Head<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path and query.
    pub uri: &'a Uri,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Host without port.
    pub host: &'a str,
}

/// One match of one rule, for one host.
#[derive(Debug)]
pub(super) struct Entry {
    /// Entries sorted by this are in order: the first that matches serves the request.
    pub(super) precedence: Precedence,
    host: Host,
    path: Path,
    method: Option<Method>,
    headers: Vec<(HeaderName, Text)>,
    query: Vec<(String, Text)>,
    /// Place of the rule in the table.
    pub(super) rule: usize,
}

/// Smaller comes first. The order is the Gateway API's (HTTPRouteRule.matches): the more specific host, an exact
/// path, the longer prefix, a method, more headers, more query parameters; then the older route, its name, and the
/// order of rules and matches within it. For regular expressions of paths the API leaves the place open; here they
/// come between exact and prefix, as in Envoy Gateway.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence {
    host: (u8, Reverse<usize>),
    path: (u8, Reverse<usize>),
    no_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    route: (String, String, String),
    place: (usize, usize),
}

#[derive(Debug, Clone)]
enum Host {
    Any,
    Exact(String),
    /// `*.example.com` keeps `.example.com`.
    Suffix(String),
}

#[derive(Debug)]
enum Path {
    Exact(String),
    Prefix(String),
    Regex(Regex),
}

#[derive(Debug)]
enum Text {
    Exact(String),
    Regex(Regex),
}

impl Entry {
    /// The entries of a rule that stands at `place` in the table.
    pub(super) fn of_rule(
        route: &HttpRoute,
        index: usize,
        rule: &route::Rule,
        place: usize,
    ) -> Result<Vec<Self>, String> {
        let meta = &route.metadata;
        let any = [String::new()];
        let hosts = if route.spec.hostnames.is_empty() {
            &any[..]
        } else {
            &route.spec.hostnames
        };
        let anything = [route::Match::default()];
        let matches = if rule.matches.is_empty() {
            &anything[..]
        } else {
            &rule.matches
        };
        let mut entries = Vec::new();
        for host in hosts.iter().map(|h| Host::parse(h)) {
            for (j, one) in matches.iter().enumerate() {
                let at = |what: &str, e: String| format!("matches[{j}].{what}: {e}");
                let path = Path::parse(one.path.as_ref()).map_err(|e| at("path", e))?;
                let mut headers = Vec::new();
                for (k, test) in one.headers.iter().enumerate() {
                    let name = test
                        .name
                        .parse()
                        .map_err(|_| at("headers", format!("[{k}].name {:?} is not a header", test.name)))?;
                    headers.push((
                        name,
                        Text::parse(test).map_err(|e| at("headers", format!("[{k}]: {e}")))?,
                    ));
                }
                let mut query = Vec::new();
                for (k, test) in one.query_params.iter().enumerate() {
                    query.push((
                        test.name.clone(),
                        Text::parse(test).map_err(|e| at("queryParams", format!("[{k}]: {e}")))?,
                    ));
                }
                let method = one.method.as_ref().map(|m| m.parse()).transpose();
                let method: Option<Method> = method.map_err(|_| at("method", format!("{:?}", one.method)))?;
                let precedence = Precedence {
                    host: host.precedence(),
                    path: path.precedence(),
                    no_method: method.is_none(),
                    headers: Reverse(headers.len()),
                    query: Reverse(query.len()),
                    route: (
                        meta.creation_timestamp.clone(),
                        meta.namespace.clone(),
                        meta.name.clone(),
                    ),
                    place: (index, j),
                };
                entries.push(Self {
                    precedence,
                    host: host.clone(),
                    path,
                    method,
                    headers,
                    query,
                    rule: place,
                });
            }
        }
        Ok(entries)
    }

    /// Whether the request is one of these.
    pub(super) fn matches(&self, head: &Head<'_>) -> bool {
        self.host.matches(head.host)
            && self.path.matches(head.uri.path())
            && self.method.as_ref().is_none_or(|m| m == head.method)
            && self
                .headers
                .iter()
                .all(|(name, value)| header(head.headers, name).is_some_and(|v| value.matches(&v)))
            && self
                .query
                .iter()
                .all(|(name, value)| parameter(head.uri, name).is_some_and(|v| value.matches(v)))
    }
}

impl Host {
    fn parse(host: &str) -> Self {
        match host.strip_prefix('*') {
            _ if host.is_empty() || host == "*" => Self::Any,
            Some(suffix) => Self::Suffix(suffix.to_ascii_lowercase()),
            None => Self::Exact(host.to_ascii_lowercase()),
        }
    }

    fn matches(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match self {
            Self::Any => true,
            Self::Exact(h) => *h == host,
            Self::Suffix(h) => host.len() > h.len() && host.ends_with(h),
        }
    }

    fn precedence(&self) -> (u8, Reverse<usize>) {
        match self {
            Self::Exact(h) => (0, Reverse(h.len())),
            Self::Suffix(h) => (1, Reverse(h.len())),
            Self::Any => (2, Reverse(0)),
        }
    }
}

impl Path {
    fn parse(test: Option<&route::Test>) -> Result<Self, String> {
        let Some(test) = test else {
            return Ok(Self::Prefix("/".to_owned()));
        };
        match test.kind.as_str() {
            "Exact" => Ok(Self::Exact(test.value.clone())),
            "PathPrefix" => Ok(Self::Prefix(test.value.clone())),
            "RegularExpression" => full_match(&test.value).map(Self::Regex),
            other => Err(format!(
                "type {other:?} is none of Exact, PathPrefix, RegularExpression"
            )),
        }
    }

    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(p) => p == path,
            // Whole path elements: /abc matches /abc, /abc/ and /abc/def, and not /abcd.
            Self::Prefix(p) => {
                let p = p.trim_end_matches('/');
                path.strip_prefix(p)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(r) => r.is_match(path),
        }
    }

    fn precedence(&self) -> (u8, Reverse<usize>) {
        match self {
            Self::Exact(p) => (0, Reverse(p.len())),
            Self::Regex(r) => (1, Reverse(r.as_str().len())),
            Self::Prefix(p) => (2, Reverse(p.len())),
        }
    }
}

impl Text {
    fn parse(test: &route::NamedTest) -> Result<Self, String> {
        match test.kind.as_str() {
            "Exact" => Ok(Self::Exact(test.value.clone())),
            "RegularExpression" => full_match(&test.value).map(Self::Regex),
            other => Err(format!("type {other:?} is none of Exact, RegularExpression")),
        }
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(v) => v == value,
            Self::Regex(r) => r.is_match(value),
        }
    }
}

/// A regular expression over the whole value, as Envoy means it (`RegexMatcher`: full match). Gateways that search
/// instead find more; a route that anchors itself means the same on both.
fn full_match(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|e| format!("invalid regular expression {pattern:?}: {e}"))
}

/// All values of a header as one, as RFC 9110 §5.3 (and for cookies RFC 6265 §5.4) joins them.
fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers
        .get_all(name)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()));
    let first = values.next()?.into_owned();
    let separator = if name == http::header::COOKIE { "; " } else { "," };
    Some(values.fold(first, |all, next| all + separator + &next))
}

/// The first value of a query parameter, as it stands in the URL.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri
        .query()?
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .into_iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}
