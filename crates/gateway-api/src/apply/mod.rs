//! Reads routes from an API server and writes them back as planned.
//!
//! A reading is what a watch told last, where `list` and `watch` are permitted, and otherwise a GET. A write is a JSON
//! Patch that tests what it stands on, where `patch` is permitted, and otherwise a PUT of the whole object with the
//! `resourceVersion` that was read. `get` and `update`, which every usual RBAC profile grants, are enough, and neither
//! way loses anybody's update: a conflict is planned anew from a fresh GET. Nothing is written where nothing changes.
//! Each call has a deadline; there is no client-side rate limit.

mod api;
mod cache;
mod disown;
mod error;
mod lines;
mod patch;
mod seen;
mod select;
mod selections;
mod turns;
mod update;
mod watch;

pub use self::api::{Api, Object};
pub use self::error::{ApiError, Status};
pub use self::select::SelectError;
pub use self::update::{Applied, Applier, ApplyError, Limits};

/// Name under which the API server records our writes (`metadata.managedFields`).
pub const FIELD_MANAGER: &str = "serinus.dev/gateway-api";

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
