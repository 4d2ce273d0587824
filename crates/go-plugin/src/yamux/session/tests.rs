//! What a session does with the frames of a peer and the wishes of an application.

mod properties;
mod windows;

use std::time::Duration;

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
