//! crates/gob against Go's own encoding/gob, in a live process: `go/gob`.
//!
//! The corpus in `crates/gob/corpus` holds what we thought of; here both sides make up values, and Go types as well.
//! `SERINUS_GOB_ROUNDS` is the number of random types (100 if it is not set).

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gob::{Encoder, Reader, Schema};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::{Deserialize, Serialize};

#[path = "../../../crates/gob/tests/support/content.rs"]
mod content;

#[test]
fn types_and_values_that_go_makes_up() {
    let Some(mut peer) = Peer::start() else { return };
    let rounds = std::env::var("SERINUS_GOB_ROUNDS").map_or(100, |rounds| rounds.parse().unwrap());
    for seed in 0..rounds {
        let made = peer.ask(&Request {
            op: "make",
            seed,
            ..Request::default()
        });
        let context = |what: &str| format!("seed {seed}, {what}, {}\n{}", made.ty, made.schema);

        let stream = from_hex(&made.stream);
        let mut reader = Reader::new(&stream[..]);
        let mut values = Vec::new();
        while let Some(value) = reader
            .next_value()
            .unwrap_or_else(|e| panic!("{}: {e}", context("read")))
        {
            values.push(value);
        }
        assert_eq!(values.len(), made.values.len(), "{}", context("read"));
        for (value, sent) in values.iter().zip(&made.values) {
            content::compare(value, sent).unwrap_or_else(|e| panic!("{}: {e}", context("read")));
        }

        let stream = encode(
            &format!("{}type Value = {}", made.schema, made.ty),
            "Value",
            &values,
        );
        let stream = stream.unwrap_or_else(|e| panic!("{}: {e}", context("write")));
        peer.ask(&Request {
            op: "check",
            stream: to_hex(&stream),
            ..Request::default()
        });
    }
}

#[test]
fn values_that_rust_makes_up() {
    let Some(peer) = Peer::start() else { return };
    let peer = std::cell::RefCell::new(peer);
    let mut runner = TestRunner::new(Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&vec(rich(), 1..4), |values| {
            let stream = encode(SCHEMA, "Rich", &values).unwrap();
            let answer = peer.borrow_mut().ask(&Request {
                op: "echo",
                ty: "Rich",
                stream: to_hex(&stream),
                ..Request::default()
            });
            prop_assert_eq!(decode::<Rich>(&from_hex(&answer.stream)), values);
            Ok(())
        })
        .unwrap();
}

/// net/rpc sends a pointer to an interface: the interface itself is the value.
#[test]
fn top_level_interface_values_that_rust_makes_up() {
    let Some(peer) = Peer::start() else { return };
    let peer = std::cell::RefCell::new(peer);
    let mut runner = TestRunner::new(Config {
        cases: 100,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&vec(proptest::option::of(shape()), 1..4), |values| {
            let stream = encode(SCHEMA, "any", &values).unwrap();
            let answer = peer.borrow_mut().ask(&Request {
                op: "echo",
                ty: "Shape",
                stream: to_hex(&stream),
                ..Request::default()
            });
            prop_assert_eq!(decode::<Option<Shape>>(&from_hex(&answer.stream)), values);
            Ok(())
        })
        .unwrap();
}

/// `Rich` and what it consists of, as `go/gob/serve.go` declares them.
const SCHEMA: &str = r#"
    package main
    type Rich struct {
        I8      int8
        I64     int64
        U8      uint8
        U64     uint64
        F32     float32
        F64     float64
        C       complex128
        Flag    bool
        Text    string
        Phase   Name
        Bytes   []byte
        Numbers []int16
        Fixed   [3]uint16
        Digest  [4]byte
        Texts   map[string]string
        Points  map[int32]Inner
        Inner   Inner
        Maybe   *Inner
        Count   *uint32
        Tree    *Tree
        Shape   any
        Shapes  []any
        Nothing struct{}
    }
    type Name string
    type Inner struct { V int }
    type Tree struct { Value int; Left, Right *Tree; Many []Tree; Named map[string]*Tree }
    type Circle struct { Radius float64 }
    type Group struct { Shapes []any }
    gob.RegisterName("Circle", Circle{})
    gob.RegisterName("main.Group", Group{})
    gob.RegisterName("*Tree", Tree{})
    gob.RegisterName("Name", Name)
"#;

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Rich {
    i8: i8,
    i64: i64,
    u8: u8,
    u64: u64,
    f32: f32,
    f64: f64,
    c: (f64, f64),
    flag: bool,
    text: String,
    phase: Phase,
    bytes: Vec<u8>,
    numbers: Vec<i16>,
    fixed: [u16; 3],
    digest: [u8; 4],
    texts: BTreeMap<String, String>,
    points: BTreeMap<i32, Inner>,
    inner: Inner,
    maybe: Option<Inner>,
    count: Option<u32>,
    tree: Option<Tree>,
    shape: Option<Shape>,
    shapes: Vec<Option<Shape>>,
    nothing: (),
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Copy, Default)]
enum Phase {
    #[default]
    #[serde(rename = "")]
    None,
    Running,
    Successful,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Inner {
    v: i64,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Tree {
    value: i64,
    left: Option<Box<Tree>>,
    many: Vec<Tree>,
    named: BTreeMap<String, Tree>,
}

/// What an interface value holds, by its registered name.
#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
enum Shape {
    Circle {
        #[serde(rename = "Radius", default)]
        radius: f64,
    },
    #[serde(rename = "main.Group")]
    Group(Group),
    #[serde(rename = "*Tree")]
    Tree(Tree),
    Name(String),
    #[serde(rename = "int64")]
    Int(i64),
    #[serde(rename = "[]string")]
    Texts(Vec<String>),
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Group {
    shapes: Vec<Option<Shape>>,
}

fn rich() -> impl Strategy<Value = Rich> {
    let numbers = (
        any::<i8>(),
        any::<i64>(),
        any::<u8>(),
        any::<u64>(),
        any::<f32>(),
        any::<f64>(),
    );
    let lists = (
        vec(any::<u8>(), 0..9),
        vec(any::<i16>(), 0..9),
        any::<[u16; 3]>(),
        any::<[u8; 4]>(),
    );
    let maps = (
        btree_map(text(), text(), 0..5),
        btree_map(any::<i32>(), inner(), 0..5),
    );
    // A pointer to zero travels as nil, so there is none here.
    let pointers = (
        proptest::option::of(inner()),
        proptest::option::of(1_u32..),
        proptest::option::of(tree()),
    );
    let shapes = (
        proptest::option::of(shape()),
        vec(proptest::option::of(shape()), 0..4),
    );
    let phase = prop::sample::select(vec![Phase::None, Phase::Running, Phase::Successful]);
    let others = (any::<(f64, f64)>(), any::<bool>(), text(), phase, inner());
    (numbers, lists, maps, pointers, shapes, others).prop_map(
        |(numbers, lists, maps, pointers, shapes, others)| Rich {
            i8: numbers.0,
            i64: numbers.1,
            u8: numbers.2,
            u64: numbers.3,
            f32: numbers.4,
            f64: numbers.5,
            c: others.0,
            flag: others.1,
            text: others.2,
            phase: others.3,
            bytes: lists.0,
            numbers: lists.1,
            fixed: lists.2,
            digest: lists.3,
            texts: maps.0,
            points: maps.1,
            inner: others.4,
            maybe: pointers.0,
            count: pointers.1,
            tree: pointers.2,
            shape: shapes.0,
            shapes: shapes.1,
            nothing: (),
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["", ".{0,8}", "[a-z]{100,300}"]
}

fn inner() -> impl Strategy<Value = Inner> {
    any::<i64>().prop_map(|v| Inner { v })
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<i64>().prop_map(|value| Tree {
        value,
        ..Tree::default()
    });
    leaf.prop_recursive(3, 16, 3, |tree| {
        (
            any::<i64>(),
            proptest::option::of(tree.clone()),
            vec(tree.clone(), 0..3),
            btree_map(text(), tree, 0..3),
        )
            .prop_map(|(value, left, many, named)| Tree {
                value,
                left: left.map(Box::new),
                many,
                named,
            })
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(|radius| Shape::Circle { radius }),
        tree().prop_map(Shape::Tree),
        text().prop_map(Shape::Name),
        any::<i64>().prop_map(Shape::Int),
        vec(text(), 0..3).prop_map(Shape::Texts),
    ];
    leaf.prop_recursive(3, 16, 3, |shape| {
        vec(proptest::option::of(shape), 0..3).prop_map(|shapes| Shape::Group(Group { shapes }))
    })
}

fn encode<T: Serialize>(schema: &str, ty: &str, values: &[T]) -> Result<Vec<u8>, gob::Error> {
    let schema = Schema::parse(schema)?;
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    for value in values {
        encoder.encode(schema.ty(ty).unwrap(), value, &mut stream)?;
    }
    Ok(stream)
}

fn decode<T: serde::de::DeserializeOwned>(stream: &[u8]) -> Vec<T> {
    let mut reader = Reader::new(stream);
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

/// `go/gob serve`.
struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Serialize, Default)]
struct Request {
    op: &'static str,
    seed: u64,
    #[serde(rename = "type")]
    ty: &'static str,
    stream: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    error: String,
    schema: String,
    #[serde(rename = "type")]
    ty: String,
    stream: String,
    values: Vec<serde_json::Value>,
}

impl Peer {
    fn start() -> Option<Peer> {
        let program = interop::go_program("gob")?;
        let mut process = Command::new(program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Some(Peer {
            process,
            requests,
            answers,
        })
    }

    fn ask(&mut self, request: &Request) -> Answer {
        let mut line = serde_json::to_string(request).unwrap();
        line.push('\n');
        self.requests.write_all(line.as_bytes()).unwrap();
        line.clear();
        self.answers.read_line(&mut line).unwrap();
        let answer: Answer = serde_json::from_str(&line).unwrap();
        assert_eq!(
            answer.error, "",
            "Go says to {} (seed {}): {}",
            request.op, request.seed, request.stream
        );
        answer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
