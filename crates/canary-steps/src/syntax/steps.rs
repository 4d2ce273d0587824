//! Whether the Rollouts controller would take a list of steps.
//!
//! Follows `ValidateRolloutStrategyCanary` in argo-rollouts `pkg/apis/rollouts/validation/validation.go`. It is stricter
//! where the API server or the controller would take a mistake silently: unknown fields, and several kinds in one step.

use serde_json::{Map, Value};

use super::duration::seconds;
use super::suggest::nearest;
use crate::edit::{Rollout, Strategy};

/// A step that the controller would refuse, and with it the whole Rollout (condition `InvalidSpec`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {number} {problem}")]
pub struct StepError {
    /// The step, counted from 1.
    pub number: usize,
    /// What is wrong with it: the end of a sentence.
    pub problem: String,
}

const KINDS: [&str; 8] = [
    "setWeight",
    "pause",
    "setCanaryScale",
    "analysis",
    "experiment",
    "setHeaderRoute",
    "setMirrorRoute",
    "plugin",
];

/// Checks steps against the Rollout they are for: its traffic routing and its managed routes decide what is allowed.
///
/// # Errors
/// The first step that the controller would refuse.
pub fn validate(steps: &[Value], rollout: &Rollout) -> Result<(), StepError> {
    let routing = Routing(rollout.traffic_routing());
    for (n, step) in steps.iter().enumerate() {
        check(step, &routing).map_err(|problem| StepError {
            number: n + 1,
            problem,
        })?;
    }
    Ok(())
}

/// What is allowed but may surprise.
#[must_use]
pub fn warnings(steps: &[Value], rollout: &Rollout) -> Vec<String> {
    let mut warnings = Vec::new();
    let weights: Vec<i64> = steps.iter().filter_map(|s| s["setWeight"].as_i64()).collect();
    if weights.is_empty() && !steps.is_empty() {
        warnings.push("no step sets a weight".to_owned());
    }
    if let Some(pair) = weights.windows(2).find(|w| w[1] < w[0]) {
        warnings.push(format!("the weight falls from {} to {}", pair[0], pair[1]));
    }
    if let Strategy::Canary(canary) = rollout.strategy()
        && let Some(starting) = canary.get("analysis").and_then(|a| a["startingStep"].as_u64())
        && !steps.is_empty()
        && starting >= steps.len() as u64
    {
        warnings.push(format!(
            "the background analysis starts at step {starting} and never runs"
        ));
    }
    warnings
}

struct Routing<'r>(Option<&'r Map<String, Value>>);

impl Routing<'_> {
    fn has(&self, routers: &[&str]) -> bool {
        let set = |value: &Value| match value {
            Value::Null => false,
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        self.0
            .is_some_and(|routing| routers.iter().any(|r| routing.get(*r).is_some_and(set)))
    }

    fn managed(&self, name: &str) -> bool {
        let routes = self
            .0
            .and_then(|r| r.get("managedRoutes"))
            .and_then(Value::as_array);
        routes.into_iter().flatten().any(|r| r["name"] == name)
    }

    /// `weightutil.MaxTrafficWeight`.
    fn max_weight(&self) -> i64 {
        self.0
            .and_then(|r| r.get("maxTrafficWeight"))
            .and_then(Value::as_i64)
            .unwrap_or(100)
    }
}

fn check(step: &Value, routing: &Routing<'_>) -> Result<(), String> {
    let Value::Object(step) = step else {
        return Err(format!("is {step}, not an object like {{\"setWeight\": 25}}"));
    };
    let mut kinds = step.iter();
    let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else {
        return Err(match step.len() {
            0 => "is empty; write pause: {} to wait".to_owned(),
            _ => format!("has {} kinds ({}); write one", step.len(), keys(step)),
        });
    };
    match kind.as_str() {
        "setWeight" => set_weight(value, routing),
        "pause" => pause(object(kind, value)?),
        "setCanaryScale" => set_canary_scale(object(kind, value)?, routing),
        "setHeaderRoute" => set_header_route(object(kind, value)?, routing),
        "setMirrorRoute" => set_mirror_route(object(kind, value)?, routing),
        "analysis" => analysis(object(kind, value)?),
        "experiment" => experiment(object(kind, value)?, routing),
        "plugin" => plugin(object(kind, value)?),
        unknown => Err(match nearest(unknown, KINDS) {
            Some(near) => format!("has the unknown kind {unknown:?}; did you mean {near:?}?"),
            None => format!("has the unknown kind {unknown:?}; kinds are {}", KINDS.join(", ")),
        }),
    }
}

fn object<'v>(kind: &str, value: &'v Value) -> Result<&'v Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("has {kind}: {value}; it takes an object, e.g. {kind}: {{}}"))
}

fn set_weight(value: &Value, routing: &Routing<'_>) -> Result<(), String> {
    let max = routing.max_weight();
    match value.as_i64() {
        Some(weight) if (0..=max).contains(&weight) => Ok(()),
        Some(weight) => Err(format!(
            "sets the weight {weight}; it must be between 0 and {max}"
        )),
        None => Err(format!(
            "has setWeight: {value}; it takes a whole number between 0 and {max}"
        )),
    }
}

fn pause(pause: &Map<String, Value>) -> Result<(), String> {
    only(pause, "pause", &["duration"])?;
    let length = match pause.get("duration") {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => seconds(text),
        Some(other) => other.as_i64().filter(|n| i32::try_from(*n).is_ok()),
    };
    match length {
        Some(0..) => Ok(()),
        _ => Err(format!(
            "pauses for {}; write seconds or a duration like 30s, 5m, 1h",
            pause.get("duration").unwrap_or(&Value::Null)
        )),
    }
}

fn set_canary_scale(scale: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
    if routing.0.is_none() {
        return Err("sets the canary's scale, which needs trafficRouting".into());
    }
    only(
        scale,
        "setCanaryScale",
        &["weight", "replicas", "matchTrafficWeight"],
    )?;
    if scale.values().all(Value::is_null) {
        return Err("has an empty setCanaryScale; write weight, replicas or matchTrafficWeight".into());
    }
    for key in ["weight", "replicas"] {
        if let Some(value) = scale.get(key).filter(|v| !v.is_null())
            && !value.as_i64().is_some_and(|n| n >= 0 && i32::try_from(n).is_ok())
        {
            return Err(format!(
                "has setCanaryScale.{key}: {value}; it takes a whole number from 0"
            ));
        }
    }
    Ok(())
}

fn set_header_route(route: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
    if !routing.has(&["istio", "alb", "apisix", "plugins"]) {
        return Err(
            "sets a header route, which needs trafficRouting by Istio, ALB, Apisix or a plugin".into(),
        );
    }
    only(route, "setHeaderRoute", &["name", "match"])?;
    managed(route, "setHeaderRoute", routing)?;
    let alb = routing.has(&["alb"]);
    for header in list(route, "match")? {
        let value = &header["headerValue"];
        if alb && (!non_empty(&value["exact"]) || non_empty(&value["regex"]) || non_empty(&value["prefix"])) {
            return Err("matches a header otherwise than with exact, all that ALB knows".into());
        }
        if !alb {
            one_match(value, "a header")?;
        }
    }
    Ok(())
}

fn set_mirror_route(route: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
    if !routing.has(&["istio", "plugins"]) {
        return Err("sets a mirror route, which needs trafficRouting by Istio or a plugin".into());
    }
    only(route, "setMirrorRoute", &["name", "match", "percentage"])?;
    managed(route, "setMirrorRoute", routing)?;
    for rule in list(route, "match")? {
        for key in ["method", "path"] {
            if let Some(value) = rule.get(key).filter(|v| !v.is_null()) {
                one_match(value, &format!("a {key}"))?;
            }
        }
    }
    Ok(())
}

fn analysis(analysis: &Map<String, Value>) -> Result<(), String> {
    only(
        analysis,
        "analysis",
        &[
            "templates",
            "args",
            "dryRun",
            "measurementRetention",
            "analysisRunMetadata",
        ],
    )?;
    let templates = list(analysis, "templates")?;
    if templates.is_empty() {
        return Err("runs an analysis without templates".into());
    }
    match templates.iter().position(|t| !non_empty(&t["templateName"])) {
        Some(n) => Err(format!(
            "runs an analysis whose template {} has no templateName",
            n + 1
        )),
        None => Ok(()),
    }
}

fn experiment(experiment: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
    only(
        experiment,
        "experiment",
        &[
            "templates",
            "duration",
            "analyses",
            "dryRun",
            "analysisRunMetadata",
            "scaleDownDelaySeconds",
        ],
    )?;
    let weighted = list(experiment, "templates")?
        .iter()
        .any(|t| !t["weight"].is_null());
    if weighted && !routing.has(&["alb", "smi", "istio", "plugins"]) {
        return Err(
            "gives an experiment a weight, which needs trafficRouting by SMI, ALB, Istio or a plugin".into(),
        );
    }
    Ok(())
}

fn plugin(plugin: &Map<String, Value>) -> Result<(), String> {
    only(plugin, "plugin", &["name", "config"])?;
    if non_empty(plugin.get("name").unwrap_or(&Value::Null)) {
        Ok(())
    } else {
        Err("names no plugin".into())
    }
}

fn managed(route: &Map<String, Value>, kind: &str, routing: &Routing<'_>) -> Result<(), String> {
    let name = route.get("name").and_then(Value::as_str).unwrap_or_default();
    if routing.managed(name) {
        return Ok(());
    }
    Err(format!(
        "has the {kind} {name:?}, which trafficRouting.managedRoutes does not name"
    ))
}

fn one_match(value: &Value, what: &str) -> Result<(), String> {
    match ["exact", "prefix", "regex"]
        .iter()
        .filter(|k| non_empty(&value[**k]))
        .count()
    {
        1 => Ok(()),
        _ => Err(format!(
            "matches {what} with none or several of exact, prefix, regex; write one"
        )),
    }
}

fn list<'m>(map: &'m Map<String, Value>, key: &str) -> Result<&'m [Value], String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(format!("has {key}: {other}; it takes a list")),
    }
}

fn non_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|s| !s.is_empty())
}

fn only(map: &Map<String, Value>, kind: &str, known: &[&'static str]) -> Result<(), String> {
    let Some(unknown) = map.keys().find(|k| !known.contains(&k.as_str())) else {
        return Ok(());
    };
    Err(match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("has the unknown field {kind}.{unknown}; did you mean {near}?"),
        None => format!(
            "has the unknown field {kind}.{unknown}; fields are {}",
            known.join(", ")
        ),
    })
}

fn keys(map: &Map<String, Value>) -> String {
    map.keys().cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(canary: &Value) -> Rollout {
        Rollout {
            manifest: 0,
            document: 0..0,
            object: vec![],
            line: 1,
            value: json!({"spec": {"strategy": {"canary": canary}}}),
        }
    }

    fn problem(step: Value, canary: &Value) -> Option<String> {
        validate(&[json!({"pause": {}}), step], &rollout(canary))
            .err()
            .map(|e| e.to_string())
    }

    #[test]
    fn what_the_controller_takes() {
        let none = json!({});
        let plugin = json!({"trafficRouting": {"plugins": {"a/b": {}}, "managedRoutes": [{"name": "r"}], "maxTrafficWeight": 1000}});
        for (step, canary) in [
            (json!({"setWeight": 0}), &none),
            (json!({"setWeight": 100}), &none),
            (json!({"setWeight": 1000}), &plugin),
            (json!({"pause": {}}), &none),
            (json!({"pause": {"duration": 30}}), &none),
            (json!({"pause": {"duration": "1h30m"}}), &none),
            (json!({"setCanaryScale": {"replicas": 2}}), &plugin),
            (json!({"setCanaryScale": {"matchTrafficWeight": true}}), &plugin),
            (
                json!({"setHeaderRoute": {"name": "r", "match": [{"headerName": "x", "headerValue": {"exact": "y"}}]}}),
                &plugin,
            ),
            (json!({"setHeaderRoute": {"name": "r"}}), &plugin),
            (
                json!({"setMirrorRoute": {"name": "r", "percentage": 5, "match": [{"path": {"prefix": "/"}}]}}),
                &plugin,
            ),
            (json!({"analysis": {"templates": [{"templateName": "a"}]}}), &none),
            (
                json!({"experiment": {"templates": [{"name": "a", "specRef": "canary"}]}}),
                &none,
            ),
            (
                json!({"experiment": {"templates": [{"name": "a", "weight": 5}]}}),
                &plugin,
            ),
            (
                json!({"plugin": {"name": "x", "config": {"any": "thing"}}}),
                &none,
            ),
        ] {
            assert_eq!(problem(step.clone(), canary), None, "{step}");
        }
    }

    #[test]
    fn what_the_controller_refuses_is_named() {
        let none = json!({});
        let nginx = json!({"trafficRouting": {"nginx": {"stableIngress": "x"}}});
        let alb = json!({"trafficRouting": {"alb": {"ingress": "x"}, "managedRoutes": [{"name": "r"}]}});
        let istio = json!({"trafficRouting": {"istio": {"virtualService": {"name": "x"}}, "managedRoutes": [{"name": "r"}]}});
        for (step, canary, expected) in [
            (json!({}), &none, "step 2 is empty; write pause: {} to wait"),
            (
                json!(25),
                &none,
                "step 2 is 25, not an object like {\"setWeight\": 25}",
            ),
            (
                json!({"pause": {}, "setWeight": 5}),
                &none,
                "step 2 has 2 kinds (pause, setWeight); write one",
            ),
            (
                json!({"setWeigth": 5}),
                &none,
                "step 2 has the unknown kind \"setWeigth\"; did you mean \"setWeight\"?",
            ),
            (
                json!({"setWeight": 101}),
                &none,
                "step 2 sets the weight 101; it must be between 0 and 100",
            ),
            (
                json!({"setWeight": "5"}),
                &none,
                "step 2 has setWeight: \"5\"; it takes a whole number between 0 and 100",
            ),
            (
                json!({"pause": null}),
                &none,
                "step 2 has pause: null; it takes an object, e.g. pause: {}",
            ),
            (
                json!({"pause": {"duration": "1d"}}),
                &none,
                "step 2 pauses for \"1d\"; write seconds or a duration like 30s, 5m, 1h",
            ),
            (
                json!({"pause": {"duration": -1}}),
                &none,
                "step 2 pauses for -1; write seconds or a duration like 30s, 5m, 1h",
            ),
            (
                json!({"pause": {"durations": 1}}),
                &none,
                "step 2 has the unknown field pause.durations; did you mean duration?",
            ),
            (
                json!({"setCanaryScale": {"replicas": 1}}),
                &none,
                "step 2 sets the canary's scale, which needs trafficRouting",
            ),
            (
                json!({"setCanaryScale": {}}),
                &nginx,
                "step 2 has an empty setCanaryScale; write weight, replicas or matchTrafficWeight",
            ),
            (
                json!({"setHeaderRoute": {"name": "r"}}),
                &nginx,
                "step 2 sets a header route, which needs trafficRouting by Istio, ALB, Apisix or a plugin",
            ),
            (
                json!({"setHeaderRoute": {"name": "other"}}),
                &istio,
                "step 2 has the setHeaderRoute \"other\", which trafficRouting.managedRoutes does not name",
            ),
            (
                json!({"setHeaderRoute": {"name": "r", "match": [{"headerValue": {"prefix": "y"}}]}}),
                &alb,
                "step 2 matches a header otherwise than with exact, all that ALB knows",
            ),
            (
                json!({"setHeaderRoute": {"name": "r", "match": [{"headerValue": {"prefix": "y", "exact": "z"}}]}}),
                &istio,
                "step 2 matches a header with none or several of exact, prefix, regex; write one",
            ),
            (
                json!({"setMirrorRoute": {"name": "r"}}),
                &alb,
                "step 2 sets a mirror route, which needs trafficRouting by Istio or a plugin",
            ),
            (
                json!({"setMirrorRoute": {"name": "r", "match": [{"path": {}}]}}),
                &istio,
                "step 2 matches a path with none or several of exact, prefix, regex; write one",
            ),
            (
                json!({"experiment": {"templates": [{"weight": 5}]}}),
                &nginx,
                "step 2 gives an experiment a weight, which needs trafficRouting by SMI, ALB, Istio or a plugin",
            ),
            (
                json!({"analysis": {}}),
                &none,
                "step 2 runs an analysis without templates",
            ),
            (
                json!({"analysis": {"templates": [{}]}}),
                &none,
                "step 2 runs an analysis whose template 1 has no templateName",
            ),
            (json!({"plugin": {}}), &none, "step 2 names no plugin"),
        ] {
            assert_eq!(problem(step.clone(), canary).as_deref(), Some(expected), "{step}");
        }
    }

    #[test]
    fn surprises_are_told() {
        let steps = |list: Value| list.as_array().unwrap().clone();
        let plain = rollout(&json!({"analysis": {"startingStep": 2}}));
        assert_eq!(
            warnings(
                &steps(json!([{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}])),
                &plain
            ),
            [] as [&str; 0]
        );
        assert_eq!(
            warnings(&steps(json!([{"setWeight": 50}, {"setWeight": 5}])), &plain),
            [
                "the weight falls from 50 to 5",
                "the background analysis starts at step 2 and never runs"
            ]
        );
        assert_eq!(
            warnings(
                &steps(json!([{"pause": {}}, {"pause": {}}, {"pause": {}}])),
                &plain
            ),
            ["no step sets a weight"]
        );
    }
}
