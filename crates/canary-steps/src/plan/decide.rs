//! The decision for each Rollout.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::parameters::Setting;
use super::{Application, Owner, Plan, Settings, policy, settings};
use crate::edit::{self, Change, Found, Manifest, Rollout, Strategy};
use crate::syntax::{self, Choice, Item, Word, nearest};

/// Annotation: the state of this Rollout when nothing is set.
pub(super) const DEFAULT: &str = "serinus.dev/canary-default";
/// Annotations: presets of this Rollout, by name.
pub(super) const PRESET: &str = "serinus.dev/canary-preset.";
/// Label that shows the state where the operator wants badges.
pub(super) const BADGE: &str = "serinus.dev/canary-steps";
/// Annotation that says where the state comes from, beside the badge.
pub(super) const SOURCE: &str = "serinus.dev/canary-steps-source";

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
    /// The release for which the state holds, and whether it is over.
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
    let keys = Keys::of(&found, app);
    let world = World {
        manifests,
        settings,
        app,
    };
    let general = world.general();

    let mut plan = Plan::default();
    if let Err(problem) = &general {
        plan.problems.push(problem.clone());
    }
    for (rollout, names) in found.rollouts.iter().zip(&keys.0) {
        let decision = world.decide(rollout, names, general.as_ref().ok().and_then(Option::as_ref));
        // What is wrong with the value for all is said once.
        if let Some(problem) = decision.problem.clone().filter(|p| !plan.problems.contains(p)) {
            plan.problems.push(problem);
        }
        plan.decisions.push(decision);
    }
    let parameters = &app.parameters.rollouts;
    let is_gone = |key: &str| !keys.0.iter().any(|names| names.matches(key));
    plan.gone = parameters
        .iter()
        .filter(|(k, _)| is_gone(k))
        .map(|(k, _)| k.clone())
        .collect();
    for (key, setting) in parameters.iter().filter(|(k, _)| is_gone(k)) {
        if let Err(error) = setting.choice() {
            plan.problems.push(Problem {
                about: format!("canary/{key}"),
                text: error.to_string(),
            });
        }
    }
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
    fn general(&self) -> Result<Option<Chosen>, Problem> {
        let origin = Origin::Parameter("canary".into());
        let Some(setting) = &self.app.parameters.general else {
            return Ok(None);
        };
        let choice = setting.choice().map_err(|e| Problem {
            about: "canary".into(),
            text: e.to_string(),
        })?;
        Ok(choice.map(|c| (c, origin)))
    }

    fn decide(&self, rollout: &Rollout, names: &Names, general: Option<&Chosen>) -> Decision {
        let parameter = self
            .app
            .parameters
            .rollouts
            .iter()
            .filter(|(key, _)| names.matches(key));
        // The longer key names the namespace and so means this one.
        let parameter = parameter.max_by_key(|(key, _)| key.len());
        let mut decision = Decision {
            key: names.key.clone(),
            own: parameter.map(|(_, setting)| setting.clone()),
            effective: String::new(),
            state: State::Unknown,
            release: None,
            changes: Vec::new(),
            warnings: Vec::new(),
            problem: None,
        };
        if let Err(problem) = self.decide_into(&mut decision, rollout, parameter, general) {
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
                Some((choice, _)) if choice.word != Word::Git => {
                    let strategy = if blue_green {
                        "is blueGreen"
                    } else {
                        "has no valid canary strategy"
                    };
                    let key = &decision.key;
                    Err(about_rollout(format!(
                        "{strategy}, so it has no steps; clear canary/{key}"
                    )))
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
        decision.state = state;
        decision.warnings =
            syntax::warnings(steps.as_deref().or(rollout.steps()).unwrap_or_default(), rollout);

        let current = canary_steps(rollout);
        let wanted = steps.as_ref().map(|steps| Value::Array(steps.clone()));
        if word != Word::Git && origin != Origin::Default(Owner::Operator) {
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
            decision
                .changes
                .extend(badge(&decision.state, &origin, &decision.effective));
        }
        Ok(())
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
            Some(workload) => edit::workload_images(self.manifests, &workload.kind, &workload.name)
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
        Ok((word, Some((release.clone(), !active))))
    }

    fn presets(&self, rollout: &Rollout) -> Result<BTreeMap<String, Vec<Item>>, String> {
        let mut presets = self.settings.presets.clone();
        for (name, text) in rollout.annotations_under(PRESET) {
            let steps = settings::preset(name, &text.into())
                .map_err(|e| format!("annotation {PRESET}{name}: {e}"))?;
            presets.insert(name.to_owned(), steps);
        }
        Ok(presets)
    }
}

/// The state a word leads to, and the steps; `None` is no steps at all.
fn outcome(
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

fn unknown_preset(name: &str, presets: &BTreeMap<String, Vec<Item>>) -> String {
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
fn is_release(image: &str, release: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    // A colon before the last slash belongs to a registry's port.
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    tag == Some(release) || digest == Some(release)
}

/// The value of the key `steps` as Git has it, whatever its type; `None` where there is no such key.
fn canary_steps(rollout: &Rollout) -> Option<&Value> {
    match rollout.strategy() {
        Strategy::Canary(canary) => canary.get("steps"),
        _ => None,
    }
}

fn badge(state: &State, origin: &Origin, effective: &str) -> [Change; 2] {
    let text = match state {
        State::Git(n) => format!("git-{n}"),
        State::On(n) => format!("on-{n}"),
        State::Off { .. } => "off".to_owned(),
        State::Preset(name, n) => format!("{}-{n}", &name[..name.len().min(50)]),
        State::Own(n) => format!("own-{n}"),
        State::NotCanary { .. } | State::Unknown => "none".to_owned(),
    };
    let change = |parent: &str, key: &str, text: String| Change {
        path: path(&["metadata", parent, key]),
        to: Some(json!(text)),
    };
    [
        change("labels", BADGE, text),
        change("annotations", SOURCE, format!("{}: {effective}", origin.name())),
    ]
}

fn typed(choice: &Choice) -> String {
    match &choice.release {
        Some(release) => format!("{} @{release}", choice.word),
        None => choice.word.to_string(),
    }
}

fn path(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|k| (*k).to_owned()).collect()
}

/// What a Rollout may be called in a parameter's name.
struct Names {
    /// How it is announced.
    key: String,
    all: Vec<String>,
}

impl Names {
    fn matches(&self, key: &str) -> bool {
        self.all.iter().any(|name| name == key)
    }
}

struct Keys(Vec<Names>);

impl Keys {
    fn of(found: &Found, app: &Application) -> Keys {
        let names: Vec<&str> = found.rollouts.iter().map(Rollout::name).collect();
        let keys = found.rollouts.iter().map(|rollout| {
            let ambiguous = names.iter().filter(|n| **n == rollout.name()).count() > 1;
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
        });
        Keys(keys.collect())
    }
}

/// The name with the release's place marked: `shop-web` of the release `shop` is `{app}-web`.
fn without_release(name: &str, release: Option<&str>) -> String {
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

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
