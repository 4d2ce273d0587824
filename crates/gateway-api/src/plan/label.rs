//! The label that marks a release under way.

use super::planner::Planner;
use super::{Entry, meta};
use crate::config::Label;

/// A label to set, or to remove.
pub(super) type LabelEdit<'l> = (&'l str, Option<&'l str>);

impl Planner<'_> {
    /// Sets the label while a release is under way, and removes it when no Rollout of this route needs it any more.
    pub(super) fn label_edits<'l>(&'l self, label: Option<&'l Label>, entry: &Entry) -> Vec<LabelEdit<'l>> {
        let is_needed = |key: &str| {
            entry.label.as_deref() == Some(key)
                || self
                    .ledger
                    .entries()
                    .any(|(owner, entry)| owner != self.intent.owner && entry.label.as_deref() == Some(key))
        };
        let mut edits = Vec::new();
        let mut set = |key: &'l str, value: Option<&'l str>| {
            if meta::read(self.route, "labels", key) != value && edits.iter().all(|(known, _)| *known != key)
            {
                edits.push((key, value));
            }
        };
        if let Some(old) = self.entry.label.as_deref().filter(|old| !is_needed(old)) {
            set(old, None);
        }
        match label {
            Some(label) if entry.label.is_some() => set(&label.key, Some(&label.value)),
            // The Go plugin sets the label without a record, and removes it at weight 0 (`pkg/plugin/labels.go`).
            Some(label) if self.intent.split.is_some() && !is_needed(&label.key) => set(&label.key, None),
            _ => {}
        }
        edits
    }
}
