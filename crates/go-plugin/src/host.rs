//! The host's side: starting plugins, and calling them (`client.go`, `rpc_client.go`).

mod log;
mod process;

pub use self::process::{HostError, Options, Process};
