//! Settings: what the operator mounts and what a repository keeps in `.canary.yaml`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::policy::Rule;
use crate::edit;
use crate::syntax::{Choice, Item, Word, is_preset_name, nearest};

/// The preset that is always there: two short steps, so that a Rollout with traffic routing is not cut over at once.
const RAMP: &str = "10,pause:10s,50,pause:10s,100";

/// Settings of one layer, or of several laid over each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The state of a Rollout for which nothing is set, and whose word it is. Default: as in Git.
    pub default: Option<(Choice, Owner)>,
    /// Presets by name.
    pub presets: BTreeMap<String, Vec<Item>>,
    /// What developers may choose. Only the operator's layer has rules.
    pub policy: Vec<Rule>,
    /// Whether each canary Rollout gets a label and annotations that show its state. Default: no.
    pub badge: bool,
    /// Whether an Application without any object is all right. Default: no, as it would delete everything.
    pub allow_empty: bool,
    /// How the manifests are made: the fields `source`, `helm`, `kustomize` and `directory`.
    pub rendering: Map<String, Value>,
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct SettingsError {
    /// The file, as messages call it.
    pub file: String,
    /// What is wrong in it, with the field.
    pub problem: String,
}

/// Whose settings a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The operator: all fields.
    Operator,
    /// A repository: no `policy`, no `badge`.
    Repository,
}

impl Default for Settings {
    fn default() -> Self {
        let ramp = Choice::parse_preset(&Value::from(RAMP)).expect("the built-in preset is steps");
        Settings {
            default: None,
            presets: BTreeMap::from([("ramp".to_owned(), ramp)]),
            policy: Vec::new(),
            badge: false,
            allow_empty: false,
            rendering: Map::new(),
        }
    }
}

impl Settings {
    /// Lays the settings of a file over these: its presets replace those of the same name, its other fields those set.
    ///
    /// # Errors
    /// [`SettingsError`] names the field, the value seen and what it takes.
    pub fn lay(mut self, file: &str, text: &str, owner: Owner) -> Result<Settings, SettingsError> {
        let fail = |problem: String| SettingsError {
            file: file.to_owned(),
            problem,
        };
        let text = &plain_beginning(text);
        let mut values = Vec::new();
        for document in edit::split(text).map_err(|e| fail(e.to_string()))? {
            let value = edit::read(&text[document.range])
                .map_err(|e| fail(format!("line {}: {}", document.line + e.line - 1, e.problem)))?;
            values.extend(Some(value).filter(|value| !value.is_null()));
        }
        if values.len() > 1 {
            return Err(fail("it holds more than one document".into()));
        }
        let value = values.pop().unwrap_or_default();
        let map = match value {
            Value::Null => return Ok(self),
            Value::Object(map) => map,
            _ => {
                return Err(fail(
                    "it must be a mapping with fields like default and presets".into(),
                ));
            }
        };
        for (field, value) in map {
            self.field(&field, value, owner).map_err(fail)?;
        }
        Ok(self)
    }

    fn field(&mut self, field: &str, value: Value, owner: Owner) -> Result<(), String> {
        match (field, owner) {
            ("default", _) => self.default = default(&value)?.map(|choice| (choice, owner)),
            ("presets", _) => {
                let Value::Object(presets) = value else {
                    return Err("presets must be a mapping from names to steps".into());
                };
                for (name, steps) in presets {
                    self.presets.insert(name.clone(), preset(&name, &steps)?);
                }
            }
            ("allowEmpty", _) => self.allow_empty = boolean(field, &value)?,
            ("source" | "helm" | "kustomize" | "directory", _) => {
                if owner == Owner::Repository {
                    lay_rendering(&mut self.rendering, field, value)?;
                } else {
                    lay_over(&mut self.rendering, field, value)?;
                }
            }
            ("policy", Owner::Operator) => self.policy = Rule::list(&value)?,
            ("badge", Owner::Operator) => self.badge = boolean(field, &value)?,
            ("policy" | "badge", Owner::Repository) => {
                return Err(format!("{field} can only be set by the operator"));
            }
            (unknown, owner) => {
                let mut known = vec![
                    "default",
                    "presets",
                    "allowEmpty",
                    "source",
                    "helm",
                    "kustomize",
                    "directory",
                ];
                if owner == Owner::Operator {
                    known.extend(["policy", "badge"]);
                }
                return Err(unknown_field(unknown, &known));
            }
        }
        Ok(())
    }
}

/// The text with blanks in the place of directives, and of a `---` that has its document behind it in the same line: what
/// manifests never have, and is not cut into documents.
fn plain_beginning(text: &str) -> Cow<'_, str> {
    let is_directive = |line: &str| line.starts_with('%');
    let begins = |line: &str| line.starts_with("--- ") || is_directive(line);
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if !first.is_some_and(begins) {
        return text.into();
    }
    let mut before = true;
    let lines = text.split_inclusive('\n').map(|line| match before {
        true if is_directive(line) => "\n".into(),
        true if line.starts_with("---") => {
            before = false;
            Cow::from(line.replacen("---", "   ", 1))
        }
        _ => Cow::from(line),
    });
    lines.collect::<String>().into()
}

/// Lays a developer's `helm`, `kustomize`, `directory` or `source` over what was set before.
///
/// # Errors
/// Names the field, where only the operator may set it: what a build may start, and where values may come from.
pub(crate) fn lay_rendering(
    rendering: &mut Map<String, Value>,
    section: &str,
    value: Value,
) -> Result<(), String> {
    let by_operator = ["kustomize.buildOptions", "helm.valueFilesSchemes"];
    let names = value
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
        .map(|field| format!("{section}.{field}"));
    if let Some(name) = names
        .into_iter()
        .find(|name| by_operator.contains(&name.as_str()))
    {
        return Err(format!("{name} can only be set by the operator"));
    }
    lay_over(rendering, section, value)
}

/// Lays fields of a mapping over those before; nothing is laid by a section that is left empty.
fn lay_over(rendering: &mut Map<String, Value>, section: &str, value: Value) -> Result<(), String> {
    match value {
        Value::Null => {}
        Value::Object(fields) if section != "source" => match rendering.get_mut(section) {
            Some(Value::Object(before)) => before.extend(fields),
            _ => _ = rendering.insert(section.to_owned(), Value::Object(fields)),
        },
        value if section == "source" => _ = rendering.insert(section.to_owned(), value),
        other => {
            return Err(format!(
                "{section} is {other}; it takes fields like spec.source.{section}"
            ));
        }
    }
    Ok(())
}

/// Reads the state that holds when nothing is set.
///
/// # Errors
/// What is wrong with it.
pub(super) fn default(value: &Value) -> Result<Option<Choice>, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // Without quotes `off` and `on` are truth values to YAML.
        Value::Bool(value) => value.to_string(),
        Value::Null => return Ok(None),
        Value::Number(_) | Value::Array(_) => {
            let steps = Choice::parse_preset(value).map_err(|e| format!("default: {e}"))?;
            return Ok(Some(Choice {
                word: Word::Steps(steps),
                release: None,
            }));
        }
        Value::Object(_) => {
            return Err(format!(
                "default is {value}; it takes git, on, off, a preset or steps"
            ));
        }
    };
    Choice::parse(&text).map_err(|e| format!("default: {e}"))
}

/// Reads one preset.
///
/// # Errors
/// What is wrong with its name or its steps.
pub(super) fn preset(name: &str, steps: &Value) -> Result<Vec<Item>, String> {
    if !is_preset_name(name) {
        return Err(format!(
            "presets.{name}: a name is lower-case letters, digits, -, _ and ., and no word like on or off"
        ));
    }
    Choice::parse_preset(steps).map_err(|e| format!("presets.{name}: {e}"))
}

pub(super) fn boolean(field: &str, value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("{field} is {value}; it takes true or false"))
}

pub(super) fn unknown_field(unknown: &str, known: &[&'static str]) -> String {
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("unknown field {unknown}; did you mean {near}?"),
        None => format!("unknown field {unknown}; fields are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Word;

    fn lay(text: &str, owner: Owner) -> Result<Settings, String> {
        Settings::default()
            .lay("f", text, owner)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn layers_lie_over_each_other() {
        let operator = "default: off\npresets: {careful: '5,pause', fast: 50}\nbadge: yes\n";
        let repository = "default: git\npresets:\n  careful:\n  - setWeight: 1\n  - pause: {}\n  - 100\n";
        let settings = lay(operator, Owner::Operator).unwrap();
        assert_eq!(settings.default.as_ref().unwrap().0.word, Word::Off);
        let settings = settings.lay("g", repository, Owner::Repository).unwrap();
        assert_eq!(settings.default.unwrap().0.word, Word::Git);
        assert!(settings.badge);
        let names: Vec<_> = settings
            .presets
            .iter()
            .map(|(n, s)| (n.as_str(), s.len()))
            .collect();
        assert_eq!(names, [("careful", 3), ("fast", 1), ("ramp", 5)]);
    }

    #[test]
    fn mistakes_name_the_field_and_what_it_takes() {
        for (text, expected) in [
            ("defualt: off", "f: unknown field defualt; did you mean default?"),
            (
                "kustomize: {buildOptions: --enable-exec}",
                "f: kustomize.buildOptions can only be set by the operator",
            ),
            ("policy: []", "f: policy can only be set by the operator"),
            ("presets: [a]", "f: presets must be a mapping from names to steps"),
            (
                "presets: {Careful: 5}",
                "f: presets.Careful: a name is lower-case letters, digits, -, _ and ., and no word like on or off",
            ),
            (
                "presets: {a: '5,x'}",
                "f: presets.a: item 2 \"x\" is not a step; write a weight like 25, pause, pause:30s, scale:3, analysis:name or git:1",
            ),
            (
                "default: 25,,",
                "f: default: item 2 is empty; write e.g. 25,pause,100",
            ),
            (
                "default: {}",
                "f: default is {}; it takes git, on, off, a preset or steps",
            ),
            (
                "allowEmpty: maybe",
                "f: allowEmpty is \"maybe\"; it takes true or false",
            ),
            (
                "- a",
                "f: it must be a mapping with fields like default and presets",
            ),
            ("a: [", "f: line 1: "),
        ] {
            let error = lay(text, Owner::Repository).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    /// A repository's empty `helm:` took the operator's fields away.
    #[test]
    fn a_section_that_is_left_empty_takes_nothing_away() {
        let operator = "helm: {valueFilesSchemes: []}\nkustomize: {buildOptions: --x}\n";
        let settings = lay(operator, Owner::Operator).unwrap();
        let before = settings.rendering.clone();
        let settings = settings
            .lay("g", "helm:\nkustomize: ~\n", Owner::Repository)
            .unwrap();
        assert_eq!(settings.rendering, before);
        let error = settings.lay("g", "helm: none", Owner::Repository).unwrap_err();
        assert_eq!(
            error.to_string(),
            "g: helm is \"none\"; it takes fields like spec.source.helm"
        );
    }

    #[test]
    fn defaults_may_be_steps_of_any_spelling() {
        for text in [
            "default: 25",
            "default: '25'",
            "default: [25]",
            "default:\n- setWeight: 25",
        ] {
            let (choice, _) = lay(text, Owner::Repository).unwrap().default.unwrap();
            assert_eq!(choice.word.to_string(), "25", "{text}");
        }
    }

    /// A second document was passed over, be it one with a policy.
    #[test]
    fn a_second_document_is_refused() {
        let error = lay("default: off\n---\npolicy: []\n", Owner::Operator).unwrap_err();
        assert_eq!(error, "f: it holds more than one document");
        for two in [
            "default: off\n---\npolicy: [\n",
            "default: off\n---\npolicy: [{message: &a x}, *b]\n",
            "default: off\n--- {policy: [{allowOff: false}]}\n",
            "%YAML 1.2\n---\ndefault: off\n---\npolicy: [{allowOff: false}]\n",
        ] {
            assert!(lay(two, Owner::Operator).is_err(), "{two}");
        }
        for one in [
            "---\ndefault: off\n---\n# nothing\n",
            "%YAML 1.2\n---\ndefault: off\n",
            "# nothing\n---\ndefault: off\n",
            "--- {default: off}\n",
        ] {
            assert!(lay(one, Owner::Operator).unwrap().default.is_some(), "{one}");
        }
    }

    #[test]
    fn mistakes_in_the_policy_are_named() {
        for (rule, expected) in [
            ("{message: no}", "f: policy.message is false; it takes text"),
            (
                "{minSteps: -1}",
                "f: policy.minSteps is -1; it takes a whole number",
            ),
            (
                "{allowOff: never}",
                "f: policy.allowOff is \"never\"; it takes true or false",
            ),
            (
                "{namespaces: [y]}",
                "f: policy.namespaces is [true]; it takes a list of text",
            ),
            (
                "{presets: ramp}",
                "f: policy.presets is \"ramp\"; it takes a list of text",
            ),
            (
                "{allowOf: true}",
                "f: policy: unknown field allowOf; did you mean allowOff?",
            ),
            ("5", "f: policy must be a list of rules, each a mapping"),
        ] {
            let error = lay(&format!("policy: [{rule}]"), Owner::Operator).unwrap_err();
            assert_eq!(error, expected, "{rule}");
        }
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        assert_eq!(lay("# nothing\n", Owner::Operator).unwrap(), Settings::default());
    }
}
