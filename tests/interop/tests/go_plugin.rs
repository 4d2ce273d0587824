//! `crates/go-plugin` against hashicorp/go-plugin: its host drives our plugin, our host drives its plugin.
//!
//! The plugin is `crates/go-plugin/examples/echo.rs`, the Go programs are in `tests/interop/go/go-plugin`.

#![allow(clippy::unwrap_used)] // a test may; clippy knows only functions marked as one

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use go_plugin::{
    Handshake,
    host::{HostError, Options, Process},
    rpc,
};
use interop::go_package;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// Our plugin.
const OURS: &str = env!("CARGO_BIN_EXE_go-plugin-echo");
const HANDSHAKE: Handshake = Handshake::new("GO_PLUGIN_ECHO", "echo", 1);
/// How long a plugin may outlive its host.
const ORPHANED: Duration = Duration::from_secs(2);

/// Runs a scenario of the Go host with our plugin; what it says when it fails is the test's failure.
fn scenario(name: &str, args: &[&str]) {
    let Some(host) = go_package("go-plugin", "./host") else {
        return;
    };
    let output = Command::new(host)
        .arg(name)
        .arg(OURS)
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// One test a scenario, so that they run beside each other and fail by name.
macro_rules! scenarios {
    ($($test:ident: $scenario:literal,)*) => {
        $(#[test] fn $test() { scenario($scenario, &[]); })*
    };
}

scenarios! {
    calls_end_well_or_with_the_errors_of_go: "calls",
    values_larger_than_any_window: "large",
    sixty_four_calls_overlap_and_are_answered_out_of_order: "overlap",
    a_call_that_hangs_ends_by_its_deadline: "hang",
    a_call_that_panics_costs_only_itself: "panic",
    the_host_sees_a_plugin_that_crashed: "crash",
    pings_are_answered_while_all_places_are_taken: "busy",
    pings_are_answered_while_all_threads_are_blocked: "blocked",
    another_client_can_take_over: "reattach",
    connections_come_and_go: "connections",
    stdout_goes_to_the_host: "print",
    the_log_keeps_its_levels: "log",
    quit_ends_the_plugin_and_removes_its_socket: "quit",
    signals_end_the_plugin_or_not: "signals",
    the_socket_is_where_and_whose_the_host_wants: "socket",
    another_protocol_version_is_refused: "version",
    another_cookie_is_refused: "cookie",
    auto_mtls_is_refused: "mtls",
    an_idle_session_lives: "idle",
    a_half_closed_stream_is_answered: "half-closed",
    streams_live_on_after_go_away: "go-away",
    a_host_that_does_not_read_one_stream_is_served_on_others: "unread",
    broker_ids_are_fetched_within_five_seconds: "late",
    a_host_that_does_not_read_stderr_is_served: "unread-log",
    a_flood_costs_bounded_memory: "flood",
}

/// The long form of `an_idle_session_lives`, with hashicorp's own times: `make soak` runs it.
#[test]
#[ignore = "takes 100 s"]
fn soak_an_idle_session_lives_for_longer_than_75_s() {
    scenario("patience", &["100s"]);
}

#[test]
fn a_plugin_ends_with_its_host() {
    killed_host(&[]);
}

#[test]
fn a_plugin_ends_with_its_host_that_never_connected() {
    killed_host(&["unconnected"]);
}

/// Kills a host that can do nothing about it, and waits for the end of its plugin.
fn killed_host(args: &[&str]) {
    let Some(host) = go_package("go-plugin", "./host") else {
        return;
    };
    let mut host = Command::new(host)
        .arg("hold")
        .arg(OURS)
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let (pid, socket) = line
        .trim()
        .split_once(' ')
        .expect("the host prints pid and socket");
    let plugin = Pid::from_raw(pid.parse().unwrap()).unwrap();
    assert!(
        test_kill_process(plugin).is_ok() && Path::new(socket).exists(),
        "the plugin runs"
    );

    host.kill().unwrap();
    host.wait().unwrap();
    let killed = Instant::now();
    while is_running(plugin) {
        assert!(killed.elapsed() < ORPHANED, "the plugin outlives its host");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!Path::new(socket).exists(), "the plugin left its socket");
}

/// Whether a process runs: one that ended may wait for its new parent to look.
fn is_running(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// By hand it says what it is, on stderr and with exit code 1.
#[test]
fn started_by_hand_it_says_what_it_is() {
    let output = Command::new(OURS).env_remove("GO_PLUGIN_ECHO").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("this program is a plugin and not meant to be started by itself"),
        "{text}"
    );
}

/// A plugin whose parent cannot be watched, because it was gone at once, ends when nobody reads its stdout any more.
#[test]
fn a_plugin_that_a_shell_started_ends_with_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh")
        .args(["-c", &format!("{OURS} &")])
        .env("GO_PLUGIN_ECHO", "echo")
        .env("PLUGIN_UNIX_SOCKET_DIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = shell.stdout.take().unwrap();
    shell.wait().unwrap();
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(line.starts_with("1|1|unix|"), "{line}");
    // The reader is gone, and with it the pipe.
    let sockets = || fs::read_dir(dir.path()).unwrap().count();
    let closed = Instant::now();
    while sockets() > 0 {
        assert!(closed.elapsed() < ORPHANED, "the plugin outlives its host");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The message of the echo plugins.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Message {
    text: String,
    millis: u64,
}

/// Our host with a plugin.
struct Started {
    process: Process,
    echo: rpc::Client,
    ty: gob::Type,
}

impl Started {
    async fn new(plugin: &Path) -> Self {
        let process = Process::start(Command::new(plugin), &HANDSHAKE, Options::default())
            .await
            .unwrap();
        let echo = process.dispense("echo").await.unwrap();
        let schema = gob::Schema::parse("type Message struct { Text string; Millis uint64 }").unwrap();
        Self {
            process,
            echo,
            ty: schema.ty("Message").unwrap().clone(),
        }
    }

    async fn say(&self, method: &str, text: &str, millis: u64) -> Result<String, rpc::Error> {
        let message = Message {
            text: text.into(),
            millis,
        };
        let answer: Message = self
            .echo
            .call(method, &self.ty, &message, Duration::from_secs(20))
            .await?;
        Ok(answer.text)
    }
}

/// What every plugin has to do under our host, Go's and ours.
async fn drives(plugin: &Path) {
    let started = Started::new(plugin).await;
    started.process.ping().await.unwrap();
    assert_eq!(started.say("Echo", "hello", 0).await.unwrap(), "hello");
    let large = "x".repeat(4 << 20);
    assert_eq!(started.say("Echo", &large, 0).await.unwrap(), large);
    let error = started.say("Fail", "no way", 0).await.unwrap_err();
    assert_eq!(error.to_string(), "no way");
    let error = started.say("NoSuchMethod", "", 0).await.unwrap_err();
    assert_eq!(error.to_string(), "rpc: can't find method Plugin.NoSuchMethod");

    let late = started.say("Sleep", "late", 300);
    let early = started.say("Sleep", "early", 10);
    let both = async {
        tokio::select! {
            first = late => first.unwrap(),
            first = early => first.unwrap(),
        }
    };
    assert_eq!(both.await, "early");
    // The answer of the call that was given up comes when nobody waits for it any more.
    let second = started.process.dispense("echo").await.unwrap();
    let message = Message {
        text: "second".into(),
        millis: 400,
    };
    let answer: Message = second
        .call("Sleep", &started.ty, &message, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(answer.text, "second");

    let error = started
        .echo
        .call::<Message, _>("Sleep", &started.ty, &message, Duration::from_millis(1))
        .await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "Plugin.Sleep: no answer within 1ms"
    );
    let error = started
        .echo
        .call::<Vec<u8>, _>("Echo", &started.ty, &message, Duration::from_secs(20))
        .await;
    assert!(matches!(error, Err(rpc::Error::Decode { .. })), "{error:?}");
    let error = started.process.dispense("nothing").await.unwrap_err();
    assert!(
        matches!(&error, HostError::Call { source, .. } if source.to_string() == "unknown plugin type: nothing")
    );
    assert_eq!(
        started.say("Echo", "still there", 0).await.unwrap(),
        "still there"
    );
    assert!(started.process.quit().await.unwrap().success());
}

#[tokio::test]
async fn our_host_drives_a_plugin_of_go() {
    if let Some(plugin) = go_package("go-plugin", "./plugin") {
        drives(&plugin).await;
    }
}

#[tokio::test]
async fn our_host_drives_our_plugin() {
    drives(Path::new(OURS)).await;
}

#[tokio::test]
async fn our_host_sees_the_end_of_a_plugin() {
    for plugin in [go_package("go-plugin", "./plugin"), Some(OURS.into())]
        .into_iter()
        .flatten()
    {
        let mut started = Started::new(&plugin).await;
        let error = started.say("Exit", "", 0).await.unwrap_err();
        assert!(matches!(error, rpc::Error::Closed { .. }), "{error}");
        assert_eq!(started.process.wait().await.unwrap().code(), Some(3));
        assert!(started.process.ping().await.is_err());
    }
}

#[tokio::test]
async fn our_host_kills_and_leaves_no_socket() {
    let dir = tempfile::tempdir().unwrap();
    for plugin in [go_package("go-plugin", "./plugin"), Some(OURS.into())]
        .into_iter()
        .flatten()
    {
        let mut options = Options::default();
        options.unix_socket_dir = Some(dir.path().to_owned());
        let process = Process::start(Command::new(plugin), &HANDSHAKE, options)
            .await
            .unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        process.kill().await.unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

/// What a program that is no plugin of ours is told to be.
async fn start_error(script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plugin");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = Options::default();
    options.start_timeout = Duration::from_millis(300);
    let error = Process::start(Command::new(&file), &HANDSHAKE, options)
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    format!("{error}{cause}").replace(&file.display().to_string(), "P")
}

#[tokio::test]
async fn our_host_says_what_is_wrong_with_a_plugin() {
    let exited = start_error("echo to whom it may concern >&2; exit 7").await;
    assert_eq!(
        exited,
        "plugin P ended before the handshake (exit status: 7); its last words: to whom it may concern"
    );
    let silent = start_error("exec sleep 60").await;
    assert_eq!(silent, "plugin P did not say within 300ms where it listens");
    let grpc = start_error("echo '1|1|unix|/s|grpc|'; exec sleep 60").await;
    assert!(
        grpc.starts_with("plugin P: the plugin speaks \"grpc\", expected \"netrpc\""),
        "{grpc}"
    );
    let chatty = start_error("echo Hello; exec sleep 60").await;
    assert!(
        chatty.starts_with("plugin P: the plugin's first line is no handshake: \"Hello\""),
        "{chatty}"
    );
    let absent = start_error("echo '1|1|unix|/nowhere|netrpc|'; exec sleep 60").await;
    assert!(absent.starts_with("cannot connect to plugin P at "), "{absent}");
    let missing = Process::start(Command::new("/no/such/plugin"), &HANDSHAKE, Options::default()).await;
    assert_eq!(
        missing.unwrap_err().to_string(),
        "cannot start plugin /no/such/plugin"
    );
}
