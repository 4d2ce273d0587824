//! Looks at every version of a route, as a watch tells them.

use std::cell::Cell;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{Stream, TryStreamExt};
use kube::Api;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::app::App;
use crate::console;
use crate::stage::Stage;

/// The annotation in which the user counts.
pub(super) const COUNTER: &str = "example.com/count";
/// Weights of the canary that a release sets, in percent.
const WEIGHTS: [u64; 4] = [0, 20, 60, 100];

type Events = Pin<Box<dyn Stream<Item = watcher::Result<Event<DynamicObject>>>>>;

/// The user's hostnames: that of the application, and the count.
pub(super) fn hostnames(host: &str, count: usize) -> [String; 2] {
    [host.to_owned(), format!("n{count}.test")]
}

/// What is known of a route.
pub(super) struct Vigil {
    original: Value,
    events: Events,
    /// The user's counts in annotation and hostnames.
    counts: [u64; 2],
    seen: usize,
}

impl Vigil {
    /// Takes the route as it is for what its user wants.
    pub(super) async fn begin(stage: &Stage, shop: &App) -> Result<Self> {
        let original = shop.route().await?;
        let resource = ApiResource {
            group: "gateway.networking.k8s.io".into(),
            version: "v1".into(),
            api_version: "gateway.networking.k8s.io/v1".into(),
            kind: "HTTPRoute".into(),
            plural: "httproutes".into(),
        };
        let routes: Api<DynamicObject> =
            Api::namespaced_with(stage.cluster().client().clone(), &stage.namespace, &resource);
        let name = original["metadata"]["name"].as_str().context("no name")?;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        Ok(Self {
            original,
            events: Box::pin(watcher(routes, config)),
            counts: [0, 0],
            seen: 0,
        })
    }

    /// Looks until all is over. Answers how many versions there were.
    pub(super) async fn keep(&mut self, over: &Cell<bool>) -> Result<usize> {
        let mut errors = 0;
        while !over.get() {
            match timeout(Duration::from_millis(500), self.events.try_next()).await {
                Ok(Ok(Some(Event::Apply(route) | Event::InitApply(route)))) => {
                    errors = 0;
                    let route = serde_json::to_value(&route)?;
                    self.look(&route).with_context(|| route.to_string())?;
                }
                Ok(Ok(Some(Event::Delete(_)) | None)) => bail!("the route is gone"),
                // It lists anew by itself; what was missed shows in the counts.
                Ok(Err(error)) if errors < 10 => {
                    errors += 1;
                    console::say("vigil", &error.to_string());
                }
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(Some(Event::Init | Event::InitDone))) | Err(_) => {}
            }
        }
        Ok(self.seen)
    }

    fn look(&mut self, route: &Value) -> Result<()> {
        let counts = counts(route);
        ensure!(
            counts.iter().zip(self.counts).all(|(now, before)| *now >= before),
            "the user had counted to {:?}, and this is lost",
            self.counts
        );
        (self.counts, self.seen) = (counts, self.seen + 1);
        check(&self.original, route)
    }

    /// Whether a route is what its user wants, and nothing else.
    pub(super) fn is_restored(&self, route: &Value, written: usize) -> Result<()> {
        ensure!(
            counts(route)[0] == written as u64,
            "the user's last update is lost: {route}"
        );
        let spec = |route: &Value| {
            let mut spec = route["spec"].clone();
            spec["hostnames"] = Value::Null;
            spec
        };
        ensure!(
            spec(route) == spec(&self.original),
            "{} is not {}",
            route["spec"],
            self.original["spec"]
        );
        let metadata = &route["metadata"];
        ensure!(
            metadata["labels"].is_null()
                && metadata["annotations"]
                    .as_object()
                    .map_or(0, serde_json::Map::len)
                    == 1,
            "something was left: {metadata}"
        );
        Ok(())
    }
}

fn counts(route: &Value) -> [u64; 2] {
    let annotation = route["metadata"]["annotations"][COUNTER].as_str();
    let hostname = route["spec"]["hostnames"][1].as_str();
    let hostname = hostname.and_then(|name| name.strip_prefix('n')?.strip_suffix(".test"));
    [annotation, hostname].map(|count| count.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// Whether a version of a route can be right in some moment of a release.
fn check(original: &Value, route: &Value) -> Result<()> {
    let name = original["metadata"]["name"].as_str().unwrap_or_default();
    let canary = format!("{name}-canary");
    let stable = format!("{name}-stable");
    let rules = |route: &Value| route["spec"]["rules"].as_array().cloned().unwrap_or_default();
    let (theirs, all) = (rules(original), rules(route));
    ensure!(all.len() >= theirs.len(), "a rule of the user's is gone");
    let (managed, users) = all.split_at(all.len() - theirs.len());
    for (rule, original) in users.iter().zip(&theirs) {
        ensure!(
            without_weights(rule) == without_weights(original),
            "a rule of the user's is changed: {rule}, it was {original}"
        );
        let weight = |service: &str| {
            let backends = rule["backendRefs"].as_array().into_iter().flatten();
            let mut ours = backends.filter(|backend| backend["name"] == service);
            ours.next().map(|backend| backend["weight"].as_u64().unwrap_or(1))
        };
        if let (Some(stable), Some(canary)) = (weight(&stable), weight(&canary)) {
            let sum = stable + canary;
            ensure!(
                WEIGHTS
                    .iter()
                    .any(|percent| sum > 0 && canary * 100 == percent * sum),
                "weights {stable}:{canary} are none of the release's"
            );
        }
    }
    for rule in managed {
        let backends = rule["backendRefs"]
            .as_array()
            .context("a managed rule without backends")?;
        ensure!(
            backends.len() == 1 && backends[0]["name"] == canary.as_str(),
            "a managed rule sends elsewhere: {rule}"
        );
        let matches = rule["matches"]
            .as_array()
            .context("a managed rule takes everything")?;
        ensure!(
            matches.iter().all(|one| one["headers"][0]["value"] == "always"),
            "a managed rule takes more than its header: {rule}"
        );
    }
    ensure!(
        matches!(managed.len(), 0 | 2),
        "{} managed rules for two of the user's",
        managed.len()
    );
    let record = &route["metadata"]["annotations"]["serinus.dev/routing"];
    ensure!(
        record
            .as_str()
            .map_or(managed.is_empty(), |text| serde_json::from_str::<Value>(text)
                .is_ok()),
        "the record of what was added is {record}"
    );
    for parent in route["status"]["parents"].as_array().into_iter().flatten() {
        for condition in parent["conditions"].as_array().into_iter().flatten() {
            ensure!(
                condition["status"] != "False",
                "the gateway refuses it: {condition}"
            );
        }
    }
    Ok(())
}

fn without_weights(rule: &Value) -> Value {
    let mut rule = rule.clone();
    for backend in rule["backendRefs"].as_array_mut().into_iter().flatten() {
        backend["weight"] = json!(0);
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Value {
        let backends = json!([{"name": "a-stable", "weight": 4}, {"name": "a-canary", "weight": 1}]);
        json!({"metadata": {"name": "a"}, "spec": {"hostnames": ["a.test", "n7.test"], "rules": [
            {"timeouts": {"request": "7s"}, "backendRefs": backends}]}})
    }

    #[track_caller]
    fn wrong(change: impl FnOnce(&mut Value), expected: &str) {
        let mut changed = route();
        change(&mut changed);
        let error = check(&route(), &changed).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn what_a_release_does_is_right_and_nothing_else() {
        check(&route(), &route()).unwrap();
        wrong(
            |route| drop(route["spec"]["rules"][0]["timeouts"].take()),
            "a rule of the user's is changed",
        );
        wrong(
            |route| route["spec"]["rules"] = json!([]),
            "a rule of the user's is gone",
        );
        wrong(
            |route| route["spec"]["rules"][0]["backendRefs"][1]["weight"] = json!(3),
            "weights 4:3 are none of the release's",
        );
        wrong(
            |route| {
                let rules = route["spec"]["rules"].as_array_mut().unwrap();
                rules.insert(0, json!({"backendRefs": [{"name": "a-canary"}]}));
            },
            "a managed rule takes everything",
        );
        wrong(
            |route| {
                let refused = json!({"type": "Accepted", "status": "False"});
                route["status"]["parents"] = json!([{"conditions": [refused]}]);
            },
            "the gateway refuses it",
        );
    }

    #[test]
    fn the_users_counts_are_read() {
        let mut route = route();
        route["metadata"]["annotations"] = json!({COUNTER: "12"});
        assert_eq!(counts(&route), [12, 7]);
    }
}
