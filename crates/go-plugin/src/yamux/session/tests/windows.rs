//! How much may be under way.

use super::*;

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
