//! Whether the gateways serve the weights that were set: [`judge`].
//!
//! Three levels, each only asked when the one before holds:
//! - **L0** the route carries the weights;
//! - **L1** every parent of the route reports, for the generation we wrote or a later one, that it accepted the route
//!   and resolved its references;
//! - **L2** a settle time has passed since our write, for controllers that report before their data plane follows.

use std::time::Duration;

use jiff::Timestamp;
use rollouts_plugin::types::{Action, Rollout};
use serde_json::Value;

use crate::apply::FIELD_MANAGER;
use crate::config::RouteTarget;
use crate::intent::{Intent, is_fully_promoted};
use crate::plan::{Change, plan_route};
use crate::{GROUP, RouteKey};

/// What is known about a route's weights on the gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are served.
    Verified,
    /// They are served as far as the gateway's reports go, which is not far.
    Unconfirmed(String),
    /// They are not served yet, and why.
    Pending(String),
}

/// When a controller can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// For controllers that are not known to be slower.
    pub default: Duration,
}

impl Default for Settle {
    /// 1 s: Envoy-based gateways and Traefik follow within that time.
    fn default() -> Self {
        Self {
            default: Duration::from_secs(1),
        }
    }
}

/// Controllers whose data plane follows their reports slowly, by `controllerName`.
const SLOW: [(&str, Duration); 1] = [
    // Weights were seen to take about 8 s on Google's load balancers (argo-rollouts #4710).
    ("networking.gke.io/gateway", Duration::from_secs(10)),
];

impl Settle {
    fn of(&self, controller: &str) -> Duration {
        let slow = SLOW
            .iter()
            .find(|(name, _)| *name == controller)
            .map(|(_, time)| *time);
        slow.unwrap_or_default().max(self.default)
    }
}

/// Whether the controller makes anything of a verdict now: at `setWeight` steps and at the end of the steps (Go:
/// `utils/rollout/rolloututil.go` `ShouldVerifyWeight`).
pub fn is_asked(rollout: &Rollout, desired_weight: i32) -> bool {
    if rollout.status.stable_rs.is_empty() || is_fully_promoted(rollout) {
        return false;
    }
    let step = rollout
        .current_step_index()
        .and_then(|index| rollout.steps().get(index));
    match step {
        Some(step) => matches!(step.action(), Action::SetWeight(_)),
        None => desired_weight == rollout.max_traffic_weight(),
    }
}

/// Whether it is the failure of `SetWeight` alone that keeps users from a version with too few pods, so that it has to
/// wait for gateways:
/// - a Rollout without steps: "not verified" at full weight makes the controller dereference the missing
///   `status.currentStepIndex` (Go: `rollout/trafficrouting.go`);
/// - `dynamicStableScale` while the weight rises: the stable version shrinks to what the weight leaves it as soon as it
///   is set, verified or not (Go: `utils/replicaset/canary.go` `CalculateReplicaCountsForTrafficRoutedCanary`).
///
/// A falling weight is never held up: the reconcile would not bring up the stable version's pods either.
pub fn only_failure_protects(rollout: &Rollout, desired_weight: i32) -> bool {
    if rollout.steps().is_empty() && is_asked(rollout, desired_weight) {
        return true;
    }
    let status = &rollout.status;
    let is_dynamic = rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale);
    let recorded = status.canary.weights.as_ref().map(|weights| &weights.canary);
    let recorded = recorded.filter(|canary| canary.pod_template_hash == status.current_pod_hash);
    is_dynamic
        && !status.abort
        && !status.stable_rs.is_empty()
        && !is_fully_promoted(rollout)
        && desired_weight > recorded.map_or(0, |canary| canary.weight)
}

/// Judges a route as the API server has it.
///
/// `written` is the generation of our own write, where it is known; otherwise the route's present one must be observed.
pub fn judge(
    target: &RouteTarget,
    route: &Value,
    intent: &Intent,
    written: Option<i64>,
    settle: &Settle,
    now: Timestamp,
) -> Verdict {
    match plan_route(target, route, intent, None) {
        Err(error) => return Verdict::Pending(error.to_string()),
        Ok(plan) => {
            let drift = plan.changes.iter().find(|change| {
                matches!(
                    change,
                    Change::Weights { .. } | Change::Experiments | Change::Affinity { .. }
                )
            });
            if let Some(drift) = drift {
                return Verdict::Pending(format!(
                    "{}: the weights are not those that were set ({drift})",
                    target.key
                ));
            }
        }
    }
    let generation = written
        .or_else(|| route.pointer("/metadata/generation")?.as_i64())
        .unwrap_or(0);
    let mut unconfirmed = None;
    let mut settled = Duration::ZERO;
    for parent_ref in list(route, "/spec/parentRefs") {
        let parent = Parent::of(parent_ref, &target.key);
        let mut reports = list(route, "/status/parents")
            .iter()
            .filter(|report| {
                report
                    .get("parentRef")
                    .is_some_and(|known| Parent::of(known, &target.key) == parent)
            })
            .peekable();
        if reports.peek().is_none() {
            return Verdict::Pending(format!("{}: {parent} has not reported on the route", target.key));
        }
        for report in reports {
            let controller = report["controllerName"].as_str().unwrap_or_default();
            match judge_report(report, generation) {
                Report::Good => {}
                Report::Unversioned => {
                    unconfirmed = Some(format!(
                        "{}: {parent} accepted the route, but {controller:?} does not say which generation it observed",
                        target.key
                    ));
                }
                Report::Bad(reason) => return Verdict::Pending(format!("{}: {parent} {reason}", target.key)),
            }
            settled = settled.max(settle.of(controller));
        }
    }
    let since = since_our_write(route, now);
    if since.is_some_and(|since| since < settled) {
        return Verdict::Pending(format!(
            "{}: the gateway accepted the route, its data plane is given {} s to follow",
            target.key,
            settled.as_secs_f32()
        ));
    }
    match unconfirmed {
        Some(reason) => Verdict::Unconfirmed(reason),
        None => Verdict::Verified,
    }
}

enum Report {
    Good,
    /// Good, of an unknown generation.
    Unversioned,
    Bad(String),
}

fn judge_report(report: &Value, generation: i64) -> Report {
    let conditions = report["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let find = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
    let mut unversioned = false;
    for (kind, wanted) in [("Accepted", "True"), ("ResolvedRefs", "True")] {
        let Some(condition) = find(kind) else {
            return Report::Bad(format!("has not reported the condition {kind}"));
        };
        match condition["observedGeneration"]
            .as_i64()
            .filter(|observed| *observed > 0)
        {
            Some(observed) if observed < generation => {
                return Report::Bad(format!(
                    "has seen generation {observed} of the route, {generation} carries the weights"
                ));
            }
            Some(_) => {}
            None => unversioned = true,
        }
        if condition["status"] != wanted {
            return Report::Bad(quote(condition));
        }
    }
    for condition in conditions {
        let bad = match condition["type"].as_str().unwrap_or_default() {
            "PartiallyInvalid" => condition["status"] == "True",
            "Programmed" | "Ready" | "Reconciled" => condition["status"] == "False",
            _ => false,
        };
        if bad {
            return Report::Bad(quote(condition));
        }
    }
    match unversioned {
        true => Report::Unversioned,
        false => Report::Good,
    }
}

/// The gateway's own words.
fn quote(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or("?").to_owned();
    let message: String = text("message").chars().take(300).collect();
    format!(
        "reports {}={} ({}): {message}",
        text("type"),
        text("status"),
        text("reason")
    )
}

/// A parent of a route, with the defaults of Gateway API's `ParentReference` filled in.
#[derive(PartialEq)]
struct Parent<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    section: &'a str,
    port: Option<u64>,
}

impl<'a> Parent<'a> {
    fn of(reference: &'a Value, route: &'a RouteKey) -> Self {
        let text = |field: &str| reference.get(field).and_then(Value::as_str);
        Self {
            group: text("group").unwrap_or(GROUP),
            kind: text("kind").unwrap_or("Gateway"),
            namespace: text("namespace").unwrap_or(&route.namespace),
            name: text("name").unwrap_or_default(),
            section: text("sectionName").unwrap_or_default(),
            port: reference.get("port").and_then(Value::as_u64),
        }
    }
}

impl std::fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)?;
        match self.section {
            "" => Ok(()),
            section => write!(f, " listener {section}"),
        }
    }
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// How long ago we wrote, as the API server recorded it; that survives our restarts.
fn since_our_write(route: &Value, now: Timestamp) -> Option<Duration> {
    let ours = list(route, "/metadata/managedFields")
        .iter()
        .filter(|entry| entry["manager"] == FIELD_MANAGER);
    let last = ours
        .filter_map(|entry| entry["time"].as_str()?.parse::<Timestamp>().ok())
        .max()?;
    Some(Duration::try_from(now.duration_since(last)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::RouteKind;
    use crate::intent::Call;

    fn route() -> Value {
        let report = json!({"parentRef": {"group": GROUP, "kind": "Gateway", "name": "gw"}, "controllerName": "example.com/gw",
            "conditions": [
                {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 3},
                {"type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", "observedGeneration": 3}]});
        json!({"metadata": {"generation": 3, "managedFields": [
                {"manager": FIELD_MANAGER, "time": "2026-01-01T00:00:00Z"}, {"manager": "gw", "time": "2026-01-01T00:00:09Z"}]},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [
                {"name": "stable", "weight": 80}, {"name": "canary", "weight": 20}]}]},
            "status": {"parents": [report]}})
    }

    fn verdict_after(route: &Value, written: Option<i64>, seconds: i64) -> Verdict {
        let rollout = serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"strategy": {"canary": {"stableService": "stable", "canaryService": "canary"}}}}))
        .unwrap();
        let config = crate::config::Config::parse("plugin", br#"{"httpRoute": "web"}"#, "shop").unwrap();
        let intent = Intent::derive(&rollout, &config, Call::SetWeight(20, &[]), false).unwrap();
        let key = RouteKey {
            kind: RouteKind::Http,
            namespace: "shop".into(),
            name: "web".into(),
        };
        let target = RouteTarget::new(key, true);
        let now =
            "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds);
        judge(&target, route, &intent, written, &Settle::default(), now)
    }

    fn verdict(route: &Value) -> Verdict {
        verdict_after(route, None, 60)
    }

    #[track_caller]
    fn pending(route: &Value, expected: &str) {
        match verdict(route) {
            Verdict::Pending(reason) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    fn condition(route: &mut Value, at: usize) -> &mut Value {
        &mut route["status"]["parents"][0]["conditions"][at]
    }

    #[test]
    fn a_gateway_that_accepted_our_generation_is_believed() {
        assert_eq!(verdict(&route()), Verdict::Verified);
    }

    #[test]
    fn weights_that_are_not_there_are_not_verified() {
        let mut drifted = route();
        drifted["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(100);
        pending(
            &drifted,
            "HTTPRoute shop/web: the weights are not those that were set (spec.rules[0]: stable 100 to 80",
        );
    }

    #[test]
    fn an_older_generation_is_not_ours() {
        let mut old = route();
        old["metadata"]["generation"] = json!(4);
        pending(
            &old,
            "Gateway shop/gw has seen generation 3 of the route, 4 carries the weights",
        );
        assert_eq!(
            verdict_after(&old, Some(3), 60),
            Verdict::Verified,
            "a later change of another field does not matter"
        );
    }

    #[test]
    fn the_gateways_words_are_quoted() {
        let mut refused = route();
        let accepted = condition(&mut refused, 0);
        accepted["status"] = json!("False");
        accepted["reason"] = json!("UnsupportedValue");
        accepted["message"] = json!("no such thing");
        pending(
            &refused,
            "Gateway shop/gw reports Accepted=False (UnsupportedValue): no such thing",
        );
        let mut unresolved = route();
        condition(&mut unresolved, 1)["status"] = json!("False");
        pending(&unresolved, "reports ResolvedRefs=False");
        for (kind, status) in [
            ("PartiallyInvalid", "True"),
            ("Programmed", "False"),
            ("Ready", "False"),
        ] {
            let mut bad = route();
            let conditions = bad["status"]["parents"][0]["conditions"].as_array_mut().unwrap();
            conditions.push(json!({"type": kind, "status": status, "reason": "R", "message": "m"}));
            pending(&bad, &format!("reports {kind}={status} (R): m"));
        }
    }

    #[test]
    fn every_parent_and_every_controller_counts() {
        let mut two = route();
        two["spec"]["parentRefs"] =
            json!([{"name": "gw"}, {"name": "other", "namespace": "edge", "sectionName": "https"}]);
        pending(
            &two,
            "Gateway edge/other listener https has not reported on the route",
        );
        let mut second = route();
        let mut report = second["status"]["parents"][0].clone();
        report["conditions"][0]["status"] = json!("False");
        second["status"]["parents"].as_array_mut().unwrap().push(report);
        pending(&second, "Accepted=False");
        let mut missing = route();
        missing["status"]["parents"][0]["conditions"]
            .as_array_mut()
            .unwrap()
            .pop();
        pending(&missing, "has not reported the condition ResolvedRefs");
        let mut none = route();
        none.as_object_mut().unwrap().remove("status");
        pending(&none, "Gateway shop/gw has not reported on the route");
    }

    #[test]
    fn a_mesh_parent_is_a_service() {
        let mut mesh = route();
        let parent = json!({"group": "", "kind": "Service", "name": "web"});
        mesh["spec"]["parentRefs"] = json!([parent]);
        pending(&mesh, "Service shop/web has not reported");
        mesh["status"]["parents"][0]["parentRef"] = parent;
        assert_eq!(verdict(&mesh), Verdict::Verified);
    }

    #[test]
    fn the_data_plane_gets_time_to_follow() {
        assert!(
            matches!(verdict_after(&route(), None, 0), Verdict::Pending(reason) if reason.contains("given 1 s"))
        );
        assert_eq!(verdict_after(&route(), None, 1), Verdict::Verified);
        let mut gke = route();
        gke["status"]["parents"][0]["controllerName"] = json!("networking.gke.io/gateway");
        assert!(
            matches!(verdict_after(&gke, None, 9), Verdict::Pending(reason) if reason.contains("given 10 s"))
        );
        assert_eq!(verdict_after(&gke, None, 10), Verdict::Verified);
    }

    /// linkerd2 #14964, APISIX before its #2768.
    #[test]
    fn a_gateway_that_tells_no_generation_does_not_stall_the_release() {
        for observed in [Value::Null, json!(0)] {
            let mut silent = route();
            for at in 0..2 {
                condition(&mut silent, at)["observedGeneration"] = observed.clone();
            }
            assert!(matches!(verdict(&silent), Verdict::Unconfirmed(_)));
        }
    }

    #[test]
    fn the_question_is_only_asked_where_the_answer_counts() {
        let asked = |status: Value, weight: i32| {
            let rollout: Rollout = serde_json::from_value(json!({"spec": {"strategy": {"canary": {"steps": [
                {"setWeight": 0}, {"pause": {}}, {"setWeight": 100}]}}}, "status": status}))
            .unwrap();
            is_asked(&rollout, weight)
        };
        let at = |index: i32| json!({"stableRS": "a", "currentPodHash": "b", "currentStepIndex": index});
        assert!(
            asked(at(0), 0)
                && !asked(at(1), 0)
                && asked(at(2), 100)
                && asked(at(3), 100)
                && !asked(at(3), 99)
        );
        assert!(!asked(json!({"currentPodHash": "b"}), 100), "first deployment");
        assert!(
            !asked(
                json!({"stableRS": "b", "currentPodHash": "b", "currentStepIndex": 3}),
                0
            ),
            "promoted"
        );
    }

    #[test]
    fn only_where_nothing_else_protects_users_set_weight_waits() {
        let protects = |steps: Value, dynamic: bool, status: Value, weight: i32| {
            let rollout: Rollout = serde_json::from_value(json!({"spec": {"strategy": {"canary": {
                "dynamicStableScale": dynamic, "steps": steps}}}, "status": status}))
            .unwrap();
            only_failure_protects(&rollout, weight)
        };
        let status = |recorded: i32, hash: &str| {
            json!({"stableRS": "a", "currentPodHash": "b",
                "canary": {"weights": {"canary": {"weight": recorded, "podTemplateHash": hash}}}})
        };
        let steps = json!([{"setWeight": 20}, {"setWeight": 50}]);
        let cases = [
            (
                json!([]),
                false,
                status(0, "b"),
                100,
                true,
                "no steps, full weight",
            ),
            (json!([]), false, status(0, "b"), 0, false, "no steps, no weight"),
            (
                steps.clone(),
                false,
                status(20, "b"),
                50,
                false,
                "the step waits by itself",
            ),
            (
                steps.clone(),
                true,
                status(20, "b"),
                50,
                true,
                "the stable version is about to shrink",
            ),
            (steps.clone(), true, status(50, "b"), 50, false, "it has shrunk"),
            (steps.clone(), true, status(50, "b"), 20, false, "it grows"),
            (
                steps.clone(),
                true,
                status(50, "a"),
                20,
                true,
                "what was recorded is another release's",
            ),
            (
                steps.clone(),
                true,
                json!({"stableRS": "a", "currentPodHash": "b", "abort": true}),
                50,
                false,
                "an abort",
            ),
            (
                steps.clone(),
                true,
                json!({"currentPodHash": "b"}),
                50,
                false,
                "the first deployment",
            ),
            (
                steps,
                true,
                json!({"stableRS": "b", "currentPodHash": "b"}),
                50,
                false,
                "promoted",
            ),
        ];
        for (steps, dynamic, status, weight, expected, why) in cases {
            assert_eq!(protects(steps, dynamic, status, weight), expected, "{why}");
        }
    }
}
