//! How Go's types meet Rust's when they are read. The streams are what our encoder writes, which `corpus.rs` compares
//! with Go's, or bytes written down here.

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]
#![allow(clippy::needless_pass_by_value, reason = "the tables read better")]

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use gob::{Decoder, Encoder, Reader, Schema, Value, frame};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use self::stream::{read, write};

#[path = "support/stream.rs"]
mod stream;

#[derive(Deserialize, Debug, PartialEq, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Point {
    x: i32,
    y: i32,
}

#[derive(Deserialize, Debug, PartialEq)]
enum Shape {
    Point(Point),
    #[serde(rename = "main.Circle")]
    Circle {
        #[serde(rename = "Radius")]
        radius: f64,
    },
    Empty,
    Pair(i64, i64),
    #[serde(other)]
    Other,
}

const SHAPES: &str = r#"
    type Point struct { X, Y int32 }
    type Circle struct { Radius float64 }
    type Pair [2]int64
    type Drawing struct { Title string; Shapes []any; Main any }
    gob.RegisterName("Point", Point{})
    gob.RegisterName("main.Circle", Circle{})
    gob.RegisterName("Empty", Point{})
    gob.RegisterName("Pair", Pair{})
    gob.RegisterName("Square", Circle{})
"#;

/// The value, written as the Go type, is read as `expected`.
#[track_caller]
fn check<T: DeserializeOwned + PartialEq + Debug>(go: &str, value: serde_json::Value, expected: T) {
    let stream = write(&format!("{SHAPES}\ntype V = {go}"), "V", &value).unwrap();
    assert_eq!(read::<T>(&stream).unwrap(), expected, "{go}");
}

/// The value cannot be read as `T`, and the error says this.
#[track_caller]
fn check_error<T: DeserializeOwned + Debug>(go: &str, value: serde_json::Value, expected: &str) {
    let stream = write(&format!("{SHAPES}\ntype V = {go}"), "V", &value).unwrap();
    assert_eq!(read::<T>(&stream).unwrap_err().to_string(), expected, "{go}");
}

#[test]
fn basic_types() {
    check("bool", json!(true), true);
    check("int64", json!(i64::MIN), i64::MIN);
    check("uint64", json!(u64::MAX), u64::MAX);
    check("float64", json!(0.25), 0.25_f64);
    check("float32", json!(0.25), 0.25_f32);
    check("complex128", json!([1.5, -2.5]), (1.5, -2.5));
    check("string", json!("Grüße"), "Grüße".to_owned());
    check("string", json!("x"), 'x');
    check("[]byte", json!("raw"), b"raw".to_vec());
    check("int", json!(5), 5_u8);
    check("uint", json!(5), 5_i8);
    check("int", json!(5), 5.0_f64);
}

#[test]
fn lists() {
    check("[]int", json!([1, 2]), vec![1, 2]);
    check("[2]int", json!([1, 2]), [1, 2]);
    check("[]int", json!([1, 2]), (1_i8, 2_u64));
    check(
        "[][]string",
        json!([[], ["a"]]),
        vec![vec![], vec!["a".to_owned()]],
    );
    check("[]byte", json!([1, 200]), vec![1_u8, 200]);
    check("[3]byte", json!([1, 200, 3]), [1_u8, 200, 3]);
    check("[3]byte", json!([1, 200, 3]), vec![1_u8, 200, 3]);
    check_error::<(i64,)>("[]int", json!([1, 2]), "a list of 2 elements, expected 1");
    check_error::<(f64,)>(
        "complex128",
        json!([1.5, -2.5]),
        "a list of 2 elements, expected 1",
    );
    check_error::<[i64; 3]>(
        "[2]int",
        json!([1, 2]),
        "invalid length 2, expected an array of length 3",
    );
}

#[test]
fn maps_with_any_key() {
    check(
        "map[string]int",
        json!({"a": 1}),
        HashMap::from([("a".to_owned(), 1)]),
    );
    let schema = Schema::parse("type K struct { A int }; type V = map[K][2]bool").unwrap();
    let value = Value::Map(vec![(
        Value::Struct {
            name: "K".into(),
            fields: vec![("A".into(), Value::Int(-1))],
        },
        Value::List(vec![Value::Bool(true), Value::Bool(false)]),
    )]);
    let mut stream = Vec::new();
    Encoder::new()
        .encode(schema.ty("V").unwrap(), &value, &mut stream)
        .unwrap();
    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
    #[serde(rename_all = "PascalCase")]
    struct K {
        a: i8,
    }
    assert_eq!(
        read::<BTreeMap<K, [bool; 2]>>(&stream).unwrap(),
        BTreeMap::from([(K { a: -1 }, [true, false])])
    );
}

/// A Go map with text as keys may be read as a struct; numbers are not taken for the places of fields.
#[test]
fn maps_as_structs() {
    check("map[string]int32", json!({"X": 1, "Y": 2}), Point { x: 1, y: 2 });
    let value = Value::Map(vec![(Value::Int(0), Value::Int(1))]);
    let stream = write("type V = map[int]int32", "V", &value).unwrap();
    assert_eq!(
        read::<Point>(&stream).unwrap_err().to_string(),
        "[0]: a key of type int cannot name a field, a string can"
    );
}

#[test]
fn structs() {
    check("Point", json!({"X": 1, "Y": 2}), Point { x: 1, y: 2 });
    check("Point", json!({"Y": 2}), Point { x: 0, y: 2 });
    check("Point", json!({}), Point::default());
    check("Point", json!({"X": 1}), ());
    check(
        "Point",
        json!({"X": 1, "Y": 2}),
        BTreeMap::from([("X".to_owned(), 1), ("Y".to_owned(), 2)]),
    );
    check("Point", json!({"X": 1, "Y": 2}), json!({"X": 1, "Y": 2}));
    check(
        "[]Point",
        json!([{}, {"X": 1}]),
        vec![Point::default(), Point { x: 1, y: 0 }],
    );
}

/// What the target does not know is passed over, whatever its type.
#[test]
fn unknown_fields() {
    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "PascalCase")]
    struct Last {
        last: u8,
    }
    let go = "struct {
        A bool; B int; C uint; D float64; E complex128; F string; G []byte; H [2]string; I []map[string][]int
        J struct { K struct { L *int } }; M any; N []any; O T; P map[[1]int]T
        Last uint8
    }
    type T gob.GobEncoder";
    let value = json!({
        "A": true, "B": -300, "C": 300, "D": 0.1, "E": [1.0, 2.0], "F": "text", "G": "bytes", "H": ["", "h"],
        "I": [{"i": [1, 2]}, {}], "J": {"K": {"L": 1}}, "M": {"Point": {"X": 1}},
        "N": [null, {"string": "n"}, {"main.Circle": {}}], "O": "opaque", "Last": 7,
    });
    check(go, value, Last { last: 7 });
}

#[test]
fn an_error_names_the_place_the_value_and_what_is_accepted() {
    #[derive(Deserialize, Debug)]
    #[serde(rename_all = "PascalCase")]
    #[allow(dead_code)]
    struct Narrow {
        items: Vec<BTreeMap<String, Option<i8>>>,
    }
    check_error::<Narrow>(
        "struct { Items []map[string]int }",
        json!({"Items": [{}, {"k": 300}]}),
        "Items[1][0]: invalid value: integer `300`, expected i8",
    );
    check_error::<Point>(
        "struct { X string }",
        json!({"X": "one"}),
        "X: invalid type: string \"one\", expected i32",
    );
    check_error::<u8>("int", json!(-1), "invalid value: integer `-1`, expected u8");
    check_error::<f32>("float64", json!(1e300), "1e300 does not fit in an f32");
    check_error::<Shape>(
        "int",
        json!(1),
        "a value of type int cannot choose a variant, an interface value or a string can",
    );
    check_error::<Vec<i32>>(
        "map[string]int",
        json!({}),
        "invalid type: map, expected a sequence",
    );
}

/// serde says so when a field is absent because it is zero and has no default.
#[test]
fn a_zero_field_without_a_default_is_missing() {
    #[derive(Deserialize, Debug)]
    #[allow(dead_code)]
    struct Strict {
        #[serde(rename = "X")]
        x: i32,
        #[serde(rename = "Y")]
        y: Option<i32>,
    }
    check_error::<Strict>("Point", json!({"Y": 1}), "missing field `X`");
    check::<Option<i32>>("int", json!(0), Some(0));
}

/// Go refuses this too; here it is most often a rename that was forgotten.
#[test]
fn a_struct_without_a_field_in_common() {
    #[derive(Deserialize, Debug, Default)]
    #[serde(default)]
    #[allow(dead_code)]
    struct RpcError {
        error_string: String,
    }
    let message = "no field of RpcError (error_string) is a field of RpcError (ErrorString)";
    check_error::<RpcError>(
        "RpcError; type RpcError struct { ErrorString string }",
        json!({}),
        message,
    );
    let declarations =
        "any; type RpcError struct { ErrorString string }; gob.RegisterName(\"E\", RpcError{})";
    check_error::<Option<RpcError>>(declarations, json!({"E": {}}), &format!("E: {message}"));
}

#[test]
fn interface_values() {
    check(
        "any",
        json!({"Point": {"X": 1}}),
        Shape::Point(Point { x: 1, y: 0 }),
    );
    check(
        "any",
        json!({"main.Circle": {"Radius": 2.0}}),
        Shape::Circle { radius: 2.0 },
    );
    check("any", json!({"Empty": {"X": 1}}), Shape::Empty);
    check("any", json!({"Pair": [1, 2]}), Shape::Pair(1, 2));
    check("any", json!({"Square": {"Radius": 2.0}}), Shape::Other);
    check("any", json!(null), None::<Shape>);
    check("any", json!({"Empty": {}}), Some(Shape::Empty));
    check("any", json!(null), ());
    check(
        "[]any",
        json!([null, {"Empty": {}}]),
        vec![None, Some(Shape::Empty)],
    );
    check_error::<Shape>(
        "any",
        json!(null),
        "a nil interface, expected a value; read it as an Option",
    );
}

/// The name of an interface value may be ignored.
#[test]
fn interface_values_as_what_they_contain() {
    check("any", json!({"Point": {"X": 1}}), Point { x: 1, y: 0 });
    check("any", json!({"string": "s"}), "s".to_owned());
    check("any", json!({"float64": 1.5}), 1.5_f32);
    check("any", json!({"[]uint8": "bytes"}), b"bytes".to_vec());
    check("any", json!({"[]string": ["a"]}), vec!["a".to_owned()]);
    check("any", json!({"Point": {}}), Some(Point::default()));
    check("any", json!({"Point": {"Y": 5}}), json!({"Y": 5}));
    check("any", json!(null), json!(null));
    check("[]any", json!([{"int": 1}, {"int8": 2}]), vec![1, 2]);
}

#[test]
fn an_enum_of_a_string() {
    #[derive(Deserialize, PartialEq, Debug)]
    enum Phase {
        Running,
        Successful,
    }
    check("string", json!("Successful"), Phase::Successful);
    check_error::<Phase>(
        "string",
        json!("Odd"),
        "unknown variant `Odd`, expected `Running` or `Successful`",
    );
}

/// A `json.RawMessage` is a `[]byte`; strings need not be UTF-8.
#[test]
fn text_and_bytes_stand_in_for_each_other() {
    check("[]byte", json!("{}"), "{}".to_owned());
    check(
        "T; type T encoding.TextMarshaler",
        json!("text"),
        "text".to_owned(),
    );
    let odd = [9, 12, 0, 6, b'o', b'd', b'd', 0xFF, 0xFE, 0x80];
    let mut decoder = Decoder::new();
    let message = |decoder: &mut Decoder| {
        let encoded = decoder.message(&odd[1..]).unwrap().unwrap();
        encoded.value().unwrap()
    };
    assert_eq!(message(&mut decoder), Value::Bytes(b"odd\xFF\xFE\x80".to_vec()));
    let encoded = decoder.message(&odd[1..]).unwrap().unwrap();
    assert_eq!(encoded.deserialize::<&[u8]>().unwrap(), b"odd\xFF\xFE\x80");
    let encoded = decoder.message(&odd[1..]).unwrap().unwrap();
    assert_eq!(
        encoded.deserialize::<String>().unwrap_err().to_string(),
        "invalid value: byte array, expected a string"
    );
}

#[derive(Deserialize, Debug, PartialEq)]
struct Borrowing<'a> {
    #[serde(rename = "Title")]
    title: &'a str,
    #[serde(rename = "Main")]
    main: IgnoredAny,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Careful<'a> {
    #[serde(rename = "Title", borrow)]
    title: Cow<'a, str>,
}

/// Go's encoder: the type of the interface value is defined inside the value, which therefore spans two messages.
const CUT: &[u8] = b"\
    \x27\x7f\x03\x01\x01\x07Drawing\x01\xff\x80\x00\x01\x02\x01\x05Title\x01\x0c\x00\x01\x04Main\x01\x10\x00\x00\x00\
    \x29\xff\x80\x01\x05house\x01\x05Point\xff\x81\x03\x01\x01\x05Point\x01\xff\x82\x00\x01\x01\x01\x01X\x01\x04\x00\x00\x00\
    \x07\xff\x82\x03\x01\x02\x00\x00";

#[test]
fn strings_are_borrowed_from_the_message() {
    let mut decoder = Decoder::new();
    let mut bodies = Vec::new();
    let mut rest = CUT;
    while let Some(body) = frame(rest, decoder.limits()).unwrap() {
        bodies.push(&rest[body.clone()]);
        rest = &rest[body.end..];
    }
    assert!(decoder.message(bodies[0]).unwrap().is_none(), "a definition");
    assert!(
        decoder.message(bodies[1]).unwrap().is_none(),
        "the first part of a value"
    );
    let joined = decoder.message(bodies[2]).unwrap().unwrap();
    assert_eq!(joined.type_name(), "Drawing");
    assert_eq!(
        joined.deserialize::<Borrowing<'_>>().unwrap_err().to_string(),
        "Title: invalid type: string \"house\", expected a borrowed string"
    );

    let whole = b"\xff\x80\x01\x05house\x01\x05Point\xff\x82\x03\x01\x02\x00\x00";
    let encoded = decoder.message(whole).unwrap().unwrap();
    let drawing: Borrowing<'_> = encoded.deserialize().unwrap();
    assert!(
        whole.as_ptr_range().contains(&drawing.title.as_ptr()),
        "not a copy"
    );
    let encoded = decoder.message(whole).unwrap().unwrap();
    assert!(matches!(
        encoded.deserialize::<Careful<'_>>().unwrap().title,
        Cow::Borrowed("house")
    ));
}

#[test]
fn a_value_that_spans_messages_is_read_into_owned_types() {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Drawing {
        title: String,
        main: Shape,
    }
    let drawing: Drawing = Reader::new(CUT).next().unwrap().unwrap();
    assert_eq!(
        (drawing.title.as_str(), drawing.main),
        ("house", Shape::Point(Point { x: 1, y: 0 }))
    );
    let value = Reader::new(CUT).next_value().unwrap().unwrap();
    assert_eq!(
        value.to_string(),
        r#"Drawing{Title: "house", Main: Point(Point{X: 1})}"#
    );
    assert_eq!(value.field("Main").unwrap().field("X"), Some(&Value::Int(1)));
}

/// The types that a value brings are known afterwards, whether it is read, fails to be read, or is dropped.
#[test]
fn an_unread_value_leaves_the_stream_intact() {
    for what in ["drop", "fail", "read"] {
        let mut decoder = Decoder::new();
        let mut rest = CUT;
        while let Some(body) = frame(rest, decoder.limits()).unwrap() {
            if let Some(encoded) = decoder.message(&rest[body.clone()]).unwrap() {
                match what {
                    "drop" => {}
                    "fail" => assert!(encoded.deserialize::<bool>().is_err()),
                    _ => drop(encoded.value().unwrap()),
                }
            }
            rest = &rest[body.end..];
        }
        let encoded = decoder.message(b"\xff\x82\x01\x02\x00").unwrap().unwrap();
        assert_eq!(
            encoded.deserialize::<Point>().unwrap(),
            Point { x: 1, y: 0 },
            "{what}"
        );
    }
}

#[test]
fn several_values_share_one_type_table() {
    let schema = Schema::parse(SHAPES).unwrap();
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for (ty, value) in [
        ("Point", json!({"X": 1})),
        ("any", json!({"Point": {"X": 2}})),
        ("Point", json!({"X": 3})),
        ("any", json!({"main.Circle": {"Radius": 4.0}})),
    ] {
        encoder
            .encode(schema.ty(ty).unwrap(), &value, &mut stream)
            .unwrap();
    }
    let mut reader = Reader::new(&stream[..]);
    assert_eq!(reader.next::<Point>().unwrap().unwrap().x, 1);
    assert_eq!(
        reader.next::<Shape>().unwrap().unwrap(),
        Shape::Point(Point { x: 2, y: 0 })
    );
    assert_eq!(reader.next::<Point>().unwrap().unwrap().x, 3);
    assert_eq!(
        reader.next::<Shape>().unwrap().unwrap(),
        Shape::Circle { radius: 4.0 }
    );
    assert!(reader.next::<Shape>().unwrap().is_none());
}

#[test]
fn the_name_in_front_of_a_top_level_interface_value() {
    let mut decoder = Decoder::new();
    assert_eq!(
        decoder.message(&[16, 0, 0]).unwrap().unwrap().registered_name(),
        Some("")
    );
    assert_eq!(
        decoder.message(&[4, 0, 2]).unwrap().unwrap().registered_name(),
        None
    );
    let encoded = decoder
        .message(&[16, 0, 3, b'i', b'n', b't', 4, 2, 0, 2])
        .unwrap()
        .unwrap();
    assert_eq!(
        (encoded.registered_name(), encoded.type_name().as_str()),
        (Some("int"), "interface")
    );
}

/// What serde builds from a value that it keeps aside first.
#[test]
fn flattened_untagged_and_tagged_types() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Flat {
        #[serde(rename = "X")]
        x: i64,
        #[serde(flatten)]
        rest: BTreeMap<String, i64>,
    }
    let flat = Flat {
        x: 1,
        rest: BTreeMap::from([("Y".to_owned(), 2)]),
    };
    check("Point", json!({"X": 1, "Y": 2}), flat);

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Loose {
        Number(i64),
        Text(String),
        Point(Point),
    }
    let loose = vec![
        Loose::Number(1),
        Loose::Text("t".into()),
        Loose::Point(Point { x: 0, y: 2 }),
    ];
    check(
        "[]any",
        json!([{"int": 1}, {"string": "t"}, {"Point": {"Y": 2}}]),
        loose,
    );

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(tag = "Kind", content = "Value")]
    enum Tagged {
        Number(i64),
    }
    check(
        "struct { Kind string; Value any }",
        json!({"Kind": "Number", "Value": {"int8": 5}}),
        Tagged::Number(5),
    );
}

#[test]
fn newtypes_are_what_they_contain() {
    #[derive(Deserialize, PartialEq, Debug, Default)]
    struct Seconds(i64);
    check("int64", json!(5), Seconds(5));
    check(
        "struct { D int64 }",
        json!({"D": 5}),
        BTreeMap::from([("D".to_owned(), Some(Seconds(5)))]),
    );
}

/// A stream's two directions may live in different tasks.
#[test]
fn everything_can_be_sent_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Decoder>();
    check::<Encoder>();
    check::<Schema>();
    check::<gob::Type>();
    check::<gob::Error>();
    check::<gob::Encoded<'_, '_>>();
    check::<Value>();
}

/// A target that has seen enough of a struct or a map does not disturb what follows.
#[test]
fn what_a_target_does_not_ask_for_is_passed_over() {
    #[derive(PartialEq, Debug)]
    struct FirstKey(String);

    impl<'de> Deserialize<'de> for FirstKey {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Keys;
            impl<'de> serde::de::Visitor<'de> for Keys {
                type Value = FirstKey;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a map")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<FirstKey, A::Error> {
                    let Some((key, IgnoredAny)) = map.next_entry()? else {
                        return Ok(FirstKey(String::new()));
                    };
                    Ok(FirstKey(key))
                }
            }
            deserializer.deserialize_map(Keys)
        }
    }
    let first = || FirstKey("X".to_owned());
    check(
        "[]Point",
        json!([{"X": 1, "Y": 2}, {"X": 3, "Y": 4}, {}]),
        vec![first(), first(), FirstKey(String::new())],
    );
    check(
        "[]map[string][]int",
        json!([{"X": [1], "Y": [2, 3]}, {"X": []}]),
        vec![first(), first()],
    );
}
