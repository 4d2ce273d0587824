//! Start, health and end of the server as a process.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use common::{BINARY, Server};

fn probe(server: &Server) -> Output {
    Command::new(BINARY)
        .args(["probe", "--socket"])
        .arg(server.socket())
        .output()
        .unwrap()
}

#[test]
fn sigterm_removes_the_socket_and_ends() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        assert!(probe(&server).status.success());
        server.signal(signal);
        assert!(server.wait().success());
        assert!(!server.socket().exists());
        let failed = probe(&server);
        assert_eq!(failed.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&failed.stderr).contains("No such file"),
            "{failed:?}"
        );
    }
}

#[test]
fn a_killed_servers_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary-steps@v1.sock");
    // Nobody listens any more, as after a kill.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Server::start_in(folder, &[]);
    assert!(probe(&server).status.success());
}

#[test]
fn what_an_earlier_process_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("work/_canary-steps@v1/request-x");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("file"), "").unwrap();
    let server = Server::start_in(folder, &[]);
    assert_eq!(server.left_on_disk(), 0);
}

#[test]
fn a_second_server_does_not_take_the_first_ones_place() {
    let server = Server::start(&[]);
    let second = Command::new(BINARY)
        .args(["serve", "--plugin-folder"])
        .arg(server.socket().parent().unwrap())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another server is listening"));
    assert!(probe(&server).status.success());
}

#[test]
fn a_name_that_argo_cd_could_not_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Command::new(BINARY)
        .args(["serve", "--name", "plain", "--plugin-folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("has no @"),
        "{refused:?}"
    );
}

#[test]
fn health_and_metrics_over_tcp() {
    // A free port, as the kernel gives it.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = Server::start(&["--listen", &format!("127.0.0.1:{port}")]);
    assert!(probe(&server).status.success());
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(get("/metrics").contains("serinus_canary_steps_calls_in_flight 0"));
    assert!(get("/other").starts_with("HTTP/1.1 404"));
}

#[test]
fn without_a_command_it_says_what_it_is() {
    let output = Command::new(BINARY).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stdout).contains("plugin of Argo CD"));
    let version = Command::new(BINARY).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("argocd-cmp-canary-steps "));
}
