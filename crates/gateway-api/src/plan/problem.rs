//! What can stand in the way of a plan, with the route, the rule and the field named.

use serde_json::Value;
use thiserror::Error;

use super::claims::Claim;
use super::matching::MatchProblem;
use super::view::{RuleRef, backends};
use crate::RouteKey;
use crate::config::RuleChoice;
use crate::intent::Intent;

/// A route that cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{route}: {problem}")]
pub struct PlanError {
    /// Which route.
    pub route: RouteKey,
    /// What is the matter.
    pub problem: Box<Problem>,
}

impl PlanError {
    pub(super) fn new(route: &RouteKey, problem: Problem) -> Self {
        Self {
            route: route.clone(),
            problem: Box::new(problem),
        }
    }
}

/// A managed route that a route cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{route}: managed route {name:?}: {problem}")]
pub struct Refusal {
    /// Which route.
    pub route: RouteKey,
    /// Name of the managed route.
    pub name: String,
    /// What is the matter.
    pub problem: Problem,
}

impl Refusal {
    pub(super) fn new(route: &RouteKey, name: &str, problem: Problem) -> Self {
        Self {
            route: route.clone(),
            name: name.to_owned(),
            problem,
        }
    }
}

/// What may not work as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Warning {
    /// Nobody knows whether a gateway sets cookies.
    #[error(
        "{route}: whether {controller:?} adds response headers by a filter on a backendRef is not known; if it does not, \
         users do not stay on their version. Try it, and name it in sessionAffinity.trustedControllers"
    )]
    AffinityUnknown {
        /// Which route.
        route: RouteKey,
        /// `controllerName` of the gateway.
        controller: String,
    },
    /// A gateway keeps sessions where they are, whatever the weights.
    #[error(
        "{route}: {rule} has sessionPersistence, which wins over weights, also over a weight of 0: sessions that the canary \
         has once stay there in an abort; sessionAffinity of the plugin's configuration does not have this"
    )]
    SessionPersistence {
        /// Which route.
        route: RouteKey,
        /// Which rule.
        rule: RuleRef,
    },
    /// A gateway does not find a backend, and would answer errors for its share.
    #[error("{route}: {reason}; requests that are drawn for this backend fail")]
    Unresolved {
        /// Which route.
        route: RouteKey,
        /// The gateway's words.
        reason: String,
    },
    /// The API server does not keep the percentage of a mirror.
    #[error(
        "{route}: {rule}: the API server left out the mirror's percentage, so every request is mirrored: its CRDs are those \
         of a Gateway API before 1.3"
    )]
    Pruned {
        /// Which route.
        route: RouteKey,
        /// Which rule.
        rule: RuleRef,
    },
}

/// What is the matter with a route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// No rule sends to both Services.
    #[error(
        "no rule of spec.rules has backendRefs to both the stable Service {stable:?} and the canary Service {canary:?} \
         in namespace {namespace:?}, {found}"
    )]
    NoRule {
        /// The stable Service.
        stable: String,
        /// The canary Service.
        canary: String,
        /// Namespace of both.
        namespace: String,
        /// What the rules do have.
        found: String,
    },
    /// A rule that the configuration chooses is not there, or has not both Services.
    #[error(
        "the configuration names {choice}, {}; named rules of the route: {found}",
        match (exists, choice) {
            (true, _) => "which has not both Services in its backendRefs",
            (false, RuleChoice::Name(_)) => "which is not there: CRDs before 1.4 drop rules[].name",
            (false, RuleChoice::Match(_)) => "which is not there",
        }
    )]
    NoSuchRule {
        /// What chooses the rule.
        choice: RuleChoice,
        /// Whether there is such a rule.
        exists: bool,
        /// The user's named rules.
        found: String,
    },
    /// A weight that no backendRef can have.
    #[error("{rule}.backendRefs: the weight of {service:?} is {found}, accepted is 0 to 1000000")]
    WeightRange {
        /// Which rule.
        rule: RuleRef,
        /// Whose weight.
        service: String,
        /// What was found.
        found: String,
    },
    /// A Service is named twice in one rule.
    #[error("{rule}.backendRefs names Service {service:?} twice, it must be there once")]
    Twice {
        /// Which rule.
        rule: RuleRef,
        /// The Service.
        service: String,
    },
    /// The weights beside other backends are too small to be divided.
    #[error(
        "{rule}.backendRefs: the Rollout's weights sum to {budget} beside {others} of other backends, {part} of {max} \
         is less than one of them: multiply all weights of the rule"
    )]
    TooCoarse {
        /// Which rule.
        rule: RuleRef,
        /// Sum of the Rollout's weights.
        budget: u64,
        /// Sum of the other backends' weights.
        others: u64,
        /// The share that cannot be said.
        part: u64,
        /// Of how much.
        max: u64,
    },
    /// Experiments do not fit.
    #[error(
        "{rule}.backendRefs would have {found} entries with the experiment's, at most {max} are accepted"
    )]
    TooManyBackends {
        /// Which rule.
        rule: RuleRef,
        /// Number with the experiments.
        found: usize,
        /// Most that are accepted.
        max: usize,
    },
    /// The ports of an experiment's Service must be looked up before planning.
    #[error("the ports of experiment Service {service:?} are not known")]
    NeedsPorts {
        /// The Service.
        service: String,
    },
    /// No port of an experiment's Service can be chosen.
    #[error(
        "{rule}: experiment Service {service:?} has no port {wanted} as the canary's backendRef, it has {ports}"
    )]
    NoPort {
        /// Which rule.
        rule: RuleRef,
        /// The Service.
        service: String,
        /// Port of the canary's backendRef.
        wanted: u64,
        /// Ports of the Service.
        ports: String,
    },
    /// More than the Gateway API takes.
    #[error("the route would have {found} {what}, at most {max} are accepted")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many are accepted.
        max: usize,
    },
    /// A rule that cannot ask for the cookie.
    #[error("{rule} cannot be made sticky: {problem}")]
    Affinity {
        /// Which rule.
        rule: RuleRef,
        /// Why.
        problem: MatchProblem,
    },
    /// A backendRef that sets a cookie already.
    #[error(
        "{rule}.backendRefs: a ResponseHeaderModifier adds Set-Cookie already and can add each header only once, so \
         sessionAffinity has no place for its cookie: let the application set yours"
    )]
    CookieTwice {
        /// Which rule.
        rule: RuleRef,
    },
    /// A gateway that does not do what cookies need.
    #[error("sessionAffinity cannot be had from {controller:?}: it {reason}")]
    NoAffinity {
        /// `controllerName` of the gateway.
        controller: String,
        /// What it does instead.
        reason: &'static str,
    },
    /// A gateway says that it cannot do what is asked.
    #[error(
        "GatewayClass {class:?} ({controller}) does not list {feature} in status.supportedFeatures; name it in assumeFeatures \
         of the plugin's configuration if it works all the same"
    )]
    Unsupported {
        /// The feature, as Gateway API names it.
        feature: &'static str,
        /// Name of the class.
        class: String,
        /// Its `controllerName`.
        controller: String,
    },
    /// A gateway is known not to match headers by expressions.
    #[error("a header cannot be matched by prefix or regex: {controller:?} {reason}")]
    NoExpressions {
        /// `controllerName` of the gateway.
        controller: String,
        /// What it does instead.
        reason: &'static str,
    },
    /// A condition that cannot be said.
    #[error(transparent)]
    Match(#[from] MatchProblem),
}

pub(super) fn no_rule(rules: &[Value], claims: &[Claim], intent: &Intent, route: &RouteKey) -> Problem {
    Problem::NoRule {
        stable: intent.services.stable.clone(),
        canary: intent.services.canary.clone(),
        namespace: intent.namespace.clone(),
        found: describe(rules, claims, route),
    }
}

/// The backends of the rules, in few words.
fn describe(rules: &[Value], claims: &[Claim], route: &RouteKey) -> String {
    const SHOWN: usize = 4;
    let users = rules
        .iter()
        .enumerate()
        .zip(claims)
        .filter(|(_, claim)| **claim == Claim::User);
    let mut found: Vec<String> = users
        .map(|((at, rule), _)| {
            let names = backends(rule)
                .iter()
                .map(|backend| backend_name(backend, route))
                .collect::<Vec<_>>();
            format!(
                "{} has {}",
                RuleRef::new(at, rule),
                if names.is_empty() {
                    "none".into()
                } else {
                    names.join(", ")
                }
            )
        })
        .collect();
    if found.is_empty() {
        return "it has no rules".into();
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    match more {
        0 => found.join("; "),
        more => format!("{}; and {more} more rules", found.join("; ")),
    }
}

fn backend_name(backend: &Value, route: &RouteKey) -> String {
    let field = |field: &str| {
        backend
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let kind = field("kind").unwrap_or("Service");
    let namespace = field("namespace").unwrap_or(&route.namespace);
    format!("{kind} {namespace}/{}", field("name").unwrap_or("?"))
}
