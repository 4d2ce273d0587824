//! What was read, before it is judged.

use std::collections::BTreeMap;

use rollouts_plugin::types::AnalysisPhase;
use serde_json::{Value, json};

use super::number::format_number;
use super::{Columns, Series};
use crate::config::{Formulas, Scalar};

/// A reading: the `result` of conditions and what is worth telling about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What conditions see.
    pub result: Result,
    /// The unit, where Datadog names one.
    pub unit: Option<String>,
    /// What `minSamples` counted.
    pub samples: Option<f64>,
    /// The source's own verdict and why, for sources that judge themselves.
    pub own: Option<(AnalysisPhase, String)>,
    /// Whether an object is that of an answer without a single value.
    pub without_data: bool,
    /// More for the metadata.
    pub notes: Vec<(&'static str, String)>,
}

/// The `result` of conditions.
#[derive(Debug, Clone, PartialEq)]
pub enum Result {
    /// `float64`, or nil without data.
    Number(Option<f64>),
    /// `[]float64`, with the name of each group.
    Groups(Vec<(String, f64)>),
    /// `map[string]any`, one entry a formula, nil without data.
    Named(BTreeMap<String, Option<f64>>),
    /// `map[string]any` of monitors, SLOs, comparisons.
    Object(Value),
}

impl Reading {
    /// A reading without anything beside it.
    pub fn of(result: Result) -> Self {
        Self {
            result,
            unit: None,
            samples: None,
            own: None,
            without_data: false,
            notes: Vec::new(),
        }
    }

    /// The answer to a v1 query.
    pub fn of_series(series: Option<&Series>, drop_last_point: bool) -> Self {
        let last = series.and_then(|series| series.last(drop_last_point));
        let mut reading = Self::of(Result::Number(last.map(|(_, value)| value)));
        reading.unit = series.and_then(|series| series.unit.clone());
        if let Some((at, _)) = last
            && let Ok(at) = jiff::Timestamp::from_millisecond(at)
        {
            reading.notes.push(("pointAt", at.to_string()));
        }
        reading
    }

    /// The answer to a scalar request. `columns` has the asked formulas in order, the guard's last.
    pub fn of_columns(scalar: &Scalar, mut columns: Columns) -> Self {
        let samples = match scalar.guard.is_some() && columns.numbers.len() > 1 {
            // Without data the count is 0: nothing was counted.
            true => columns
                .numbers
                .pop()
                .map(|column| column.values.iter().flatten().sum()),
            false => None,
        };
        let unit = columns.numbers.first().and_then(|column| column.unit.clone());
        let mut values = columns.numbers.iter().flat_map(|column| &column.values);
        let without_data = !values.any(Option::is_some);
        let result = match (&scalar.formulas, columns.groups) {
            // No group, or none that has a value: conditions over an empty list would hold.
            (Formulas::Named(formulas), Some(_)) if without_data => {
                Result::Named(formulas.keys().map(|name| (name.clone(), None)).collect())
            }
            (_, Some(_)) if without_data => Result::Number(None),
            (Formulas::Named(formulas), None) => Result::Named(
                formulas
                    .keys()
                    .cloned()
                    .zip(columns.numbers.iter().map(super::Column::single))
                    .collect(),
            ),
            (Formulas::Named(formulas), Some(groups)) => {
                named_groups(formulas.keys(), &groups, &columns.numbers)
            }
            (_, None) => Result::Number(columns.numbers.first().and_then(super::Column::single)),
            (_, Some(groups)) => {
                let values = columns.numbers.into_iter().next().unwrap_or_default().values;
                let pairs = groups
                    .into_iter()
                    .zip(values)
                    .filter_map(|(name, value)| Some((name, value?)));
                Result::Groups(pairs.collect())
            }
        };
        Self {
            unit,
            samples,
            without_data,
            ..Self::of(result)
        }
    }

    /// Whether there is nothing to judge.
    pub fn is_empty(&self) -> bool {
        if self.without_data {
            return true;
        }
        match &self.result {
            Result::Number(value) => value.is_none(),
            Result::Groups(groups) => groups.is_empty(),
            Result::Named(named) => named.values().all(Option::is_none),
            Result::Object(_) => false,
        }
    }

    /// The measurement's value as text. Go: `parseResponseV2`; no data is `[]` there.
    pub fn text(&self) -> String {
        match &self.result {
            Result::Number(Some(value)) => format_number(*value),
            Result::Number(None) => "[]".to_owned(),
            Result::Groups(groups) => {
                let values: Vec<String> = groups.iter().map(|(_, value)| format_number(*value)).collect();
                format!("[{}]", values.join(","))
            }
            Result::Named(named) => {
                let number = |value: &Option<f64>| value.map_or("null".to_owned(), format_number);
                let entries: Vec<String> = named
                    .iter()
                    .map(|(name, value)| format!("{}:{}", json!(name), number(value)))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }
            Result::Object(value) => value.to_string(),
        }
    }
}

/// Several formulas over groups: `result.<formula>.<group>`.
fn named_groups<'a>(
    names: impl Iterator<Item = &'a String>,
    groups: &[String],
    columns: &[super::Column],
) -> Result {
    let object: serde_json::Map<String, Value> = names
        .zip(columns)
        .map(|(name, column)| {
            let values: serde_json::Map<String, Value> = groups
                .iter()
                .zip(&column.values)
                .filter_map(|(group, value)| Some((group.clone(), json!((*value)?))))
                .collect();
            (name.clone(), Value::Object(values))
        })
        .collect();
    Result::Object(Value::Object(object))
}
