//! Any order of things, and any bytes.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// What an application, or a wire that delivers as it likes, can do to a pair of sessions.
#[derive(Debug, Clone)]
enum Step {
    Open(bool),
    Write(bool, Index, usize),
    Read(bool, Index, usize),
    Finish(bool, Index),
    Reset(bool, Index),
    Release(bool, Index),
    Deliver(bool, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![1..50usize, 1000..300_000usize];
    prop_oneof![
        1 => any::<bool>().prop_map(Step::Open),
        6 => (any::<bool>(), any::<Index>(), size()).prop_map(|(side, stream, size)| Step::Write(side, stream, size)),
        6 => (any::<bool>(), any::<Index>(), size()).prop_map(|(side, stream, size)| Step::Read(side, stream, size)),
        1 => (any::<bool>(), any::<Index>()).prop_map(|(side, stream)| Step::Finish(side, stream)),
        1 => (any::<bool>(), any::<Index>()).prop_map(|(side, stream)| Step::Reset(side, stream)),
        1 => (any::<bool>(), any::<Index>()).prop_map(|(side, stream)| Step::Release(side, stream)),
        8 => (any::<bool>(), size()).prop_map(|(side, size)| Step::Deliver(side, size)),
    ]
}

/// The byte at this place of what a side writes on a stream.
fn pattern(side: bool, id: StreamId, place: usize) -> u8 {
    (place as u32)
        .wrapping_mul(31)
        .wrapping_add(id * 7 + u32::from(side)) as u8
}

#[derive(Default)]
struct Side {
    streams: Vec<StreamId>,
    written: BTreeMap<StreamId, usize>,
    read: BTreeMap<StreamId, usize>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever two of ours do with each other: neither finds a fault in the other, bytes arrive in order, none is
    /// invented, and neither holds more than its bounds.
    #[test]
    fn two_sessions_understand_each_other(steps in vec(step(), 1..200)) {
        let now = Instant::now();
        let config = Config { max_streams: 8, output_limit: 100_000, ..Config::default() };
        let mut sessions = [Session::new(Role::Client, config, now), Session::new(Role::Server, config, now)];
        let mut sides = [Side::default(), Side::default()];
        for step in steps {
            let (Step::Open(side) | Step::Write(side, ..) | Step::Read(side, ..) | Step::Finish(side, _) | Step::Reset(side, _)
                | Step::Release(side, _) | Step::Deliver(side, _)) = step;
            let (session, own) = (&mut sessions[usize::from(side)], &mut sides[usize::from(side)]);
            let stream = |index: Index| (!own.streams.is_empty()).then(|| own.streams[index.index(own.streams.len())]);
            match step {
                Step::Open(_) => own.streams.extend(session.open(now).ok()),
                Step::Write(_, index, size) => if let Some(id) = stream(index) {
                    let start = own.written.entry(id).or_default();
                    let bytes: Vec<u8> = (0..size).map(|place| pattern(side, id, *start + place)).collect();
                    *start += session.write(id, &bytes).unwrap_or(0);
                },
                Step::Read(_, index, size) => if let Some(id) = stream(index) {
                    let start = own.read.entry(id).or_default();
                    let count = match session.read(id) {
                        Ok(Chunk::Data(bytes)) => {
                            let count = bytes.len().min(size);
                            for (place, byte) in bytes[..count].iter().enumerate() {
                                prop_assert_eq!(*byte, pattern(!side, id, *start + place));
                            }
                            count
                        }
                        _ => 0,
                    };
                    *start += count;
                    session.consume(id, count);
                },
                Step::Finish(_, index) => if let Some(id) = stream(index) { session.finish(id) },
                Step::Reset(_, index) => if let Some(id) = stream(index) { session.reset(id) },
                Step::Release(_, index) => if let Some(id) = stream(index) {
                    session.release(id, now);
                    own.streams.retain(|known| *known != id);
                },
                Step::Deliver(_, size) => {
                    let size = size.min(session.output().len());
                    let bytes = session.output()[..size].to_vec();
                    session.sent(size);
                    let other = &mut sessions[usize::from(!side)];
                    prop_assert_eq!(other.receive(&bytes, now), Ok(()));
                    while let Some(id) = other.accept() {
                        sides[usize::from(!side)].streams.push(id);
                    }
                }
            }
            for session in &mut sessions {
                while session.poll_event().is_some() {}
                prop_assert!(session.streams.len() <= 8);
                prop_assert!(session.buffered() <= 8 * INITIAL_WINDOW as usize + 200_000);
            }
        }
        for (side, other) in [(0, 1), (1, 0)] {
            for (id, read) in &sides[side].read {
                prop_assert!(*read <= sides[other].written.get(id).copied().unwrap_or(0));
            }
        }
    }

    /// Nothing that a peer sends makes it panic, or hold more than it may.
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in vec(any::<u8>(), 0..500), plausible in vec((0..4u8, 0..16u16, 0..6u32, 0..300_000u32), 0..50)) {
        let (mut session, now) = with_stream();
        for (frame_type, flags, stream, length) in plausible {
            let mut header = [0, frame_type, 0, flags as u8, 0, 0, 0, stream as u8, 0, 0, 0, 0];
            header[8..].copy_from_slice(&length.to_be_bytes());
            let _ = session.receive(&header, now);
            let _ = session.receive(&vec![0; length as usize / 3], now);
            session.sent(session.output().len());
            prop_assert!(session.buffered() <= 6 * INITIAL_WINDOW as usize);
        }
        let _ = session.receive(&bytes, now);
    }
}
