//! Two of ours under any steps of their applications and any delivery: neither finds a fault in the other, and every byte
//! arrives in its place.

#![no_main]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use arbitrary::Arbitrary;
use go_plugin::yamux::{Chunk, Config, Role, Session, StreamId};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Step {
    Open,
    Write(u8, u16),
    Read(u8, u16),
    Finish(u8),
    Reset(u8),
    Release(u8),
    GoAway,
    Deliver(u16),
    Pass(u16),
}

#[derive(Default)]
struct Side {
    streams: Vec<StreamId>,
    written: BTreeMap<StreamId, usize>,
    read: BTreeMap<StreamId, usize>,
}

fuzz_target!(|steps: Vec<(bool, Step)>| {
    let mut now = Instant::now();
    let config = Config { max_streams: 6, output_limit: 5000, keep_alive: None, ..Config::default() };
    let mut sessions = [Role::Client, Role::Server].map(|role| Session::new(role, config, now));
    let mut sides = [Side::default(), Side::default()];
    for (side, step) in steps {
        let (here, there) = (usize::from(side), usize::from(!side));
        let stream = |number: u8| sides[here].streams.get(usize::from(number % 8)).copied();
        match step {
            Step::Open => sides[here].streams.extend(sessions[here].open(now)),
            Step::Write(number, size) => {
                if let Some(id) = stream(number) {
                    let start = sides[here].written.entry(id).or_default();
                    let bytes: Vec<u8> = (0..usize::from(size) * 8).map(|place| pattern(side, id, *start + place)).collect();
                    *start += sessions[here].write(id, &bytes).unwrap_or(0);
                }
            }
            Step::Read(number, size) => {
                if let Some(id) = stream(number)
                    && let Ok(Chunk::Data(bytes)) = sessions[here].read(id)
                {
                    let start = sides[here].read.entry(id).or_default();
                    let count = bytes.len().min(usize::from(size) * 8);
                    for (place, byte) in bytes[..count].iter().enumerate() {
                        assert_eq!(*byte, pattern(!side, id, *start + place));
                    }
                    *start += count;
                    sessions[here].consume(id, count);
                }
            }
            Step::Finish(number) => {
                if let Some(id) = stream(number) {
                    sessions[here].finish(id);
                }
            }
            Step::Reset(number) => {
                if let Some(id) = stream(number) {
                    sessions[here].reset(id);
                }
            }
            Step::Release(number) => {
                if let Some(id) = stream(number) {
                    sessions[here].release(id, now);
                    sides[here].streams.retain(|known| *known != id);
                }
            }
            Step::GoAway => sessions[here].go_away(),
            Step::Deliver(size) => {
                let size = usize::from(size).min(sessions[here].output().len());
                let bytes = sessions[here].output()[..size].to_vec();
                sessions[here].sent(size);
                sessions[there].receive(&bytes, now).expect("ours break no rules");
                sides[there].streams.extend(std::iter::from_fn(|| sessions[there].accept()));
            }
            // Less than what anyone waits for in vain.
            Step::Pass(millis) => {
                now += Duration::from_millis(u64::from(millis % 100));
                _ = sessions[here].handle_timeout(now);
            }
        }
        while sessions[here].poll_event().is_some() {}
    }
});

/// The byte at this place of what a side writes on a stream.
fn pattern(side: bool, id: StreamId, place: usize) -> u8 {
    (place as u32).wrapping_mul(31).wrapping_add(id * 7 + u32::from(side)) as u8
}
