//! Go's `net/rpc` with its default gob codec, on one yamux stream (`net/rpc/server.go`, `net/rpc/client.go`).

#[cfg(feature = "host")]
mod client;
mod messages;
#[cfg(feature = "plugin")]
mod serving;
#[cfg(feature = "plugin")]
mod slots;

#[cfg(feature = "host")]
pub use self::client::{Client, Error};
#[cfg(all(test, feature = "plugin", feature = "host"))]
pub(crate) use self::messages::Request;
pub(crate) use self::messages::{Nothing, Types};
#[cfg(feature = "plugin")]
pub(crate) use self::{
    serving::{Outcome, Receiver, Rules, StreamError, serve},
    slots::{Slot, Slots},
};
