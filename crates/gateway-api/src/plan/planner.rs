//! One plan in the making.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::affinity::{Sticky, without_cookie};
use super::claims::{Claim, Claims, claims};
use super::weights::Weighing;
use super::{Change, Entry, Features, Ledger, Plan, Problem, Refusal, RuleRecord, RuleRef, Warning};
use super::{gateways, managed, meta, problem, view, weights};
use crate::config::{Label, RouteTarget};
use crate::intent::{Experiment, Intent, Managed, ManagedRoute, Split};

pub(super) struct Planner<'a> {
    pub(super) target: &'a RouteTarget,
    pub(super) route: &'a Value,
    pub(super) intent: &'a Intent,
    pub(super) ledger: Ledger,
    pub(super) entry: Entry,
    pub(super) rules: &'a [Value],
    pub(super) claims: Vec<Claim>,
    /// Fingerprints of all rules, where any of them is ours.
    pub(super) prints: Vec<String>,
    /// Places of the user's rules that have both Services.
    pub(super) weighable: Vec<usize>,
    /// The weights of stable and canary in these rules.
    pairs: Vec<[u64; 2]>,
    pub(super) features: &'a Features,
}

/// A managed rule to be, its name and its fingerprint.
pub(super) struct Wanted<'a> {
    pub(super) record: RuleRecord,
    pub(super) rule: Cow<'a, Value>,
    /// The route has it, but without the percentage of its mirror.
    pub(super) lost_percentage: bool,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        target: &'a RouteTarget,
        route: &'a Value,
        intent: &'a Intent,
        label: Option<&Label>,
        features: &'a Features,
    ) -> Self {
        let ledger = Ledger::read(route);
        let entry = ledger.entry(&intent.owner).cloned().unwrap_or_default();
        let rules = route
            .pointer("/spec/rules")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let namespace = &target.key.namespace;
        let has_label = label.is_some_and(|label| meta::read(route, "labels", &label.key).is_some());
        let go_was_at_work = has_label && entry == Entry::default();
        let Claims { claims, prints } = claims(rules, &ledger, intent, namespace, go_was_at_work);
        let weighed = (0..rules.len()).filter_map(|at| {
            let is_ours = claims[at] == Claim::User && is_scoped(target, &rules[at]);
            let pair = weights::pair(&rules[at], intent, namespace).filter(|_| is_ours)?;
            Some((at, pair))
        });
        let (weighable, pairs) = weighed.unzip();
        Self {
            target,
            route,
            intent,
            ledger,
            entry,
            rules,
            claims,
            prints,
            weighable,
            pairs,
            features,
        }
    }

    pub(super) fn plan(self, label: Option<&Label>) -> Result<Plan, Problem> {
        let wants_rules = self.intent.split.is_some()
            || matches!(&self.intent.managed, Managed::Exactly(m) if !m.is_empty());
        if wants_rules {
            self.check_scope()?;
        }
        if wants_rules && self.weighable.is_empty() {
            return Err(problem::no_rule(
                self.rules,
                &self.claims,
                self.intent,
                &self.target.key,
            ));
        }
        let mut changes = Vec::new();
        let mut entry = Entry::default();
        let mut rules = self.rules.iter().map(Cow::Borrowed).collect::<Vec<_>>();
        if let Some(cookie) = &self.entry.cookie {
            let users = rules
                .iter_mut()
                .zip(&self.claims)
                .filter(|(_, claim)| **claim == Claim::User);
            users.for_each(|(rule, _)| without_cookie(rule, cookie));
        }
        let pairs = self.weigh(&mut rules, &mut entry, &mut changes)?;
        let to_canary = pairs.iter().any(|[_, canary]| *canary > 0);
        let experiments = entry.experiments.iter().chain(entry.lent.keys());
        let experiments = experiments.cloned().collect::<Vec<_>>();
        let (sticky, mut warnings) = self.sticky(&experiments)?;
        let (wanted, refused) = self.managed(&rules, sticky)?;
        warnings.extend(self.lost_percentages(&wanted));
        if to_canary || !wanted.is_empty() {
            warnings.extend(self.dangers());
        }
        self.give_cookies(&mut rules, &experiments, &mut entry)?;
        if self.changes_affinity(&rules, &wanted) {
            changes.push(Change::Affinity {
                set: entry.cookie.is_some(),
            });
        }
        let rules = self.arrange(rules, &wanted, &mut changes);
        entry.rules = wanted.into_iter().map(|wanted| wanted.record).collect();
        let in_progress = to_canary || !entry.rules.is_empty() || !experiments.is_empty();
        entry.label = label.filter(|_| in_progress).map(|label| label.key.clone());
        if in_progress || entry != Entry::default() {
            let services = &self.intent.services;
            entry.services = Some([services.stable.clone(), services.canary.clone()]);
            entry.scope.clone_from(&self.target.rules);
        }
        let labels = self.label_edits(label, &entry);

        // Only a difference costs a copy of the object.
        let is_new = |(rule, old): (&Cow<'_, Value>, &Value)| !std::ptr::eq(&**rule, old) && **rule != *old;
        let differs = rules.len() != self.rules.len() || rules.iter().zip(self.rules).any(is_new);
        if !differs && labels.is_empty() && entry == self.entry {
            return Ok(Plan {
                object: None,
                changes: Vec::new(),
                refused,
                warnings,
            });
        }
        let mut object = self.with_rules(rules);
        for (key, value) in labels {
            meta::set(&mut object, "labels", key, value.map(str::to_owned));
            changes.push(Change::Label {
                key: key.to_owned(),
                set: value.is_some(),
            });
        }
        if entry != self.entry {
            let mut ledger = self.ledger.clone();
            ledger.set(&self.intent.owner, entry);
            ledger.write(&mut object);
        }
        if changes.is_empty() {
            changes.push(Change::Record);
        }
        Ok(Plan {
            object: Some(object),
            changes,
            refused,
            warnings,
        })
    }

    /// Each rule that the configuration chooses must be there, and be one that can be weighed.
    fn check_scope(&self) -> Result<(), Problem> {
        for choice in &self.target.rules {
            if self.weighable.iter().any(|&at| choice.chooses(&self.rules[at])) {
                continue;
            }
            let users = (0..self.rules.len()).filter(|&at| self.claims[at] == Claim::User);
            let found = users
                .clone()
                .filter_map(|at| view::name(&self.rules[at]))
                .map(|name| format!("{name:?}"))
                .collect::<Vec<_>>();
            return Err(Problem::NoSuchRule {
                choice: choice.clone(),
                exists: users.clone().any(|at| choice.chooses(&self.rules[at])),
                found: if found.is_empty() {
                    "none".to_owned()
                } else {
                    found.join(", ")
                },
            });
        }
        Ok(())
    }

    /// The route with other rules.
    fn with_rules(&self, rules: Vec<Cow<'_, Value>>) -> Value {
        let fields = |object: &Map<String, Value>, but: &str| {
            let others = object.iter().filter(|(field, _)| *field != but);
            others
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect::<Map<_, _>>()
        };
        let Some(route) = self.route.as_object() else {
            return self.route.clone();
        };
        let mut object = fields(route, "spec");
        if let Some(spec) = route.get("spec").and_then(Value::as_object) {
            let mut new = fields(spec, "rules");
            if spec.contains_key("rules") || !rules.is_empty() {
                new.insert("rules".into(), rules.into_iter().map(Cow::into_owned).collect());
            }
            object.insert("spec".into(), new.into());
        }
        object.into()
    }

    /// Sets the weights of all rules that are ours to weigh, and answers them.
    fn weigh(
        &self,
        rules: &mut [Cow<'_, Value>],
        entry: &mut Entry,
        changes: &mut Vec<Change>,
    ) -> Result<Vec<[u64; 2]>, Problem> {
        let namespace = &self.target.key.namespace;
        entry.experiments.clone_from(&self.entry.experiments);
        entry.lent.clone_from(&self.entry.lent);
        entry.before.clone_from(&self.entry.before);
        let Some(split) = &self.intent.split else {
            return Ok(self.pairs.clone());
        };

        let mut pairs = self.pairs.clone();
        let before = Some(&self.entry.before).filter(|before| before.len() == self.weighable.len());
        let lent = self.lent(split);
        let weighing = Weighing {
            intent: self.intent,
            split,
            route_namespace: namespace,
            added: &self.entry.experiments,
            lent: &lent,
        };
        for (nth, &at) in self.weighable.iter().enumerate() {
            let backends = view::backends(&rules[at]).len();
            let before = before.map(|before| before[nth]);
            let Some(pair) = weighing.weigh(at, &mut rules[at], before)? else {
                continue;
            };
            if view::backends(&rules[at]).len() != backends && !changes.contains(&Change::Experiments) {
                changes.push(Change::Experiments);
            }
            pairs[nth] = pair;
            if pairs[nth] != self.pairs[nth] {
                changes.push(Change::Weights {
                    rule: RuleRef::new(at, &rules[at]),
                    from: self.pairs[nth],
                    to: pairs[nth],
                });
            }
        }
        let running = split.experiments.iter().map(|experiment| &experiment.service);
        entry.experiments = running
            .clone()
            .filter(|service| !lent.contains_key(*service))
            .cloned()
            .collect();
        entry.lent = running
            .filter_map(|service| lent.get_key_value(service))
            .map(|(service, before)| (service.clone(), *before))
            .collect();
        if split.is_all_stable() {
            entry.before.clear();
        } else if self.entry.before.is_empty()
            && self
                .pairs
                .iter()
                .any(|[stable, canary]| *stable > 0 && *stable != split.max && *canary == 0)
        {
            entry.before.clone_from(&self.pairs);
        }
        Ok(pairs)
    }

    /// Services of experiments that the user's rules name by themselves: they stay when the experiment ends.
    fn lent(&self, split: &Split) -> BTreeMap<String, u64> {
        let mut lent = self.entry.lent.clone();
        for Experiment { service, .. } in &split.experiments {
            if lent.contains_key(service) || self.entry.experiments.contains(service) {
                continue;
            }
            let own = |at: &usize| {
                weights::own_weight(&self.rules[*at], service, self.intent, &self.target.key.namespace)
            };
            if let Some(weight) = self.weighable.iter().find_map(own) {
                lent.insert(service.clone(), weight);
            }
        }
        lent
    }

    /// What goes wrong in a release although the plan is right.
    fn dangers(&self) -> Vec<Warning> {
        let route = &self.target.key;
        let sessions = self.weighable.iter().filter(|&&at| {
            let persistence = self.rules[at].get("sessionPersistence");
            persistence.is_some_and(|persistence| !persistence.is_null())
        });
        let sessions = sessions.map(|&at| Warning::SessionPersistence {
            route: route.clone(),
            rule: RuleRef::new(at, &self.rules[at]),
        });
        let unresolved = gateways::unresolved(self.route).map(|reason| Warning::Unresolved {
            route: route.clone(),
            reason,
        });
        sessions.chain(unresolved).collect()
    }

    /// Mirrors whose percentage is not on the route although it was written.
    fn lost_percentages(&self, wanted: &[Wanted<'_>]) -> Vec<Warning> {
        let lost = wanted.iter().filter(|wanted| wanted.lost_percentage);
        lost.map(|wanted| Warning::Pruned {
            route: self.target.key.clone(),
            rule: RuleRef::named(&wanted.record.name),
        })
        .collect()
    }

    /// All rules this route should carry for the Rollout, and what it cannot carry. Where they are too many, users who
    /// were last seen long ago share a rule.
    fn managed(
        &self,
        rules: &[Cow<'_, Value>],
        mut sticky: Option<Sticky<'_>>,
    ) -> Result<(Vec<Wanted<'a>>, Vec<Refusal>), Problem> {
        loop {
            let is_full = |problem: &Problem| matches!(problem, Problem::Limit { .. });
            let attempt = self.all_rules(rules, sticky.as_ref());
            let fits = match &attempt {
                Ok((_, refused)) => !refused.iter().any(|refusal| is_full(&refusal.problem)),
                Err(problem) => !is_full(problem),
            };
            if fits || !sticky.as_mut().is_some_and(Sticky::trim) {
                return attempt;
            }
        }
    }

    fn all_rules(
        &self,
        rules: &[Cow<'_, Value>],
        sticky: Option<&Sticky<'_>>,
    ) -> Result<(Vec<Wanted<'a>>, Vec<Refusal>), Problem> {
        let behind = match sticky {
            Some(sticky) => self.sticky_rules(rules, sticky)?,
            None => Vec::new(),
        };
        let (mut wanted, refused) = self.managed_routes(rules, sticky, &behind)?;
        wanted.extend(behind);
        Ok((wanted, refused))
    }

    /// The rules of header and mirror routes, and those that this route cannot carry. `others` are wanted beside them.
    fn managed_routes(
        &self,
        rules: &[Cow<'_, Value>],
        sticky: Option<&Sticky<'_>>,
        others: &[Wanted<'a>],
    ) -> Result<(Vec<Wanted<'a>>, Vec<Refusal>), Problem> {
        let routes: &[ManagedRoute] = match &self.intent.managed {
            Managed::Keep => return Ok((self.kept(), Vec::new())),
            Managed::Exactly(_) if !self.target.header_routes || !self.target.key.kind.has_headers() => &[],
            Managed::Exactly(routes) => routes,
        };
        let sources = self.weighable.iter().map(|&at| &*rules[at]).collect::<Vec<_>>();
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        let mut refused = Vec::new();
        for route in routes {
            let built = self.route_rules(route, &sources, sticky);
            let built = built.and_then(|built| self.check_limits(&[&wanted, others], built));
            match built {
                Ok(built) => {
                    for (nth, rule) in built.into_iter().enumerate() {
                        wanted.push(self.named(route.name(), nth, rule, &[&wanted, others]));
                    }
                }
                Err(problem) => refused.push(Refusal::new(&self.target.key, route.name(), problem)),
            }
        }
        Ok((wanted, refused))
    }

    /// The rules of one managed route. A mirror divides requests, so it is as sticky as the rule it copies.
    fn route_rules(
        &self,
        route: &ManagedRoute,
        sources: &[&Value],
        sticky: Option<&Sticky<'_>>,
    ) -> Result<Vec<Value>, Problem> {
        let namespace = &self.target.key.namespace;
        let built = managed::rules(self.target.key.kind, route, self.intent, namespace, sources)?;
        gateways::check_expressions(self.route, &built, sources)?;
        self.features.check(&built, sources, &self.intent.assumed)?;
        let Some(sticky) = sticky.filter(|_| matches!(route, ManagedRoute::Mirror(_))) else {
            return Ok(built);
        };
        let mut all = Vec::new();
        for mut rule in built {
            let name = RuleRef::named(route.name());
            all.extend(sticky.rules(&name, &rule)?);
            sticky.set_cookies(&name, &mut rule)?;
            all.push(rule);
        }
        Ok(all)
    }

    /// Our rules as they are.
    fn kept(&self) -> Vec<Wanted<'a>> {
        let own = (0..self.rules.len()).filter_map(|at| match &self.claims[at] {
            Claim::Own(record) if !self.entry.rules[*record].cookie => Some(Wanted {
                record: self.entry.rules[*record].clone(),
                rule: Cow::Borrowed(&self.rules[at]),
                lost_percentage: false,
            }),
            _ => None,
        });
        own.collect()
    }
}

/// Whether a rule is one of those that the configuration chooses.
fn is_scoped(target: &RouteTarget, rule: &Value) -> bool {
    target.rules.is_empty() || target.rules.iter().any(|choice| choice.chooses(rule))
}
