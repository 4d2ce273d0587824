use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;
use crate::yamux::{
    FrameType, Header,
    frame::{ACK, SYN},
};

type Driving = JoinHandle<Result<(), DriveError>>;

fn start(io: DuplexStream, role: Role, config: Config) -> (Connection, Driving) {
    let (connection, driver) = connect(io, role, config);
    (connection, tokio::spawn(driver))
}

/// A client and a server, with so many bytes between them.
fn pair(pipe: usize, config: Config) -> ((Connection, Driving), (Connection, Driving)) {
    let (client, server) = duplex(pipe);
    (
        start(client, Role::Client, config),
        start(server, Role::Server, Config::default()),
    )
}

async fn receive_all(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    while stream.receive(&mut bytes).await.unwrap() > 0 {}
    bytes.to_vec()
}

#[tokio::test(start_paused = true)]
async fn streams_carry_more_than_their_window_over_a_narrow_pipe() {
    let ((client, _one), (server, _two)) = pair(100, Config::default());
    let sent: Vec<u8> = (0..1_000_000u32).map(|place| (place % 251) as u8).collect();
    let back = sent.clone();
    let echo = tokio::spawn(async move {
        let mut stream = server.accept().await.unwrap();
        let received = receive_all(&mut stream).await;
        stream.send(&received).await.unwrap();
    });
    let mut stream = client.open().unwrap();
    stream.send(&sent).await.unwrap();
    stream.finish();
    assert!(receive_all(&mut stream).await == back);
    echo.await.unwrap();
}

/// The trap of the 75 seconds: a host's streams on which a plugin writes nothing.
#[tokio::test(start_paused = true)]
async fn an_idle_session_lives_for_hours() {
    let config = Config {
        keep_alive: Some(Duration::from_secs(30)),
        ..Config::default()
    };
    let ((client, one), (server, two)) = pair(1000, config);
    let mut streams: Vec<_> = (0..3).map(|_| client.open().unwrap()).collect();
    sleep(Duration::from_secs(4 * 3600)).await;
    assert!(!one.is_finished() && !two.is_finished());
    streams[2].send(b"still there").await.unwrap();
    streams[2].finish();
    let (_, _) = (server.accept().await.unwrap(), server.accept().await.unwrap());
    assert_eq!(
        receive_all(&mut server.accept().await.unwrap()).await,
        b"still there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_stuck_is_given_up() {
    let (io, _stuck) = duplex(1000);
    let config = Config {
        keep_alive: Some(Duration::from_secs(30)),
        ..Config::default()
    };
    let (begun, (_client, driving)) = (Instant::now(), start(io, Role::Client, config));
    let error = driving.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "yamux: keepalive timeout");
    assert_eq!(begun.elapsed().as_secs(), 40);

    let (io, _stuck) = duplex(1000);
    let (begun, (client, driving)) = (Instant::now(), start(io, Role::Client, Config::default()));
    let mut stream = client.open().unwrap();
    let error = driving.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "yamux: stream 1 was not acknowledged in time");
    assert_eq!(begun.elapsed().as_secs(), 75);
    assert_eq!(receive_all(&mut stream).await, b"");
    assert_eq!(stream.send(b"x").await, Err(Error::SessionClosed));
    assert!(client.accept().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_is_the_end_of_the_streams() {
    let ((client, one), (server, two)) = pair(1000, Config::default());
    let mut stream = client.open().unwrap();
    stream.send(b"last words").await.unwrap();
    let mut accepted = server.accept().await.unwrap();
    client.close();
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(receive_all(&mut accepted).await, b"last words");
    assert!(server.accept().await.is_err());
    assert_eq!(accepted.send(b"x").await, Err(Error::SessionClosed));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken() {
    let ((client, _one), (server, _two)) = pair(1000, Config::default());
    let (mut writer, mut reader) = (client.open().unwrap(), server.accept().await.unwrap());
    let writing = tokio::spawn(async move {
        // More than the window, the output limit and the pipe can hold.
        let result = writer.send(&vec![0; 2_000_000]).await;
        (result, receive_all(&mut writer).await)
    });
    sleep(Duration::from_secs(1)).await;
    assert!(!writing.is_finished());
    let mut received = BytesMut::new();
    while received.len() < 2_000_000 {
        reader.receive(&mut received).await.unwrap();
    }
    reader.send(b"done").await.unwrap();
    drop(reader);
    assert_eq!(writing.await.unwrap(), (Ok(()), b"done".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_reset_wakes_both_ends() {
    let ((client, _one), (server, _two)) = pair(1000, Config::default());
    let (mut mine, mut theirs) = (client.open().unwrap(), server.accept().await.unwrap());
    let waiting = tokio::spawn(async move { mine.receive(&mut BytesMut::new()).await });
    sleep(Duration::from_secs(1)).await;
    theirs.reset();
    assert_eq!(waiting.await.unwrap(), Err(Error::StreamReset(1)));
    assert_eq!(theirs.send(b"x").await, Err(Error::StreamReset(1)));
}

/// The driver had stopped reading, and nothing woke it when there was room for answers again.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_late_gets_every_answer() {
    // With the wide pipe all that had to wait is written at once.
    for pipe in [1000, 1024 * 1024] {
        reads_late(pipe).await;
    }
}

async fn reads_late(pipe: usize) {
    const PINGS: usize = 400_000;
    let (io, mut peer) = duplex(pipe);
    let (_server, _driving) = start(io, Role::Server, Config::default());
    let (mut reader, mut writer) = tokio::io::split(&mut peer);
    let ping = |flags| {
        Header {
            frame_type: FrameType::Ping,
            flags,
            stream_id: 0,
            length: 7,
        }
        .encode()
    };
    let pings = ping(SYN).repeat(PINGS);
    // Writes until the session takes no more.
    let mut rest = pings.as_slice();
    while let Ok(count) = tokio::time::timeout(Duration::from_secs(1), writer.write(rest)).await {
        rest = &rest[count.unwrap()..];
        assert!(!rest.is_empty(), "it took all of the pings");
    }
    let mut answers = vec![0; PINGS * Header::SIZE];
    let (read, wrote) = tokio::join!(reader.read_exact(&mut answers), writer.write_all(rest));
    read.unwrap();
    wrote.unwrap();
    assert!(answers == ping(ACK).repeat(PINGS));
}

/// A peer of another protocol is told so, and not waited for.
#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_something_else_is_told() {
    let (io, mut peer) = duplex(1000);
    let (_server, driving) = start(io, Role::Server, Config::default());
    peer.write_all(b"\x16\x03\x01 a TLS client hello").await.unwrap();
    let error = driving.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "yamux: frame of version 22, expected 0");
    let mut said = Vec::new();
    peer.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_gone_after_a_while() {
    let config = Config {
        close_timeout: Duration::from_secs(10),
        ..Config::default()
    };
    let ((client, _one), (server, _two)) = pair(1000, config);
    let mut mine = client.open().unwrap();
    let mut theirs = server.accept().await.unwrap();
    mine.finish();
    assert_eq!(theirs.receive(&mut BytesMut::new()).await, Ok(0));
    // Already closed for writing, so there is nothing to say, but a time to wait for.
    drop(mine);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(theirs.send(b"x").await, Err(Error::StreamReset(1)));
}

/// The time at which a stream would have been given up came again and again, without a pause.
#[tokio::test(start_paused = true)]
async fn a_closed_session_waits_for_no_time() {
    let (here, _there) = tokio::io::duplex(1024);
    let (connection, driver) = connect(here, Role::Client, Config::default());
    let _driver = tokio::spawn(driver);
    let mut stream = connection.open().unwrap();
    stream.send(&vec![0; 100_000]).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    connection.close();
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_secs(1000)).await;
}
