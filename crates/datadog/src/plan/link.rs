//! Addresses in Datadog's web pages.

use super::Window;
use crate::config::{Config, MonitorTarget, Source};

/// A page that shows what a metric asked, if there is one. `app` is the base address of the web pages.
pub fn link(config: &Config, window: Window, app: &str) -> Option<String> {
    let (from, to) = (window.from * 1000, window.to * 1000);
    match &config.source {
        Source::V1 { query } => Some(explorer(app, query, from, to)),
        Source::Scalar(scalar) | Source::Compare(scalar, _) => {
            let first = scalar.queries.first()?;
            let source = first
                .body
                .get("data_source")
                .and_then(serde_json::Value::as_str)?;
            let search = || {
                first
                    .body
                    .get("search")
                    .and_then(|search| search.get("query"))
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or("*")
            };
            match source {
                "metrics" => Some(explorer(app, first.body.get("query")?.as_str()?, from, to)),
                "logs" => Some(format!(
                    "{app}/logs?query={}&from_ts={from}&to_ts={to}&live=false",
                    encode(search())
                )),
                "spans" => Some(format!(
                    "{app}/apm/traces?query={}&start={from}&end={to}&paused=true",
                    encode(search())
                )),
                "rum" => Some(format!(
                    "{app}/rum/explorer?query={}&from_ts={from}&to_ts={to}&live=false",
                    encode(search())
                )),
                "events" => Some(format!(
                    "{app}/event/explorer?query={}&from_ts={from}&to_ts={to}&live=false",
                    encode(search())
                )),
                "slo" => Some(format!(
                    "{app}/slo/manage?slo_id={}",
                    encode(first.body.get("slo_id")?.as_str()?)
                )),
                _ => None,
            }
        }
        Source::Monitor(monitor) => Some(match &monitor.target {
            MonitorTarget::Id(id) => format!("{app}/monitors/{id}"),
            MonitorTarget::Search(query) => format!("{app}/monitors/manage?q={}", encode(query)),
        }),
        Source::Slo(slo) => Some(format!("{app}/slo/manage?slo_id={}", encode(&slo.id))),
        // An evaluation brings its own address.
        Source::Gate(_) => None,
    }
}

/// The metrics explorer. `aggregator:metric{scope}` is taken apart; anything more is left to the page's query field.
fn explorer(app: &str, query: &str, from: i64, to: i64) -> String {
    let window = format!("from_ts={from}&to_ts={to}&live=false");
    let parts = query.split_once(':').and_then(|(aggregator, rest)| {
        let (metric, rest) = rest.split_once('{')?;
        let (scope, after) = rest.split_once('}')?;
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
        };
        (after.trim().is_empty() && plain(aggregator) && plain(metric)).then_some((aggregator, metric, scope))
    });
    match parts {
        Some((aggregator, metric, scope)) => {
            format!(
                "{app}/metric/explorer?{window}&exp_metric={}&exp_scope={}&exp_agg={aggregator}",
                encode(metric),
                encode(scope)
            )
        }
        None => format!("{app}/metric/explorer?{window}&exp_query={}", encode(query)),
    }
}

/// Percent-encodes a query parameter.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
