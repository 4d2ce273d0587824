//! The controller's order of things, as `rollout/trafficrouting.go` `reconcileTrafficRouting` of argo-rollouts v1.10
//! has it, on a release without IO.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use expect_test::{Expect, expect};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::analysis::Settings;
use super::call::Call;
use super::conclude::{Conclusion, Outcome};
use super::plan::{Act, Plan, plan};
use super::state::{Observed, Release};
use crate::stage::gateway::stats::Counts;

/// A controller whose world is made of values.
struct Sim {
    release: Release,
    observed: Observed,
    now: Timestamp,
    /// What VerifyWeight answers.
    verified: Option<bool>,
    log: String,
}

fn rollout(image: &str, steps: &Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "image": image},
            "strategy": {"canary": {
                "canaryService": "canary", "stableService": "stable",
                "trafficRouting": {"plugins": {"p": {}}, "managedRoutes": [{"name": "testers"}, {"name": "copy"}]},
                "steps": steps,
            }},
        },
    })
}

fn steps() -> Value {
    json!([
        {"setWeight": 20}, {"pause": {"duration": "60s"}},
        {"setHeaderRoute": {"name": "testers", "match": []}}, {"setMirrorRoute": {"name": "copy"}},
        {"setWeight": 60}, {"pause": {}},
    ])
}

impl Sim {
    /// v1 is deployed and v2 applied.
    fn updated(steps: &Value) -> Self {
        let mut sim = Self::deployed(steps);
        sim.release.apply(rollout("v2", steps)).unwrap();
        sim
    }

    /// v1 is deployed.
    fn deployed(steps: &Value) -> Self {
        let mut sim = Self::fresh(steps);
        sim.settle();
        sim.log.clear();
        sim
    }

    fn fresh(steps: &Value) -> Self {
        let (release, _) = Release::new(rollout("v1", steps), Settings::default()).unwrap();
        let selectors = ["canary", "stable"].map(|s| (s.to_owned(), None));
        let observed = Observed {
            selectors: selectors.into(),
            ..Observed::default()
        };
        Self {
            release,
            observed,
            now: Timestamp::UNIX_EPOCH,
            verified: Some(true),
            log: String::new(),
        }
    }

    /// One reconcile, whose calls all succeed.
    fn reconcile(&mut self) -> Conclusion {
        let plan = plan(&self.release, &self.observed);
        self.conclude(&plan, &Outcome::Done(self.verified))
    }

    fn conclude(&mut self, plan: &Plan, outcome: &Outcome) -> Conclusion {
        let name = |hash: &str| {
            let number = self
                .release
                .sets
                .iter()
                .position(|set| set.hash == hash)
                .map_or(0, |i| i + 1);
            format!("v{number}")
        };
        let acts: Vec<String> = plan
            .acts
            .iter()
            .map(|act| match act {
                Act::Switch { service, to, .. } => format!("{service}→{}", name(to)),
                Act::Call(Call::UpdateHash { canary, stable }) => {
                    format!("UpdateHash {} {}", name(canary), name(stable))
                }
                Act::Call(call) => call.to_string(),
            })
            .collect();
        writeln!(self.log, "{}", acts.join(", ")).unwrap();
        for act in &plan.acts {
            if let Act::Switch { service, to, .. } = act {
                self.observed.selectors.insert(service.clone(), Some(to.clone()));
            }
        }
        self.release.conclude(plan, outcome, &self.observed, self.now)
    }

    /// Pods become ready as asked for, and reconciles follow until nothing changes.
    fn settle(&mut self) {
        for _ in 0..50 {
            let changed = self.reconcile().changed;
            let before = self.observed.available.clone();
            self.pods_ready();
            if !changed && before == self.observed.available {
                return;
            }
        }
        panic!("never settled:\n{}", self.log);
    }

    fn pods_ready(&mut self) {
        let ready: BTreeMap<String, i32> = self
            .release
            .sets
            .iter()
            .map(|set| (set.hash.clone(), set.desired))
            .collect();
        self.observed.available = ready;
    }

    /// As [`Sim::settle`], then so much time passes.
    fn settle_and_wait(&mut self, seconds: u64) {
        self.settle();
        self.now += Duration::from_secs(seconds);
    }

    fn check(&self, want: &Expect) {
        want.assert_eq(&self.log);
    }
}

#[test]
fn first_deployment() {
    let mut sim = Sim::fresh(&steps());
    sim.settle();
    sim.check(&expect![[r#"
        Type, RemoveManagedRoutes
        stable→v1, canary→v1, Type, RemoveManagedRoutes, UpdateHash v1 v1, SetWeight 0, VerifyWeight 0
        Type, RemoveManagedRoutes, UpdateHash v1 v1, SetWeight 0, VerifyWeight 0
    "#]]);
}

#[test]
fn a_whole_release() {
    let mut sim = Sim::updated(&steps());
    sim.settle_and_wait(60);
    sim.settle();
    sim.release.promote();
    sim.settle();
    sim.check(&expect![[r#"
        Type, RemoveManagedRoutes, UpdateHash v2 v1, SetWeight 0, VerifyWeight 0
        canary→v2, Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, SetHeaderRoute testers, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, SetMirrorRoute copy, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 60, VerifyWeight 60
        Type, UpdateHash v2 v1, SetWeight 60, VerifyWeight 60
        Type, UpdateHash v2 v1, SetWeight 60, VerifyWeight 60
        Type, UpdateHash v2 v1, SetWeight 60, VerifyWeight 60
        Type, UpdateHash v2 v1, SetWeight 60, VerifyWeight 60
        Type, UpdateHash v2 v1, SetWeight 100, VerifyWeight 100
        stable→v2, Type, RemoveManagedRoutes, UpdateHash v2 v2, SetWeight 0, VerifyWeight 0
        Type, RemoveManagedRoutes, UpdateHash v2 v2, SetWeight 0, VerifyWeight 0
    "#]]);
}

#[test]
fn previous_weight_until_the_pods_are_there() {
    let mut sim = Sim::updated(&steps());
    sim.settle_and_wait(60);
    sim.log.clear();
    // Pause, header and mirror steps complete; the canary is asked to grow to 60 % and does not yet.
    for _ in 0..5 {
        sim.reconcile();
    }
    sim.check(&expect![[r#"
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, SetHeaderRoute testers, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, SetMirrorRoute copy, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
    "#]]);
}

#[test]
fn aborted() {
    let mut sim = Sim::updated(&steps());
    sim.settle();
    sim.log.clear();
    sim.release.abort();
    sim.settle();
    assert_eq!(
        (sim.release.status.phase, sim.release.status.current_step_index),
        ("Degraded", Some(0))
    );
    sim.check(&expect![[r#"
        Type, canary→v1, RemoveManagedRoutes, UpdateHash v2 v1, SetWeight 0, VerifyWeight 0
        canary→v2, Type, canary→v1, RemoveManagedRoutes, UpdateHash v2 v1, SetWeight 0, VerifyWeight 0
    "#]]);
}

#[test]
fn promoted_in_full() {
    let mut sim = Sim::updated(&steps());
    sim.settle();
    sim.log.clear();
    sim.release.promote_full();
    sim.settle();
    sim.check(&expect![[r#"
        Type, RemoveManagedRoutes, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        Type, RemoveManagedRoutes, UpdateHash v2 v1, SetWeight 20, VerifyWeight 20
        stable→v2, Type, RemoveManagedRoutes, UpdateHash v2 v2, SetWeight 0, VerifyWeight 0
        Type, RemoveManagedRoutes, UpdateHash v2 v2, SetWeight 0, VerifyWeight 0
    "#]]);
}

#[test]
fn a_canary_that_loses_its_pods() {
    let mut sim = Sim::updated(&steps());
    sim.settle();
    sim.log.clear();
    let canary = sim.release.status.current_pod_hash.clone();
    sim.observed.available.insert(canary, 0);
    sim.reconcile();
    sim.check(&expect![[r#"
        Type, RemoveManagedRoutes, SetWeight 0, UpdateHash v2 v1, SetWeight 0, VerifyWeight 0
    "#]]);
}

#[test]
fn a_stable_version_that_lacks_pods() {
    let mut sim = Sim::updated(&steps());
    sim.settle();
    sim.log.clear();
    let stable = sim.release.status.stable_rs.clone();
    sim.observed.available.insert(stable, 3);
    sim.reconcile();
    sim.check(&expect![[r#"
        Type
    "#]]);
}

#[test]
fn without_steps() {
    let mut sim = Sim::updated(&json!([]));
    sim.settle();
    sim.check(&expect![[r#"
        Type, RemoveManagedRoutes, UpdateHash v2 v1, SetWeight 0, VerifyWeight 0
        canary→v2, Type, UpdateHash v2 v1, SetWeight 0, VerifyWeight 0
        stable→v2, Type, RemoveManagedRoutes, UpdateHash v2 v2, SetWeight 0, VerifyWeight 0
        Type, RemoveManagedRoutes, UpdateHash v2 v2, SetWeight 0, VerifyWeight 0
    "#]]);
}

/// `rollout/trafficrouting.go`: the end of a release waits for the weight, with an error that stops everything else.
#[test]
fn the_end_waits_for_the_weight() {
    let mut sim = Sim::updated(&json!([{"setWeight": 100}]));
    sim.verified = Some(false);
    sim.reconcile();
    sim.pods_ready();
    let first = sim.reconcile();
    assert_eq!(
        first.error.as_deref(),
        Some("end of rollout, desired weight 100 not yet verified")
    );
    let waits: Vec<Duration> = (0..16)
        .map(|_| Duration::try_from(sim.reconcile().again_at.unwrap().duration_since(sim.now)).unwrap())
        .collect();
    // 1 ms was the first; every failure doubles it, and 10 s is the end.
    assert_eq!(waits[0], Duration::from_millis(2));
    assert_eq!(waits[1], Duration::from_millis(4));
    assert_eq!(waits[15], Duration::from_secs(10));
    assert_eq!(
        sim.release.status.canary.weights.as_ref().unwrap().canary.weight,
        0,
        "nothing was kept"
    );

    sim.verified = Some(true);
    sim.settle();
    assert_eq!(sim.release.status.phase, "Healthy");
}

/// In the middle of a release the step waits, ten seconds a time.
#[test]
fn a_step_waits_for_the_weight() {
    let mut sim = Sim::updated(&steps());
    sim.verified = Some(false);
    sim.settle();
    let conclusion = sim.reconcile();
    assert_eq!(sim.release.status.current_step_index, Some(0));
    assert_eq!(conclusion.again_at, Some(sim.now + Duration::from_secs(10)));
    sim.verified = None;
    sim.settle();
    assert_eq!(
        sim.release.status.current_step_index,
        Some(1),
        "a router that cannot tell holds nothing up"
    );
}

/// A failed call ends the reconcile: no scaling, no pause, no status.
#[test]
fn a_failed_call_keeps_nothing() {
    let mut sim = Sim::updated(&steps());
    sim.settle_and_wait(60);
    let before = sim.release.status.clone();
    let plan = plan(&sim.release, &sim.observed);
    let failed = sim.conclude(
        &plan,
        &Outcome::Failed(Call::SetWeight(20), "route shop/web not found".into()),
    );
    assert_eq!(sim.release.status, before);
    let events: Vec<String> = failed
        .events
        .iter()
        .map(|e| format!("{} {}", e.reason, e.message))
        .collect();
    assert_eq!(events, ["TrafficRoutingError route shop/web not found"]);
    assert_eq!((failed.changed, failed.scale), (false, vec![]));
}

/// An error of VerifyWeight does not: the release goes on as if the weight were verified.
#[test]
fn an_error_of_verify_weight_is_only_told() {
    let mut sim = Sim::updated(&json!([{"setWeight": 100}]));
    sim.reconcile();
    sim.pods_ready();
    let plan = plan(&sim.release, &sim.observed);
    let conclusion = sim.conclude(&plan, &Outcome::VerifyFailed("boom".into()));
    assert!(conclusion.error.is_none());
    assert!(conclusion.events.iter().any(|e| e.reason == "WeightVerifyError"));
    assert_eq!(sim.release.status.current_step_index, Some(1));
}

#[test]
fn a_failing_canary_is_rolled_back() {
    let mut with_analysis = rollout("v2", &steps());
    with_analysis["spec"]["strategy"]["canary"]["analysis"] = json!({"startingStep": 1});
    let mut sim = Sim::deployed(&steps());
    sim.release.apply(with_analysis).unwrap();
    sim.settle();
    sim.observed.canary = Counts {
        requests: 100,
        errors: 30,
        latency: Duration::ZERO,
    };
    sim.now += Duration::from_secs(10);
    let conclusion = sim.reconcile();
    let events: Vec<&str> = conclusion.events.iter().map(|e| e.reason.as_str()).collect();
    assert_eq!(events, ["AnalysisRunFailed", "RolloutAborted"]);
    assert_eq!(
        sim.release.status.message,
        "RolloutAborted: success rate 70.0 % (70 of 100 requests) is below 95.0 %"
    );
}

/// The old stable version goes 30 s after the promotion, an aborted canary 30 s after the abort.
#[test]
fn pods_go_when_their_time_has_come() {
    let mut sim = Sim::updated(&json!([{"setWeight": 50}]));
    sim.settle_and_wait(29);
    sim.settle();
    let desired = |sim: &Sim| sim.release.sets.iter().map(|set| set.desired).collect::<Vec<_>>();
    assert_eq!(desired(&sim), [5, 5]);
    sim.now += Duration::from_secs(1);
    sim.settle();
    assert_eq!(desired(&sim), [0, 5]);

    sim.release
        .apply(rollout("v3", &json!([{"setWeight": 50}, {"pause": {}}])))
        .unwrap();
    sim.settle();
    sim.release.abort();
    sim.settle_and_wait(30);
    assert_eq!(desired(&sim), [0, 5, 3]);
    sim.settle();
    assert_eq!(desired(&sim), [0, 5, 0]);
}

#[test]
fn shares_follow_weights_and_selectors() {
    let mut sim = Sim::updated(&steps());
    sim.settle();
    let (v1, v2) = (
        sim.release.status.stable_rs.clone(),
        sim.release.status.current_pod_hash.clone(),
    );
    let shares = sim.release.shares(20, &sim.observed.selectors);
    assert_eq!(shares, BTreeMap::from([(v1, 0.8), (v2.clone(), 0.2)]));
    sim.observed.selectors.insert("stable".into(), Some(v2.clone()));
    assert_eq!(
        sim.release.shares(20, &sim.observed.selectors),
        BTreeMap::from([(v2, 1.0)])
    );
}

#[test]
fn many_pods_and_fine_weights() {
    let mut many = rollout("v1", &json!([{"setWeight": 9_000_000}, {"pause": {}}]));
    many["spec"]["replicas"] = 1000.into();
    many["spec"]["strategy"]["canary"]["trafficRouting"]["maxTrafficWeight"] = 10_000_000.into();
    let mut sim = Sim::deployed(&json!([]));
    sim.release.apply(many).unwrap();
    sim.settle();
    are_desired(&sim, &[1000]);
    let mut changed = sim.release.object.clone();
    changed["spec"]["template"]["image"] = "v2".into();
    sim.release.apply(changed).unwrap();
    sim.settle();
    are_desired(&sim, &[1000, 900]);
}

fn are_desired(sim: &Sim, want: &[i32]) {
    let desired: Vec<i32> = sim.release.sets.iter().map(|set| set.desired).collect();
    assert_eq!(desired, want);
}

#[test]
fn few_pods_are_made_more() {
    let with_least = |image: &str| {
        let mut rollout = rollout(image, &json!([{"setWeight": 20}, {"pause": {}}]));
        rollout["spec"]["strategy"]["canary"]["minPodsPerReplicaSet"] = 3.into();
        rollout
    };
    let mut sim = Sim::deployed(&json!([]));
    sim.release.apply(with_least("v2")).unwrap();
    sim.settle();
    are_desired(&sim, &[5, 3]);
    sim.release.abort();
    sim.settle_and_wait(30);
    sim.settle();
    are_desired(&sim, &[5, 0]);
}

/// Before any traffic there is nothing to count, and the stand-in would wait for ever.
#[test]
fn an_analysis_before_any_traffic_passes() {
    let mut sim = Sim::updated(&json!([
        {"setCanaryScale": {"replicas": 1}}, {"analysis": {}}, {"setWeight": 20}, {"analysis": {}},
    ]));
    sim.settle();
    assert_eq!(sim.release.status.current_step_index, Some(3));
    sim.settle_and_wait(10);
    sim.settle();
    assert_eq!(
        sim.release.status.current_step_index,
        Some(3),
        "with traffic it waits for requests"
    );
}

#[test]
fn without_a_delay_an_aborted_canary_goes_at_once_or_keeps_its_scale() {
    for (first, want) in [
        (json!({"setWeight": 50}), 0),
        (json!({"setCanaryScale": {"replicas": 2}}), 2),
    ] {
        let steps = json!([first, {"setWeight": 60}, {"pause": {}}]);
        let mut second = rollout("v2", &steps);
        second["spec"]["strategy"]["canary"]["abortScaleDownDelaySeconds"] = 0.into();
        let mut sim = Sim::deployed(&steps);
        sim.release.apply(second).unwrap();
        sim.settle();
        sim.release.abort();
        sim.settle();
        are_desired(&sim, &[5, want]);
    }
}
