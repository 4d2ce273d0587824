//! Answers of the scalar endpoint.

use serde_json::Value;

use super::Unreadable;

/// An answer: rows of groups, or one row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    /// A column a formula, or one a query where there was no formula.
    pub numbers: Vec<Column>,
    /// For each row the values of its tags, joined by commas; [`None`] for an answer without groups.
    pub groups: Option<Vec<String>>,
}

/// A column of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Column {
    /// The text of its formula, or its query's name.
    pub name: String,
    /// A value a row; [`None`] is no data.
    pub values: Vec<Option<f64>>,
    /// The unit, such as `percent` or `byte/second`.
    pub unit: Option<String>,
}

/// More rows than this are no verdict on a release but a mistake in a query.
const MOST_ROWS: usize = 100_000;

impl Columns {
    /// Reads `data.attributes.columns` (Go: `datadog.go` `findColumns`, `extractValues`).
    ///
    /// # Errors
    /// Where it is not what Datadog documents; a value that is no number is one, a null is no data.
    pub fn read(body: &Value) -> Result<Self, Unreadable> {
        let Some(columns) = body.pointer("/data/attributes/columns").and_then(Value::as_array) else {
            return Err(Unreadable("data.attributes.columns is missing".to_owned()));
        };
        let mut numbers = Vec::new();
        let mut tags: Vec<Vec<String>> = Vec::new();
        for column in columns {
            let name = column.get("name").and_then(Value::as_str).unwrap_or_default();
            let values = match column.get("values") {
                Some(Value::Array(values)) => values.as_slice(),
                Some(Value::Null) | None => &[],
                Some(_) => return Err(Unreadable(format!("the values of column {name:?} are no list"))),
            };
            if values.len() > MOST_ROWS {
                return Err(Unreadable(format!(
                    "column {name:?} has {} rows; at most {MOST_ROWS} are read",
                    values.len()
                )));
            }
            match column.get("type").and_then(Value::as_str) {
                Some("group") => tags.push(
                    values
                        .iter()
                        .map(|value| tag(name, value))
                        .collect::<Result<_, _>>()?,
                ),
                None | Some("" | "number") => numbers.push(Column {
                    name: name.to_owned(),
                    values: values
                        .iter()
                        .map(|value| number(name, value))
                        .collect::<Result<_, _>>()?,
                    unit: unit(column),
                }),
                // A newer kind of column is no reason to lose the others.
                Some(_) => {}
            }
        }
        let groups = match tags.is_empty() {
            true => None,
            false => {
                let rows = numbers
                    .iter()
                    .map(|column| column.values.len())
                    .max()
                    .unwrap_or(0);
                if tags.iter().any(|column| column.len() < rows) {
                    return Err(Unreadable("a group has no name".to_owned()));
                }
                let row = |index: usize| {
                    tags.iter()
                        .map(|column| column[index].as_str())
                        .collect::<Vec<_>>()
                        .join(",")
                };
                Some((0..rows).map(row).collect())
            }
        };
        Ok(Self { numbers, groups })
    }

    /// The column of a formula; texts that differ in blanks alone are the same.
    pub fn named(&self, formula: &str) -> Option<&Column> {
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        self.numbers
            .iter()
            .find(|column| column.name == formula)
            .or_else(|| {
                self.numbers
                    .iter()
                    .find(|column| bare(&column.name) == bare(formula))
            })
    }
}

impl Column {
    /// The value of an answer without groups.
    pub fn single(&self) -> Option<f64> {
        self.values.iter().flatten().next().copied()
    }
}

fn number(column: &str, value: &Value) -> Result<Option<f64>, Unreadable> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => Ok(number.as_f64()),
        other => {
            let seen = super::brief(&other.to_string());
            Err(Unreadable(format!("{seen} in column {column:?} is no number")))
        }
    }
}

/// A row's tags in one dimension: a list, which has several members for aliases.
fn tag(column: &str, value: &Value) -> Result<String, Unreadable> {
    let tags = match value {
        Value::Array(tags) => tags.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
        Value::String(tag) => Some(vec![tag.as_str()]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    match tags {
        Some(tags) if !tags.is_empty() => Ok(tags.join(",")),
        _ => Err(Unreadable(format!("a group in column {column:?} has no name"))),
    }
}

/// `meta.unit`: the unit and what it is per.
fn unit(column: &Value) -> Option<String> {
    let units = column.pointer("/meta/unit")?.as_array()?;
    let name = |unit: &Value| unit.get("name").and_then(Value::as_str).map(str::to_owned);
    let unit = name(units.first()?)?;
    Some(match units.get(1).and_then(name) {
        Some(per) => format!("{unit}/{per}"),
        None => unit,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "tests hand over literals")]
    fn read(columns: Value) -> Result<Columns, Unreadable> {
        Columns::read(&json!({"data": {"type": "scalar_response", "attributes": {"columns": columns}}}))
    }

    #[test]
    fn one_value_with_its_unit() {
        let unit = json!([{"name": "byte"}, {"name": "second"}]);
        let columns =
            read(json!([{"name": "a", "type": "number", "values": [6.5], "meta": {"unit": unit}}])).unwrap();
        assert_eq!(columns.numbers[0].single(), Some(6.5));
        assert_eq!(columns.numbers[0].unit.as_deref(), Some("byte/second"));
        assert_eq!(columns.groups, None);
    }

    #[test]
    fn null_and_nothing_are_no_data() {
        for values in [json!([null]), json!([]), json!(null)] {
            let columns = read(json!([{"name": "a", "type": "number", "values": values}])).unwrap();
            assert_eq!(columns.numbers[0].single(), None);
        }
        assert!(read(json!([{"name": "a", "type": "number", "values": ["5"]}])).is_err());
        assert!(Columns::read(&json!({})).is_err());
    }

    #[test]
    fn groups_of_several_tags() {
        let columns = read(json!([
            {"name": "region", "type": "group", "values": [["eu"], ["us"]]},
            {"name": "a/b", "type": "number", "values": [1, null]},
            {"name": "host", "type": "group", "values": [["h1", "alias"], ["h2"]]},
        ]))
        .unwrap();
        assert_eq!(
            columns.groups.as_deref(),
            Some(&["eu,h1,alias".to_owned(), "us,h2".to_owned()][..])
        );
        assert_eq!(columns.named("a / b").unwrap().values, [Some(1.0), None]);
        let unnamed = json!([
            {"name": "host", "type": "group", "values": [["h1"]]},
            {"name": "a", "type": "number", "values": [1, 2]},
        ]);
        assert!(read(unnamed).is_err());
    }
}
