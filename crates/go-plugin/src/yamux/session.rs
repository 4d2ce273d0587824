//! The state machine of one session (`session.go`, `stream.go`).

mod frames;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use bytes::{Buf, BytesMut};

use super::{
    config::{Config, INITIAL_WINDOW, Role},
    error::Error,
    frame::{
        FIN, FrameType, GO_AWAY_INTERNAL_ERROR, GO_AWAY_NORMAL, GO_AWAY_PROTOCOL_ERROR, Header, RST, SYN,
    },
};

/// The number of a stream: odd when the client opened it, even when the server did, never 0.
pub type StreamId = u32;

/// A receive buffer larger than this is given back as soon as it is empty.
const KEPT_BUFFER: usize = 64 * 1024;

/// What happened that someone may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// [`Session::accept`] has a stream.
    Incoming,
    /// [`Session::read`] has news.
    Readable(StreamId),
    /// [`Session::write`] may have room again, or an error.
    Writable(StreamId),
}

/// What a stream has to read.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// These bytes; [`Session::consume`] takes them.
    Data(&'a [u8]),
    /// Nothing yet.
    Empty,
    /// Nothing any more: the peer closed its side.
    End,
}

/// One side of a session. See [`Driver`](super::Driver) for how it is driven: feed [`receive`](Self::receive), take
/// [`output`](Self::output), call [`handle_timeout`](Self::handle_timeout) at [`timeout`](Self::timeout).
#[derive(Debug)]
pub struct Session {
    role: Role,
    config: Config,
    streams: BTreeMap<StreamId, Stream>,
    next_id: Option<StreamId>,
    incoming: VecDeque<StreamId>,
    events: VecDeque<Event>,
    input: Input,
    output: BytesMut,
    /// Streams whose writes the output limit held back.
    held_back: Vec<StreamId>,
    keep_alive: KeepAlive,
    /// How often we have asked.
    pings: u32,
    local_go_away: bool,
    remote_go_away: bool,
    ended: Option<Error>,
}

/// How far the frame that is being received has come.
#[derive(Debug)]
enum Input {
    Header {
        bytes: [u8; Header::SIZE],
        filled: usize,
    },
    Body {
        stream: StreamId,
        remaining: u32,
    },
}

#[derive(Debug)]
enum KeepAlive {
    Off,
    Next(Instant),
    Asked { id: u32, until: Instant },
}

#[derive(Debug)]
struct Stream {
    received: BytesMut,
    /// Bytes the peer announced in a frame whose body is still arriving.
    arriving: u32,
    receive_window: u32,
    send_window: u32,
    /// The peer's ACK is awaited until then; `None` once it came, and on streams of the peer.
    ack_until: Option<Instant>,
    /// We sent FIN.
    finished: bool,
    /// The peer sent FIN.
    remote_finished: bool,
    reset: bool,
    /// The application let go of it; it waits for the peer's FIN until then.
    released_until: Option<Instant>,
}

impl Session {
    /// A session that has sent nothing yet.
    pub fn new(role: Role, config: Config, now: Instant) -> Self {
        let keep_alive = config
            .keep_alive
            .map_or(KeepAlive::Off, |interval| KeepAlive::Next(now + interval));
        Self {
            role,
            config: Config {
                window: config.window.max(INITIAL_WINDOW),
                ..config
            },
            streams: BTreeMap::new(),
            next_id: Some(match role {
                Role::Client => 1,
                Role::Server => 2,
            }),
            incoming: VecDeque::new(),
            events: VecDeque::new(),
            input: Input::Header {
                bytes: [0; Header::SIZE],
                filled: 0,
            },
            output: BytesMut::new(),
            held_back: Vec::new(),
            keep_alive,
            pings: 0,
            local_go_away: false,
            remote_go_away: false,
            ended: None,
        }
    }

    /// Takes bytes as they came from the peer. On an error the session is over; what [`output`](Self::output) holds
    /// then tells the peer so.
    pub fn receive(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Error> {
        while !bytes.is_empty() {
            if let Some(error) = &self.ended {
                return Err(error.clone());
            }
            match &mut self.input {
                Input::Header {
                    bytes: header,
                    filled,
                } => {
                    let taken = bytes.len().min(Header::SIZE - *filled);
                    header[*filled..*filled + taken].copy_from_slice(&bytes[..taken]);
                    *filled += taken;
                    bytes = &bytes[taken..];
                    if *filled == Header::SIZE {
                        let header = *header;
                        self.input = Input::Header {
                            bytes: [0; Header::SIZE],
                            filled: 0,
                        };
                        if let Err(error) = self.handle_header(&header, now) {
                            self.fail(error.clone());
                            return Err(error);
                        }
                    }
                }
                Input::Body { stream, remaining } => {
                    let taken = bytes.len().min(*remaining as usize);
                    let (stream, body) = (*stream, &bytes[..taken]);
                    *remaining -= taken as u32;
                    if *remaining == 0 {
                        self.input = Input::Header {
                            bytes: [0; Header::SIZE],
                            filled: 0,
                        };
                    }
                    self.handle_body(stream, body);
                    bytes = &bytes[taken..];
                }
            }
        }
        Ok(())
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether more of the peer's bytes should be read: not while it does not read ours.
    pub fn wants_input(&self) -> bool {
        // One read of the driver answers with at most as many bytes as it took in, so this keeps the output within
        // the limit and a read's worth of answers.
        self.ended.is_none() && self.output.len() <= self.config.output_limit + Header::SIZE * 1024
    }

    /// The bytes to write to the peer.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// The first `count` bytes of the output were written.
    pub fn sent(&mut self, count: usize) {
        self.output.advance(count);
        if self.output.is_empty() && self.output.capacity() > KEPT_BUFFER {
            self.output = BytesMut::new();
        }
        if self.output.len() <= self.config.output_limit / 2 {
            self.events.extend(self.held_back.drain(..).map(Event::Writable));
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn timeout(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let keep_alive = match self.keep_alive {
            KeepAlive::Off => None,
            KeepAlive::Next(at) => Some(at),
            KeepAlive::Asked { until, .. } => Some(until),
        };
        let streams = self
            .streams
            .values()
            .flat_map(|stream| [stream.ack_until, stream.released_until])
            .flatten();
        streams.chain(keep_alive).min()
    }

    /// Does what is due: keepalive pings, and giving up what was waited for in vain. On an error the session is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let result = self.check_times(now);
        if let Err(error) = &result {
            self.fail(error.clone());
        }
        result
    }

    /// Opens a stream: SYN goes out at once, so that the peer knows it before it is written on.
    pub fn open(&mut self, now: Instant) -> Result<StreamId, Error> {
        if self.ended.is_some() {
            return Err(Error::SessionClosed);
        }
        if self.remote_go_away {
            return Err(Error::RemoteGoAway);
        }
        if self.streams.len() >= self.config.max_streams {
            return Err(Error::TooManyStreams(self.streams.len()));
        }
        let id = self.next_id.ok_or(Error::StreamsExhausted)?;
        self.next_id = id.checked_add(2);
        let ack_until = self.config.open_timeout.map(|timeout| now + timeout);
        self.streams
            .insert(id, Stream::new(self.config.window, ack_until));
        self.send(
            FrameType::WindowUpdate,
            SYN,
            id,
            self.config.window - INITIAL_WINDOW,
        );
        Ok(id)
    }

    /// The next stream the peer opened. It has been acknowledged already.
    pub fn accept(&mut self) -> Option<StreamId> {
        self.incoming.pop_front()
    }

    /// What stream `id` has to read.
    pub fn read(&self, id: StreamId) -> Result<Chunk<'_>, Error> {
        let stream = self.streams.get(&id).ok_or(Error::StreamClosed(id))?;
        if stream.reset {
            return Err(Error::StreamReset(id));
        }
        if !stream.received.is_empty() {
            return Ok(Chunk::Data(&stream.received));
        }
        if stream.remote_finished && stream.arriving == 0 || self.ended.is_some() {
            return Ok(Chunk::End);
        }
        Ok(Chunk::Empty)
    }

    /// The first `count` bytes of what [`read`](Self::read) showed were taken; tells the peer when there is room for
    /// more.
    pub fn consume(&mut self, id: StreamId, count: usize) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.received.advance(count);
        if stream.received.is_empty() && stream.received.capacity() > KEPT_BUFFER {
            stream.received = BytesMut::new();
        }
        // `stream.go`, `sendWindowUpdate`: an update when at least half of the window can be given back.
        let held = stream.received.len() as u32 + stream.arriving;
        let delta = (self.config.window - held).saturating_sub(stream.receive_window);
        let peer_may_write = !stream.remote_finished && !stream.reset && self.ended.is_none();
        if peer_may_write && delta >= self.config.window / 2 {
            stream.receive_window += delta;
            self.send(FrameType::WindowUpdate, 0, id, delta);
        }
    }

    /// Sends the beginning of `bytes` and says how much that was; 0 means that [`Event::Writable`] will come.
    pub fn write(&mut self, id: StreamId, bytes: &[u8]) -> Result<usize, Error> {
        let stream = self.streams.get_mut(&id).ok_or(Error::StreamClosed(id))?;
        if self.ended.is_some() {
            return Err(Error::SessionClosed);
        }
        if stream.reset {
            return Err(Error::StreamReset(id));
        }
        if stream.finished {
            return Err(Error::StreamClosed(id));
        }
        let room = self.config.output_limit.saturating_sub(self.output.len());
        let count = bytes.len().min(stream.send_window as usize).min(room);
        if count == 0 {
            if stream.send_window > 0 && !bytes.is_empty() && !self.held_back.contains(&id) {
                self.held_back.push(id);
            }
            return Ok(0);
        }
        stream.send_window -= count as u32;
        self.send(FrameType::Data, 0, id, count as u32);
        self.output.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Closes stream `id` for writing (FIN). It can still be read.
    pub fn finish(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if !stream.finished && !stream.reset && self.ended.is_none() {
            stream.finished = true;
            self.send(FrameType::WindowUpdate, FIN, id, 0);
        }
    }

    /// Ends stream `id` in both directions at once (RST).
    pub fn reset(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if !stream.reset && self.ended.is_none() {
            stream.end();
            self.send(FrameType::WindowUpdate, RST, id, 0);
        }
    }

    /// The application has no more use for stream `id`: FIN goes out if it has not yet, what still comes is thrown
    /// away, and the number is forgotten when the peer has closed its side too.
    pub fn release(&mut self, id: StreamId, now: Instant) {
        self.finish(id);
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.received = BytesMut::new();
        // Nothing is waited for any more where the session is over.
        stream.released_until = self.ended.is_none().then(|| now + self.config.close_timeout);
        self.forget_if_done(id);
    }

    /// Takes no new streams any more and tells the peer so (GoAway code 0). Open streams go on.
    pub fn go_away(&mut self) {
        if self.ended.is_none() && !self.local_go_away {
            self.local_go_away = true;
            self.send(FrameType::GoAway, 0, 0, GO_AWAY_NORMAL);
        }
    }

    /// The connection under the session is gone: streams can be read to the end of what came, and no further.
    pub fn close(&mut self) {
        if self.ended.is_none() {
            self.end(Error::SessionClosed);
        }
    }

    /// Why the session is over, once it is.
    pub fn ended(&self) -> Option<&Error> {
        self.ended.as_ref()
    }

    /// Bytes held for the application and for the peer: what a hostile peer can make this session cost.
    pub fn buffered(&self) -> usize {
        self.output.len()
            + self
                .streams
                .values()
                .map(|stream| stream.received.len())
                .sum::<usize>()
    }

    fn check_times(&mut self, now: Instant) -> Result<(), Error> {
        match self.keep_alive {
            KeepAlive::Next(at) if at <= now => {
                let id = self.pings;
                self.pings = self.pings.wrapping_add(1);
                self.send(FrameType::Ping, SYN, 0, id);
                self.keep_alive = KeepAlive::Asked {
                    id,
                    until: now + self.config.keep_alive_timeout,
                };
            }
            KeepAlive::Asked { until, .. } if until <= now => return Err(Error::KeepAliveTimeout),
            _ => {}
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some((id, _)) = self.streams.iter().find(|(_, stream)| is_due(stream.ack_until)) {
            return Err(Error::OpenTimeout(*id));
        }
        let due = self
            .streams
            .iter()
            .filter(|(_, stream)| is_due(stream.released_until));
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.reset(id);
            self.forget_if_done(id);
        }
        Ok(())
    }

    fn forget_if_done(&mut self, id: StreamId) {
        let is_done = |stream: &Stream| {
            stream.released_until.is_some() && (stream.reset || stream.finished && stream.remote_finished)
        };
        // Frames for a number that is not known are thrown away, also the rest of one that is arriving.
        if self.streams.get(&id).is_some_and(is_done) {
            self.streams.remove(&id);
            self.held_back.retain(|held| *held != id);
        }
    }

    fn send(&mut self, frame_type: FrameType, flags: u16, stream_id: StreamId, length: u32) {
        self.output.extend_from_slice(
            &Header {
                frame_type,
                flags,
                stream_id,
                length,
            }
            .encode(),
        );
    }

    /// Ends the session for a fault, and tells the peer where the fault is its own.
    fn fail(&mut self, error: Error) {
        match error {
            Error::RemoteError(_) | Error::KeepAliveTimeout => {}
            Error::OpenTimeout(_) => self.send(FrameType::GoAway, 0, 0, GO_AWAY_INTERNAL_ERROR),
            _ => self.send(FrameType::GoAway, 0, 0, GO_AWAY_PROTOCOL_ERROR),
        }
        self.end(error);
    }

    fn end(&mut self, error: Error) {
        self.ended = Some(error);
        self.keep_alive = KeepAlive::Off;
        self.held_back.clear();
        self.events.push_back(Event::Incoming);
        for (id, stream) in &mut self.streams {
            stream.ack_until = None;
            stream.released_until = None;
            self.events.extend([Event::Readable(*id), Event::Writable(*id)]);
        }
    }
}

impl Stream {
    fn new(window: u32, ack_until: Option<Instant>) -> Self {
        Self {
            received: BytesMut::new(),
            arriving: 0,
            receive_window: window,
            send_window: INITIAL_WINDOW,
            ack_until,
            finished: false,
            remote_finished: false,
            reset: false,
            released_until: None,
        }
    }

    fn end(&mut self) {
        self.reset = true;
        self.received = BytesMut::new();
        self.ack_until = None;
    }
}

#[cfg(test)]
mod tests;
