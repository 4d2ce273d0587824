//! Traffic routing of a Rollout.

use serde_json::{Map, Value};

/// `spec.strategy.canary.trafficRouting`, which decides what a step may do.
pub(super) struct Routing<'r>(Option<&'r Map<String, Value>>);

impl<'r> Routing<'r> {
    pub(super) fn new(routing: Option<&'r Map<String, Value>>) -> Self {
        Self(routing)
    }

    /// Whether there is any.
    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Whether one of these routers is configured.
    pub(super) fn has(&self, routers: &[&str]) -> bool {
        let set = |value: &Value| match value {
            Value::Null => false,
            Value::Object(map) => !map.is_empty(),
            _ => true,
        };
        self.0
            .is_some_and(|routing| routers.iter().any(|r| routing.get(*r).is_some_and(set)))
    }

    /// Whether `managedRoutes` names a route.
    pub(super) fn managed(&self, name: &str) -> bool {
        let routes = self
            .0
            .and_then(|r| r.get("managedRoutes"))
            .and_then(Value::as_array);
        routes.into_iter().flatten().any(|r| r["name"] == name)
    }

    /// `weightutil.MaxTrafficWeight`.
    pub(super) fn max_weight(&self) -> i64 {
        self.0
            .and_then(|r| r.get("maxTrafficWeight"))
            .and_then(Value::as_i64)
            .unwrap_or(100)
    }
}
