//! check, explain and doctor as a user runs them, and Secrets as the API server gives them.

#![allow(clippy::unwrap_used)]

mod scene;

use std::io::Write;
use std::process::{Command, Output};

use scene::{API_KEY, APP_KEY, Behaviour, Emulator};
use serde_json::{Value, json};

const TEMPLATE: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: web}
spec:
  args:
    - name: service
    - {name: limit, value: "0.05"}
  metrics:
    - name: errors
      successCondition: result < {{args.limit}}
      provider:
        plugin:
          acme/datadog:
            apiVersion: v2
            query: avg:errors{service:{{args.service}}}
---
kind: ConfigMap
metadata: {name: other}
"#;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollouts-plugin-metric-datadog"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn text(output: &Output) -> String {
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!all.contains(API_KEY) && !all.contains(APP_KEY), "{all}");
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_measures_once_and_its_exit_code_is_the_verdict() {
    let emulator = Emulator::start().await;
    emulator
        .on("service:good", Behaviour::Value(0.01))
        .on("service:bad", Behaviour::Value(0.5));
    let url = emulator.url();
    let keys = [
        ("DD_API_KEY", API_KEY),
        ("DD_APP_KEY", APP_KEY),
        ("DD_ADDRESS", url.as_str()),
    ];
    let template = file(TEMPLATE);
    let path = template.path().to_str().unwrap();
    for (service, code, phase) in [
        ("good", 0, "Successful"),
        ("bad", 1, "Failed"),
        ("none", 4, "Error"),
    ] {
        let argument = format!("service={service}");
        let output = run(&["check", "-f", path, "--arg", &argument, "-o", "json"], &keys).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        let results: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(results[0]["phase"], phase);
    }
    let table = run(
        &["check", "-f", path, "--arg", "service=bad", "--arg", "limit=0.9"],
        &keys,
    )
    .await;
    let table = text(&table);
    assert!(table.contains("web       errors  Successful  0.5"), "{table}");
    assert!(table.contains("query: avg:errors{service:bad}"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_before_anything_is_asked() {
    let template = |from: &str, to: &str| file(&TEMPLATE.replace(from, to));
    for (from, to, arguments, expected) in [
        (
            "apiVersion: v2\n",
            "apiversion: v2\n",
            &["--arg", "service=a"][..],
            "apiversion: no such field; did you mean apiVersion?",
        ),
        (
            "result <",
            "results <",
            &["--arg", "service=a"],
            "unknown name results",
        ),
        (
            "result <",
            "result == \"a\" && 1 <",
            &["--arg", "service=a"],
            "mismatched types float64 and string",
        ),
        (
            "            apiVersion: v2\n            query: avg:errors{service:{{args.service}}}",
            "            monitor: {id: 7}",
            &["--arg", "service=a"],
            "mismatched types",
        ),
        (
            "            apiVersion: v2",
            "            interval: 5",
            &["--arg", "service=a"],
            "interval: 5 is not accepted; write a duration such as 30s, 5m or 1h30m (a unit is missing)",
        ),
        (
            "acme/datadog:\n            apiVersion: v2\n            query: avg:errors{service:{{args.service}}}",
            "acme/datadog: avg:errors",
            &["--arg", "service=a"],
            "provider.plugin: \"avg:errors\" is not accepted; write the fields of the metric below the plugin's name",
        ),
        (
            "",
            "",
            &[],
            "argument service has no value; write --arg service=…",
        ),
        (
            "",
            "",
            &["--arg", "servise=a"],
            "--arg servise: no such argument; spec.args has service, limit",
        ),
    ] {
        let template = template(from, to);
        let path = template.path().to_str().unwrap();
        let mut all = vec!["check", "-f", path, "--offline"];
        all.extend(arguments);
        let output = run(&all, &[]).await;
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_answer_stands_for_datadog() {
    let template = file(TEMPLATE);
    let answer = file(
        &json!({"data": {"attributes": {"columns": [{"name": "query", "type": "number", "values": [0.2]}]}}})
            .to_string(),
    );
    let arguments = [
        "check",
        "-f",
        template.path().to_str().unwrap(),
        "--arg",
        "service=a",
        "--answer",
        answer.path().to_str().unwrap(),
    ];
    let output = run(&arguments, &[]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_prints_requests_and_sends_none() {
    let emulator = Emulator::start().await;
    let url = emulator.url();
    let template = file(TEMPLATE);
    let arguments = [
        "explain",
        "-f",
        template.path().to_str().unwrap(),
        "--arg",
        "service=a",
        "-o",
        "json",
    ];
    let output = run(
        &arguments,
        &[
            ("DD_API_KEY", API_KEY),
            ("DD_APP_KEY", APP_KEY),
            ("DD_ADDRESS", &url),
        ],
    )
    .await;
    assert!(output.status.success(), "{}", text(&output));
    let explained: Value = serde_json::from_str(&text(&output)).unwrap();
    let request = &explained[0]["requests"][0];
    assert_eq!(request["path"], "/api/v2/query/scalar");
    assert_eq!(
        request["body"]["data"]["attributes"]["queries"][0]["query"],
        "avg:errors{service:a}"
    );
    assert_eq!(emulator.count(), 0);
}

/// The output of a pipeline's check is read by more people than may know the secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secret_arguments_are_not_printed() {
    let secret = "- {name: token, valueFrom: {secretKeyRef: {name: s, key: k}}}\n    - name: service";
    let template = TEMPLATE.replace("- name: service", secret);
    let with = |from: &str, to: &str| file(&template.replace(from, to));
    for (template, arguments) in [
        (
            with("service:{{args.service}}", "token:{{args.token}}"),
            &["explain"][..],
        ),
        (
            with("service:{{args.service}}", "token:{{args.token}}"),
            &["explain", "-o", "json"],
        ),
        (
            with(
                "            apiVersion: v2",
                "            interval: \"{{args.token}}\"",
            ),
            &["check", "--offline"],
        ),
        (
            with("result <", "result{{args.token}} <"),
            &["check", "--offline"],
        ),
    ] {
        let mut all = arguments.to_vec();
        let path = template.path().to_str().unwrap().to_owned();
        all.extend(["-f", &path, "--arg", "service=a", "--arg", "token=hunter2222"]);
        let output = run(&all, &[]).await;
        let text = text(&output);
        assert!(
            text.contains("*****") && !text.contains("hunter2"),
            "{arguments:?}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_tells_good_keys_from_bad_ones() {
    let emulator = Emulator::start().await;
    emulator.on(
        "/groups/search",
        Behaviour::Status(403, json!({"errors": ["Forbidden"]}).to_string()),
    );
    emulator.limit(600, std::time::Duration::from_secs(60), true);
    let url = emulator.url();
    let keys = |api: &'static str| {
        [("DD_API_KEY", api), ("DD_APP_KEY", APP_KEY), ("DD_ADDRESS", "")]
            .map(|(name, value)| (name, value.to_owned()))
    };
    emulator.accept_keys(API_KEY, APP_KEY);
    for (arguments, expected) in [
        (
            ["doctor", "--site", "nope"],
            "--site: \"nope\" is not accepted; write one of datadoghq.com",
        ),
        (
            ["doctor", "--secret", "nope"],
            "--secret: \"nope\" is not accepted; write NAMESPACE/NAME",
        ),
    ] {
        let output = run(&arguments, &[]).await;
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
    for (api, code, expected) in [
        (
            API_KEY,
            1,
            "the application key needs the permission monitors_read",
        ),
        ("wrong-key-00000000", 4, "is it a key of this site?"),
    ] {
        let mut environment = keys(api);
        environment[2].1.clone_from(&url);
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let output = run(&["doctor"], &environment).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
}

/// An API server that has one Secret, whose keys are rotated while they are remembered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_loses_no_measurement() {
    use base64_of as encode;
    let datadog = Emulator::start().await;
    datadog.on("errors", Behaviour::Value(0.01));
    let api_server = Emulator::start().await;
    let secret = |api_key: &str| {
        Behaviour::Json(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "team"},
            "data": {"api-key": encode(&format!("{api_key}\n")), "app-key": encode(APP_KEY), "address": encode(&datadog.url())},
        }))
    };
    api_server.on("/api/v1/namespaces/team/secrets/keys", secret("old-key-00000000"));
    datadog.accept_keys("old-key-00000000", APP_KEY);
    let kubeconfig = file(
        &json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": api_server.url()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        })
        .to_string(),
    );
    // The only test of this binary that reads the variable in this process.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("KUBECONFIG", kubeconfig.path());
    }
    let scene = scene::Scene::with_environment(Default::default()).await;
    let block = json!({"query": "avg:errors{*}", "secretRef": {"name": "keys", "namespaced": true}});
    let first = scene
        .measure(&scene::asking_as("a", block.clone(), "result < 0.05", ""))
        .await;
    assert_eq!(first.phase.as_str(), "Successful", "{}", first.message);
    datadog.accept_keys("new-key-00000000", APP_KEY);
    api_server.on("/api/v1/namespaces/team/secrets/keys", secret("new-key-00000000"));
    // Remembered for a minute; read again at most every five seconds, and only because the keys are refused.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let second = scene
        .measure(&scene::asking_as("b", block, "result < 0.05", ""))
        .await;
    assert_eq!(second.phase.as_str(), "Successful", "{}", second.message);
    assert_eq!(
        api_server.count(),
        2,
        "one read at first, one after the keys were refused"
    );
    let missing = json!({"query": "avg:errors{*}", "secretRef": {"name": "other"}});
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"});
    api_server.on("/secrets/other", Behaviour::Status(404, status.to_string()));
    let third = scene.measure(&scene::asking_as("c", missing, "", "")).await;
    assert_eq!(third.message, "Secret argo-rollouts/other does not exist");
}

fn base64_of(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for index in 0..4 {
            match index <= chunk.len() {
                true => encoded.push(ALPHABET[(bits >> (18 - 6 * index) & 63) as usize] as char),
                false => encoded.push('='),
            }
        }
    }
    encoded
}

/// The templates in manifests/ are well formed for any argument.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shared_templates_pass_their_own_check() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests/datadog/templates");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == "kustomization.yaml" {
            continue;
        }
        let template = std::fs::read_to_string(&path).unwrap();
        let mut arguments = vec![
            "check".to_owned(),
            "--offline".to_owned(),
            "-f".to_owned(),
            path.to_str().unwrap().to_owned(),
        ];
        for name in ["service", "env", "version", "slo", "new", "old"] {
            if template.contains(&format!("- name: {name}\n")) {
                arguments.extend(["--arg".to_owned(), format!("{name}=x-{name}")]);
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments, &[]).await;
        assert!(output.status.success(), "{}: {}", path.display(), text(&output));
        checked += 1;
    }
    assert_eq!(checked, 6);
}
