//! yamux: many streams over one connection, as `hashicorp/yamux` v0.1.2 speaks it (`spec.md`, `session.go`, `stream.go`).
//!
//! [`Session`] is the protocol as a state machine: bytes and the time go in, bytes and events come out, and it does no IO.
//! [`connect`] puts one on an IO object; it returns a [`Connection`] to open and accept [`Stream`]s with, and the
//! [`Driver`] that moves the bytes.
//!
//! # Why not a published crate
//!
//! The two that are kept up fail against the real `hashicorp/yamux`, or against what a plugin has to hold:
//!
//! - `yamux` 0.14 (libp2p) sends ACK with the first data of a stream, and SYN likewise. A go-plugin host opens two
//!   streams on which a quiet plugin never writes, and hashicorp's session ends itself when a stream has had no ACK for
//!   75 s (`session.go`, `setOpenTimeout`): the plugin is restarted every 75 s.
//! - `tokio-yamux` 0.3.20 ACKs at once. But a run against hashicorp's showed that a stream that nobody reads stops the
//!   reading of the whole session after eight frames (`session.rs`, `poll_next`: "skip recv_frames while
//!   read_pending_frames is backpressured"), and with it the answer to keepalive pings, so the host ends the session 10 s
//!   later; that after GoAway(normal) it ends itself and discards what it still had to send (`handle_go_away`), where
//!   hashicorp goes on serving open streams; and that a stream that the peer half-closed no longer takes window updates
//!   (`stream.rs`, `recv_frames`), so a reply of more than what was left of the window never arrives. As read in its
//!   source, a peer that pings and does not read makes its output queue grow without a bound (`handle_ping`), and every
//!   frame is flushed by itself. It reads the clock itself, so the rules of time cannot be tested with a clock of ours.
//!
//! # Differences from hashicorp's Go
//!
//! - A stream is acknowledged when its SYN arrives, not when the application accepts it.
//! - Keepalive pings of our own are a setting ([`Config::keep_alive`]); a plugin does without, since the end of a unix
//!   connection is seen at once, and so survives a host that was stopped for a while.
//! - A peer that sends and never reads is no longer read once [`Config::output_limit`] bytes and the answers to one more
//!   read wait for it. hashicorp's answers wait in goroutines instead.
//! - SYN with an id of the wrong parity, or 0, is a protocol error; hashicorp accepts it.

mod config;
mod connection;
mod error;
mod frame;
mod session;
mod stream;

pub use self::{
    config::{Config, Role},
    connection::{Connection, DriveError, Driver, connect},
    error::Error,
    frame::{FrameType, Header},
    session::{Chunk, Event, Session, StreamId},
    stream::Stream,
};
