//! The same query for another scope.

use std::collections::HashMap;

use serde_json::Value;

use super::{Ask, formula};
use crate::config::{Compare, NamedQuery, Scalar};

/// What stands for the scope in a query that says itself where it belongs.
const PLACE: &str = "$scope";

/// The queries narrowed to a scope, such as `version:v2`.
///
/// Where a text has `$scope`, the scope stands in its place. Otherwise a metrics query gets it in every filter
/// (`{*}` becomes `{version:v2}`, `{a:b}` becomes `{a:b,version:v2}`), an event query in its search, an APM or SLO
/// query in its filter.
pub fn scoped(scalar: &Scalar, scope: &str) -> Scalar {
    let queries = scalar.queries.iter().map(|query| one(query, scope)).collect();
    Scalar {
        queries,
        ..scalar.clone()
    }
}

/// Both sides of a comparison as one ask: the formula for the canary, for the baseline, and where samples are counted
/// the counts of both. Equal asks of others share the request.
pub fn plan_comparison(scalar: &Scalar, compare: &Compare) -> Ask {
    let mut ask = Ask {
        queries: Vec::new(),
        formulas: Vec::new(),
        grouped: false,
    };
    let mut counts = Vec::new();
    for (side, scope) in [("canary", &compare.canary), ("baseline", &compare.baseline)] {
        let own = Ask::of(&scoped(scalar, scope));
        let names: Vec<(String, String)> = own
            .queries
            .iter()
            .map(|(name, _)| (name.clone(), format!("{side}_{name}")))
            .collect();
        let renames: HashMap<&str, &str> = names
            .iter()
            .map(|(old, new)| (old.as_str(), new.as_str()))
            .collect();
        let mut formulas = match own.formulas.is_empty() {
            true => vec![names[0].1.clone()],
            // A formula that cannot be read was refused with the configuration.
            false => own
                .formulas
                .iter()
                .map(|text| formula::renamed(text, &renames).unwrap_or_default())
                .collect(),
        };
        if scalar.guard.is_some() {
            counts.extend(formulas.pop());
        }
        ask.formulas.append(&mut formulas);
        ask.queries.extend(
            own.queries
                .into_iter()
                .zip(names)
                .map(|((_, body), (_, name))| (name, body)),
        );
    }
    ask.formulas.append(&mut counts);
    ask
}

fn one(query: &NamedQuery, scope: &str) -> NamedQuery {
    let mut body = Value::Object(query.body.clone());
    if body.to_string().contains(PLACE) {
        replace(&mut body, scope);
    } else if let Some(text) = body.get("query").and_then(Value::as_str) {
        body["query"] = in_filters(text, scope).into();
    } else {
        let field = match body
            .get("data_source")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            "slo" => "additional_query_filters",
            "apm_metrics" => "query_filter",
            "process" | "container" => "tag_filters",
            _ => "search",
        };
        if field == "tag_filters" {
            let tags = scope.split(',').map(|tag| Value::from(tag.trim()));
            match body.get_mut(field).and_then(Value::as_array_mut) {
                Some(filters) => filters.extend(tags),
                None => body[field] = tags.collect(),
            }
        } else if field == "search" {
            let search = body
                .get("search")
                .and_then(|search| search.get("query"))
                .and_then(Value::as_str)
                .unwrap_or("*");
            body["search"] = serde_json::json!({ "query": and(search, scope) });
        } else {
            let filter = body.get(field).and_then(Value::as_str).unwrap_or("*");
            body[field] = and(filter, scope).into();
        }
    }
    let Value::Object(body) = body else {
        unreachable!("an object stays one")
    };
    NamedQuery {
        name: query.name.clone(),
        body,
    }
}

fn replace(value: &mut Value, scope: &str) {
    match value {
        Value::String(text) => *text = text.replace(PLACE, scope),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, scope)),
        Value::Object(entries) => entries.values_mut().for_each(|value| replace(value, scope)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a filter has a word of logic, in whatever case.
fn has_boolean(filter: &str) -> bool {
    let filter = filter.to_ascii_uppercase();
    [" AND ", " OR ", " IN ", "NOT "]
        .iter()
        .any(|word| filter.contains(word))
}

/// A search narrowed by a scope.
fn and(search: &str, scope: &str) -> String {
    // Without brackets AND would bind first.
    let bracketed = |text: &str| match has_boolean(text) {
        true => format!("({text})"),
        false => text.to_owned(),
    };
    match search.trim() {
        "" | "*" => scope.to_owned(),
        search => format!("{} {}", bracketed(search), bracketed(scope)),
    }
}

/// A classic metrics query with the scope in each of its filters, but not in `by {…}`.
fn in_filters(query: &str, scope: &str) -> String {
    let mut text = String::with_capacity(query.len() + scope.len() + 2);
    let mut rest = query;
    while let Some(open) = rest.find('{') {
        let (before, inside) = rest.split_at(open);
        let Some(close) = inside.find('}') else { break };
        text.push_str(before);
        let filter = &inside[1..close];
        let groups =
            before.trim_end().ends_with(" by") || before.trim_end().ends_with("}by") || before.trim() == "by";
        text.push('{');
        text.push_str(&match filter.trim() {
            _ if groups => filter.to_owned(),
            "" | "*" => scope.to_owned(),
            filter if has_boolean(filter) || has_boolean(scope) => {
                format!("({filter}) AND ({})", scope.replace(',', " AND "))
            }
            filter => format!("{filter},{scope}"),
        });
        text.push('}');
        rest = &inside[close + 1..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Config, Source};

    #[test]
    fn every_filter_gets_the_scope() {
        for (query, expected) in [
            ("avg:a{*}", "avg:a{version:2}"),
            ("avg:a{x:1,y:2} by {host}", "avg:a{x:1,y:2,version:2} by {host}"),
            (
                "sum:a{x:1}by{b}/sum:b{}",
                "sum:a{x:1,version:2}by{b}/sum:b{version:2}",
            ),
            ("avg:a{x:1 OR x:2}", "avg:a{(x:1 OR x:2) AND (version:2)}"),
            ("avg:a{}", "avg:a{version:2}"),
            ("avg:a{", "avg:a{"),
        ] {
            assert_eq!(in_filters(query, "version:2"), expected);
        }
    }

    /// `service:web version:1 OR version:2` counted version 2 of every service.
    #[test]
    fn a_scope_with_words_of_logic_stays_together() {
        let scope = "version:1 OR version:2";
        assert_eq!(
            in_filters("avg:a{x:1}", scope),
            "avg:a{(x:1) AND (version:1 OR version:2)}"
        );
        assert_eq!(in_filters("avg:a{*}", scope), "avg:a{version:1 OR version:2}");
        assert_eq!(and("service:web", scope), "service:web (version:1 OR version:2)");
        assert_eq!(and("a:1 or b:2", "version:2"), "(a:1 or b:2) version:2");
        assert_eq!(and("*", scope), scope);
    }

    #[test]
    fn both_sides_in_one_ask() {
        let block = json!({
            "queries": {"a": "sum:errors{*}", "b": "sum:hits{*}"},
            "formula": "a / b",
            "minSamples": {"formula": "b", "atLeast": 10},
            "compare": {"canary": "version:2", "baseline": "version:1"},
        });
        let Source::Compare(scalar, compare) = Config::parse(&block).unwrap().source else {
            panic!()
        };
        let ask = plan_comparison(&scalar, &compare);
        assert_eq!(
            ask.formulas,
            [
                "canary_a / canary_b",
                "baseline_a / baseline_b",
                "canary_b",
                "baseline_b"
            ]
        );
        assert_eq!(ask.queries[3].1["query"], "sum:hits{version:1}");
    }

    #[test]
    fn other_sources_and_places() {
        let block = json!({
            "queries": {
                "logs": {"source": "logs", "search": "status:error OR status:warn", "compute": "count"},
                "apm": {"source": "apm_metrics", "stat": "errors", "service": "web"},
                "own": "avg:a{x:1 AND ($scope)}",
            },
            "formula": "logs + apm + own",
        });
        let Source::Scalar(scalar) = Config::parse(&block).unwrap().source else {
            panic!()
        };
        let queries = scoped(&scalar, "version:2").queries;
        let body = |name: &str| {
            Value::Object(
                queries
                    .iter()
                    .find(|query| query.name == name)
                    .unwrap()
                    .body
                    .clone(),
            )
        };
        assert_eq!(
            body("logs")["search"]["query"],
            "(status:error OR status:warn) version:2"
        );
        assert_eq!(body("apm")["query_filter"], "version:2");
        assert_eq!(body("own")["query"], "avg:a{x:1 AND (version:2)}");
    }
}
