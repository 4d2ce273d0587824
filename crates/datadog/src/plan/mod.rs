//! What is sent to Datadog, as functions of configuration and clock. Nothing here does I/O.

pub mod batch;
mod call;
pub mod formula;
pub mod link;
mod scope;
mod window;

pub use self::call::{
    Ask, Call, Endpoint, Method, MonitorSearch, gate_result, gate_start, monitor, monitor_search,
    monitor_searches, scalar, slo_status, timeseries, v1,
};
pub use self::scope::{plan_comparison, scoped};
pub use self::window::{Clock, Window, plan_window, until_window};
