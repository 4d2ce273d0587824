//! The part of a plan that keeps users where they are.

use std::borrow::Cow;

use serde_json::Value;

use super::affinity::{Sticky, needs_guard};
use super::claims::Claim;
use super::planner::{Planner, Wanted};
use super::{Entry, Problem, RuleRef, Warning, gateways, view};
use crate::RouteKind;
use crate::intent::Affinity;

/// What the rules for users with a cookie are called, with a number behind it for further ones.
const STICKY: &str = "session-affinity";

impl<'a> Planner<'a> {
    /// What keeps users where they are, if the Rollout asks for it; and whether it is known to work.
    pub(super) fn sticky<'s>(
        &'s self,
        experiments: &'s [String],
    ) -> Result<(Option<Sticky<'s>>, Vec<Warning>), Problem> {
        let Some(affinity) = self.affinity() else {
            return Ok((None, Vec::new()));
        };
        let unknown = gateways::check_affinity(self.route, &affinity.cookie)?;
        let warn = |controller| Warning::AffinityUnknown {
            route: self.target.key.clone(),
            controller,
        };
        let sticky = Sticky::new(self.intent, affinity, &self.target.key.namespace, experiments);
        Ok((Some(sticky), unknown.into_iter().map(warn).collect()))
    }

    /// Cookies are HTTP's alone.
    fn affinity(&self) -> Option<&'a Affinity> {
        self.intent
            .affinity
            .as_ref()
            .filter(|_| self.target.key.kind == RouteKind::Http)
    }

    /// The rules for users with a cookie, in the order of the user's own rules.
    pub(super) fn sticky_rules(
        &self,
        rules: &[Cow<'_, Value>],
        sticky: &Sticky<'_>,
    ) -> Result<Vec<Wanted<'a>>, Problem> {
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let name = RuleRef::new(at, rule);
            let is_weighed = self.weighable.contains(&at);
            let built = match is_weighed {
                true => sticky.rules(&name, rule)?,
                false if self.loses_to_sticky(rules, at) => vec![sticky.guard(&name, rule)?],
                false => continue,
            };
            for rule in self.check_limits(&[&wanted], built)? {
                let nth = wanted.len();
                let mut named = self.named(STICKY, nth, rule, &[&wanted]);
                named.record.cookie = true;
                wanted.push(named);
            }
        }
        Ok(wanted)
    }

    fn loses_to_sticky(&self, rules: &[Cow<'_, Value>], at: usize) -> bool {
        self.claims[at] == Claim::User
            && self
                .weighable
                .iter()
                .any(|&source| needs_guard((at, &rules[at]), (source, &rules[source])))
    }

    /// Lets the user's rules set the cookie.
    pub(super) fn give_cookies(
        &self,
        rules: &mut [Cow<'_, Value>],
        experiments: &[String],
        entry: &mut Entry,
    ) -> Result<(), Problem> {
        let Some(affinity) = self.affinity() else {
            return Ok(());
        };
        let sticky = Sticky::new(self.intent, affinity, &self.target.key.namespace, experiments);
        for &at in &self.weighable {
            let name = RuleRef::new(at, &rules[at]);
            sticky.set_cookies(&name, rules[at].to_mut())?;
            self.features.check(
                std::slice::from_ref(&*rules[at]),
                &[&self.rules[at]],
                &self.intent.assumed,
            )?;
        }
        entry.cookie = (!self.weighable.is_empty()).then(|| affinity.name.clone());
        Ok(())
    }

    pub(super) fn changes_affinity(&self, rules: &[Cow<'_, Value>], wanted: &[Wanted<'_>]) -> bool {
        let filters = |rule: &Value| {
            view::backends(rule)
                .iter()
                .map(|backend| backend.get("filters").cloned())
                .collect::<Vec<_>>()
        };
        if self.entry.cookie.is_none() && self.affinity().is_none() {
            return false;
        }
        let known = self.entry.rules.iter().filter(|record| record.cookie);
        let stored = (0..self.rules.len())
            .filter(|&at| matches!(self.claims[at], Claim::Own(record) if self.entry.rules[record].cookie));
        let new = wanted.iter().filter(|wanted| wanted.record.cookie);
        known.ne(new.clone().map(|wanted| &wanted.record))
            || stored
                .map(|at| &self.rules[at])
                .ne(new.map(|wanted| &*wanted.rule))
            || self
                .weighable
                .iter()
                .any(|&at| filters(&rules[at]) != filters(&self.rules[at]))
    }
}
