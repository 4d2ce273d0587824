//! Numbered streams beside the first three (`mux_broker.go`): one side waits for a number, the other opens a stream and
//! writes the number on it, the first writes it back.

#[cfg(feature = "plugin")]
mod numbers;

use std::{future::poll_fn, time::Duration};

use bytes::{Buf, BytesMut};

#[cfg(feature = "plugin")]
pub(crate) use self::numbers::Broker;
use crate::yamux::{self, Stream};

/// How long each side waits for the other (`mux_broker.go`, `Accept` and `timeoutWait`).
const PATIENCE: Duration = Duration::from_secs(5);

/// Why two sides did not meet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// Nobody came in time.
    #[error("broker id {0}: nobody came within {PATIENCE:?}")]
    Timeout(u32),
    /// The other side wrote something else back.
    #[error("broker id {expected}: the other side answered with {seen}")]
    WrongId {
        /// What we wrote.
        expected: u32,
        /// What came back.
        seen: u32,
    },
    /// The other side closed the stream.
    #[error("broker id {0}: the other side closed the stream")]
    Closed(u32),
    /// The session failed.
    #[error(transparent)]
    Session(#[from] yamux::Error),
}

/// Opens a stream for the number `id`, on which the other side waits (`Dial`).
#[cfg(feature = "host")]
pub(crate) async fn dial(connection: &yamux::Connection, id: u32) -> Result<Stream, BrokerError> {
    let mut stream = connection.open()?;
    stream.send(&id.to_le_bytes()).await?;
    match tokio::time::timeout(PATIENCE, read_id(&mut stream)).await {
        Err(_) => Err(BrokerError::Timeout(id)),
        Ok(None) => Err(BrokerError::Closed(id)),
        Ok(Some(seen)) if seen != id => Err(BrokerError::WrongId { expected: id, seen }),
        Ok(Some(_)) => Ok(stream),
    }
}

/// The four bytes of a number, little-endian, and nothing after them; `None` when the stream ends before.
async fn read_id(stream: &mut Stream) -> Option<u32> {
    let mut bytes = BytesMut::new();
    while bytes.len() < size_of::<u32>() {
        let missing = size_of::<u32>() - bytes.len();
        if poll_fn(|cx| stream.poll_receive(cx, &mut bytes, missing))
            .await
            .ok()?
            == 0
        {
            return None;
        }
    }
    Some(bytes.get_u32_le())
}
