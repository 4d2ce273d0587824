//! A stream of anything, read into types that use every part of serde's data model.

#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;

use gob::{Decoder, Encoded, Limits, frame};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The names are those in the corpus.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
#[allow(dead_code)]
struct Everything<'a> {
    i8: i8,
    u16: u16,
    f32: f32,
    c: (f64, f64),
    b: bool,
    #[serde(borrow)]
    s: Cow<'a, str>,
    o: Vec<u8>,
    ints: Vec<i32>,
    bytes: [u8; 3],
    text: BTreeMap<String, String>,
    by_number: BTreeMap<i64, Everything<'a>>,
    one: Option<Content>,
    many: Vec<Option<Content>>,
    left: Option<Box<Everything<'a>>>,
    inner: (),
    value: Option<char>,
    named: IgnoredAny,
}

#[derive(Deserialize)]
#[allow(dead_code)]
enum Content {
    Inner(IgnoredAny),
    Mid {
        #[serde(rename = "X")]
        x: Option<Box<Content>>,
    },
    Outer(BTreeMap<String, serde_json::Value>),
    #[serde(rename = "array")]
    Array(Vec<Content>, IgnoredAny),
    #[serde(rename = "string")]
    Text(String),
    #[serde(other)]
    Other,
}

fuzz_target!(|stream: &[u8]| {
    // Each target sees all messages, so that an error in one does not hide the next.
    read(stream, |encoded| drop(encoded.deserialize::<Everything<'_>>()));
    read(stream, |encoded| drop(encoded.deserialize::<Option<Content>>()));
    read(stream, |encoded| drop(encoded.deserialize::<IgnoredAny>()));
    read(stream, |encoded| drop(encoded.deserialize::<serde_json::Value>()));
    read(stream, |encoded| drop(encoded.deserialize::<&[u8]>()));
    read(stream, |encoded| drop(encoded.deserialize::<Vec<u8>>()));
    read(stream, |encoded| drop((encoded.type_name(), encoded.registered_name().map(str::len))));
});

fn read(mut stream: &[u8], take: impl Fn(Encoded<'_, '_>)) {
    let limits = Limits { elements: 1 << 14, ..Limits::default() };
    let mut decoder = Decoder::with_limits(limits.clone());
    while let Ok(Some(body)) = frame(stream, &limits) {
        match decoder.message(&stream[body.clone()]) {
            Ok(Some(encoded)) => take(encoded),
            Ok(None) => {}
            Err(_) => return,
        }
        stream = &stream[body.end..];
    }
}
