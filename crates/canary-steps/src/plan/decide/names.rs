//! What Rollouts are called in the names of parameters.

use std::collections::HashMap;

use super::super::{Application, Setting};
use super::Problem;
use crate::edit::{Found, Rollout};

/// What a Rollout may be called in a parameter's name.
pub(super) struct Names {
    /// How it is announced.
    pub(super) key: String,
    /// What means this one alone.
    own: Vec<String>,
    /// What means all that are called so, where it is not how another one is announced.
    shared: Vec<String>,
}

impl Names {
    pub(super) fn matches(&self, key: &str) -> bool {
        self.own.iter().chain(&self.shared).any(|name| name == key)
    }

    /// What is set for it: under a name of its own, else under one that it shares.
    ///
    /// # Errors
    /// Two names of the same Rollout have different values.
    pub(super) fn setting<'p>(
        &self,
        parameters: &'p [(String, Setting)],
    ) -> Result<Option<&'p (String, Setting)>, Problem> {
        let is_set = |(_, setting): &&(String, Setting)| !setting.shown().trim().is_empty();
        for names in [&self.own, &self.shared] {
            let mut set = parameters
                .iter()
                .filter(|(key, _)| names.contains(key))
                .filter(is_set);
            let Some(first) = set.next() else { continue };
            if let Some(other) = set.find(|other| other.1 != first.1) {
                return Err(Problem {
                    about: format!("canary/{}", first.0),
                    text: format!(
                        "canary/{} is the same Rollout with another value; clear one",
                        other.0
                    ),
                });
            }
            return Ok(Some(first));
        }
        // One that was cleared is shown as it is.
        Ok(parameters.iter().find(|(key, _)| *key == self.key))
    }
}

/// The names of each Rollout, in the same order.
pub(super) fn names(found: &Found, app: &Application) -> Vec<Names> {
    let mut times = HashMap::new();
    for rollout in &found.rollouts {
        *times.entry(rollout.name()).or_insert(0) += 1;
    }
    let short = |rollout: &Rollout| without_release(rollout.name(), app.release.as_deref());
    let is_ambiguous = |rollout: &Rollout| times[rollout.name()] > 1 && !rollout.namespace().is_empty();
    // Of several that are called alike, one without a namespace is announced by the bare name.
    let bare = |rollout: &Rollout| !is_ambiguous(rollout);
    let bare: Vec<&str> = found
        .rollouts
        .iter()
        .filter(|r| bare(r))
        .map(Rollout::name)
        .collect();
    let of = |rollout: &Rollout| {
        let (short, namespace) = (short(rollout), rollout.namespace());
        let plain = vec![short.clone(), rollout.name().to_owned()];
        let qualified = match namespace {
            "" => Vec::new(),
            namespace => plain.iter().map(|name| format!("{namespace}/{name}")).collect(),
        };
        match is_ambiguous(rollout) {
            true => Names {
                key: format!("{namespace}/{short}"),
                own: qualified,
                shared: if bare.contains(&rollout.name()) {
                    Vec::new()
                } else {
                    plain
                },
            },
            false => Names {
                key: short,
                own: [plain, qualified].concat(),
                shared: Vec::new(),
            },
        }
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
