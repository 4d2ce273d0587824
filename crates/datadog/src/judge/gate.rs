//! Evaluations of Deployment Gates.

use rollouts_plugin::types::AnalysisPhase;
use serde_json::{Value, json};

use super::{Reading, Result, Unreadable};

/// How an evaluation stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Evaluation {
    /// Datadog is still observing; its page, where it is known.
    InProgress(Option<String>),
    /// The verdict.
    Done(Box<Reading>),
}

/// Reads the id out of the answer that starts an evaluation.
///
/// # Errors
/// Where it is not what Datadog documents.
pub fn evaluation_id(body: &Value) -> std::result::Result<String, Unreadable> {
    let id = body
        .pointer("/data/attributes/evaluation_id")
        .or_else(|| body.pointer("/data/id"));
    match id
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty() && id.len() <= 128)
    {
        Some(id) => Ok(id.to_owned()),
        None => Err(Unreadable("data.attributes.evaluation_id is missing".to_owned())),
    }
}

impl Evaluation {
    /// Reads how an evaluation stands (datadog-api-client 0.38 `DeploymentGatesEvaluationResultResponseAttributes`).
    /// `result` for conditions: `gate_status` and `rules` (`[{name, status, reason}]`).
    ///
    /// # Errors
    /// Where it is not what Datadog documents.
    pub fn read(body: &Value) -> std::result::Result<Self, Unreadable> {
        let part = |name: &str| body.pointer(&format!("/data/attributes/{name}"));
        let url = part("evaluation_url").and_then(Value::as_str).map(str::to_owned);
        let phase = match part("gate_status").and_then(Value::as_str) {
            Some("in_progress") => return Ok(Self::InProgress(url)),
            Some("pass") => AnalysisPhase::Successful,
            Some("fail") => AnalysisPhase::Failed,
            Some(other) => {
                return Err(Unreadable(format!(
                    "gate_status {:?} is none of in_progress, pass, fail",
                    super::brief(other)
                )));
            }
            None => return Err(Unreadable("data.attributes.gate_status is missing".to_owned())),
        };
        let dry_run = part("dry_run") == Some(&Value::Bool(true));
        let rules = part("rules")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let text = |rule: &Value, name: &str| {
            super::brief(rule.get(name).and_then(Value::as_str).unwrap_or_default())
        };
        let failing: Vec<String> = rules
            .iter()
            .filter(|rule| text(rule, "status") == "fail")
            .take(5)
            .map(|rule| match text(rule, "reason") {
                reason if reason.is_empty() => text(rule, "name"),
                reason => format!("{}: {reason}", text(rule, "name")),
            })
            .collect();
        let why = match (&phase, failing.is_empty()) {
            (AnalysisPhase::Failed, true) => "the gate failed".to_owned(),
            (AnalysisPhase::Failed, false) => format!("the gate failed: {}", failing.join("; ")),
            (_, false) => format!(
                "the gate passed, but these rules would fail: {}",
                failing.join("; ")
            ),
            (_, true) => String::new(),
        };
        let listed: Vec<Value> = rules
            .iter()
            .take(20)
            .map(|rule| json!({ "name": text(rule, "name"), "status": text(rule, "status"), "reason": text(rule, "reason") }))
            .collect();
        let object = json!({ "gate_status": if phase == AnalysisPhase::Failed { "fail" } else { "pass" }, "dry_run": dry_run, "rules": listed });
        let mut reading = Reading {
            own: Some((phase, why)),
            ..Reading::of(Result::Object(object))
        };
        if let Some(url) = url {
            reading.notes.push(("link", url));
        }
        Ok(Self::Done(Box::new(reading)))
    }
}
