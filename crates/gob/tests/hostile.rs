//! Bytes that no honest peer sends: an error, at once, and without much memory.

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]

use std::path::Path;
use std::sync::LazyLock;

use gob::{Decoder, Encoder, Error, Limits, Reader, Schema, Value, frame};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;

use self::stream::write;

#[path = "support/stream.rs"]
mod stream;

/// Reads the messages as a value of each kind, and returns what the last one was.
fn read(limits: &Limits, messages: &[&[u8]]) -> Result<Option<Value>, Error> {
    let mut decoder = Decoder::with_limits(limits.clone());
    let mut last = None;
    for body in messages {
        if let Some(encoded) = decoder.message(body)? {
            last = Some(encoded.value()?);
        }
    }
    Ok(last)
}

/// The last of the messages is refused with this error.
#[track_caller]
fn check(messages: &[&[u8]], error: &str) {
    assert_eq!(read(&Limits::default(), messages).unwrap_err().to_string(), error);
}

/// `type S []int` with id 64, `type T struct { A int }` with id 65.
const SLICE: &[u8] = b"\x7f\x02\x01\x01\x01S\x01\xff\x80\x00\x01\x04\x00\x00";
const STRUCT: &[u8] = b"\xff\x81\x03\x01\x01\x01T\x01\xff\x82\x00\x01\x01\x01\x01A\x01\x04\x00\x00\x00";

#[test]
fn the_types_used_below_are_right() {
    let read = |messages: &[&[u8]]| read(&Limits::default(), messages).unwrap().unwrap().to_string();
    assert_eq!(read(&[SLICE, b"\xff\x80\x00\x02\x02\x04"]), "[1, 2]");
    assert_eq!(read(&[STRUCT, b"\xff\x82\x01\x02\x00"]), "T{A: 1}");
}

#[test]
fn malformed_values() {
    check(&[b""], "the message ends inside an integer");
    check(&[b"\x04\x00"], "the message ends inside an integer");
    check(&[b"\x04\x00\x02\x00"], "malformed gob: 1 bytes follow the value");
    check(
        &[b"\x04\x01\x02"],
        "malformed gob: a top-level value that is no struct begins with a field number",
    );
    check(
        &[b"\x04\x00\xf0"],
        "malformed gob: an integer of 16 bytes, more than 8",
    );
    check(
        &[b"\x0c\x00\x05abc"],
        "the message ends inside a string or a list of bytes",
    );
    check(&[b"\xff\x80\x00"], "type id 64 is used but was never defined");
    check(&[b"\x00\x00"], "type id 0 is used but was never defined");
    check(&[b"\x20\x00"], "type id 16 is used but was never defined");
    check(
        &[SLICE, b"\xff\x80\x00\x03\x02\x04"],
        "malformed gob: 3 elements in what is left of the message",
    );
    check(
        &[STRUCT, b"\xff\x82\x02\x02\x00"],
        "malformed gob: field number 1 of a struct with 1 fields",
    );
    check(
        &[STRUCT, b"\xff\x82\x01\x02"],
        "the message ends inside an integer",
    );
    check(
        &[STRUCT, b"\xff\x82\x01\x02\xf8\xff\xff\xff\xff\xff\xff\xff\xff"],
        "malformed gob: field number 18446744073709551615 of a struct with 1 fields",
    );
}

#[test]
fn malformed_interface_values() {
    check(
        &[b"\x10\x00\x03int\x04\x03\x00\x02\x00"],
        "malformed gob: the content of interface value int takes 2 bytes, not the announced 3",
    );
    check(
        &[b"\x10\x00\x03int\x04\x02\x00\x02\x00"],
        "malformed gob: 1 bytes follow the value",
    );
    check(
        &[b"\x10\x00\x03int\xff\x80\x02\x00\x02"],
        "type id 64 is used but was never defined",
    );
    check(
        &[b"\x10\x00\x03\xffnt\x04\x02\x00\x02"],
        "malformed gob: the registered name of an interface value is not UTF-8",
    );
    check(&[b"\x10\x00\x03int\x04"], "the message ends inside an integer");
    check(
        &[b"\x10\x00\x01a\x10\x05\x00\x01b\x10\xff"],
        "the message ends inside an integer",
    );
}

#[test]
fn malformed_definitions() {
    check(&[SLICE, SLICE], "type id 64 is already defined");
    check(
        &[b"\x07\x02\x01\x00\x01\x04\x00\x00"],
        "type id 4 is already defined",
    );
    check(
        &[b"\x27\x02\x01\x00\x01\x04\x00\x00"],
        "type id 20 is already defined",
    );
    check(
        &[b"\x7f\x00"],
        "malformed gob: the definition of type id 64 is empty",
    );
    check(
        &[b"\x7f\x02\x01\x00\x01\x04\x00\x01\x01\x00\x00\x00"],
        "malformed gob: type id 64 is defined as two kinds at once",
    );
    check(
        &[b"\x7f\x08\x00\x00"],
        "malformed gob: a type of an unknown kind (wireType field 7)",
    );
    check(
        &[b"\x7f\x20\x00"],
        "malformed gob: a type definition has too large a field number in wireType",
    );
    check(
        &[b"\x7f\x02\x01\x00\x00\x00"],
        "type id 0 is used but was never defined",
    );
    check(
        &[b"\x7f\x02\x04\x00\x00"],
        "malformed gob: a type definition has field 3 in its sliceType",
    );
    check(
        &[b"\x7f\x01\x01\x00\x01\x04\x01\x01\x00\x00"],
        "malformed gob: an array of -1 elements",
    );
    check(
        &[b"\x7f\x03\x02\x01\x02\x04\x00\x00\x00"],
        "malformed gob: a struct's field without a name",
    );
    check(
        &[b"\x7f\x03\x02\x01\x01\x01\xff\x01\x04\x00\x00\x00"],
        "malformed gob: the name of a struct's field is not UTF-8",
    );
    check(
        &[&[SLICE, b"x"].concat()],
        "malformed gob: 1 bytes follow the value",
    );
    check(
        &[b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01\x00\x01\x04\x00\x00"],
        "type id 9223372036854775807 is used but was never defined",
    );
}

/// The count of an array repeats what its type says.
#[test]
fn an_array_of_another_length() {
    let pair = b"\x7f\x01\x01\x00\x01\x04\x01\x04\x00\x00"; // [2]int
    let error = "malformed gob: 1 elements in an array of 2";
    check(&[pair, b"\xff\x80\x00\x01\x02"], error);
    let mut decoder = Decoder::new();
    decoder.message(pair).unwrap();
    let encoded = decoder.message(b"\xff\x80\x00\x01\x02").unwrap().unwrap();
    assert_eq!(
        encoded.deserialize::<IgnoredAny>().unwrap_err().to_string(),
        error
    );
    let encoded = decoder.message(b"\xff\x80\x00\x02\x02\x04").unwrap().unwrap();
    encoded.deserialize::<IgnoredAny>().unwrap();
}

/// Ids may be referred to before they are defined, but not used.
#[test]
fn a_type_of_undefined_types() {
    let list_of_65 = b"\x7f\x02\x01\x00\x01\xff\x82\x00\x00";
    check(
        &[list_of_65, b"\xff\x80\x00\x00"],
        "type id 65 is used but was never defined",
    );
    let value = read(
        &Limits::default(),
        &[list_of_65, STRUCT, b"\xff\x80\x00\x01\x01\x02\x00"],
    )
    .unwrap();
    assert_eq!(value.unwrap().to_string(), "[T{A: 1}]");
}

#[test]
fn limits() {
    let check = |limits: Limits, messages: &[&[u8]], error: &str| {
        assert_eq!(read(&limits, messages).unwrap_err().to_string(), error);
    };
    let all = Limits::default();

    let six = Limits {
        message: 6,
        ..all.clone()
    };
    read(&six, &[b"\x0c\x00\x03abc"]).unwrap();
    check(
        six,
        &[b"\x0c\x00\x04abcd"],
        "7 exceeds the limit of 6 for the bytes of a message (Limits::message)",
    );

    let two = Limits {
        elements: 2,
        ..all.clone()
    };
    read(&two, &[SLICE, b"\xff\x80\x00\x02\x00\x00"]).unwrap();
    check(
        two,
        &[SLICE, b"\xff\x80\x00\x03\x00\x00\x00"],
        "3 exceeds the limit of 2 for the elements of a value (Limits::elements)",
    );

    let two = Limits {
        types: 2,
        ..all.clone()
    };
    read(&two, &[SLICE, STRUCT]).unwrap();
    let third = b"\xff\x83\x02\x01\x00\x01\x04\x00\x00";
    check(
        two,
        &[SLICE, STRUCT, third],
        "3 exceeds the limit of 2 for the types of a stream (Limits::types)",
    );

    let bytes = SLICE.len() - 1 + STRUCT.len() - 2;
    let enough = Limits {
        definitions: bytes,
        ..all.clone()
    };
    read(&enough, &[SLICE, STRUCT]).unwrap();
    let less = Limits {
        definitions: bytes - 1,
        ..all.clone()
    };
    check(
        less,
        &[SLICE, STRUCT],
        &format!(
            "{bytes} exceeds the limit of {} for the bytes of type definitions (Limits::definitions)",
            bytes - 1
        ),
    );

    let three = Limits {
        name: 3,
        ..all.clone()
    };
    read(&three, &[b"\x10\x00\x03int\x04\x02\x00\x02"]).unwrap();
    check(
        three,
        &[b"\x10\x00\x04int8\x04\x02\x00\x02"],
        "4 exceeds the limit of 3 for the bytes of a registered name (Limits::name)",
    );
}

/// Nesting is bounded for what is read, for what is passed over, and for what is looked through for definitions.
#[test]
fn nesting() {
    let onion = b"\x7f\x02\x01\x00\x01\xff\x80\x00\x00"; // type 64 is a list of itself
    let nested = |depth: usize| [&b"\xff\x80\x00"[..], &vec![1; depth - 1], b"\x00"].concat();
    let limits = Limits {
        depth: 100,
        ..Limits::default()
    };
    read(&limits, &[onion, &nested(100)]).unwrap();
    for depth in [101, 1_000_000] {
        let mut decoder = Decoder::with_limits(limits.clone());
        decoder.message(onion).unwrap();
        let body = nested(depth);
        let skipped = decoder
            .message(&body)
            .unwrap()
            .unwrap()
            .deserialize::<IgnoredAny>()
            .unwrap_err();
        assert_eq!(
            skipped.to_string(),
            "101 exceeds the limit of 100 for nested values (Limits::depth)"
        );
        let read = decoder.message(&body).unwrap().unwrap().value().unwrap_err();
        assert!(read.to_string().ends_with(&skipped.to_string()), "{read}");
    }

    // A list of interfaces that contain a list of interfaces, and so on.
    let list = b"\x7f\x02\x01\x00\x01\x10\x00\x00";
    let mut body = b"\xff\x80\x00".to_vec();
    for _ in 0..1000 {
        body.extend_from_slice(b"\x01\x01n\xff\x80\x7f\x00");
    }
    let error = read(&limits, &[list, &body]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "101 exceeds the limit of 100 for nested values (Limits::depth)"
    );
}

/// A value that goes on for ever in small messages is cut off where one large message would be.
#[test]
fn a_value_of_many_messages_is_bounded_like_one_of_one() {
    let mut decoder = Decoder::with_limits(Limits {
        message: 200,
        ..Limits::default()
    });
    // Type 64 is a list of interfaces; a value of it begins, and goes on with one that is an empty list of a new type
    // for each message.
    decoder.message(b"\x7f\x02\x01\x00\x01\x10\x00\x00").unwrap();
    let mut body = b"\xff\x80\x00\x7f".to_vec();
    let mut all = 0;
    for id in 65..128_u8 {
        body.extend_from_slice(&[1, b'n', 0xFF, 2 * id - 1]);
        body.extend_from_slice(b"\x02\x01\x00\x01\x04\x00\x00");
        all += body.len();
        match decoder.message(&body) {
            Ok(value) => assert!(value.is_none(), "the value has no end"),
            Err(e) => {
                assert!(
                    e.to_string()
                        .ends_with("the bytes of a message (Limits::message)"),
                    "{e}"
                );
                assert!(all > 200, "refused after {all} bytes");
                return;
            }
        }
        body = vec![0xFF, 2 * id, 2, 0, 0];
    }
    panic!("{all} bytes were taken");
}

/// Lengths are not believed: what is announced takes no memory before it is there.
#[test]
fn announced_lengths_take_no_memory() {
    let huge = b"\xfc\x7f\xff\xff\xff";
    let map = b"\x7f\x04\x01\x00\x01\x04\x01\x04\x00\x00";
    let array = b"\x7f\x01\x01\x00\x01\x04\x01\xfc\xff\xff\xff\xfe\x00\x00"; // [2147483647]int
    for (definition, value) in [
        (SLICE, [b"\xff\x80\x00", &huge[..], b"\x02\x02"].concat()),
        (&map[..], [b"\xff\x80\x00", &huge[..], b"\x02\x02"].concat()),
        (&array[..], [b"\xff\x80\x00", &huge[..], b"\x02\x02"].concat()),
        (SLICE, [b"\x0c\x00", &huge[..], b"ab"].concat()),
        (SLICE, [b"\x10\x00", &huge[..], b"ab"].concat()),
    ] {
        let used = allocation_counter::measure(|| {
            let mut decoder = Decoder::new();
            decoder.message(definition).unwrap();
            let read = decoder
                .message(&value)
                .and_then(|encoded| encoded.unwrap().value());
            assert!(read.is_err());
            let list = decoder
                .message(&value)
                .and_then(|encoded| encoded.unwrap().deserialize::<Vec<u64>>());
            assert!(list.is_err());
            let none = decoder
                .message(&value)
                .and_then(|encoded| encoded.unwrap().deserialize::<IgnoredAny>());
            assert!(none.is_err());
        });
        assert!(used.bytes_max < 16 << 10, "{used:?}");
    }
    let used = allocation_counter::measure(|| {
        // A message of 16 MiB is announced, three bytes come.
        let mut reader = Reader::new(&b"\xfd\xff\xff\xff\x0c\x00\x01"[..]);
        assert!(matches!(reader.next_value(), Err(Error::Io(_))));
    });
    assert!(used.bytes_max < 64 << 10, "{used:?}");
}

/// A long name is kept once, however often it is used.
#[test]
fn names_are_not_multiplied() {
    let name = "N".repeat(50_000);
    let schema = format!("type {name} struct {{ {name} int }}; type V []{name}");
    let list = vec![serde_json::json!({name.as_str(): 1}); 20_000];
    let stream = write(&schema, "V", &list).unwrap();
    let used = allocation_counter::measure(|| {
        Reader::new(&stream[..]).next_value().unwrap().unwrap();
    });
    assert!(used.bytes_max < 10 << 20, "{used:?}");
}

/// Streams of the corpus, to be damaged.
static CORPUS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let paths = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let streams = paths.filter(|path| path.extension().is_some_and(|extension| extension == "gob"));
    let mut streams: Vec<_> = streams.map(|path| std::fs::read(path).unwrap()).collect();
    streams.sort();
    streams
});

/// Whatever comes, each message is read to the end in every way, or refused.
fn survive(stream: &[u8]) {
    let limits = Limits {
        elements: 1 << 12,
        ..Limits::default()
    };
    let mut decoder = Decoder::with_limits(limits.clone());
    let mut rest = stream;
    while let Ok(Some(body)) = frame(rest, &limits) {
        let message = &rest[body.clone()];
        match decoder.message(message) {
            Ok(Some(encoded)) => match encoded.value() {
                Ok(value) => assert!(!value.to_string().is_empty()),
                Err(e) => assert!(!e.to_string().is_empty()),
            },
            Ok(None) => {}
            Err(_) => return,
        }
        rest = &rest[body.end..];
    }
    let mut reader = Reader::with_limits(stream, limits.clone());
    while let Ok(Some(_)) = reader.next::<serde_json::Value>() {}
    let mut reader = Reader::with_limits(stream, limits);
    while let Ok(Some(_)) = reader.next::<IgnoredAny>() {}
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(stream in vec(any::<u8>(), 0..200)) {
        survive(&stream);
    }

    /// A stream of Go's with a few bytes replaced, taken out or put in.
    #[test]
    fn damaged_streams(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), 0..3, any::<u8>()), 1..6),
    ) {
        let streams = &CORPUS;
        let mut stream = streams[which.index(streams.len())].clone();
        for (at, how, byte) in damage {
            let at = at.index(stream.len());
            match how {
                0 => stream[at] = byte,
                1 if stream.len() > 1 => drop(stream.remove(at)),
                _ => stream.insert(at, byte),
            }
        }
        survive(&stream);
    }

    /// The messages of two streams, one after the other: types defined twice, values of the other's types.
    #[test]
    fn mixed_streams(one in any::<prop::sample::Index>(), two in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let streams = &CORPUS;
        let (one, two) = (&streams[one.index(streams.len())], &streams[two.index(streams.len())]);
        let mut messages = Vec::new();
        for stream in [one, two] {
            let mut rest = &stream[..];
            while let Some(body) = frame(rest, &Limits::default()).unwrap() {
                messages.push(&rest[..body.end]);
                rest = &rest[body.end..];
            }
        }
        messages.remove(cut.index(messages.len()));
        survive(&messages.concat());
    }

    #[test]
    fn any_declarations(text in "(type|[A-C]|struct|map|\\[|\\]|\\*|\\{|\\}|=|;|,|\\n| |2|int|byte|any|\"x\"|gob.GobEncoder|gob.RegisterName|\\(|\\)){0,60}") {
        let Ok(schema) = Schema::parse(&text) else { return Ok(()) };
        for name in ["A", "B", "C"] {
            let Some(ty) = schema.ty(name) else { continue };
            let mut stream = Vec::new();
            if Encoder::new().encode(ty, &(), &mut stream).is_ok() {
                let mut reader = Reader::new(&stream[..]);
                while reader.next_value().unwrap().is_some() {}
            }
        }
    }
}
