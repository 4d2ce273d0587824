//! What each kind of step takes.

use serde_json::{Map, Value};

use super::super::duration::seconds;
use super::fields::{list, non_empty, only};
use super::routing::Routing;

pub(super) fn set_weight(value: &Value, routing: &Routing<'_>) -> Result<(), String> {
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

pub(super) fn pause(pause: &Map<String, Value>) -> Result<(), String> {
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

pub(super) fn set_canary_scale(scale: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
    if !routing.is_some() {
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

pub(super) fn set_header_route(route: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
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

pub(super) fn set_mirror_route(route: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
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

pub(super) fn analysis(analysis: &Map<String, Value>) -> Result<(), String> {
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

pub(super) fn experiment(experiment: &Map<String, Value>, routing: &Routing<'_>) -> Result<(), String> {
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

pub(super) fn plugin(plugin: &Map<String, Value>) -> Result<(), String> {
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
