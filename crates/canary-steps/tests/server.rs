//! The server as a process, with a client of the same generated code: what it answers, what it refuses, what it leaves.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use canary_steps::generated::plugin::app_stream_request::Request;
use canary_steps::generated::plugin::{AppStreamRequest, ManifestRequestMetadata, ManifestResponse};
use common::{Server, WEB, archive, chunk, messages, metadata, parameters};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

type Packer = tar::Builder<GzEncoder<Vec<u8>>>;

async fn generate(server: &Server, messages: Vec<AppStreamRequest>) -> Result<Vec<String>, Status> {
    let mut client = server.client().await;
    let answer = client.generate_manifest(tokio_stream::iter(messages)).await;
    answer.map(|response| response.into_inner().manifests)
}

/// The server still works, and nothing of the requests so far is left.
async fn is_well(server: &Server) {
    let good = messages(&archive(&[("web.yaml", WEB)]), ".", &[]);
    assert_eq!(generate(server, good).await.unwrap(), [WEB]);
    server.wait_for("an empty folder", |s| s.left_on_disk() == 0);
}

#[tokio::test]
async fn steps_are_switched_and_nothing_else() {
    let server = Server::start(&[]);
    let files = [
        (
            "apps/web/a.yaml",
            "# first\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: yes}\n",
        ),
        ("apps/web/web.yaml", WEB),
    ];
    let archive = archive(&files);
    let value = parameters(&[("canary/web", "25,pause,100")]);
    let answer = generate(
        &server,
        messages(&archive, "apps/web", &[("ARGOCD_APP_PARAMETERS", &value)]),
    )
    .await
    .unwrap();
    assert_eq!(answer[0], files[0].1);
    assert_eq!(
        answer[1],
        WEB.replace(
            "- setWeight: 20\n",
            "- setWeight: 25\n      - pause: {}\n      - setWeight: 100\n"
        )
    );
    let unchanged = generate(
        &server,
        messages(&archive, "apps/web", &[("ARGOCD_APP_PARAMETERS", "null")]),
    )
    .await
    .unwrap();
    assert_eq!(unchanged, files.map(|(_, text)| text));
    is_well(&server).await;
}

#[tokio::test]
async fn wrong_values_are_refused_with_one_short_sentence() {
    let server = Server::start(&[]);
    let archive = archive(&[("web.yaml", WEB)]);
    let value = parameters(&[("canary/web", "25,paus")]);
    let status = generate(
        &server,
        messages(&archive, ".", &[("ARGOCD_APP_PARAMETERS", &value)]),
    )
    .await
    .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "canary/web: item 2 \"paus\" is not a step; did you mean \"pause\"?"
    );
    is_well(&server).await;
}

#[tokio::test]
async fn announcements_never_fail() {
    let server = Server::start(&[]);
    let archive = archive(&[
        ("web.yaml", WEB),
        ("chart/Chart.yaml", "name: x\nversion: 1.0.0\n"),
    ]);
    let mut client = server.client().await;
    for (app, env, expected) in [
        (".", "null", "web: git, 1 step"),
        (
            ".",
            r#"[{"name":"canary/web","string":"25,,x"}]"#,
            "⚠ web: item 2 is empty; write e.g. 25,pause,100",
        ),
        (
            ".",
            r#"[{"name":"nonsense","string":"1"}]"#,
            "⚠ unknown parameter \"nonsense\"; write canary or canary/<rollout>",
        ),
        ("none", "null", "⚠ path \"none\": there is no such folder"),
        ("..", "null", "⚠ path \"..\": it leaves the repository"),
        // Neither chart is rendered: helm fails, or is not there at all.
        (
            "chart",
            r#"[{"name":"helm.valueFiles","string":"none.yaml"}]"#,
            "⚠ helm ",
        ),
    ] {
        let all = messages(&archive, app, &[("ARGOCD_APP_PARAMETERS", env)]);
        let answer = client
            .get_parameters_announcement(tokio_stream::iter(all))
            .await
            .unwrap()
            .into_inner();
        let titles: Vec<_> = answer
            .parameter_announcements
            .iter()
            .map(|a| a.title.as_str())
            .collect();
        assert!(
            titles.iter().any(|t| t.starts_with(expected)),
            "{expected}: {titles:?}"
        );
        assert!(
            answer
                .parameter_announcements
                .iter()
                .all(|a| a.collection_type == "string")
        );
    }
    is_well(&server).await;
}

#[tokio::test]
async fn configuration_and_discovery() {
    let server = Server::start(&[]);
    let answer = server
        .client()
        .await
        .check_plugin_configuration(())
        .await
        .unwrap()
        .into_inner();
    assert!(!answer.is_discovery_configured && !answer.provide_git_creds);
    let server = Server::start(&["--discover", "--provide-git-creds"]);
    let mut client = server.client().await;
    let answer = client.check_plugin_configuration(()).await.unwrap().into_inner();
    assert!(answer.is_discovery_configured && answer.provide_git_creds);
    let archive = archive(&[
        ("ours/.canary.yaml", "default: off"),
        ("ours/web.yaml", WEB),
        ("theirs/web.yaml", WEB),
    ]);
    for (app, supported) in [("ours", true), ("theirs", false)] {
        let answer = client
            .match_repository(tokio_stream::iter(messages(&archive, app, &[])))
            .await
            .unwrap();
        assert_eq!(answer.into_inner().is_supported, supported, "{app}");
    }
}

#[tokio::test]
async fn hostile_archives_are_refused() {
    let server = Server::start(&[
        "--max-unpacked-bytes",
        "1000000",
        "--max-entries",
        "1000",
        "--max-archive-bytes",
        "2000000",
    ]);
    let tarred = |add: &dyn Fn(&mut Packer)| {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        add(&mut builder);
        builder.into_inner().unwrap().finish().unwrap()
    };
    let entry = |kind, path: &'static str, target: &'static str| {
        move |builder: &mut Packer| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
            header.set_cksum();
            builder.append(&header, std::io::empty()).unwrap();
        }
    };
    let bomb = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        for _ in 0..8 {
            encoder.write_all(&zeros).unwrap();
        }
        encoder.finish().unwrap()
    };
    let big_file = tarred(&|builder| {
        let mut header = tar::Header::new_gnu();
        header.set_size(1 << 23);
        header.set_cksum();
        builder
            .append_data(&mut header, "big", std::io::repeat(0).take(1 << 23))
            .unwrap();
    });
    let many = tarred(&|builder| {
        for n in 0..5000 {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            builder
                .append_data(&mut header, format!("{n}"), std::io::empty())
                .unwrap();
        }
    });
    use std::io::Read as _;
    for (name, archive, code, text) in [
        (
            "traversal",
            tarred(&entry(tar::EntryType::Regular, "../../evil", "")),
            Code::InvalidArgument,
            "illegal path",
        ),
        (
            "absolute path",
            tarred(&entry(tar::EntryType::Regular, "/tmp/evil", "")),
            Code::InvalidArgument,
            "illegal path",
        ),
        (
            "absolute link",
            tarred(&entry(tar::EntryType::Symlink, "l", "/etc")),
            Code::InvalidArgument,
            "illegal link",
        ),
        (
            "relative link",
            tarred(&entry(tar::EntryType::Symlink, "a/l", "../../etc")),
            Code::InvalidArgument,
            "illegal link",
        ),
        (
            "device",
            tarred(&entry(tar::EntryType::Char, "null", "")),
            Code::InvalidArgument,
            "neither a file",
        ),
        (
            "hard link",
            tarred(&entry(tar::EntryType::Link, "h", "/etc/passwd")),
            Code::InvalidArgument,
            "neither a file",
        ),
        ("bomb", bomb, Code::ResourceExhausted, "more than 1000000 bytes"),
        (
            "one big file",
            big_file,
            Code::ResourceExhausted,
            "more than 1000000 bytes",
        ),
        (
            "very many empty files",
            many,
            Code::ResourceExhausted,
            "more than 1000 entries",
        ),
        (
            "no gzip",
            b"PK\x03\x04 something else".to_vec(),
            Code::InvalidArgument,
            "cannot be read",
        ),
        ("nothing", Vec::new(), Code::InvalidArgument, "cannot be read"),
    ] {
        let mut all = messages(&archive, ".", &[]);
        if archive.len() > 2_000_000 {
            // Announced too small, as its sender would have to.
            all.truncate(1950);
            let Some(Request::Metadata(metadata)) = &mut all[0].request else {
                panic!()
            };
            metadata.size = 1949 * 1024;
        }
        let status = generate(&server, all).await.unwrap_err();
        assert_eq!(status.code(), code, "{name}: {status}");
        assert!(status.message().contains(text), "{name}: {status}");
        is_well(&server).await;
    }
}

#[tokio::test]
async fn streams_that_do_not_keep_their_word_are_refused() {
    let server = Server::start(&[]);
    let good = archive(&[("web.yaml", WEB), ("other.yaml", &WEB.repeat(3000))]);
    let with = |change: &dyn Fn(&mut ManifestRequestMetadata)| {
        let mut all = messages(&good, ".", &[]);
        let Some(Request::Metadata(metadata)) = &mut all[0].request else {
            panic!()
        };
        change(metadata);
        all
    };
    let mut swapped = messages(&good, ".", &[]);
    swapped.swap(0, 1);
    let mut twice = messages(&good, ".", &[]);
    let again = twice[0].clone();
    twice.insert(2, again);
    let mut truncated = messages(&good, ".", &[]);
    truncated.pop();
    let mut longer = messages(&good, ".", &[]);
    longer.push(chunk(b"more"));
    for (name, all, text) in [
        (
            "wrong checksum",
            with(&|m| m.checksum = "0".repeat(64)),
            "checksum",
        ),
        (
            "upper-case checksum",
            with(&|m| m.checksum = m.checksum.to_uppercase()),
            "checksum",
        ),
        ("smaller size", with(&|m| m.size -= 1), "longer than the"),
        ("larger size", with(&|m| m.size += 1), "ends after"),
        ("negative size", with(&|m| m.size = -1), "-1 bytes"),
        ("file first", swapped, "first message"),
        ("metadata twice", twice, "every message behind the first"),
        (
            "empty first message",
            vec![AppStreamRequest { request: None }],
            "first message",
        ),
        ("no message", Vec::new(), "first message"),
        ("truncated", truncated, "ends after"),
        ("longer", longer, "longer than the"),
        (
            "outside",
            with(&|m| m.app_rel_path = "../x".into()),
            "leaves the repository",
        ),
    ] {
        let status = generate(&server, all).await.unwrap_err();
        assert!(
            matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition),
            "{name}: {status}"
        );
        assert!(status.message().contains(text), "{name}: {status}");
        is_well(&server).await;
    }
    let status = generate(&server, with(&|m| m.size = i64::MAX)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    is_well(&server).await;
}

#[tokio::test]
async fn a_stream_that_never_ends_is_answered_at_its_deadline() {
    let server = Server::start(&[]);
    let good = archive(&[("web.yaml", WEB)]);
    let (sender, receiver) = mpsc::channel(4);
    sender.send(metadata(&good, ".", &[])).await.unwrap();
    let mut request = tonic::Request::new(ReceiverStream::new(receiver));
    request.set_timeout(Duration::from_secs(4));
    let started = Instant::now();
    let status = server
        .client()
        .await
        .generate_manifest(request)
        .await
        .unwrap_err();
    // Our own words come before the client's own deadline.
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(
        status
            .message()
            .contains("the archive was still coming in after 3.8 s"),
        "{status}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
    drop(sender);
    is_well(&server).await;
}

#[tokio::test]
async fn pieces_without_end_are_refused() {
    let server = Server::start(&[]);
    let (sender, receiver) = mpsc::channel(4);
    let good = archive(&[("web.yaml", WEB)]);
    sender.send(metadata(&good, ".", &[])).await.unwrap();
    let feeding = tokio::spawn(async move { while sender.send(chunk(&[0; 1024])).await.is_ok() {} });
    let status = server
        .client()
        .await
        .generate_manifest(ReceiverStream::new(receiver))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    feeding.await.unwrap();
    is_well(&server).await;
}

/// More than is kept in memory, so that a request's folder can be seen.
fn noise() -> String {
    let numbers = 0..200_000_u32;
    numbers
        .map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_leaves_nothing() {
    let server = Server::start(&[]);
    let large = archive(&[("a.yaml", &noise())]);
    assert!(large.len() > 300_000);
    for _ in 0..5 {
        let (sender, receiver) = mpsc::channel(4);
        let mut client = server.client().await;
        let call = tokio::spawn(async move { client.generate_manifest(ReceiverStream::new(receiver)).await });
        for part in messages(&large, ".", &[]).into_iter().take(200) {
            sender.send(part).await.unwrap();
        }
        server.wait_for("the request's folder", |s| s.left_on_disk() > 0);
        call.abort();
        let _ = call.await;
        drop(sender);
        server.wait_for("an empty folder", |s| s.left_on_disk() == 0);
    }
    is_well(&server).await;
}

#[tokio::test]
async fn twenty_at_once_do_not_mix() {
    let server = Server::start(&[]);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let mut client = server.client().await;
        let text = WEB.replace("web", &format!("web-{n}"));
        let archive = archive(&[("web.yaml", &text)]);
        calls.spawn(async move {
            let value = parameters(&[("canary", &format!("{}", n + 1))]);
            let all = messages(&archive, ".", &[("ARGOCD_APP_PARAMETERS", &value)]);
            let ManifestResponse { manifests, .. } = client
                .generate_manifest(tokio_stream::iter(all))
                .await
                .unwrap()
                .into_inner();
            // 1 is the word on, which leaves Git's steps.
            let weight = if n == 0 { 20 } else { n + 1 };
            assert_eq!(
                manifests,
                [text.replace("setWeight: 20", &format!("setWeight: {weight}"))]
            );
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    is_well(&server).await;
}

#[tokio::test]
async fn nothing_to_hand_over_is_an_error() {
    let server = Server::start(&[]);
    for files in [
        &[("readme.txt", "x")][..],
        &[("a.yaml", "# nothing\n")],
        &[("values.yaml", "a: 1\n")],
    ] {
        let status = generate(&server, messages(&archive(files), ".", &[]))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("not one object"), "{status}");
    }
    let allowed = [(
        "ARGOCD_APP_PARAMETERS",
        r#"[{"name":"allowEmpty","string":"true"}]"#,
    )];
    let all = messages(&archive(&[("a.yaml", "# nothing\n")]), ".", &allowed);
    assert!(generate(&server, all).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_are_told() {
    let server = Server::start(&["--max-requests", "1"]);
    let large = archive(&[("web.yaml", WEB), ("large.txt", &noise())]);
    let (sender, receiver) = mpsc::channel(4);
    let mut client = server.client().await;
    let waiting = tokio::spawn(async move { client.generate_manifest(ReceiverStream::new(receiver)).await });
    let parts = messages(&large, ".", &[]);
    let (first, rest) = parts.split_at(200);
    for part in first {
        sender.send(part.clone()).await.unwrap();
    }
    server.wait_for("the first request", |s| s.left_on_disk() > 0);
    // The second is told when it has sent all, and not before: the repo-server would not read the answer.
    let (second, receiver) = mpsc::channel(4);
    let mut client = server.client().await;
    let mut refused =
        tokio::spawn(async move { client.generate_manifest(ReceiverStream::new(receiver)).await });
    for part in first {
        second.send(part.clone()).await.unwrap();
    }
    assert!(
        tokio::time::timeout(Duration::from_millis(500), &mut refused)
            .await
            .is_err()
    );
    drop(second);
    let status = refused.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("--max-requests"));
    for part in rest {
        sender.send(part.clone()).await.unwrap();
    }
    drop(sender);
    assert!(waiting.await.unwrap().is_ok());
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_waiting() {
    let server = Server::start(&[]);
    let large = messages(&archive(&[("web.yaml", WEB), ("large.txt", &noise())]), ".", &[]);
    let (first, rest) = large.split_at(200);
    let mut slow = Vec::new();
    for _ in 0..std::thread::available_parallelism().unwrap().get() + 2 {
        let (sender, receiver) = mpsc::channel(4);
        let mut client = server.client().await;
        let answer =
            tokio::spawn(async move { client.generate_manifest(ReceiverStream::new(receiver)).await });
        for part in first {
            sender.send(part.clone()).await.unwrap();
        }
        slow.push((sender, answer));
    }
    let all = slow.len();
    server.wait_for("all of them", |s| s.left_on_disk() == all);
    let good = messages(&archive(&[("web.yaml", WEB)]), ".", &[]);
    assert_eq!(generate(&server, good).await.unwrap(), [WEB]);
    for (sender, answer) in slow {
        for part in rest {
            sender.send(part.clone()).await.unwrap();
        }
        drop(sender);
        assert!(answer.await.unwrap().is_ok());
    }
    server.wait_for("an empty folder", |s| s.left_on_disk() == 0);
}

#[tokio::test]
async fn the_operators_settings_count_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "default: off\n").unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    let all = || messages(&archive(&[("web.yaml", WEB)]), ".", &[]);
    assert!(!generate(&server, all()).await.unwrap()[0].contains("steps"));
    std::fs::write(&config, "default: git\n").unwrap();
    assert_eq!(generate(&server, all()).await.unwrap(), [WEB]);
    std::fs::write(&config, "defualt: git\n").unwrap();
    let status = generate(&server, all()).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(
        status.message(),
        "operator's settings: unknown field defualt; did you mean default?"
    );
}
