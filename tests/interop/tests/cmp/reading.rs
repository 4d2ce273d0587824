//! The editor reads YAML as the repo-server does, and what it writes the repo-server reads as it was meant.
//!
//! Odd streams written by hand, and ordinary ones with places mistyped, go to `SplitYAML` of Argo CD's gitops-engine
//! (`tests/interop/go/cmp/objects`) before and after every Rollout in them is switched.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use canary_steps::edit::{Manifest, find};
use canary_steps::plan::{Application, Settings, plan};
use interop::go_package;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const MISTYPED: usize = 4_000;

/// The repo-server's way from a text to objects.
struct Peer {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Option<Self> {
        let mut process = Command::new(go_package("cmp", "./objects")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Some(Self { process, answers })
    }

    fn read(&mut self, text: &str) -> Result<Vec<Value>, String> {
        writeln!(self.process.stdin.as_mut().unwrap(), "{}", Value::from(text)).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["objects"]
                .as_array_mut()
                .unwrap()
                .drain(..)
                .map(number)
                .collect()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Go writes 1000.0 as 1000.
fn number(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => json!(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(number).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, number(value))).collect(),
        other => other,
    }
}

fn is_rollout(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    object["kind"] == "Rollout" && version.starts_with("argoproj.io/")
}

/// Whether its steps can be switched: one strategy, and that is canary.
fn is_canary(object: &Value) -> bool {
    let Some(strategy) = object["spec"]["strategy"].as_object() else {
        return false;
    };
    let written = |value: &Value| value.is_object() || value.is_null();
    strategy.get("canary").is_some_and(written) && strategy.get("blueGreen").is_none_or(Value::is_null)
}

/// What the peer must read after a switch.
fn switched(mut objects: Vec<Value>, steps: Option<&Value>) -> Vec<Value> {
    for object in objects.iter_mut().filter(|o| is_rollout(o) && is_canary(o)) {
        let canary = &mut object["spec"]["strategy"]["canary"];
        match (steps, canary.as_object_mut()) {
            (Some(steps), _) => canary["steps"] = steps.clone(),
            (None, Some(canary)) => drop(canary.remove("steps")),
            (None, None) => {}
        }
    }
    objects
}

fn apply(manifest: &Manifest, value: &str) -> Result<String, String> {
    let mut app = Application::default();
    app.parameters.set("", value);
    let manifests = std::slice::from_ref(manifest);
    let settings = Settings::default();
    let texts = plan(manifests, &settings, &app).apply(manifests, &settings, &app);
    texts.map(|mut texts| texts.remove(0)).map_err(|e| e.to_string())
}

/// Compares; `Err` where both cannot be, and why.
fn compare(peer: &mut Peer, text: &str) -> Result<(), String> {
    let manifest = Manifest {
        name: "a.yaml".into(),
        text: text.into(),
    };
    let found = find(std::slice::from_ref(&manifest));
    let objects = peer.read(text)?;
    if let Some(unread) = found.unread.first() {
        return Err(format!("only the peer reads it: {unread}"));
    }
    let ours: Vec<Value> = found.rollouts.into_iter().map(|r| number(r.value)).collect();
    let theirs: Vec<_> = objects.iter().filter(|o| is_rollout(o)).cloned().collect();
    assert_eq!(ours, theirs, "{text}");

    if let Ok(same) = apply(&manifest, "git") {
        assert_eq!(same, text);
    }
    let steps = json!([{"setWeight": 5}, {"pause": {"duration": "30s"}}, {"setWeight": 100}]);
    for (value, steps) in [("5,pause:30s,100", Some(&steps)), ("off", None)] {
        let new = match apply(&manifest, value) {
            Ok(new) => new,
            // Nothing in it, or an annotation that is wrong: said before anything is written.
            Err(problem) => {
                assert!(!problem.contains("cannot be changed"), "{problem}: {text}");
                continue;
            }
        };
        let read = peer
            .read(&new)
            .unwrap_or_else(|error| panic!("{error}\n{text}\nbecame\n{new}"));
        assert_eq!(read, switched(objects.clone(), steps), "{text}\nbecame\n{new}");
    }
    Ok(())
}

/// A Rollout named `web` in the block form, whose `canary` holds this.
fn web(canary: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: web\nspec:\n  strategy:\n    canary:{canary}\n  replicas: 2 # two\n"
    )
}

fn odd() -> Vec<String> {
    let flow = "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web}, spec: {strategy: {canary: {}}}}\n";
    let json = flow.replace(": {}", ": {\"maxSurge\": 1, \"steps\": [{\"setWeight\": 20}]}");
    let json = json
        .replace('{', "{\"")
        .replace("{\"\"", "{\"")
        .replace(", ", ", \"")
        .replace("\"\"", "\"");
    let mut all: Vec<String> = [
        "",
        " # c",
        " null",
        " ~",
        " {}",
        " {steps: [], maxSurge: 1}",
        " {maxSurge: 1, steps: [{setWeight: 20}]}",
        " {steps: [{setWeight: 20}]} # c",
        " {\n      steps: [ # c\n        {setWeight: 20},\n      ],\n    }",
        "\n      steps:",
        "\n      steps: null",
        "\n      steps: ~ # none",
        "\n      steps: []",
        "\n      steps: [] # none\n      maxSurge: 1",
        "\n      steps: # some\n      # first\n      - setWeight: 20 # twenty\n      # last\n      maxSurge: 1",
        "\n      maxSurge: 25%\n\n      steps:\n\n      - setWeight: 20\n\n      - pause: {}\n\n",
        "\n        steps:\n            -   setWeight: 20\n            -   pause: {duration: 1h}\n        maxSurge: 1",
        "\n      \"steps\":\n      - {\"setWeight\": 20}",
        "\n      'steps': [{'setWeight': 20}]",
        "\n      ? steps\n      : - setWeight: 20\n      maxSurge: 1",
        "\n      steps : [{setWeight: 20}]",
        "\n      steps: &s\n      - setWeight: 20\n      extra: *s",
        "\n      steps:\n      - &w {setWeight: 20}\n      - pause: {}\n      - *w\n      extra: [*w]",
        "\n      steps: !!seq\n      - setWeight: !!int 20",
        "\n      !!str steps: []",
        "\n      &k steps: [{setWeight: 20}]\n      extra: *k",
        "\n      steps: [{setWeight: 1}]\n      steps: [{setWeight: 2}]\n      maxSurge: 1",
        "\n      steps:\n      - setWeight: 1\n      maxSurge: 1\n      steps:\n      - setWeight: 2",
        "\n      <<: {maxSurge: 1, steps: [{setWeight: 20}]}",
        "\n      <<: [{maxSurge: 1}, {steps: [{setWeight: 20}]}]\n      maxUnavailable: 0",
        "\n      <<: {maxSurge: 1}\n      steps: [{setWeight: 20}]",
        "\n      steps: [{setWeight: 20}]\n      <<: {steps: [{setWeight: 1}]}",
        "\n      extra: |\n        a\n        ---\n        b\n      steps:\n      - setWeight: 20",
        "\n      extra: >-\n        a\n        b\n\n      steps: []",
        "\n      extra: 'a\n  b'\n      steps: []",
        "\n      extra: \"a\\\n        b\"\n      steps: []",
        "\n      steps:\n      - analysis:\n          templates:\n          - templateName: a\n          args: [{name: n, value: \"0644\"}]\n      - plugin: {name: p, config: {a: yes, b: 0o14, c: 1_000, d: 2001-01-01, e: .5}}",
        "\n      maxSurge: 0x1F\n      maxUnavailable: 0644\n      on: off\n      12: 13\n      1.5: x\n      ~x: y",
        "\n      \u{e9}t\u{e9}: \u{1f600}\n      steps: []",
        "\n      a: b # c\n      # deeper\n        # and deeper\n      steps: # here\n        # below\n        - setWeight: 1\n        # behind\n    # end",
        "\n      a: [1,\n  2]\n      steps: []",
        "\n      canary: {steps: []}\n      steps: [{setWeight: 3}]",
        "\n      steps:\n      -\n        setWeight: 3\n      -\n        pause: {}",
        "\n      steps:\n      - setWeight: 3\n      - pause:\n      - pause: null",
        " !!map\n      steps: []",
        " &c\n      steps: []\n    blueGreen:",
        "\n      steps: text",
        "\n      steps: {a: b}",
    ]
    .into_iter()
    .map(web)
    .collect();
    all.extend([
        flow.to_owned(),
        json.clone(),
        format!("  \n{json}\n{json}"),
        format!("{json}---\n{}", web(" {}")),
        format!("{}---\n{json}", web(" {}")),
        format!("\u{feff}{}", web(" {}")),
        web("\n      steps: []").replace('\n', "\r\n"),
        web("\n      steps: # c\n      - setWeight: 1 # d\n      maxSurge: 1").replace('\n', "\r\n"),
        web(" {}").replace('\n', "\r"),
        web("\n      steps: []").replace(": ", ":\t"),
        format!("---\n{}...\n", web(" {}")),
        format!(
            "--- # c\n{}--- \t# d\n{}---\n",
            web("\n      steps: []"),
            web(" {}")
        ),
        format!("# a\n\n---\n---\n# b\n{}", web("\n      steps: []")),
        format!("%YAML 1.1\n---\n{}", web(" {}")),
        format!("{}-----\n{}", web(" {}"), web(" {}")),
        format!("{}--- text\n", web(" {}")),
        format!("{}\nspec: *x\n", web(" {}").replace("spec:", "base: &x")),
        web("\n      steps: []").replace("spec:\n", "spec: &spec\n") + "copy: *spec\n",
        web("\n      steps: &s [{setWeight: 1}]")
            .replace("  name: web", "  name: &n web\n  labels: {app: *n}"),
        "x: &c {steps: [{setWeight: 1}], maxSurge: 1}\n".to_owned() + &web(" *c"),
        "x: &c {canary: {steps: [{setWeight: 1}], maxSurge: 1}}\n".to_owned()
            + &web("").replace("strategy:\n    canary:", "strategy: *c"),
        "x: &c {canary: {steps: [{setWeight: 1}], maxSurge: 1}}\n".to_owned()
            + &web("").replace("    canary:", "    <<: *c"),
        "x: &k Rollout\n".to_owned() + &web(" {}").replace("kind: Rollout", "kind: *k"),
        web(" {}").replace("kind: Rollout", "kind: Rollout\nkind: Rollout"),
        web(" {}").replace("kind: Rollout", "\"kind\": 'Rollout'"),
        web(" {}").replace("name: web", "generateName: web-"),
        web(" {}").replace("name: web", "name: 12"),
        web(" {}").replace("canary:", "blueGreen:"),
        web(" {}").replace("canary:", "blueGreen: {}\n    canary:"),
        web(" {}").replace(
            "  strategy:",
            "  workloadRef: {kind: Deployment, name: web}\n  strategy:",
        ),
        web("\n      steps: []").replace("argoproj.io/v1alpha1", "argoproj.io/v1"),
        web("\n      steps: []").replace("argoproj.io/v1alpha1", "example.io/v1 # argoproj.io"),
        web("\n      steps: []").replace("metadata:\n  name: web\n", ""),
        format!(
            "apiVersion: v1\nkind: List\nitems: [{}, {}]\n",
            flow.trim(),
            flow.trim()
        ),
        format!("apiVersion: v1\nkind: List\nitems:\n- {flow}- {flow}# end\n"),
        format!(
            "apiVersion: v1\nkind: List\nitems:\n  - {}",
            web("\n      steps: []").replace('\n', "\n    ")
        ),
        format!(
            "apiVersion: v1\nitems:\n- {}kind: List\n",
            web("\n      steps: []").trim_end().replace('\n', "\n  ") + "\n"
        ),
        format!("kind: RolloutList\napiVersion: argoproj.io/v1alpha1\nitems:\n- {flow}"),
        format!("kind: List\napiVersion: v1\nitems:\n- kind: List\n  apiVersion: v1\n  items:\n  - {flow}"),
        format!("kind: List\napiVersion: v1\nitems:\n- &r {flow}- *r\n"),
        format!("[{}]\n", flow.trim()),
        format!("{}x: {}\n", web(" {}"), "y".repeat(100_000)),
        format!("{}x: [{}]\n", web(" {}"), "a, ".repeat(20_000)),
        format!("{}x: {}1{}\n", web(" {}"), "[".repeat(90), "]".repeat(90)),
    ]);
    // The same without a line break at the end.
    let cut: Vec<_> = all.iter().map(|text| text.trim_end().to_owned()).collect();
    all.extend(cut);
    all
}

/// Odd streams that only the repo-server reads: nothing is lost while nothing is switched, and an error names them.
const NOT_OURS: &[&str] = &[];

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn odd_streams_are_read_as_the_repo_server_reads_them() {
    let Some(mut peer) = Peer::start() else { return };
    let mut read = 0;
    for text in odd() {
        match compare(&mut peer, &text) {
            Ok(()) => read += 1,
            Err(problem) => {
                let known = NOT_OURS.iter().any(|part| problem.contains(part));
                assert!(
                    known || !problem.starts_with("only the peer"),
                    "{problem}: {text}"
                );
            }
        }
    }
    assert!(read > 120, "only {read} were read by both");
}

#[test]
#[ignore = "builds Argo CD's packages, which takes minutes once; `make e2e` runs it"]
fn mistyped_streams_are_read_as_the_repo_server_reads_them() {
    let Some(mut peer) = Peer::start() else { return };
    let mut short = odd();
    short.retain(|text| text.len() < 1000 && peer.read(text).is_ok());
    let mistyped = (
        proptest::sample::select(short),
        any::<proptest::sample::Index>(),
        0..6_usize,
        "[-a-c0 :#,\\[\\]{}'\"|>&*!?%~<\r\t\n\u{e9}]{0,4}",
    );
    let mut runner = TestRunner::deterministic();
    let (mut both, mut only_theirs) = (0, 0);
    for _ in 0..MISTYPED {
        let (text, at, drop, new) = mistyped.new_tree(&mut runner).unwrap().current();
        let places: Vec<usize> = text.char_indices().map(|(n, _)| n).collect();
        let from = at.index(places.len());
        let to = places.get(from + drop).copied().unwrap_or(text.len());
        let text = format!("{}{new}{}", &text[..places[from]], &text[to..]);
        match compare(&mut peer, &text) {
            Ok(()) => both += 1,
            Err(problem) if problem.starts_with("only the peer") => only_theirs += 1,
            Err(_) => {}
        }
    }
    assert!(both > MISTYPED / 4, "only {both} were read by both");
    assert!(
        only_theirs < both / 50,
        "{only_theirs} are read by the repo-server alone"
    );
}
