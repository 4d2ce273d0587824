//! A small gateway: which backend a request reaches, and what the response sets, by the rules of an HTTPRoute.

use serde_json::Value;

use super::super::view::{backends, list, weight};

/// What a gateway needs of a request: its headers, by lower-case name. Path and method are those of every request here.
pub(super) struct Request<'a> {
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'a str, String)],
}

pub(super) struct Response<'a> {
    pub(super) backend: &'a str,
    /// Name and value of each cookie that is set.
    pub(super) cookies: Vec<(&'a str, &'a str)>,
}

/// A route with its expressions compiled.
pub(super) struct Gateway {
    rules: Vec<Rule>,
}

struct Rule {
    rule: Value,
    matches: Vec<Match>,
}

struct Match {
    path: (String, String),
    headers: Vec<(String, regex::Regex)>,
}

impl Gateway {
    pub(super) fn new(route: &Value) -> Self {
        let rule = |rule: &Value| Rule {
            rule: rule.clone(),
            matches: match list(rule, "matches") {
                [] => vec![Match::of(&Value::Null)],
                matches => matches.iter().map(Match::of).collect(),
            },
        };
        Self {
            rules: list(&route["spec"], "rules").iter().map(rule).collect(),
        }
    }

    /// Serves a request; `chance` from 0 to 1 decides between backends.
    pub(super) fn serve(&self, request: &Request<'_>, chance: f64) -> Option<Response<'_>> {
        let fitting = self.rules.iter().flat_map(|rule| {
            let fits = rule.matches.iter().filter(|one| one.fits(request));
            fits.map(move |one| (rule, (one.path.0 == "Exact", one.path.1.len(), one.headers.len())))
        });
        // Of equal ones the first, as `HTTPRouteRule.matches` asks.
        let (rule, _) = fitting.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        let sum = backends(&rule.rule).iter().map(weight).sum::<u64>();
        let mut left = (chance * sum as f64) as u64;
        let backend =
            backends(&rule.rule)
                .iter()
                .find(|backend| match left.checked_sub(weight(backend)) {
                    Some(rest) => {
                        left = rest;
                        false
                    }
                    None => true,
                })?;
        let filters = list(backend, "filters")
            .iter()
            .filter_map(|filter| filter.get("responseHeaderModifier"));
        let cookies = filters
            .flat_map(|headers| list(headers, "add"))
            .filter(|header| header["name"] == "Set-Cookie")
            .filter_map(|header| header["value"].as_str()?.split(';').next()?.split_once('='));
        Some(Response {
            backend: backend["name"].as_str()?,
            cookies: cookies.collect(),
        })
    }
}

impl Match {
    fn of(one: &Value) -> Self {
        let text =
            |value: &Value, field: &str, default: &str| value[field].as_str().unwrap_or(default).to_owned();
        let header = |header: &Value| {
            let value = text(header, "value", "");
            let pattern = match header["type"].as_str() {
                Some("RegularExpression") => value,
                _ => regex::escape(&value),
            };
            let whole = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            (text(header, "name", "").to_lowercase(), whole)
        };
        Self {
            path: (
                text(&one["path"], "type", "PathPrefix"),
                text(&one["path"], "value", "/"),
            ),
            headers: list(one, "headers").iter().map(header).collect(),
        }
    }

    fn fits(&self, request: &Request<'_>) -> bool {
        let path = match self.path.0.as_str() {
            "Exact" => request.path == self.path.1,
            _ => request.path.starts_with(self.path.1.trim_end_matches('/')),
        };
        path && self.headers.iter().all(|(name, value)| {
            request
                .headers
                .iter()
                .any(|(header, text)| header == name && value.is_match(text))
        })
    }
}
