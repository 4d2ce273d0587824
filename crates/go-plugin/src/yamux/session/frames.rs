//! What the peer's frames do to a session (`session.go`, `recvLoop`; `stream.go`).

use std::time::Instant;

use super::{Event, Input, KeepAlive, Session, Stream, StreamId};
use crate::yamux::{
    config::{INITIAL_WINDOW, Role},
    error::Error,
    frame::{ACK, FIN, FrameType, GO_AWAY_NORMAL, Header, HeaderError, RST, SYN},
};

impl Session {
    pub(super) fn handle_header(&mut self, bytes: &[u8; Header::SIZE], now: Instant) -> Result<(), Error> {
        let header = Header::decode(bytes).map_err(|error| match error {
            HeaderError::Version(version) => Error::Version(version),
            HeaderError::Type(frame_type) => Error::FrameType(frame_type),
        })?;
        match header.frame_type {
            FrameType::Data | FrameType::WindowUpdate => self.handle_stream_frame(header),
            FrameType::Ping => {
                self.handle_ping(header, now);
                Ok(())
            }
            FrameType::GoAway => self.handle_go_away(header.length),
        }
    }

    /// `session.go`, `handleStreamMessage`; `stream.go`, `incrSendWindow` and `readData`.
    fn handle_stream_frame(&mut self, header: Header) -> Result<(), Error> {
        let id = header.stream_id;
        if header.has(SYN) {
            self.handle_syn(id)?;
        }
        let is_data = header.frame_type == FrameType::Data;
        if is_data && header.length > 0 {
            self.input = Input::Body {
                stream: id,
                remaining: header.length,
            };
        }
        // A stream that is not there was reset or refused: what is still under way for it is thrown away.
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        if is_data {
            if stream.remote_finished && !stream.reset && header.length > 0 {
                return Err(Error::AfterFin(id));
            }
            if header.length > stream.receive_window {
                return Err(Error::WindowExceeded {
                    stream: id,
                    window: stream.receive_window,
                    length: header.length,
                });
            }
            stream.receive_window -= header.length;
            stream.arriving += header.length;
        } else if !stream.reset {
            stream.send_window = stream
                .send_window
                .checked_add(header.length)
                .ok_or(Error::WindowOverflow(id))?;
            if header.length > 0 {
                self.events.push_back(Event::Writable(id));
            }
        }
        self.handle_flags(header)
    }

    pub(super) fn handle_body(&mut self, id: StreamId, body: &[u8]) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.arriving -= body.len() as u32;
        if stream.reset || stream.released_until.is_some() {
            return;
        }
        stream.received.extend_from_slice(body);
        self.events.push_back(Event::Readable(id));
    }

    /// `session.go`, `incomingStream`; but the ACK is sent here, so that no application can be late with it.
    fn handle_syn(&mut self, id: StreamId) -> Result<(), Error> {
        let is_theirs = match self.role {
            Role::Client => id.is_multiple_of(2) && id != 0,
            Role::Server => !id.is_multiple_of(2),
        };
        if !is_theirs {
            return Err(Error::StreamId(id));
        }
        if self.streams.contains_key(&id) {
            return Err(Error::DuplicateStream(id));
        }
        let is_full = self.incoming.len() >= self.config.accept_backlog
            || self.streams.len() >= self.config.max_streams;
        if is_full || self.local_go_away {
            self.send(FrameType::WindowUpdate, RST, id, 0);
            return Ok(());
        }
        self.streams.insert(id, Stream::new(self.config.window, None));
        self.send(
            FrameType::WindowUpdate,
            ACK,
            id,
            self.config.window - INITIAL_WINDOW,
        );
        self.incoming.push_back(id);
        self.events.push_back(Event::Incoming);
        Ok(())
    }

    /// `stream.go`, `processFlags`.
    fn handle_flags(&mut self, header: Header) -> Result<(), Error> {
        let id = header.stream_id;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        if header.has(ACK) {
            stream.ack_until = None;
        }
        if header.has(FIN) && !stream.reset {
            if stream.remote_finished {
                return Err(Error::AfterFin(id));
            }
            stream.remote_finished = true;
            self.events.push_back(Event::Readable(id));
        }
        if header.has(RST) {
            stream.end();
            self.events.extend([Event::Readable(id), Event::Writable(id)]);
        }
        self.forget_if_done(id);
        Ok(())
    }

    fn handle_ping(&mut self, header: Header, now: Instant) {
        if header.has(SYN) {
            self.send(FrameType::Ping, ACK, 0, header.length);
            return;
        }
        if let (KeepAlive::Asked { id, .. }, Some(interval)) = (&self.keep_alive, self.config.keep_alive)
            && *id == header.length
        {
            self.keep_alive = KeepAlive::Next(now + interval);
        }
    }

    fn handle_go_away(&mut self, code: u32) -> Result<(), Error> {
        match code {
            GO_AWAY_NORMAL => {
                self.remote_go_away = true;
                Ok(())
            }
            code => Err(Error::RemoteError(code)),
        }
    }
}
