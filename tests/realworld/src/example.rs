//! The example of `manifests/gateway-api/example`, as users get it, adapted to a scene.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cluster::read;
use crate::plan;

/// The name under which `manifests/` registers the traffic router.
pub const ROUTER: &str = "argoproj-labs/gatewayAPI";

/// The versions that scenes release: tags of the example's image.
pub const OLD: &str = "v1";
/// The newer one.
pub const NEW: &str = "v2";

/// The objects of the example. The fields are the objects themselves: a scene changes what it wants to.
#[derive(Debug, Clone)]
pub struct Example {
    /// The Rollout `shop`: two pods; 20 %, 60 %, 100 %, with a pause after each.
    pub rollout: Value,
    /// The HTTPRoute `shop`.
    pub route: Value,
    /// The services `shop-stable` and `shop-canary`.
    pub services: Vec<Value>,
}

impl Example {
    /// Reads the example; its image has the tag [`OLD`].
    ///
    /// # Errors
    /// When the manifests are not what this module expects.
    pub fn read() -> Result<Self> {
        let folder = plan::repository().join("manifests/gateway-api/example");
        let mut rollout = read(&folder.join("rollout.yaml"), "", "")?
            .pop()
            .context("no Rollout")?;
        let route = read(&folder.join("httproute.yaml"), "", "")?
            .pop()
            .context("no HTTPRoute")?;
        let services = read(&folder.join("services.yaml"), "", "")?;
        rollout["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("shop:{OLD}"));
        Ok(Self {
            rollout,
            route,
            services,
        })
    }

    /// The name of its Rollout and of its route; `shop` unless it was renamed.
    #[must_use]
    pub fn name(&self) -> String {
        self.rollout["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Gives everything another name, so that several stand in one namespace.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let old = self.name();
        let rename = |object: &Value| replace_words(object, &old, name);
        Self {
            rollout: rename(&self.rollout),
            route: rename(&self.route),
            services: self.services.iter().map(rename).collect(),
        }
    }

    /// Moves the router's configuration under another registered name.
    #[must_use]
    pub fn router(mut self, name: &str) -> Self {
        let plugins = &mut self.rollout["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"];
        *plugins = json!({name: plugins[ROUTER]});
        self
    }

    /// Gives the Rollout other steps.
    #[must_use]
    pub fn steps(mut self, steps: Value) -> Self {
        self.rollout["spec"]["strategy"]["canary"]["steps"] = steps;
        self
    }

    /// `spec.strategy.canary` of the Rollout.
    #[must_use]
    pub fn canary(&mut self) -> &mut Value {
        &mut self.rollout["spec"]["strategy"]["canary"]
    }

    /// Declares managed routes, in their order.
    #[must_use]
    pub fn managed_routes(mut self, names: &[&str]) -> Self {
        let names: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        self.canary()["trafficRouting"]["managedRoutes"] = json!(names);
        self
    }

    /// Attaches the route to a Service of the Rollout's name, which clients call, rather than to a Gateway.
    #[must_use]
    pub fn in_a_mesh(mut self) -> Self {
        let name = self.name();
        let mut service = self.services[0].clone();
        service["metadata"]["name"] = json!(name);
        let port = service["spec"]["ports"][0]["port"].clone();
        self.services.push(service);
        let parent = json!({"group": "", "kind": "Service", "name": name, "port": port});
        self.route["spec"]["parentRefs"] = json!([parent]);
        // A mesh knows the Service by its own names.
        self.route["spec"]
            .as_object_mut()
            .map(|spec| spec.remove("hostnames"));
        self
    }

    /// All objects.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = self.services.clone();
        objects.extend([self.route.clone(), self.rollout.clone()]);
        objects
    }
}

/// The value with `old` and `old-…` replaced by `new` and `new-…` in every text.
fn replace_words(value: &Value, old: &str, new: &str) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix(old) {
            Some(rest) if rest.is_empty() || rest.starts_with('-') => json!(format!("{new}{rest}")),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| replace_words(item, old, new)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), replace_words(field, old, new)))
            .collect(),
        _ => value.clone(),
    }
}

/// Merges a patch into an object, as RFC 7396 says.
pub fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        object.clone_from(patch);
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, field) in fields {
        if field.is_null() {
            object.as_object_mut().map(|object| object.remove(name));
        } else {
            merge(&mut object[name.as_str()], field);
        }
    }
}

/// The weights of a route's backends by service, summed over its rules. A backend without a weight has 1, as in the
/// Gateway API (`HTTPBackendRef.weight`).
#[must_use]
pub fn weights(route: &Value) -> std::collections::BTreeMap<String, u64> {
    let mut weights = std::collections::BTreeMap::new();
    for rule in route["spec"]["rules"].as_array().into_iter().flatten() {
        for backend in rule["backendRefs"].as_array().into_iter().flatten() {
            let name = backend["name"].as_str().unwrap_or_default().to_owned();
            *weights.entry(name).or_default() += backend["weight"].as_u64().unwrap_or(1);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_is_everywhere() {
        let example = Example::read().unwrap().named("cafe");
        let all = json!(example.objects())
            .to_string()
            .replace("\"shop:v1\"", "")
            .replace("shop.example.com", "");
        assert!(!all.contains("shop"), "{all}");
        assert_eq!(
            weights(&example.route),
            [("cafe-stable".to_owned(), 1), ("cafe-canary".to_owned(), 0)].into()
        );
    }

    #[test]
    fn the_registration_has_the_name_that_the_example_refers_to() {
        let file = plan::repository().join("manifests/gateway-api/argo-rollouts-config.yaml");
        let config = read(&file, "", "").unwrap().remove(0);
        let entries =
            crate::cluster::parse(config["data"]["trafficRouterPlugins"].as_str().unwrap()).unwrap();
        assert_eq!(entries[0][0]["name"], ROUTER);
    }

    #[test]
    fn a_patch_is_merged() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "steps": [1, 2]});
        merge(
            &mut object,
            &json!({"a": {"b": null, "c": {"d": 3}}, "steps": [4]}),
        );
        assert_eq!(object, json!({"a": {"c": {"d": 3}}, "steps": [4]}));
    }

    #[test]
    fn the_example_is_what_scenes_expect() {
        let example = Example::read().unwrap().router("serinus/other");
        let plugins = &example.rollout["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"];
        assert_eq!(*plugins, json!({"serinus/other": {"httpRoute": "shop"}}));
        assert_eq!(
            example.rollout["spec"]["template"]["spec"]["containers"][0]["image"],
            "shop:v1"
        );
        assert_eq!(example.objects().len(), 4);
        assert_eq!(
            weights(&example.route),
            [("shop-stable".to_owned(), 1), ("shop-canary".to_owned(), 0)].into()
        );
    }
}
