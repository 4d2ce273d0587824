//! Marks left in Datadog: events and DORA deployments. Off unless a metric asks for them.

use jiff::Timestamp;
use rollouts_plugin::types::{AnalysisPhase, Measurement};
use serde_json::json;

use super::Subject;
use crate::plan::{Call, Endpoint, Method};

/// The marks of a completed measurement. An event where the verdict differs from the one before, a DORA deployment
/// where the metric has said its last word and it is good.
pub fn plan_event(subject: &Subject, measurement: &Measurement, now: Timestamp) -> Vec<Call> {
    let annotate = &subject.config.annotate;
    let mut calls = Vec::new();
    let phase = &measurement.phase;
    if annotate.event && subject.phase_before.as_ref() != Some(phase) {
        let alert_type = match phase {
            AnalysisPhase::Successful => "success",
            AnalysisPhase::Failed => "error",
            _ => "warning",
        };
        calls.push(post(Endpoint::Event, "/api/v1/events", json!({
            "title": format!("Analysis {}/{}: {} is {}", subject.namespace, subject.run, subject.key.metric, phase.as_str()),
            "text": format!("value {}. {}", measurement.value, measurement.message),
            "alert_type": alert_type,
            "aggregation_key": subject.key.run.chars().take(100).collect::<String>(),
            "source_type_name": "argo rollouts",
            "tags": [
                format!("kube_namespace:{}", subject.namespace),
                format!("analysis_run:{}", subject.run),
                format!("metric:{}", subject.key.metric),
                format!("phase:{}", phase.as_str()),
            ],
        })));
    }
    if let Some(dora) = annotate
        .dora
        .as_ref()
        .filter(|_| subject.is_last && *phase == AnalysisPhase::Successful)
    {
        let nanoseconds = |second: i64| second.saturating_mul(1_000_000_000);
        let finished = now.as_second();
        let started = subject.run_started.or(subject.run_created).unwrap_or(finished);
        let mut attributes = json!({
            // The same run marks the same deployment, however often it is told.
            "id": format!("{}-{}", subject.key.run, subject.key.metric),
            "service": dora.service,
            "started_at": nanoseconds(started),
            "finished_at": nanoseconds(finished),
        });
        for (name, value) in [("env", &dora.env), ("version", &dora.version)] {
            if let Some(value) = value {
                attributes[name] = value.as_str().into();
            }
        }
        calls.push(post(
            Endpoint::Dora,
            "/api/v2/dora/deployment",
            json!({ "data": { "attributes": attributes } }),
        ));
    }
    calls
}

fn post(endpoint: Endpoint, path: &str, body: serde_json::Value) -> Call {
    Call {
        endpoint,
        method: Method::Post,
        path: path.to_owned(),
        parameters: Vec::new(),
        body: Some(body),
    }
}
