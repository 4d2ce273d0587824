//! Names and places of managed rules.

use std::borrow::Cow;

use serde_json::Value;

use super::claims::Claim;
use super::features::percent;
use super::planner::{Planner, Wanted};
use super::{Change, RuleRecord, ownership, view};
use crate::config::is_dns_subdomain;

impl<'a> Planner<'a> {
    /// Gives a managed rule its name: that of the managed route, with a number behind it for further rules as the Go
    /// plugin does (`pkg/plugin/httproute.go` `setHTTPHeaderRoute`), and with the Rollout's name where another rule
    /// has that name already, because names are unique in a route.
    pub(super) fn named(
        &self,
        route: &str,
        nth: usize,
        mut rule: Value,
        wanted: &[&[Wanted<'_>]],
    ) -> Wanted<'a> {
        let mut name = rule_name(route).into_owned();
        if nth > 0 {
            name = format!("{name}-{nth}");
        }
        let is_taken = |name: &str| {
            wanted
                .iter()
                .copied()
                .flatten()
                .any(|wanted| wanted.record.name == name)
                || (0..self.rules.len()).any(|at| {
                    matches!(self.claims[at], Claim::User | Claim::Foreign(_))
                        && view::name(&self.rules[at]) == Some(name)
                })
        };
        let rollout = self.intent.owner.rsplit('/').next().unwrap_or_default();
        while is_taken(&name) {
            name = format!("{name}-{rollout}");
        }
        if let Some(rule) = rule.as_object_mut() {
            rule.insert("name".into(), name.clone().into());
        }
        let record = RuleRecord {
            name,
            print: ownership::print(&rule),
            cookie: false,
        };
        // What the API server made of the rule (names pruned, defaults filled in) is not a difference.
        let stored = (0..self.rules.len()).find(|&at| {
            matches!(self.claims[at], Claim::Own(place) if self.entry.rules[place].name == record.name)
                && self.prints[at] == record.print
                && same_weights(&self.rules[at], &rule)
                && matches!(percent(&self.rules[at]), stored if stored.is_none() || stored == percent(&rule))
        });
        // A percentage that CRDs drop would be written for ever; that everything is mirrored is told instead.
        let lost_percentage =
            percent(&rule).is_some() && stored.is_some_and(|at| percent(&self.rules[at]).is_none());
        Wanted {
            record,
            lost_percentage,
            rule: stored.map_or(Cow::Owned(rule), |at| Cow::Borrowed(&self.rules[at])),
        }
    }

    /// All rules in their order: our managed ones directly before the first rule that is ours to weigh. Of rules with equally
    /// many conditions the first wins (Gateway API `HTTPRouteRule.matches`), so they win over the rules whose requests they
    /// take, and take none from a rule of somebody else that stands before those. Managed rules of several Rollouts in one
    /// place stand by the Rollouts' names, so that they do not push each other about.
    pub(super) fn arrange<'r>(
        &self,
        rules: Vec<Cow<'r, Value>>,
        wanted: &[Wanted<'r>],
        changes: &mut Vec<Change>,
    ) -> Vec<Cow<'r, Value>> {
        let is_ours = |claim: &Claim| matches!(claim, Claim::Own(_) | Claim::Leftover);
        if wanted.is_empty() && !self.claims.iter().any(is_ours) {
            return rules;
        }
        let known = changes.len();
        for (at, claim) in self.claims.iter().enumerate() {
            let name = match claim {
                // The rules of a sticky release are one change, whatever their number.
                Claim::Own(record) if self.entry.rules[*record].cookie => continue,
                Claim::Own(record) => self.entry.rules[*record].name.as_str(),
                Claim::Leftover => view::name(&self.rules[at]).unwrap_or("left by another plugin"),
                Claim::User | Claim::Foreign(_) => continue,
            };
            let stays =
                matches!(claim, Claim::Own(_)) && wanted.iter().any(|wanted| wanted.record.name == name);
            if !stays {
                changes.push(Change::Removed {
                    rule: name.to_owned(),
                });
            }
        }
        for wanted in wanted.iter().filter(|wanted| !wanted.record.cookie) {
            let was = self.claims.iter().any(
                |claim| matches!(claim, Claim::Own(record) if self.entry.rules[*record].name == wanted.record.name),
            );
            if !was {
                changes.push(Change::Added {
                    rule: wanted.record.name.clone(),
                });
            }
        }
        let others = rules
            .into_iter()
            .zip(&self.claims)
            .enumerate()
            .filter(|(_, (_, claim))| !is_ours(claim))
            .collect::<Vec<_>>();
        let first = self.weighable.first();
        let source = others.iter().position(|(at, _)| Some(at) == first).unwrap_or(0);
        let behind = others[..source]
            .iter()
            .rev()
            .take_while(
                |(_, (_, claim))| matches!(claim, Claim::Foreign(owner) if *owner > self.intent.owner),
            )
            .count();
        let place = source - behind;
        let mut arranged: Vec<Cow<'_, Value>> = others.into_iter().map(|(_, (rule, _))| rule).collect();
        arranged.splice(place..place, wanted.iter().map(|wanted| wanted.rule.clone()));
        if changes.len() == known && self.claims.iter().any(is_ours) && !self.is_in_place(&arranged) {
            changes.push(Change::Rearranged);
        }
        arranged
    }

    /// Whether our rules stand where they stood, with the same content.
    fn is_in_place(&self, arranged: &[Cow<'_, Value>]) -> bool {
        arranged.len() == self.rules.len()
            && (0..arranged.len())
                .filter(|&at| matches!(self.claims[at], Claim::Own(_)))
                .all(|at| *arranged[at] == self.rules[at])
    }
}

/// The name of a managed route as that of a rule, which has fewer characters to choose from (Gateway API
/// `SectionName`).
fn rule_name(route: &str) -> Cow<'_, str> {
    /// Of 253; the rest is for what makes it unique.
    const LONGEST: usize = 180;
    if route.len() <= LONGEST && is_dns_subdomain(route) {
        return route.into();
    }
    let lower = route.to_ascii_lowercase();
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = lower.chars().take(LONGEST).map(kept).collect();
    match name.trim_matches('-') {
        "" => "managed".into(),
        name => name.to_owned().into(),
    }
}

fn same_weights(a: &Value, b: &Value) -> bool {
    let weights = |rule: &'_ Value| view::backends(rule).iter().map(view::weight).collect::<Vec<_>>();
    weights(a) == weights(b)
}
