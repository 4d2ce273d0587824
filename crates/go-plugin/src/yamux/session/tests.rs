use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::yamux::frame::{ACK, SYN};

const SECOND: Duration = Duration::from_secs(1);

fn frame(frame_type: FrameType, flags: u16, stream_id: u32, length: u32) -> Vec<u8> {
    Header {
        frame_type,
        flags,
        stream_id,
        length,
    }
    .encode()
    .to_vec()
}

fn data(flags: u16, stream_id: u32, body: &[u8]) -> Vec<u8> {
    [
        frame(FrameType::Data, flags, stream_id, body.len() as u32),
        body.to_vec(),
    ]
    .concat()
}

/// The frames in a session's output, taken out of it.
fn sent(session: &mut Session) -> Vec<Header> {
    let mut bytes = session.output().to_vec();
    session.sent(bytes.len());
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let header = Header::decode(bytes[..Header::SIZE].try_into().unwrap()).unwrap();
        let body = if header.frame_type == FrameType::Data {
            header.length as usize
        } else {
            0
        };
        bytes.drain(..Header::SIZE + body);
        headers.push(header);
    }
    headers
}

fn header(frame_type: FrameType, flags: u16, stream_id: u32, length: u32) -> Header {
    Header {
        frame_type,
        flags,
        stream_id,
        length,
    }
}

fn server(config: Config) -> (Session, Instant) {
    let now = Instant::now();
    (Session::new(Role::Server, config, now), now)
}

/// A server with stream 1 open and the ACK taken out.
fn with_stream() -> (Session, Instant) {
    let (mut session, now) = server(Config::default());
    session
        .receive(&frame(FrameType::WindowUpdate, SYN, 1, 0), now)
        .unwrap();
    assert_eq!(session.accept(), Some(1));
    sent(&mut session);
    (session, now)
}

#[test]
fn a_stream_is_acknowledged_before_anyone_accepts_it() {
    let (mut session, now) = server(Config::default());
    for syn in [frame(FrameType::WindowUpdate, SYN, 1, 0), data(SYN, 3, b"early")] {
        session.receive(&syn, now).unwrap();
    }
    assert_eq!(
        sent(&mut session),
        [
            header(FrameType::WindowUpdate, ACK, 1, 0),
            header(FrameType::WindowUpdate, ACK, 3, 0)
        ]
    );
    assert_eq!(
        (session.accept(), session.accept(), session.accept()),
        (Some(1), Some(3), None)
    );
    assert_eq!(session.read(3), Ok(Chunk::Data(b"early")));
}

#[test]
fn a_larger_window_is_announced_with_syn_and_ack() {
    let config = Config {
        window: INITIAL_WINDOW + 1000,
        ..Config::default()
    };
    let (mut session, now) = server(config);
    session
        .receive(&frame(FrameType::WindowUpdate, SYN, 1, 0), now)
        .unwrap();
    assert_eq!(session.open(now), Ok(2));
    assert_eq!(
        sent(&mut session),
        [
            header(FrameType::WindowUpdate, ACK, 1, 1000),
            header(FrameType::WindowUpdate, SYN, 2, 1000)
        ]
    );
}

#[test]
fn pings_are_answered_with_their_value() {
    let (mut session, now) = server(Config::default());
    session.receive(&frame(FrameType::Ping, SYN, 0, 42), now).unwrap();
    // An answer that nobody asked for.
    session.receive(&frame(FrameType::Ping, ACK, 0, 43), now).unwrap();
    assert_eq!(sent(&mut session), [header(FrameType::Ping, ACK, 0, 42)]);
}

#[test]
fn frames_may_arrive_in_any_pieces() {
    let (mut session, now) = with_stream();
    let bytes = [
        data(0, 1, b"hello "),
        frame(FrameType::Ping, SYN, 0, 7),
        data(FIN, 1, b"world"),
    ]
    .concat();
    for byte in bytes {
        session.receive(&[byte], now).unwrap();
    }
    assert_eq!(session.read(1), Ok(Chunk::Data(b"hello world")));
    session.consume(1, 6);
    assert_eq!(session.read(1), Ok(Chunk::Data(b"world")));
    session.consume(1, 5);
    assert_eq!(session.read(1), Ok(Chunk::End));
}

#[test]
fn a_fin_with_data_is_the_end_only_after_the_data() {
    let (mut session, now) = with_stream();
    let bytes = data(FIN, 1, b"last");
    session.receive(&bytes[..Header::SIZE + 1], now).unwrap();
    session.consume(1, 1);
    assert_eq!(session.read(1), Ok(Chunk::Empty));
    session.receive(&bytes[Header::SIZE + 1..], now).unwrap();
    assert_eq!(session.read(1), Ok(Chunk::Data(b"ast")));
}

#[test]
fn the_window_is_given_back_when_half_of_it_was_read() {
    let (mut session, now) = with_stream();
    let half = vec![0; INITIAL_WINDOW as usize / 2];
    session.receive(&data(0, 1, &half), now).unwrap();
    session.receive(&data(0, 1, &half), now).unwrap();
    session.consume(1, half.len() - 1);
    assert_eq!(sent(&mut session), []);
    session.consume(1, 1);
    assert_eq!(
        sent(&mut session),
        [header(FrameType::WindowUpdate, 0, 1, INITIAL_WINDOW / 2)]
    );
}

/// The bytes of a frame that is still arriving are taken from the window, so the peer must not get them twice.
#[test]
fn what_is_arriving_counts_as_held() {
    let (mut session, now) = with_stream();
    let whole = data(0, 1, &vec![0; INITIAL_WINDOW as usize]);
    session.receive(&whole[..Header::SIZE + 10], now).unwrap();
    session.consume(1, 10);
    assert_eq!(sent(&mut session), []);
}

#[test]
fn writes_stop_at_the_window_and_go_on_with_an_update() {
    let (mut session, now) = server(Config {
        output_limit: usize::MAX,
        ..Config::default()
    });
    session
        .receive(&frame(FrameType::WindowUpdate, SYN, 1, 0), now)
        .unwrap();
    let bytes = vec![7; INITIAL_WINDOW as usize + 10];
    assert_eq!(session.write(1, &bytes), Ok(INITIAL_WINDOW as usize));
    assert_eq!(session.write(1, &bytes), Ok(0));
    while session.poll_event().is_some() {}
    // Also on a stream that the peer has closed on its side.
    session
        .receive(&frame(FrameType::WindowUpdate, FIN, 1, 0), now)
        .unwrap();
    session
        .receive(&frame(FrameType::WindowUpdate, 0, 1, 10), now)
        .unwrap();
    let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
    assert_eq!(events, [Event::Readable(1), Event::Writable(1)]);
    assert_eq!(session.write(1, &bytes), Ok(10));
}

#[test]
fn writes_stop_at_the_output_limit_and_go_on_when_the_peer_reads() {
    let (mut session, now) = server(Config {
        output_limit: 1000,
        ..Config::default()
    });
    session
        .receive(&frame(FrameType::WindowUpdate, SYN, 1, 0), now)
        .unwrap();
    sent(&mut session);
    assert_eq!(session.write(1, &[0; 5000]), Ok(1000));
    assert_eq!(session.write(1, &[0; 5000]), Ok(0));
    while session.poll_event().is_some() {}
    session.sent(400);
    assert_eq!(session.poll_event(), None);
    session.sent(200);
    assert_eq!(session.poll_event(), Some(Event::Writable(1)));
}

#[test]
fn a_peer_that_does_not_read_is_not_read_any_more() {
    let (mut session, now) = server(Config {
        output_limit: 1000,
        ..Config::default()
    });
    let pings = frame(FrameType::Ping, SYN, 0, 1).repeat(500);
    let mut received = 0;
    while session.wants_input() {
        session.receive(&pings, now).unwrap();
        received += pings.len();
        assert!(received < 100_000, "the output grows without a bound");
    }
    assert!(session.buffered() <= 1000 + 1024 * Header::SIZE + pings.len());
    session.sent(session.output().len());
    assert!(session.wants_input());
}

#[test]
fn both_sides_have_to_close_a_stream() {
    let (mut session, now) = with_stream();
    session.finish(1);
    session.finish(1);
    assert_eq!(sent(&mut session), [header(FrameType::WindowUpdate, FIN, 1, 0)]);
    assert_eq!(session.write(1, b"more"), Err(Error::StreamClosed(1)));
    session.receive(&data(0, 1, b"still read"), now).unwrap();
    assert_eq!(session.read(1), Ok(Chunk::Data(b"still read")));
    session.consume(1, 10);
    session
        .receive(&frame(FrameType::WindowUpdate, FIN, 1, 0), now)
        .unwrap();
    assert_eq!(session.read(1), Ok(Chunk::End));
    session.release(1, now);
    assert!(session.streams.is_empty());
    assert_eq!(sent(&mut session), []);
}

#[test]
fn a_released_stream_is_closed_and_waits_for_the_peer() {
    let (mut session, now) = with_stream();
    session.release(1, now);
    assert_eq!(sent(&mut session), [header(FrameType::WindowUpdate, FIN, 1, 0)]);
    session.receive(&data(0, 1, b"thrown away"), now).unwrap();
    assert_eq!(session.buffered(), 0);
    assert_eq!(session.timeout(), Some(now + 300 * SECOND));
    session.handle_timeout(now + 300 * SECOND).unwrap();
    assert_eq!(sent(&mut session), [header(FrameType::WindowUpdate, RST, 1, 0)]);
    // What comes for it now is nobody's.
    session.receive(&data(0, 1, b"late"), now).unwrap();
    session
        .receive(&frame(FrameType::WindowUpdate, FIN, 1, 0), now)
        .unwrap();
    assert_eq!((sent(&mut session), session.timeout()), (vec![], None));
}

#[test]
fn a_reset_ends_both_directions() {
    let (mut session, now) = with_stream();
    session.receive(&data(0, 1, b"lost"), now).unwrap();
    session
        .receive(&frame(FrameType::WindowUpdate, RST, 1, 0), now)
        .unwrap();
    assert_eq!(session.read(1), Err(Error::StreamReset(1)));
    assert_eq!(session.write(1, b"x"), Err(Error::StreamReset(1)));
    session.release(1, now);
    assert!(session.streams.is_empty() && sent(&mut session).is_empty());
}

#[test]
fn too_many_streams_are_refused_one_by_one() {
    for config in [
        Config {
            max_streams: 2,
            ..Config::default()
        },
        Config {
            accept_backlog: 2,
            ..Config::default()
        },
    ] {
        let (mut session, now) = server(config);
        for id in [1, 3, 5] {
            session.receive(&data(SYN, id, b"x"), now).unwrap();
        }
        let answers: Vec<_> = sent(&mut session)
            .iter()
            .map(|header| (header.stream_id, header.flags))
            .collect();
        assert_eq!(answers, [(1, ACK), (3, ACK), (5, RST)]);
        assert_eq!(session.buffered(), 2);
    }
    let (mut session, now) = server(Config {
        max_streams: 1,
        ..Config::default()
    });
    session.open(now).unwrap();
    assert_eq!(session.open(now), Err(Error::TooManyStreams(1)));
}

#[test]
fn after_go_away_open_streams_go_on() {
    let (mut session, now) = with_stream();
    session
        .receive(&frame(FrameType::GoAway, 0, 0, GO_AWAY_NORMAL), now)
        .unwrap();
    assert_eq!(session.open(now), Err(Error::RemoteGoAway));
    session.receive(&data(0, 1, b"call"), now).unwrap();
    assert_eq!(session.read(1), Ok(Chunk::Data(b"call")));
    assert_eq!(session.write(1, b"answer"), Ok(6));
    sent(&mut session);
    // Ours keeps the peer from opening more.
    session.go_away();
    session
        .receive(&frame(FrameType::WindowUpdate, SYN, 3, 0), now)
        .unwrap();
    assert_eq!(
        sent(&mut session),
        [
            header(FrameType::GoAway, 0, 0, GO_AWAY_NORMAL),
            header(FrameType::WindowUpdate, RST, 3, 0)
        ]
    );
}

#[test]
fn what_breaks_the_protocol_ends_the_session_and_says_so() {
    let window = INITIAL_WINDOW + 1;
    let cases: [(Vec<u8>, Error); 10] = [
        (vec![1; 12], Error::Version(1)),
        (vec![0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Error::FrameType(9)),
        (frame(FrameType::WindowUpdate, SYN, 0, 0), Error::StreamId(0)),
        (frame(FrameType::WindowUpdate, SYN, 2, 0), Error::StreamId(2)),
        (
            frame(FrameType::WindowUpdate, SYN, 1, 0),
            Error::DuplicateStream(1),
        ),
        (
            frame(FrameType::Data, 0, 1, window),
            Error::WindowExceeded {
                stream: 1,
                window: INITIAL_WINDOW,
                length: window,
            },
        ),
        (
            frame(FrameType::WindowUpdate, 0, 1, u32::MAX),
            Error::WindowOverflow(1),
        ),
        (
            [data(FIN, 1, b""), data(FIN, 1, b"")].concat(),
            Error::AfterFin(1),
        ),
        ([data(FIN, 1, b""), data(0, 1, b"x")].concat(), Error::AfterFin(1)),
        (frame(FrameType::GoAway, 0, 0, 2), Error::RemoteError(2)),
    ];
    for (bytes, error) in cases {
        let (mut session, now) = with_stream();
        assert_eq!(session.receive(&bytes, now), Err(error.clone()));
        let said = sent(&mut session);
        match error {
            Error::RemoteError(_) => assert_eq!(said, []),
            _ => assert_eq!(said, [header(FrameType::GoAway, 0, 0, GO_AWAY_PROTOCOL_ERROR)]),
        }
        assert_eq!(session.ended(), Some(&error));
        assert_eq!(session.receive(b"more", now), Err(error));
        assert_eq!(session.read(1), Ok(Chunk::End));
        assert_eq!(
            (session.write(1, b"x"), session.open(now)),
            (Err(Error::SessionClosed), Err(Error::SessionClosed))
        );
    }
}

#[test]
fn frames_of_unknown_streams_are_passed_over() {
    let (mut session, now) = with_stream();
    let bytes = [
        data(0, 77, &[1; 5000]),
        frame(FrameType::WindowUpdate, FIN, 79, 1),
        data(0, 1, b"mine"),
    ]
    .concat();
    for piece in bytes.chunks(999) {
        session.receive(piece, now).unwrap();
    }
    assert_eq!(session.read(1), Ok(Chunk::Data(b"mine")));
    assert_eq!(sent(&mut session), []);
}

#[test]
fn keepalive_asks_and_gives_up() {
    let config = Config {
        keep_alive: Some(30 * SECOND),
        ..Config::default()
    };
    let (mut session, start) = server(config);
    assert_eq!(session.timeout(), Some(start + 30 * SECOND));
    session.handle_timeout(start + 29 * SECOND).unwrap();
    assert_eq!(sent(&mut session), []);
    session.handle_timeout(start + 30 * SECOND).unwrap();
    let [ping] = sent(&mut session)[..] else {
        panic!("one ping")
    };
    assert_eq!((ping.frame_type, ping.flags), (FrameType::Ping, SYN));

    session
        .receive(&frame(FrameType::Ping, ACK, 0, ping.length), start + 31 * SECOND)
        .unwrap();
    assert_eq!(session.timeout(), Some(start + 61 * SECOND));
    session.handle_timeout(start + 61 * SECOND).unwrap();
    // The answer to the last one is none to this one.
    session
        .receive(&frame(FrameType::Ping, ACK, 0, ping.length), start + 62 * SECOND)
        .unwrap();
    assert_eq!(session.timeout(), Some(start + 71 * SECOND));
    assert_eq!(
        session.handle_timeout(start + 71 * SECOND),
        Err(Error::KeepAliveTimeout)
    );
}

#[test]
fn a_stream_without_ack_ends_the_session_after_75_s() {
    let (mut session, start) = server(Config::default());
    let (first, second) = (
        session.open(start).unwrap(),
        session.open(start + SECOND).unwrap(),
    );
    session
        .receive(&frame(FrameType::WindowUpdate, ACK, first, 0), start + 2 * SECOND)
        .unwrap();
    session.handle_timeout(start + 75 * SECOND).unwrap();
    assert_eq!(session.timeout(), Some(start + 76 * SECOND));
    assert_eq!(
        session.handle_timeout(start + 76 * SECOND),
        Err(Error::OpenTimeout(second))
    );
}

#[test]
fn a_closed_session_can_be_read_to_its_end() {
    let (mut session, now) = with_stream();
    session.receive(&data(0, 1, b"rest"), now).unwrap();
    session.close();
    assert_eq!(session.read(1), Ok(Chunk::Data(b"rest")));
    session.consume(1, 4);
    assert_eq!(session.read(1), Ok(Chunk::End));
    assert_eq!(session.timeout(), None);
}

/// Memory of a burst is given back.
#[test]
fn large_buffers_are_not_kept() {
    let (mut session, now) = with_stream();
    session.receive(&data(0, 1, &[0; 200_000]), now).unwrap();
    session.consume(1, 200_000);
    session.write(1, &[0; 200_000]).unwrap();
    session.sent(session.output().len());
    assert_eq!(session.streams[&1].received.capacity(), 0);
    assert_eq!(session.output.capacity(), 0);
}

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
