//! Points over time: answers of `/api/v1/query` and of the timeseries endpoint.

use serde_json::Value;

use super::Unreadable;

/// The points of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Unix milliseconds and value; [`None`] is no data.
    pub points: Vec<(i64, Option<f64>)>,
    /// The unit.
    pub unit: Option<String>,
}

impl Series {
    /// The newest value and when it was. Nulls are passed over: they are no data, and never 0.
    pub fn last(&self, drop_last_point: bool) -> Option<(i64, f64)> {
        self.complete(drop_last_point)
            .iter()
            .rev()
            .find_map(|(at, value)| value.map(|value| (*at, value)))
    }

    /// The values there are.
    pub fn values(&self, drop_last_point: bool) -> Vec<f64> {
        self.complete(drop_last_point)
            .iter()
            .filter_map(|(_, value)| *value)
            .collect()
    }

    fn complete(&self, drop_last_point: bool) -> &[(i64, Option<f64>)] {
        let dropped = usize::from(drop_last_point).min(self.points.len());
        &self.points[..self.points.len() - dropped]
    }
}

/// Reads an answer of `/api/v1/query` to so many queries: for each its first series, if it has one.
///
/// # Errors
/// Where it is not what Datadog documents.
pub fn read_v1(body: &Value, queries: usize) -> Result<Vec<Option<Series>>, Unreadable> {
    let series = match body.get("series") {
        Some(Value::Array(series)) => series.as_slice(),
        Some(Value::Null) => &[],
        None if body.get("status").is_some() => &[],
        _ => return Err(Unreadable("series is missing".to_owned())),
    };
    let mut answers = vec![None; queries];
    for one in series {
        let index = match one.get("query_index").and_then(Value::as_u64) {
            Some(index) => usize::try_from(index).unwrap_or(usize::MAX),
            None if queries == 1 => 0,
            None => {
                return Err(Unreadable(
                    "a series does not say which query it answers".to_owned(),
                ));
            }
        };
        // A lone text may hold several queries; the controller's own provider takes the first series.
        let index = if queries == 1 { 0 } else { index };
        let Some(slot @ None) = answers.get_mut(index) else {
            continue;
        };
        let points = match one.get("pointlist") {
            Some(Value::Array(points)) => points.iter().map(point).collect::<Result<_, _>>()?,
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return Err(Unreadable("pointlist is no list".to_owned())),
        };
        let unit = one
            .get("unit")
            .and_then(Value::as_array)
            .and_then(|units| units.first())
            .and_then(|unit| unit.get("name"));
        *slot = Some(Series {
            points,
            unit: unit.and_then(Value::as_str).map(str::to_owned),
        });
    }
    Ok(answers)
}

fn point(point: &Value) -> Result<(i64, Option<f64>), Unreadable> {
    let bad = || Unreadable(format!("{} is no point", super::brief(&point.to_string())));
    let [at, value] = point.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(bad());
    };
    let at = at.as_f64().ok_or_else(bad)? as i64;
    match value {
        Value::Null => Ok((at, None)),
        Value::Number(value) => Ok((at, value.as_f64())),
        _ => Err(bad()),
    }
}

/// Reads an answer of the timeseries endpoint: the series of each formula, by its place in the request.
///
/// # Errors
/// Where it is not what Datadog documents.
pub fn read_timeseries(body: &Value, formulas: usize) -> Result<Vec<Series>, Unreadable> {
    let part = |name: &str| {
        body.pointer(&format!("/data/attributes/{name}"))
            .and_then(Value::as_array)
    };
    let (Some(series), Some(times), Some(values)) = (part("series"), part("times"), part("values")) else {
        return Err(Unreadable(
            "data.attributes has no series, times and values".to_owned(),
        ));
    };
    let mut answers = vec![Series::default(); formulas];
    for (index, one) in series.iter().enumerate() {
        let formula = one
            .get("query_index")
            .and_then(Value::as_u64)
            .and_then(|index| usize::try_from(index).ok())
            .unwrap_or(index);
        let Some(answer) = answers.get_mut(formula).filter(|answer| answer.points.is_empty()) else {
            continue;
        };
        let row = values
            .get(index)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let at = |time: &Value| time.as_f64().unwrap_or_default() as i64;
        answer.points = times
            .iter()
            .zip(row)
            .map(|(time, value)| (at(time), value.as_f64()))
            .collect();
        let unit = one
            .get("unit")
            .and_then(Value::as_array)
            .and_then(|units| units.first())
            .and_then(|unit| unit.get("name"));
        answer.unit = unit.and_then(Value::as_str).map(str::to_owned);
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_of_v1_is_no_data_and_not_zero() {
        let body = json!({"status": "ok", "series": [{"query_index": 0, "pointlist": [[1000, null], [2000, null]]}]});
        let series = read_v1(&body, 1).unwrap().remove(0).unwrap();
        assert_eq!(series.last(false), None);
        let body =
            json!({"status": "ok", "series": [{"pointlist": [[1000, 5.0], [2000, 7.5], [3000, null]]}]});
        let series = read_v1(&body, 1).unwrap().remove(0).unwrap();
        assert_eq!(series.last(false), Some((2000, 7.5)));
        assert_eq!(
            series.last(true),
            Some((2000, 7.5)),
            "the dropped point was the null"
        );
        assert_eq!(series.values(false), [5.0, 7.5]);
    }

    #[test]
    fn joint_queries_are_told_apart() {
        let body = json!({"series": [
            {"query_index": 1, "pointlist": [[1000, 2.0]]},
            {"query_index": 0, "pointlist": [[1000, 1.0]]},
            {"query_index": 0, "pointlist": [[1000, 9.0]]},
        ]});
        let answers = read_v1(&body, 3).unwrap();
        let last = |index: usize| {
            answers[index]
                .as_ref()
                .and_then(|series: &Series| series.last(false))
        };
        assert_eq!(
            (last(0), last(1), last(2)),
            (Some((1000, 1.0)), Some((1000, 2.0)), None)
        );
        assert!(read_v1(&json!({"series": [{"pointlist": []}]}), 2).is_err());
        assert!(read_v1(&json!({"hello": 1}), 1).is_err());
        assert!(read_v1(&json!({"series": [{"pointlist": [[1]]}]}), 1).is_err());
    }

    #[test]
    fn timeseries_by_formula() {
        let body = json!({"data": {"attributes": {
            "series": [{"query_index": 1}, {"query_index": 0}],
            "times": [1, 2, 3],
            "values": [[1, null, 87], [4, 5, 6]],
        }}});
        let series = read_timeseries(&body, 2).unwrap();
        assert_eq!(series[0].values(false), [4.0, 5.0, 6.0]);
        assert_eq!(series[1].values(true), [1.0]);
    }
}
