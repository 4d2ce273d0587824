//! The split between stable, canary and experiments in one rule.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::view::{ServiceName, backends, backends_mut, points_at, service, set_weight, weight};
use super::{Problem, RuleRef};
use crate::intent::{Experiment, Intent, MAX_WEIGHT, Split};

/// `backendRefs` a rule may have (Gateway API CRDs, all kinds).
const MAX_BACKENDS: usize = 16;

/// What weighing the rules of a route needs to know.
pub(super) struct Weighing<'a> {
    pub(super) intent: &'a Intent,
    pub(super) split: &'a Split,
    pub(super) route_namespace: &'a str,
    /// Experiment Services that earlier calls added to this route.
    pub(super) added: &'a [String],
    /// Experiment Services that the user's rules name by themselves, with their weight when no experiment runs.
    pub(super) lent: &'a BTreeMap<String, u64>,
}

/// What a backendRef is to the Rollout.
#[derive(Clone, Copy, PartialEq)]
enum Role<'a> {
    Stable,
    Canary,
    Experiment(&'a Experiment),
    /// An experiment that we added and that runs no more.
    Ended,
    /// The user's own backendRef to the Service of an experiment that runs no more, and its weight before.
    Returned(u64),
    /// Not the Rollout's.
    Other,
}

/// The weight of the user's own backendRef to an experiment's Service.
pub(super) fn own_weight(rule: &Value, service: &str, intent: &Intent, route_namespace: &str) -> Option<u64> {
    let service = ServiceName {
        name: service,
        namespace: &intent.namespace,
    };
    let mut backends = backends(rule).iter();
    backends
        .find(|backend| points_at(backend, route_namespace, service))
        .map(weight)
}

/// The weights of stable and canary in a rule, if it has both: only such a rule is the Rollout's to weigh.
pub(super) fn pair(rule: &Value, intent: &Intent, route_namespace: &str) -> Option<[u64; 2]> {
    let (mut stable, mut canary) = (None, None);
    for backend in backends(rule) {
        let found = service(backend, route_namespace).filter(|found| found.namespace == intent.namespace);
        match found {
            Some(found) if found.name == intent.services.stable => stable = stable.or(Some(weight(backend))),
            Some(found) if found.name == intent.services.canary => canary = canary.or(Some(weight(backend))),
            _ => {}
        }
    }
    Some([stable?, canary?])
}

impl Weighing<'_> {
    /// Divides the share of this rule that belongs to the Rollout. Other backends keep theirs.
    ///
    /// The rule has both Services ([`pair`]). Without other backends the weights become those of the split; a rule that
    /// already divides in the same proportion stays as it is. With other backends the sum of the Rollout's weights stays
    /// what it was, so that theirs keep their share. Where all traffic is stable, the weights from `before` the release
    /// come back. Answers the weights of stable and canary, if anything changed.
    pub(super) fn weigh(
        &self,
        at: usize,
        rule: &mut Cow<'_, Value>,
        before: Option<[u64; 2]>,
    ) -> Result<Option<[u64; 2]>, Problem> {
        let mut roles = self.roles(rule);
        for (role, service) in [
            (Role::Stable, &self.intent.services.stable),
            (Role::Canary, &self.intent.services.canary),
        ] {
            if roles.iter().filter(|found| **found == role).count() > 1 {
                return Err(Problem::Twice {
                    rule: RuleRef::new(at, rule),
                    service: service.clone(),
                });
            }
        }
        let (mut others, mut budget, mut returned) = (0, 0_u64, 0);
        for (backend, role) in backends(rule).iter().zip(&roles) {
            let weight = checked_weight(at, rule, backend)?;
            match role {
                Role::Other => others += weight,
                _ => budget += weight,
            }
            if let Role::Returned(before) = role {
                returned += before;
            }
        }
        // What goes back to the user's own backendRef is not there to be divided.
        budget = budget.saturating_sub(returned);
        if others > 0 {
            self.check_resolution(&RuleRef::new(at, rule), budget, others)?;
        }
        let mut changes = self.sync_experiments(at, rule, &roles)?;
        if changes {
            roles = self.roles(rule);
        }

        if others > 0 {
            let whole = |part: u64| part * budget / self.split.max;
            let canary = whole(self.split.canary);
            let given = canary
                + self
                    .split
                    .experiments
                    .iter()
                    .map(|e| whole(e.weight))
                    .sum::<u64>();
            // What rounding leaves over goes to the stable version: nobody is exposed to more than was asked for.
            changes |= set(rule, &roles, |role| match role {
                Role::Stable => budget - given,
                Role::Canary => canary,
                Role::Experiment(experiment) => whole(experiment.weight),
                Role::Returned(before) => before,
                Role::Ended | Role::Other => 0,
            });
        } else if let Some([before, _]) =
            before.filter(|[stable, canary]| self.split.is_all_stable() && *stable > 0 && *canary == 0)
        {
            changes |= set(rule, &roles, |role| match role {
                Role::Stable => before,
                Role::Returned(before) => before,
                _ => 0,
            });
        } else if !self.divides_as_asked(rule, &roles) {
            changes |= set(rule, &roles, |role| self.part(role));
        }
        let weight_of = |wanted| {
            let mut backends = backends(rule).iter().zip(&roles);
            backends
                .find(|(_, role)| **role == wanted)
                .map_or(0, |(backend, _)| weight(backend))
        };
        Ok(changes.then(|| [weight_of(Role::Stable), weight_of(Role::Canary)]))
    }

    fn roles(&self, rule: &Value) -> Vec<Role<'_>> {
        backends(rule).iter().map(|backend| self.role(backend)).collect()
    }

    fn role(&self, backend: &Value) -> Role<'_> {
        let found = service(backend, self.route_namespace);
        let Some(found) = found.filter(|found| found.namespace == self.intent.namespace) else {
            return Role::Other;
        };
        let is = |name: &str| found.name == name;
        if is(&self.intent.services.stable) {
            Role::Stable
        } else if is(&self.intent.services.canary) {
            Role::Canary
        } else if let Some(experiment) = self.split.experiments.iter().find(|e| is(&e.service)) {
            Role::Experiment(experiment)
        } else if self.added.iter().any(|service| is(service)) {
            Role::Ended
        } else if let Some((_, before)) = self.lent.iter().find(|(service, _)| is(service)) {
            Role::Returned(*before)
        } else {
            Role::Other
        }
    }

    fn part(&self, role: Role<'_>) -> u64 {
        match role {
            Role::Stable => self.split.stable(),
            Role::Canary => self.split.canary,
            Role::Experiment(experiment) => experiment.weight,
            Role::Returned(before) => before,
            Role::Ended | Role::Other => 0,
        }
    }

    /// Whether the rule already divides in the proportion of the split.
    fn divides_as_asked(&self, rule: &Value, roles: &[Role<'_>]) -> bool {
        let sum = backends(rule).iter().map(weight).sum::<u64>();
        sum > 0
            && backends(rule).iter().zip(roles).all(|(backend, role)| {
                let part = u128::from(self.part(*role));
                u128::from(weight(backend)) * u128::from(self.split.max) == part * u128::from(sum)
            })
    }

    /// Whether the Rollout's weights beside other backends are fine enough for the split.
    fn check_resolution(&self, at: &RuleRef, budget: u64, others: u64) -> Result<(), Problem> {
        let mut parts = vec![self.split.canary];
        parts.extend(self.split.experiments.iter().map(|experiment| experiment.weight));
        match parts
            .into_iter()
            .find(|part| *part > 0 && part * budget < self.split.max)
        {
            None => Ok(()),
            Some(part) => Err(Problem::TooCoarse {
                rule: at.clone(),
                budget,
                others,
                part,
                max: self.split.max,
            }),
        }
    }

    /// Adds backendRefs of running experiments behind the others, and removes those of experiments that ended. Answers
    /// whether there were any.
    fn sync_experiments(
        &self,
        at: usize,
        rule: &mut Cow<'_, Value>,
        roles: &[Role<'_>],
    ) -> Result<bool, Problem> {
        let ended = roles.contains(&Role::Ended);
        let missing = self
            .split
            .experiments
            .iter()
            .filter(|experiment| !roles.contains(&Role::Experiment(experiment)))
            .map(|experiment| self.experiment_backend(&RuleRef::new(at, rule), rule, experiment))
            .collect::<Result<Vec<_>, _>>()?;
        let changes = ended || !missing.is_empty();
        if changes && let Some(refs) = backends_mut(rule.to_mut()) {
            refs.retain(|backend| self.role(backend) != Role::Ended);
            refs.extend(missing);
        }
        match backends(rule).len() {
            found if found > MAX_BACKENDS && !self.split.experiments.is_empty() => {
                Err(Problem::TooManyBackends {
                    rule: RuleRef::new(at, rule),
                    found,
                    max: MAX_BACKENDS,
                })
            }
            _ => Ok(changes),
        }
    }

    /// A backendRef as the canary's, to the experiment's Service.
    fn experiment_backend(
        &self,
        at: &RuleRef,
        rule: &Value,
        experiment: &Experiment,
    ) -> Result<Value, Problem> {
        let canary = backends(rule)
            .iter()
            .find(|backend| self.role(backend) == Role::Canary);
        let mut backend = canary.cloned().unwrap_or_default();
        let wanted = backend.get("port").and_then(Value::as_u64);
        // The controller copies the containers' ports into an experiment's Service (Go: `experiments/service.go`), so
        // the number may differ from that of the user's Service.
        let port = match (experiment.ports.as_slice(), wanted) {
            ([], _) => {
                return Err(Problem::NeedsPorts {
                    service: experiment.service.clone(),
                });
            }
            (ports, Some(port)) if ports.iter().any(|known| u64::from(*known) == port) => port,
            ([only], _) => u64::from(*only),
            (ports, wanted) => {
                return Err(Problem::NoPort {
                    rule: at.clone(),
                    service: experiment.service.clone(),
                    wanted: wanted.unwrap_or_default(),
                    ports: ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
                });
            }
        };
        if let Some(backend) = backend.as_object_mut() {
            backend.insert("name".into(), experiment.service.clone().into());
            backend.insert("port".into(), port.into());
            backend.insert("weight".into(), 0.into());
        }
        Ok(backend)
    }
}

/// Sets the weights, and answers whether any differed; a rule that has them already is not copied.
fn set(rule: &mut Cow<'_, Value>, roles: &[Role<'_>], weight_of: impl Fn(Role<'_>) -> u64) -> bool {
    let differs =
        |(backend, role): (&Value, &Role<'_>)| *role != Role::Other && weight(backend) != weight_of(*role);
    if !backends(rule).iter().zip(roles).any(differs) {
        return false;
    }
    let refs = backends_mut(rule.to_mut()).into_iter().flatten();
    for (backend, role) in refs.zip(roles).filter(|(_, role)| **role != Role::Other) {
        set_weight(backend, weight_of(*role));
    }
    true
}

/// The weight of a backendRef, within what the Gateway API takes.
fn checked_weight(at: usize, rule: &Value, backend: &Value) -> Result<u64, Problem> {
    let found = &backend["weight"];
    match found.is_null() || found.as_u64().is_some_and(|weight| weight <= MAX_WEIGHT) {
        true => Ok(weight(backend)),
        false => Err(Problem::WeightRange {
            rule: RuleRef::new(at, rule),
            service: backend["name"].as_str().unwrap_or_default().to_owned(),
            found: found.to_string(),
        }),
    }
}
