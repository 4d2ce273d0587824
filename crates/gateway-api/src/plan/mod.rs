//! From a route as it is to the route as a Rollout wants it: [`plan_route`].
//!
//! The route is raw JSON of any version. Only what the plan is about changes; fields that nobody here knows are kept.
//! Planning the result again changes nothing, and what was added goes without a trace when the Rollout wants it no more.

mod claims;
mod leftovers;
mod managed;
mod matching;
mod meta;
mod ownership;
mod problem;
mod view;
mod weights;

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use self::claims::{Claim, claims};
pub use self::leftovers::Leftovers;
pub use self::matching::MatchProblem;
pub use self::ownership::{ANNOTATION, Entry, Ledger, RuleRecord, fingerprint};
pub use self::problem::{PlanError, Problem, Refusal};
pub use self::view::RuleRef;
use self::weights::Weighing;
use crate::config::{Label, RouteTarget};
use crate::intent::{Intent, Managed, ManagedRoute};

/// `rules` a route may have (Gateway API CRDs of HTTPRoute and GRPCRoute).
const MAX_RULES: usize = 16;
/// `matches` a rule may have.
const MAX_MATCHES: usize = 64;
/// `matches` all rules of a route may have together (a CEL rule of the CRDs).
const MAX_MATCHES_OF_ROUTE: usize = 128;

/// What has to be done to a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The whole new object; [`None`] where nothing changes.
    pub object: Option<Value>,
    /// What changes, for people.
    pub changes: Vec<Change>,
    /// Managed routes that this route cannot carry; everything else is planned all the same.
    pub refused: Vec<Refusal>,
}

/// One difference between the route as it is and as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A rule divides traffic otherwise.
    Weights {
        /// Which rule.
        rule: RuleRef,
        /// Weights of stable and canary before.
        from: [u64; 2],
        /// And after.
        to: [u64; 2],
    },
    /// A managed rule is added.
    Added {
        /// Its name.
        rule: String,
    },
    /// A managed rule goes.
    Removed {
        /// Its name.
        rule: String,
    },
    /// A managed rule that somebody changed is set right, or another moves.
    Rearranged,
    /// The backends of an experiment are added or removed.
    Experiments,
    /// The label that marks a release under way.
    Label {
        /// Its key.
        key: String,
        /// Whether it is set, rather than removed.
        set: bool,
    },
    /// Only our record of what is ours.
    Record,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights {
                rule,
                from: [stable, canary],
                to: [to_stable, to_canary],
            } => {
                write!(
                    f,
                    "{rule}: stable {stable} to {to_stable}, canary {canary} to {to_canary}"
                )
            }
            Self::Added { rule } => write!(f, "rule {rule} added"),
            Self::Removed { rule } => write!(f, "rule {rule} removed"),
            Self::Rearranged => f.write_str("managed rules set right"),
            Self::Experiments => f.write_str("experiment backends updated"),
            Self::Label { key, set: true } => write!(f, "label {key} set"),
            Self::Label { key, set: false } => write!(f, "label {key} removed"),
            Self::Record => write!(f, "annotation {ANNOTATION} updated"),
        }
    }
}

/// Plans one route for one Rollout.
///
/// `label` is the label of a release under way; [`None`] where the user does not want it.
///
/// # Errors
/// Where the weights cannot be set on this route; nothing may be written then. A managed route that the route cannot
/// carry is no error, see [`Plan::refused`].
pub fn plan_route(
    target: &RouteTarget,
    route: &Value,
    intent: &Intent,
    label: Option<&Label>,
) -> Result<Plan, PlanError> {
    Planner::new(target, route, intent, label)
        .plan(label)
        .map_err(|problem| PlanError::new(&target.key, problem))
}

struct Planner<'a> {
    target: &'a RouteTarget,
    route: &'a Value,
    intent: &'a Intent,
    ledger: Ledger,
    entry: Entry,
    rules: &'a [Value],
    claims: Vec<Claim>,
    /// Places of the user's rules that have both Services.
    weighable: Vec<usize>,
}

/// A managed rule to be, its name and its fingerprint.
struct Wanted<'a> {
    record: RuleRecord,
    rule: Cow<'a, Value>,
}

/// A label to set, or to remove.
type LabelEdit<'l> = (&'l str, Option<&'l str>);

impl<'a> Planner<'a> {
    fn new(target: &'a RouteTarget, route: &'a Value, intent: &'a Intent, label: Option<&Label>) -> Self {
        let ledger = Ledger::read(route);
        let entry = ledger.entry(&intent.owner).cloned().unwrap_or_default();
        let rules = route
            .pointer("/spec/rules")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let namespace = &target.key.namespace;
        let has_label = label.is_some_and(|label| meta::read(route, "labels", &label.key).is_some());
        let go_was_at_work = has_label && entry == Entry::default();
        let claims = claims(rules, &ledger, intent, namespace, go_was_at_work);
        let weighable = (0..rules.len())
            .filter(|&at| claims[at] == Claim::User && weights::pair(&rules[at], intent, namespace).is_some())
            .collect();
        Self {
            target,
            route,
            intent,
            ledger,
            entry,
            rules,
            claims,
            weighable,
        }
    }

    fn plan(self, label: Option<&Label>) -> Result<Plan, Problem> {
        let wants_rules = self.intent.split.is_some()
            || matches!(&self.intent.managed, Managed::Exactly(m) if !m.is_empty());
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
        self.weigh(&mut rules, &mut entry, &mut changes)?;
        let to_canary = self.sends_to_canary(&rules);
        let (wanted, refused) = self.managed(&rules);
        let rules = self.arrange(rules, &wanted, &mut changes);
        entry.rules = wanted.into_iter().map(|wanted| wanted.record).collect();
        let in_progress = to_canary || !entry.rules.is_empty() || !entry.experiments.is_empty();
        entry.label = label.filter(|_| in_progress).map(|label| label.key.clone());
        let labels = self.label_edits(label, &entry);

        // Only a difference costs a copy of the object.
        let is_new = |(rule, old): (&Cow<'_, Value>, &Value)| !std::ptr::eq(&**rule, old) && **rule != *old;
        let differs = rules.len() != self.rules.len() || rules.iter().zip(self.rules).any(is_new);
        if !differs && labels.is_empty() && entry == self.entry {
            return Ok(Plan {
                object: None,
                changes: Vec::new(),
                refused,
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
        })
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

    /// Sets the weights of all rules that are ours to weigh.
    fn weigh(
        &self,
        rules: &mut [Cow<'_, Value>],
        entry: &mut Entry,
        changes: &mut Vec<Change>,
    ) -> Result<(), Problem> {
        let namespace = &self.target.key.namespace;
        entry.experiments.clone_from(&self.entry.experiments);
        entry.before.clone_from(&self.entry.before);
        let Some(split) = &self.intent.split else {
            return Ok(());
        };

        let pairs = self
            .weighable
            .iter()
            .filter_map(|&at| weights::pair(&rules[at], self.intent, namespace));
        let pairs = pairs.collect::<Vec<_>>();
        let before = Some(&self.entry.before).filter(|before| before.len() == self.weighable.len());
        let weighing = Weighing {
            intent: self.intent,
            split,
            route_namespace: namespace,
            added: &self.entry.experiments,
        };
        for (nth, &at) in self.weighable.iter().enumerate() {
            let rule = RuleRef::new(at, &rules[at]);
            let backends = view::backends(&rules[at]).len();
            weighing.weigh(&rule, &mut rules[at], before.map(|before| before[nth]))?;
            if view::backends(&rules[at]).len() != backends && !changes.contains(&Change::Experiments) {
                changes.push(Change::Experiments);
            }
            let to = weights::pair(&rules[at], self.intent, namespace).unwrap_or_default();
            if to != pairs[nth] {
                changes.push(Change::Weights {
                    rule,
                    from: pairs[nth],
                    to,
                });
            }
        }
        entry.experiments = split
            .experiments
            .iter()
            .map(|experiment| experiment.service.clone())
            .collect();
        if split.is_all_stable() {
            entry.before.clear();
        } else if self.entry.before.is_empty()
            && pairs
                .iter()
                .any(|[stable, canary]| *stable > 0 && *stable != split.max && *canary == 0)
        {
            entry.before = pairs;
        }
        Ok(())
    }

    /// The managed rules this route should carry, and what it cannot carry.
    fn managed(&self, rules: &[Cow<'_, Value>]) -> (Vec<Wanted<'a>>, Vec<Refusal>) {
        let routes: &[ManagedRoute] = match &self.intent.managed {
            Managed::Keep => return (self.kept(), Vec::new()),
            Managed::Exactly(_) if !self.target.header_routes || !self.target.key.kind.has_headers() => &[],
            Managed::Exactly(routes) => routes,
        };
        let sources = self.weighable.iter().map(|&at| &*rules[at]).collect::<Vec<_>>();
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        let mut refused = Vec::new();
        for route in routes {
            let built = managed::rules(
                self.target.key.kind,
                route,
                self.intent,
                &self.target.key.namespace,
                &sources,
            );
            match built
                .map_err(Problem::from)
                .and_then(|built| self.check_limits(&wanted, built))
            {
                Ok(built) => {
                    for (nth, rule) in built.into_iter().enumerate() {
                        wanted.push(self.named(route.name(), nth, rule, &wanted));
                    }
                }
                Err(problem) => refused.push(Refusal::new(&self.target.key, route.name(), problem)),
            }
        }
        (wanted, refused)
    }

    /// Our rules as they are.
    fn kept(&self) -> Vec<Wanted<'a>> {
        let own = (0..self.rules.len()).filter_map(|at| match &self.claims[at] {
            Claim::Own(record) => Some(Wanted {
                record: self.entry.rules[*record].clone(),
                rule: Cow::Borrowed(&self.rules[at]),
            }),
            _ => None,
        });
        own.collect()
    }

    fn check_limits(&self, wanted: &[Wanted<'_>], built: Vec<Value>) -> Result<Vec<Value>, Problem> {
        let matches = |rule: &Value| view::list(rule, "matches").len().max(1);
        let others = (0..self.rules.len())
            .filter(|&at| matches!(self.claims[at], Claim::User | Claim::Foreign(_)))
            .map(|at| &self.rules[at]);
        let all = || {
            others
                .clone()
                .chain(wanted.iter().map(|wanted| &*wanted.rule))
                .chain(&built)
        };
        let limits = [
            ("rules", all().count(), MAX_RULES),
            (
                "matches in one rule",
                built.iter().map(matches).max().unwrap_or(0),
                MAX_MATCHES,
            ),
            (
                "matches in all rules",
                all().map(matches).sum(),
                MAX_MATCHES_OF_ROUTE,
            ),
        ];
        match limits.into_iter().find(|(_, found, max)| found > max) {
            Some((what, found, max)) => Err(Problem::Limit { what, found, max }),
            None => Ok(built),
        }
    }

    /// Gives a managed rule its name: that of the managed route, with a number behind it for further rules as the Go
    /// plugin does (`pkg/plugin/httproute.go` `setHTTPHeaderRoute`), and with the Rollout's name where another rule
    /// has that name already, because names are unique in a route.
    fn named(&self, route: &str, nth: usize, mut rule: Value, wanted: &[Wanted<'_>]) -> Wanted<'a> {
        let mut name = match nth {
            0 => route.to_owned(),
            nth => format!("{route}-{nth}"),
        };
        let is_taken = |name: &str| {
            wanted.iter().any(|wanted| wanted.record.name == name)
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
        };
        // What the API server made of the rule (names pruned, defaults filled in) is not a difference.
        let stored = (0..self.rules.len()).find(|&at| {
            matches!(self.claims[at], Claim::Own(place) if self.entry.rules[place].name == record.name)
                && ownership::print(&self.rules[at]) == record.print
                && same_weights(&self.rules[at], &rule)
        });
        Wanted {
            record,
            rule: stored.map_or(Cow::Owned(rule), |at| Cow::Borrowed(&self.rules[at])),
        }
    }

    /// All rules in their order: our managed ones before every user's rule, so that one with as many conditions as a
    /// user's comes first (Gateway API `HTTPRouteRule.matches`: of equal ones the first rule wins). Managed rules of
    /// several Rollouts stand by the Rollouts' names, so that they do not push each other about.
    fn arrange<'r>(
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
        for wanted in wanted {
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
            .filter(|(_, claim)| !is_ours(claim))
            .collect::<Vec<_>>();
        let place = others
            .iter()
            .take_while(|(_, claim)| matches!(claim, Claim::Foreign(owner) if *owner < self.intent.owner))
            .count();
        let mut arranged: Vec<Cow<'_, Value>> = others.into_iter().map(|(rule, _)| rule).collect();
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

    /// Whether a rule of the user's sends to the canary.
    fn sends_to_canary(&self, rules: &[Cow<'_, Value>]) -> bool {
        self.weighable
            .iter()
            .filter_map(|&at| weights::pair(&rules[at], self.intent, &self.target.key.namespace))
            .any(|[_, canary]| canary > 0)
    }

    /// Sets the label while a release is under way, and removes it when no Rollout of this route needs it any more.
    fn label_edits<'l>(&'l self, label: Option<&'l Label>, entry: &Entry) -> Vec<LabelEdit<'l>> {
        let is_needed = |key: &str| {
            entry.label.as_deref() == Some(key)
                || self
                    .ledger
                    .entries()
                    .any(|(owner, entry)| owner != self.intent.owner && entry.label.as_deref() == Some(key))
        };
        let mut edits = Vec::new();
        let mut set = |key: &'l str, value: Option<&'l str>| {
            if meta::read(self.route, "labels", key) != value && edits.iter().all(|(known, _)| *known != key)
            {
                edits.push((key, value));
            }
        };
        if let Some(old) = self.entry.label.as_deref().filter(|old| !is_needed(old)) {
            set(old, None);
        }
        match label {
            Some(label) if entry.label.is_some() => set(&label.key, Some(&label.value)),
            // The Go plugin sets the label without a record, and removes it at weight 0 (`pkg/plugin/labels.go`).
            Some(label) if self.intent.split.is_some() && !is_needed(&label.key) => set(&label.key, None),
            _ => {}
        }
        edits
    }
}

fn same_weights(a: &Value, b: &Value) -> bool {
    let weights = |rule: &'_ Value| view::backends(rule).iter().map(view::weight).collect::<Vec<_>>();
    weights(a) == weights(b)
}

#[cfg(test)]
mod tests;
