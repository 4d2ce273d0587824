//! The application's handle on one stream.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::BytesMut;

use super::{
    connection::Shared,
    error::Error,
    session::{Chunk, StreamId},
};

/// One stream of a session: bytes in order, both ways, each way closed by itself.
///
/// Dropping it closes it for writing after what was written, and throws away what still comes.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    id: StreamId,
}

impl Stream {
    pub(super) fn new(shared: Arc<Shared>, id: StreamId) -> Self {
        Self { shared, id }
    }

    /// Its number in the session.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Appends what has come to `into` and says how many bytes that were; 0 is the end. Nothing is taken when it does
    /// not complete.
    pub async fn receive(&mut self, into: &mut BytesMut) -> Result<usize, Error> {
        poll_fn(|cx| self.poll_receive(cx, into, usize::MAX)).await
    }

    /// Sends all of `bytes`; completes when they are the session's to send.
    pub async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let sent = poll_fn(|cx| self.poll_send(cx, bytes)).await?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Closes the stream for writing, after all that was sent. It can still be read.
    pub fn finish(&mut self) {
        self.shared.update(|session| session.finish(self.id));
    }

    /// Ends the stream at once, in both directions.
    pub fn reset(&mut self) {
        self.shared.update(|session| session.reset(self.id));
    }

    /// As [`receive`](Self::receive), but appends at most `most` bytes.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
        most: usize,
    ) -> Poll<Result<usize, Error>> {
        let mut state = self.shared.lock();
        let count = match state.session.read(self.id)? {
            Chunk::Data(bytes) => {
                let count = bytes.len().min(most);
                into.extend_from_slice(&bytes[..count]);
                count
            }
            Chunk::End => return Poll::Ready(Ok(0)),
            Chunk::Empty => {
                state.wakers(self.id).read = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        state.session.consume(self.id, count);
        state.wake_driver();
        Poll::Ready(Ok(count))
    }

    /// Sends the beginning of `bytes`, which are not empty, and says how much that was.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        let mut state = self.shared.lock();
        let sent = state.session.write(self.id, bytes)?;
        if sent == 0 && !bytes.is_empty() {
            state.wakers(self.id).write = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.wake_driver();
        Poll::Ready(Ok(sent))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.release(self.id);
    }
}
