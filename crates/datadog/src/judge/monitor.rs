//! States of monitors.

use std::collections::BTreeMap;

use rollouts_plugin::types::AnalysisPhase;
use serde_json::{Value, json};

use super::{Reading, Result, Unreadable};
use crate::config::{Monitor, MonitorTarget, Rule};

/// The most groups that a measurement keeps; the worst come first.
const MOST_KEPT: usize = 20;

/// One monitored group.
struct State {
    name: String,
    group: String,
    status: String,
    muted: bool,
    monitor: String,
}

/// Reads the answer for one monitor, or the pages of a search, and judges by the monitor's own rules.
///
/// `result` for conditions: `overall_state` (one monitor), `counts.status` as Datadog has it (`[{name, count}]`),
/// `alert`, `warn`, `no_data`, `ok`, `muted`, `total` as numbers, and `groups` (the worst of them).
///
/// # Errors
/// Where an answer is not what Datadog documents.
pub fn read_monitors(
    monitor: &Monitor,
    pages: &[Value],
    now: i64,
) -> std::result::Result<Reading, Unreadable> {
    let (states, overall, total) = match &monitor.target {
        MonitorTarget::Id(_) => by_id(pages.first().unwrap_or(&Value::Null), now)?,
        MonitorTarget::Search(_) => by_search(pages)?,
    };
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for state in states
        .iter()
        .filter(|state| !(state.muted && monitor.muted == Rule::Ignore))
    {
        *counts.entry(state.status.as_str()).or_default() += 1;
    }
    // A search's own counts cover the groups beyond the pages that were read; they do not tell the muted ones.
    if let Some(known) = pages
        .first()
        .filter(|_| monitor.muted != Rule::Ignore)
        .and_then(|page| page.pointer("/counts/status"))
    {
        for entry in known.as_array().into_iter().flatten() {
            if let (Some(name), Some(count)) = (
                entry.get("name").and_then(Value::as_str),
                entry.get("count").and_then(Value::as_u64),
            ) {
                counts.insert(name, count);
            }
        }
    }
    let count = |names: &[&str]| names.iter().filter_map(|name| counts.get(name)).sum::<u64>();
    let muted = states.iter().filter(|state| state.muted).count();
    let mut worst: Vec<&State> = states.iter().collect();
    worst.sort_by_key(|state| rank(&state.status));
    let groups: Vec<Value> = worst
        .iter()
        .take(MOST_KEPT)
        .map(|state| json!({"name": super::brief(&state.name), "group": super::brief(&state.group), "status": state.status, "muted": state.muted, "monitor_id": state.monitor}))
        .collect();
    let statuses: Vec<Value> = counts
        .iter()
        .map(|(name, count)| json!({ "name": name, "count": count }))
        .collect();
    let mut object = json!({
        "counts": { "status": statuses, "muted": [{ "name": true, "count": muted }] },
        "alert": count(&["Alert"]),
        "warn": count(&["Warn"]),
        "no_data": count(&["No Data"]),
        "ok": count(&["OK"]),
        "muted": muted,
        "total": total,
        "groups": groups,
    });
    if let Some(overall) = overall {
        object["overall_state"] = overall.into();
    }
    let own = verdict(monitor, &states, &counts, total);
    Ok(Reading {
        own: Some(own),
        ..Reading::of(Result::Object(object))
    })
}

type States = (Vec<State>, Option<String>, u64);

/// `GET /api/v1/monitor/{id}`. A monitor without groups in its answer is one group.
fn by_id(body: &Value, now: i64) -> std::result::Result<States, Unreadable> {
    let Some(overall) = body.get("overall_state").and_then(Value::as_str) else {
        return Err(Unreadable("overall_state is missing".to_owned()));
    };
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let id = body.get("id").map(Value::to_string).unwrap_or_default();
    let silenced = body.pointer("/options/silenced").and_then(Value::as_object);
    let downtimes = body.get("matching_downtimes").and_then(Value::as_array);
    // `silenced` maps a scope to its end, null for one without end.
    let is_silenced = |scope: &str| {
        let end = silenced.and_then(|silenced| silenced.get(scope));
        end.is_some_and(|end| end.is_null() || end.as_i64().is_some_and(|end| end > now))
    };
    let has_downtime = |group: &str| {
        downtimes.into_iter().flatten().any(|downtime| {
            let whole = downtime
                .get("scope")
                .and_then(Value::as_array)
                .is_some_and(|scope| scope.iter().any(|scope| scope == "*"));
            let named = downtime
                .get("groups")
                .and_then(Value::as_array)
                .is_some_and(|groups| groups.iter().any(|name| name == group));
            downtime.get("active") == Some(&Value::Bool(true)) && (whole || named)
        })
    };
    let groups = body
        .pointer("/state/groups")
        .and_then(Value::as_object)
        .filter(|groups| !groups.is_empty());
    let state = |group: &str, status: &str| State {
        name: name.to_owned(),
        group: group.to_owned(),
        status: status.to_owned(),
        muted: is_silenced("*") || is_silenced(group) || has_downtime(group),
        monitor: id.clone(),
    };
    let states: Vec<State> = match groups {
        Some(groups) => groups
            .iter()
            .map(|(group, value)| {
                state(
                    group,
                    value.get("status").and_then(Value::as_str).unwrap_or(overall),
                )
            })
            .collect(),
        None => vec![state("*", overall)],
    };
    let total = states.len() as u64;
    Ok((states, Some(overall.to_owned()), total))
}

/// `GET /api/v1/monitor/groups/search`.
fn by_search(pages: &[Value]) -> std::result::Result<States, Unreadable> {
    let mut states = Vec::new();
    let mut total = 0;
    for page in pages {
        let Some(groups) = page.get("groups").and_then(Value::as_array) else {
            return Err(Unreadable("groups is missing".to_owned()));
        };
        let text = |group: &Value, name: &str| {
            group
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        states.extend(groups.iter().map(|group| State {
            name: text(group, "monitor_name"),
            group: text(group, "group"),
            status: text(group, "status"),
            muted: group.get("muted") == Some(&Value::Bool(true)),
            monitor: group.get("monitor_id").map(Value::to_string).unwrap_or_default(),
        }));
        total = page
            .pointer("/metadata/total_count")
            .and_then(Value::as_u64)
            .unwrap_or(states.len() as u64);
    }
    Ok((states, None, total))
}

/// Lower is worse.
fn rank(status: &str) -> u8 {
    match status {
        "Alert" => 0,
        "Warn" => 1,
        "No Data" => 2,
        "Unknown" => 3,
        "OK" => 9,
        _ => 5,
    }
}

/// The verdict by the rules of the block.
fn verdict(
    monitor: &Monitor,
    states: &[State],
    counts: &BTreeMap<&str, u64>,
    total: u64,
) -> (AnalysisPhase, String) {
    if total == 0 {
        return (
            AnalysisPhase::Error,
            "no monitor matches; check monitor.query".to_owned(),
        );
    }
    let rule = |state: &State| match (state.muted, monitor.muted) {
        (true, Rule::Ignore) => Rule::Ignore,
        (true, Rule::Inconclusive) if state.status != "OK" => Rule::Inconclusive,
        _ => rule_of(monitor, &state.status),
    };
    // Groups beyond the pages read count by their state alone.
    let unseen = counts.iter().filter(|(name, count)| {
        let seen = states.iter().filter(|state| state.status == **name).count() as u64;
        **count > seen
    });
    let mut rules: Vec<(Rule, String)> = unseen
        .map(|(name, count)| (rule_of(monitor, name), format!("{count} in {name}")))
        .collect();
    rules.extend(states.iter().map(|state| {
        let muted = if state.muted { ", muted" } else { "" };
        (
            rule(state),
            format!(
                "{} ({}): {}{muted}",
                super::brief(&state.name),
                super::brief(&state.group),
                state.status
            ),
        )
    }));
    for (bad, phase) in [
        (Rule::Fail, AnalysisPhase::Failed),
        (Rule::Error, AnalysisPhase::Error),
        (Rule::Inconclusive, AnalysisPhase::Inconclusive),
    ] {
        let guilty: Vec<&str> = rules
            .iter()
            .filter(|(rule, _)| *rule == bad)
            .map(|(_, text)| text.as_str())
            .collect();
        if !guilty.is_empty() {
            let more = guilty.len().saturating_sub(5);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let named = guilty.iter().take(5).copied().collect::<Vec<_>>().join("; ");
            return (
                phase,
                format!("{} of {total} monitored groups: {named}{more}", guilty.len()),
            );
        }
    }
    (AnalysisPhase::Successful, String::new())
}

/// What a state means. `overall_state` is one of Alert, Ignored, No Data, OK, Skipped, Unknown, Warn.
fn rule_of(monitor: &Monitor, status: &str) -> Rule {
    match status {
        "OK" | "Ignored" | "Skipped" => Rule::Success,
        "Alert" => monitor.alert,
        "Warn" => monitor.warn,
        "No Data" | "Unknown" => monitor.no_data,
        // A state this version does not know must not pass for health.
        _ => Rule::Inconclusive,
    }
}
