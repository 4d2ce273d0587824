//! The rules that header and mirror routes become, one for each user's rule with both Services.

use rollouts_plugin::types::SetMirrorRoute;
use serde_json::{Value, json};

use super::matching::{Conditions, MatchProblem};
use super::view::{ServiceName, backends, backends_mut, list, points_at};
use crate::RouteKind;
use crate::intent::{Intent, ManagedRoute};

/// The rules of one managed route, in the order of the user's rules. Names are given later.
///
/// Each is the user's rule whole (filters, timeouts and whatever else it has), with the conditions of the managed route
/// added to its matches. A rule whose matches exclude those conditions yields none.
pub(super) fn rules(
    kind: RouteKind,
    route: &ManagedRoute,
    intent: &Intent,
    route_namespace: &str,
    sources: &[&Value],
) -> Result<Vec<Value>, MatchProblem> {
    let canary = ServiceName {
        name: &intent.services.canary,
        namespace: &intent.namespace,
    };
    let builder = Builder {
        route_namespace,
        canary,
    };
    let configured = intent
        .matches
        .iter()
        .find(|configured| configured.name == route.name());
    let conditions = match (configured, route) {
        (Some(configured), _) => {
            let requests = configured.matches.iter();
            requests
                .map(|one| Conditions::of_request(kind, one))
                .collect::<Result<Vec<_>, _>>()?
        }
        (None, ManagedRoute::Header(route)) => vec![Conditions::of_headers(&route.matches)?],
        (None, ManagedRoute::Mirror(route)) => {
            let alternatives = route.matches.iter();
            alternatives
                .map(|one| Conditions::of_route(kind, one))
                .collect::<Result<Vec<_>, _>>()?
        }
    };
    let rules = match route {
        ManagedRoute::Header(_) => builder.header_rules(&conditions, sources)?,
        ManagedRoute::Mirror(route) => builder.mirror_rules(route, &conditions, sources)?,
    };
    match rules.is_empty() {
        true => Err(MatchProblem::Never),
        false => Ok(rules),
    }
}

struct Builder<'a> {
    route_namespace: &'a str,
    canary: ServiceName<'a>,
}

impl Builder<'_> {
    /// All requests that meet a condition go to the canary.
    fn header_rules(
        &self,
        conditions: &[Conditions],
        sources: &[&Value],
    ) -> Result<Vec<Value>, MatchProblem> {
        let mut rules = Vec::new();
        for source in sources {
            let Some(mut rule) = narrowed(source, conditions)? else {
                continue;
            };
            if let Some(refs) = backends_mut(&mut rule) {
                refs.retain(|backend| points_at(backend, self.route_namespace, self.canary));
                for backend in refs.iter_mut().filter_map(Value::as_object_mut) {
                    backend.insert("weight".into(), json!(1));
                }
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    /// Requests are divided as in the user's rule, and copied to the canary besides.
    fn mirror_rules(
        &self,
        route: &SetMirrorRoute,
        conditions: &[Conditions],
        sources: &[&Value],
    ) -> Result<Vec<Value>, MatchProblem> {
        let mut rules = Vec::new();
        for source in sources {
            let Some(mut rule) = narrowed(source, conditions)? else {
                continue;
            };
            let filter = self.mirror_filter(source, route.percentage);
            if let Some(rule) = rule.as_object_mut() {
                match rule.get_mut("filters").and_then(Value::as_array_mut) {
                    Some(filters) => filters.push(filter),
                    None => drop(rule.insert("filters".into(), json!([filter]))),
                }
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    fn mirror_filter(&self, source: &Value, percentage: Option<i32>) -> Value {
        let canary = backends(source)
            .iter()
            .find(|backend| points_at(backend, self.route_namespace, self.canary));
        let mut target = canary.and_then(Value::as_object).cloned().unwrap_or_default();
        target.retain(|field, _| ["group", "kind", "namespace", "name", "port"].contains(&field.as_str()));
        let mut mirror = json!({"backendRef": target});
        // gob cannot tell 0 from absent, and absent means everything (argo-rollouts `SetMirrorRoute.Percentage`).
        if let Some(percent) = percentage.filter(|percent| *percent < 100) {
            mirror["percent"] = json!(percent.max(0));
        }
        json!({"type": "RequestMirror", "requestMirror": mirror})
    }
}

/// Whether a rule copies requests to a Service.
pub(super) fn mirrors_to(rule: &Value, route_namespace: &str, service: ServiceName<'_>) -> bool {
    list(rule, "filters")
        .iter()
        .filter_map(|filter| filter.get("requestMirror")?.get("backendRef"))
        .any(|backend| points_at(backend, route_namespace, service))
}

/// The user's rule for requests that also meet one of the conditions; [`None`] where there is no such request.
pub(super) fn narrowed(source: &Value, conditions: &[Conditions]) -> Result<Option<Value>, MatchProblem> {
    let everything = [json!({})];
    let matches = match list(source, "matches") {
        [] => &everything[..],
        matches => matches,
    };
    let mut joined = Vec::with_capacity(matches.len() * conditions.len());
    for user in matches {
        for condition in conditions {
            joined.extend(condition.join(user)?);
        }
    }
    if joined.is_empty() {
        return Ok(None);
    }
    let mut rule = source.clone();
    if let Some(rule) = rule.as_object_mut() {
        rule.insert("matches".into(), joined.into());
    }
    Ok(Some(rule))
}
