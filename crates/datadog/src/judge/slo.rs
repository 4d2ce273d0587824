//! The status of an SLO.

use rollouts_plugin::types::AnalysisPhase;
use serde_json::{Value, json};

use super::{Reading, Result, Unreadable, format_number};

/// Reads `GET /api/v2/slo/{id}/status` (datadog-api-client 0.38 `SloStatusDataAttributes`). `result` for conditions:
/// `state` (ok, warning, breached, no_data), `sli` and `error_budget_remaining` in percent.
///
/// # Errors
/// Where it is not what Datadog documents.
pub fn read_slo(body: &Value) -> std::result::Result<Reading, Unreadable> {
    let part = |name: &str| body.pointer(&format!("/data/attributes/{name}"));
    let Some(state) = part("state").and_then(Value::as_str) else {
        return Err(Unreadable("data.attributes.state is missing".to_owned()));
    };
    let sli = part("sli").and_then(Value::as_f64);
    let budget = part("error_budget_remaining").and_then(Value::as_f64);
    let percent =
        |value: Option<f64>| value.map_or("unknown".to_owned(), |value| format!("{}%", format_number(value)));
    let why = format!(
        "the SLO is {state}: SLI {}, error budget left {}",
        percent(sli),
        percent(budget)
    );
    let phase = match state {
        "ok" => AnalysisPhase::Successful,
        "breached" => AnalysisPhase::Failed,
        "no_data" => AnalysisPhase::Error,
        // A warning is for people to weigh, and so is a state this version does not know.
        _ => AnalysisPhase::Inconclusive,
    };
    let object = json!({ "state": state, "sli": sli, "error_budget_remaining": budget });
    Ok(Reading {
        own: Some((phase, why)),
        ..Reading::of(Result::Object(object))
    })
}
