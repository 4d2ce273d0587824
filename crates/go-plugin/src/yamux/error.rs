//! Why a session or a stream ended.

use super::session::StreamId;

/// Why a session or a stream ended, or an operation was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer speaks another protocol.
    #[error("yamux: frame of version {0}, expected 0")]
    Version(u8),
    /// The peer speaks another protocol.
    #[error("yamux: frame of unknown type {0}")]
    FrameType(u8),
    /// The peer opened a stream under a number that is not its to use.
    #[error("yamux: the peer opened stream {0}, a number it may not use")]
    StreamId(StreamId),
    /// The peer opened a stream that is open.
    #[error("yamux: the peer opened stream {0} twice")]
    DuplicateStream(StreamId),
    /// The peer sent more than the window allows.
    #[error("yamux: {length} bytes on stream {stream}, whose window is {window}")]
    WindowExceeded {
        /// The stream.
        stream: StreamId,
        /// What it still could take.
        window: u32,
        /// What the frame announced.
        length: u32,
    },
    /// The peer's window updates add up to more than 32 bits.
    #[error("yamux: window of stream {0} overflows")]
    WindowOverflow(StreamId),
    /// The peer closed a stream and then used it.
    #[error("yamux: the peer used stream {0} after closing it")]
    AfterFin(StreamId),
    /// The peer ended the session because of an error.
    #[error("yamux: the peer ended the session with GoAway code {0:#x}")]
    RemoteError(u32),
    /// The peer takes no new streams (GoAway code 0).
    #[error("yamux: the peer takes no new streams")]
    RemoteGoAway,
    /// The peer did not answer a keepalive ping.
    #[error("yamux: keepalive timeout")]
    KeepAliveTimeout,
    /// The peer did not acknowledge a stream.
    #[error("yamux: stream {0} was not acknowledged in time")]
    OpenTimeout(StreamId),
    /// As many streams are open as [`Config::max_streams`] allows.
    #[error("yamux: {0} streams are open, which is the limit")]
    TooManyStreams(usize),
    /// All numbers were used.
    #[error("yamux: stream ids are used up")]
    StreamsExhausted,
    /// The stream was reset.
    #[error("yamux: stream {0} was reset")]
    StreamReset(StreamId),
    /// We closed the stream for writing.
    #[error("yamux: stream {0} is closed")]
    StreamClosed(StreamId),
    /// The session has ended.
    #[error("yamux: session is closed")]
    SessionClosed,
}
