//! HashiCorp's [go-plugin] over net/rpc: plugins in Rust for hosts in Go, and hosts in Rust for plugins in Go.
//!
//! A host starts a plugin as a child process and calls it over a unix socket. The crate follows go-plugin v1.7.0
//! (`server.go`, `client.go`, `rpc_server.go`, `rpc_client.go`, `mux_broker.go`, `log_entry.go`), `hashicorp/yamux`
//! v0.1.2 and Go's `net/rpc`; its tests run against those.
//!
//! This program is both: started by hand it is a host, which starts itself as a plugin.
//!
#![cfg_attr(all(feature = "plugin", feature = "host"), doc = "```standalone_crate")]
#![cfg_attr(not(all(feature = "plugin", feature = "host")), doc = "```ignore")]
//! use std::{process::{Command, ExitCode}, time::Duration};
//!
//! use go_plugin::{Answer, CallError, Handshake, Reply, Server, Service, host::{Options, Process}};
//!
//! /// What host and plugin agree on: the cookie, and the version of their calls.
//! const HANDSHAKE: Handshake = Handshake::new("GREETER_PLUGIN", "greeter", 1);
//!
//! struct Greeter {
//!     string: gob::Type,
//! }
//!
//! impl Service for Greeter {
//!     fn call(&self, method: &str, argument: gob::Encoded<'_, '_>) -> Result<Answer, CallError> {
//!         match method {
//!             "Greet" => {
//!                 let (string, name) = (self.string.clone(), argument.deserialize::<String>()?);
//!                 Ok(Box::pin(async move { Ok(Reply::new(&string, format!("hello {name}"))) }))
//!             }
//!             _ => Err(CallError::UnknownMethod),
//!         }
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let schema = gob::Schema::parse("").expect("Go's basic types need no declaration");
//!     let string = schema.ty("string").expect("a basic type").clone();
//!     if std::env::var_os("GREETER_PLUGIN").is_some() {
//!         return Server::new(HANDSHAKE).service("greeter", Greeter { string }).run();
//!     }
//!     let greeting = async {
//!         let itself = Command::new(std::env::current_exe()?);
//!         let plugin = Process::start(itself, &HANDSHAKE, Options::default()).await?;
//!         let greeter = plugin.dispense("greeter").await?;
//!         let greeting: String = greeter.call("Greet", &string, "Argo", Duration::from_secs(5)).await?;
//!         plugin.quit().await?;
//!         Ok::<_, Box<dyn std::error::Error>>(greeting)
//!     };
//!     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
//!     assert_eq!(runtime.block_on(greeting).expect("a plugin that greets"), "hello Argo");
//!     ExitCode::SUCCESS
//! }
//! ```
//!
//! # A plugin
//!
//! [`Server`] serves [`Service`]s under the names a host dispenses. What it promises:
//!
//! - A call that fails, hangs or panics costs itself: its caller gets an error, for a hanging one after
//!   [`Options::call_deadline`], and all others go on. Calls overlap and are answered in any order.
//! - `Ping` is answered at once whatever the handlers do, since the protocol has a thread of its own.
//! - Nothing but the handshake reaches stdout; what is printed goes to the host's stdout stream.
//! - It ends with its host, and its socket with it: see [`Lifetime`]. One that was killed leaves a socket, which the
//!   next one beside it removes.
//! - Nothing a host sends or fails to read makes it grow without a bound: [`Options`], [`yamux::Config`] and
//!   [`gob::Limits`] are the bounds. With the defaults these are 1024 running calls, 16 connections of 256 streams with
//!   256 KiB each, values of 16 MiB.
//!
//! Log lines go to stderr in hclog's form: [`hclog`].
//!
//! # A host
//!
#![cfg_attr(
    feature = "host",
    doc = "[`Process`](host::Process) starts plugins, logs what they log, calls them, and kills them when it must."
)]
//! It needs the feature `host`, as a plugin needs the feature `plugin`, which is on by default.
//!
//! # Differences from Go
//!
//! - net/rpc only: a plugin that announces gRPC is refused by name. AutoMTLS is refused by both sides.
//! - Unix, as far as a plugin goes; a host also connects to a plugin that listens on TCP.
//! - Calls have deadlines. A Go plugin's panic ends its process and all its calls; here it ends its call.
//! - A Go plugin lives on when its host is gone, and waits for one that reattaches. This one waits a second for it,
//!   unless [`Lifetime::UntilQuit`] says otherwise.
//! - The stderr stream stays silent: logs go to the real stderr, which the host reads as well.
//! - A plugin serves one protocol version.
//!
//! [go-plugin]: https://github.com/hashicorp/go-plugin

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
