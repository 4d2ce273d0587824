//! `argocd-cmp-canary-steps serve` and Argo CD's own code: its client, and the repo-server's way from a source to
//! manifests.
//!
//! The Go programs are in `tests/interop/go/cmp`; they use `cmpserver/apiclient`, `util/cmp` and `reposerver/repository`
//! of argo-cd as it is. They take minutes to build once, so `make e2e` runs these tests:
//! `cargo test -p interop --test cmp -- --ignored`.

#![allow(clippy::unwrap_used)] // a test may; clippy knows only functions marked as one

mod parity;
mod reading;
mod server;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use server::{Client, Server};

const WEB: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}   # stays
spec:
  strategy:
    canary:
      steps:
      - setWeight: 20
";

fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn generate(client: &Client, server: &Server, repository: &Path, parameters: &Value) -> Value {
    let variable = format!("ARGOCD_APP_PARAMETERS={parameters}");
    let answer = client.call(
        server,
        "generate",
        &["-repo", repository.to_str().unwrap(), &variable],
    );
    answer.json
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn every_call_of_the_repo_server_is_answered() {
    let Some(client) = Client::build() else { return };
    let server = Server::start(&[], &[]);
    let repository = repository(&[
        ("web.yaml", WEB),
        (".canary.yaml", "presets: {careful: \"5,pause,100\"}\n"),
    ]);
    let repo = repository.path();
    let args = ["-repo", repo.to_str().unwrap()];

    // Neither discovery nor credentials are wanted; false is left out.
    assert_eq!(client.call(&server, "check", &[]).json, json!({}));
    assert_eq!(client.call(&server, "match", &args).json, json!({}));

    let announced = client.call(&server, "announce", &args).json;
    let announced = announced["parameterAnnouncements"].as_array().unwrap();
    let shown: Vec<_> = announced
        .iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap(),
                one["title"].as_str().unwrap(),
                one["string"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("canary", "all: on, off, git, careful, ramp", "git"),
            ("canary/web", "web: git, 1 step", "git")
        ]
    );

    assert_eq!(
        generate(&client, &server, repo, &Value::Null),
        json!({"manifests": [WEB]})
    );
    let switched = WEB.replace(
        "- setWeight: 20",
        "- setWeight: 5\n      - pause: {}\n      - setWeight: 100",
    );
    assert_eq!(
        generate(
            &client,
            &server,
            repo,
            &json!([{"name": "canary/web", "string": "careful"}])
        ),
        json!({"manifests": [switched]})
    );
    assert_eq!(
        generate(
            &client,
            &server,
            repo,
            &json!([{"name": "canary/web", "string": "25,paus"}])
        ),
        json!({"code": "InvalidArgument", "message": "canary/web: item 2 \"paus\" is not a step; did you mean \"pause\"?"})
    );
    let about = client.call(&server, "services", &[]).json;
    assert_eq!(about["health"], "SERVING");
    assert_eq!(
        about["services"],
        json!([
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "plugin.ConfigManagementPluginService",
            "version.VersionService"
        ])
    );
    server.is_clean();
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn folders_with_settings_are_claimed_where_the_operator_wants_it() {
    let Some(client) = Client::build() else { return };
    let server = Server::start(&["--discover"], &[]);
    assert_eq!(
        client.call(&server, "check", &[]).json,
        json!({"isDiscoveryConfigured": true})
    );
    let ours = repository(&[("web.yaml", WEB), (".canary.yaml", "")]);
    let others = repository(&[("web.yaml", WEB)]);
    let asked = |folder: &tempfile::TempDir| {
        client
            .call(&server, "match", &["-repo", folder.path().to_str().unwrap()])
            .json
    };
    assert_eq!(
        asked(&ours),
        json!({"isSupported": true, "isDiscoveryEnabled": true})
    );
    assert_eq!(asked(&others), json!({"isDiscoveryEnabled": true}));
}

/// What a repo-server that reads no answer after a failed `Send` is told, by the name of the request.
const REFUSALS: &[(&str, &str, &str)] = &[
    (
        "traversal",
        "InvalidArgument",
        "illegal path in the archive: \"../evil\"",
    ),
    (
        "deep-traversal",
        "InvalidArgument",
        "illegal path in the archive: \"a/b/../../../evil\"",
    ),
    (
        "absolute",
        "InvalidArgument",
        "illegal path in the archive: \"/tmp/canary-steps-evil\"",
    ),
    (
        "absolute-link",
        "InvalidArgument",
        "illegal link in the archive: \"passwd.yaml\" leads to \"/etc/passwd\"",
    ),
    (
        "relative-link",
        "InvalidArgument",
        "illegal link in the archive: \"a/up.yaml\" leads to \"../../../../etc/passwd\"",
    ),
    (
        "below-link",
        "InvalidArgument",
        "illegal path in the archive: \"d/evil\"",
    ),
    (
        "hard-link",
        "InvalidArgument",
        "\"hard\" in the archive is neither a file, a folder nor a link",
    ),
    (
        "device",
        "InvalidArgument",
        "\"null\" in the archive is neither a file, a folder nor a link",
    ),
    (
        "block-device",
        "InvalidArgument",
        "\"disk\" in the archive is neither a file, a folder nor a link",
    ),
    (
        "fifo",
        "InvalidArgument",
        "\"pipe\" in the archive is neither a file, a folder nor a link",
    ),
    (
        "bomb",
        "ResourceExhausted",
        "the archive holds more than 67108864 bytes; raise --max-unpacked-bytes",
    ),
    (
        "million-files",
        "ResourceExhausted",
        "the archive holds more than 100000 entries; raise --max-entries",
    ),
    (
        "wrong-checksum",
        "InvalidArgument",
        "the archive's checksum is not the one announced",
    ),
    (
        "size-too-small",
        "InvalidArgument",
        "the archive is longer than the ",
    ),
    ("size-too-large", "InvalidArgument", "the archive ends after "),
    (
        "negative-size",
        "InvalidArgument",
        "an archive of -1 bytes was announced",
    ),
    (
        "enormous-size",
        "ResourceExhausted",
        "the archive of 4611686018427387904 bytes is larger than 268435456; raise --max-archive-bytes",
    ),
    (
        "outside",
        "FailedPrecondition",
        "path \"../other\": it leaves the repository",
    ),
    ("truncated", "InvalidArgument", "the archive ends after "),
    (
        "no-gzip",
        "InvalidArgument",
        "the archive cannot be read: invalid gzip header",
    ),
    (
        "never-ending",
        "InvalidArgument",
        "the archive is longer than the ",
    ),
    ("client-gone", "Client", "error sending stream: "),
    (
        "first-is-file",
        "InvalidArgument",
        "the first message of the stream must be metadata",
    ),
    (
        "first-is-empty",
        "InvalidArgument",
        "the first message of the stream must be metadata",
    ),
    (
        "first-is-unknown",
        "InvalidArgument",
        "the first message of the stream must be metadata",
    ),
    (
        "no-message-at-all",
        "InvalidArgument",
        "the first message of the stream must be metadata",
    ),
    (
        "second-is-metadata",
        "InvalidArgument",
        "every message behind the first must be a piece of the archive",
    ),
];

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn hostile_requests_are_refused_in_words_and_leave_nothing() {
    let Some(client) = Client::build() else { return };
    let server = Server::start(&["--max-unpacked-bytes", "67108864"], &[]);
    let good = repository(&[("web.yaml", WEB)]);
    let mut names = client.hostile_names();
    names.sort();
    let mut known: Vec<_> = REFUSALS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    known.sort();
    assert_eq!(names, known);
    for (name, code, message) in REFUSALS {
        let answer = client.call(&server, "hostile", &[name]);
        assert!(!answer.succeeded, "{name}: {}", answer.json);
        assert_eq!(answer.json["code"], *code, "{name}: {}", answer.json);
        let said = answer.json["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{name}: {said}");
        server.is_clean();
        assert_eq!(
            generate(&client, &server, good.path(), &Value::Null),
            json!({"manifests": [WEB]}),
            "after {name}"
        );
    }
    server.is_clean();
    assert!(!Path::new("/tmp/canary-steps-evil").exists());
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn twenty_callers_at_once_are_answered() {
    let Some(client) = Client::build() else { return };
    let server = Server::start(&[], &[]);
    let large: String = (0..200_000_u32)
        .map(|n| format!("# {:x}\n", n.wrapping_mul(2_654_435_761)))
        .collect();
    let repository = repository(&[("web.yaml", WEB), ("large.txt", &large)]);
    let args = [
        "-repo",
        repository.path().to_str().unwrap(),
        "-n",
        "40",
        "-parallel",
        "20",
    ];
    let answer = client.call(&server, "bench", &args);
    assert!(answer.succeeded, "{}", answer.json);
    assert_eq!(answer.json["bytes"], WEB.len());
    server.is_clean();
}
