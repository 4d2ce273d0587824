//! What gateways report of a route, in `status.parents`.

use serde_json::Value;

use crate::{GROUP, RouteKey};

/// What a controller says of a route.
pub(super) enum Report {
    Good,
    /// Good, of an unknown generation.
    Unversioned,
    Bad(String),
}

/// Judges one entry of `status.parents`, for this generation of the route.
pub(super) fn judge_report(report: &Value, generation: i64) -> Report {
    let conditions = report["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let find = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
    let mut unversioned = false;
    for (kind, wanted) in [("Accepted", "True"), ("ResolvedRefs", "True")] {
        let Some(condition) = find(kind) else {
            return Report::Bad(format!("has not reported the condition {kind}"));
        };
        match condition["observedGeneration"]
            .as_i64()
            .filter(|observed| *observed > 0)
        {
            Some(observed) if observed < generation => {
                return Report::Bad(format!(
                    "has seen generation {observed} of the route, {generation} carries the weights"
                ));
            }
            Some(_) => {}
            None => unversioned = true,
        }
        if condition["status"] != wanted {
            return Report::Bad(quote(condition));
        }
    }
    for condition in conditions {
        let bad = match condition["type"].as_str().unwrap_or_default() {
            "PartiallyInvalid" => condition["status"] == "True",
            "Programmed" | "Ready" | "Reconciled" => condition["status"] == "False",
            _ => false,
        };
        if bad {
            return Report::Bad(quote(condition));
        }
    }
    match unversioned {
        true => Report::Unversioned,
        false => Report::Good,
    }
}

/// The gateway's own words.
fn quote(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or("?").to_owned();
    let message: String = text("message").chars().take(300).collect();
    format!(
        "reports {}={} ({}): {message}",
        text("type"),
        text("status"),
        text("reason")
    )
}

/// A parent of a route, with the defaults of Gateway API's `ParentReference` filled in.
#[derive(PartialEq)]
pub(super) struct Parent<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    section: &'a str,
    port: Option<u64>,
}

impl<'a> Parent<'a> {
    pub(super) fn of(reference: &'a Value, route: &'a RouteKey) -> Self {
        let text = |field: &str| reference.get(field).and_then(Value::as_str);
        Self {
            group: text("group").unwrap_or(GROUP),
            kind: text("kind").unwrap_or("Gateway"),
            namespace: text("namespace").unwrap_or(&route.namespace),
            name: text("name").unwrap_or_default(),
            section: text("sectionName").unwrap_or_default(),
            port: reference.get("port").and_then(Value::as_u64),
        }
    }
}

impl std::fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)?;
        match self.section {
            "" => Ok(()),
            section => write!(f, " listener {section}"),
        }
    }
}
