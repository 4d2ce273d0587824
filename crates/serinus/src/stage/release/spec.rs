//! The Rollout as its user wrote it, read once into something that cannot be wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::stage::api::selector::selects;

/// More pods of a template than this are not played: each is an endpoint that is written again and again.
const MAX_PODS: i32 = 1000;

/// Members of a Rollout that are objects, where they are set.
const OBJECTS: [&str; 14] = [
    "metadata",
    "metadata.labels",
    "metadata.annotations",
    "spec",
    "spec.selector",
    "spec.selector.matchLabels",
    "spec.template",
    "spec.template.metadata",
    "spec.template.metadata.labels",
    "spec.template.metadata.annotations",
    "spec.strategy",
    "spec.strategy.canary",
    "spec.strategy.canary.analysis",
    "spec.strategy.canary.trafficRouting",
];

/// The Rollout's wishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `spec.replicas`, 1 where absent.
    pub replicas: i32,
    /// `canaryService`
    pub canary_service: String,
    /// `stableService`
    pub stable_service: String,
    /// The one key of `trafficRouting.plugins`.
    pub plugin: String,
    /// `trafficRouting.maxTrafficWeight`, 100 where absent.
    pub max_weight: i32,
    /// `steps`
    pub steps: Vec<Step>,
    /// The background analysis' `startingStep`, where there is a background analysis.
    pub background_from: Option<usize>,
    /// The background analysis is a dry run as a whole.
    pub background_dry: bool,
    /// `scaleDownDelaySeconds`, 30 s where absent (Go: `defaults.GetScaleDownDelaySecondsOrDefault`).
    pub scale_down_delay: Duration,
    /// `abortScaleDownDelaySeconds`, 30 s where absent; `None` for 0, with which the controller sets no deadline and scales
    /// as the steps want (Go: `defaults.GetAbortScaleDownDelaySecondsOrDefault`).
    pub abort_scale_down_delay: Option<Duration>,
    /// `minPodsPerReplicaSet`, 0 where absent.
    pub min_pods: i32,
    /// Members that are set and that the stage does not play.
    pub unplayed: Vec<String>,
    /// Names the template: equal templates have equal hashes.
    pub template_hash: String,
}

/// One canary step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// `setWeight`
    SetWeight(i32),
    /// `pause`; `None` lasts until somebody promotes.
    Pause(Option<Duration>),
    /// `setCanaryScale`
    SetCanaryScale(CanaryScale),
    /// `setHeaderRoute`
    SetHeaderRoute(Value),
    /// `setMirrorRoute`
    SetMirrorRoute(Value),
    /// `analysis`
    Analysis {
        /// It is a dry run as a whole.
        dry: bool,
    },
}

/// `setCanaryScale`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryScale {
    /// So many pods.
    Replicas(i32),
    /// A share of `spec.replicas`, in units of `maxTrafficWeight`.
    Weight(i32),
    /// As the traffic.
    MatchTrafficWeight,
}

/// A Rollout that the stage cannot play.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rollout {rollout}: {field}: {problem}")]
pub struct SpecError {
    /// `<namespace>/<name>`
    pub rollout: String,
    /// Path of the field.
    pub field: String,
    /// What is wrong, and what is accepted.
    pub problem: String,
}

impl Spec {
    /// Reads a Rollout.
    pub fn read(rollout: &Value) -> Result<Self, SpecError> {
        let text = |pointer: &str| {
            rollout
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let name = text("/metadata/name");
        let namespace = Some(text("/metadata/namespace"))
            .filter(|ns| !ns.is_empty())
            .unwrap_or("default".into());
        let reader = Reader {
            rollout: format!("{namespace}/{name}"),
        };
        if let Some((field, value)) = not_an_object(rollout, &OBJECTS) {
            return Err(reader.error(field, format!("{value} is not an object")));
        }
        let canary = rollout
            .pointer("/spec/strategy/canary")
            .filter(|canary| !canary.is_null());
        let canary = canary.ok_or_else(|| {
            reader.error("spec.strategy.canary", "missing; the stage plays canary releases")
        })?;
        reader.accepted(rollout, canary)?;
        let at = |field: &str| format!("spec.strategy.canary.{field}");
        for unplayed in ["pingPong", "dynamicStableScale"] {
            if !matches!(
                canary.get(unplayed),
                None | Some(Value::Null | Value::Bool(false))
            ) {
                return Err(reader.error(&at(unplayed), "the stage does not play this yet"));
            }
        }
        let service = |field: &str| match canary[field].as_str() {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(reader.error(
                &at(field),
                "missing; a traffic router needs the name of a Service",
            )),
        };
        let plugins = canary
            .pointer("/trafficRouting/plugins")
            .and_then(Value::as_object);
        let mut names = plugins.into_iter().flatten().map(|(name, _)| name.clone());
        let (plugin, None) = (names.next(), names.next()) else {
            return Err(reader.error(&at("trafficRouting.plugins"), "name exactly one plugin"));
        };
        let plugin = plugin
            .ok_or_else(|| reader.error(&at("trafficRouting.plugins"), "missing; name the traffic router"))?;

        let max_weight = reader.integer(
            &canary["trafficRouting"]["maxTrafficWeight"],
            &at("trafficRouting.maxTrafficWeight"),
            1,
        )?;
        let max_weight = max_weight.unwrap_or(100);
        let mut steps = Vec::new();
        for (i, step) in canary["steps"].as_array().into_iter().flatten().enumerate() {
            steps.push(reader.step(step, &at(&format!("steps[{i}]")), max_weight)?);
        }
        let seconds = |field: &str| -> Result<Option<u64>, SpecError> {
            Ok(reader
                .integer(&canary[field], &at(field), 0)?
                .and_then(|s| u64::try_from(s).ok()))
        };
        let background = canary.get("analysis").filter(|a| !a.is_null());
        let background_from = match background {
            Some(analysis) => {
                let from = reader.integer(&analysis["startingStep"], &at("analysis.startingStep"), 0)?;
                Some(usize::try_from(from.unwrap_or(0)).unwrap_or(0))
            }
            None => None,
        };
        let replicas = reader.integer(&rollout["spec"]["replicas"], "spec.replicas", 0)?;
        let replicas = replicas.unwrap_or(1);
        reader.playable(i64::from(replicas), "spec.replicas")?;
        for (i, step) in steps.iter().enumerate() {
            let pods = match step {
                Step::SetCanaryScale(CanaryScale::Replicas(n)) => i64::from(*n),
                Step::SetCanaryScale(CanaryScale::Weight(w)) => share_of(replicas, *w, max_weight),
                _ => continue,
            };
            reader.playable(pods, &at(&format!("steps[{i}].setCanaryScale")))?;
        }
        Ok(Self {
            replicas,
            canary_service: service("canaryService")?,
            stable_service: service("stableService")?,
            plugin,
            max_weight,
            steps,
            background_from,
            background_dry: background.is_some_and(is_dry),
            scale_down_delay: Duration::from_secs(seconds("scaleDownDelaySeconds")?.unwrap_or(30)),
            abort_scale_down_delay: match seconds("abortScaleDownDelaySeconds")?.unwrap_or(30) {
                0 => None,
                s => Some(Duration::from_secs(s)),
            },
            min_pods: reader
                .integer(&canary["minPodsPerReplicaSet"], &at("minPodsPerReplicaSet"), 0)?
                .unwrap_or(0),
            unplayed: unplayed(rollout),
            template_hash: hash(&rollout["spec"]["template"]),
            namespace,
            name,
        })
    }
}

impl Step {
    /// As the controller writes it into events (Go: `rolloututil.CanaryStepString`).
    pub fn describe(&self) -> String {
        let name = |route: &Value| route["name"].as_str().unwrap_or_default().to_owned();
        match self {
            Self::SetWeight(weight) => format!("setWeight: {weight}"),
            Self::Pause(None) => "pause".to_owned(),
            Self::Pause(Some(duration)) => format!("pause: {}s", duration.as_secs()),
            Self::SetCanaryScale(CanaryScale::Replicas(n)) => format!("setCanaryScale{{replicas: {n}}}"),
            Self::SetCanaryScale(CanaryScale::Weight(w)) => format!("setCanaryScale{{weight: {w}}}"),
            Self::SetCanaryScale(CanaryScale::MatchTrafficWeight) => {
                "setCanaryScale{matchTrafficWeight: true}".to_owned()
            }
            Self::SetHeaderRoute(route) => format!("setHeaderRoute: {}", name(route)),
            Self::SetMirrorRoute(route) => format!("setMirrorRoute: {}", name(route)),
            Self::Analysis { .. } => "analysis".to_owned(),
        }
    }
}

/// Whether `dryRun` takes metrics of any name, so that none fails an analysis (Go: `GetDryRunMetrics`). The templates'
/// metrics are not known on the stage.
fn is_dry(analysis: &Value) -> bool {
    let rules = analysis["dryRun"].as_array().into_iter().flatten();
    rules
        .filter_map(|rule| rule["metricName"].as_str())
        .any(|pattern| {
            let unlike = ["success-rate", "0"];
            Regex::new(pattern).is_ok_and(|regex| unlike.iter().all(|name| regex.is_match(name)))
        })
}

/// The weights at which a step waits before the next is set. A release only passes through the others.
pub fn held_weights(steps: &[Step]) -> BTreeSet<i32> {
    let mut held = BTreeSet::new();
    let mut set = None;
    for step in steps {
        match step {
            Step::SetWeight(weight) => set = Some(*weight),
            Step::Pause(_) | Step::Analysis { .. } => held.extend(set),
            _ => {}
        }
    }
    held
}

struct Reader {
    rollout: String,
}

impl Reader {
    fn error(&self, field: &str, problem: impl Into<String>) -> SpecError {
        SpecError {
            rollout: self.rollout.clone(),
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    fn integer(&self, value: &Value, field: &str, least: i32) -> Result<Option<i32>, SpecError> {
        if value.is_null() {
            return Ok(None);
        }
        let number = value
            .as_i64()
            .and_then(|n| i32::try_from(n).ok())
            .filter(|n| *n >= least);
        number
            .map(Some)
            .ok_or_else(|| self.error(field, format!("{value} is not an integer from {least} on")))
    }

    /// What the controller refuses or never moves (Go: `ValidateRolloutSpec`, `ValidateRolloutStrategyCanary` in
    /// argo-rollouts `pkg/apis/rollouts/validation/validation.go`; `spec.paused` in `rollout/context.go`).
    fn accepted(&self, rollout: &Value, canary: &Value) -> Result<(), SpecError> {
        let at = |field: &str| format!("spec.strategy.canary.{field}");
        let spec = &rollout["spec"];
        if spec["paused"] == true {
            return Err(self.error(
                "spec.paused",
                "true, and the controller does not move it; delete this",
            ));
        }
        // `InvalidStrategyMessage`
        if !spec["strategy"]["blueGreen"].is_null() {
            return Err(self.error(
                "spec.strategy.blueGreen",
                "set beside canary, and there is one strategy; delete it",
            ));
        }
        // `DuplicatedServicesCanaryMessage`
        if canary["stableService"].is_string() && canary["stableService"] == canary["canaryService"] {
            let problem = format!(
                "{} is canaryService too; the controller needs two",
                canary["stableService"]
            );
            return Err(self.error(&at("stableService"), problem));
        }
        // `MissingFieldMessage`, and "empty selector is invalid for deployment"
        let selector = &spec["selector"];
        let has = |list: &str| {
            selector[list].as_object().is_some_and(|l| !l.is_empty())
                || selector[list].as_array().is_some_and(|l| !l.is_empty())
        };
        if !has("matchLabels") && !has("matchExpressions") {
            return Err(self.error(
                "spec.selector",
                "missing or empty; name labels of the pod template",
            ));
        }
        // `ValidatePodTemplateSpecForReplicaSet`
        let labels = &spec["template"]["metadata"]["labels"];
        if !selects(selector, labels) {
            let problem = format!("{labels} is not selected by spec.selector, {selector}");
            return Err(self.error("spec.template.metadata.labels", problem));
        }
        let routing = canary["trafficRouting"].as_object();
        for (member, value) in routing
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
        {
            if !["plugins", "managedRoutes", "maxTrafficWeight"].contains(&member.as_str()) {
                let problem =
                    format!("{value} is a router beside the plugin; the stage plays the plugin alone");
                return Err(self.error(&at(&format!("trafficRouting.{member}")), problem));
            }
        }
        let steps = &canary["steps"];
        if !steps.is_array() && !steps.is_null() {
            return Err(self.error(&at("steps"), format!("{steps} is not a list of steps")));
        }
        for (i, step) in steps.as_array().into_iter().flatten().enumerate() {
            for kind in ["setHeaderRoute", "setMirrorRoute"] {
                if !step[kind].is_null() {
                    self.managed(&step[kind], canary, &at(&format!("steps[{i}].{kind}")))?;
                }
            }
        }
        Ok(())
    }

    /// A route of a step is a managed route (Go: `ValidateStepRouteFoundInManagedRoute`), and each header is compared
    /// with one value (Go: `hasMultipleMatchValues`).
    fn managed(&self, route: &Value, canary: &Value, at: &str) -> Result<(), SpecError> {
        let managed = canary["trafficRouting"]["managedRoutes"].as_array();
        if !managed.into_iter().flatten().any(|m| m["name"] == route["name"]) {
            let problem = format!(
                "{} is not in spec.strategy.canary.trafficRouting.managedRoutes, and the controller refuses it; add it there",
                route["name"]
            );
            return Err(self.error(&format!("{at}.name"), problem));
        }
        for (i, one) in route["match"].as_array().into_iter().flatten().enumerate() {
            let value = &one["headerValue"];
            if one["headerName"].is_null() {
                continue;
            }
            let set = |form: &&&str| value[**form].as_str().is_some_and(|text| !text.is_empty());
            if ["exact", "regex", "prefix"].iter().filter(set).count() != 1 {
                let problem = format!("{value} is not one of exact, regex and prefix");
                return Err(self.error(&format!("{at}.match[{i}].headerValue"), problem));
            }
        }
        Ok(())
    }

    fn playable(&self, pods: i64, field: &str) -> Result<(), SpecError> {
        if pods <= i64::from(MAX_PODS) {
            return Ok(());
        }
        let problem = format!(
            "{pods} pods are more than the stage plays, {MAX_PODS}; the split is the same with fewer"
        );
        Err(self.error(field, problem))
    }

    fn step(&self, step: &Value, at: &str, max_weight: i32) -> Result<Step, SpecError> {
        let members: Vec<(&String, &Value)> = step
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, v)| !v.is_null())
            .collect();
        let [(kind, content)] = members.as_slice() else {
            return Err(self.error(at, "a step has exactly one member, such as setWeight or pause"));
        };
        let at = format!("{at}.{kind}");
        match kind.as_str() {
            "setWeight" => {
                let weight = self.integer(content, &at, 0)?.unwrap_or(0);
                if weight > max_weight {
                    return Err(self.error(&at, format!("{weight} is more than maxTrafficWeight, {max_weight}")));
                }
                Ok(Step::SetWeight(weight))
            }
            "pause" => match content.get("duration") {
                None | Some(Value::Null) => Ok(Step::Pause(None)),
                Some(duration) => Ok(Step::Pause(Some(self.duration(duration, &format!("{at}.duration"))?))),
            },
            "setCanaryScale" => {
                if content["matchTrafficWeight"] == true {
                    return Ok(Step::SetCanaryScale(CanaryScale::MatchTrafficWeight));
                }
                let replicas = self.integer(&content["replicas"], &format!("{at}.replicas"), 0)?;
                let weight = self.integer(&content["weight"], &format!("{at}.weight"), 0)?;
                match (replicas, weight) {
                    (Some(n), None) => Ok(Step::SetCanaryScale(CanaryScale::Replicas(n))),
                    (None, Some(w)) => Ok(Step::SetCanaryScale(CanaryScale::Weight(w))),
                    _ => Err(self.error(&at, "set one of replicas, weight, matchTrafficWeight")),
                }
            }
            "setHeaderRoute" => Ok(Step::SetHeaderRoute((*content).clone())),
            "setMirrorRoute" => Ok(Step::SetMirrorRoute((*content).clone())),
            "analysis" => Ok(Step::Analysis { dry: is_dry(content) }),
            "experiment" | "plugin" => Err(self.error(&at, "the stage does not play this kind of step yet")),
            _ => Err(self.error(
                &at,
                "unknown step; known are setWeight, pause, setCanaryScale, setHeaderRoute, setMirrorRoute, analysis",
            )),
        }
    }

    /// Seconds, as a number or as text, or a duration like `1h30m` (Go: `RolloutPause.DurationSeconds`, which counts in
    /// `int32`).
    fn duration(&self, value: &Value, at: &str) -> Result<Duration, SpecError> {
        let duration = self.any_duration(value, at)?;
        if i32::try_from(duration.as_secs()).is_err() {
            let problem = format!(
                "{value} is longer than the controller takes, {} seconds",
                i32::MAX
            );
            return Err(self.error(at, problem));
        }
        Ok(duration)
    }

    fn any_duration(&self, value: &Value, at: &str) -> Result<Duration, SpecError> {
        let problem = || {
            self.error(
                at,
                format!("{value} is not a duration; write seconds, or a number with s, m or h"),
            )
        };
        if let Some(seconds) = value.as_u64() {
            return Ok(Duration::from_secs(seconds));
        }
        let text = value.as_str().filter(|t| !t.is_empty()).ok_or_else(problem)?;
        if let Ok(seconds) = text.parse() {
            return Ok(Duration::from_secs(seconds));
        }
        let mut total = 0.0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(problem)?;
            let amount: f64 = rest[..digits].parse().map_err(|_| problem())?;
            let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
            let (unit, seconds) = units
                .iter()
                .find(|(unit, _)| rest[digits..].starts_with(unit))
                .ok_or_else(problem)?;
            total += amount * seconds;
            rest = &rest[digits + unit.len()..];
        }
        // Go: `int32(d.Seconds())` cuts fractions off.
        Duration::try_from_secs_f64(total.floor()).map_err(|_| problem())
    }
}

/// Members that change a release on a cluster and not on the stage.
const UNPLAYED: [&str; 9] = [
    "spec.minReadySeconds",
    "spec.progressDeadlineAbort",
    "spec.restartAt",
    "spec.rollbackWindow",
    "spec.strategy.canary.antiAffinity",
    "spec.strategy.canary.canaryMetadata",
    "spec.strategy.canary.replicaProgressThreshold",
    "spec.strategy.canary.scaleDownDelayRevisionLimit",
    "spec.strategy.canary.stableMetadata",
];

fn unplayed(rollout: &Value) -> Vec<String> {
    let set = |field: &&&str| {
        let value = rollout.pointer(&format!("/{}", field.replace('.', "/")));
        !matches!(value, None | Some(Value::Null | Value::Bool(false)))
    };
    UNPLAYED
        .iter()
        .filter(set)
        .map(|field| (*field).to_owned())
        .collect()
}

/// The first of these fields, given as `a.b.c`, that is set and no object.
pub fn not_an_object<'a>(object: &'a Value, fields: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    fields.iter().find_map(|field| {
        let value = object.pointer(&format!("/{}", field.replace('.', "/")))?;
        (!value.is_object() && !value.is_null()).then_some((*field, value))
    })
}

/// Pods for a weight, rounded up (Go: `trafficWeightToReplicas`).
pub(super) fn share_of(replicas: i32, weight: i32, max_weight: i32) -> i64 {
    let (replicas, weight, max_weight) = (i64::from(replicas), i64::from(weight), i64::from(max_weight));
    (replicas * weight + max_weight - 1) / max_weight
}

/// FNV-1a over the template's JSON, in the alphabet of Kubernetes' names (Go: `rand.SafeEncodeString`). The value is
/// not the controller's own, which hashes a Go struct dump; only equality matters.
fn hash(template: &Value) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let safe = b"bcdfghjklmnpqrstvwxz2456789";
    hash.to_string()
        .bytes()
        .map(|digit| char::from(safe[usize::from(digit) % safe.len()]))
        .collect()
}

#[cfg(test)]
mod tests;
