//! The three examples, driven by the controller's own rpc packages in Go: every method of every kind, answers compared
//! value by value.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Runs `tests/interop/go/rollouts/host` against one of the examples and returns what it printed, a value a call.
/// [`None`] without Go.
fn drive(kind: &str, example: &str) -> Option<Vec<Value>> {
    let host = interop::go_package("rollouts", "./host")?;
    let output = Command::new(host)
        .arg(kind)
        .arg(example_path(example))
        .output()
        .expect("the host starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "host failed: {log}");
    let answers = String::from_utf8(output.stdout).expect("the host prints UTF-8");
    Some(
        answers
            .lines()
            .map(|line| serde_json::from_str(line).expect("the host prints JSON lines"))
            .collect(),
    )
}

/// Builds an example beside the tests, as `cargo test` does, and as `cargo test --test controller` does not.
fn example_path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("a test lies in <target>/<profile>/deps");
    let build = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--all-features",
            "--package",
            env!("CARGO_PKG_NAME"),
            "--example",
            name,
        ])
        .args([
            "--profile",
            if cfg!(debug_assertions) { "dev" } else { "release" },
        ])
        .arg("--target-dir")
        .arg(profile.parent().expect("a profile lies in the target folder"))
        .status()
        .expect("cargo runs");
    assert!(build.success(), "example {name} does not build");
    profile.join("examples").join(name)
}

fn compare(actual: &[Value], expected: &[(&str, Value)]) {
    for (position, (actual, (call, answer))) in actual.iter().zip(expected).enumerate() {
        assert_eq!(
            actual,
            &json!({"call": call, "answer": answer}),
            "call {position}"
        );
    }
    assert_eq!(
        actual.len(),
        expected.len(),
        "every call is answered: {actual:#?}"
    );
}

fn ok() -> Value {
    json!([{"ErrorString": ""}])
}

#[test]
fn traffic_router() {
    let Some(answers) = drive("trafficrouter", "traffic_router") else {
        return;
    };
    compare(
        &answers,
        &[
            ("InitPlugin", ok()),
            ("Type", json!(["Memory"])),
            ("UpdateHash", ok()),
            ("SetHeaderRoute", ok()),
            (
                "SetMirrorRoute",
                json!([{"ErrorString":
                    "rollout shop/web: setMirrorRoute \"mirror\" is not supported by this traffic router"}]),
            ),
            ("SetWeight", ok()),
            ("VerifyWeight", json!([1, {"ErrorString": ""}])),
            ("VerifyWeight", json!([0, {"ErrorString": ""}])),
            (
                "SetWeight",
                json!([{"ErrorString": "rollout shop/web: weight -1: 0 to 1000 is accepted"}]),
            ),
            ("RemoveManagedRoutes", ok()),
            ("RemoveManagedRoutes", ok()),
        ],
    );
}

#[test]
fn metric_provider() {
    let Some(mut answers) = drive("metricprovider", "metric_provider") else {
        return;
    };
    for answer in &mut answers {
        // The provider's clock is not the test's: the two moments only have to be there, and equal.
        let Some(measurement) = answer["answer"][0].as_object_mut() else {
            continue;
        };
        if measurement.get("finishedAt").is_some() {
            assert_eq!(measurement.remove("finishedAt"), measurement.remove("startedAt"));
        }
    }
    let moment = "2026-11-21T10:20:30Z";
    let wrong = "failed to run via plugin: metric errors: invalid type: string \"seven\", expected i64 at line 1 column 16";
    compare(
        &answers,
        &[
            ("InitPlugin", ok()),
            ("Type", json!(["Constant"])),
            ("GetMetadata", json!([{"condition": "result < 5"}])),
            ("Run", json!([{"phase": "Successful", "value": "3"}])),
            ("Run", json!([{"phase": "Failed", "value": "7"}])),
            ("Run", json!([{"phase": "Error", "message": wrong}])),
            (
                "Resume",
                json!([{"phase": "Inconclusive", "value": "1", "startedAt": moment, "metadata": {"job": "17"}}]),
            ),
            (
                "Terminate",
                json!([{"phase": "Successful", "value": "1", "startedAt": moment, "metadata": {"job": "17"},
                    "message": "terminated"}]),
            ),
            ("GarbageCollect", ok()),
            ("GarbageCollect", ok()),
        ],
    );
}

#[test]
fn step_plugin() {
    let Some(answers) = drive("step", "step_plugin") else {
        return;
    };
    let quarter = 15_000_000_000_u64;
    let no_error = json!({"ErrorString": ""});
    let nothing = json!({"Phase": "", "Message": "", "RequeueAfter": 0, "Status": null});
    let wrong = "config: invalid type: string \"two\", expected u64 at line 1 column 14";
    compare(
        &answers,
        &[
            ("InitPlugin", ok()),
            ("Type", json!(["Counter"])),
            (
                "Run",
                json!([{"Phase": "Running", "Message": "run 1 of 2", "RequeueAfter": quarter, "Status": {"runs": 1}},
                    no_error]),
            ),
            (
                "Run",
                json!([{"Phase": "Successful", "Message": "run 2 of 2", "RequeueAfter": 0, "Status": {"runs": 2}},
                    no_error]),
            ),
            ("Run", json!([nothing, {"ErrorString": wrong}])),
            (
                "Terminate",
                json!([{"Phase": "Successful", "Message": "terminated", "RequeueAfter": 0, "Status": {"runs": 1}},
                    no_error]),
            ),
            (
                "Abort",
                json!([{"Phase": "Successful", "Message": "taken back for shop/web", "RequeueAfter": 0, "Status": null},
                    no_error]),
            ),
            (
                "Abort",
                json!([{"Phase": "Successful", "Message": "taken back for shop/web", "RequeueAfter": 0, "Status": null},
                    no_error]),
            ),
        ],
    );
}
