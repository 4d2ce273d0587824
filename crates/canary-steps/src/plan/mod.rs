//! What becomes of each Rollout, as a function of values: manifests, settings and the Application's parameters in,
//! changes and titles out. No IO, no clock: Argo CD caches what comes of it.

mod announce;
mod badge;
mod decide;
mod parameters;
mod policy;
mod settings;

use crate::edit::{self, Change, Found, Manifest};

pub use announce::{Announcement, announce, announce_problem};
pub use decide::{Decision, Problem, State};
pub use parameters::{ParameterError, Parameters, Setting};
pub use policy::Rule;
#[cfg(feature = "plugin")]
pub(crate) use settings::lay_rendering;
pub use settings::{Owner, Settings, SettingsError};

/// The Application for which manifests are made.
#[derive(Debug, Clone, Default)]
pub struct Application {
    /// `ARGOCD_APP_NAME`: `<namespace>_<name>` from the controller where Applications live in any namespace, the bare
    /// name from the API server.
    pub name: String,
    /// `ARGOCD_APP_NAMESPACE`, the destination's namespace; unknown in an announcement.
    pub namespace: Option<String>,
    /// `ARGOCD_APP_PROJECT_NAME`; unknown in an announcement.
    pub project: Option<String>,
    /// The Helm release name where it comes from the Application's name. It is taken out of the parameters' names: Argo
    /// CD shows one announcement to all Applications with the same source.
    pub release: Option<String>,
    /// Its plugin parameters.
    pub parameters: Parameters,
}

impl Application {
    /// The name without `<namespace>_`. Nothing in the output may depend on the prefix.
    #[must_use]
    pub fn bare_name(&self) -> &str {
        // `ParseInstanceName` in argo-cd `util/argo/argo.go`: neither part can hold an underscore.
        self.name.split_once('_').map_or(&self.name, |(_, name)| name)
    }
}

/// What becomes of the Rollouts of an Application.
#[derive(Debug, Default)]
pub struct Plan {
    /// What was found in the manifests.
    pub found: Found,
    /// One for each Rollout that was found, in the same order.
    pub decisions: Vec<Decision>,
    /// Keys of parameters whose Rollout is not in the manifests.
    pub gone: Vec<String>,
    /// What keeps the manifests from being made, the worst first.
    pub problems: Vec<Problem>,
}

/// Why no manifests come out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The sum of [`Plan::problems`]: the first one, and how many there are besides.
    #[error("{first}{}", more(.others))]
    Problems {
        /// The first problem.
        first: Problem,
        /// The others.
        others: Vec<Problem>,
    },
    /// A change could not be written.
    #[error(transparent)]
    Write(#[from] edit::WriteError),
    /// There is nothing to hand over, and Argo CD would delete what there was.
    #[error("there is not one object in the manifests; set allowEmpty to true if that is meant")]
    Empty,
}

fn more(others: &[Problem]) -> String {
    match others.len() {
        0 => String::new(),
        1 => " (and 1 more problem)".to_owned(),
        n => format!(" (and {n} more problems)"),
    }
}

/// Decides for each Rollout. Never fails: what is wrong is in the plan.
#[must_use]
pub fn plan(manifests: &[Manifest], settings: &Settings, app: &Application) -> Plan {
    decide::plan(manifests, settings, app)
}

impl Plan {
    /// The manifests as they are to be applied. Where nothing is switched they are what came in, byte for byte.
    ///
    /// # Errors
    /// [`PlanError`] where the plan has a problem or a change cannot be written.
    pub fn apply(
        self,
        manifests: &[Manifest],
        settings: &Settings,
        app: &Application,
    ) -> Result<Vec<String>, PlanError> {
        let mut problems = self.problems.into_iter();
        if let Some(first) = problems.next() {
            let others = problems.collect();
            return Err(PlanError::Problems { first, others });
        }
        if !app.parameters.allow_empty.unwrap_or(settings.allow_empty) && !edit::any_object(manifests) {
            return Err(PlanError::Empty);
        }
        let changed = self.found.rollouts.iter().zip(self.decisions);
        let changes: Vec<(_, Vec<Change>)> = changed
            .map(|(r, d)| (r, d.changes))
            .filter(|(_, c)| !c.is_empty())
            .collect();
        Ok(edit::write(manifests, &changes)?)
    }
}
