//! A plugin whose calls do what can go right and wrong: they answer, fail, hang, block their thread, panic, print.
//!
//! The interop tests and the benchmark drive it from a Go host built on hashicorp/go-plugin. A host that wants to try
//! it sets the cookie `GO_PLUGIN_ECHO=echo`, protocol version 1, and dispenses `echo`. The environment variables
//! `ECHO_DEADLINE_MS`, `ECHO_MAX_CALLS` and `ECHO_LOG_LEVEL` change its options.

use std::{process::ExitCode, str::FromStr, thread, time::Duration};

use go_plugin::{Answer, CallError, Handshake, Options, Reply, Server, Service, hclog};
use serde::{Deserialize, Serialize};
use tracing_subscriber::prelude::*;

/// What most calls take and give back.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Message {
    text: String,
    millis: u64,
}

/// What `Update` takes, inside of an interface value: the part of a large object that this plugin looks at.
#[derive(Debug, Deserialize)]
enum Update {
    UpdateArgs(UpdateArgs),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct UpdateArgs {
    name: String,
}

struct Echo {
    message: gob::Type,
}

impl Echo {
    fn new() -> Result<Self, gob::Error> {
        let schema = gob::Schema::parse("type Message struct { Text string; Millis uint64 }")?;
        Ok(Self {
            message: schema.ty("Message").expect("declared above").clone(),
        })
    }
}

impl Service for Echo {
    fn call(&self, method: &str, argument: gob::Encoded<'_, '_>) -> Result<Answer, CallError> {
        let ty = self.message.clone();
        let say = move |text: String| Ok(Reply::new(&ty, Message { text, millis: 0 }));
        if method == "Update" {
            let name = match argument.deserialize::<Option<Update>>()? {
                Some(Update::UpdateArgs(args)) => args.name,
                None => "nothing".to_owned(),
            };
            return Ok(Box::pin(async move { say(name) }));
        }
        if ![
            "Echo", "Sleep", "Block", "Hang", "Panic", "Fail", "Print", "Log", "Exit",
        ]
        .contains(&method)
        {
            return Err(CallError::UnknownMethod);
        }
        let Message { text, millis } = argument.deserialize()?;
        let time = Duration::from_millis(millis);
        let method = method.to_owned();
        Ok(Box::pin(async move {
            match method.as_str() {
                "Sleep" => tokio::time::sleep(time).await,
                "Block" => thread::sleep(time),
                "Hang" => std::future::pending().await,
                "Panic" => panic!("{text}"),
                "Fail" => return Err(text),
                #[allow(clippy::print_stdout)] // to show where it goes
                "Print" => println!("{text}"),
                "Log" => tracing::warn!(millis, "{text}"),
                "Exit" => std::process::exit(3),
                _ => {}
            }
            say(text)
        }))
    }
}

fn main() -> ExitCode {
    let stderr = hclog::stderr();
    let layer = hclog::Layer::new(stderr.clone()).level(setting("ECHO_LOG_LEVEL", hclog::Level::Debug));
    tracing_subscriber::registry().with(layer).init();
    hclog::log_panics(stderr.clone());

    let mut options = Options::default();
    options.call_deadline = Duration::from_millis(setting("ECHO_DEADLINE_MS", 30_000));
    options.max_calls = setting("ECHO_MAX_CALLS", options.max_calls);
    let echo = Echo::new().expect("the declaration is Go");
    let code = Server::new(Handshake::new("GO_PLUGIN_ECHO", "echo", 1))
        .service("echo", echo)
        .options(options)
        .run();
    stderr.flush(Duration::from_millis(200));
    code
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}
