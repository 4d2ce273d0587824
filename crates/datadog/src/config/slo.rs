//! `slo`: a service level objective, as a number or as a state.

use serde_json::{Map, Value};

use super::ConfigError;
use super::fields::Fields;
use super::scalar::{Formulas, NamedQuery, Scalar};

/// `slo` with `measure: status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SloStatus {
    /// Its id.
    pub id: String,
}

pub(super) enum Slo {
    Status(SloStatus),
    Measure(Scalar),
}

/// `measure` of the scalar `slo` source (datadog-api-client 0.38 `SLOQuery`; docs "SLO data source").
const MEASURES: [(&str, &str); 12] = [
    ("status", "status"),
    ("slo_status", "slo_status"),
    ("error_budget_remaining", "error_budget_remaining"),
    ("burn_rate", "burn_rate"),
    ("error_budget_burndown", "error_budget_burndown"),
    ("good_events", "good_events"),
    ("bad_events", "bad_events"),
    ("total_events", "total_events"),
    ("good_minutes", "good_minutes"),
    ("bad_minutes", "bad_minutes"),
    ("good_replicas", "good_replicas"),
    ("bad_replicas", "bad_replicas"),
];

pub(super) fn parse(fields: &mut Fields<'_>) -> Result<Option<Slo>, ConfigError> {
    let Some(value) = fields.value("slo") else {
        return Ok(None);
    };
    let mut fields = Fields::new("slo", value)?;
    let id = fields.text("id")?;
    let measure = fields.word("measure", &MEASURES)?.unwrap_or("status");
    let filter = fields.text("filter")?;
    let kind = fields.word(
        "type",
        &[
            ("metric", "metric"),
            ("monitor", "monitor"),
            ("time_slice", "time_slice"),
        ],
    )?;
    fields.finish()?;
    let Some(id) = id else {
        return Err(ConfigError::rule(
            "slo.id",
            "it is missing; write the SLO's id, as its page's address has it",
        ));
    };
    if measure == "status" {
        for (name, given) in [("filter", filter.is_some()), ("type", kind.is_some())] {
            if given {
                let problem = "measure: status has none; write a measure such as burn_rate, or remove it";
                return Err(ConfigError::rule(format!("slo.{name}"), problem));
            }
        }
        return Ok(Some(Slo::Status(SloStatus { id })));
    }
    let mut body = Map::new();
    body.insert("data_source".to_owned(), "slo".into());
    body.insert("slo_id".to_owned(), id.into());
    body.insert("measure".to_owned(), measure.into());
    body.insert("group_mode".to_owned(), "overall".into());
    body.insert("slo_query_type".to_owned(), kind.unwrap_or("metric").into());
    if let Some(filter) = filter {
        body.insert("additional_query_filters".to_owned(), Value::from(filter));
    }
    let queries = vec![NamedQuery {
        name: "slo".to_owned(),
        body,
    }];
    Ok(Some(Slo::Measure(Scalar {
        queries,
        formulas: Formulas::Query,
        guard: None,
    })))
}
