//! The rules and cookies of a sticky release: [`Affinity`] said in the words of the Gateway API.
//!
//! A user's rule with both Services keeps its matches and draws users: the backendRefs of both versions set the cookie of
//! the present level. In front of it stand copies that also ask for a cookie, one for each group of users who are drawn
//! alike: those who stay on the canary, those who stay on the stable version, and one for each earlier level at which
//! users were last seen.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::matching::{Conditions, Test, any_of, cookie, escaped};
use super::view::{ServiceName, backends, backends_mut, list, points_at, weight};
use super::{MatchProblem, Problem, RuleRef};
use crate::intent::{Affinity, Draw, Intent, MAX_WEIGHT, Side};

/// `filters` a backendRef may have, and headers a filter may add (Gateway API CRDs).
const MAX_FILTERS: usize = 16;
/// The filter that adds headers to a response.
const FILTER: &str = "ResponseHeaderModifier";
/// Groups of users without which nobody stays where he is.
const LEAST_DRAWS: usize = 2;

/// What a route needs to keep users where they are.
pub(super) struct Sticky<'a> {
    intent: &'a Intent,
    affinity: &'a Affinity,
    route_namespace: &'a str,
    /// Experiment Services of this route.
    experiments: &'a [String],
    draws: Vec<Draw>,
}

/// What a backendRef is to the Rollout.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Stable,
    Canary,
    Experiment,
    Other,
}

impl<'a> Sticky<'a> {
    pub(super) fn new(
        intent: &'a Intent,
        affinity: &'a Affinity,
        route_namespace: &'a str,
        experiments: &'a [String],
    ) -> Self {
        Self {
            intent,
            affinity,
            route_namespace,
            experiments,
            draws: affinity.draws(),
        }
    }

    /// Draws the users who were last seen longest ago like those of the level after, which saves a rule: they are drawn
    /// with a smaller chance than is theirs, never a larger one. Answers whether there was something to save.
    pub(super) fn trim(&mut self) -> bool {
        if self.draws.len() <= LEAST_DRAWS + 1 {
            return false;
        }
        if let Some(oldest) = self.draws.pop()
            && let Some(last) = self.draws.last_mut()
        {
            let smaller = u128::from(oldest.share.of) * u128::from(last.share.all)
                < u128::from(last.share.of) * u128::from(oldest.share.all);
            if smaller {
                last.share = oldest.share;
            }
            last.cookies.extend(oldest.cookies);
        }
        true
    }

    /// The copies of a rule for users with a cookie, to stand in front of it.
    pub(super) fn rules(&self, at: &RuleRef, source: &Value) -> Result<Vec<Value>, Problem> {
        self.draws
            .iter()
            .map(|draw| self.rule(at, source, draw))
            .collect()
    }

    fn rule(&self, at: &RuleRef, source: &Value, draw: &Draw) -> Result<Value, Problem> {
        let mut rule = self.with_cookie(at, source, &self.expression(draw))?;
        let weights = self.weights(source, draw);
        if let Some(refs) = backends_mut(&mut rule) {
            let mut weights = weights.into_iter();
            refs.retain_mut(|backend| {
                let part = weights.next().unwrap_or_default();
                if let Some(backend) = backend.as_object_mut() {
                    backend.insert("weight".into(), part.into());
                }
                part > 0 || self.role(backend) == Role::Other
            });
        }
        let present = self.affinity.present();
        if draw.cookies.iter().any(|(place, _)| *place != present) {
            self.set_cookies(at, &mut rule)?;
        }
        Ok(rule)
    }

    /// A copy of a rule for requests that carry any cookie of ours.
    ///
    /// The condition on the cookie makes our rules more specific than they were. A user's rule that had been chosen
    /// before them for the same path, by a header or a query parameter, would lose these requests; its copy with the same
    /// condition keeps its precedence.
    pub(super) fn guard(&self, at: &RuleRef, rule: &Value) -> Result<Value, Problem> {
        let any = format!("{}-[^;]*", escaped(self.affinity.hash()));
        self.with_cookie(at, rule, &any)
    }

    fn with_cookie(&self, at: &RuleRef, rule: &Value, value: &str) -> Result<Value, Problem> {
        let test = Test::Regex(cookie(&self.affinity.name, value));
        let condition = [Conditions::of_header("Cookie", test)];
        let problem = |problem| Problem::Affinity {
            rule: at.clone(),
            problem,
        };
        match super::managed::narrowed(rule, &condition) {
            Ok(Some(rule)) => Ok(rule),
            Ok(None) => Err(problem(MatchProblem::Never)),
            Err(error) => Err(problem(error)),
        }
    }

    /// The cookies of a draw as an expression.
    fn expression(&self, draw: &Draw) -> String {
        let values = draw
            .cookies
            .iter()
            .map(|(place, side)| self.affinity.value(*place, *side));
        any_of(&values.collect::<Vec<_>>())
    }

    /// The weights of a rule's backendRefs for users of whom the canary gets this share. What is not the canary's is
    /// divided as in the rule itself, and other backends keep their share.
    fn weights(&self, source: &Value, draw: &Draw) -> Vec<u64> {
        let roles = backends(source)
            .iter()
            .map(|backend| (self.role(backend), u128::from(weight(backend))));
        let roles = roles.collect::<Vec<_>>();
        let sum = |wanted: &[Role]| {
            roles
                .iter()
                .filter(|(role, _)| wanted.contains(role))
                .map(|(_, w)| w)
                .sum::<u128>()
        };
        let rest = sum(&[Role::Stable, Role::Experiment]);
        let ours = rest + sum(&[Role::Canary]);
        let (of, all) = (u128::from(draw.share.of), u128::from(draw.share.all));
        let exact = roles.iter().map(|(role, weight)| match role {
            Role::Canary => ours * of * rest,
            Role::Stable | Role::Experiment => ours * (all - of) * weight,
            Role::Other => weight * all * rest,
        });
        let exact = exact.collect::<Vec<_>>();
        let common = exact.iter().copied().fold(0, gcd).max(1);
        let most = exact.iter().max().map_or(1, |most| most / common);
        let bound = u128::from(MAX_WEIGHT);
        let parts = roles
            .iter()
            .zip(exact)
            .map(|((role, _), exact)| match exact / common {
                part if most <= bound => part,
                // What rounding leaves over is not the canary's.
                part if *role == Role::Canary => part * bound / most,
                part => (part * bound).div_ceil(most),
            });
        // At most `MAX_WEIGHT`.
        parts.map(|part| part as u64).collect()
    }

    /// Lets the backendRefs of both versions set the cookie of the present level. An experiment takes from the stable
    /// version's share, so its users are the stable version's.
    pub(super) fn set_cookies(&self, at: &RuleRef, rule: &mut Value) -> Result<(), Problem> {
        for backend in backends_mut(rule).into_iter().flatten() {
            let side = match self.role(backend) {
                Role::Canary => Side::Canary,
                Role::Stable | Role::Experiment => Side::Stable,
                Role::Other => continue,
            };
            let value = self.affinity.value(self.affinity.present(), side);
            let cookie = self.affinity.cookie.set_cookie(&self.affinity.name, &value);
            add_header(at, backend, &cookie)?;
        }
        Ok(())
    }

    fn role(&self, backend: &Value) -> Role {
        let is = |name: &str| {
            let service = ServiceName {
                name,
                namespace: &self.intent.namespace,
            };
            points_at(backend, self.route_namespace, service)
        };
        if is(&self.intent.services.stable) {
            Role::Stable
        } else if is(&self.intent.services.canary) {
            Role::Canary
        } else if self.experiments.iter().any(|service| is(service)) {
            Role::Experiment
        } else {
            Role::Other
        }
    }
}

/// Adds a `Set-Cookie` header to a backendRef's responses, by the filter that is there or by one of ours.
fn add_header(at: &RuleRef, backend: &mut Value, cookie: &str) -> Result<(), Problem> {
    let added = json!({"name": "Set-Cookie", "value": cookie});
    let Some(backend) = backend.as_object_mut() else {
        return Ok(());
    };
    let filters = backend.entry("filters").or_insert_with(|| json!([]));
    let too_many = |what| Problem::Limit {
        what,
        found: MAX_FILTERS + 1,
        max: MAX_FILTERS,
    };
    let Some(filters) = filters.as_array_mut() else {
        return Ok(());
    };
    let known = filters.iter_mut().find(|filter| filter["type"] == FILTER);
    let Some(headers) = known.and_then(|filter| filter.get_mut("responseHeaderModifier")?.as_object_mut())
    else {
        if filters.len() >= MAX_FILTERS {
            return Err(too_many("filters in one of backendRefs"));
        }
        filters.push(json!({"type": FILTER, "responseHeaderModifier": {"add": [added]}}));
        return Ok(());
    };
    let Some(add) = headers.entry("add").or_insert_with(|| json!([])).as_array_mut() else {
        return Ok(());
    };
    // The list is a map by name: a second cookie cannot be said.
    if add.iter().any(is_set_cookie) {
        return Err(Problem::CookieTwice { rule: at.clone() });
    }
    if add.len() >= MAX_FILTERS {
        return Err(too_many("headers in one filter of backendRefs"));
    }
    add.push(added);
    Ok(())
}

/// Takes our cookie from a rule's backendRefs: [`Sticky::set_cookies`] undone.
pub(super) fn without_cookie(rule: &mut Cow<'_, Value>, name: &str) {
    let prefix = format!("{name}=");
    let is_ours = |header: &Value| {
        is_set_cookie(header)
            && header["value"]
                .as_str()
                .is_some_and(|value| value.starts_with(&prefix))
    };
    let has_ours = |backend: &Value| {
        list(backend, "filters")
            .iter()
            .filter_map(|filter| filter.get("responseHeaderModifier"))
            .any(|headers| list(headers, "add").iter().any(is_ours))
    };
    if !backends(rule).iter().any(has_ours) {
        return;
    }
    for backend in backends_mut(rule.to_mut())
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let Some(filters) = backend.get_mut("filters").and_then(Value::as_array_mut) else {
            continue;
        };
        filters.retain_mut(|filter| {
            let Some(headers) = filter
                .get_mut("responseHeaderModifier")
                .and_then(Value::as_object_mut)
            else {
                return true;
            };
            !take_header(headers, is_ours)
        });
        if filters.is_empty() {
            backend.remove("filters");
        }
    }
}

/// Takes a header from `add`; answers whether nothing is left of the filter.
fn take_header(headers: &mut Map<String, Value>, is_ours: impl Fn(&Value) -> bool) -> bool {
    let Some(add) = headers.get_mut("add").and_then(Value::as_array_mut) else {
        return false;
    };
    let before = add.len();
    add.retain(|header| !is_ours(header));
    if add.len() == before || !add.is_empty() {
        return false;
    }
    headers.remove("add");
    headers.is_empty()
}

fn is_set_cookie(header: &Value) -> bool {
    header["name"]
        .as_str()
        .is_some_and(|name| name.eq_ignore_ascii_case("set-cookie"))
}

/// Whether a rule asks for our cookie.
pub(super) fn asks_for(rule: &Value, cookie: &str) -> bool {
    let name = format!("{}=", escaped(cookie));
    let asks = |header: &Value| {
        header["name"]
            .as_str()
            .is_some_and(|header| header.eq_ignore_ascii_case("cookie"))
            && header["value"]
                .as_str()
                .is_some_and(|value| value.contains(&name))
    };
    list(rule, "matches")
        .iter()
        .any(|one| list(one, "headers").iter().any(asks))
}

/// Whether requests that `rule` gets before `source` could go to a copy of `source` with one header more (Gateway API
/// `HTTPRouteRule.matches`: path, method, number of headers, number of query parameters, place).
pub(super) fn needs_guard(rule: (usize, &Value), source: (usize, &Value)) -> bool {
    let everything = [json!({})];
    let matches = |rule| match list(rule, "matches") {
        [] => everything.to_vec(),
        matches => matches.to_vec(),
    };
    let rank = |one: &Value, at: usize| {
        let count = |field| list(one, field).len();
        (count("headers"), count("queryParams"), std::cmp::Reverse(at))
    };
    let path = |one: &Value| {
        let text = |field: &str, default: &str| {
            one.get("path")
                .and_then(|path| path[field].as_str())
                .unwrap_or(default)
                .to_owned()
        };
        (text("type", "PathPrefix"), text("value", "/"))
    };
    let sources = matches(source.1);
    matches(rule.1).iter().any(|theirs| {
        sources.iter().any(|ours| {
            let (their_rank, our_rank) = (rank(theirs, rule.0), rank(ours, source.0));
            path(theirs) == path(ours)
                && theirs.get("method") == ours.get("method")
                && their_rank > our_rank
                && their_rank.0 <= our_rank.0 + 1
        })
    })
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}
