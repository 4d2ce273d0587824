//! Whose each rule of a route is.

use serde_json::Value;

use super::affinity::asks_for;
use super::leftovers::Place;
use super::managed::mirrors_to;
use super::ownership::{Ledger, print};
use super::view::{ServiceName, backends, name, points_at};
use super::weights;
use crate::intent::Intent;

/// Whose a rule is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// The user's.
    User,
    /// Ours, by the record of that place in our entry.
    Own(usize),
    /// A managed rule of the Rollout of that name.
    Foreign(String),
    /// Written for this Rollout by the Go plugin.
    Leftover,
}

/// Whose each rule is, and the fingerprints that were needed to tell.
pub(super) struct Claims {
    pub(super) claims: Vec<Claim>,
    /// Of every rule, or of none.
    pub(super) prints: Vec<String>,
}

/// Whose each rule is: by fingerprint first, for all Rollouts, then by name.
///
/// `go_was_at_work` says that the route carries the Go plugin's label of a release under way, and no record of ours.
pub(super) fn claims(
    rules: &[Value],
    ledger: &Ledger,
    intent: &Intent,
    route_namespace: &str,
    go_was_at_work: bool,
) -> Claims {
    let mut claims = vec![Claim::User; rules.len()];
    let mut open = Vec::new();
    let prints: Vec<String> = match ledger.entries().any(|(_, entry)| !entry.rules.is_empty()) {
        true => rules.iter().map(print).collect(),
        false => Vec::new(),
    };
    let recorded = |at: usize| {
        let mut records = ledger.entries().flat_map(|(_, entry)| &entry.rules);
        prints
            .get(at)
            .is_some_and(|print| records.any(|record| record.print == *print))
    };
    // Mirror rules, and those of users with a cookie, have both Services as well.
    let is_source =
        |at: &usize| !recorded(*at) && weights::pair(&rules[*at], intent, route_namespace).is_some();
    let source = match prints.is_empty() {
        true => 0,
        false => (0..rules.len()).find(is_source).unwrap_or(0),
    };
    for (owner, entry) in ledger.entries() {
        for (place, record) in entry.rules.iter().enumerate() {
            let claim = match owner == intent.owner {
                true => Claim::Own(place),
                false => Claim::Foreign(owner.to_owned()),
            };
            let fits = |at: &usize| claims[*at] == Claim::User && prints[*at] == record.print;
            // Of rules with equal content ours has the name that we gave it; where names are dropped it is the one that
            // stands directly before the first rule with both Services, where we put it.
            let is_named = |at: &usize| fits(at) && name(&rules[*at]) == Some(&record.name);
            let found = (0..rules.len()).find(is_named);
            let found = found.or_else(|| (0..source).rev().find(fits));
            match found.or_else(|| (0..rules.len()).find(fits)) {
                Some(at) => claims[at] = claim,
                None => open.push((record, claim)),
            }
        }
    }
    let stable = ServiceName {
        name: &intent.services.stable,
        namespace: &intent.namespace,
    };
    let canary = ServiceName {
        name: &intent.services.canary,
        namespace: &intent.namespace,
    };
    for (record, claim) in open {
        // Somebody changed it, or the CRD dropped a part of it. A user's rule that took over the name does not look
        // like a managed one: it sends to the stable Service and mirrors nothing to the canary.
        let fits = |at: &usize| {
            let rule = &rules[*at];
            let sends_to = |service| {
                backends(rule)
                    .iter()
                    .any(|b| points_at(b, route_namespace, service))
            };
            let looks_managed = match claim {
                Claim::Own(_) => {
                    asks_for_cookie(owner_cookie(ledger, intent), rule)
                        || mirrors_to(rule, route_namespace, canary)
                        || (sends_to(canary) && !sends_to(stable))
                }
                _ => true,
            };
            claims[*at] == Claim::User && name(rule) == Some(&record.name) && looks_managed
        };
        if let Some(at) = (0..rules.len()).find(fits) {
            claims[at] = claim;
        }
    }
    if intent.leftovers.is_none() {
        return Claims { claims, prints };
    }
    let sources = rules
        .iter()
        .zip(&claims)
        .filter(|(rule, claim)| {
            **claim == Claim::User && weights::pair(rule, intent, route_namespace).is_some()
        })
        .map(|(rule, _)| rule)
        .collect::<Vec<_>>();
    let place = Place {
        route_namespace,
        canary,
        sources,
    };
    for (rule, claim) in rules.iter().zip(&mut claims) {
        if *claim == Claim::User && intent.leftovers.include(rule, go_was_at_work, &place) {
            *claim = Claim::Leftover;
        }
    }
    Claims { claims, prints }
}

fn owner_cookie<'a>(ledger: &'a Ledger, intent: &Intent) -> Option<&'a str> {
    ledger.entry(&intent.owner)?.cookie.as_deref()
}

fn asks_for_cookie(cookie: Option<&str>, rule: &Value) -> bool {
    cookie.is_some_and(|cookie| asks_for(rule, cookie))
}
