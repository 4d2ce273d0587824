//! What the encoder writes, the decoder reads; and what it refuses leaves the stream as it was.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use gob::{Encoder, Reader, Schema};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = r#"
        type Record struct {
            Small  int8
            Wide   int64
            Byte   uint8
            Huge   uint64
            Single float32
            Double float64
            Pair   complex128
            Flag   bool
            Text   string
            Bytes  []byte
            Fixed  [2]uint16
            Lists  [][]int32
            Names  map[string]int16
            Tree   *Record
            Any    any
            Many   []any
            Zero   Inner
            Time   Opaque
        }
        type Inner struct { A [2]Innermost }
        type Innermost struct { B string }
        type Opaque gob.GobEncoder
        gob.RegisterName("Record", Record{})
        gob.RegisterName("Opaque", Opaque{})
    "#;
    Schema::parse(text).expect("the declarations are right")
});

/// Some values do not fit the declarations: `Small` and `Names` are wider here.
#[derive(Arbitrary, Serialize, Deserialize, Debug, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Record {
    small: i16,
    wide: i64,
    byte: u8,
    huge: u64,
    single: f32,
    double: f64,
    pair: (f64, f64),
    flag: bool,
    text: String,
    bytes: Vec<u8>,
    fixed: [u16; 2],
    lists: Vec<Vec<i32>>,
    names: BTreeMap<String, i32>,
    tree: Option<Box<Record>>,
    any: Option<Content>,
    many: Vec<Option<Content>>,
}

#[derive(Arbitrary, Serialize, Deserialize, Debug)]
enum Content {
    Record(Box<Record>),
    Opaque(Vec<u8>),
    #[serde(rename = "int64")]
    Int(i64),
    #[serde(rename = "[]string")]
    Texts(Vec<String>),
    /// Not registered.
    Unknown(i8),
}

fuzz_target!(|values: Vec<Record>| {
    let ty = SCHEMA.ty("Record").expect("it is declared");
    let mut encoder = Encoder::new();
    let mut stream = Vec::new();
    let mut written = Vec::new();
    for value in &values {
        let before = stream.len();
        match encoder.encode(ty, value, &mut stream) {
            Ok(()) => written.push(value),
            Err(_) => assert_eq!(stream.len(), before, "an error leaves the stream as it was"),
        }
    }
    let mut reader = Reader::new(&stream[..]);
    for value in written {
        let read: Record = reader.next().expect("what we wrote can be read").expect("all of it is there");
        assert_eq!(plain(&read), plain(value));
    }
    assert!(reader.next_value().expect("nothing else is there").is_none());
});

/// As text, because what is not a number does not equal itself; and without the sign of zero, which a field that is
/// zero loses, in Go too.
fn plain(record: &Record) -> String {
    format!("{record:?}").replace("-0.0", "0.0")
}
