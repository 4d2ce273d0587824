//! A JSON object read field by field, so that what nobody took can be named.

use serde_json::{Map, Value};

use super::ConfigError;

/// An object of the configuration and where it stands.
pub(super) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(path: String, value: &'a Value) -> Result<Self, ConfigError> {
        match value {
            Value::Object(object) => Ok(Self {
                path,
                object,
                taken: Vec::new(),
            }),
            other => Err(wrong_type(path, "an object", other)),
        }
    }

    /// The value of a field. `null` counts as absent, as it does in Go.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.taken.push(field);
        self.object.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn string(&mut self, field: &'static str) -> Result<Option<&'a str>, ConfigError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(self.path_of(field), "a string", other)),
        }
    }

    /// A string that says something: the empty string counts as absent, as it does in the Go plugin.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<&'a str>, ConfigError> {
        Ok(self.string(field)?.filter(|text| !text.is_empty()))
    }

    pub(super) fn bool(&mut self, field: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(wrong_type(self.path_of(field), "true or false", other)),
        }
    }

    pub(super) fn list(&mut self, field: &'static str) -> Result<&'a [Value], ConfigError> {
        match self.value(field) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(wrong_type(self.path_of(field), "a list", other)),
        }
    }

    pub(super) fn strings(&mut self, field: &'static str) -> Result<Vec<&'a str>, ConfigError> {
        let path = self.path_of(field);
        self.list(field)?
            .iter()
            .enumerate()
            .map(|(index, value)| {
                value
                    .as_str()
                    .ok_or_else(|| wrong_type(format!("{path}[{index}]"), "a string", value))
            })
            .collect()
    }

    pub(super) fn path_of(&self, field: &str) -> String {
        join(&self.path, field)
    }

    /// Fails on a field that nobody asked for.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        let Some(unknown) = self.object.keys().find(|key| !self.taken.contains(&key.as_str())) else {
            return Ok(());
        };
        Err(ConfigError::UnknownField {
            path: join(&self.path, unknown),
            nearest: nearest(unknown, &self.taken),
            known: self.taken.join(", "),
        })
    }
}

pub(super) fn wrong_type(path: String, expected: &'static str, found: &Value) -> ConfigError {
    let mut found = found.to_string();
    if let Some((end, _)) = found.char_indices().nth(80) {
        found.truncate(end);
        found.push('…');
    }
    ConfigError::WrongType {
        path,
        expected,
        found,
    }
}

fn join(path: &str, field: &str) -> String {
    match path.is_empty() {
        true => field.to_owned(),
        false => format!("{path}.{field}"),
    }
}

/// The known name that is nearest to what was written, if any is near.
fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = written.to_lowercase();
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .map(|(_, name)| name)
}
