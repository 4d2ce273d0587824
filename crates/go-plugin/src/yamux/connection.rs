//! A session on an IO object: the [`Driver`] moves the bytes, everything else only touches the state machine.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{
    config::{Config, Role},
    error::Error,
    session::{Event, Session, StreamId},
    stream::Stream,
};

/// Bytes read from the peer at a time. A Go host writes a frame's header and body separately, so more is seldom there.
const READ: usize = 64 * 1024;
/// Reads in a row before the streams' readers get their turn.
const READS: usize = 4;

/// Starts a session on `io`. The [`Driver`] has to be awaited (or spawned) for anything to move.
pub fn connect<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    role: Role,
    config: Config,
) -> (Connection, Driver<T>) {
    let session = Session::new(role, config, now());
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            session,
            wakers: BTreeMap::new(),
            accept: None,
            driver: None,
        }),
    });
    let driver = Driver {
        io,
        shared: shared.clone(),
        buffer: vec![0; READ].into_boxed_slice(),
        sleep: None,
    };
    (Connection { shared }, driver)
}

/// Opens and accepts the streams of a session. Clones are the same session.
#[derive(Debug, Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

impl Connection {
    /// Opens a stream; it can be written on at once.
    pub fn open(&self) -> Result<Stream, Error> {
        let id = self.shared.update(|session| session.open(now()))?;
        Ok(Stream::new(self.shared.clone(), id))
    }

    /// The next stream the peer opens. One task at a time may wait here.
    pub async fn accept(&self) -> Result<Stream, Error> {
        let id = poll_fn(|cx| {
            let mut state = self.shared.lock();
            if let Some(id) = state.session.accept() {
                return Poll::Ready(Ok(id));
            }
            if let Some(error) = state.session.ended() {
                return Poll::Ready(Err(error.clone()));
            }
            state.accept = Some(cx.waker().clone());
            Poll::Pending
        });
        Ok(Stream::new(self.shared.clone(), id.await?))
    }

    /// Tells the peer to open no more streams (GoAway code 0); those that are open go on.
    pub fn go_away(&self) {
        self.shared.update(Session::go_away);
    }

    /// Ends the session here and now: the driver writes what is left to write and closes the connection.
    pub fn close(&self) {
        self.shared.update(Session::close);
    }
}

/// The future that moves the bytes of a session. It completes when the session is over: `Ok` when either side closed
/// the connection, else with the reason. Dropping it ends the session.
#[derive(Debug)]
pub struct Driver<T> {
    io: T,
    shared: Arc<Shared>,
    buffer: Box<[u8]>,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Why a driver ended before its time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// The peer, or we, broke the protocol or a time limit.
    #[error(transparent)]
    Session(#[from] Error),
    /// The connection failed.
    #[error("yamux: connection failed")]
    Io(#[source] io::Error),
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Driver<T> {
    type Output = Result<(), DriveError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let result = this.poll_drive(cx);
        if result.is_ready() {
            this.shared.update(Session::close);
        }
        result
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DriveError>> {
        // Registered first: whoever changes the session from here on wakes this task again.
        self.shared.lock().driver = Some(cx.waker().clone());
        let read = self.poll_read(cx)?;
        self.check_time(cx);
        let written = match self.poll_write(cx) {
            Poll::Ready(Ok(())) => true,
            // A peer that closed the connection reads nothing any more, which is no failure.
            Poll::Ready(Err(error)) if is_gone(&error) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(DriveError::Io(error))),
            Poll::Pending => false,
        };
        let session = &self.shared.lock().session;
        match session.ended() {
            Some(Error::SessionClosed) if written => Poll::Ready(Ok(())),
            Some(Error::SessionClosed) => Poll::Pending,
            // What could be written now was written; a peer that broke the protocol is not waited for.
            Some(error) => Poll::Ready(Err(error.clone().into())),
            None if read == Read::End => Poll::Ready(Ok(())),
            None => {
                // What was written made room for the answers to more input, or the input was not at its end.
                if read == Read::More || read == Read::NotNow && session.wants_input() {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
        }
    }

    /// Reads until nothing is there.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<Read, DriveError> {
        for _ in 0..READS {
            if !self.shared.lock().session.wants_input() {
                return Ok(Read::NotNow);
            }
            let mut buffer = ReadBuf::new(&mut self.buffer);
            match pin!(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(Read::Nothing),
                Poll::Ready(Err(error)) if is_gone(&error) => return Ok(Read::End),
                Poll::Ready(Err(error)) => return Err(DriveError::Io(error)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Ok(Read::End),
                Poll::Ready(Ok(())) => {
                    let mut state = self.shared.lock();
                    // Its error is the session's end, which `poll_drive` sees after telling the peer.
                    _ = state.session.receive(buffer.filled(), now());
                    state.wake();
                }
            }
        }
        Ok(Read::More)
    }

    /// Writes all there is to write, many frames at a time; pending while the peer does not read.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.lock();
        while !state.session.output().is_empty() {
            match pin!(&mut self.io).poll_write(cx, state.session.output()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    state.session.sent(count);
                    state.wake();
                }
            }
        }
        pin!(&mut self.io).poll_flush(cx)
    }

    /// Lets the session do what is due and sets the alarm for the next time.
    fn check_time(&mut self, cx: &mut Context<'_>) {
        loop {
            let due = self.shared.lock().session.timeout();
            let Some(due) = due else { break };
            let at = Instant::from_std(due);
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return;
            }
            let mut state = self.shared.lock();
            // The alarm counts in milliseconds and the clock does not, so it may still be a moment before the time. Its
            // error is the session's end, which `poll_drive` sees.
            _ = state.session.handle_timeout(now().max(due));
            state.wake();
        }
        self.sleep = None;
    }
}

/// How a round of reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Nothing more is there.
    Nothing,
    /// There may be more, but the streams' readers and the output come first.
    More,
    /// The session takes no input before the peer reads.
    NotNow,
    /// The peer closed the connection.
    End,
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.shared.update(Session::close);
    }
}

/// What the driver and the handles share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) session: Session,
    wakers: BTreeMap<StreamId, Wakers>,
    accept: Option<Waker>,
    driver: Option<Waker>,
}

/// Who waits for a stream.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    pub(super) read: Option<Waker>,
    pub(super) write: Option<Waker>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the session, and wakes whom that concerns.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut Session) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state.session);
        state.wake();
        state.wake_driver();
        result
    }

    pub(super) fn release(&self, id: StreamId) {
        let mut state = self.lock();
        state.session.release(id, now());
        state.wakers.remove(&id);
        if let Some(driver) = state.driver.take() {
            // Also when nothing is to be written: there is a new time to wait for.
            driver.wake();
        }
    }
}

impl State {
    pub(super) fn wakers(&mut self, id: StreamId) -> &mut Wakers {
        self.wakers.entry(id).or_default()
    }

    /// The driver has something to write, or another time to wait for.
    pub(super) fn wake_driver(&mut self) {
        if (!self.session.output().is_empty() || self.session.ended().is_some())
            && let Some(waker) = self.driver.take()
        {
            waker.wake();
        }
    }

    fn wake(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let waker = match event {
                Event::Incoming => self.accept.take(),
                Event::Readable(id) => self.wakers.get_mut(&id).and_then(|wakers| wakers.read.take()),
                Event::Writable(id) => self.wakers.get_mut(&id).and_then(|wakers| wakers.write.take()),
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests;
