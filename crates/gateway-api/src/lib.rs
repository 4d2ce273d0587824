//! Argo Rollouts traffic router for the Gateway API: the library behind `rollouts-plugin-trafficrouter-gatewayapi`.
//!
//! - [`config`] reads what the user wrote under `trafficRouting.plugins`;
//! - [`intent`] derives from a Rollout and one call of the controller what it wants of its routes;
//! - [`plan`] turns a route's JSON into the JSON it should be;
//! - [`verify`] judges whether gateways serve what was set, and [`preview`] plays a release from files;
//! - [`apply`] reads and writes routes of an API server, and decides nothing. Only this part does I/O.
//!
//! ```
//! use gateway_api::config::{Config, Label};
//! use gateway_api::intent::{Call, Intent};
//! use gateway_api::plan::plan_route;
//! use serde_json::json;
//!
//! let rollout = serde_json::from_value(json!({
//!     "metadata": {"name": "web", "namespace": "shop"},
//!     "spec": {"strategy": {"canary": {"stableService": "web-stable", "canaryService": "web-canary"}}},
//! }))?;
//! let route = json!({"metadata": {"name": "web"}, "spec": {"rules": [{"backendRefs": [
//!     {"name": "web-stable", "port": 80, "weight": 100}, {"name": "web-canary", "port": 80, "weight": 0}]}]}});
//!
//! let config = Config::parse("plugins", br#"{"httpRoute": "web"}"#, "shop")?;
//! let intent = Intent::derive(&rollout, &config, Call::SetWeight(20, &[]), false)?;
//! let plan = plan_route(&config.routes[0], &route, &intent, Some(&Label::in_progress()))?;
//! assert_eq!(plan.changes[0].to_string(), "spec.rules[0]: stable 100 to 80, canary 0 to 20");
//! assert_eq!(plan.object.unwrap()["spec"]["rules"][0]["backendRefs"][1]["weight"], 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::needless_pass_by_value))]

pub mod apply;
pub mod config;
pub mod intent;
pub mod plan;
pub mod preview;
pub mod verify;

mod cli;
mod doctor;
mod events;
mod kind;
mod metrics;
mod router;
mod run;

pub use kind::{GROUP, RouteKey, RouteKind};
pub use router::{Router, Settings};
pub use run::run;
