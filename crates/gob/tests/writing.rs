//! How Rust's types meet Go's when they are written.

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]
#![allow(clippy::needless_pass_by_value, reason = "the tables read better")]

use std::collections::BTreeMap;

use gob::{Encoder, Limits, Reader, Schema, Value};
use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::json;

use self::stream::{read, write};

#[path = "support/stream.rs"]
mod stream;

const TYPES: &str = r#"
    type Point struct { X, Y int32 }
    type Line struct { From, To Point; Via []Point; Names map[string]string; Label *string; Maybe *Point; Any any }
    type Pair [2]int64
    type Stamp gob.GobEncoder
    type Times struct { One Stamp; Maybe *Stamp; Both [2]Stamp }
    gob.RegisterName("Point", Point{})
    gob.RegisterName("main.Line", Line{})
    gob.RegisterName("Pair", Pair{})
"#;

/// Written as the Go type, the value prints as `expected`.
#[track_caller]
fn check<T: Serialize>(go: &str, value: T, expected: &str) {
    let stream = write(&format!("{TYPES}\ntype V = {go}"), "V", &value).unwrap();
    assert_eq!(
        Reader::new(&stream[..])
            .next_value()
            .unwrap()
            .unwrap()
            .to_string(),
        expected,
        "{go}"
    );
}

/// The value does not fit the Go type, and the error says this.
#[track_caller]
fn check_error<T: Serialize>(go: &str, value: T, expected: &str) {
    let error = write(&format!("{TYPES}\ntype V = {go}"), "V", &value).unwrap_err();
    assert_eq!(error.to_string(), expected, "{go}");
}

#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Point {
    y: i64,
    x: i64,
}

#[derive(Serialize)]
enum Shape {
    Point(Point),
    #[serde(rename = "main.Line")]
    Line {
        #[serde(rename = "From")]
        from: Point,
    },
    Pair(i64, i64),
    #[serde(rename = "Point")]
    Origin,
    Unknown(u8),
}

#[test]
fn basic_types() {
    check("bool", false, "false");
    check("int8", -128_i64, "-128");
    check("uint8", 255_u64, "255");
    check("float64", 3, "3.0");
    check("float32", -0.5_f64, "-0.5");
    check("complex64", (1.0, -2.0), "(1.0-2.0i)");
    check("string", 'x', "\"x\"");
    check("string", Some("text"), "\"text\"");
    check("[]byte", "text", "b\"text\"");
    check("[]byte", [1_u8, 128, 255], "b\"\\x01\\x80\\xff\"");
    check("[2]byte", b"ab", "[97, 98]");
    check("Stamp", "time", "Stamp(b\"time\")");
    check("struct{}", (), "{}");
}

#[test]
fn integers_out_of_range() {
    check_error("int8", 128, "expected int8 (-128 to 127), found 128");
    check_error("uint8", -1, "expected uint8 (0 to 255), found -1");
    check_error(
        "uint64",
        u128::MAX,
        "expected uint64 (0 to 18446744073709551615), found 340282366920938463463374607431768211455",
    );
    check_error(
        "int64",
        u64::MAX,
        "expected int64 (-9223372036854775808 to 9223372036854775807), found 18446744073709551615",
    );
    check_error("float32", 1e39, "expected float32, found 1e39");
    check_error("float64", i64::MAX, "expected float64, found 9223372036854775807");
    check_error(
        "[]int16",
        [0, 40_000],
        "[1]: expected int16 (-32768 to 32767), found 40000",
    );
}

#[test]
fn values_of_another_kind() {
    check_error("string", 5, "expected string, found 5");
    check_error(
        "int",
        "five",
        "expected int (-9223372036854775808 to 9223372036854775807), found \"five\"",
    );
    check_error(
        "int",
        1.5,
        "expected int (-9223372036854775808 to 9223372036854775807), found 1.5",
    );
    check_error("Point", [1], "expected Point, found a list");
    check_error(
        "[]Point",
        json!([{}, {"X": "one"}]),
        "[1].X: expected int32 (-2147483648 to 2147483647), found \"one\"",
    );
    check_error("map[string]int", ["a"], "expected map[string]int, found a list");
    check_error("[]int", json!({"a": 1}), "expected []int, found a map");
    check_error("[2]int", [1, 2, 3], "expected [2]int, found 3 elements");
    check_error("complex128", [1.0], "expected complex128, found 1 parts");
    check_error("string", Shape::Pair(1, 2), "expected string, found a list");
    check_error(
        "Point",
        Shape::Point(Point::default()),
        "expected Point, found variant Point",
    );
}

#[test]
fn fields_travel_in_the_order_of_the_declaration() {
    check("Point", Point { y: 2, x: 1 }, "Point{X: 1, Y: 2}");
    check("Point", json!({"Y": 2, "X": 1}), "Point{X: 1, Y: 2}");
    let stream = |value: serde_json::Value| write(TYPES, "Line", &value).unwrap();
    let in_order = stream(json!({"From": {"X": 1}, "Via": [{}], "Names": {"a": "b"}, "Label": "l"}));
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shuffled {
        label: &'static str,
        via: [(); 1],
        names: BTreeMap<&'static str, &'static str>,
        from: Point,
    }
    let value = Shuffled {
        label: "l",
        via: [()],
        names: BTreeMap::from([("a", "b")]),
        from: Point { x: 1, y: 0 },
    };
    assert_eq!(write(TYPES, "Line", &value).unwrap(), in_order);
}

#[test]
fn fields_that_the_value_lacks_are_zero() {
    check("Line", json!({}), "Line{From: Point{}, To: Point{}}");
    check(
        "Line",
        json!({"To": {"X": 1}}),
        "Line{From: Point{}, To: Point{X: 1}}",
    );
    check("Line", (), "Line{From: Point{}, To: Point{}}");
    check(
        "struct { A [2][1]Point; B int }",
        json!({"B": 1}),
        "{A: [[{}], [{}]], B: 1}",
    );
}

#[test]
fn fields_that_the_declaration_lacks_are_an_error() {
    check_error("Point", json!({"X": 1, "Z": 2}), "Point has no field Z");
    check_error("Point", json!({"x": 1}), "Point has no field x; did you mean X?");
    #[derive(Serialize)]
    struct Twice {
        #[serde(rename = "X")]
        x: i32,
        #[serde(rename = "Y")]
        y: i32,
        #[serde(rename = "X")]
        again: i32,
    }
    check_error(
        "Point",
        Twice { x: 1, y: 1, again: 1 },
        "X: the field is given twice",
    );
}

/// Zero values are left out, as Go leaves them out: also behind a pointer, unless it is one to a struct.
#[test]
fn zero_fields() {
    let zeros = json!({"Via": [], "Label": "", "Maybe": {}, "Any": null});
    check("Line", zeros, "Line{From: Point{}, To: Point{}, Maybe: Point{}}");
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Names {
        names: Option<BTreeMap<String, String>>,
    }
    check("Line", json!({"Names": {}}), "Line{From: Point{}, To: Point{}}");
    check(
        "Line",
        Names {
            names: Some(BTreeMap::new()),
        },
        "Line{From: Point{}, To: Point{}, Names: map[]}",
    );
    check("Line", Names { names: None }, "Line{From: Point{}, To: Point{}}");
}

#[test]
fn nothing_is_nil_where_nil_can_be() {
    check("[]any", [None::<u8>, Some(1)], "[nil, int64(1)]");
    check("any", (), "nil");
    check_error("[]*Point", [None::<Point>], "[0]: expected *Point, found nothing");
    check_error("Point", None::<Point>, "expected Point, found nothing");
    check_error(
        "int",
        (),
        "expected int (-9223372036854775808 to 9223372036854775807), found nothing",
    );
}

#[test]
fn opaque_values() {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Times {
        one: &'static str,
        maybe: Option<&'static str>,
        both: [&'static str; 2],
    }
    let both = ["a", ""];
    let stamps = r#"Both: [Stamp(b"a"), Stamp(b"")]}"#;
    check(
        "Times",
        Times {
            one: "",
            maybe: None,
            both,
        },
        &format!("Times{{{stamps}"),
    );
    check(
        "Times",
        Times {
            one: "1",
            maybe: Some(""),
            both,
        },
        &format!("Times{{One: Stamp(b\"1\"), Maybe: Stamp(b\"\"), {stamps}"),
    );
    check_error(
        "Times",
        json!({"One": "1"}),
        "Both: the zero value of [2]Stamp is not known: give the value",
    );
}

#[test]
fn interface_values() {
    check("any", Shape::Point(Point { x: 1, y: 0 }), "Point(Point{X: 1})");
    check(
        "any",
        Shape::Line {
            from: Point { x: 1, y: 0 },
        },
        "main.Line(Line{From: Point{X: 1}, To: Point{}})",
    );
    check("any", Shape::Pair(1, 2), "Pair([1, 2])");
    check("any", Shape::Origin, "Point(Point{})");
    check("any", Some(Shape::Origin), "Point(Point{})");
    check("any", Point { x: 1, y: 0 }, "Point(Point{X: 1})");
    check("any", json!({"Pair": [1, 2]}), "Pair([1, 2])");
    check(
        "Line",
        json!({"Any": {"Point": {}}}),
        "Line{From: Point{}, To: Point{}, Any: Point(Point{})}",
    );
    check_error(
        "any",
        json!({"Point": {"X": 1}, "Point2": {}}),
        "a map with several keys cannot be an interface value",
    );
    check_error(
        "any",
        json!({}),
        "expected interface {}, found a map without the one key that is the registered name",
    );
    check_error(
        "any",
        Shape::Unknown(1),
        "no type is registered under the name \"Unknown\"; registered are [\"Pair\", \"Point\", \"main.Line\"] and Go's basic types",
    );
    check_error(
        "any",
        Shape::Point(Point { x: 1 << 40, y: 0 }),
        "Point.X: expected int32 (-2147483648 to 2147483647), found 1099511627776",
    );
}

/// Basic types travel in interface values under the names that Go gives them.
#[test]
fn interface_values_of_basic_types() {
    check("any", true, "bool(true)");
    check("any", 5_u8, "int64(5)");
    check("any", u64::MAX, "uint64(18446744073709551615)");
    check("any", 0.5_f32, "float64(0.5)");
    check("any", "s", "string(\"s\")");
    check("any", json!({"[]float32": [0.5]}), "[]float32([0.5])");
    check("any", json!({"[]uint8": "b"}), "[]uint8(b\"b\")");
}

#[test]
fn lists_whose_length_is_not_known_before() {
    struct Unsized(usize);
    impl Serialize for Unsized {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            for n in 0..self.0 {
                list.serialize_element(&n)?;
            }
            list.end()
        }
    }
    for len in [0, 1, 127, 128, 300] {
        let written = write("type V []int", "V", &Unsized(len)).unwrap();
        assert_eq!(
            written,
            write("type V []int", "V", &(0..len).collect::<Vec<_>>()).unwrap()
        );
    }
}

#[test]
fn a_struct_as_a_map() {
    check(
        "map[string]int64",
        Point { x: 1, y: 0 },
        "map[\"Y\": 0, \"X\": 1]",
    );
    check_error(
        "map[int]int64",
        Point::default(),
        "[0]: expected int (-9223372036854775808 to 9223372036854775807), found \"Y\"",
    );
}

/// The type of a value is announced once, and what an unsuccessful call announced is taken back.
#[test]
fn an_error_leaves_the_stream_as_it_was() {
    let schema = Schema::parse(TYPES).unwrap();
    let any = schema.ty("any").unwrap();
    let line = schema.ty("Line").unwrap();
    let mut encoder = Encoder::new();
    let mut stream = b"before".to_vec();
    assert!(
        encoder
            .encode(line, &json!({"Any": {"Pair": [1]}}), &mut stream)
            .is_err()
    );
    assert!(encoder.encode(any, &Shape::Unknown(1), &mut stream).is_err());
    assert_eq!(stream, b"before");

    stream.clear();
    encoder.encode(any, &Shape::Pair(1, 2), &mut stream).unwrap();
    let first = stream.len();
    assert!(
        encoder
            .encode(any, &json!({"Point": {"X": "no"}}), &mut stream)
            .is_err()
    );
    encoder.encode(any, &Shape::Pair(1, 2), &mut stream).unwrap();
    encoder.encode(any, &Shape::Origin, &mut stream).unwrap();

    let mut undisturbed = Vec::new();
    let mut encoder = Encoder::new();
    for shape in [Shape::Pair(1, 2), Shape::Pair(1, 2), Shape::Origin] {
        encoder.encode(any, &shape, &mut undisturbed).unwrap();
    }
    assert_eq!(stream, undisturbed);
    let mut reader = Reader::new(&stream[..]);
    for expected in ["Pair([1, 2])", "Pair([1, 2])", "Point(Point{})"] {
        assert_eq!(reader.next_value().unwrap().unwrap().to_string(), expected);
    }
    assert!(stream.len() - first > 0);
}

/// Types of different schemas are different types, even if they have the same declarations.
#[test]
fn two_schemas_on_one_stream() {
    let header = Schema::parse("type Header struct { Seq uint64 }").unwrap();
    let body = Schema::parse(TYPES).unwrap();
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for seq in 1..3 {
        encoder
            .encode(header.ty("Header").unwrap(), &json!({"Seq": seq}), &mut stream)
            .unwrap();
        encoder
            .encode(body.ty("Point").unwrap(), &Point { x: seq, y: 0 }, &mut stream)
            .unwrap();
    }
    let mut reader = Reader::new(&stream[..]);
    for expected in ["Header{Seq: 1}", "Point{X: 1}", "Header{Seq: 2}", "Point{X: 2}"] {
        assert_eq!(reader.next_value().unwrap().unwrap().to_string(), expected);
    }
}

#[test]
fn names_registered_later() {
    let mut schema = Schema::parse("type Point struct { X int }").unwrap();
    schema.register("p", "Point").unwrap();
    schema.register("p", "Point").unwrap();
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    encoder
        .encode(schema.ty("any").unwrap(), &json!({"p": {"X": 1}}), &mut stream)
        .unwrap();
    assert_eq!(read::<serde_json::Value>(&stream).unwrap(), json!({"X": 1}));
    for (name, ty, error) in [
        ("p", "string", "\"p\" already stands for Point"),
        ("", "Point", "the empty name is that of the nil interface"),
        (
            "a",
            "any",
            "\"a\" cannot stand for an interface, only for a concrete type",
        ),
        ("l", "Line", "register \"l\": no type Line is declared"),
    ] {
        assert_eq!(schema.register(name, ty).unwrap_err().to_string(), error);
    }
}

#[test]
fn nesting_is_bounded() {
    let schema = Schema::parse("type Deep struct { D *Deep }").unwrap();
    let deep = (1..=4).fold(json!({}), |inner, _| json!({"D": inner}));
    let encode = |depth| {
        let limits = Limits {
            depth,
            ..Limits::default()
        };
        Encoder::with_limits(limits).encode(schema.ty("Deep").unwrap(), &deep, &mut Vec::new())
    };
    encode(5).unwrap();
    assert_eq!(
        encode(4).unwrap_err().to_string(),
        "D.D.D.D: 5 exceeds the limit of 4 for nested values (Limits::depth)"
    );
}

/// The zero value of a large array is not even begun.
#[test]
fn zeros_are_bounded() {
    check_error(
        "struct { A [1000000000000]int; B int }",
        json!({"B": 1}),
        "A: 1000000000009 exceeds the limit of 16777216 for the bytes of a message (Limits::message)",
    );
}

#[test]
fn a_value_prints_and_becomes_json() {
    let value = Value::Struct {
        name: "S".into(),
        fields: vec![
            (
                "Map".into(),
                Value::Map(vec![(Value::Int(1), Value::Complex(0.0, -1.5))]),
            ),
            ("Bytes".into(), Value::Bytes(vec![0, b'"'])),
            (
                "Time".into(),
                Value::Opaque {
                    name: "Time".into(),
                    bytes: vec![1],
                },
            ),
            (
                "Any".into(),
                Value::Interface {
                    name: "n".into(),
                    value: Box::new(Value::Float(1.0)),
                },
            ),
            (
                "List".into(),
                Value::List(vec![Value::Nil, Value::String("\"".into())]),
            ),
        ],
    };
    assert_eq!(
        value.to_string(),
        r#"S{Map: map[1: (0.0-1.5i)], Bytes: b"\x00\"", Time: Time(b"\x01"), Any: n(1.0), List: [nil, "\""]}"#
    );
    assert_eq!(
        serde_json::to_value(&value).unwrap(),
        json!({"Map": {"1": [0.0, -1.5]}, "Bytes": [0, 34], "Time": [1], "Any": {"n": 1.0}, "List": [null, "\""]})
    );
}
