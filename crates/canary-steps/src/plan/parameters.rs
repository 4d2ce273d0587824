//! The plugin parameters of an Application.

use serde_json::{Map, Value};

use crate::syntax::{Choice, SyntaxError, nearest};

/// `ARGOCD_APP_PARAMETERS`, sorted by what they are for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    /// `canary`: for all Rollouts.
    pub general: Option<Setting>,
    /// `canary/<rollout>`, without the prefix.
    pub rollouts: Vec<(String, Setting)>,
    /// `source`, `helm…`, `kustomize…`, `directory…`: how the manifests are made, in the shape of `.canary.yaml`.
    pub rendering: Map<String, Value>,
    /// `allowEmpty`.
    pub allow_empty: Option<bool>,
}

/// What is written for one Rollout or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `string:`
    Text(String),
    /// `array:`
    List(Vec<String>),
}

/// A parameter that is not ours or has the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParameterError(pub String);

impl Setting {
    /// Reads the choice; `None` where nothing is written.
    ///
    /// # Errors
    /// As [`Choice::parse`].
    pub fn choice(&self) -> Result<Option<Choice>, SyntaxError> {
        match self {
            Setting::Text(text) => Choice::parse(text),
            Setting::List(list) => Choice::parse_list(list),
        }
    }

    /// As it is shown in one line.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Setting::Text(text) => text.clone(),
            Setting::List(list) => list
                .iter()
                .filter(|s| !s.is_empty())
                .cloned()
                .collect::<Vec<_>>()
                .join(","),
        }
    }
}

const RENDERING: [&str; 4] = ["source", "helm", "kustomize", "directory"];

impl Parameters {
    /// Reads the JSON that Argo CD puts into `ARGOCD_APP_PARAMETERS` (`ApplicationSourcePluginParameters.Environ` in
    /// argo-cd `pkg/apis/application/v1alpha1/types.go`): a list, or `null` where the Application sets none.
    ///
    /// # Errors
    /// [`ParameterError`] names the parameter and the nearest known one.
    pub fn parse(json: &str) -> Result<Parameters, ParameterError> {
        let fail = |problem: String| ParameterError(problem);
        let list: Vec<Value> = match serde_json::from_str(json.trim()) {
            Ok(Value::Null) => Vec::new(),
            Ok(Value::Array(list)) => list,
            Ok(other) => return Err(fail(format!("ARGOCD_APP_PARAMETERS is not a list but {other}"))),
            Err(_) if json.trim().is_empty() => Vec::new(),
            Err(error) => return Err(fail(format!("ARGOCD_APP_PARAMETERS is no JSON: {error}"))),
        };
        let mut parameters = Parameters::default();
        for parameter in &list {
            let name = parameter["name"].as_str().unwrap_or_default();
            parameters.add(name, parameter).map_err(fail)?;
        }
        Ok(parameters)
    }

    /// Adds or replaces `canary/<key>`, or for the empty key `canary`; for settings on a command line.
    pub fn set(&mut self, key: &str, value: &str) {
        let setting = Setting::Text(value.to_owned());
        if key.is_empty() {
            self.general = Some(setting);
            return;
        }
        match self.rollouts.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = setting,
            None => self.rollouts.push((key.to_owned(), setting)),
        }
    }

    fn add(&mut self, name: &str, parameter: &Value) -> Result<(), String> {
        if name == "canary" {
            let before = self.general.replace(setting(name, parameter)?);
            return once(name, before.is_none());
        }
        if let Some(key) = name.strip_prefix("canary/") {
            let new = !self.rollouts.iter().any(|(k, _)| k == key);
            self.rollouts.push((key.to_owned(), setting(name, parameter)?));
            return once(name, new);
        }
        if name == "allowEmpty" {
            let text = parameter["string"].as_str().unwrap_or_default();
            self.allow_empty = match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                "" => None,
                _ => return Err(format!("allowEmpty is {text:?}; it takes true or false")),
            };
            return Ok(());
        }
        let (kind, field) = match name.split_once('.') {
            Some((kind, field)) => (kind, Some(field)),
            None => (name, None),
        };
        if !RENDERING.contains(&kind) || field == Some("") {
            let known = ["canary", "allowEmpty"].into_iter().chain(RENDERING);
            let (stem, rest) = name.split_at(name.find(['/', '.']).unwrap_or(name.len()));
            return Err(match nearest(stem, known) {
                Some(near) => format!("unknown parameter {name:?}; did you mean \"{near}{rest}\"?"),
                None => format!("unknown parameter {name:?}; write canary or canary/<rollout>"),
            });
        }
        self.rendering(name, kind, field, parameter)
    }

    fn rendering(
        &mut self,
        name: &str,
        kind: &str,
        field: Option<&str>,
        parameter: &Value,
    ) -> Result<(), String> {
        let value = parameter["string"].as_str().map(Value::from);
        let value = value.or_else(|| Some(parameter["array"].clone()).filter(Value::is_array));
        let value = value.or_else(|| Some(parameter["map"].clone()).filter(Value::is_object));
        let Some(value) = value.filter(|v| v.as_str() != Some("")) else {
            return Ok(());
        };
        let Some(field) = field else {
            // The whole of it in one text, as `migrate` writes it.
            let whole = match (kind, value) {
                ("source", value) => value,
                (_, Value::String(text)) => crate::edit::read(&text).map_err(|e| format!("{name}: {e}"))?,
                (_, value) => value,
            };
            match (self.rendering.get_mut(kind), whole) {
                (Some(Value::Object(before)), Value::Object(whole)) => {
                    for (key, value) in whole {
                        before.entry(key).or_insert(value);
                    }
                }
                (_, whole) => {
                    self.rendering.insert(kind.to_owned(), whole);
                }
            }
            return Ok(());
        };
        let section = self
            .rendering
            .entry(kind)
            .or_insert_with(|| Value::Object(Map::new()));
        match section {
            Value::Object(section) => {
                section.insert(field.to_owned(), value);
                Ok(())
            }
            _ => Err(format!("{name}: {kind} itself is not a mapping")),
        }
    }
}

fn setting(name: &str, parameter: &Value) -> Result<Setting, String> {
    if let Some(list) = parameter["array"].as_array() {
        let texts = list.iter().map(|v| v.as_str().unwrap_or_default().to_owned());
        return Ok(Setting::List(texts.collect()));
    }
    if parameter["map"].as_object().is_some_and(|m| !m.is_empty()) {
        return Err(format!(
            "{name} is a map; it takes one text like on, off or 25,pause,100"
        ));
    }
    Ok(Setting::Text(
        parameter["string"].as_str().unwrap_or_default().to_owned(),
    ))
}

fn once(name: &str, first: bool) -> Result<(), String> {
    if first {
        Ok(())
    } else {
        Err(format!("{name} is set twice"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_argo_cd_sends_is_read() {
        let sent = r#"[{"name":"canary","string":"off"},{"name":"canary/web","array":["25","pause"]},
            {"name":"canary/x/api","string":""},{"name":"helm.valueFiles","array":["a.yaml"]},
            {"name":"helm.parameters","map":{"a.b":"1"}},{"name":"helm","string":"releaseName: r\nvalueFiles: [z]"},
            {"name":"allowEmpty","string":"true"}]"#;
        let parameters = Parameters::parse(sent).unwrap();
        assert_eq!(parameters.general, Some(Setting::Text("off".into())));
        assert_eq!(parameters.rollouts[0].0, "web");
        assert_eq!(parameters.rollouts[0].1.shown(), "25,pause");
        assert_eq!(parameters.rollouts[1].1.choice(), Ok(None));
        assert_eq!(parameters.allow_empty, Some(true));
        assert_eq!(
            Value::Object(parameters.rendering),
            json!({"helm": {"valueFiles": ["a.yaml"], "parameters": {"a.b": "1"}, "releaseName": "r"}})
        );
        for nothing in ["null", "", "[]"] {
            assert_eq!(Parameters::parse(nothing), Ok(Parameters::default()));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (sent, expected) in [
            (
                r#"[{"name":"cnary/web","string":"on"}]"#,
                "unknown parameter \"cnary/web\"; did you mean \"canary/web\"?",
            ),
            (
                r#"[{"name":"web","string":"on"}]"#,
                "unknown parameter \"web\"; write canary or canary/<rollout>",
            ),
            (
                r#"[{"name":"canary","map":{"web":"on"}}]"#,
                "canary is a map; it takes one text like on, off or 25,pause,100",
            ),
            (
                r#"[{"name":"canary/a"},{"name":"canary/a"}]"#,
                "canary/a is set twice",
            ),
            (r#"[{"name":"helm","string":"a: ["}]"#, "helm: line 1"),
            (
                r#"[{"name":"allowEmpty","string":"si"}]"#,
                "allowEmpty is \"si\"; it takes true or false",
            ),
            ("{}", "ARGOCD_APP_PARAMETERS is not a list but {}"),
            ("[", "ARGOCD_APP_PARAMETERS is no JSON"),
        ] {
            let error = Parameters::parse(sent).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
