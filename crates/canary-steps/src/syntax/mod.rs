//! What people type beside a Rollout's name, read into a [`Choice`]. No IO.
//!
//! ```
//! use canary_steps::syntax::{Choice, Word};
//!
//! let choice = Choice::parse("25, pause, 75, pause:30s, 100").unwrap().unwrap();
//! let Word::Steps(items) = choice.word else { panic!() };
//! assert_eq!(items.len(), 5);
//!
//! // Nothing typed is nothing chosen, and a mistake is named with its place.
//! assert!(Choice::parse("").unwrap().is_none());
//! let error = Choice::parse("25,,100").unwrap_err();
//! assert_eq!(error.to_string(), "item 2 is empty; write e.g. 25,pause,100");
//! ```

mod duration;
mod item;
mod steps;
mod suggest;

use std::fmt;

use serde_json::Value;

use crate::edit::ReadError;

pub use duration::seconds;
pub use item::Item;
pub use steps::{StepError, validate, warnings};
pub use suggest::nearest;

/// What is wrong with a typed value. The text is one short sentence: Argo CD puts 266 characters of its own before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SyntaxError(pub String);

/// A choice for one Rollout or for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What is chosen.
    pub word: Word,
    /// The tag or digest of the release for which it holds; another image, and the choice is off.
    pub release: Option<String>,
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// As Git has it.
    Git,
    /// Git's steps, or where Git has none the preset `default`.
    On,
    /// No steps.
    Off,
    /// A preset by its name, in lower case.
    Preset(String),
    /// These steps.
    Steps(Vec<Item>),
}

impl Choice {
    /// Reads a typed value; `None` where nothing is typed.
    ///
    /// Words and presets are read without regard to case. A value that begins with `[` or `- ` is YAML: step objects
    /// as a Rollout has them, or items as in the short form.
    ///
    /// # Errors
    /// [`SyntaxError`] names the item, counted from 1, and says what may stand there.
    pub fn parse(text: &str) -> Result<Option<Choice>, SyntaxError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.starts_with('[') || text.starts_with("- ") {
            return yaml(text).map(Some);
        }
        let (body, release) = split_release(text)?;
        let word = match body.to_ascii_lowercase().as_str() {
            "git" => Word::Git,
            "on" | "true" | "yes" | "1" => Word::On,
            "off" | "false" | "no" | "0" => Word::Off,
            name if is_preset_name(name) && Item::parse(body).is_err() => Word::Preset(name.to_owned()),
            _ => Word::Steps(items(body, 0)?),
        };
        Ok(Some(Choice { word, release }))
    }

    /// Reads a value written as a list, as `array:` of a plugin parameter holds it. Empty items count as not written:
    /// the web UI appends them.
    ///
    /// # Errors
    /// As [`Choice::parse`].
    pub fn parse_list(list: &[String]) -> Result<Option<Choice>, SyntaxError> {
        let written: Vec<_> = list.iter().map(|s| s.trim()).filter(|s| !s.is_empty()).collect();
        if let [one] = written[..] {
            return Choice::parse(one);
        }
        Choice::parse(&written.join(","))
    }

    /// Reads a preset: text as [`Choice::parse`] takes it, or a list of step objects and items. A preset is steps and
    /// nothing else.
    ///
    /// # Errors
    /// As [`Choice::parse`], and where the value is a word, a release or no steps at all.
    pub fn parse_preset(value: &Value) -> Result<Vec<Item>, SyntaxError> {
        let choice = match value {
            Value::String(text) => Choice::parse(text)?,
            Value::Number(number) => Choice::parse(&number.to_string())?,
            Value::Array(list) => Some(Choice {
                word: Word::Steps(yaml_items(list)?),
                release: None,
            }),
            _ => None,
        };
        match choice {
            Some(Choice {
                word: Word::Steps(items),
                release: None,
            }) => Ok(items),
            _ => Err(SyntaxError(
                "a preset is a list of steps, e.g. 25,pause,100".into(),
            )),
        }
    }
}

/// As it is typed.
impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Git => f.write_str("git"),
            Word::On => f.write_str("on"),
            Word::Off => f.write_str("off"),
            Word::Preset(name) => f.write_str(name),
            Word::Steps(items) => {
                let list = items.iter().map(Item::to_string).collect::<Vec<_>>().join(",");
                // What is no item of the short form stands in a list of YAML.
                match items.iter().all(Item::has_short_form) {
                    true => f.write_str(&list),
                    false => write!(f, "[{list}]"),
                }
            }
        }
    }
}

/// Whether a preset may have this name: what could be read as something else may not.
#[must_use]
pub fn is_preset_name(name: &str) -> bool {
    let reserved = ["git", "on", "off", "true", "false", "yes", "no", "all", "pause"];
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
        && !reserved.contains(&name)
}

/// Takes `@tag` from the end. `analysis:name@cluster` is not one: a release stands behind a space or behind an item
/// that cannot have an `@` of its own.
fn split_release(text: &str) -> Result<(&str, Option<String>), SyntaxError> {
    let Some((body, release)) = text.rsplit_once('@') else {
        return Ok((text, None));
    };
    let last = body.rsplit([',', '\n']).next().unwrap_or(body);
    let word = last.split_once(':').map(|(word, _)| word.trim());
    let own = word.is_some_and(|w| ["analysis", "plugin"].iter().any(|o| w.eq_ignore_ascii_case(o)));
    if own && !body.ends_with(char::is_whitespace) {
        return Ok((text, None));
    }
    if release.is_empty() || release.contains([',', ' ', '\n']) {
        return Err(SyntaxError(
            "behind @ stands one image tag or digest, e.g. on @v1.4.2".into(),
        ));
    }
    if body.trim().is_empty() {
        return Err(SyntaxError(format!(
            "before @{release} stands a word or steps, e.g. on @{release}"
        )));
    }
    Ok((body.trim_end(), Some(release.to_owned())))
}

fn items(text: &str, before: usize) -> Result<Vec<Item>, SyntaxError> {
    let parts: Vec<_> = text.split([',', '\n']).map(str::trim).collect();
    let mut items = Vec::with_capacity(parts.len());
    for (n, part) in parts.iter().enumerate() {
        let number = before + n + 1;
        if part.is_empty() {
            return Err(SyntaxError(format!(
                "item {number} is empty; write e.g. 25,pause,100"
            )));
        }
        let item =
            Item::parse(part).map_err(|problem| SyntaxError(format!("item {number} {part:?} {problem}")))?;
        items.push(item);
    }
    Ok(items)
}

fn yaml(text: &str) -> Result<Choice, SyntaxError> {
    let (body, release) = match text.rsplit_once(']') {
        Some((list, rest)) if text.starts_with('[') && rest.trim_start().starts_with('@') => {
            let (_, release) = split_release(&text[list.len()..])?;
            (&text[..=list.len()], release)
        }
        _ => (text, None),
    };
    let value = crate::edit::read(body).map_err(|ReadError { line, problem }| {
        SyntaxError(format!("the list cannot be read at line {line}: {problem}"))
    })?;
    let Value::Array(list) = value else {
        return Err(SyntaxError(
            "a value that begins with [ must be a list of steps".into(),
        ));
    };
    Ok(Choice {
        word: Word::Steps(yaml_items(&list)?),
        release,
    })
}

fn yaml_items(list: &[Value]) -> Result<Vec<Item>, SyntaxError> {
    if list.is_empty() {
        return Err(SyntaxError("the list is empty; write off for no steps".into()));
    }
    let mut result = Vec::with_capacity(list.len());
    for (n, entry) in list.iter().enumerate() {
        match entry {
            Value::Object(_) => result.push(Item::Step(entry.clone())),
            Value::Number(number) => result.extend(items(&number.to_string(), n)?),
            Value::String(text) => result.extend(items(text, n)?),
            other => {
                return Err(SyntaxError(format!(
                    "item {} {other} is not a step; write a weight, pause or a step object",
                    n + 1
                )));
            }
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(text: &str) -> Word {
        Choice::parse(text).unwrap().unwrap().word
    }

    fn steps(text: &str) -> Vec<Item> {
        match word(text) {
            Word::Steps(items) => items,
            other => panic!("{text:?} is {other:?}"),
        }
    }

    fn step(value: Value) -> Item {
        Item::Step(value)
    }

    #[test]
    fn words() {
        for (texts, expected) in [
            (&["git", "GIT", " Git "][..], Word::Git),
            (&["on", "ON", "true", "yes", "1"], Word::On),
            (&["off", "Off", "false", "no", "0"], Word::Off),
            (&["careful", "Careful"], Word::Preset("careful".into())),
            (&["ramp"], Word::Preset("ramp".into())),
        ] {
            for text in texts {
                assert_eq!(word(text), expected, "{text:?}");
            }
        }
        for nothing in ["", "  ", "\n"] {
            assert_eq!(Choice::parse(nothing), Ok(None));
        }
    }

    #[test]
    fn lists() {
        assert_eq!(
            steps("25,pause,75, pause:30s ,100%"),
            [
                step(json!({"setWeight": 25})),
                step(json!({"pause": {}})),
                step(json!({"setWeight": 75})),
                step(json!({"pause": {"duration": "30s"}})),
                step(json!({"setWeight": 100})),
            ]
        );
        assert_eq!(steps("25\npause\n100").len(), 3);
        assert_eq!(steps("50"), [step(json!({"setWeight": 50}))]);
        assert_eq!(steps("git:2,pause"), [Item::Git(2), step(json!({"pause": {}}))]);
    }

    #[test]
    fn yaml_lists() {
        let own = json!({"setHeaderRoute": {"name": "x"}});
        assert_eq!(
            steps("[25, pause, pause:5m, {setHeaderRoute: {name: x}}]"),
            [
                step(json!({"setWeight": 25})),
                step(json!({"pause": {}})),
                step(json!({"pause": {"duration": "5m"}})),
                step(own.clone()),
            ]
        );
        assert_eq!(
            steps("- setHeaderRoute:\n    name: x\n- 10\n"),
            [step(own), step(json!({"setWeight": 10}))]
        );
        assert_eq!(
            Choice::parse("[{\"setWeight\":25}] @v2")
                .unwrap()
                .unwrap()
                .release
                .as_deref(),
            Some("v2")
        );
    }

    #[test]
    fn releases() {
        let release = |text: &str| Choice::parse(text).unwrap().unwrap().release;
        assert_eq!(release("on @v1.4.2").as_deref(), Some("v1.4.2"));
        assert_eq!(release("on@v1.4.2").as_deref(), Some("v1.4.2"));
        assert_eq!(release("25,pause,100 @sha256:0af").as_deref(), Some("sha256:0af"));
        assert_eq!(release("25,pause,100@v3").as_deref(), Some("v3"));
        // `@cluster` became the release, and the steps were gone, where the item was not spelled in this very way.
        for item in [
            "analysis:ok@cluster",
            "Analysis:ok@cluster",
            " analysis :ok@cluster",
        ] {
            assert_eq!(release(&format!("10,{item}")), None, "{item}");
            assert_eq!(
                steps(&format!("10,{item}")),
                steps("10,analysis:ok@cluster"),
                "{item}"
            );
        }
        assert_eq!(release("10,PLUGIN:a@b"), None);
        assert_eq!(release("10,analysis:ok@cluster @v3").as_deref(), Some("v3"));
        assert_eq!(word("careful @v1"), Word::Preset("careful".into()));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, expected) in [
            ("25,,x", "item 2 is empty; write e.g. 25,pause,100"),
            (
                "25,paus,100",
                "item 2 \"paus\" is not a step; did you mean \"pause\"?",
            ),
            (
                "25,pause:1d",
                "item 2 \"pause:1d\" has no duration; days are not known, write 24h",
            ),
            (
                "25,pause:soon",
                "item 2 \"pause:soon\" has no duration; write e.g. pause:30s, pause:5m or pause:90",
            ),
            (
                "25,-5",
                "item 2 \"-5\" is not a step; write a weight like 25, pause, pause:30s, scale:3, analysis:name or git:1",
            ),
            ("25,101", "item 2 \"101\" is more than 100"),
            (
                "10,careful",
                "item 2 \"careful\" is not a step; write a weight like 25, pause, pause:30s, scale:3, analysis:name or git:1",
            ),
            ("[]", "the list is empty; write off for no steps"),
            (
                "[true]",
                "item 1 true is not a step; write a weight, pause or a step object",
            ),
            ("on @", "behind @ stands one image tag or digest, e.g. on @v1.4.2"),
            ("@v1", "before @v1 stands a word or steps, e.g. on @v1"),
            ("25,git:0", "item 2 \"git:0\" counts from 1"),
            (
                "scale:x",
                "item 1 \"scale:x\" has no scale; write scale:3, scale:25% or scale:match",
            ),
        ] {
            assert_eq!(Choice::parse(text).unwrap_err().to_string(), expected, "{text:?}");
        }
        assert!(
            Choice::parse("[1, {")
                .unwrap_err()
                .to_string()
                .starts_with("the list cannot be read at line 1")
        );
    }

    #[test]
    fn arrays() {
        let list =
            |items: &[&str]| Choice::parse_list(&items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(list(&[]), Ok(None));
        assert_eq!(list(&["", " "]), Ok(None));
        assert_eq!(list(&["off", ""]).unwrap().unwrap().word, Word::Off);
        assert_eq!(list(&["25", "pause", ""]), Choice::parse("25,pause"));
    }

    #[test]
    fn presets_are_steps_only() {
        assert_eq!(Choice::parse_preset(&json!("25,pause")).unwrap().len(), 2);
        assert_eq!(
            Choice::parse_preset(&json!([{"setWeight": 5}, "pause", 100]))
                .unwrap()
                .len(),
            3
        );
        assert_eq!(Choice::parse_preset(&json!(25)).unwrap().len(), 1);
        for wrong in [
            json!("on"),
            json!("other"),
            json!("25 @v1"),
            json!({}),
            json!(null),
            json!("25,x"),
        ] {
            assert!(Choice::parse_preset(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in [
            "git",
            "on",
            "off",
            "careful",
            "25,pause,pause:30s,scale:match,scale:3,analysis:a+b@cluster,git:2",
            // It was shown without the brackets, and refused when it was saved.
            r#"[5, pause:30s, analysis:a@cluster, scale:25%, git:2, {"analysis": {"templates": [{"templateName": "a"}], "args": [{"name": "x"}]}}]"#,
        ] {
            let shown = word(text).to_string();
            assert_eq!(word(&shown), word(text), "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_typed_panics(text in ".*", junk in "[0-9a-z,:@ \\[\\]{}%+\n-]*") {
            let _ = Choice::parse(&text);
            let _ = Choice::parse(&junk);
        }
    }
}
