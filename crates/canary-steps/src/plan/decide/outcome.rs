//! The steps to which a word leads.

use std::collections::BTreeMap;

use serde_json::Value;

use super::State;
use crate::edit::Rollout;
use crate::syntax::{Item, Word, nearest};

/// The state a word leads to, and the steps; `None` is no steps at all.
pub(super) fn outcome(
    rollout: &Rollout,
    word: &Word,
    presets: &BTreeMap<String, Vec<Item>>,
) -> Result<(State, Option<Vec<Value>>), String> {
    let git = rollout.steps().unwrap_or_default();
    let as_git = || rollout.steps().map(<[Value]>::to_vec);
    Ok(match word {
        Word::Git => (State::Git(git.len()), as_git()),
        Word::Off => {
            let cut_over = rollout.traffic_routing().is_some();
            (State::Off { cut_over }, None)
        }
        Word::On if !git.is_empty() => (State::On(git.len()), as_git()),
        Word::On => {
            let preset = presets.get("default").ok_or_else(|| {
                let names: Vec<_> = presets.keys().map(String::as_str).collect();
                format!(
                    "has no steps in Git; write {} or steps like 25,pause,100",
                    names.join(", ")
                )
            })?;
            let steps = steps(preset, git)?;
            (State::On(steps.len()), Some(steps))
        }
        Word::Preset(name) => {
            let preset = presets.get(name).ok_or_else(|| unknown_preset(name, presets))?;
            let steps = steps(preset, git)?;
            (State::Preset(name.clone(), steps.len()), Some(steps))
        }
        Word::Steps(items) => {
            let steps = steps(items, git)?;
            (State::Own(steps.len()), Some(steps))
        }
    })
}

fn steps(items: &[Item], git: &[Value]) -> Result<Vec<Value>, String> {
    let step = |item: &Item| match item {
        Item::Step(step) => Ok(step.clone()),
        Item::Git(number) => git.get(number - 1).cloned().ok_or_else(|| match git.len() {
            0 => format!("git:{number} is not there: Git has no steps"),
            1 => format!("git:{number} is not there: Git has 1 step"),
            n => format!("git:{number} is not there: Git has {n} steps"),
        }),
    };
    items.iter().map(step).collect()
}

/// What to say of a preset that is not there, with the nearest word.
pub(super) fn unknown_preset(name: &str, presets: &BTreeMap<String, Vec<Item>>) -> String {
    let names = presets.keys().map(String::as_str);
    let words = names.clone().chain(["on", "off", "git", "pause"]);
    match nearest(name, words) {
        Some(near) => format!("unknown preset {name:?}; did you mean {near:?}?"),
        None => {
            let names: Vec<_> = names.collect();
            format!(
                "unknown preset {name:?}; write on, off, git, {} or steps like 25,pause,100",
                names.join(", ")
            )
        }
    }
}

/// Whether an image reference has this tag or digest.
pub(super) fn is_release(image: &str, release: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash belongs to a registry's port.
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    tag == Some(release) || digest == Some(release)
}
