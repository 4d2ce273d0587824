//! What the gateway writes into `status.parents` of a route. Pure.

use serde_json::{Value, json};

use super::CONTROLLER_NAME;
use super::attach::Attachment;
use super::table::Verdict;

/// The parents of `status` as they should be: our entry for each parentRef that is a Gateway of ours, and other
/// controllers' as they are. A condition that says what it said before keeps its `lastTransitionTime`.
pub fn parents(route: &Value, attached: &[(Value, Attachment)], verdict: &Verdict, now: &str) -> Vec<Value> {
    let old = route
        .pointer("/status/parents")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut parents: Vec<Value> = old
        .iter()
        .filter(|p| p["controllerName"] != CONTROLLER_NAME)
        .cloned()
        .collect();
    for (parent, attachment) in attached {
        let accepted = attachment.clone().and_then(|_| verdict.accepted.clone());
        let before = old
            .iter()
            .find(|p| p["controllerName"] == CONTROLLER_NAME && p["parentRef"] == *parent);
        let condition = |kind: &str, holds: &Result<(), (&'static str, String)>, good: &str| {
            let (status, reason, message) = match holds {
                Ok(()) => ("True", good, ""),
                Err((reason, message)) => ("False", *reason, message.as_str()),
            };
            let same = before
                .and_then(|p| p["conditions"].as_array())
                .and_then(|all| all.iter().find(|c| c["type"] == kind && c["status"] == status));
            let since = same.and_then(|c| c["lastTransitionTime"].as_str()).unwrap_or(now);
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "observedGeneration": verdict.generation, "lastTransitionTime": since,
            })
        };
        parents.push(json!({
            "parentRef": parent,
            "controllerName": CONTROLLER_NAME,
            "conditions": [
                condition("Accepted", &accepted, "Accepted"),
                condition("ResolvedRefs", &verdict.resolved_refs, "ResolvedRefs"),
            ],
        }));
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_controllers_stay_and_times_move_only_with_the_status() {
        let other =
            json!({"controllerName": "example.com/other", "parentRef": {"name": "gw"}, "conditions": []});
        let gw = (json!({"name": "gw"}), Ok(Vec::new()));
        let mut verdict = Verdict {
            namespace: "shop".into(),
            name: "web".into(),
            generation: 1,
            accepted: Ok(()),
            resolved_refs: Ok(()),
        };
        let mut route = json!({"status": {"parents": [other]}});
        let first = parents(&route, std::slice::from_ref(&gw), &verdict, "T1");
        assert_eq!((first.len(), &first[0]), (2, &other));

        route["status"]["parents"] = first.into();
        verdict.generation = 2;
        verdict.resolved_refs = Err(("BackendNotFound", "no Service shop/web-canary".into()));
        let second = parents(&route, &[gw], &verdict, "T2");
        let seen: Vec<String> = second[1]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                format!(
                    "{} {} {} {} {}",
                    c["type"], c["status"], c["reason"], c["observedGeneration"], c["lastTransitionTime"]
                )
            })
            .collect();
        let want = [
            r#""Accepted" "True" "Accepted" 2 "T1""#,
            r#""ResolvedRefs" "False" "BackendNotFound" 2 "T2""#,
        ];
        assert_eq!(seen, want);
    }

    #[test]
    fn each_parent_says_whether_it_takes_the_route() {
        let verdict = Verdict {
            namespace: "shop".into(),
            name: "web".into(),
            generation: 1,
            accepted: Ok(()),
            resolved_refs: Ok(()),
        };
        let attached = [
            (json!({"name": "near"}), Ok(Vec::new())),
            (
                json!({"name": "far"}),
                Err(("NotAllowedByListeners", "not from here".to_owned())),
            ),
        ];
        let parents = parents(&json!({}), &attached, &verdict, "T1");
        let reasons: Vec<&str> = parents
            .iter()
            .filter_map(|parent| parent["conditions"][0]["reason"].as_str())
            .collect();
        assert_eq!(reasons, ["Accepted", "NotAllowedByListeners"]);
        assert_eq!(parents[1]["conditions"][0]["message"], "not from here");
    }
}
