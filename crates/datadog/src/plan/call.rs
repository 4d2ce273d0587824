//! Requests as values.

use serde_json::{Value, json};

use super::Window;
use crate::config::{Formulas, Gate, Rule, Scalar};
use crate::judge::Columns;

/// A request, without host and keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which endpoint; rate limits are counted by it until an answer names the bucket.
    pub endpoint: Endpoint,
    /// GET or POST.
    pub method: Method,
    /// Path.
    pub path: String,
    /// Query parameters, not yet encoded.
    pub parameters: Vec<(&'static str, String)>,
    /// JSON body.
    pub body: Option<Value>,
}

/// HTTP methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
}

/// Endpoints in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `GET /api/v1/query`.
    V1Query,
    /// `POST /api/v2/query/scalar`.
    Scalar,
    /// `POST /api/v2/query/timeseries`.
    Timeseries,
    /// `GET /api/v1/monitor/{id}`.
    Monitor,
    /// `GET /api/v1/monitor/groups/search`.
    MonitorSearch,
    /// `GET /api/v2/slo/{id}/status`.
    SloStatus,
    /// `POST /api/v2/deployments/gates/evaluation`.
    GateStart,
    /// `GET /api/v2/deployments/gates/evaluation/{id}`.
    GateResult,
    /// `POST /api/v1/events`.
    Event,
    /// `POST /api/v2/dora/deployment`.
    Dora,
    /// `GET /api/v1/validate`.
    Validate,
}

impl Endpoint {
    /// Name in logs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1Query => "v1 query",
            Self::Scalar => "v2 scalar",
            Self::Timeseries => "v2 timeseries",
            Self::Monitor => "monitor",
            Self::MonitorSearch => "monitor search",
            Self::SloStatus => "slo status",
            Self::GateStart => "gate evaluation",
            Self::GateResult => "gate result",
            Self::Event => "event",
            Self::Dora => "dora deployment",
            Self::Validate => "validate",
        }
    }

    /// The permission of the application key that it needs (docs.datadoghq.com, API reference).
    pub fn permission(self) -> &'static str {
        match self {
            Self::V1Query | Self::Scalar | Self::Timeseries => "timeseries_query",
            Self::Monitor | Self::MonitorSearch => "monitors_read",
            Self::SloStatus => "slos_read",
            Self::GateStart | Self::GateResult => "deployment_gates_evaluate",
            Self::Event | Self::Dora | Self::Validate => "none beyond the API key",
        }
    }
}

/// What one metric wants of the scalar endpoint: queries with their names, and formulas. Without a formula the only
/// query itself is the result, as the controller's own provider asks it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Query bodies with their names.
    pub queries: Vec<(String, Value)>,
    /// Formulas, in the order in which the answer is wanted.
    pub formulas: Vec<String>,
    /// Whether an answer has a value a group; such an ask travels alone, because rows are joined on groups.
    pub grouped: bool,
}

impl Ask {
    /// What a metric's configuration asks.
    pub fn of(scalar: &Scalar) -> Self {
        let queries = scalar
            .queries
            .iter()
            .map(|query| (query.name.clone(), Value::Object(query.body.clone())))
            .collect();
        let first = || scalar.queries[0].name.clone();
        let mut formulas: Vec<String> = match (&scalar.formulas, &scalar.guard) {
            (Formulas::Query, None) => Vec::new(),
            (Formulas::Query, Some(_)) => vec![first()],
            (Formulas::One(formula), _) => vec![formula.clone()],
            (Formulas::Named(formulas), _) => formulas.values().cloned().collect(),
        };
        formulas.extend(scalar.guard.clone());
        Self {
            queries,
            formulas,
            grouped: scalar.is_grouped(),
        }
    }

    /// The columns of an answer in the order of the formulas. The only formula has the only column, whatever its name.
    ///
    /// # Errors
    /// Where a column is missing.
    pub fn in_order(&self, mut columns: Columns) -> Result<Columns, String> {
        if self.formulas.len() <= 1 {
            columns.numbers.truncate(1);
            return Ok(columns);
        }
        let numbers = self.formulas.iter().map(|formula| {
            let column = columns.named(formula).cloned();
            column.ok_or_else(|| format!("Datadog's answer has no column for the formula {formula}"))
        });
        Ok(Columns {
            numbers: numbers.collect::<Result<_, _>>()?,
            groups: columns.groups,
        })
    }

    /// What tells this ask from another; equal asks share an answer.
    pub fn identity(&self) -> String {
        json!([self.queries, self.formulas]).to_string()
    }
}

/// `GET /api/v1/query`.
pub fn v1(queries: &[&str], window: Window) -> Call {
    Call {
        endpoint: Endpoint::V1Query,
        method: Method::Get,
        path: "/api/v1/query".to_owned(),
        parameters: vec![
            ("from", window.from.to_string()),
            ("query", queries.join(",")),
            ("to", window.to.to_string()),
        ],
        body: None,
    }
}

/// `POST /api/v2/query/scalar`.
pub fn scalar(ask: &Ask, window: Window) -> Call {
    Call {
        endpoint: Endpoint::Scalar,
        method: Method::Post,
        path: "/api/v2/query/scalar".to_owned(),
        parameters: Vec::new(),
        body: Some(json!({ "data": { "type": "scalar_request", "attributes": attributes(ask, window) } })),
    }
}

/// `POST /api/v2/query/timeseries`.
pub fn timeseries(ask: &Ask, window: Window) -> Call {
    Call {
        endpoint: Endpoint::Timeseries,
        method: Method::Post,
        path: "/api/v2/query/timeseries".to_owned(),
        parameters: Vec::new(),
        body: Some(
            json!({ "data": { "type": "timeseries_request", "attributes": attributes(ask, window) } }),
        ),
    }
}

fn attributes(ask: &Ask, window: Window) -> Value {
    let queries: Vec<Value> = ask
        .queries
        .iter()
        .map(|(name, body)| {
            let mut body = body.clone();
            body["name"] = name.as_str().into();
            body
        })
        .collect();
    let formulas: Vec<Value> = ask
        .formulas
        .iter()
        .map(|formula| json!({ "formula": formula }))
        .collect();
    json!({ "from": window.from * 1000, "to": window.to * 1000, "queries": queries, "formulas": formulas })
}

/// `GET /api/v1/monitor/{id}`.
pub fn monitor(id: &str) -> Call {
    get(
        Endpoint::Monitor,
        format!("/api/v1/monitor/{id}"),
        vec![
            ("group_states", "all".to_owned()),
            ("with_downtimes", "true".to_owned()),
        ],
    )
}

/// One search of `monitor.query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorSearch {
    /// What is searched for.
    pub query: String,
    /// Whether all that it finds is muted, or none of it; [`None`] where it may be either.
    pub muted: Option<bool>,
}

/// The searches of `monitor.query`. A group in their answers does not say whether it is muted (datadog-api-client 0.38
/// `MonitorGroupSearchResult`), but a search can (docs "Search Monitors", attribute Muted): where it matters, the muted
/// ones are searched for by themselves. With [`Rule::Ignore`] the second search only matters where the first finds nothing:
/// it tells a search that matches nothing from one whose monitors are all muted.
pub fn monitor_searches(query: &str, muted: Rule) -> Vec<MonitorSearch> {
    let narrowed = |muted: bool| MonitorSearch {
        query: format!("({query}) AND muted:{muted}"),
        muted: Some(muted),
    };
    match muted {
        Rule::Ignore | Rule::Inconclusive => vec![narrowed(false), narrowed(true)],
        _ => vec![MonitorSearch {
            query: query.to_owned(),
            muted: None,
        }],
    }
}

/// `GET /api/v1/monitor/groups/search`. The API gives at most 100 groups a page; the counts cover all of them.
pub fn monitor_search(query: &str, page: u32) -> Call {
    get(
        Endpoint::MonitorSearch,
        "/api/v1/monitor/groups/search".to_owned(),
        vec![
            ("query", query.to_owned()),
            ("page", page.to_string()),
            ("per_page", "100".to_owned()),
        ],
    )
}

/// `GET /api/v2/slo/{id}/status`.
pub fn slo_status(id: &str, window: Window) -> Call {
    get(
        Endpoint::SloStatus,
        format!("/api/v2/slo/{}/status", path_segment(id)),
        vec![
            ("from_ts", window.from.to_string()),
            ("to_ts", window.to.to_string()),
        ],
    )
}

/// `POST /api/v2/deployments/gates/evaluation`.
pub fn gate_start(gate: &Gate) -> Call {
    let mut attributes = json!({ "service": gate.service, "env": gate.env });
    let given = [
        ("identifier", &gate.identifier),
        ("version", &gate.version),
        ("primary_tag", &gate.primary_tag),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            attributes[name] = value.as_str().into();
        }
    }
    if let Some(configuration) = &gate.configuration {
        attributes["configuration"] = configuration.clone();
    }
    Call {
        endpoint: Endpoint::GateStart,
        method: Method::Post,
        path: "/api/v2/deployments/gates/evaluation".to_owned(),
        parameters: Vec::new(),
        body: Some(
            json!({ "data": { "type": "deployment_gates_evaluation_request", "attributes": attributes } }),
        ),
    }
}

/// `GET /api/v2/deployments/gates/evaluation/{id}`.
pub fn gate_result(id: &str) -> Call {
    let path = format!("/api/v2/deployments/gates/evaluation/{}", path_segment(id));
    get(Endpoint::GateResult, path, Vec::new())
}

fn get(endpoint: Endpoint, path: String, parameters: Vec<(&'static str, String)>) -> Call {
    Call {
        endpoint,
        method: Method::Get,
        path,
        parameters,
        body: None,
    }
}

/// One segment of a path: what could end the segment is percent-encoded.
fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => segment.push(char::from(byte)),
            other => segment.push_str(&format!("%{other:02X}")),
        }
    }
    segment
}
