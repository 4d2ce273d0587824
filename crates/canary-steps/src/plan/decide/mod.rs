//! The decision for each Rollout.

mod names;
mod outcome;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::parameters::Setting;
use super::{Application, Owner, Plan, Settings, badge, policy, settings};
use crate::edit::{self, Change, Found, Manifest, Rollout, Strategy};
use crate::syntax::{self, Choice, Item, Word};
use names::{Names, names};
use outcome::{is_release, outcome, unknown_preset};

/// Annotation: the state of this Rollout when nothing is set.
pub(super) const DEFAULT: &str = "serinus.dev/canary-default";
/// Annotations: presets of this Rollout, by name.
pub(super) const PRESET: &str = "serinus.dev/canary-preset.";

/// What is wrong, and with what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{about}: {text}")]
pub struct Problem {
    /// The parameter, the Rollout or the file.
    pub about: String,
    /// One short sentence.
    pub text: String,
}

/// The state of a Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// As in Git, with so many steps.
    Git(usize),
    /// Switched on: Git's own steps or the preset `default`.
    On(usize),
    /// Without steps; whether traffic routing makes that one cut-over.
    Off {
        /// Without steps, traffic routing moves all traffic at once, with twice the pods.
        cut_over: bool,
    },
    /// A preset.
    Preset(String, usize),
    /// Steps typed by hand.
    Own(usize),
    /// It has no canary strategy.
    NotCanary {
        /// Whether it is blueGreen.
        blue_green: bool,
    },
    /// It could not be decided.
    Unknown,
}

/// What becomes of one Rollout.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Name of its parameter, without `canary/`.
    pub key: String,
    /// What is set for it itself.
    pub own: Option<Setting>,
    /// What holds, as it would be typed.
    pub effective: String,
    /// The state it comes to.
    pub state: State,
    /// The release for which the choice was made, and whether it is the one in the manifests.
    pub release: Option<(String, bool)>,
    /// Changes of its fields, none where it stays as in Git.
    pub changes: Vec<Change>,
    /// What may surprise.
    pub warnings: Vec<String>,
    /// Why nothing could be decided.
    pub problem: Option<Problem>,
}

pub(super) fn plan(manifests: &[Manifest], settings: &Settings, app: &Application) -> Plan {
    let found = edit::find(manifests);
    let keys = names(&found, app);
    let world = World {
        manifests,
        settings,
        app,
    };
    let general = world.general(&found);

    let mut plan = Plan::default();
    if let Err(problem) = &general {
        plan.problems.push(problem.clone());
    }
    for (rollout, names) in found.rollouts.iter().zip(&keys) {
        let decision = world.decide(rollout, names, general.as_ref().ok().and_then(Option::as_ref));
        // What is wrong with the value for all is said once.
        if let Some(problem) = decision.problem.clone().filter(|p| !plan.problems.contains(p)) {
            plan.problems.push(problem);
        }
        plan.decisions.push(decision);
    }
    let parameters = &app.parameters.rollouts;
    let is_gone = |key: &str| !keys.iter().any(|names| names.matches(key));
    plan.gone = parameters
        .iter()
        .filter(|(k, _)| is_gone(k))
        .map(|(k, _)| k.clone())
        .collect();
    // A document that cannot be read matters only where something is switched: it may be what is meant.
    let switched = plan.decisions.iter().any(|d| !d.changes.is_empty())
        || !plan.gone.is_empty()
        || general.is_ok_and(|g| g.is_some_and(|(choice, _)| choice.word != Word::Git));
    if switched {
        plan.problems.extend(found.unread.iter().map(|unread| Problem {
            about: unread.manifest.clone(),
            text: format!(
                "a Rollout cannot be read at line {}: {}",
                unread.line, unread.problem
            ),
        }));
    }
    plan.found = found;
    plan
}

/// A choice and where it was made.
type Chosen = (Choice, Origin);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Parameter(String),
    Annotation,
    Default(Owner),
    Git,
}

impl Origin {
    fn name(&self) -> Cow<'_, str> {
        match self {
            Origin::Parameter(name) => name.into(),
            Origin::Annotation => DEFAULT.into(),
            Origin::Default(_) => "default".into(),
            Origin::Git => "git".into(),
        }
    }
}

struct World<'w> {
    manifests: &'w [Manifest],
    settings: &'w Settings,
    app: &'w Application,
}

impl World<'_> {
    fn general(&self, found: &Found) -> Result<Option<Chosen>, Problem> {
        let origin = Origin::Parameter("canary".into());
        let Some(setting) = &self.app.parameters.general else {
            return Ok(None);
        };
        let about = |text: String| Problem {
            about: "canary".into(),
            text,
        };
        let choice = setting.choice().map_err(|e| about(e.to_string()))?;
        // Also where each Rollout has a value of its own, and this one is for those to come.
        if let Some(Choice {
            word: Word::Preset(name),
            ..
        }) = &choice
            && !self.is_preset(name, found)
        {
            return Err(about(unknown_preset(name, &self.settings.presets)));
        }
        Ok(choice.map(|c| (c, origin)))
    }

    /// Whether the settings or some Rollout have a preset of this name. Where there is no canary Rollout nobody asks.
    fn is_preset(&self, name: &str, found: &Found) -> bool {
        let annotation = format!("{PRESET}{name}");
        let mut canaries = found
            .rollouts
            .iter()
            .filter(|rollout| matches!(rollout.strategy(), Strategy::Canary(_)))
            .peekable();
        self.settings.presets.contains_key(name)
            || canaries.peek().is_none()
            || canaries.any(|rollout| rollout.annotation(&annotation).is_some())
    }

    fn decide(&self, rollout: &Rollout, names: &Names, general: Option<&Chosen>) -> Decision {
        let parameter = names.setting(&self.app.parameters.rollouts);
        let mut decision = Decision {
            key: names.key.clone(),
            own: parameter
                .as_ref()
                .ok()
                .and_then(|parameter| parameter.map(|(_, setting)| setting.clone())),
            effective: String::new(),
            state: State::Unknown,
            release: None,
            changes: Vec::new(),
            warnings: Vec::new(),
            problem: None,
        };
        let decided =
            parameter.and_then(|parameter| self.decide_into(&mut decision, rollout, parameter, general));
        if let Err(problem) = decided {
            decision.changes.clear();
            decision.problem = Some(problem);
        }
        decision
    }

    fn decide_into(
        &self,
        decision: &mut Decision,
        rollout: &Rollout,
        parameter: Option<&(String, Setting)>,
        general: Option<&Chosen>,
    ) -> Result<(), Problem> {
        let own = match parameter {
            Some((key, setting)) => {
                let about = format!("canary/{key}");
                decision.effective = setting.shown();
                let choice = setting.choice().map_err(|e| Problem {
                    about: about.clone(),
                    text: e.to_string(),
                })?;
                choice.map(|choice| (choice, Origin::Parameter(about)))
            }
            None => None,
        };
        let about_rollout = |text: String| Problem {
            about: rollout.name().to_owned(),
            text,
        };
        if !matches!(rollout.strategy(), Strategy::Canary(_)) {
            let blue_green = rollout.strategy() == Strategy::BlueGreen;
            decision.state = State::NotCanary { blue_green };
            decision.effective = own
                .as_ref()
                .map_or_else(|| "git".to_owned(), |(c, _)| c.word.to_string());
            return match own {
                Some((choice, origin)) if choice.word != Word::Git => {
                    let strategy = if blue_green {
                        "a blueGreen Rollout"
                    } else {
                        "a Rollout without a valid canary strategy"
                    };
                    Err(Problem {
                        about: origin.name().into_owned(),
                        text: format!("{strategy} has no steps; clear the value"),
                    })
                }
                _ => Ok(()),
            };
        }
        let (choice, origin) = match own.or_else(|| general.cloned()) {
            Some(chosen) => chosen,
            None => self.default(rollout).map_err(about_rollout)?,
        };
        decision.effective = typed(&choice);
        let about = |text: String| match &origin {
            Origin::Parameter(name) if name != "canary" => Problem {
                about: name.clone(),
                text,
            },
            _ => about_rollout(text),
        };
        let (word, release) = self.in_force(rollout, &choice).map_err(about)?;
        decision.release = release;
        let presets = self.presets(rollout).map_err(about_rollout)?;
        let (state, steps) = outcome(rollout, &word, &presets).map_err(about)?;
        // What `on` comes to is judged, not the word.
        let word = match (&word, &state) {
            (Word::On, State::On(_)) if rollout.steps().is_some_and(|git| !git.is_empty()) => Word::Git,
            (Word::On, State::On(_)) => Word::Preset("default".to_owned()),
            _ => word,
        };
        decision.state = state;
        decision.warnings =
            syntax::warnings(steps.as_deref().or(rollout.steps()).unwrap_or_default(), rollout);

        let current = canary_steps(rollout);
        let wanted = steps.as_ref().map(|steps| Value::Array(steps.clone()));
        if !self.is_the_operators(&choice) && self.is_judged(&word, &origin) {
            policy::judge(&self.settings.policy, self.app, rollout, &word, steps.as_deref())
                .map_err(about)?;
        }
        if word != Word::Git && wanted.as_ref() != current {
            if let Some(steps) = &steps {
                syntax::validate(steps, rollout).map_err(|e| about(e.to_string()))?;
            }
            decision.changes.push(Change {
                path: path(&["spec", "strategy", "canary", "steps"]),
                to: wanted,
            });
        }
        if self.settings.badge {
            decision.changes.extend(badge::changes(
                &decision.state,
                source(&origin, &decision.effective),
            ));
        }
        Ok(())
    }

    /// Whether somebody chose what the operator has chosen for all.
    fn is_the_operators(&self, choice: &Choice) -> bool {
        matches!(&self.settings.default, Some((default, Owner::Operator)) if default == choice)
    }

    /// Whether a choice is for the operator's policy to judge: any but the operator's own. As in Git is one where without it
    /// the operator's steps would hold.
    fn is_judged(&self, word: &Word, origin: &Origin) -> bool {
        match origin {
            Origin::Default(Owner::Operator) | Origin::Git => false,
            Origin::Parameter(_) => {
                let default = self.settings.default.as_ref().map(|(choice, _)| &choice.word);
                *word != Word::Git || default.is_some_and(|default| *default != Word::Git)
            }
            Origin::Annotation | Origin::Default(Owner::Repository) => *word != Word::Git,
        }
    }

    /// The state that holds when nothing is set: the annotation's, the repository's, the operator's, else Git's.
    fn default(&self, rollout: &Rollout) -> Result<Chosen, String> {
        if let Some(text) = rollout.annotation(DEFAULT) {
            let choice = Choice::parse(text).map_err(|e| format!("annotation {DEFAULT}: {e}"))?;
            if let Some(choice) = choice {
                return Ok((choice, Origin::Annotation));
            }
        }
        let git = Choice {
            word: Word::Git,
            release: None,
        };
        Ok(match &self.settings.default {
            Some((choice, owner)) => (choice.clone(), Origin::Default(*owner)),
            None => (git, Origin::Git),
        })
    }

    /// The word that holds: off where the release for which it was chosen is over.
    fn in_force(&self, rollout: &Rollout, choice: &Choice) -> Result<(Word, Option<(String, bool)>), String> {
        let Some(release) = &choice.release else {
            return Ok((choice.word.clone(), None));
        };
        let images: Vec<Cow<'_, str>> = match rollout.workload_ref() {
            None => rollout.images().into_iter().map(Cow::Borrowed).collect(),
            Some(workload) => edit::workload_images(
                self.manifests,
                &workload.kind,
                rollout.namespace(),
                &workload.name,
            )
            .ok_or_else(|| {
                format!(
                    "@{release} cannot be compared: the {} {} is not in the manifests",
                    workload.kind, workload.name
                )
            })?
            .into_iter()
            .map(Cow::Owned)
            .collect(),
        };
        if images.is_empty() {
            return Err(format!(
                "@{release} cannot be compared: no container has an image"
            ));
        }
        let active = images.iter().any(|image| is_release(image, release));
        let word = if active { choice.word.clone() } else { Word::Off };
        // Where off is not allowed, a release that is over must not block the next one.
        let forbidden =
            !active && policy::judge(&self.settings.policy, self.app, rollout, &Word::Off, None).is_err();
        let word = if forbidden { Word::Git } else { word };
        Ok((word, Some((release.clone(), active))))
    }

    /// The presets of the settings, with the Rollout's own ones over them.
    fn presets(&self, rollout: &Rollout) -> Result<Cow<'_, BTreeMap<String, Vec<Item>>>, String> {
        let mut presets = Cow::Borrowed(&self.settings.presets);
        for (name, text) in rollout.annotations_under(PRESET) {
            let steps = settings::preset(name, &text.into())
                .map_err(|e| format!("annotation {PRESET}{name}: {e}"))?;
            presets.to_mut().insert(name.to_owned(), steps);
        }
        Ok(presets)
    }
}

/// The value of the key `steps` as Git has it, whatever its type; `None` where there is no such key.
fn canary_steps(rollout: &Rollout) -> Option<&Value> {
    match rollout.strategy() {
        Strategy::Canary(canary) => canary.get("steps"),
        _ => None,
    }
}

/// Where the state comes from, for the badge.
fn source(origin: &Origin, effective: &str) -> String {
    match origin {
        Origin::Git => "git".to_owned(),
        _ => format!("{}: {effective}", origin.name()),
    }
}

fn typed(choice: &Choice) -> String {
    match &choice.release {
        Some(release) => format!("{} @{release}", choice.word),
        None => choice.word.to_string(),
    }
}

pub(super) fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|k| (*k).to_owned()).collect()
}
