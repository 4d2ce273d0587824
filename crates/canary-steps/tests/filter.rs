//! `filter` and `generate` of the same text.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{BINARY, parameters};

/// What a command writes of a text on its stdin.
fn output(args: &[&str], stdin: &str) -> String {
    let mut child = Command::new(BINARY)
        .args(args)
        .env("ARGOCD_APP_PARAMETERS", parameters(&[("canary", "5")]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn filter_writes_json_so_that_argo_cd_reads_it_as_generate_does() {
    let rollout = |name: &str, steps: &str| {
        format!(
            r#"{{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","metadata":{{"name":"web","annotations":{{"at":"{name}"}}}},"spec":{{"strategy":{{"canary":{{"steps":{steps}}}}}}}}}"#
        )
    };
    let text = rollout(r"https:\/\/x \ud83d\ude00", "[]");
    let safe = rollout("https://x 😀", r#" [{"setWeight":5}]"#);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.json"), &text).unwrap();
    let place = folder.path().to_str().unwrap();
    // Alone on stdout, JSON begins with a separator.
    assert_eq!(output(&["generate", place], ""), format!("---\n{safe}"));
    let empty = tempfile::tempdir().unwrap();
    let place = empty.path().to_str().unwrap();
    assert_eq!(output(&["filter", place], &text), safe);
}

#[test]
fn filter_hands_over_yaml_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# \\/\nkind: ConfigMap\nmetadata: {name: yes}   # stays\ndata: {\"a\": \"\\/\"}\n";
    assert_eq!(output(&["filter", folder.path().to_str().unwrap()], text), text);
}
