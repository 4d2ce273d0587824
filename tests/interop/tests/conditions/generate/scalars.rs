//! Conditions, numbers and texts.

use super::writer::Writer;
use super::{Shape, WANTS, Want};
use crate::vocabulary::{INDEXES, LAYOUTS, PATTERNS};

impl Writer<'_> {
    pub(super) fn bool(&mut self, depth: usize) -> String {
        match self.random.below(16) {
            0 => {
                let operator = self.random.pick(&["&&", "||", "and", "or", "==", "!="]);
                format!(
                    "{} {operator} {}",
                    self.expression(Want::Bool, depth),
                    self.expression(Want::Bool, depth)
                )
            }
            1 => format!(
                "{}({})",
                self.random.pick(&["!", "not "]),
                self.expression(Want::Bool, depth)
            ),
            2..5 => {
                let kind = [
                    Want::Number,
                    Want::Number,
                    Want::Integer,
                    Want::Text,
                    Want::Time,
                    Want::Duration,
                ][self.random.below(6)];
                let operator = self.random.pick(&["<", ">", "<=", ">=", "==", "!="]);
                format!(
                    "{} {operator} {}",
                    self.expression(kind, depth),
                    self.expression(kind, depth)
                )
            }
            5 => {
                let parts: Vec<String> = (0..3).map(|_| self.expression(Want::Number, depth)).collect();
                let [first, second] = [0, 1].map(|_| self.random.pick(&["<", ">", "<=", ">="]));
                format!("{} {first} {} {second} {}", parts[0], parts[1], parts[2])
            }
            6 | 7 => {
                let name = self.random.pick(&["all", "any", "none", "one"]);
                let (list, shape) = self.list(depth);
                let predicate = self.predicate(shape, Want::Bool, depth);
                self.call(name, &[list, predicate])
            }
            8 => {
                let not = self.random.pick(&["", "", "not "]);
                let (needle, list) = match self.random.below(5) {
                    0 => (
                        self.expression(Want::Number, depth),
                        self.expression(Want::Numbers, depth),
                    ),
                    1 => (
                        self.expression(Want::Text, depth),
                        self.expression(Want::Texts, depth),
                    ),
                    2 => (
                        self.expression(Want::Integer, depth),
                        self.random.pick(&["[1, 2, 3]", "1..5", "[0]"]).to_owned(),
                    ),
                    3 => (
                        self.expression(Want::Text, depth),
                        self.expression(Want::Object, depth),
                    ),
                    _ => (
                        self.expression(Want::Any, depth),
                        self.expression(Want::Any, depth),
                    ),
                };
                format!("({needle}) {not}in ({list})")
            }
            9 => {
                let operator = self.random.pick(&[
                    "contains",
                    "startsWith",
                    "endsWith",
                    "not contains",
                    "not startsWith",
                ]);
                format!(
                    "({}) {operator} ({})",
                    self.expression(Want::Text, depth),
                    self.expression(Want::Text, depth)
                )
            }
            10 => {
                let not = self.random.pick(&["", "not "]);
                format!(
                    "({}) {not}matches {}",
                    self.expression(Want::Text, depth),
                    self.random.pick(PATTERNS)
                )
            }
            11 => {
                let kind = WANTS[self.random.below(WANTS.len())];
                let operator = self.random.pick(&["==", "!="]);
                format!(
                    "({}) {operator} ({})",
                    self.expression(kind, depth),
                    self.expression(kind, depth)
                )
            }
            12 => {
                let name = self.random.pick(&["isNaN", "isInf"]);
                let argument = self.expression(Want::Number, depth);
                self.call(name, &[argument])
            }
            13 => self
                .random
                .pick(&["isNil(result)", "isNil(1)", "result == nil", "result != nil"])
                .to_owned(),
            14 => {
                let name = self.random.pick(&["hasPrefix", "hasSuffix"]);
                let arguments = [
                    self.expression(Want::Text, depth),
                    self.expression(Want::Text, depth),
                ];
                self.call(name, &arguments)
            }
            _ => self.leaf(Want::Bool),
        }
    }

    pub(super) fn number(&mut self, depth: usize) -> String {
        match self.random.below(13) {
            0..4 => {
                let operator = self.random.pick(&["+", "-", "*", "/", "+", "-"]);
                format!(
                    "{} {operator} {}",
                    self.expression(Want::Number, depth),
                    self.expression(Want::Number, depth)
                )
            }
            4 => {
                let operator = self.random.pick(&["**", "^"]);
                format!(
                    "({}) {operator} {}",
                    self.expression(Want::Number, depth),
                    self.random.pick(&["2", "3", "0", "-1", "0.5"])
                )
            }
            5 => format!(
                "{}({})",
                self.random.pick(&["-", "+"]),
                self.expression(Want::Number, depth)
            ),
            6 => {
                let name = self
                    .random
                    .pick(&["abs", "ceil", "floor", "round", "float", "asFloat"]);
                let argument = self.expression(Want::Number, depth);
                self.call(name, &[argument])
            }
            7 => {
                let name = self.random.pick(&["max", "min", "mean", "median"]);
                let arguments: Vec<String> = (0..=self.random.below(2))
                    .map(|_| {
                        let kind = [Want::Number, Want::Numbers][self.random.below(2)];
                        self.expression(kind, depth)
                    })
                    .collect();
                self.call(name, &arguments)
            }
            8 => {
                let list = self.expression(Want::Numbers, depth);
                self.call("sum", &[list])
            }
            9 => {
                let (list, shape) = self.list(depth);
                let predicate = self.predicate(shape, Want::Number, depth);
                self.call("sum", &[list, predicate])
            }
            10 => {
                let list = self.expression(Want::Numbers, depth);
                let body = self.predicate(Shape::Number, Want::Number, depth);
                let body = format!("#acc {} {body}", self.random.pick(&["+", "*", "-"]));
                let mut arguments = vec![list, body];
                if self.random.one_in(2) {
                    arguments.push(self.expression(Want::Number, depth));
                }
                self.call("reduce", &arguments)
            }
            11 => {
                let other = self.expression(Want::Number, depth);
                format!("default(result, {other})")
            }
            _ => self.integer(depth),
        }
    }

    pub(super) fn integer(&mut self, depth: usize) -> String {
        match self.random.below(11) {
            0 => {
                let kind =
                    [Want::Text, Want::Numbers, Want::Items, Want::Object, Want::Texts][self.random.below(5)];
                let argument = self.expression(kind, depth);
                self.call("len", &[argument])
            }
            1 => {
                let (list, shape) = self.list(depth);
                let predicate = self.predicate(shape, Want::Bool, depth);
                self.call("count", &[list, predicate])
            }
            2 => {
                let name = self.random.pick(&["findIndex", "findLastIndex"]);
                let (list, shape) = self.list(depth);
                let predicate = self.predicate(shape, Want::Bool, depth);
                self.call(name, &[list, predicate])
            }
            3 => {
                let operator = self.random.pick(&["+", "-", "*", "%"]);
                format!(
                    "{} {operator} {}",
                    self.expression(Want::Integer, depth),
                    self.expression(Want::Integer, depth)
                )
            }
            4 => {
                let name = self.random.pick(&["int", "asInt"]);
                let kind = [Want::Number, Want::Text][self.random.below(2)];
                let argument = self.expression(kind, depth);
                self.call(name, &[argument])
            }
            5 => {
                let name = self.random.pick(&[
                    "bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr",
                ]);
                let arguments = [
                    self.expression(Want::Integer, depth),
                    self.expression(Want::Integer, depth),
                ];
                self.call(name, &arguments)
            }
            6 => {
                let argument = self.expression(Want::Integer, depth);
                self.call("bitnot", &[argument])
            }
            7 => {
                let name = self.random.pick(&["indexOf", "lastIndexOf"]);
                let arguments = [
                    self.expression(Want::Text, depth),
                    self.expression(Want::Text, depth),
                ];
                self.call(name, &arguments)
            }
            8 => {
                let method = self.random.pick(&[
                    "Year",
                    "Unix",
                    "Day",
                    "Hour",
                    "YearDay",
                    "Nanosecond",
                    "UnixMilli",
                    "Second",
                ]);
                format!("({}).{method}()", self.expression(Want::Time, depth))
            }
            9 => {
                let method = self.random.pick(&["Milliseconds", "Nanoseconds", "Microseconds"]);
                format!("({}).{method}()", self.expression(Want::Duration, depth))
            }
            _ => self.leaf(Want::Integer),
        }
    }

    pub(super) fn text(&mut self, depth: usize) -> String {
        match self.random.below(14) {
            0 => format!(
                "{} + {}",
                self.expression(Want::Text, depth),
                self.expression(Want::Text, depth)
            ),
            1 => {
                let name =
                    self.random
                        .pick(&["upper", "lower", "trim", "toBase64", "trimPrefix", "trimSuffix"]);
                let argument = self.expression(Want::Text, depth);
                self.call(name, &[argument])
            }
            2 => {
                let argument = self.expression(Want::Any, depth);
                self.call("string", &[argument])
            }
            3 => {
                let kind = [
                    Want::Number,
                    Want::Text,
                    Want::Numbers,
                    Want::Object,
                    Want::Items,
                    Want::Duration,
                    Want::Time,
                ][self.random.below(7)];
                let argument = self.expression(kind, depth);
                self.call("toJSON", &[argument])
            }
            4 => {
                let mut arguments: Vec<String> = (0..3).map(|_| self.expression(Want::Text, depth)).collect();
                if self.random.one_in(3) {
                    arguments.push(self.random.pick(&["0", "1", "2", "-1"]).to_owned());
                }
                self.call("replace", &arguments)
            }
            5 => {
                let times = self.random.pick(&["0", "1", "3", "-1", "7"]).to_owned();
                let arguments = [self.expression(Want::Text, depth), times];
                self.call("repeat", &arguments)
            }
            6 => {
                let mut arguments = vec![self.expression(Want::Texts, depth)];
                if self.random.one_in(2) {
                    arguments.push(self.expression(Want::Text, depth));
                }
                self.call("join", &arguments)
            }
            7 => {
                let argument = self.expression(Want::Any, depth);
                self.call("type", &[argument])
            }
            8 => {
                let name = self.random.pick(&["trim", "trimPrefix", "trimSuffix"]);
                let arguments = [
                    self.expression(Want::Text, depth),
                    self.expression(Want::Text, depth),
                ];
                self.call(name, &arguments)
            }
            9 => {
                let (from, to) = (self.random.pick(INDEXES), self.random.pick(INDEXES));
                format!("({})[{from}:{to}]", self.expression(Want::Text, depth))
            }
            10 => {
                let (list, index) = (
                    self.expression(Want::Texts, depth),
                    self.random.pick(&["0", "-1", "1"]),
                );
                format!("({list})[{index}]")
            }
            11 => {
                let layout = self.random.pick(LAYOUTS);
                format!("({}).Format({layout})", self.expression(Want::Time, depth))
            }
            12 => {
                let kind = [Want::Duration, Want::Time][self.random.below(2)];
                format!("({}).String()", self.expression(kind, depth))
            }
            _ => self.leaf(Want::Text),
        }
    }
}
