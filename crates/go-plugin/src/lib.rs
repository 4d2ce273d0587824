//! HashiCorp go-plugin over net/rpc.

#[cfg(any(feature = "plugin", feature = "host"))]
mod broker;
pub mod handshake;
pub mod hclog;
#[cfg(feature = "host")]
pub mod host;
#[cfg(any(feature = "plugin", feature = "host"))]
pub mod rpc;
#[cfg(feature = "plugin")]
mod server;
#[cfg(feature = "plugin")]
mod service;
#[cfg(feature = "plugin")]
mod socket;
#[cfg(feature = "plugin")]
mod stdio;
pub mod yamux;

#[cfg(any(feature = "plugin", feature = "host"))]
pub use self::broker::BrokerError;
pub use self::handshake::{Handshake, Refusal};
#[cfg(feature = "plugin")]
pub use self::{
    server::{Ended, Lifetime, Options, ServeError, Server},
    service::{Answer, CallError, Reply, Service},
    socket::SocketError,
};
