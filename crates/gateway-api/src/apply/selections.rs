//! What selectors found, for as long as a watch says that nothing about it can have changed.
//!
//! A selector's answer changes when a route appears, goes, or gets other labels. So it is enough to know of each route of
//! a namespace whether an event brought other labels than those known; one that is not known yet counts as a change.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::RouteSelector;
use crate::{RouteKey, RouteKind};

/// Routes whose labels are known, and answers, at most; one more and all are forgotten.
const MAX: usize = 20_000;

/// Answers of selectors.
#[derive(Default)]
pub(super) struct Selections {
    inner: Mutex<Inner>,
    hasher: RandomState,
}

#[derive(Default)]
struct Inner {
    found: HashMap<(RouteKind, String, String), Found>,
    /// A hash of the labels of each route.
    labels: HashMap<RouteKey, u64>,
    /// How often labels changed in a namespace in which something was selected.
    changes: HashMap<(RouteKind, String), u64>,
}

struct Found {
    place: u64,
    changes: u64,
    keys: Vec<RouteKey>,
}

impl Selections {
    /// What the selector found, where that still holds. `place` is the watch's.
    pub(super) fn known(&self, selector: &RouteSelector, place: u64) -> Option<Vec<RouteKey>> {
        let inner = self.lock();
        let found = inner.found.get(&name(selector))?;
        let changes = *inner.changes.get(&(selector.kind, selector.namespace.clone()))?;
        (found.place == place && found.changes == changes).then(|| found.keys.clone())
    }

    /// Number of changes so far, to be noted before the API server is asked.
    pub(super) fn begin(&self, selector: &RouteSelector) -> u64 {
        let mut inner = self.lock();
        *inner
            .changes
            .entry((selector.kind, selector.namespace.clone()))
            .or_default()
    }

    /// What the API server answered to a question that was asked after [`begin`](Self::begin).
    pub(super) fn found(
        &self,
        selector: &RouteSelector,
        place: u64,
        changes: u64,
        routes: &[(RouteKey, String)],
    ) {
        let mut inner = self.lock();
        if inner.found.len() + inner.labels.len() + routes.len() > MAX {
            *inner = Inner::default();
            return;
        }
        for (key, labels) in routes {
            inner
                .labels
                .entry(key.clone())
                .or_insert_with(|| self.hasher.hash_one(labels));
        }
        let keys = routes.iter().map(|(key, _)| key.clone()).collect();
        inner.found.insert(name(selector), Found { place, changes, keys });
    }

    /// An event of a watch: the labels of a route as compact JSON, [`None`] if it is gone.
    pub(super) fn saw(&self, key: &RouteKey, labels: Option<&str>) {
        let mut inner = self.lock();
        let Inner {
            found,
            labels: known,
            changes,
        } = &mut *inner;
        let Some(changes) = changes.get_mut(&(key.kind, key.namespace.clone())) else {
            return;
        };
        let was = match labels {
            Some(labels) if known.len() < MAX => known.insert(key.clone(), self.hasher.hash_one(labels)),
            Some(_) => {
                found.clear();
                known.clear();
                None
            }
            None => known.remove(key).and(None),
        };
        let is_same = was.is_some() && was == labels.map(|labels| self.hasher.hash_one(labels));
        *changes += u64::from(!is_same);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(selector: &RouteSelector) -> (RouteKind, String, String) {
    (selector.kind, selector.namespace.clone(), selector.labels.clone())
}

#[cfg(test)]
mod tests {
    use super::super::fake::key;
    use super::*;

    #[test]
    fn an_answer_holds_until_labels_change() {
        let selector = RouteSelector {
            kind: RouteKind::Http,
            namespace: "shop".into(),
            labels: "app=web".into(),
        };
        let cases: [(&str, Option<&str>, bool); 5] = [
            ("web", Some(r#"{"app":"web"}"#), true),
            ("web", Some(r#"{"app":"x"}"#), false),
            ("web", None, false),
            ("other", Some(r#"{"app":"x"}"#), false),
            ("gone", None, false),
        ];
        for (name, labels, holds) in cases {
            let selections = Selections::default();
            let changes = selections.begin(&selector);
            selections.found(&selector, 7, changes, &[(key("web"), r#"{"app":"web"}"#.into())]);
            assert_eq!(selections.known(&selector, 7), Some(vec![key("web")]));
            assert_eq!(selections.known(&selector, 8), None, "another watch");
            selections.saw(&key(name), labels);
            assert_eq!(
                selections.known(&selector, 7).is_some(),
                holds,
                "{name} {labels:?}"
            );
        }
        let selections = Selections::default();
        let changes = selections.begin(&selector);
        selections.saw(&key("other"), Some("{}"));
        selections.found(&selector, 7, changes, &[]);
        assert_eq!(
            selections.known(&selector, 7),
            None,
            "it changed while it was asked for"
        );
        let changes = selections.begin(&selector);
        selections.found(&selector, 7, changes, &[]);
        selections.saw(&key("other"), Some("{}"));
        assert!(selections.known(&selector, 7).is_some(), "known by now");
    }
}
