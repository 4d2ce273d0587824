//! What gateways say they can do, and what a managed route asks of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Problem, RuleRef, Warning, view};
use crate::RouteKey;

/// The features of the gateways of a route, as far as they say: `GatewayClass.status.supportedFeatures`, standard since
/// Gateway API 1.4. [`Features::default`] knows of none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Features {
    classes: Vec<Class>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Class {
    name: String,
    controller: String,
    features: BTreeSet<String>,
}

impl Features {
    /// Adds what a GatewayClass lists. One that lists nothing says nothing.
    pub fn add(&mut self, class: &Value) {
        let listed = class
            .get("status")
            .map_or(&[][..], |status| view::list(status, "supportedFeatures"));
        // Before Gateway API 1.3 the entries were plain texts.
        let name = |feature: &Value| {
            feature
                .as_str()
                .or_else(|| feature["name"].as_str())
                .map(str::to_owned)
        };
        let features = listed.iter().filter_map(name).collect::<BTreeSet<_>>();
        if !features.is_empty() {
            self.classes.push(Class {
                name: class["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                controller: class["spec"]["controllerName"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                features,
            });
        }
    }

    /// Refuses rules that ask for more than a gateway can do and the user's own rules do not ask for already. `assumed`
    /// are features that the user vouches for.
    pub(super) fn check(
        &self,
        rules: &[Value],
        sources: &[&Value],
        assumed: &[String],
    ) -> Result<(), Problem> {
        if self.classes.is_empty() {
            return Ok(());
        }
        let given = sources
            .iter()
            .flat_map(|source| needed(source))
            .collect::<BTreeSet<_>>();
        let needed = rules.iter().flat_map(needed).collect::<BTreeSet<_>>();
        let missing = needed
            .difference(&given)
            .filter(|feature| assumed.iter().all(|known| known != *feature));
        for feature in missing {
            if let Some(class) = self
                .classes
                .iter()
                .find(|class| !class.features.contains(*feature))
            {
                return Err(Problem::Unsupported {
                    feature,
                    class: class.name.clone(),
                    controller: class.controller.clone(),
                });
            }
        }
        Ok(())
    }
}

/// Mirrors that lost their percentage on the way to the store (Gateway API before 1.3), so that everything is mirrored.
pub(super) fn pruned(key: &RouteKey, planned: &Value, stored: &Value) -> Vec<Warning> {
    let rules = |route: &Value| {
        route
            .pointer("/spec/rules")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let pairs = rules(planned).into_iter().zip(rules(stored)).enumerate();
    let lost = pairs.filter(|(_, (planned, stored))| percent(planned).is_some() && percent(stored).is_none());
    lost.map(|(at, (planned, _))| Warning::Pruned {
        route: key.clone(),
        rule: RuleRef::new(at, &planned),
    })
    .collect()
}

/// `percent` of the mirrors of a rule, if any has one.
pub(super) fn percent(rule: &Value) -> Option<Vec<Option<u64>>> {
    let mirrors = view::list(rule, "filters")
        .iter()
        .filter_map(|filter| filter.get("requestMirror"));
    let percents = mirrors
        .map(|mirror| mirror.get("percent").and_then(Value::as_u64))
        .collect::<Vec<_>>();
    percents.iter().any(Option::is_some).then_some(percents)
}

/// Features beyond the core that a rule asks for (Gateway API `pkg/features/httproute.go`).
fn needed(rule: &Value) -> BTreeSet<&'static str> {
    let mut needed = BTreeSet::new();
    let matches = view::list(rule, "matches");
    let has = |field: &str| {
        matches
            .iter()
            .any(|one| one.get(field).is_some_and(|value| !value.is_null()))
    };
    if has("queryParams") {
        needed.insert("HTTPRouteQueryParamMatching");
    }
    // Of a GRPCRoute the method is an object, and core.
    if matches
        .iter()
        .any(|one| one.get("method").is_some_and(Value::is_string))
    {
        needed.insert("HTTPRouteMethodMatching");
    }
    let mirrors = view::list(rule, "filters")
        .iter()
        .filter_map(|filter| filter.get("requestMirror"));
    let mirrors = mirrors.collect::<Vec<_>>();
    if !mirrors.is_empty() {
        needed.insert("HTTPRouteRequestMirror");
    }
    if mirrors.len() > 1 {
        needed.insert("HTTPRouteRequestMultipleMirrors");
    }
    if mirrors.iter().any(|mirror| mirror.get("percent").is_some()) {
        needed.insert("HTTPRouteRequestPercentageMirror");
    }
    let filters = view::backends(rule)
        .iter()
        .flat_map(|backend| view::list(backend, "filters"));
    if filters
        .into_iter()
        .any(|filter| filter["type"] == "ResponseHeaderModifier")
    {
        needed.insert("HTTPRouteResponseHeaderModification");
    }
    needed
}
