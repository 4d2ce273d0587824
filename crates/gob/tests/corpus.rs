//! The streams in `corpus/`, written by Go: what we read from them, and that we write the same.
//!
//! `go -C tests/interop/go/gob run . corpus $PWD/crates/gob/corpus` writes them again.

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]

use std::path::Path;

use gob::{Decoder, Encoder, Error, Limits, Reader, Schema, Value, frame};
use serde::Deserialize;
use serde::de::IgnoredAny;

#[path = "support/content.rs"]
mod content;

#[derive(Deserialize)]
struct Case {
    name: String,
    schema: String,
    types: Vec<String>,
    values: Vec<serde_json::Value>,
    exact: bool,
    #[serde(skip)]
    stream: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let text = std::fs::read_to_string(folder.join("corpus.json")).unwrap();
    let mut cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    for case in &mut cases {
        case.stream = std::fs::read(folder.join(format!("{}.gob", case.name))).unwrap();
        // Types without a name get one that our schema can be asked for.
        for (n, ty) in case.types.iter_mut().enumerate() {
            case.schema += &format!("type Value{n} = {ty}\n");
            *ty = format!("Value{n}");
        }
    }
    assert!(cases.len() >= 36, "the corpus is smaller than it was");
    cases
}

fn read(stream: &[u8]) -> Result<Vec<Value>, Error> {
    let mut reader = Reader::new(stream);
    std::iter::from_fn(|| reader.next_value().transpose()).collect()
}

#[test]
fn reads_what_go_wrote() {
    for case in cases() {
        let values = read(&case.stream).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        assert_eq!(values.len(), case.values.len(), "{}", case.name);
        for (n, (value, sent)) in values.iter().zip(&case.values).enumerate() {
            content::compare(value, sent).unwrap_or_else(|e| panic!("{}, value {n}: {e}", case.name));
        }
    }
}

/// The lengths that Go writes in front of interface values are wrong where definitions stand inside.
#[test]
fn values_are_passed_over() {
    for case in cases() {
        let mut reader = Reader::new(&case.stream[..]);
        for n in 0..case.values.len() {
            let passed = reader
                .next::<IgnoredAny>()
                .unwrap_or_else(|e| panic!("{}, value {n}: {e}", case.name));
            assert!(passed.is_some(), "{}", case.name);
        }
        assert!(reader.next_value().unwrap().is_none(), "{}", case.name);
    }
}

#[test]
fn writes_what_go_wrote() {
    for case in cases() {
        let schema = Schema::parse(&case.schema).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let values = read(&case.stream).unwrap();
        let mut encoder = Encoder::new();
        let mut stream = Vec::new();
        for (value, ty) in values.iter().zip(&case.types) {
            let ty = schema.ty(ty).unwrap();
            encoder
                .encode(ty, value, &mut stream)
                .unwrap_or_else(|e| panic!("{}: {value} as {ty}: {e}", case.name));
        }
        if case.exact {
            assert_eq!(
                stream.escape_ascii().to_string(),
                case.stream.escape_ascii().to_string(),
                "{}",
                case.name
            );
        } else {
            let again = read(&stream).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            assert_eq!(again.len(), case.values.len(), "{}", case.name);
            for (value, sent) in again.iter().zip(&case.values) {
                content::compare(value, sent).unwrap_or_else(|e| panic!("{}: {e}", case.name));
            }
        }
    }
}

/// Wherever a stream is cut, it is incomplete; it never reads as something else, and nothing panics.
#[test]
fn a_stream_cut_short_is_incomplete() {
    for case in cases() {
        let whole = read(&case.stream).unwrap();
        for end in 0..case.stream.len() {
            let mut reader = Reader::new(&case.stream[..end]);
            for value in whole.iter().chain([&Value::Nil]) {
                match reader.next_value() {
                    Ok(Some(read)) => {
                        assert_eq!(read.to_string(), value.to_string(), "{} at {end}", case.name);
                    }
                    Ok(None) => break,
                    Err(e) => {
                        assert!(matches!(e, Error::Io(_)), "{} at {end}: {e}", case.name);
                        break;
                    }
                }
            }
        }
    }
}

/// A message cut short, on the other hand, is malformed; unless it ends with a definition inside a value, where Go cuts
/// messages too.
#[test]
fn a_message_cut_short_is_an_error() {
    for case in cases() {
        let limits = Limits::default();
        let mut start = 0;
        let mut decoder = Decoder::new();
        while let Some(body) = frame(&case.stream[start..], &limits).unwrap() {
            let message = &case.stream[start..][body.clone()];
            for end in 0..message.len() {
                // What came before, up to this message.
                let mut decoder = Decoder::new();
                let mut at = 0;
                while at < start {
                    let body = frame(&case.stream[at..], &limits).unwrap().unwrap();
                    decoder.message(&case.stream[at..][body.clone()]).unwrap();
                    at += body.end;
                }
                let value = match decoder.message(&message[..end]) {
                    Ok(Some(encoded)) => encoded.value(),
                    Ok(None) if !case.exact => continue,
                    Ok(None) => panic!("{}: {end} bytes of a message were enough", case.name),
                    Err(e) => Err(e),
                };
                assert!(
                    value.is_err(),
                    "{}: {end} bytes were read as {}",
                    case.name,
                    value.unwrap()
                );
            }
            decoder.message(message).unwrap();
            start += body.end;
        }
    }
}
