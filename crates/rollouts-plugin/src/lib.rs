//! SDK for Argo Rollouts plugins: traffic routers, metric providers, step plugins.

pub mod types;

mod error;
mod metric_provider;
mod step_plugin;
mod traffic_router;

pub use error::{RpcError, RpcResult};
pub use metric_provider::MetricProvider;
pub use step_plugin::{StepContext, StepPhase, StepPlugin, StepResult};
pub use traffic_router::{TrafficRouter, Verified};
