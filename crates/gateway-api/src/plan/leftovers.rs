//! Managed rules that the Go plugin left behind, recognised by what it writes.

use rollouts_plugin::types::{Action, Rollout, SetHeaderRoute, StringMatch};
use serde_json::{Value, json};

use super::ownership::fingerprint;
use super::view::{self, ServiceName, backends, list, points_at};

/// What the Go plugin may have written for a Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    names: Vec<String>,
    headers: Vec<Vec<Value>>,
}

impl Leftovers {
    /// Its managed routes are named in `managedRoutes`, their headers in the steps.
    pub fn of(rollout: &Rollout) -> Self {
        let routing = rollout
            .canary()
            .and_then(|canary| canary.traffic_routing.as_ref());
        let names = routing
            .into_iter()
            .flat_map(|routing| &routing.managed_routes)
            .map(|r| r.name.clone())
            .collect();
        let headers = rollout.steps().iter().filter_map(|step| match step.action() {
            Action::SetHeaderRoute(route) => go_headers(route),
            _ => None,
        });
        Self {
            names,
            headers: headers.collect(),
        }
    }

    /// Whether there can be none.
    pub(super) fn is_none(&self) -> bool {
        self.headers.is_empty()
    }

    /// Whether the Go plugin wrote this rule (`pkg/plugin/httproute.go` `setHTTPHeaderRoute`): all goes to the canary,
    /// and the matches are those of a user's rule with the headers of a step. Its name is that of a managed route, with
    /// a number behind it for further rules; a rule without a name, as old CRDs leave it, counts only while the plugin's
    /// label shows that it was at work.
    pub(super) fn include(&self, rule: &Value, go_was_at_work: bool, place: &Place<'_>) -> bool {
        let [backend] = backends(rule) else { return false };
        let may_be = match view::name(rule) {
            Some(name) => self.names.iter().any(|managed| is_name_of(name, managed)),
            None => go_was_at_work,
        };
        may_be
            && points_at(backend, place.route_namespace, place.canary)
            && self.headers.iter().any(|headers| {
                without(list(rule, "matches"), headers).is_some_and(|rest| {
                    let rest = fingerprint(&json!({ "matches": rest }));
                    let matches =
                        |source: &&&Value| fingerprint(&json!({"matches": list(source, "matches")})) == rest;
                    place.sources.iter().find(matches).is_some()
                })
            })
    }
}

/// Where a leftover may be.
pub(super) struct Place<'a> {
    pub(super) route_namespace: &'a str,
    pub(super) canary: ServiceName<'a>,
    /// The user's rules with both Services.
    pub(super) sources: Vec<&'a Value>,
}

fn is_name_of(name: &str, managed: &str) -> bool {
    name.strip_prefix(managed).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// The matches without these headers; [`None`] where one of them lacks one, or there is no match.
fn without(matches: &[Value], headers: &[Value]) -> Option<Vec<Value>> {
    if matches.is_empty() {
        return None;
    }
    matches
        .iter()
        .map(|one| {
            let mut rest = one.clone();
            let kept = rest.get_mut("headers")?.as_array_mut()?;
            let before = kept.len();
            kept.retain(|header| !headers.contains(header));
            (before - kept.len() == headers.len()).then_some(rest)
        })
        .collect()
}

/// The header matches as the Go plugin writes them (`getHTTPHeaderRouteRuleList`): unescaped, not anchored.
fn go_headers(route: &SetHeaderRoute) -> Option<Vec<Value>> {
    let headers = route.matches.iter().map(|condition| {
        let StringMatch { exact, prefix, regex } = condition.header_value.as_ref()?;
        let (kind, value) = match (exact.as_str(), prefix.as_str()) {
            ("", "") => ("RegularExpression", regex.clone()),
            ("", prefix) => ("RegularExpression", format!("{prefix}.*")),
            (exact, _) => ("Exact", exact.to_owned()),
        };
        Some(json!({"name": condition.header_name, "type": kind, "value": value}))
    });
    headers
        .collect::<Option<Vec<_>>>()
        .filter(|headers| !headers.is_empty())
}
