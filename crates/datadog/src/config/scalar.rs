//! `query`, `queries`, `formula`, `formulas`, `aggregator`: what the scalar endpoint is asked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Fields, nearest, wrong_type};
use super::{ConfigError, SampleGuard};
use crate::plan::formula;

/// Queries and what is made of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Queries, by name.
    pub queries: Vec<NamedQuery>,
    /// The results.
    pub formulas: Formulas,
    /// A formula that counts samples; one more column of the answer.
    pub guard: Option<String>,
}

/// A query of any data source.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedQuery {
    /// Its name in formulas.
    pub name: String,
    /// Everything else, as Datadog takes it: `data_source` and what goes with it.
    pub body: Map<String, Value>,
}

/// The results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formulas {
    /// The only query itself.
    Query,
    /// One formula: `result` is its value.
    One(String),
    /// Several: `result.<name>` is its value.
    Named(BTreeMap<String, String>),
}

impl Scalar {
    /// Whether an answer has a value a group.
    pub fn is_grouped(&self) -> bool {
        self.queries.iter().any(NamedQuery::is_grouped)
    }
}

impl NamedQuery {
    /// Whether the query asks for a value a group: `… by {tag}` of a metrics query, or `group_by`.
    pub fn is_grouped(&self) -> bool {
        let listed = match self.body.get("group_by") {
            Some(Value::Array(list)) => !list.is_empty(),
            Some(Value::Null) | None => false,
            Some(_) => true,
        };
        let query = self.body.get("query").and_then(Value::as_str).unwrap_or_default();
        listed || formula::groups_of_metric_query(query)
    }

    /// The query in one line, for metadata.
    pub fn text(&self) -> String {
        match (
            self.body.get("data_source").and_then(Value::as_str),
            self.body.get("query").and_then(Value::as_str),
        ) {
            (Some("metrics"), Some(query)) => query.to_owned(),
            _ => Value::Object(self.body.clone()).to_string(),
        }
    }
}

/// Every `data_source` of the scalar endpoint, and the field that carries what is asked (datadog-api-client 0.38,
/// `ScalarQuery` and its eight variants).
pub const DATA_SOURCES: [(&str, &str); 23] = [
    ("metrics", "query"),
    ("cloud_cost", "query"),
    ("logs", "compute"),
    ("spans", "compute"),
    ("network", "compute"),
    ("rum", "compute"),
    ("security_signals", "compute"),
    ("profiles", "compute"),
    ("audit", "compute"),
    ("events", "compute"),
    ("ci_tests", "compute"),
    ("ci_pipelines", "compute"),
    ("incident_analytics", "compute"),
    ("product_analytics", "compute"),
    ("on_call_events", "compute"),
    ("dora", "compute"),
    ("error_tracking", "compute"),
    ("apm_resource_stats", "stat"),
    ("apm_metrics", "stat"),
    ("apm_dependency_stats", "stat"),
    ("slo", "measure"),
    ("process", "metric"),
    ("container", "metric"),
];

/// Aggregators of metrics queries (`MetricsAggregator`; the server also names stddev, argo-rollouts #3707).
const AGGREGATORS: [(&str, &str); 10] = [
    ("avg", "avg"),
    ("min", "min"),
    ("max", "max"),
    ("sum", "sum"),
    ("last", "last"),
    ("percentile", "percentile"),
    ("mean", "mean"),
    ("l2norm", "l2norm"),
    ("area", "area"),
    ("stddev", "stddev"),
];

pub(super) fn aggregator(fields: &mut Fields<'_>) -> Result<Option<&'static str>, ConfigError> {
    fields.word("aggregator", &AGGREGATORS)
}

/// Reads `queries`: texts as the controller's own provider has them, or objects as Datadog's API has them.
pub(super) fn queries(
    fields: &mut Fields<'_>,
    aggregator: Option<&str>,
) -> Result<Vec<NamedQuery>, ConfigError> {
    let Some(value) = fields.value("queries") else {
        return Ok(Vec::new());
    };
    let Value::Object(queries) = value else {
        return Err(wrong_type("queries".to_owned(), "queries by name", value));
    };
    queries
        .iter()
        .map(|(name, value)| query(name, value, aggregator))
        .collect()
}

fn query(name: &str, value: &Value, aggregator: Option<&str>) -> Result<NamedQuery, ConfigError> {
    let path = format!("queries.{name}");
    if !formula::is_name(name) {
        let problem = "a name has letters, digits and underscores and begins with a letter, so that formulas can use it";
        return Err(ConfigError::rule(path, problem));
    }
    match value {
        Value::String(text) if text.trim().is_empty() => {
            Err(ConfigError::rule(path, "it is empty; write a query"))
        }
        Value::String(text) => Ok(metrics(name, text, aggregator)),
        Value::Object(given) => object(name, &path, given, aggregator),
        other => Err(wrong_type(
            path,
            "a metrics query as text, or an object with data_source",
            other,
        )),
    }
}

/// A query of the classic kind. Go: `buildQueriesPayload`; an absent aggregator is `last`.
fn metrics(name: &str, query: &str, aggregator: Option<&str>) -> NamedQuery {
    let mut body = Map::new();
    body.insert("aggregator".to_owned(), aggregator.unwrap_or("last").into());
    body.insert("data_source".to_owned(), "metrics".into());
    body.insert("query".to_owned(), query.into());
    NamedQuery {
        name: name.to_owned(),
        body,
    }
}

fn object(
    name: &str,
    path: &str,
    given: &Map<String, Value>,
    aggregator: Option<&str>,
) -> Result<NamedQuery, ConfigError> {
    let mut body = given.clone();
    for (ours, theirs) in [
        ("source", "data_source"),
        ("dataSource", "data_source"),
        ("groupBy", "group_by"),
    ] {
        if let Some(value) = body.remove(ours)
            && body.insert(theirs.to_owned(), value).is_some()
        {
            return Err(ConfigError::rule(
                format!("{path}.{ours}"),
                format!("{theirs} is given as well; keep one of them"),
            ));
        }
    }
    if body.contains_key("name") {
        return Err(ConfigError::rule(
            format!("{path}.name"),
            format!("the name is {name}, the key; remove it"),
        ));
    }
    let source = body.entry("data_source").or_insert_with(|| "metrics".into());
    let Some(source) = source.as_str().map(str::to_owned) else {
        return Err(wrong_type(format!("{path}.data_source"), "a string", source));
    };
    let names: Vec<&str> = DATA_SOURCES.iter().map(|(name, _)| *name).collect();
    let Some((_, needed)) = DATA_SOURCES.iter().find(|(name, _)| *name == source) else {
        let near = nearest(&source, &names)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        return Err(wrong_type(
            format!("{path}.data_source"),
            &format!("one of {}{near}", names.join(", ")),
            &source.into(),
        ));
    };
    match source.as_str() {
        "metrics" => {
            body.entry("aggregator")
                .or_insert_with(|| aggregator.unwrap_or("last").into());
        }
        "cloud_cost" => {
            body.entry("aggregator")
                .or_insert_with(|| aggregator.unwrap_or("sum").into());
        }
        _ => {}
    }
    if *needed == "compute" {
        events(path, &mut body)?;
    }
    if !body.contains_key(*needed) {
        return Err(ConfigError::rule(
            format!("{path}.{needed}"),
            format!("it is missing, and data_source {source} needs it"),
        ));
    }
    Ok(NamedQuery {
        name: name.to_owned(),
        body,
    })
}

/// The short forms of event queries: `search: "…"` for `{query: …}`, `compute: count` for `{aggregation: count}`.
fn events(path: &str, body: &mut Map<String, Value>) -> Result<(), ConfigError> {
    if let Some(Value::String(search)) = body.get("search").cloned() {
        body.insert("search".to_owned(), serde_json::json!({ "query": search }));
    }
    match body.get("compute").cloned() {
        Some(Value::String(text)) => {
            // `pc95(@duration)`: an aggregation and the attribute that it aggregates.
            let (aggregation, attribute) = match text.split_once('(') {
                Some((aggregation, rest)) => (aggregation.trim(), rest.strip_suffix(')').map(str::trim)),
                None => (text.trim(), None),
            };
            let mut compute = serde_json::json!({ "aggregation": aggregation });
            if let Some(attribute) = attribute.filter(|attribute| !attribute.is_empty()) {
                compute["metric"] = attribute.into();
            }
            body.insert("compute".to_owned(), compute);
        }
        Some(Value::Object(_)) | None => {}
        Some(other) => {
            return Err(wrong_type(
                format!("{path}.compute"),
                "an aggregation such as count or pc95(@duration), or an object",
                &other,
            ));
        }
    }
    Ok(())
}

pub(super) fn formulas(fields: &mut Fields<'_>) -> Result<Option<BTreeMap<String, String>>, ConfigError> {
    let Some(value) = fields.value("formulas") else {
        return Ok(None);
    };
    let Value::Object(given) = value else {
        return Err(wrong_type("formulas".to_owned(), "formulas by name", value));
    };
    let mut formulas = BTreeMap::new();
    for (name, value) in given {
        let path = format!("formulas.{name}");
        if !formula::is_name(name) {
            let problem = "a name has letters, digits and underscores and begins with a letter, so that conditions can write result.<name>";
            return Err(ConfigError::rule(path, problem));
        }
        match value.as_str().filter(|text| !text.trim().is_empty()) {
            Some(text) => formulas.insert(name.clone(), text.to_owned()),
            None => return Err(wrong_type(path, "a formula", value)),
        };
    }
    match formulas.is_empty() {
        true => Err(ConfigError::rule(
            "formulas",
            "it is empty; write at least one formula",
        )),
        false => Ok(Some(formulas)),
    }
}

/// Puts the parts together and checks that every formula has its queries.
pub(super) fn assemble(
    query: Option<String>,
    mut queries: Vec<NamedQuery>,
    aggregator: Option<&str>,
    formula: Option<String>,
    formulas: Option<BTreeMap<String, String>>,
    guard: Option<&SampleGuard>,
    compares: bool,
) -> Result<Scalar, ConfigError> {
    if formula.is_some() && formulas.is_some() {
        return Err(ConfigError::rule(
            "formulas",
            "there is a formula as well; keep one of them",
        ));
    }
    if let Some(query) = query {
        if formula.is_some() || formulas.is_some() {
            let name = if formula.is_some() { "formula" } else { "formulas" };
            return Err(ConfigError::rule(
                name,
                "it needs queries by name; move query into queries",
            ));
        }
        // Go: `createRequest` names a lone query so.
        queries.push(metrics("query", &query, aggregator));
    }
    let formulas = match (formula, formulas) {
        (Some(formula), _) => Formulas::One(formula),
        (None, Some(formulas)) => Formulas::Named(formulas),
        (None, None) if queries.len() == 1 => Formulas::Query,
        (None, None) => {
            let names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
            let problem = format!(
                "there are several queries ({}); write a formula that makes one value of them",
                names.join(", ")
            );
            return Err(ConfigError::rule("formula", problem));
        }
    };
    let mut guard_formula = None;
    if let Some(guard) = guard {
        if let Some(text) = &guard.query {
            let name = "min_samples";
            if queries.iter().any(|query| query.name == name) {
                return Err(ConfigError::rule(
                    "queries.min_samples",
                    "this name is taken by minSamples.query; choose another",
                ));
            }
            queries.push(metrics(name, text, Some("sum")));
            guard_formula = Some(name.to_owned());
        } else {
            guard_formula.clone_from(&guard.formula);
        }
    }
    let names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    let check = |path: &str, text: &str| -> Result<(), ConfigError> {
        let unknown = formula::names(text)
            .map_err(|why| ConfigError::rule(path, why))?
            .into_iter()
            .find(|name| !names.contains(name));
        match unknown {
            Some(unknown) => {
                let near = nearest(unknown, &names)
                    .map(|near| format!("did you mean {near}? "))
                    .unwrap_or_default();
                Err(ConfigError::rule(
                    path,
                    format!("no query is named {unknown}; {near}queries: {}", names.join(", ")),
                ))
            }
            None => Ok(()),
        }
    };
    match &formulas {
        Formulas::Query => {}
        Formulas::One(text) => check("formula", text)?,
        Formulas::Named(formulas) => {
            for (name, text) in formulas {
                check(&format!("formulas.{name}"), text)?;
            }
        }
    }
    if let Some(text) = guard.and_then(|guard| guard.formula.as_deref()) {
        check("minSamples.formula", text)?;
    }
    let scalar = Scalar {
        queries,
        formulas,
        guard: guard_formula,
    };
    if !compares
        && scalar.is_grouped()
        && matches!(scalar.formulas, Formulas::Named(_))
        && scalar.guard.is_some()
    {
        return Err(ConfigError::rule(
            "minSamples",
            "grouped queries have a count a group; use a named formula and a condition",
        ));
    }
    Ok(scalar)
}
