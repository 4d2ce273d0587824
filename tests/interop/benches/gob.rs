//! Our gob decoder beside Go's, on the same stream in the same run: a SetWeight call of the controller with a Rollout
//! of 45 KB, once the types are known.
//!
//! `cargo bench -p interop --bench gob` prints both and the ratio. The goal is to be at least as fast.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a report for a human")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gob::{Decoder, Limits, frame};

#[path = "../../../crates/gob/tests/support/rollout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of crates/gob use more of it")]
mod rollout;

/// As in `go/rollout-corpus`: the median of so many rounds, each the mean of so many values.
const ROUNDS: usize = 30;
const VALUES: u32 = 100;

fn main() {
    let Some(program) = interop::go_program("rollout-corpus") else {
        return;
    };
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/gob/corpus/rollout.gob");
    let stream = std::fs::read(&corpus).unwrap();

    // Both sides twice, in turns, and the better of each: the machine has other work too.
    let mut best = [Duration::MAX; 3];
    for _ in 0..2 {
        let go = Command::new(&program)
            .arg("decode")
            .arg(&corpus)
            .output()
            .unwrap();
        assert!(go.status.success(), "{}", String::from_utf8_lossy(&go.stderr));
        let go = String::from_utf8(go.stdout).unwrap().trim().parse().unwrap();
        let router = median(&stream, |encoded| {
            drop(encoded.deserialize::<rollout::Arguments>().unwrap());
        });
        let everything = median(&stream, |encoded| drop(encoded.value().unwrap()));
        for (best, time) in best
            .iter_mut()
            .zip([Duration::from_nanos(go), router, everything])
        {
            *best = time.min(*best);
        }
    }

    let [go, router, everything] = best;
    println!("decoding a SetWeight call with a Rollout of 45 KB (goal: at least as fast as Go)");
    let line = |what: &str, time: Duration| {
        let ratio = go.as_secs_f64() / time.as_secs_f64();
        println!(
            "  {what:<52} {:>7.1} µs  {ratio:>5.2} x Go's speed",
            time.as_secs_f64() * 1e6
        );
    };
    line("Go's encoding/gob, into the controller's own types", go);
    line("ours, into the fields a traffic router needs", router);
    line("ours, every field (gob::Value)", everything);
}

/// What one value takes, of a stream that repeats its last message.
fn median(stream: &[u8], read: impl Fn(gob::Encoded<'_, '_>)) -> Duration {
    let mut decoder = Decoder::new();
    let mut last = stream;
    let mut rest = stream;
    while let Some(body) = frame(rest, &Limits::default()).unwrap() {
        decoder.message(&rest[body.clone()]).unwrap();
        (last, rest) = rest.split_at(body.end);
    }
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..VALUES {
                // Finding the message is part of the work.
                let body = frame(last, &Limits::default()).unwrap().unwrap();
                read(decoder.message(&last[body]).unwrap().unwrap());
            }
            start.elapsed() / VALUES
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}
