//! The calling side of one stream (`net/rpc/client.go`): calls overlap, answers come in any order.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use gob::{Encoded, Encoder, Limits, Type};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, oneshot};

use super::messages::{Request, Response, Types, Values};
use crate::yamux::Stream;

/// Bytes of calls that may wait for the plugin to read before further callers have to wait.
const OUTPUT_LIMIT: usize = 1024 * 1024;
/// Receptions in a row before other tasks get their turn.
const ROUNDS: usize = 8;

/// Calls what a plugin serves under a dispensed name, or on the control stream. Clones call on the same stream, which
/// is closed when the last one is dropped.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Closing>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The plugin answered with this error (`Response.Error`).
    #[error("{0}")]
    Plugin(String),
    /// The plugin did not answer in time. It may still be at it.
    #[error("{method}: no answer within {deadline:?}")]
    Deadline {
        /// `Service.Method`.
        method: String,
        /// The time it had.
        deadline: Duration,
    },
    /// The argument does not fit its type. Nothing was sent.
    #[error("{method}: cannot encode the argument")]
    Encode {
        /// `Service.Method`.
        method: String,
        /// What does not fit.
        source: gob::Error,
    },
    /// The answer is not what was expected. Other calls are not affected.
    #[error("{method}: cannot decode the answer")]
    Decode {
        /// `Service.Method`.
        method: String,
        /// What does not fit.
        source: gob::Error,
    },
    /// The stream ended, by the plugin's end or by ours.
    #[error("{method}: the connection with the plugin is closed: {reason}")]
    Closed {
        /// `Service.Method`.
        method: String,
        /// What ended it.
        reason: String,
    },
}

impl Client {
    /// Starts calling on `stream`; the future moves the calls and ends with the stream.
    pub(crate) fn new(stream: Stream, limits: &Limits) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            room: Notify::new(),
        });
        let mut calling = Calling {
            stream,
            shared: shared.clone(),
            values: Values::new(limits),
            header: None,
        };
        let task = async move { poll_fn(|cx| calling.poll(cx)).await };
        (
            Self {
                handle: Arc::new(Closing(shared)),
            },
            task,
        )
    }

    /// Calls `Plugin.<method>` with `argument`, written as the Go type `ty`, and waits for its answer for as long as
    /// `deadline`. Dropping the future forgets the call; the plugin may still carry it out.
    pub async fn call<T, A>(
        &self,
        method: &str,
        ty: &Type,
        argument: &A,
        deadline: Duration,
    ) -> Result<T, Error>
    where
        T: DeserializeOwned + Send + 'static,
        A: Serialize + ?Sized,
    {
        self.call_service(format!("Plugin.{method}"), ty, argument, deadline)
            .await
    }

    /// As [`call`](Self::call), with the service in the name.
    pub(crate) async fn call_service<T, A>(
        &self,
        method: String,
        ty: &Type,
        argument: &A,
        deadline: Duration,
    ) -> Result<T, Error>
    where
        T: DeserializeOwned + Send + 'static,
        A: Serialize + ?Sized,
    {
        let answered = async {
            self.handle.0.wait_for_room().await;
            let (answer, answered) = oneshot::channel();
            let decode = {
                let method = method.clone();
                move |value: Result<Encoded<'_, '_>, Failure>| {
                    let decoded = match value {
                        Ok(value) => value
                            .deserialize()
                            .map_err(|source| Error::Decode { method, source }),
                        Err(Failure::Plugin(text)) => Err(Error::Plugin(text)),
                        Err(Failure::Closed(reason)) => Err(Error::Closed { method, reason }),
                    };
                    // The caller may have given up.
                    _ = answer.send(decoded);
                }
            };
            let _waiting = self.handle.0.send(&method, ty, argument, Box::new(decode))?;
            match answered.await {
                Ok(answer) => answer,
                Err(_) => Err(Error::Closed {
                    method: method.clone(),
                    reason: "nobody reads its stream".into(),
                }),
            }
        };
        match tokio::time::timeout(deadline, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Deadline {
                method: method.clone(),
                deadline,
            }),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("pending", &self.handle.0.lock().pending.len())
            .finish_non_exhaustive()
    }
}

/// What an answer turned out to be, when it is no value.
enum Failure {
    Plugin(String),
    Closed(String),
}

type Decode = Box<dyn FnOnce(Result<Encoded<'_, '_>, Failure>) + Send>;

struct Shared {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    encoder: Encoder,
    header: Vec<u8>,
    value: Vec<u8>,
    output: BytesMut,
    last_seq: u64,
    pending: HashMap<u64, Decode>,
    task: Option<Waker>,
    /// Nobody calls any more.
    is_closing: bool,
    ended: Option<String>,
}

/// The last one closes the stream.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closing = true;
        state.wake();
    }
}

/// A call that waits for its answer.
struct Waiting<'a> {
    shared: &'a Shared,
    seq: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let forgotten = self.shared.lock().pending.remove(&self.seq);
        // Outside of the lock: it may hold anything.
        drop(forgotten);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change but a caller's `Serialize`, which leaves only
        // what `send` overwrites.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait_for_room(&self) {
        loop {
            let room = self.room.notified();
            if self.lock().output.len() < OUTPUT_LIMIT {
                return;
            }
            room.await;
        }
    }

    fn send<A: Serialize + ?Sized>(
        &self,
        method: &str,
        ty: &Type,
        argument: &A,
        decode: Decode,
    ) -> Result<Waiting<'_>, Error> {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some(reason) = &state.ended {
            return Err(Error::Closed {
                method: method.to_owned(),
                reason: reason.clone(),
            });
        }
        // The argument first: when it cannot be encoded, nothing has been said yet.
        state.value.clear();
        let encoded = state.encoder.encode(ty, argument, &mut state.value);
        encoded.map_err(|source| Error::Encode {
            method: method.to_owned(),
            source,
        })?;
        let seq = state.last_seq;
        state.last_seq += 1;
        let request = Request {
            service_method: method.to_owned(),
            seq,
        };
        state.header.clear();
        let header = state
            .encoder
            .encode(&Types::shared().request, &request, &mut state.header);
        header.expect("a header can be encoded");
        state.output.extend_from_slice(&state.header);
        state.output.extend_from_slice(&state.value);
        state.pending.insert(seq, decode);
        state.wake();
        Ok(Waiting { shared: self, seq })
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }
}

/// The task of a stream of calls.
struct Calling {
    stream: Stream,
    shared: Arc<Shared>,
    values: Values,
    /// The answer whose value comes next.
    header: Option<Response>,
}

impl Calling {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let reason = match self.poll_stream(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => "the stream was closed".to_owned(),
            Poll::Ready(Err(reason)) => reason,
        };
        let pending = {
            let mut state = self.shared.lock();
            state.ended = Some(reason.clone());
            state.output = BytesMut::new();
            std::mem::take(&mut state.pending)
        };
        for decode in pending.into_values() {
            decode(Err(Failure::Closed(reason.clone())));
        }
        self.shared.room.notify_waiters();
        Poll::Ready(())
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        for _ in 0..ROUNDS {
            {
                let mut state = self.shared.lock();
                state.task = Some(cx.waker().clone());
                let had_no_room = state.output.len() >= OUTPUT_LIMIT;
                while !state.output.is_empty()
                    && let Poll::Ready(sent) = self.stream.poll_send(cx, &state.output)
                {
                    state.output.advance(sent.map_err(|error| error.to_string())?);
                }
                if had_no_room && state.output.len() < OUTPUT_LIMIT {
                    self.shared.room.notify_waiters();
                }
                if state.is_closing && state.output.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            match self.stream.poll_receive(cx, &mut self.values.buffer, usize::MAX) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(received) => _ = received.map_err(|error| error.to_string())?,
            }
            self.take_answers().map_err(|error| error.to_string())?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_answers(&mut self) -> Result<(), gob::Error> {
        loop {
            let Some(response) = self.header.take() else {
                match self.values.next_header()? {
                    Some(response) => self.header = Some(response),
                    None => return Ok(()),
                }
                continue;
            };
            let shared = &self.shared;
            let taken = self.values.next(|value| {
                // Nobody waits for it any more, or its value stands for an error.
                let Some(decode) = shared.lock().pending.remove(&response.seq) else {
                    return;
                };
                if response.error.is_empty() {
                    decode(Ok(value));
                } else {
                    decode(Err(Failure::Plugin(response.error.clone())));
                }
            })?;
            if taken.is_none() {
                self.header = Some(response);
                return Ok(());
            }
        }
    }
}
