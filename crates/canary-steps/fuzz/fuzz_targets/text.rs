//! Any text as a stream of manifests, and as what stands in a Rollout.

#![no_main]

use canary_steps_fuzz::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    check(text);
    check(&format!("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec:\n  strategy:\n    canary:{text}"));
});
