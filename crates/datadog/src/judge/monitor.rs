//! States of monitors.

use std::collections::BTreeMap;

use rollouts_plugin::types::AnalysisPhase;
use serde_json::{Value, json};

use super::{Reading, Result, Unreadable};
use crate::config::{Monitor, Rule};

/// The most groups that a measurement keeps; the worst come first.
const MOST_KEPT: usize = 20;

/// One monitored group.
struct State {
    name: String,
    group: String,
    status: String,
    /// [`None`] where the answer does not say.
    muted: Option<bool>,
    monitor: String,
}

impl State {
    fn is_muted(&self) -> bool {
        self.muted == Some(true)
    }
}

/// What one search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Whether all of it is muted, or none of it; [`None`] where it may be either.
    pub muted: Option<bool>,
    /// The pages that were read.
    pub pages: Vec<Value>,
}

impl Found {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        let groups = |page: &Value| page.get("groups").and_then(Value::as_array).map_or(0, Vec::len);
        self.pages.iter().all(|page| groups(page) == 0)
    }
}

/// Everything that was read about monitors.
#[derive(Default)]
struct States {
    seen: Vec<State>,
    /// Groups beyond the pages that were read: their status, whether they are muted, and how many there are.
    unseen: Vec<(String, bool, u64)>,
    /// The state of the one monitor, where it was asked for by id.
    overall: Option<String>,
    total: u64,
    /// How many are muted.
    muted: u64,
}

/// Reads the answer for one monitor and judges by the block's own rules.
///
/// `result` for conditions: `overall_state`, and what [`read_monitor_search`] gives.
///
/// # Errors
/// Where the answer is not what Datadog documents.
pub fn read_monitor(monitor: &Monitor, body: &Value, now: i64) -> std::result::Result<Reading, Unreadable> {
    Ok(reading(monitor, &by_id(body, now)?))
}

/// Reads what searches found and judges by the block's own rules.
///
/// `result` for conditions: `counts.status` as Datadog has it (`[{name, count}]`), `alert`, `warn`, `no_data`, `ok`,
/// `muted`, `total` as numbers, and `groups` (the worst of them).
///
/// # Errors
/// Where an answer is not what Datadog documents.
pub fn read_monitor_search(monitor: &Monitor, found: &[Found]) -> std::result::Result<Reading, Unreadable> {
    Ok(reading(monitor, &by_search(found)?))
}

fn reading(monitor: &Monitor, states: &States) -> Reading {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for state in &states.seen {
        if !(state.is_muted() && monitor.muted == Rule::Ignore) {
            *counts.entry(state.status.as_str()).or_default() += 1;
        }
    }
    for (status, _, count) in &states.unseen {
        *counts.entry(status.as_str()).or_default() += count;
    }
    let count = |names: &[&str]| names.iter().filter_map(|name| counts.get(name)).sum::<u64>();
    let mut worst: Vec<&State> = states.seen.iter().collect();
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
        "counts": { "status": statuses, "muted": [{ "name": true, "count": states.muted }] },
        "alert": count(&["Alert"]),
        "warn": count(&["Warn"]),
        "no_data": count(&["No Data"]),
        "ok": count(&["OK"]),
        "muted": states.muted,
        "total": states.total,
        "groups": groups,
    });
    if let Some(overall) = &states.overall {
        object["overall_state"] = overall.as_str().into();
    }
    Reading {
        own: Some(verdict(monitor, states)),
        ..Reading::of(Result::Object(object))
    }
}

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
        muted: Some(is_silenced("*") || is_silenced(group) || has_downtime(group)),
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
    Ok(States {
        total: states.len() as u64,
        muted: states.iter().filter(|state| state.is_muted()).count() as u64,
        seen: states,
        unseen: Vec::new(),
        overall: Some(overall.to_owned()),
    })
}

/// `GET /api/v1/monitor/groups/search`.
fn by_search(found: &[Found]) -> std::result::Result<States, Unreadable> {
    let mut states = States::default();
    for Found { muted, pages } in found {
        let is_muted = *muted == Some(true);
        let first = states.seen.len();
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
            states.seen.extend(groups.iter().map(|group| State {
                name: text(group, "monitor_name"),
                group: text(group, "group"),
                status: text(group, "status"),
                muted: *muted,
                monitor: group.get("monitor_id").map(Value::to_string).unwrap_or_default(),
            }));
            total = total_of(page).unwrap_or((states.seen.len() - first) as u64);
        }
        let seen = &states.seen[first..];
        let mut told = seen.len() as u64;
        // The counts of a search cover the groups beyond the pages that were read as well.
        let counted = |name: &str| {
            let counts = pages.first().and_then(|page| page.pointer(name));
            let entries = counts.and_then(Value::as_array).into_iter().flatten();
            entries.filter_map(|entry| Some((entry.get("name")?, entry.get("count")?.as_u64()?)))
        };
        for (status, count) in counted("/counts/status") {
            let Some(status) = status.as_str() else { continue };
            let known = seen.iter().filter(|state| state.status == status).count() as u64;
            if count > known {
                states.unseen.push((status.to_owned(), is_muted, count - known));
                told += count - known;
            }
        }
        // Of the first page, because groups come and go between two.
        let all = pages.first().map_or(0, |page| total_of(page).unwrap_or_default());
        if all > told {
            states.unseen.push(("Unknown".to_owned(), is_muted, all - told));
        }
        states.total += total;
        states.muted += match muted {
            Some(true) => total,
            Some(false) => 0,
            None => counted("/counts/muted")
                .filter(|(name, _)| **name == Value::Bool(true))
                .map(|(_, count)| count)
                .sum(),
        };
    }
    Ok(states)
}

/// How many groups a search found, on this page or another.
fn total_of(page: &Value) -> Option<u64> {
    page.pointer("/metadata/total_count").and_then(Value::as_u64)
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
fn verdict(monitor: &Monitor, states: &States) -> (AnalysisPhase, String) {
    let total = states.total;
    if total == 0 {
        return (
            AnalysisPhase::Error,
            "no monitor matches; check monitor.query".to_owned(),
        );
    }
    let rule = |status: &str, muted: bool| match (muted, monitor.muted) {
        (true, Rule::Ignore) => Rule::Ignore,
        (true, Rule::Inconclusive) if status != "OK" => Rule::Inconclusive,
        _ => rule_of(monitor, status),
    };
    let mut rules: Vec<(Rule, String, u64)> = states
        .unseen
        .iter()
        .map(|(status, muted, count)| {
            let text = format!("{count} more in {status}{}", mark(*muted));
            (rule(status, *muted), text, *count)
        })
        .collect();
    rules.extend(states.seen.iter().map(|state| {
        let text = format!(
            "{} ({}): {}{}",
            super::brief(&state.name),
            super::brief(&state.group),
            state.status,
            mark(state.is_muted())
        );
        (rule(&state.status, state.is_muted()), text, 1)
    }));
    for (bad, phase) in [
        (Rule::Fail, AnalysisPhase::Failed),
        (Rule::Error, AnalysisPhase::Error),
        (Rule::Inconclusive, AnalysisPhase::Inconclusive),
    ] {
        let of_this = rules.iter().filter(|(rule, ..)| *rule == bad);
        let number: u64 = of_this.clone().map(|(.., number)| number).sum();
        let guilty: Vec<&str> = of_this.map(|(_, text, _)| text.as_str()).collect();
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
                format!("{number} of {total} monitored groups: {named}{more}"),
            );
        }
    }
    (AnalysisPhase::Successful, String::new())
}

fn mark(muted: bool) -> &'static str {
    if muted { ", muted" } else { "" }
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
