//! A JSON object read field by field, so that what nobody took can be named.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{ConfigError, duration};

/// An object of the configuration and where it stands.
pub(super) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: impl Into<String>, value: &'a Value) -> Result<Self, ConfigError> {
        let path = path.into();
        match value {
            Value::Object(object) => Ok(Self {
                path,
                object,
                taken: Vec::new(),
            }),
            other if path.is_empty() => Err(wrong_type(
                "provider.plugin".to_owned(),
                "the fields of the metric below the plugin's name",
                other,
            )),
            other => Err(wrong_type(path, "an object", other)),
        }
    }

    /// The value of a field; `null` counts as absent, as it does in Go.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.taken.push(field);
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// A string that says something: the empty string counts as absent, as it does in Go.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<String>, ConfigError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(wrong_type(self.path_of(field), "a string", other)),
        }
    }

    /// A string, or a number that a template's argument turned into a string or the other way round.
    pub(super) fn id(&mut self, field: &'static str) -> Result<Option<String>, ConfigError> {
        match self.value(field) {
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            _ => {
                self.taken.pop();
                self.text(field)
            }
        }
    }

    /// `true`, or `"true"` as an argument of a template gives it.
    pub(super) fn bool(&mut self, field: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(other) => Err(wrong_type(self.path_of(field), "true or false", other)),
        }
    }

    /// A number, or its text as an argument of a template gives it.
    pub(super) fn number(&mut self, field: &'static str) -> Result<Option<f64>, ConfigError> {
        let number = match self.value(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(wrong_type(self.path_of(field), "a number", &self.object[field])),
        }
    }

    /// A whole number within bounds.
    pub(super) fn count(
        &mut self,
        field: &'static str,
        least: u64,
        most: u64,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(number) = self.number(field)? else {
            return Ok(None);
        };
        if number.fract() != 0.0 || number < least as f64 || number > most as f64 {
            let expected = format!("a whole number from {least} to {most}");
            return Err(self.refuse(field, &self.object[field], &expected));
        }
        Ok(Some(number as u64))
    }

    /// A duration as Go writes it, at least `least`.
    pub(super) fn duration(
        &mut self,
        field: &'static str,
        least: Duration,
    ) -> Result<Option<Duration>, ConfigError> {
        let text = match self.value(field) {
            Some(number @ Value::Number(_)) => {
                return Err(self.refuse(
                    field,
                    number,
                    "a duration such as 30s, 5m or 1h30m (a unit is missing)",
                ));
            }
            _ => {
                self.taken.pop();
                self.text(field)?
            }
        };
        let Some(text) = text else {
            return Ok(None);
        };
        let seen = Value::from(text.as_str());
        match duration::parse(&text) {
            Ok(value) if value >= least => Ok(Some(value)),
            Ok(_) => {
                let expected = format!("a duration of at least {}", duration::render(least));
                Err(self.refuse(field, &seen, &expected))
            }
            Err(why) => Err(self.refuse(
                field,
                &seen,
                &format!("a duration such as 30s, 5m or 1h30m ({why})"),
            )),
        }
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(
        &mut self,
        field: &'static str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(field)? else {
            return Ok(None);
        };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let near = nearest(&text, &words)
                    .map(|near| format!("; did you mean {near}?"))
                    .unwrap_or_default();
                let expected = format!("one of {}{near}", words.join(", "));
                Err(self.refuse(field, &Value::from(text), &expected))
            }
        }
    }

    pub(super) fn path_of(&self, field: &str) -> String {
        join(&self.path, field)
    }

    /// What is wrong with the value of a field.
    pub(super) fn refuse(&self, field: &str, seen: &Value, expected: &str) -> ConfigError {
        ConfigError::Value {
            path: self.path_of(field),
            seen: brief(seen),
            expected: expected.to_owned(),
        }
    }

    /// Fails on a field that nobody asked for.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some(unknown) = self.object.keys().find(|key| !self.taken.contains(&key.as_str())) else {
            return Ok(());
        };
        let near = nearest(unknown, &self.taken)
            .map(|near| format!("did you mean {near}? "))
            .unwrap_or_default();
        Err(ConfigError::UnknownField {
            path: join(&self.path, unknown),
            hint: format!("{near}known here: {}", self.taken.join(", ")),
        })
    }
}

pub(super) fn wrong_type(path: String, expected: &str, seen: &Value) -> ConfigError {
    ConfigError::Value {
        path,
        seen: brief(seen),
        expected: expected.to_owned(),
    }
}

/// The beginning of a value, for a message.
fn brief(value: &Value) -> String {
    crate::judge::cut(value.to_string(), 80)
}

fn join(path: &str, field: &str) -> String {
    match path.is_empty() {
        true => field.to_owned(),
        false => format!("{path}.{field}"),
    }
}

/// The known name that is nearest to what was written, if any is near.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = written.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .map(|(_, name)| name)
}
