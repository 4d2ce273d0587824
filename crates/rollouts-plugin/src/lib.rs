//! SDK for Argo Rollouts plugins: traffic routers, metric providers, step plugins.
//!
//! Argo Rollouts starts a plugin as a child process and speaks HashiCorp go-plugin over net/rpc with it (protocol
//! version 1, Rollouts 1.5 and later; step plugins 1.8 and later). This crate follows
//! `rollout/trafficrouting/plugin/rpc`, `metricproviders/plugin/rpc` and `rollout/steps/plugin/rpc` of argo-rollouts
//! 1.10.1, and is tested against their Go code.
//!
//! A plugin implements one of [`TrafficRouter`], [`MetricProvider`] and [`StepPlugin`] and serves it:
//!
//! ```no_run
//! use rollouts_plugin::types::{Rollout, WeightDestination};
//! use rollouts_plugin::{Plugin, RpcResult, TrafficRouter, Verified};
//!
//! struct MyGateway;
//!
//! impl TrafficRouter for MyGateway {
//!     fn kind(&self) -> String {
//!         "MyGateway".to_owned()
//!     }
//!     async fn set_weight(&self, rollout: &Rollout, weight: i32, _: &[WeightDestination]) -> RpcResult {
//!         tracing::info!(rollout = rollout.key(), weight, "set");
//!         Ok(())
//!     }
//!     async fn verify_weight(&self, _: &Rollout, _: i32, _: &[WeightDestination]) -> RpcResult<Verified> {
//!         Ok(Verified::NotImplemented)
//!     }
//!     async fn remove_managed_routes(&self, _: &Rollout) -> RpcResult {
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     Plugin::traffic_router(MyGateway).serve()
//! }
//! ```
//!
//! - Calls overlap; each has a deadline ([`Plugin::call_deadline`]) and answers with an error when its handler panics.
//! - tracing's events become log lines of the controller. stdout belongs to the protocol: print nothing.
//! - Only the fields that plugin writers need are decoded ([`types`]); the rest of a Rollout is skipped.
//!
//! With the feature `host` there is also the controller's side, to start and call plugins in Rust or Go: [`host`].
//!
//! # Differences from a plugin in Go
//! - A handler that hangs is given up at the deadline; in Go its caller, a worker of the controller, waits for ever.
//! - A handler that panics fails its own call; in Go it kills the plugin and all its calls.
//! - The plugin ends when its controller has died, and removes its socket.

pub mod types;

mod error;
#[cfg(feature = "host")]
pub mod host;
mod metric_provider;
mod plugin;
mod service;
mod step_plugin;
mod traffic_router;
mod wire;

pub use error::{RpcError, RpcResult};
pub use go_plugin::hclog::Level;
pub use metric_provider::MetricProvider;
pub use plugin::{Plugin, started_by_controller};
pub use step_plugin::{StepContext, StepPhase, StepPlugin, StepResult};
pub use traffic_router::{TrafficRouter, Verified};
