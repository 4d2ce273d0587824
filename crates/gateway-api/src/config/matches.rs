//! `managedRoutes`: what requests a managed route takes, beyond what a Rollout's steps can say.

use std::collections::BTreeMap;

use rollouts_plugin::types::StringMatch;
use serde_json::Value;

use super::ConfigError;
use super::affinity::is_token;
use super::fields::{Fields, wrong_type};

/// A managed route whose match is the plugin's configuration rather than the step's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMatches {
    /// Name of the managed route.
    pub name: String,
    /// Alternatives, at least one; a request that meets one of them belongs to the route.
    pub matches: Vec<RequestMatch>,
}

/// What a request must have; all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestMatch {
    /// Headers by name.
    pub headers: BTreeMap<String, StringMatch>,
    /// A cookie and its value. One header carries all cookies, and a header can be matched only once.
    pub cookie: Option<(String, StringMatch)>,
    /// Query parameters by name.
    pub query_params: BTreeMap<String, StringMatch>,
    /// The path.
    pub path: Option<StringMatch>,
    /// The method.
    pub method: Option<StringMatch>,
}

impl RouteMatches {
    /// Reads the list; each name once.
    pub(super) fn parse_all(path: &str, list: &[Value]) -> Result<Vec<Self>, ConfigError> {
        let mut all: Vec<Self> = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let route = Self::parse(path.clone(), value)?;
            if all.iter().any(|known| known.name == route.name) {
                return Err(ConfigError::Invalid {
                    path: format!("{path}.name"),
                    value: format!("{:?}", route.name),
                    accepted: "each name once, with several entries in its match",
                });
            }
            all.push(route);
        }
        Ok(all)
    }

    fn parse(path: String, value: &Value) -> Result<Self, ConfigError> {
        let mut fields = Fields::new(path, value)?;
        let missing = |path| ConfigError::Missing { path };
        let name = fields
            .text("name")?
            .ok_or_else(|| missing(fields.path_of("name")))?
            .to_owned();
        let matches_path = fields.path_of("match");
        let list = fields.list("match")?;
        fields.finish()?;
        if list.is_empty() {
            return Err(missing(matches_path));
        }
        let one = |(index, value)| RequestMatch::parse(format!("{matches_path}[{index}]"), value);
        let matches = list.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Self { name, matches })
    }
}

impl RequestMatch {
    fn parse(path: String, value: &Value) -> Result<Self, ConfigError> {
        let mut fields = Fields::new(path.clone(), value)?;
        let headers = texts(&mut fields, "headers")?;
        let cookies = texts(&mut fields, "cookies")?;
        let query_params = texts(&mut fields, "queryParams")?;
        let request_path = one_text(&mut fields, "path")?;
        let method = one_text(&mut fields, "method")?;
        let cookies_path = fields.path_of("cookies");
        fields.finish()?;
        let names = cookies.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>();
        let invalid = |accepted| ConfigError::Invalid {
            path: cookies_path.clone(),
            value: names.join(", "),
            accepted,
        };
        if names.len() > 1 {
            return Err(invalid(
                "one cookie: all arrive in one header, which can be matched once",
            ));
        }
        if cookies.keys().any(|name| !is_token(name)) {
            return Err(invalid(
                "the name of a cookie: letters, digits and !#$%&'*+-.^_`|~",
            ));
        }
        let found = Self {
            headers,
            cookie: cookies.into_iter().next(),
            query_params,
            path: request_path,
            method,
        };
        match found == Self::default() {
            true => Err(ConfigError::Invalid {
                path,
                value: value.to_string(),
                accepted: "at least one of headers, cookies, queryParams, path, method",
            }),
            false => Ok(found),
        }
    }
}

/// Names with what their values must be.
fn texts(fields: &mut Fields<'_>, field: &'static str) -> Result<BTreeMap<String, StringMatch>, ConfigError> {
    let path = fields.path_of(field);
    let entries = match fields.value(field) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(entries)) => entries,
        Some(other) => return Err(wrong_type(path, "an object of names and values", other)),
    };
    let entry =
        |(name, value): (&String, &Value)| Ok((name.clone(), text(format!("{path}[{name:?}]"), value)?));
    entries.iter().map(entry).collect()
}

fn one_text(fields: &mut Fields<'_>, field: &'static str) -> Result<Option<StringMatch>, ConfigError> {
    let path = fields.path_of(field);
    fields.value(field).map(|value| text(path, value)).transpose()
}

/// As in the Rollout's own steps: one of `exact`, `prefix` and `regex`.
fn text(path: String, value: &Value) -> Result<StringMatch, ConfigError> {
    let mut fields = Fields::new(path.clone(), value)?;
    let found = StringMatch {
        exact: fields.text("exact")?.unwrap_or_default().to_owned(),
        prefix: fields.text("prefix")?.unwrap_or_default().to_owned(),
        regex: fields.text("regex")?.unwrap_or_default().to_owned(),
    };
    fields.finish()?;
    let set = [&found.exact, &found.prefix, &found.regex]
        .into_iter()
        .filter(|text| !text.is_empty());
    match set.count() {
        1 => Ok(found),
        _ => Err(ConfigError::Invalid {
            path,
            value: value.to_string(),
            accepted: "one of exact, prefix and regex",
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: Value) -> Result<Vec<RouteMatches>, String> {
        RouteMatches::parse_all("managedRoutes", value.as_array().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn alternatives_are_read() {
        let routes = parse(json!([{"name": "dark", "match": [
            {"cookies": {"beta": {"exact": "yes"}}, "method": {"exact": "GET"}},
            {"queryParams": {"preview": {"prefix": "1"}}, "headers": {"x": {"regex": "a"}}, "path": {"prefix": "/api"}}]}]))
        .unwrap();
        let [first, second] = routes[0].matches.as_slice() else {
            panic!("{routes:?}")
        };
        assert_eq!(
            first
                .cookie
                .as_ref()
                .map(|(name, value)| (name.as_str(), value.exact.as_str())),
            Some(("beta", "yes"))
        );
        assert_eq!(second.query_params["preview"].prefix, "1");
    }

    #[test]
    fn what_cannot_be_matched_is_named() {
        let with = |one: Value| json!([{"name": "dark", "match": [one]}]);
        let cases = [
            (json!([{"match": []}]), "managedRoutes[0].name is missing"),
            (json!([{"name": "a"}]), "managedRoutes[0].match is missing"),
            (
                json!([{"name": "a", "matches": []}]),
                "managedRoutes[0].matches is not a known field, did you mean match?",
            ),
            (
                with(json!({})),
                "managedRoutes[0].match[0] is {}, accepted is at least one of headers",
            ),
            (with(json!({"queryParam": {}})), "did you mean queryParams?"),
            (
                with(json!({"headers": []})),
                "managedRoutes[0].match[0].headers must be an object of names and values",
            ),
            (
                with(json!({"headers": {"x": "1"}})),
                "managedRoutes[0].match[0].headers[\"x\"] must be an object",
            ),
            (
                with(json!({"headers": {"x": {"exact": "1", "prefix": "2"}}})),
                "accepted is one of exact, prefix and regex",
            ),
            (
                with(json!({"method": {"exact": ""}})),
                "managedRoutes[0].match[0].method is {\"exact\":\"\"}",
            ),
            (
                with(json!({"cookies": {"a": {"exact": "1"}, "b": {"exact": "1"}}})),
                "managedRoutes[0].match[0].cookies is \"a\", \"b\", accepted is one cookie",
            ),
            (
                with(json!({"cookies": {"a b": {"exact": "1"}}})),
                "managedRoutes[0].match[0].cookies is \"a b\", accepted is the name of a cookie: letters, digits",
            ),
            (
                json!([{"name": "a", "match": [{"method": {"exact": "GET"}}]}, {"name": "a", "match": [{"method": {"exact": "PUT"}}]}]),
                "managedRoutes[1].name is \"a\", accepted is each name once",
            ),
        ];
        for (value, expected) in cases {
            let error = parse(value.clone()).unwrap_err();
            assert!(error.contains(expected), "{value}: {error}");
        }
    }
}
