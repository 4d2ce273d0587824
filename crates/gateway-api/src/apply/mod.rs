//! Reads routes from an API server and writes them back as planned.
//!
//! A write is a PUT of the whole object with the `resourceVersion` that was read, the one way of writing that every
//! usual RBAC profile permits (`get` and `update`) and that loses nobody's update: a conflict is planned anew from a
//! fresh GET. Nothing is written where nothing changes. Each call has a deadline; there is no client-side rate limit.

mod api;
mod error;
mod locks;
mod update;

pub use self::api::{Api, Object};
pub use self::error::{ApiError, Status};
pub use self::update::{Applied, Applier, ApplyError, Limits, SelectError};

/// Name under which the API server records our writes (`metadata.managedFields`).
pub const FIELD_MANAGER: &str = "serinus.dev/gateway-api";

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
