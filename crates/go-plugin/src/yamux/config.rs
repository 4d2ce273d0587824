//! What a session may cost, and how long it waits.

use std::time::Duration;

/// Both sides start every stream with this window (`initialStreamWindow`).
pub(super) const INITIAL_WINDOW: u32 = 256 * 1024;

/// Who a side is. The go-plugin host is the client (`rpc_client.go`, `NewRPCClient`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Opens streams with odd ids.
    Client,
    /// Opens streams with even ids.
    Server,
}

/// Bounds and times of a session; [`Default`] is what hashicorp's `DefaultConfig` says where that has a counterpart.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Streams that may exist at once, opened by either side; a SYN beyond is answered with RST. Each costs up to
    /// `window` bytes while nobody reads it. 256.
    pub max_streams: usize,
    /// Streams the peer may have opened that were not yet accepted; a SYN beyond is answered with RST
    /// (`AcceptBacklog`). 256.
    pub accept_backlog: usize,
    /// Bytes the peer may send on a stream before it is read, at least 256 KiB (`MaxStreamWindowSize`). 256 KiB.
    pub window: u32,
    /// Bytes that may wait for the peer to read before writes on streams are held back. 256 KiB.
    pub output_limit: usize,
    /// How often to ask whether the peer is still there, or never (`KeepAliveInterval`: 30 s). Never.
    pub keep_alive: Option<Duration>,
    /// How long the peer may take to answer that (`ConnectionWriteTimeout`). 10 s.
    pub keep_alive_timeout: Duration,
    /// How long a stream of ours may wait for its ACK before the session is given up (`StreamOpenTimeout`). 75 s.
    pub open_timeout: Option<Duration>,
    /// How long a stream that we are done with waits for the peer's FIN before it is reset (`StreamCloseTimeout`).
    /// 5 min.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_streams: 256,
            accept_backlog: 256,
            window: INITIAL_WINDOW,
            output_limit: 256 * 1024,
            keep_alive: None,
            keep_alive_timeout: Duration::from_secs(10),
            open_timeout: Some(Duration::from_secs(75)),
            close_timeout: Duration::from_secs(300),
        }
    }
}
