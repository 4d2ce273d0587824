//! The side that hands out numbers and waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, time::timeout};

use super::{BrokerError, PATIENCE, read_id};
use crate::yamux::Stream;

/// The numbers of one connection. Clones are the same broker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broker {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u32,
    meetings: HashMap<u32, Meeting>,
}

/// Who came first.
#[derive(Debug)]
enum Meeting {
    /// Someone waits for the stream.
    Awaited(oneshot::Sender<Stream>),
    /// The stream waits for someone.
    Arrived(Stream),
}

impl Broker {
    /// A number nobody uses on this connection (`NextId`).
    pub(crate) fn next_id(&self) -> u32 {
        let mut state = self.lock();
        state.last_id = state.last_id.wrapping_add(1);
        state.last_id
    }

    /// Waits for the stream with the number `id`, and writes the number back.
    pub(crate) async fn accept(&self, id: u32) -> Result<Stream, BrokerError> {
        let waiting = {
            let mut state = self.lock();
            match state.meetings.remove(&id) {
                Some(Meeting::Arrived(stream)) => Ok(stream),
                _ => {
                    let (sender, receiver) = oneshot::channel();
                    state.meetings.insert(id, Meeting::Awaited(sender));
                    Err(receiver)
                }
            }
        };
        let mut stream = match waiting {
            Ok(stream) => stream,
            Err(receiver) => match timeout(PATIENCE, receiver).await {
                Ok(Ok(stream)) => stream,
                _ => {
                    self.lock().meetings.remove(&id);
                    return Err(BrokerError::Timeout(id));
                }
            },
        };
        stream.send(&id.to_le_bytes()).await?;
        Ok(stream)
    }

    /// Brings a stream that the peer opened to the one who waits for it; one that writes no number, or a number that
    /// nobody asks for, is closed after a while (`Run`, `timeoutWait`).
    pub(crate) async fn bring(&self, mut stream: Stream) {
        let Ok(Some(id)) = timeout(PATIENCE, read_id(&mut stream)).await else {
            return;
        };
        if self.arrive(id, stream) {
            tokio::time::sleep(PATIENCE).await;
            let mut state = self.lock();
            if let Some(Meeting::Arrived(_)) = state.meetings.get(&id) {
                state.meetings.remove(&id);
            }
        }
    }

    /// Hands the stream over, and drops it when nobody can want it; true when it waits for someone.
    fn arrive(&self, id: u32, stream: Stream) -> bool {
        let mut state = self.lock();
        let (meeting, waits) = match state.meetings.remove(&id) {
            Some(Meeting::Awaited(waiting)) => {
                // One who has gone meanwhile drops the stream, which closes it.
                _ = waiting.send(stream);
                return false;
            }
            Some(first @ Meeting::Arrived(_)) => (first, false),
            None => (Meeting::Arrived(stream), true),
        };
        state.meetings.insert(id, meeting);
        waits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
