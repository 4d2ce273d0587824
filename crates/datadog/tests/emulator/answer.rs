//! Answers in the shapes of Datadog's cassettes.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use hyper::Response;
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};

use super::{Behaviour, Seen, State, formula};

/// Decides how a request is answered.
pub(super) fn plan(state: &State, seen: &Seen) -> Behaviour {
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/api/v1/query") => v1(state, seen),
        ("POST", "/api/v2/query/scalar") => scalar(state, seen),
        ("POST", "/api/v2/query/timeseries") => timeseries(state, seen),
        ("GET", "/api/v1/validate") => Behaviour::Json(json!({ "valid": true })),
        ("POST", "/api/v1/events") => {
            Behaviour::Status(202, json!({ "status": "ok", "event": { "id": 1 } }).to_string())
        }
        ("POST", "/api/v2/dora/deployment") => {
            Behaviour::Json(json!({ "data": { "id": "2a47b5f25b160b8a", "type": "dora_deployment" } }))
        }
        ("POST", "/api/v2/deployments/gates/evaluation") => start_gate(state, seen),
        ("GET", path) if path.starts_with("/api/v2/deployments/gates/evaluation/") => {
            look_at_gate(state, seen)
        }
        (_, path) => {
            let text = format!("{path}?{}", seen.query);
            state
                .behaviour(&text)
                .unwrap_or_else(|| Behaviour::Status(404, json!({ "errors": ["Not found"] }).to_string()))
        }
    }
}

fn refuse(why: &str) -> Behaviour {
    Behaviour::Status(400, json!({ "errors": [why] }).to_string())
}

fn parameter(seen: &Seen, name: &str) -> String {
    let found = seen
        .query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default().to_owned()
}

/// Queries joined by commas outside of braces.
fn split(query: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in query.chars() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts
}

fn v1(state: &State, seen: &Seen) -> Behaviour {
    let (from, to) = (parameter(seen, "from"), parameter(seen, "to"));
    let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) else {
        return refuse("from and to are required");
    };
    if from >= to {
        return refuse("from must be before to");
    }
    let mut series = Vec::new();
    for (index, query) in split(&parameter(seen, "query")).iter().enumerate() {
        let points = match state.behaviour(query) {
            Some(Behaviour::Value(value)) => vec![json!([(to - 60) * 1000, value])],
            Some(Behaviour::Null) => vec![json!([(to - 60) * 1000, null])],
            Some(Behaviour::Points(points)) => {
                let first = to - 60 * points.len() as i64;
                points
                    .iter()
                    .enumerate()
                    .map(|(index, value)| json!([(first + 60 * index as i64) * 1000, value]))
                    .collect()
            }
            Some(behaviour) if !behaviour.is_of_query() => return behaviour,
            _ => continue,
        };
        series.push(json!({
            "end": to * 1000, "attributes": {}, "metric": "m", "interval": 60, "tag_set": [], "start": from * 1000,
            "length": points.len(), "query_index": index, "aggr": null, "scope": "*", "pointlist": points, "expression": query,
        }));
    }
    Behaviour::Json(json!({
        "status": "ok", "resp_version": 1, "series": series, "from_date": from * 1000, "to_date": to * 1000, "res_type": "time_series",
    }))
}

/// Names, formulas and the behaviour of each query; or why the request is refused.
struct Asked {
    queries: Vec<(String, Behaviour)>,
    formulas: Vec<String>,
}

fn asked(state: &State, seen: &Seen) -> Result<Asked, Behaviour> {
    let attributes = seen.body.pointer("/data/attributes").cloned().unwrap_or_default();
    let number = |name: &str| attributes[name].as_i64();
    match (number("from"), number("to")) {
        (Some(from), Some(to)) if from < to && from > 1_000_000_000_000 => {}
        _ => return Err(refuse("from must be before to, in milliseconds")),
    }
    let mut queries = Vec::new();
    for query in attributes["queries"].as_array().into_iter().flatten() {
        let Some(name) = query["name"].as_str() else {
            return Err(refuse("name is required"));
        };
        let source = query["data_source"].as_str().unwrap_or_default();
        if source == "metrics" {
            if query["aggregator"].as_str().unwrap_or_default().is_empty() {
                return Err(refuse("aggregator is required"));
            }
            if query["query"]
                .as_str()
                .unwrap_or_default()
                .contains("moving_rollup")
            {
                return Err(refuse(
                    "Functions are not supported in metrics data source field. Use the formulas payload.",
                ));
            }
        }
        let behaviour = state.behaviour(&query.to_string()).unwrap_or(Behaviour::Nothing);
        if !behaviour.is_of_query() {
            return Err(behaviour);
        }
        queries.push((name.to_owned(), behaviour));
    }
    if queries.is_empty() {
        return Err(refuse("queries is required"));
    }
    let formulas = attributes["formulas"].as_array().into_iter().flatten();
    let formulas: Vec<String> = formulas
        .filter_map(|formula| formula["formula"].as_str())
        .map(str::to_owned)
        .collect();
    let formulas = match formulas.is_empty() {
        true => queries.iter().map(|(name, _)| name.clone()).collect(),
        false => formulas,
    };
    Ok(Asked { queries, formulas })
}

fn scalar(state: &State, seen: &Seen) -> Behaviour {
    let Asked { queries, formulas } = match asked(state, seen) {
        Ok(asked) => asked,
        Err(behaviour) => return behaviour,
    };
    let mut groups: Vec<String> = Vec::new();
    for (_, behaviour) in &queries {
        if let Behaviour::Groups(rows) = behaviour {
            for (name, _) in rows {
                if !groups.contains(name) {
                    groups.push(name.clone());
                }
            }
        }
    }
    let of_row = |row: Option<&String>| -> HashMap<String, Option<f64>> {
        queries
            .iter()
            .map(|(name, behaviour)| {
                let value = match behaviour {
                    Behaviour::Value(value) => Some(*value),
                    Behaviour::Points(points) => points.iter().flatten().last().copied(),
                    Behaviour::Groups(rows) => rows
                        .iter()
                        .find(|(name, _)| Some(name) == row)
                        .and_then(|(_, value)| *value),
                    _ => None,
                };
                (name.clone(), value)
            })
            .collect()
    };
    let rows: Vec<HashMap<String, Option<f64>>> = match groups.is_empty() {
        true => vec![of_row(None)],
        false => groups.iter().map(|name| of_row(Some(name))).collect(),
    };
    let nothing = queries
        .iter()
        .all(|(_, behaviour)| matches!(behaviour, Behaviour::Nothing));
    let mut columns = Vec::new();
    if !groups.is_empty() {
        let values: Vec<Value> = groups.iter().map(|name| json!([name])).collect();
        columns.push(json!({ "name": "group", "type": "group", "values": values }));
    }
    for text in &formulas {
        let values: Result<Vec<Option<f64>>, String> =
            rows.iter().map(|row| formula::evaluate(text, row)).collect();
        let values = match values {
            Ok(_) if nothing => Vec::new(),
            Ok(values) => values,
            Err(why) => return refuse(&why),
        };
        let unit = json!([{"short_name": "%", "id": 17, "plural": "percent", "name": "percent", "family": "percentage", "scale_factor": 1.0}, null]);
        columns.push(json!({ "name": text, "type": "number", "values": values, "meta": { "unit": unit } }));
    }
    // The order of columns is nobody's promise.
    columns.reverse();
    Behaviour::Json(
        json!({ "data": { "id": "0", "type": "scalar_response", "attributes": { "columns": columns } } }),
    )
}

fn timeseries(state: &State, seen: &Seen) -> Behaviour {
    let Asked { queries, formulas } = match asked(state, seen) {
        Ok(asked) => asked,
        Err(behaviour) => return behaviour,
    };
    let to = seen
        .body
        .pointer("/data/attributes/to")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let points = |name: &str| -> Vec<Option<f64>> {
        match queries
            .iter()
            .find(|(query, _)| query == name)
            .map(|(_, behaviour)| behaviour)
        {
            Some(Behaviour::Points(points)) => points.clone(),
            Some(Behaviour::Value(value)) => vec![Some(*value); 30],
            _ => Vec::new(),
        }
    };
    let rows: Vec<Vec<Option<f64>>> = formulas.iter().map(|formula| points(formula)).collect();
    let length = rows.iter().map(Vec::len).max().unwrap_or(0);
    let times: Vec<i64> = (0..length)
        .map(|index| to - 60_000 * (length - index) as i64)
        .collect();
    let series: Vec<Value> = (0..formulas.len())
        .map(|index| json!({ "group_tags": [], "query_index": index, "unit": null }))
        .collect();
    Behaviour::Json(
        json!({ "data": { "id": "0", "type": "timeseries_response", "attributes": { "series": series, "times": times, "values": rows } } }),
    )
}

fn start_gate(state: &State, seen: &Seen) -> Behaviour {
    let attributes = seen.body.pointer("/data/attributes").cloned().unwrap_or_default();
    let problem = |status: u16, title: &str, detail: &str| {
        Behaviour::Status(
            status,
            json!({ "errors": [{ "status": status.to_string(), "title": title, "detail": detail }] })
                .to_string(),
        )
    };
    let (service, env) = (
        attributes["service"].as_str().unwrap_or_default(),
        attributes["env"].as_str().unwrap_or_default(),
    );
    if env.is_empty() {
        return problem(400, "Bad Request", "required env field is missing");
    }
    match state.behaviour(&format!("gate:{service}")) {
        Some(Behaviour::Gate(..)) => {
            let id = format!("fb1d7aef-236f-433d-ab3e-{service}");
            Behaviour::Status(202, json!({ "data": { "id": id, "type": "deployment_gates_evaluation_response", "attributes": { "evaluation_id": id } } }).to_string())
        }
        Some(other) => other,
        None => problem(
            404,
            "Not Found",
            &format!("no gate found for service {service}, env {env}, and identifier default"),
        ),
    }
}

fn look_at_gate(state: &State, seen: &Seen) -> Behaviour {
    let id = seen.path.rsplit('/').next().unwrap_or_default();
    let service = id.strip_prefix("fb1d7aef-236f-433d-ab3e-").unwrap_or_default();
    let Some(Behaviour::Gate(looks, passes)) = state.behaviour(&format!("gate:{service}")) else {
        let detail = format!("gate evaluation with id {id} not found");
        return Behaviour::Status(
            404,
            json!({ "errors": [{ "status": "404", "title": "Not Found", "detail": detail }] }).to_string(),
        );
    };
    let look = state.look_at_gate(id);
    let status = match (look > looks, passes) {
        (false, _) => "in_progress",
        (true, true) => "pass",
        (true, false) => "fail",
    };
    let reason = if status == "fail" {
        "1 of 1 monitors are in ALERT"
    } else {
        ""
    };
    Behaviour::Json(
        json!({ "data": { "id": id, "type": "deployment_gates_evaluation_result_response", "attributes": {
        "dry_run": false, "evaluation_id": id, "gate_id": "7b930550-63b0-4002-8b74-4c827bd070d3", "gate_status": status,
        "evaluation_url": format!("https://app.datadoghq.com/ci/deployment-gates/evaluations?query={id}"),
        "rules": [{ "name": "error monitors", "status": status, "reason": reason, "dry_run": false }],
    } } }),
    )
}

/// Writes the answer.
pub(super) fn render(behaviour: Behaviour) -> Response<Body> {
    let json = |status: u16, text: String| {
        let kind = if text.starts_with('<') {
            "text/html"
        } else {
            "application/json"
        };
        Response::builder()
            .status(status)
            .header("content-type", kind)
            .body(Body::once(text.into_bytes()))
            .unwrap()
    };
    match behaviour {
        Behaviour::Status(status, text) => json(status, text),
        Behaviour::Json(value) => json(200, value.to_string()),
        Behaviour::Slow(_, then) => render(*then),
        Behaviour::Redirect(to) => Response::builder()
            .status(307)
            .header("location", to)
            .body(Body::once(Vec::new()))
            .unwrap(),
        Behaviour::Huge(bytes) => {
            let body = Body {
                chunk: Bytes::from(vec![b'['; 65_536]),
                left: bytes,
            };
            Response::builder()
                .header("content-type", "application/json")
                .body(body)
                .unwrap()
        }
        Behaviour::Endless => {
            let body = Body {
                chunk: Bytes::from(vec![b' '; 16_384]),
                left: usize::MAX,
            };
            Response::builder()
                .header("content-type", "application/json")
                .body(body)
                .unwrap()
        }
        Behaviour::GzipBomb(bytes) => Response::builder()
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(Body::of(bomb(bytes)))
            .unwrap(),
        other => json(
            500,
            json!({ "errors": [format!("the emulator has no answer for {other:?}")] }).to_string(),
        ),
    }
}

/// So many blanks, compressed; each size once, because a test program without optimisation takes seconds for it.
pub(super) fn bomb(bytes: usize) -> Bytes {
    static MADE: Mutex<Vec<(usize, Bytes)>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap();
    if let Some((_, packed)) = made.iter().find(|(size, _)| *size == bytes) {
        return packed.clone();
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..bytes >> 20 {
        encoder.write_all(&chunk).unwrap();
    }
    let packed = Bytes::from(encoder.finish().unwrap());
    made.push((bytes, packed.clone()));
    packed
}

/// A chunk, repeated.
pub struct Body {
    chunk: Bytes,
    left: usize,
}

impl Body {
    fn once(bytes: Vec<u8>) -> Self {
        Self::of(bytes.into())
    }

    fn of(chunk: Bytes) -> Self {
        Self {
            left: chunk.len(),
            chunk,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = self.chunk.slice(..self.chunk.len().min(self.left));
        self.left -= chunk.len();
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}
