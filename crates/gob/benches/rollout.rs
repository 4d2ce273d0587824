//! Reading and writing a SetWeight call with a Rollout of 45 KB, once its types are known.
//!
//! `cargo bench -p interop --bench gob` sets the first figures beside those of Go's decoder.

#![allow(clippy::unwrap_used, reason = "a failure ends the benchmark")]

use divan::Bencher;
use divan::counter::BytesCount;
use gob::{Decoder, Encoder, Schema};
use serde::Deserialize;

use self::rollout::{Arguments, fixture, messages};

#[path = "../tests/support/rollout.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod rollout;

fn main() {
    divan::main();
}

/// A decoder that knows the types, and the last message.
fn prepared(stream: &[u8]) -> (Decoder, &[u8]) {
    let mut decoder = Decoder::new();
    let bodies = messages(stream);
    for body in &bodies {
        decoder.message(body).expect("a stream of Go's");
    }
    (decoder, bodies[bodies.len() - 1])
}

/// What a traffic router looks at; all else is passed over.
#[divan::bench]
fn read_what_a_router_needs(bencher: Bencher<'_, '_>) {
    let fixture = fixture();
    let (mut decoder, body) = prepared(&fixture.stream);
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        let encoded = decoder.message(body).unwrap().expect("a value");
        encoded.deserialize::<Arguments>().unwrap()
    });
}

/// Every field, with its name.
#[divan::bench]
fn read_everything(bencher: Bencher<'_, '_>) {
    let fixture = fixture();
    let (mut decoder, body) = prepared(&fixture.stream);
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        let encoded = decoder.message(body).unwrap().expect("a value");
        encoded.value().unwrap()
    });
}

/// The weight alone: how fast a Rollout is passed over.
#[divan::bench]
fn pass_over_the_rollout(bencher: Bencher<'_, '_>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Weight {
        desired_weight: i32,
    }
    let fixture = fixture();
    let (mut decoder, body) = prepared(&fixture.stream);
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        let encoded = decoder.message(body).unwrap().expect("a value");
        encoded.deserialize::<Weight>().unwrap().desired_weight
    });
}

/// The controller's side.
#[divan::bench]
fn write_everything(bencher: Bencher<'_, '_>) {
    let fixture = fixture();
    let schema = Schema::parse(&fixture.schema).unwrap();
    let (mut decoder, body) = prepared(&fixture.stream);
    let value = decoder.message(body).unwrap().expect("a value").value().unwrap();
    let ty = schema.ty("any").expect("one of Go's");
    let mut encoder = Encoder::new();
    let mut out = Vec::new();
    encoder.encode(ty, &value, &mut out).unwrap();
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        out.clear();
        encoder.encode(ty, &value, &mut out).unwrap();
    });
}
