//! Go's declarations as text.

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]

use gob::{Reader, Schema};
use serde_json::json;

use self::stream::write;

#[path = "support/stream.rs"]
mod stream;

/// The type declared as `V` is written as Go would, and its zero value prints like this.
#[track_caller]
fn check(text: &str, expected: &str) {
    let stream = write(text, "V", &()).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(
        Reader::new(&stream[..])
            .next_value()
            .unwrap()
            .unwrap()
            .to_string(),
        expected,
        "{text}"
    );
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(Schema::parse(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn forms_of_declarations() {
    check("type V struct{}", "V{}");
    check("type V struct { A [1]bool }", "V{A: [false]}");
    check("type V struct { A, B [1]uint8 }", "V{A: [0], B: [0]}");
    check(
        "type V struct { A [1]string `json:\"a\"`; B [1]float32 \"tag\" }",
        "V{A: [\"\"], B: [0.0]}",
    );
    check(
        "type V struct {\n\tA [1]int // first\n\n\t/* second */ B [1]int\n}\n",
        "V{A: [0], B: [0]}",
    );
    check(
        "type (\n\tV struct { A W }\n\tW struct { B [1]complex64 }\n)",
        "V{A: W{B: [(0.0+0.0i)]}}",
    );
    check(
        "package p\n\nimport (\n\t\"fmt\"\n\tx \"y/z\"\n)\nimport \"os\"\n\ntype V struct{}",
        "V{}",
    );
    check("type V = W; type W = X; type X struct{}", "X{}");
}

#[test]
fn embedded_fields_are_named_after_their_type() {
    check(
        "type V struct { W; p.X }; type W struct {}; type p.X struct {}",
        "V{W: W{}, X: X{}}",
    );
    check("type V struct { *W; A W }; type W struct {}", "V{A: W{}}");
}

#[test]
fn fields_that_are_not_exported_do_not_travel() {
    check(
        "type V struct { a chan2.X; _ int; A W }; type W struct {}",
        "V{A: W{}}",
    );
}

/// The names on the wire and in errors are Go's.
#[test]
fn names() {
    let text = "package main; type V struct { A map[string]*W; B []struct { C [2]p.X } }; type W struct{}; type p.X int
        type F func_; type func_ any";
    let schema = Schema::parse(text).unwrap();
    assert_eq!(schema.ty("V").unwrap().to_string(), "main.V");
    assert_eq!(schema.ty("p.X").unwrap().to_string(), "p.X");
    assert_eq!(format!("{:?}", schema.ty("rune").unwrap()), "Type(int32)");
    assert!(schema.ty("X").is_none() && schema.ty("main.V").is_none());
    let list = Schema::parse("type V = map[string][]*p.X; type p.X struct { A *[]byte; B any }").unwrap();
    assert_eq!(list.ty("V").unwrap().to_string(), "map[string][]*p.X");
}

#[test]
fn registered_types() {
    let text = r#"
        type V any
        type W struct { A int }
        gob.RegisterName("w", W{})
        gob.RegisterName("list", []W{})
        gob.RegisterName("again \"quoted\"", *W)
    "#;
    for (value, expected) in [
        (json!({"w": {"A": 1}}), "w(W{A: 1})"),
        (json!({"list": [{"A": 1}]}), "list([W{A: 1}])"),
        (json!({"again \"quoted\"": {}}), "again \"quoted\"(W{})"),
    ] {
        let stream = write(text, "V", &value).unwrap();
        assert_eq!(
            Reader::new(&stream[..])
                .next_value()
                .unwrap()
                .unwrap()
                .to_string(),
            expected
        );
    }
}

#[test]
fn mistakes_are_found_and_placed() {
    check_error(
        "typ V int",
        "line 1, column 1: expected type, package, import or gob.RegisterName, found typ",
    );
    check_error(
        "type V",
        "line 1, column 7: expected a type, found the end of the line",
    );
    check_error(
        "type V struct {\n\tA int,\n}",
        "line 2, column 7: expected ; or }, found ,",
    );
    check_error(
        "type V struct { A int",
        "line 1, column 22: expected the name of a field or }, found the end of the text",
    );
    check_error(
        "type V []",
        "line 1, column 10: expected a type, found the end of the line",
    );
    check_error(
        "type V [x]int",
        "line 1, column 9: expected ] or the length of an array, found x",
    );
    check_error(
        "type V map[string",
        "line 1, column 18: expected ], found the end of the line",
    );
    check_error(
        "type V [99999999999999999999]int",
        "line 1, column 9: 99999999999999999999 is too large a number",
    );
    check_error("type V W", "line 1, column 8: type W is not declared");
    check_error(
        "type V struct {\n\tA []time.Time\n}",
        "line 2, column 6: type time.Time is not declared",
    );
    check_error("type V int\ntype V int", "line 2, column 6: V is declared twice");
    check_error(
        "type V struct { A, A int }",
        "line 1, column 20: field A is declared twice",
    );
    check_error(
        "type int string",
        "line 1, column 6: int is one of Go's own types",
    );
    check_error(
        "type V struct { F func() }",
        "line 1, column 19: a func does not travel: leave the field out",
    );
    check_error(
        "type V chan int",
        "line 1, column 8: a chan does not travel: leave the field out",
    );
    check_error(
        "type V struct { a int }",
        "line 1, column 17: a struct without an exported field cannot be sent",
    );
    check_error(
        "type V *int",
        "line 1, column 9: a pointer with a name: declare what it points to",
    );
    check_error(
        "type T gob.GobEncoder\ntype V T",
        "line 2, column 8: a type declared as T has not its methods: declare it as an opaque type too",
    );
    check_error(
        "type V struct { F gob.GobEncoder }",
        "line 1, column 19: type gob.GobEncoder is not declared",
    );
    check_error("type V /* no end", "line 1, column 8: a comment without an end");
    check_error(
        "type V struct { A int `tag }",
        "line 1, column 23: a string without an end",
    );
    check_error(
        "gob.RegisterName(\"\\n\", int)",
        "line 1, column 18: only \\\" and \\\\ can be escaped in a string here",
    );
    check_error(
        "gob.RegisterName(\"\", int)",
        "line 1, column 18: the empty name is that of the nil interface",
    );
    check_error(
        "gob.RegisterName(\"n\", V{})",
        "line 1, column 23: type V is not declared",
    );
    check_error(
        "gob.RegisterName(\"n\", int); gob.RegisterName(\"n\", string)",
        "line 1, column 46: \"n\" already stands for int",
    );
    check_error(
        "type V struct { A interface { M() }",
        "line 1, column 36: expected the name of a field or }, found the end of the text",
    );
}

/// Go's compiler finds circles of types without pointers between them; so do we, and what only looks like one is fine.
#[test]
fn circles() {
    let circle = "a type that contains itself, or too many others inside each other";
    check_error("type V struct { A V }", &format!("line 1, column 6: {circle}"));
    check_error(
        "type V struct { A [2]W }; type W struct { B V }",
        &format!("line 1, column 6: {circle}"),
    );
    let alias = "a type that consists of itself, or of too many others";
    check_error("type V = V", &format!("line 1, column 10: {alias}"));
    check_error(
        "type V W; type W V",
        &format!("line 1, column 8: {alias}").replace("column 8", "column 18"),
    );
    check_error("type V = []V", &format!("line 1, column 12: {alias}"));
    check(
        "type V struct { A *V; B []V; C map[string]V; D W }; type W struct { E *V; F []W }",
        "V{D: W{}}",
    );
    check_error(
        &format!("type V {}int", "[]".repeat(65)),
        "line 1, column 136: more than 64 types inside each other",
    );
}
