//! What the operator lets developers choose.

use globset::{Glob, GlobMatcher};
use serde_json::{Map, Value};

use super::Application;
use super::settings::{boolean, unknown_field};
use crate::edit::Rollout;
use crate::syntax::Word;

/// A rule: where it holds and what it forbids. All rules that hold apply together.
///
/// Only choices made in an Application, a repository or an annotation are judged; what Git has, and the operator's own
/// default, are not.
#[derive(Debug, Clone)]
pub struct Rule {
    projects: Patterns,
    namespaces: Patterns,
    applications: Patterns,
    rollouts: Patterns,
    /// Not called `off`: as a key in YAML that is `false`.
    allow_off: bool,
    presets: Option<Vec<String>>,
    steps: Option<Vec<String>>,
    min_steps: usize,
    message: Option<String>,
}

/// Absent patterns match all.
#[derive(Debug, Clone, Default)]
struct Patterns(Option<Vec<GlobMatcher>>);

impl Patterns {
    fn parse(field: &str, value: &Value) -> Result<Patterns, String> {
        let texts = strings(field, value)?;
        let globs = texts.iter().map(|text| {
            let glob = Glob::new(text).map_err(|e| format!("policy.{field}: {text:?} is no pattern: {e}"))?;
            Ok(glob.compile_matcher())
        });
        Ok(Patterns(Some(globs.collect::<Result<_, String>>()?)))
    }

    /// `None`, unknown, matches only where there is no pattern.
    fn hold(&self, name: Option<&str>) -> bool {
        match (&self.0, name) {
            (None, _) => true,
            (Some(patterns), Some(name)) => patterns.iter().any(|p| p.is_match(name)),
            (Some(_), None) => false,
        }
    }
}

/// Two rules are equal when they print the same; only tests ask.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Rule {
    /// Reads the field `policy`.
    pub(super) fn list(value: &Value) -> Result<Vec<Rule>, String> {
        let Value::Array(rules) = value else {
            return Err("policy must be a list of rules".into());
        };
        rules
            .iter()
            .map(|rule| match rule {
                Value::Object(map) => Rule::parse(map),
                _ => Err("policy must be a list of rules, each a mapping".into()),
            })
            .collect()
    }

    fn parse(map: &Map<String, Value>) -> Result<Rule, String> {
        let mut rule = Rule {
            projects: Patterns::default(),
            namespaces: Patterns::default(),
            applications: Patterns::default(),
            rollouts: Patterns::default(),
            allow_off: true,
            presets: None,
            steps: None,
            min_steps: 0,
            message: None,
        };
        for (field, value) in map {
            match field.as_str() {
                "projects" => rule.projects = Patterns::parse(field, value)?,
                "namespaces" => rule.namespaces = Patterns::parse(field, value)?,
                "applications" => rule.applications = Patterns::parse(field, value)?,
                "rollouts" => rule.rollouts = Patterns::parse(field, value)?,
                "allowOff" => rule.allow_off = boolean("policy.allowOff", value)?,
                "presets" => rule.presets = Some(strings(field, value)?),
                "steps" => rule.steps = Some(strings(field, value)?),
                "minSteps" => {
                    let number = value.as_u64().and_then(|n| usize::try_from(n).ok());
                    rule.min_steps = number
                        .ok_or_else(|| format!("policy.minSteps is {value}; it takes a whole number"))?;
                }
                "message" => {
                    let text = value.as_str().map(str::to_owned);
                    let text = text.ok_or_else(|| format!("policy.message is {value}; it takes text"))?;
                    rule.message = Some(text);
                }
                unknown => {
                    let known = [
                        "projects",
                        "namespaces",
                        "applications",
                        "rollouts",
                        "allowOff",
                        "presets",
                        "steps",
                        "minSteps",
                        "message",
                    ];
                    return Err(format!("policy: {}", unknown_field(unknown, &known)));
                }
            }
        }
        Ok(rule)
    }

    fn holds(&self, app: &Application, rollout: &Rollout) -> bool {
        let namespace = Some(rollout.namespace()).filter(|n| !n.is_empty());
        self.projects.hold(app.project.as_deref())
            && self.namespaces.hold(namespace.or(app.namespace.as_deref()))
            && self.applications.hold(Some(app.bare_name()))
            && self.rollouts.hold(Some(rollout.name()))
    }
}

/// Judges a choice that ends in `steps`; `None` is no steps.
///
/// # Errors
/// Why it is forbidden: the end of a sentence.
pub(super) fn judge(
    rules: &[Rule],
    app: &Application,
    rollout: &Rollout,
    word: &Word,
    steps: Option<&[Value]>,
) -> Result<(), String> {
    for rule in rules.iter().filter(|r| r.holds(app, rollout)) {
        rule.judge(word, steps).map_err(|problem| match &rule.message {
            Some(message) => format!("{problem} here: {message}"),
            None => format!("{problem} here"),
        })?;
    }
    Ok(())
}

impl Rule {
    fn judge(&self, word: &Word, steps: Option<&[Value]>) -> Result<(), String> {
        let steps = steps.unwrap_or_default();
        if steps.is_empty() && !self.allow_off {
            return Err("off is not allowed".into());
        }
        if let (Word::Preset(name), Some(allowed)) = (word, &self.presets)
            && !allowed.contains(name)
        {
            return Err(match &allowed[..] {
                [] => "no preset is allowed".to_owned(),
                allowed => format!("only the presets {} are allowed", allowed.join(", ")),
            });
        }
        if let (Word::Steps(_), Some(allowed)) = (word, &self.steps) {
            if allowed.is_empty() {
                return Err("steps of your own are not allowed".into());
            }
            // A step may be of several kinds.
            let kinds = steps.iter().filter_map(Value::as_object).flat_map(Map::keys);
            if let Some(kind) = kinds.into_iter().find(|k| !allowed.contains(k)) {
                return Err(format!("{kind} is not allowed, only {}", allowed.join(", ")));
            }
        }
        if !steps.is_empty() && steps.len() < self.min_steps {
            return Err(format!("fewer than {} steps are not allowed", self.min_steps));
        }
        Ok(())
    }
}

fn strings(field: &str, value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().and_then(|list| {
        list.iter()
            .map(|v| v.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
    });
    list.ok_or_else(|| format!("policy.{field} is {value}; it takes a list of text"))
}
