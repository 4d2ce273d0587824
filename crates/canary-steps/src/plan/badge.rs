//! The state of a Rollout as a label, which the dashboard can show as a chip on its node.

use serde_json::json;

use super::decide::{State, path};
use crate::edit::Change;

/// Label that shows the state.
const BADGE: &str = "serinus.dev/canary-steps";
/// Annotation that says where the state comes from.
const SOURCE: &str = "serinus.dev/canary-steps-source";

/// The label's value is all that the chip on a node shows, so it says what it is about.
pub(super) fn changes(state: &State, source: String) -> [Change; 2] {
    let count = |steps: usize| match steps {
        0 => "no-steps".to_owned(),
        1 => "1-step".to_owned(),
        n => format!("{n}-steps"),
    };
    let text = match state {
        State::Git(n) => format!("git-{}", count(*n)),
        State::On(n) => format!("on-{}", count(*n)),
        State::Off { .. } => "steps-off".to_owned(),
        State::Preset(name, n) => format!("{}-{}", &name[..name.len().min(50)], count(*n)),
        State::Own(n) => format!("own-{}", count(*n)),
        State::NotCanary { .. } | State::Unknown => "none".to_owned(),
    };
    let change = |parent: &str, key: &str, text: String| Change {
        path: path(&["metadata", parent, key]),
        to: Some(json!(text)),
    };
    [
        change("labels", BADGE, text),
        change("annotations", SOURCE, source),
    ]
}
