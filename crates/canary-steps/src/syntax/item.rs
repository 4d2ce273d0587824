//! One item of the short form.

use std::fmt;

use serde_json::{Value, json};

use super::duration::seconds;
use super::suggest::nearest;

/// An item of a list of steps.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A step as a Rollout has it.
    Step(Value),
    /// The n-th step that Git has, counted from 1.
    Git(usize),
}

const ITEMS: &str = "write a weight like 25, pause, pause:30s, scale:3, analysis:name or git:1";

impl Item {
    /// Reads `25`, `25%`, `pause`, `pause:30s`, `scale:3`, `scale:25%`, `scale:match`, `analysis:a+b`,
    /// `analysis:a@cluster`, `plugin:name` or `git:2`.
    ///
    /// # Errors
    /// The end of a sentence that begins with the item.
    pub fn parse(text: &str) -> Result<Item, String> {
        let (word, argument) = match text.split_once(':') {
            Some((word, argument)) => (word.trim(), Some(argument.trim())),
            None => (text, None),
        };
        let step = match (word.to_ascii_lowercase().as_str(), argument) {
            ("pause", None) => json!({"pause": {}}),
            ("pause", Some(duration)) => json!({"pause": {"duration": pause(duration)?}}),
            ("scale", Some(scale)) => json!({"setCanaryScale": canary_scale(scale)?}),
            ("analysis", Some(templates)) => json!({"analysis": {"templates": analysis(templates)?}}),
            ("plugin", Some(name)) if !name.is_empty() => json!({"plugin": {"name": name}}),
            ("git", Some(number)) => return git(number),
            _ => match text.strip_suffix('%').unwrap_or(text).trim().parse::<u32>() {
                // A bare weight above 100 is a slip. Where maxTrafficWeight allows more, write a step object.
                Ok(weight) if weight > 100 => return Err("is more than 100".into()),
                Ok(weight) if text.starts_with(|c: char| c.is_ascii_digit()) => json!({"setWeight": weight}),
                _ => return Err(unknown(word, argument)),
            },
        };
        Ok(Item::Step(step))
    }
}

impl Item {
    /// Whether it is typed as one word rather than as a step object.
    pub(super) fn has_short_form(&self) -> bool {
        match self {
            Item::Git(_) => true,
            Item::Step(step) => short(step).is_some(),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Git(number) => write!(f, "git:{number}"),
            Item::Step(step) => match short(step) {
                Some(text) => f.write_str(&text),
                None => write!(f, "{step}"),
            },
        }
    }
}

/// The short form of a step, where it has one.
fn short(step: &Value) -> Option<String> {
    let map = step.as_object().filter(|m| m.len() == 1)?;
    let (kind, value) = map.iter().next()?;
    let candidate = match kind.as_str() {
        "setWeight" => value.to_string(),
        "pause" => match value.get("duration") {
            None => "pause".into(),
            Some(Value::String(text)) => format!("pause:{text}"),
            Some(other) => format!("pause:{other}"),
        },
        "setCanaryScale" => {
            let scale = |key: &str| value.get(key).filter(|v| !v.is_null());
            match (scale("replicas"), scale("weight")) {
                (Some(replicas), _) => format!("scale:{replicas}"),
                (_, Some(weight)) => format!("scale:{weight}%"),
                _ => "scale:match".into(),
            }
        }
        "analysis" => {
            let templates = value.get("templates")?.as_array()?.iter().map(|t| {
                let cluster = if t["clusterScope"] == true { "@cluster" } else { "" };
                Some(format!("{}{cluster}", t["templateName"].as_str()?))
            });
            format!("analysis:{}", templates.collect::<Option<Vec<_>>>()?.join("+"))
        }
        "plugin" => format!("plugin:{}", value["name"].as_str()?),
        _ => return None,
    };
    // A step with more in it than the short form can say has none.
    (Item::parse(&candidate) == Ok(Item::Step(step.clone()))).then_some(candidate)
}

fn pause(text: &str) -> Result<Value, String> {
    let wrong = || {
        if text.ends_with('d') && text[..text.len() - 1].parse::<u32>().is_ok() {
            let hours = text[..text.len() - 1].parse().map_or(24, |days: u64| days * 24);
            return format!("has no duration; days are not known, write {hours}h");
        }
        "has no duration; write e.g. pause:30s, pause:5m or pause:90".to_owned()
    };
    let length = seconds(text).ok_or_else(wrong)?;
    if length < 0 {
        return Err("has a negative duration".into());
    }
    Ok(text
        .parse::<u32>()
        .map_or_else(|_| Value::from(text), Value::from))
}

fn canary_scale(text: &str) -> Result<Value, String> {
    let wrong = |_| "has no scale; write scale:3, scale:25% or scale:match".to_owned();
    if text.eq_ignore_ascii_case("match") {
        return Ok(json!({"matchTrafficWeight": true}));
    }
    if let Some(percent) = text.strip_suffix('%') {
        return Ok(json!({"weight": percent.trim().parse::<u16>().map_err(wrong)?}));
    }
    Ok(json!({"replicas": text.parse::<u16>().map_err(wrong)?}))
}

fn analysis(text: &str) -> Result<Value, String> {
    let templates = text.split('+').map(|template| {
        let (name, scope) = match template.trim().split_once('@') {
            Some((name, scope)) => (name, Some(scope)),
            None => (template.trim(), None),
        };
        match scope {
            _ if name.is_empty() => Err("names no AnalysisTemplate; write analysis:name".to_owned()),
            None => Ok(json!({"templateName": name})),
            Some("cluster") => Ok(json!({"templateName": name, "clusterScope": true})),
            Some(_) => Err("has an unknown scope; write analysis:name or analysis:name@cluster".to_owned()),
        }
    });
    templates.collect()
}

fn git(number: &str) -> Result<Item, String> {
    match number.parse() {
        Ok(0) => Err("counts from 1".into()),
        Ok(number) => Ok(Item::Git(number)),
        Err(_) => Err("has no number; git:2 is the second step that Git has".into()),
    }
}

fn unknown(word: &str, argument: Option<&str>) -> String {
    let known = ["pause", "scale", "analysis", "plugin", "git"];
    match nearest(&word.to_ascii_lowercase(), known) {
        Some(near) => {
            let argument = argument.map(|a| format!(":{a}")).unwrap_or_default();
            format!("is not a step; did you mean \"{near}{argument}\"?")
        }
        None => format!("is not a step; {ITEMS}"),
    }
}
