//! What one reconcile does to the outside, in order. Pure.
//!
//! Follows argo-rollouts v1.10 `rollout/canary.go` `rolloutCanary` (the order of its parts),
//! `rollout/service.go` `reconcileStableAndCanaryService` and `ensureSVCTargets` (which Service points where), and
//! `rollout/trafficrouting.go` `reconcileTrafficRouting` (which calls a router gets).

use std::collections::BTreeMap;

use super::call::Call;
use super::spec::Step;
use super::state::{Observed, Release};

/// One thing to do. They are done in order; a call that fails ends the reconcile.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Point a Service at the pods of a template.
    Switch {
        /// The Service.
        service: String,
        /// The template it pointed at; `None` for one that was not managed before.
        from: Option<String>,
        /// The template it points at now.
        to: String,
    },
    /// Ask the router.
    Call(Call),
}

/// A reconcile, as far as it concerns the outside.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What to do.
    pub acts: Vec<Act>,
    /// What the weights are afterwards. `None`: the stable version has too few pods to take the rest of the traffic,
    /// so the router is left alone.
    pub weight: Option<Weight>,
}

/// The weights that a reconcile wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Of the canary, of `maxTrafficWeight`.
    pub desired: i32,
    /// Template of the canary.
    pub canary: String,
    /// Template of the stable version.
    pub stable: String,
}

/// Plans a reconcile.
pub fn plan(release: &Release, observed: &Observed) -> Plan {
    let mut planner = Planner {
        release,
        observed,
        selectors: observed.selectors.clone(),
        plan: Plan::default(),
    };
    planner.services();
    planner.traffic();
    planner.plan
}

struct Planner<'a> {
    release: &'a Release,
    observed: &'a Observed,
    selectors: BTreeMap<String, Option<String>>,
    plan: Plan,
}

impl Planner<'_> {
    /// `reconcileStableAndCanaryService`
    fn services(&mut self) {
        let spec = &self.release.spec;
        if !self.release.status.stable_rs.is_empty() {
            self.ensure(&spec.stable_service, &self.release.status.stable_rs, true);
        }
        self.ensure(&spec.canary_service, &self.release.status.current_pod_hash, true);
    }

    /// `ensureSVCTargets`
    fn ensure(&mut self, service: &str, hash: &str, check_availability: bool) {
        let from = self.selectors.get(service).cloned().flatten();
        if from.as_deref() == Some(hash) {
            return;
        }
        if check_availability {
            let available = self.observed.available(hash);
            let desired = self.release.set(hash).map_or(0, |set| set.desired);
            let enough = match from {
                // Adopting a Service takes all pods, switching one takes one.
                None => desired > 0 && available >= desired,
                Some(_) => available > 0,
            };
            if !enough {
                return;
            }
        }
        self.selectors.insert(service.to_owned(), Some(hash.to_owned()));
        self.plan.acts.push(Act::Switch {
            service: service.to_owned(),
            from,
            to: hash.to_owned(),
        });
    }

    /// `reconcileTrafficRouting`
    fn traffic(&mut self) {
        let Release { spec, status, .. } = self.release;
        self.call(Call::Type);
        let new_available = self.observed.available(&status.current_pod_hash);
        let step = status.current_step_index.and_then(|i| spec.steps.get(i));
        let desired = if self.release.is_fully_promoted() {
            self.call(Call::RemoveManagedRoutes);
            0
        } else if status.abort {
            self.ensure(&spec.canary_service, &status.stable_rs, false);
            self.call(Call::RemoveManagedRoutes);
            0
        } else if new_available == 0 {
            self.call(Call::RemoveManagedRoutes);
            0
        } else if status.promote_full {
            self.call(Call::RemoveManagedRoutes);
            status.canary.weights.as_ref().map_or(0, |w| w.canary.weight)
        } else {
            match status.current_step_index {
                None => 0,
                Some(index) if !self.release.at_desired_replicas(self.observed) => {
                    last_set_weight(&spec.steps[..index.min(spec.steps.len())])
                }
                Some(index) if index < spec.steps.len() => last_set_weight(&spec.steps[..=index]),
                Some(_) => spec.max_weight,
            }
        };

        // `checkReplicasAvailable`
        let max_weight = i64::from(spec.max_weight);
        let stable_needs = (max_weight - i64::from(desired)) * i64::from(spec.replicas) / max_weight;
        let stable_has = i64::from(self.observed.available(&status.stable_rs));
        if status.stable_rs.is_empty() || stable_has < stable_needs {
            return;
        }
        if self.release.revision > 1 {
            match step {
                Some(Step::SetHeaderRoute(route)) => self.call(Call::SetHeaderRoute(route.clone())),
                Some(Step::SetMirrorRoute(route)) => self.call(Call::SetMirrorRoute(route.clone())),
                _ => {}
            }
        }
        let last_weight = status.canary.weights.as_ref().map_or(0, |w| w.canary.weight);
        if new_available == 0 && last_weight > 0 {
            // Since 1.10 (#4639): away from pods that are gone before the hashes change.
            self.call(Call::SetWeight(desired));
        }
        let (canary, stable) = (status.current_pod_hash.clone(), status.stable_rs.clone());
        self.call(Call::UpdateHash {
            canary: canary.clone(),
            stable: stable.clone(),
        });
        self.call(Call::SetWeight(desired));
        self.call(Call::VerifyWeight(desired));
        self.plan.weight = Some(Weight {
            desired,
            canary,
            stable,
        });
    }

    fn call(&mut self, call: Call) {
        self.plan.acts.push(Act::Call(call));
    }
}

/// The last `setWeight` among the steps, 0 where there is none (Go: `replicasetutil.GetCurrentSetWeight`).
pub fn last_set_weight(steps: &[Step]) -> i32 {
    let weights = steps.iter().rev().filter_map(|step| match step {
        Step::SetWeight(weight) => Some(*weight),
        _ => None,
    });
    weights.into_iter().next().unwrap_or(0)
}
