//! The answering side of one stream: one task that reads calls, starts them, and writes answers in the order in which
//! they are ready (`net/rpc`, `Server.ServeCodec`).

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures::FutureExt;
use gob::{Encoded, Encoder, Limits};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, Sleep},
};

use super::{
    messages::{Nothing, Request, Response, Types, Values},
    slots::Slots,
};
use crate::{
    service::{Answer, Reply, panic_text},
    yamux::{self, Stream},
};

/// Bytes of answers that may wait for the peer to read; while more wait, no further call is read from this stream.
const OUTPUT_LIMIT: usize = 1024 * 1024;
/// Bytes of a method's name that are given back. The host knows its call by the number.
const LONGEST_NAME: usize = 1024;
/// Bytes of an error's text: it may quote what the host sent.
const LONGEST_ERROR: usize = 16 * 1024;
/// Receptions in a row before other tasks get their turn.
const ROUNDS: usize = 8;

/// What a stream's calls are subject to.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Where calls run.
    pub(crate) runtime: Handle,
    /// How long a call may take.
    pub(crate) deadline: Duration,
    /// How many may run at once, on all streams that share it.
    pub(crate) slots: Slots,
    /// What gob values may cost.
    pub(crate) limits: Limits,
}

/// Who is called on a stream.
pub(crate) trait Receiver {
    /// Starts the call of `service_method`, which is `Service.Method`.
    fn call(&mut self, service_method: &str, argument: Encoded<'_, '_>) -> Outcome;
}

/// What becomes of a call.
pub(crate) enum Outcome {
    /// It is answered.
    Now(Result<Reply, String>),
    /// It takes its time, and a slot.
    Later(Answer),
}

/// Answers the calls on `stream` until the host closes it and all answers are written, or the stream fails.
pub(crate) async fn serve<R: Receiver>(stream: Stream, receiver: R, rules: Rules) -> Result<(), StreamError> {
    let (done, answers) = mpsc::unbounded_channel();
    let mut serving = Serving {
        stream,
        receiver,
        values: Values::new(&rules.limits),
        rules,
        header: None,
        ended: false,
        is_deaf: false,
        error: None,
        calls: 0,
        running: HashMap::new(),
        deadlines: VecDeque::new(),
        alarm: None,
        done,
        answers,
        writer: Writer {
            encoder: Encoder::new(),
            header: Vec::new(),
            value: Vec::new(),
            output: BytesMut::new(),
        },
    };
    poll_fn(|cx| serving.poll(cx)).await
}

/// Why a stream of calls ended before the host closed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("cannot decode what the host sent")]
    Gob(#[from] gob::Error),
    #[error(transparent)]
    Stream(#[from] yamux::Error),
}

struct Serving<R> {
    stream: Stream,
    receiver: R,
    rules: Rules,
    values: Values,
    /// The call whose argument comes next.
    header: Option<Request>,
    /// The host will call no more, or it cannot be understood any more.
    ended: bool,
    /// Nothing more can be written.
    is_deaf: bool,
    /// Why the stream ends, where the host did not end it.
    error: Option<StreamError>,
    /// How many calls were started; each one's number is its own.
    calls: u64,
    running: HashMap<u64, Running>,
    /// When calls are overdue, in the order of their numbers: all have the same deadline.
    deadlines: VecDeque<(Instant, u64)>,
    alarm: Option<Pin<Box<Sleep>>>,
    done: mpsc::UnboundedSender<(u64, Result<Reply, String>)>,
    answers: mpsc::UnboundedReceiver<(u64, Result<Reply, String>)>,
    writer: Writer,
}

struct Running {
    request: Request,
    task: AbortHandle,
}

impl<R: Receiver> Serving<R> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        for _ in 0..ROUNDS {
            let took_all = self.take_answers(cx);
            self.check_deadlines(cx);
            // The calls that run are carried through also where nobody hears of it: half of what one does may be worse than
            // none of it (`net/rpc`, `ServeCodec` waits for them).
            let is_blocked = match self.poll_write(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(error)) => {
                    (self.ended, self.is_deaf) = (true, true);
                    self.writer.output.clear();
                    self.error.get_or_insert(error.into());
                    false
                }
            };
            if !took_all && self.writer.output.len() < OUTPUT_LIMIT {
                continue;
            }
            if self.ended && self.running.is_empty() && !is_blocked {
                return Poll::Ready(self.error.take().map_or(Ok(()), Err));
            }
            if self.ended || self.writer.output.len() >= OUTPUT_LIMIT {
                return Poll::Pending;
            }
            match self.stream.poll_receive(cx, &mut self.values.buffer, usize::MAX) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count)) => self.ended = count == 0,
                Poll::Ready(Err(error)) => {
                    self.ended = true;
                    self.error = Some(error.into());
                }
            }
            if let Err(error) = self.take_calls() {
                self.ended = true;
                self.error = Some(error.into());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Starts or answers every call that has arrived whole.
    fn take_calls(&mut self) -> Result<(), gob::Error> {
        loop {
            let Some(request) = self.header.take() else {
                match self.values.next_header()? {
                    Some(request) => self.header = Some(request),
                    None => return Ok(()),
                }
                continue;
            };
            let receiver = &mut self.receiver;
            let called = self.values.next(|argument| {
                // A panic in a service's decoding costs this call only; gob's decoder has finished with the message.
                catch_unwind(AssertUnwindSafe(|| {
                    receiver.call(&request.service_method, argument)
                }))
            });
            match called {
                Ok(Some(Ok(Outcome::Now(result)))) => self.writer.answer(request, result),
                Ok(Some(Ok(Outcome::Later(answer)))) => self.start(request, answer),
                Ok(Some(Err(panic))) => {
                    let text = format!("{}: {}", request.service_method, panic_text(panic.as_ref()));
                    self.writer.answer(request, Err(text));
                }
                Ok(None) => {
                    self.header = Some(request);
                    return Ok(());
                }
                Err(error) => {
                    // What follows cannot be understood any more, but this caller can still be told why.
                    self.writer
                        .answer(request, Err(format!("cannot decode the argument: {error}")));
                    return Err(error);
                }
            }
        }
    }

    fn start(&mut self, request: Request, answer: Answer) {
        let Some(slot) = self.rules.slots.take() else {
            let busy = format!(
                "{}: the plugin is busy: {} calls are running",
                request.service_method,
                self.rules.slots.limit()
            );
            return self.writer.answer(request, Err(busy));
        };
        let (number, method, done) = (self.calls, request.service_method.clone(), self.done.clone());
        let task = self.rules.runtime.spawn(async move {
            let _slot = slot;
            let result = match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(result) => result,
                Err(panic) => Err(format!("{method}: {}", panic_text(panic.as_ref()))),
            };
            // Nobody listens when the stream is gone.
            _ = done.send((number, result));
        });
        self.calls += 1;
        self.running.insert(
            number,
            Running {
                request,
                task: task.abort_handle(),
            },
        );
        self.deadlines
            .push_back((Instant::now() + self.rules.deadline, number));
        // A call that takes long must not keep the deadlines of all that came and went after it.
        if self.deadlines.len() > 2 * self.running.len() + 64 {
            self.deadlines
                .retain(|(_, number)| self.running.contains_key(number));
        }
    }

    /// Answers the calls that are done; false when there may be more, but no room for their answers.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> bool {
        while self.writer.output.len() < OUTPUT_LIMIT {
            let Poll::Ready(Some((number, result))) = self.answers.poll_recv(cx) else {
                return true;
            };
            // One that is not there any more was answered at its deadline.
            if let Some(Running { request, .. }) = self.running.remove(&number) {
                self.writer.answer(request, result);
            }
        }
        false
    }

    /// Answers what is overdue, whether or not its task can be stopped.
    fn check_deadlines(&mut self, cx: &mut Context<'_>) {
        while let Some(&(at, number)) = self.deadlines.front() {
            if !self.running.contains_key(&number) {
                self.deadlines.pop_front();
                continue;
            }
            let alarm = self
                .alarm
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if alarm.deadline() != at {
                alarm.as_mut().reset(at);
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return;
            }
            self.deadlines.pop_front();
            if let Some(Running { request, task }) = self.running.remove(&number) {
                task.abort();
                let late = format!(
                    "{}: no answer within {:?}",
                    request.service_method, self.rules.deadline
                );
                self.writer.answer(request, Err(late));
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), yamux::Error>> {
        let output = &mut self.writer.output;
        if self.is_deaf {
            output.clear();
        }
        while !output.is_empty() {
            match self.stream.poll_send(cx, output) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(sent) => output.advance(sent?),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<R> Drop for Serving<R> {
    fn drop(&mut self) {
        for Running { task, .. } in self.running.values() {
            task.abort();
        }
    }
}

/// The first `most` bytes of a text, to the last whole character.
fn cut(mut text: String, most: usize) -> String {
    let whole = |at: &usize| text.is_char_boundary(*at);
    let end = (0..=most.min(text.len())).rev().find(whole);
    text.truncate(end.unwrap_or(0));
    text
}

/// The answers of a stream, on their way out.
struct Writer {
    encoder: Encoder,
    header: Vec<u8>,
    value: Vec<u8>,
    output: BytesMut,
}

impl Writer {
    /// Encodes an answer; one that does not fit its type becomes an error (`net/rpc`, `sendResponse`).
    fn answer(&mut self, request: Request, result: Result<Reply, String>) {
        let Request { service_method, seq } = request;
        // The value is encoded first, so that its failure can still go into the header. Where the definitions of
        // types stand does not matter as long as they come before their first use.
        self.value.clear();
        let error = match result {
            Ok(reply) => reply
                .encode(&mut self.encoder, &mut self.value)
                .err()
                .map(|error| format!("{service_method}: cannot encode the answer: {error}")),
            // Without a text it would be no error to Go.
            Err(text) if text.is_empty() => Some(format!("{service_method}: failed without saying why")),
            Err(text) => Some(text),
        };
        let types = Types::shared();
        if error.is_some() {
            self.encoder
                .encode(&types.nothing, &Nothing {}, &mut self.value)
                .expect("an empty struct can be encoded");
        }
        let response = Response {
            service_method: cut(service_method, LONGEST_NAME),
            seq,
            error: cut(error.unwrap_or_default(), LONGEST_ERROR),
        };
        self.header.clear();
        self.encoder
            .encode(&types.response, &response, &mut self.header)
            .expect("a header can be encoded");
        self.output.extend_from_slice(&self.header);
        self.output.extend_from_slice(&self.value);
    }
}
