//! Streams of the words and forms that manifests are made of, so that many have Rollouts in them.

#![no_main]

use canary_steps_fuzz::check;
use libfuzzer_sys::fuzz_target;

const WORDS: &[&str] = &[
    "\n", "\n  ", "\n    ", "\n      ", "\n        ", "\n- ", "\n  - ", "\n      - ", " ", ": ", ":", ", ", "{", "}", "[", "]", "\"",
    "'", "# c", " # c", "\n# c", "\n      # c", "\r\n", "\r", "\t", "|", ">-", "|+\n", "&a ", "*a", "!!str ", "!!seq ", "<<: ", "? ", "- ",
    "---\n", "\n---\n", "--- # c\n", "...\n", "%YAML 1.1\n", "null", "~", "on", "0644", "1_000", ".5", "é", "\u{feff}", "\u{85}", "\\n", "\\",
    "apiVersion: argoproj.io/v1alpha1\n", "kind: Rollout\n", "metadata: {name: web}\n", "spec:", "strategy:", "canary:", "blueGreen:",
    "steps:", "steps: []", "steps: null", "setWeight: 20", "pause: {}", "maxSurge: 1", "apiVersion: v1\nkind: List\nitems:\n",
    "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata:\n  name: web\nspec:\n  strategy:\n    canary:",
    "{\"apiVersion\": \"argoproj.io/v1alpha1\", \"kind\": \"Rollout\", \"spec\": {\"strategy\": {\"canary\": {",
    "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, spec: {strategy: {canary: {", "}}}}",
    "\n      steps:\n      - setWeight: 20\n      - pause: {}", "steps: [{setWeight: 20}]",
];

fuzz_target!(|words: &[u8]| {
    let text: String = words.iter().map(|word| WORDS[usize::from(*word) % WORDS.len()]).collect();
    check(&text);
});
