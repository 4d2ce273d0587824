//! `serinus measure` against servers that answer as real ones do.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, Method, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serinus::measure::ask::{Asker, Question};
use tokio::net::TcpListener;

/// Pieces of a body; one may be a failure.
type Pieces = BoxStream<'static, Result<Frame<Bytes>, &'static str>>;

/// A server, and how many connections were made to it.
struct Server {
    addr: SocketAddr,
    connections: Arc<AtomicU64>,
}

/// Serves until the test ends.
async fn serve(answer: impl Fn(u64) -> Response<Pieces> + Clone + Send + 'static) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("loopback can be listened on");
    let server = Server {
        addr: listener.local_addr().expect("it is bound"),
        connections: Arc::default(),
    };
    let (connections, requests) = (Arc::clone(&server.connections), Arc::new(AtomicU64::new(0)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::Relaxed);
            let (answer, requests) = (answer.clone(), Arc::clone(&requests));
            let service = service_fn(move |_| {
                let answer = answer(requests.fetch_add(1, Ordering::Relaxed)).map(StreamBody::new);
                async { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    server
}

/// An answer of the version `v2` with a body in pieces.
fn of_v2(status: u16, pieces: Pieces) -> Response<Pieces> {
    Response::builder()
        .status(status)
        .header("x-version", "v2")
        .body(pieces)
        .expect("it is an answer")
}

fn text(text: &'static str) -> Pieces {
    stream::once(async move { Ok(Frame::data(Bytes::from_static(text.as_bytes()))) }).boxed()
}

/// Runs the binary, and returns its exit code and what it printed.
async fn measure(server: &Server, more: &'static [&'static str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_serinus"));
    command.arg("measure").arg(format!("http://{}/", server.addr));
    command.args(["-n", "50"]).args(more);
    let done = tokio::task::spawn_blocking(move || command.output());
    let output = done.await.expect("it is waited for").expect("it starts");
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

/// A page of a gateway.
fn page(status: u16, words: &'static str) -> Response<Pieces> {
    Response::builder()
        .status(status)
        .body(text(words))
        .expect("it is an answer")
}

#[tokio::test]
async fn errors_are_no_version() {
    let mixed = |number: u64| match number % 5 {
        0 => page(503, "no healthy upstream"),
        _ => page(200, "stable"),
    };
    let unhealthy = |_| page(503, "no healthy upstream");
    let failing = |_| of_v2(500, text("oops"));
    let moved = |_| page(302, "moved");
    let moving = |_| of_v2(302, text("moved"));
    type Case = (
        fn(u64) -> Response<Pieces>,
        &'static [&'static str],
        i32,
        &'static str,
    );
    let cases: [Case; 9] = [
        (
            unhealthy,
            &["--expect", "v2=0"],
            2,
            "answered 503 Service Unavailable without saying who served ×50",
        ),
        (unhealthy, &["--expect", "v2=0", "--allow-errors"], 2, "×50"),
        (
            mixed,
            &["--expect", "stable=80"],
            1,
            "Shares are of the 40 answers that say who served; 10 requests have no such answer.",
        ),
        (mixed, &["--expect", "stable=100"], 1, "50 requests to"),
        (
            mixed,
            &["--expect", "stable=100", "--allow-errors"],
            0,
            "10 failed",
        ),
        (
            failing,
            &["--by", "header:x-version", "--expect", "v2=100"],
            1,
            "50 answered 500",
        ),
        (
            failing,
            &["--by", "header:x-version", "--expect", "v2=100", "--allow-errors"],
            0,
            "Shares are of the 50 answers that say who served, 50 with a 5xx among them.",
        ),
        (
            moved,
            &["--allow-errors"],
            2,
            "answered 302 Found without saying who served ×50",
        ),
        (moving, &["--by", "header:x-version"], 0, "50 answered 302"),
    ];
    for (answer, more, code, words) in cases {
        let server = serve(answer).await;
        let (seen, printed) = measure(&server, more).await;
        assert_eq!(seen, Some(code), "{more:?}: {printed}");
        assert!(printed.contains(words), "{more:?}: {printed}");
    }
}

#[tokio::test]
async fn the_head_is_enough_where_a_header_says_who() {
    /// Name, body, whether it is an answer, connections of four requests.
    type Case = (&'static str, fn() -> Pieces, bool, u64);
    let cases: [Case; 5] = [
        ("small", || text("v2"), true, 1),
        (
            "large",
            || {
                let piece = Bytes::from(vec![b'x'; 1 << 18]);
                stream::repeat(piece)
                    .take(8)
                    .map(|piece| Ok(Frame::data(piece)))
                    .boxed()
            },
            true,
            4,
        ),
        (
            "endless",
            || {
                let piece = Bytes::from_static(b"data: x\n\n");
                stream::repeat(piece).map(|piece| Ok(Frame::data(piece))).boxed()
            },
            true,
            4,
        ),
        ("never comes", || stream::pending().boxed(), true, 4),
        (
            "breaks off",
            || text("v").chain(stream::once(async { Err("broken") })).boxed(),
            false,
            4,
        ),
    ];
    for (name, body, answered, connections) in cases {
        let server = serve(move |_| of_v2(200, body())).await;
        let asker = Asker::new(Question {
            uri: format!("http://{}/", server.addr).parse().expect("it is a URL"),
            method: Method::GET,
            headers: HeaderMap::new(),
            by: "header:x-version".parse().expect("it says where"),
            timeout: Duration::from_secs(20),
            keep_alive: true,
        })
        .expect("it can ask");
        let began = Instant::now();
        for _ in 0..4 {
            let answer = asker.ask().await;
            assert_eq!(answer.is_ok(), answered, "{name}: {answer:?}");
            let who = answer.ok().and_then(|answer| answer.who);
            assert_eq!(who.is_some(), answered, "{name}");
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{name}: it waits for the body"
        );
        assert_eq!(server.connections.load(Ordering::Relaxed), connections, "{name}");
    }
}
