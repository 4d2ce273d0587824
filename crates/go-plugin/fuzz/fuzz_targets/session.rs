//! A peer that sends anything, in any pieces: no panic, and no more memory than the bounds say.

#![no_main]

use std::time::Instant;

use go_plugin::yamux::{Chunk, Config, Header, Role, Session};
use libfuzzer_sys::fuzz_target;

const WINDOW: usize = 256 * 1024;

fuzz_target!(|pieces: Vec<&[u8]>| {
    let now = Instant::now();
    let config = Config { max_streams: 4, output_limit: 1000, ..Config::default() };
    let mut session = Session::new(Role::Server, config, now);
    let mut streams = Vec::new();
    for piece in pieces {
        if !session.wants_input() || session.receive(piece, now).is_err() {
            // The driver writes what there is, and reads no further before that.
            session.sent(session.output().len());
        }
        while session.poll_event().is_some() {}
        streams.extend(std::iter::from_fn(|| session.accept()));
        // Every other stream is read, and what came is sent back.
        for id in streams.iter().copied().filter(|id| id % 4 == 1) {
            if let Ok(Chunk::Data(bytes)) = session.read(id) {
                let bytes = bytes.to_vec();
                session.consume(id, bytes.len());
                _ = session.write(id, &bytes);
            }
        }
        assert!(session.buffered() <= 4 * WINDOW + 1000 + 1024 * Header::SIZE + 2 * piece.len());
        assert!(session.timeout().is_none());
    }
});
