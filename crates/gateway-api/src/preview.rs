//! What a release will do to its routes, step by step, from files alone: the same pure code that serves the controller.

use std::fmt::Write as _;

use rollouts_plugin::types::{Action, Rollout};
use serde_json::{Value, json};
use similar::algorithms::{Capture, Replace, myers};
use similar::{ChangeTag, DiffOp};
use thiserror::Error;

use crate::config::{Config, ConfigError, PluginName, RouteTarget};
use crate::intent::{Call, Intent, IntentError};
use crate::plan::{PlanError, plan_route};
use crate::{RouteKey, RouteKind};

/// Why there is nothing to show.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The Rollout's configuration.
    #[error("rollout {rollout}")]
    Config {
        /// `namespace/name`.
        rollout: String,
        /// Why.
        source: ConfigError,
    },
    /// The Rollout itself.
    #[error("rollout {rollout}")]
    Intent {
        /// `namespace/name`.
        rollout: String,
        /// Why.
        source: IntentError,
    },
    /// Routes that cannot be planned, all of them.
    #[error("{}", in_one(.0))]
    Plan(Vec<PlanError>),
    /// No Rollout among the objects.
    #[error("no object of kind Rollout was given")]
    NoRollout,
    /// Routes that the Rollout names are not among the objects.
    #[error("{} named by the Rollout but not given", in_one(.0))]
    MissingRoutes(Vec<RouteKey>),
    /// Labels are the cluster's.
    #[error("rollout {0} finds routes by a selector, which cannot be previewed from files: name them")]
    Selector(String),
    /// There is no such step.
    #[error("step {asked} does not exist, the Rollout has the steps 0 to {last}")]
    NoSuchStep {
        /// The step asked for.
        asked: usize,
        /// The last one.
        last: usize,
    },
}

fn in_one<T: ToString>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}

/// One stage of a release.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Index of the step; [`None`] for what comes after the steps.
    pub step: Option<usize>,
    /// What happens, in words.
    pub title: String,
    /// Every route of the Rollout.
    pub routes: Vec<StagedRoute>,
}

/// A route in one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedRoute {
    /// Which route.
    pub key: RouteKey,
    /// As the stage before left it.
    pub before: Value,
    /// As this stage leaves it.
    pub after: Value,
    /// What changes, in words, and what cannot be had.
    pub notes: Vec<String>,
}

/// Plays a release on the routes among `objects`, from the first step to the promotion.
///
/// # Errors
/// Where the Rollout or its configuration is wrong, a route is missing, or a plan is impossible.
pub fn preview(name: &PluginName, objects: &[Value]) -> Result<Vec<Stage>, PreviewError> {
    let rollout = objects
        .iter()
        .find(|object| object["kind"] == "Rollout")
        .ok_or(PreviewError::NoRollout)?;
    let mut rollout: Rollout =
        serde_json::from_value(rollout.clone()).map_err(|error| PreviewError::Config {
            rollout: "in the file".to_owned(),
            source: ConfigError::NotJson {
                path: "the Rollout".to_owned(),
                message: error.to_string(),
            },
        })?;
    if rollout.metadata.namespace.is_empty() {
        rollout.metadata.namespace = "default".to_owned();
    }
    let key = rollout.key();
    let of_config = |source| PreviewError::Config {
        rollout: key.clone(),
        source,
    };
    let (path, json) = name.entry(&rollout).map_err(of_config)?;
    let config = Config::parse(&path, json.as_bytes(), &rollout.metadata.namespace).map_err(of_config)?;
    if !config.selectors.is_empty() {
        return Err(PreviewError::Selector(key));
    }
    let (mut routes, mut missing) = (Vec::new(), Vec::new());
    for target in &config.routes {
        match given(objects, target, &rollout.metadata.namespace) {
            Some(route) => routes.push((target, route.clone())),
            None => missing.push(target.key.clone()),
        }
    }
    if !missing.is_empty() {
        return Err(PreviewError::MissingRoutes(missing));
    }

    rollout.status = Default::default();
    rollout.status.stable_rs = "stable".to_owned();
    let steps = rollout.steps().len();
    let mut weight = 0;
    let mut stages = Vec::with_capacity(steps + 2);
    for at in 0..=steps + 1 {
        let (step, title) = match rollout.steps().get(at) {
            Some(step) => {
                if let Action::SetWeight(set) = step.action() {
                    weight = set;
                }
                (Some(at), title(&step.action()))
            }
            None if at == steps => {
                weight = rollout.max_traffic_weight();
                (None, "after the last step".to_owned())
            }
            None => {
                weight = 0;
                (None, "promoted".to_owned())
            }
        };
        rollout.status.current_pod_hash = if at > steps { "stable" } else { "canary" }.to_owned();
        rollout.status.current_step_index = i32::try_from(at.min(steps)).ok();
        let intent =
            Intent::derive(&rollout, &config, Call::SetWeight(weight, &[]), false).map_err(|source| {
                PreviewError::Intent {
                    rollout: rollout.key(),
                    source,
                }
            })?;
        if let Some(unknown) = intent.unknown {
            return Err(PreviewError::Intent {
                rollout: rollout.key(),
                source: unknown,
            });
        }
        let mut staged = Vec::with_capacity(routes.len());
        let mut impossible = Vec::new();
        for (target, route) in &mut routes {
            let plan = match plan_route(target, route, &intent, config.in_progress_label.as_ref()) {
                Ok(plan) => plan,
                Err(error) => {
                    impossible.push(error);
                    continue;
                }
            };
            let before = route.clone();
            if let Some(object) = plan.object {
                *route = object;
            }
            let mut notes = plan.changes.iter().map(ToString::to_string).collect::<Vec<_>>();
            notes.extend(plan.refused.iter().map(|refusal| format!("refused: {refusal}")));
            notes.extend(plan.warnings.iter().map(|warning| format!("beware: {warning}")));
            staged.push(StagedRoute {
                key: target.key.clone(),
                before,
                after: route.clone(),
                notes,
            });
        }
        if !impossible.is_empty() {
            return Err(PreviewError::Plan(impossible));
        }
        stages.push(Stage {
            step,
            title,
            routes: staged,
        });
    }
    Ok(stages)
}

/// The stage of one step; all of them where none is asked for.
///
/// # Errors
/// Where there is no such step.
pub fn only(stages: Vec<Stage>, step: Option<usize>) -> Result<Vec<Stage>, PreviewError> {
    let Some(asked) = step else { return Ok(stages) };
    let last = stages.iter().filter_map(|stage| stage.step).max().unwrap_or(0);
    let found = stages.into_iter().find(|stage| stage.step == Some(asked));
    found
        .map(|stage| vec![stage])
        .ok_or(PreviewError::NoSuchStep { asked, last })
}

/// The stages as differences to the stage before each, in lines.
pub fn render(stages: &[Stage], colour: bool) -> String {
    let paint = |code: &str, text: &str| match colour {
        true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    };
    let mut out = String::new();
    for stage in stages {
        let heading = match stage.step {
            Some(step) => format!("step {step}: {}", stage.title),
            None => stage.title.clone(),
        };
        _ = writeln!(out, "{}", paint("1", &heading));
        for route in &stage.routes {
            if route.notes.is_empty() {
                _ = writeln!(out, "  {} stays as it is", route.key);
                continue;
            }
            _ = writeln!(out, "  {}", route.key);
            for note in &route.notes {
                _ = writeln!(out, "    {note}");
            }
            let text = |route: &Value| format!("{route:#}");
            let (before, after) = (text(&route.before), text(&route.after));
            let old = before.lines().collect::<Vec<_>>();
            let new = after.lines().collect::<Vec<_>>();
            for group in grouped_changes(&old, &new) {
                for change in group.iter().flat_map(|op| op.iter_changes(&old[..], &new[..])) {
                    let line = change.value();
                    let line = match change.tag() {
                        ChangeTag::Delete => paint("31", &format!("  - {line}")),
                        ChangeTag::Insert => paint("32", &format!("  + {line}")),
                        ChangeTag::Equal => format!("    {line}"),
                    };
                    _ = writeln!(out, "{line}");
                }
                _ = writeln!(out, "    …");
            }
        }
    }
    out
}

/// What differs, with three lines around it. `TextDiff` would do the same, and bring every algorithm there is into the
/// binary: 0.6 MB.
fn grouped_changes(old: &[&str], new: &[&str]) -> Vec<Vec<DiffOp>> {
    let mut diff = Replace::new(Capture::new());
    match myers::diff(&mut diff, old, 0..old.len(), new, 0..new.len()) {
        Ok(()) => diff.into_inner().into_grouped_ops(3),
    }
}

/// The stages as JSON, for programs.
pub fn to_json(stages: &[Stage]) -> Value {
    let route = |route: &StagedRoute| json!({"route": route.key.to_string(), "notes": route.notes, "object": route.after});
    let stage = |stage: &Stage| json!({"step": stage.step, "title": stage.title, "routes": stage.routes.iter().map(route).collect::<Vec<_>>()});
    stages.iter().map(stage).collect()
}

/// The route of a target among the objects. One without a namespace lies where it is looked for.
fn given<'a>(objects: &'a [Value], target: &RouteTarget, namespace: &str) -> Option<&'a Value> {
    let is_it = |object: &&Value| {
        object["kind"].as_str().and_then(RouteKind::from_name) == Some(target.key.kind)
            && object["metadata"]["name"] == target.key.name
            && object["metadata"]["namespace"].as_str().unwrap_or(namespace) == target.key.namespace
    };
    objects.iter().find(is_it)
}

fn title(action: &Action<'_>) -> String {
    match action {
        Action::SetWeight(weight) => format!("setWeight {weight}"),
        Action::Pause(pause) => match &pause.duration {
            Some(duration) => format!("pause {duration}"),
            None => "pause".to_owned(),
        },
        Action::Experiment(_) => "experiment (its Services are not known before it runs)".to_owned(),
        Action::Analysis => "analysis".to_owned(),
        Action::SetCanaryScale(_) => "setCanaryScale".to_owned(),
        Action::SetHeaderRoute(route) => format!("setHeaderRoute {}", route.name),
        Action::SetMirrorRoute(route) => format!("setMirrorRoute {}", route.name),
        Action::Plugin(plugin) => format!("plugin {}", plugin.name),
        _ => "a step that this version does not know".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn objects() -> Vec<Value> {
        vec![
            json!({"kind": "Service", "metadata": {"name": "web"}}),
            json!({"kind": "HTTPRoute", "metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": [
                {"name": "stable", "port": 80}, {"name": "canary", "port": 80, "weight": 0}]}]}}),
            json!({"kind": "Rollout", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"strategy": {"canary": {
                "stableService": "stable", "canaryService": "canary",
                "trafficRouting": {"managedRoutes": [{"name": "dark"}], "plugins": {"x/y": {"httpRoute": "web"}}},
                "steps": [
                    {"setHeaderRoute": {"name": "dark", "match": [{"headerName": "x", "headerValue": {"exact": "1"}}]}},
                    {"setWeight": 20}, {"pause": {"duration": "30s"}}]}}}}),
        ]
    }

    #[test]
    fn a_release_is_shown_step_by_step() {
        let stages = preview(&PluginName::default(), &objects()).unwrap();
        let text: String = stages
            .iter()
            .flat_map(|stage| {
                let notes = stage.routes[0].notes.iter().map(|note| format!("  {note}\n"));
                std::iter::once(format!("{:?} {}\n", stage.step, stage.title))
                    .chain(notes)
                    .collect::<Vec<_>>()
            })
            .collect();
        expect![[r#"
            Some(0) setHeaderRoute dark
              rule dark added
              label rollouts.argoproj.io/gatewayapi-canary set
            Some(1) setWeight 20
              spec.rules[1]: stable 1 to 80, canary 0 to 20
            Some(2) pause 30s
            None after the last step
              spec.rules[1]: stable 80 to 0, canary 20 to 100
            None promoted
              spec.rules[1]: stable 0 to 1, canary 100 to 0
              rule dark removed
              label rollouts.argoproj.io/gatewayapi-canary removed
        "#]]
        .assert_eq(&text);
        let first = &stages[0].routes[0].before;
        let last = &stages[4].routes[0].after;
        assert_eq!(
            last["spec"]["rules"][0]["backendRefs"][1],
            first["spec"]["rules"][0]["backendRefs"][1]
        );
    }

    #[test]
    fn differences_are_lines() {
        let stages = preview(&PluginName::default(), &objects()).unwrap();
        let one = only(stages.clone(), Some(1)).unwrap();
        let text = render(&one, false);
        assert!(
            text.starts_with("step 1: setWeight 20\n  HTTPRoute shop/web\n    spec.rules[1]: stable 1 to 80"),
            "{text}"
        );
        assert!(
            text.contains("\n  -             \"weight\": 0\n  +             \"weight\": 20\n"),
            "{text}"
        );
        assert!(render(&one, true).contains("\u{1b}[32m"));
        assert_eq!(to_json(&one)[0]["step"], 1);
        assert_eq!(
            only(stages, Some(7)).unwrap_err().to_string(),
            "step 7 does not exist, the Rollout has the steps 0 to 2"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let name = PluginName::default();
        assert!(matches!(preview(&name, &[]), Err(PreviewError::NoRollout)));
        let mut several = objects();
        several[2]["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"]["x/y"] =
            json!({"httpRoute": "web", "grpcRoute": "api", "tcpRoute": "edge/db"});
        let error = preview(&name, &several).unwrap_err().to_string();
        assert_eq!(
            error,
            "GRPCRoute shop/api; TCPRoute edge/db named by the Rollout but not given"
        );
        let rules = json!([{"backendRefs": [{"name": "stable", "port": 80}]}]);
        for (kind, name) in [("GRPCRoute", "api"), ("TCPRoute", "db")] {
            let namespace = if kind == "TCPRoute" { "edge" } else { "shop" };
            several.push(json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": {"rules": rules}}));
        }
        let error = preview(&name, &several).unwrap_err().to_string();
        let at = |route: &str| error.find(&format!("{route}: no rule of spec.rules has backendRefs to both"));
        assert!(
            at("GRPCRoute shop/api") < at("TCPRoute edge/db") && at("GRPCRoute shop/api").is_some(),
            "each is told: {error}"
        );
    }
}
