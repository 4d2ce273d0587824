//! What Rollouts are called in the names of parameters.

use std::collections::HashMap;

use super::super::Application;
use crate::edit::{Found, Rollout};

/// What a Rollout may be called in a parameter's name.
pub(super) struct Names {
    /// How it is announced.
    pub(super) key: String,
    all: Vec<String>,
}

impl Names {
    pub(super) fn matches(&self, key: &str) -> bool {
        self.all.iter().any(|name| name == key)
    }
}

/// The names of each Rollout, in the same order.
pub(super) fn names(found: &Found, app: &Application) -> Vec<Names> {
    let mut times = HashMap::new();
    for rollout in &found.rollouts {
        *times.entry(rollout.name()).or_insert(0) += 1;
    }
    let of = |rollout: &Rollout| {
        let ambiguous = times[rollout.name()] > 1;
        let short = without_release(rollout.name(), app.release.as_deref());
        let namespace = rollout.namespace();
        let key = if ambiguous && !namespace.is_empty() {
            format!("{namespace}/{short}")
        } else {
            short.clone()
        };
        let mut all = vec![short.clone(), rollout.name().to_owned()];
        if !namespace.is_empty() {
            all.extend([
                format!("{namespace}/{short}"),
                format!("{namespace}/{}", rollout.name()),
            ]);
        }
        Names { key, all }
    };
    found.rollouts.iter().map(of).collect()
}

/// The name with the release's place marked: `shop-web` of the release `shop` is `{app}-web`.
pub(super) fn without_release(name: &str, release: Option<&str>) -> String {
    let Some(release) = release.filter(|r| !r.is_empty()) else {
        return name.to_owned();
    };
    let boundary =
        |at: usize| at == 0 || at == name.len() || name[..at].ends_with('-') || name[at..].starts_with('-');
    match name
        .match_indices(release)
        .find(|(at, _)| boundary(*at) && boundary(at + release.len()))
    {
        Some((at, _)) => format!("{}{{app}}{}", &name[..at], &name[at + release.len()..]),
        None => name.to_owned(),
    }
}
