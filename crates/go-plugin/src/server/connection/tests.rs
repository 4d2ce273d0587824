//! A host and a plugin in one process, over a pipe, with a clock of our own.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use futures::future::join_all;
use gob::{Encoder, Limits, Schema, Type};
use serde::{Deserialize, Serialize, Serializer};
use tokio::{
    io::duplex,
    runtime::Handle,
    time::{Instant, sleep},
};

use super::*;
use crate::{
    Answer,
    broker::dial,
    rpc::{Client, Error},
    yamux::{Config, Connection},
};

const DEADLINE: Duration = Duration::from_secs(30);
/// Longer than any deadline of the plugin.
const PATIENT: Duration = Duration::from_secs(1000);

/// Answers with its argument after so many milliseconds, or goes wrong as its text says.
struct Slow {
    ty: Type,
    finished: Arc<AtomicUsize>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Message {
    text: String,
    millis: u64,
}

/// A value that cannot be written.
struct Broken;

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("while it was written")
    }
}

fn ty() -> Type {
    let schema = Schema::parse("type Message struct { Text string; Millis uint64 }").unwrap();
    schema.ty("Message").unwrap().clone()
}

impl Service for Slow {
    fn call(&self, method: &str, argument: Encoded<'_, '_>) -> Result<Answer, CallError> {
        if method != "Say" {
            return Err(CallError::UnknownMethod);
        }
        let message: Message = argument.deserialize()?;
        let (ty, finished) = (self.ty.clone(), self.finished.clone());
        assert_ne!(message.text, "panic while decoding");
        Ok(Box::pin(async move {
            sleep(Duration::from_millis(message.millis)).await;
            finished.fetch_add(1, Ordering::SeqCst);
            match message.text.as_str() {
                "panic" => panic!("as {}", "asked"),
                "fail" => Err("failed".to_owned()),
                "fail silently" => Err(String::new()),
                "broken" => Ok(Reply::new(&ty, Broken)),
                "another type" => Ok(Reply::new(&ty, 42)),
                _ => Ok(Reply::new(&ty, message)),
            }
        }))
    }
}

/// Both sides of a connection.
struct Pair {
    connection: Connection,
    control: Client,
    hosts: watch::Receiver<usize>,
    quit: watch::Receiver<bool>,
    finished: Arc<AtomicUsize>,
    served: tokio::task::JoinHandle<()>,
}

impl Pair {
    fn new(max_calls: usize) -> Self {
        Self::with(max_calls, Config::default())
    }

    fn with(max_calls: usize, session: Config) -> Self {
        let finished = Arc::new(AtomicUsize::new(0));
        let slow = Slow {
            ty: ty(),
            finished: finished.clone(),
        };
        let (hosts, quit) = (watch::channel(0), watch::channel(false));
        let shared = Shared {
            services: Services::from([("slow".to_owned(), Arc::new(slow) as Arc<dyn Service>)]),
            rules: Rules {
                runtime: Handle::current(),
                deadline: DEADLINE,
                slots: Slots::new(max_calls),
                limits: Limits::default(),
            },
            session,
            printed: Printed::nothing(),
            hosts: hosts.0,
            quit: quit.0,
        };
        let (here, there) = duplex(64 * 1024);
        let served = tokio::spawn(serve_connection(there, Arc::new(shared)));
        let (connection, driver) = yamux::connect(here, Role::Client, session);
        tokio::spawn(driver);
        let (control, calling) = Client::new(connection.open().unwrap(), &Limits::default());
        tokio::spawn(calling);
        for _ in ["stdout", "stderr"] {
            let mut stream = connection.open().unwrap();
            tokio::spawn(async move { _ = stream.receive(&mut BytesMut::new()).await });
        }
        Self {
            connection,
            control,
            hosts: hosts.1,
            quit: quit.1,
            finished,
            served,
        }
    }

    async fn control<T: for<'a> Deserialize<'a> + Send + 'static>(
        &self,
        method: &str,
        ty: &Type,
        argument: &impl Serialize,
    ) -> Result<T, Error> {
        self.control
            .call_service(method.to_owned(), ty, argument, PATIENT)
            .await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.control::<Nothing>("Control.Ping", &Types::shared().boolean, &true)
            .await
            .map(|_| ())
    }

    async fn stream(&self) -> Stream {
        let id: u32 = self
            .control("Dispenser.Dispense", &Types::shared().string, &"slow")
            .await
            .unwrap();
        dial(&self.connection, id).await.unwrap()
    }

    async fn client(&self) -> Client {
        let (client, calling) = Client::new(self.stream().await, &Limits::default());
        tokio::spawn(calling);
        client
    }
}

async fn say(client: &Client, text: &str, millis: u64) -> Result<String, String> {
    let message = Message {
        text: text.into(),
        millis,
    };
    let answer: Result<Message, _> = client.call("Say", &ty(), &message, PATIENT).await;
    answer
        .map(|message| message.text)
        .map_err(|error| error.to_string())
}

/// The bytes of a call as a client sends them.
fn call(encoder: &mut Encoder, seq: u64, text: &str, millis: u64) -> Vec<u8> {
    let request = crate::rpc::Request {
        service_method: "Plugin.Say".into(),
        seq,
    };
    let (mut bytes, message) = (
        Vec::new(),
        Message {
            text: text.into(),
            millis,
        },
    );
    encoder
        .encode(&Types::shared().request, &request, &mut bytes)
        .unwrap();
    encoder.encode(&ty(), &message, &mut bytes).unwrap();
    bytes
}

#[test]
fn calls_that_nobody_takes() {
    let said = |method| unknown(method, &["Control", "Dispenser"]);
    assert_eq!(said("Ping"), "rpc: service/method request ill-formed: Ping");
    assert_eq!(said("Control.Pong"), "rpc: can't find method Control.Pong");
    assert_eq!(said("Plugin.Type"), "rpc: can't find service Plugin.Type");
    assert_eq!(said("A.Control.Ping"), "rpc: can't find service A.Control.Ping");
}

#[tokio::test(start_paused = true)]
async fn calls_overlap_and_are_answered_when_they_are_ready() {
    let pair = Pair::new(64);
    let (client, order) = (pair.client().await, Mutex::new(Vec::new()));
    join_all((0..64u64).map(|number| {
        let (client, order) = (&client, &order);
        async move {
            let text = say(client, &number.to_string(), 400 * (64 - number))
                .await
                .unwrap();
            order.lock().unwrap().push(text.parse::<u64>().unwrap());
        }
    }))
    .await;
    assert_eq!(order.into_inner().unwrap(), (0..64).rev().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_answered_at_its_deadline_and_stopped() {
    let pair = Pair::new(2);
    let client = pair.client().await;
    let begun = Instant::now();
    let (hanging, other) = tokio::join!(say(&client, "hang", 1_000_000), say(&client, "other", 29_000));
    assert_eq!(hanging.unwrap_err(), "Plugin.Say: no answer within 30s");
    assert_eq!(other.unwrap(), "other");
    assert_eq!(begun.elapsed().as_secs(), 30);
    sleep(Duration::from_secs(2000)).await;
    assert_eq!(
        pair.finished.load(Ordering::SeqCst),
        1,
        "the call that hung was stopped"
    );
}

/// The deadlines of calls that are done are not kept for as long as the one that takes longest.
#[tokio::test(start_paused = true)]
async fn each_call_has_its_own_deadline() {
    let pair = Pair::new(10);
    let client = pair.client().await;
    let begun = Instant::now();
    let late = async {
        sleep(Duration::from_secs(10)).await;
        let error = say(&client, "late", 1_000_000).await.unwrap_err();
        (error, begun.elapsed().as_secs())
    };
    let many = async {
        for _ in 0..1000 {
            say(&client, "x", 20).await.unwrap();
        }
    };
    let (first, (second, at), ()) = tokio::join!(say(&client, "hang", 1_000_000), late, many);
    assert!(first.is_err());
    assert_eq!((second.as_str(), at), ("Plugin.Say: no answer within 30s", 40));
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_a_call_costs_only_that_call() {
    let pair = Pair::new(2);
    let client = pair.client().await;
    let cases = [
        ("panic", "Plugin.Say: the plugin panicked: as asked"),
        (
            "panic while decoding",
            "Plugin.Say: the plugin panicked: assertion `left != right` failed",
        ),
        ("fail", "failed"),
        ("fail silently", "Plugin.Say: failed without saying why"),
        (
            "broken",
            "Plugin.Say: cannot encode the answer: the plugin panicked: while it was written",
        ),
        ("another type", "Plugin.Say: cannot encode the answer: "),
    ];
    for (text, expected) in cases {
        let error = say(&client, text, 0).await.unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
        assert_eq!(say(&client, "after", 0).await.unwrap(), "after");
    }
    let error = client
        .call::<Message, _>("Say", &Types::shared().string, "text", PATIENT)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Plugin.Say: cannot decode the argument: "),
        "{error}"
    );
    let error = client
        .call::<Message, _>("Shout", &ty(), &Message::default(), PATIENT)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "rpc: can't find method Plugin.Shout");
    assert_eq!(say(&client, "after", 0).await.unwrap(), "after");
}

#[tokio::test(start_paused = true)]
async fn one_call_too_many_is_refused_at_once_and_pings_are_not() {
    let pair = Pair::new(3);
    let (client, other) = (pair.client().await, pair.client().await);
    let begun = Instant::now();
    let running = join_all([
        say(&client, "1", 9000),
        say(&other, "2", 9000),
        say(&other, "3", 9000),
    ]);
    let meanwhile = async {
        sleep(Duration::from_secs(1)).await;
        let error = say(&client, "4", 0).await.unwrap_err();
        assert_eq!(error, "Plugin.Say: the plugin is busy: 3 calls are running");
        pair.ping().await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 1);
    };
    let (running, ()) = tokio::join!(running, meanwhile);
    assert!(running.iter().all(Result::is_ok));
    assert_eq!(say(&client, "5", 0).await.unwrap(), "5");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_has_closed_its_side_gets_its_answers() {
    let pair = Pair::new(100);
    let (mut stream, mut encoder) = (pair.stream().await, Encoder::new());
    for seq in 0..20 {
        stream
            .send(&call(&mut encoder, seq, &"x".repeat(50_000), 0))
            .await
            .unwrap();
    }
    stream.finish();
    let mut answers = BytesMut::new();
    while stream.receive(&mut answers).await.unwrap() > 0 {}
    assert!(answers.len() > 20 * 50_000);
}

/// Answers had waited for room, and nobody came back to them when all that was in their way went out at once.
#[tokio::test(start_paused = true)]
async fn answers_that_had_to_wait_come_too() {
    const LARGE: u32 = 8 * 1024 * 1024;
    let pair = Pair::with(
        1000,
        Config {
            window: LARGE,
            output_limit: LARGE as usize,
            ..Config::default()
        },
    );
    let (mut stream, mut encoder) = (pair.stream().await, Encoder::new());
    for seq in 0..400 {
        stream
            .send(&call(&mut encoder, seq, &"x".repeat(50_000), 1000))
            .await
            .unwrap();
    }
    sleep(Duration::from_secs(10)).await;
    let (mut answers, mut received) = (BytesMut::new(), 0);
    while received < 400 * 50_000 {
        let count = tokio::time::timeout(DEADLINE, stream.receive(&mut answers))
            .await
            .expect("more answers");
        received += count.unwrap();
        answers.clear();
    }
}

/// It reads no more calls from the stream on which nobody takes the answers, and goes on with the others.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_read_stops_only_itself() {
    let pair = Pair::new(1000);
    let mut stuck = pair.stream().await;
    let flood = async {
        let mut encoder = Encoder::new();
        for seq in 0.. {
            stuck
                .send(&call(&mut encoder, seq, &"x".repeat(50_000), 0))
                .await
                .unwrap();
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(60), flood)
            .await
            .is_err()
    );
    let answered = pair.finished.load(Ordering::SeqCst);
    assert!(answered < 100, "{answered} answers wait to be read");
    assert_eq!(say(&pair.client().await, "other", 0).await.unwrap(), "other");
    pair.ping().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_nonsense_ends_only_itself() {
    let pair = Pair::new(10);
    let client = pair.client().await;
    let mut nonsense = pair.stream().await;
    nonsense.send(&[0xf8; 100]).await.unwrap();
    assert_eq!(nonsense.receive(&mut BytesMut::new()).await, Ok(0));
    assert_eq!(say(&client, "other", 0).await.unwrap(), "other");
}

#[tokio::test(start_paused = true)]
async fn names_and_ids() {
    let pair = Pair::new(10);
    let string = &Types::shared().string;
    let error = pair
        .control::<u32>("Dispenser.Dispense", string, &"fast")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unknown plugin type: fast");
    let mut ids = Vec::new();
    for _ in 0..PENDING {
        ids.push(
            pair.control::<u32>("Dispenser.Dispense", string, &"slow")
                .await
                .unwrap(),
        );
    }
    let error = pair
        .control::<u32>("Dispenser.Dispense", string, &"slow")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "64 dispensed plugins wait to be fetched");
    // Fetched in any order.
    assert!(dial(&pair.connection, ids[3]).await.is_ok());
    // After five seconds nobody waits any more; one that comes then waits itself, for as long.
    sleep(Duration::from_millis(5100)).await;
    let begun = Instant::now();
    let error = dial(&pair.connection, ids[0]).await.unwrap_err();
    assert!(
        matches!(
            error,
            crate::BrokerError::Closed(_) | crate::BrokerError::Timeout(_)
        ),
        "{error}"
    );
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!(
        pair.control::<u32>("Dispenser.Dispense", string, &"slow")
            .await
            .is_ok()
    );
}

/// A stream may come before the one who waits for it.
#[tokio::test(start_paused = true)]
async fn whoever_comes_first_waits() {
    let pair = Pair::new(10);
    let early = dial(&pair.connection, 1);
    let dispense = async {
        sleep(Duration::from_secs(4)).await;
        pair.control::<u32>("Dispenser.Dispense", &Types::shared().string, &"slow")
            .await
            .unwrap()
    };
    let (stream, id) = tokio::join!(early, dispense);
    assert_eq!(id, 1);
    assert!(stream.is_ok());
}

#[tokio::test(start_paused = true)]
async fn calls_are_carried_through_when_the_host_has_gone() {
    let mut pair = Pair::new(10);
    let client = pair.client().await;
    assert_eq!(*pair.hosts.borrow_and_update(), 1);
    let calling = tokio::spawn(async move { say(&client, "x", 5000).await });
    sleep(Duration::from_secs(1)).await;
    let connection = pair.connection.clone();
    connection.close();
    pair.hosts.changed().await.unwrap();
    assert_eq!(*pair.hosts.borrow(), 0);
    assert!(calling.await.unwrap().is_err());
    assert_eq!(pair.finished.load(Ordering::SeqCst), 0);
    pair.served.await.unwrap();
    assert_eq!(pair.finished.load(Ordering::SeqCst), 1);
}

/// The first one that was done ended the others, whose answers nobody would have heard either.
#[tokio::test(start_paused = true)]
async fn all_calls_are_carried_through_when_the_host_has_gone() {
    let mut pair = Pair::new(10);
    let client = Arc::new(pair.client().await);
    let calls = [3000, 5000, 5001].map(|time| {
        let client = client.clone();
        tokio::spawn(async move { say(&client, "x", time).await })
    });
    sleep(Duration::from_secs(1)).await;
    pair.connection.close();
    for call in calls {
        assert!(call.await.unwrap().is_err());
    }
    (&mut pair.served).await.unwrap();
    assert_eq!(pair.finished.load(Ordering::SeqCst), 3);
}

/// What could not be sent any more kept the stream from hearing that the last call was done.
#[tokio::test(start_paused = true)]
async fn a_host_that_goes_without_reading_keeps_nobody_waiting() {
    let mut pair = Pair::new(10);
    let mut stream = pair.stream().await;
    let mut encoder = Encoder::new();
    let large = call(&mut encoder, 0, &"x".repeat(2 << 20), 0);
    stream.send(&large).await.unwrap();
    stream.send(&call(&mut encoder, 1, "x", 3000)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    pair.connection.close();
    (&mut pair.served).await.unwrap();
    assert_eq!(pair.finished.load(Ordering::SeqCst), 2);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The answer repeats the name, and one that is too large to be encoded was a panic of the stream's task.
#[tokio::test(start_paused = true)]
async fn a_method_of_any_length_costs_its_own_call_only() {
    let pair = Pair::new(10);
    let client = pair.client().await;
    let message = Message {
        text: "t".into(),
        millis: 0,
    };
    let method = "é".repeat(5 << 20);
    let answer: Result<Message, _> = client.call(&method, &ty(), &message, PATIENT).await;
    let error = answer.unwrap_err().to_string();
    let plain = error.replace('é', "");
    assert!(plain.ends_with("rpc: can't find method Plugin."), "{plain}");
    assert!(error.len() < method.len() + (17 << 10));
    assert!(say(&client, "x", 0).await.is_ok());
}

/// The plugin answered Ping and nothing else, and the host kept it; who wrote the argument waited for five minutes.
#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_understood_ends_the_connection() {
    let mut pair = Pair::new(10);
    let mut stream = pair.stream().await;
    let mut encoder = Encoder::with_limits(Limits {
        message: 64 << 20,
        ..Limits::default()
    });
    let bytes = call(&mut encoder, 0, &"x".repeat(17 << 20), 0);
    let start = Instant::now();
    stream.send(&bytes).await.unwrap_err();
    (&mut pair.served).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn quit_is_answered() {
    let mut pair = Pair::new(10);
    let answer: Result<Nothing, _> = pair
        .control("Control.Quit", &Types::shared().boolean, &true)
        .await;
    answer.unwrap();
    assert!(*pair.quit.borrow_and_update());
}
