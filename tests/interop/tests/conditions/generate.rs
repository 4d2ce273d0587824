//! Random results and random conditions about them.
//!
//! Most conditions have the types that fit, so that they get past the checker; every now and then any other expression
//! stands where one type is wanted. Others are what is left of a known condition after words or characters of it were
//! lost, doubled, swapped or replaced.

use crate::random::Random;
use crate::vocabulary::{
    DATES, DURATIONS, FIELDS, INDEXES, INTEGERS, LAYOUTS, LITERALS, NUMBERS, ODD, PATTERNS, SMALL, TEXTS,
    TIMES, WORDS, ZONES,
};

/// What a result is, as far as the expressions about it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Number,
    Text,
    Bool,
    Numbers,
    /// A list of objects.
    Items,
    Object,
    Nil,
}

/// What an expression should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Bool,
    Number,
    Integer,
    Text,
    Numbers,
    Texts,
    /// A list of objects.
    Items,
    Object,
    Any,
    Time,
    Duration,
}

const WANTS: [Want; 11] = [
    Want::Bool,
    Want::Number,
    Want::Integer,
    Want::Text,
    Want::Numbers,
    Want::Texts,
    Want::Items,
    Want::Object,
    Want::Any,
    Want::Time,
    Want::Duration,
];

pub(crate) struct Generator<'f> {
    random: Random,
    /// Known conditions, to take apart.
    fixtures: &'f [(String, String)],
}

impl<'f> Generator<'f> {
    pub(crate) fn new(seed: u64, fixtures: &'f [(String, String)]) -> Self {
        Self {
            random: Random::new(seed),
            fixtures,
        }
    }

    /// A result and a condition.
    pub(crate) fn case(&mut self) -> (String, String) {
        if self.random.one_in(4) {
            return self.mutated();
        }
        let (result, shape) = self.result();
        let depth = 1 + self.random.below(5);
        let mut writer = Writer {
            random: &mut self.random,
            shape,
            elements: Vec::new(),
            variables: Vec::new(),
            named: 0,
        };
        let mut condition = writer.expression(Want::Bool, depth);
        if self.random.one_in(20) {
            condition = self.damaged(&condition);
        }
        (result, condition)
    }

    fn mutated(&mut self) -> (String, String) {
        let fixture = self.random.below(self.fixtures.len());
        let (result, condition) = &self.fixtures[fixture];
        let mut condition = condition.clone();
        for _ in 0..=self.random.below(2) {
            condition = self.damaged(&condition);
        }
        let result = if self.random.one_in(4) {
            self.result().0
        } else {
            result.clone()
        };
        (result, condition)
    }

    fn damaged(&mut self, condition: &str) -> String {
        if self.random.one_in(4) {
            return self.damaged_characters(condition);
        }
        let mut words = words(condition);
        if words.is_empty() {
            return condition.to_owned();
        }
        let at = self.random.below(words.len());
        match self.random.below(6) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => {
                let other = self.random.below(words.len());
                words.swap(at, other);
            }
            3 => {
                let other = self.random.below(self.fixtures.len());
                let donor = self::words(&self.fixtures[other].1);
                if !donor.is_empty() {
                    let begin = self.random.below(donor.len());
                    let end = begin + 1 + self.random.below((donor.len() - begin).min(6));
                    words.splice(at..at, donor[begin..end].iter().cloned());
                }
            }
            4 => words[at] = self.random.pick(WORDS).to_owned(),
            _ => words.insert(at, self.random.pick(WORDS).to_owned()),
        }
        words.join(if self.random.one_in(2) { " " } else { "" })
    }

    fn damaged_characters(&mut self, condition: &str) -> String {
        let mut characters: Vec<char> = condition.chars().collect();
        let at = self.random.below(characters.len() + 1);
        match self.random.below(3) {
            0 if at < characters.len() => drop(characters.remove(at)),
            1 if at < characters.len() => characters[at] = self.character(),
            _ => characters.insert(at, self.character()),
        }
        characters.into_iter().collect()
    }

    fn character(&mut self) -> char {
        let odd = "()[]{}.,:;?!&|<>=+-*/%^#\"'`\\_$ \t\n\r0123456789eExXabuU\u{e9}\u{661}\u{2028}\u{1f600}@~";
        let odd: Vec<char> = odd.chars().collect();
        odd[self.random.below(odd.len())]
    }

    fn result(&mut self) -> (String, Shape) {
        match self.random.below(16) {
            0..4 => (format!("f:{}", self.number()), Shape::Number),
            4 => (
                format!("i:{}", self.random.below(200) as i64 - 100),
                Shape::Number,
            ),
            5 => (
                self.random.pick(&["nan", "inf", "-inf"]).to_owned(),
                Shape::Number,
            ),
            6 => ("nil".to_owned(), Shape::Nil),
            7 => (format!("s:{}", self.random.pick(TEXTS)), Shape::Text),
            8 => (
                self.random.pick(&["json:true", "json:false"]).to_owned(),
                Shape::Bool,
            ),
            9..12 => {
                let numbers: Vec<String> = (0..self.random.below(6)).map(|_| self.number()).collect();
                (format!("sf:[{}]", numbers.join(",")), Shape::Numbers)
            }
            12 => {
                // More than insertion sort takes.
                let numbers: Vec<String> = (0..13 + self.random.below(60))
                    .map(|_| self.random.below(9).to_string())
                    .collect();
                (format!("sf:[{}]", numbers.join(",")), Shape::Numbers)
            }
            13 => {
                let items: Vec<String> = (0..self.random.below(4)).map(|_| self.object(2)).collect();
                (format!("json:[{}]", items.join(",")), Shape::Items)
            }
            _ => (format!("json:{}", self.object(3)), Shape::Object),
        }
    }

    fn number(&mut self) -> String {
        self.random.pick(NUMBERS).to_owned()
    }

    fn object(&mut self, depth: usize) -> String {
        let mut fields = Vec::new();
        for name in FIELDS {
            if self.random.one_in(3) {
                continue;
            }
            let value = match (*name, self.random.below(12)) {
                (_, 0) => "null".to_owned(),
                (_, 1) => self.json(depth.saturating_sub(1)),
                ("name" | "status", _) => json_text(self.random.pick(TEXTS)),
                ("items", _) if depth > 0 => {
                    let items: Vec<String> = (0..self.random.below(4))
                        .map(|_| self.object(depth - 1))
                        .collect();
                    format!("[{}]", items.join(","))
                }
                ("values", _) => {
                    let numbers: Vec<String> = (0..self.random.below(5)).map(|_| self.number()).collect();
                    format!("[{}]", numbers.join(","))
                }
                ("ok", _) => self.random.pick(&["true", "false"]).to_owned(),
                _ => self.number(),
            };
            fields.push(format!("{}:{value}", json_text(name)));
        }
        format!("{{{}}}", fields.join(","))
    }

    fn json(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 4 } else { 6 }) {
            0 => "null".to_owned(),
            1 => self.random.pick(&["true", "false"]).to_owned(),
            2 => self.number(),
            3 => json_text(self.random.pick(TEXTS)),
            4 => self.object(depth - 1),
            _ => {
                let items: Vec<String> = (0..self.random.below(4)).map(|_| self.json(depth - 1)).collect();
                format!("[{}]", items.join(","))
            }
        }
    }
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("a string is JSON")
}

/// Roughly the words of a condition.
fn words(condition: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = ' ';
    for c in condition.chars() {
        let together = |a: char, b: char| {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            is_word(a) && is_word(b) || "&|=<>*?.".contains(a) && "&|=?.*".contains(b)
        };
        match words.last_mut() {
            Some(word) if together(last, c) => word.push(c),
            _ if c == ' ' => {}
            _ => words.push(c.to_string()),
        }
        last = c;
    }
    words
}

/// Writes one condition.
struct Writer<'r> {
    random: &'r mut Random,
    shape: Shape,
    /// What `#` is, for each predicate around the cursor.
    elements: Vec<Shape>,
    variables: Vec<(String, Want)>,
    /// How many variables were declared so far.
    named: usize,
}

impl Writer<'_> {
    fn expression(&mut self, want: Want, depth: usize) -> String {
        let want = if self.random.one_in(40) {
            WANTS[self.random.below(WANTS.len())]
        } else {
            want
        };
        if self.random.one_in(60) {
            return self.random.pick(ODD).to_owned();
        }
        if depth == 0 {
            return self.leaf(want);
        }
        if self.random.one_in(25) {
            return self.wrapped(want, depth - 1);
        }
        let depth = depth - 1;
        match want {
            Want::Bool => self.bool(depth),
            Want::Number => self.number(depth),
            Want::Integer => self.integer(depth),
            Want::Text => self.text(depth),
            Want::Numbers => self.numbers(depth),
            Want::Texts => self.texts(depth),
            Want::Items => self.items(depth),
            Want::Object => self.object(depth),
            Want::Time => self.time(depth),
            Want::Duration => self.duration(depth),
            Want::Any => {
                let want = WANTS[self.random.below(WANTS.len())];
                self.expression(want, depth)
            }
        }
    }

    /// The same in other clothes.
    fn wrapped(&mut self, want: Want, depth: usize) -> String {
        match self.random.below(8) {
            0 => format!("({})", self.expression(want, depth)),
            1 => {
                let condition = self.expression(Want::Bool, depth);
                let (then, otherwise) = (self.expression(want, depth), self.expression(want, depth));
                format!("({condition} ? {then} : {otherwise})")
            }
            2 => {
                let condition = self.expression(Want::Bool, depth);
                let (then, otherwise) = (self.expression(want, depth), self.expression(want, depth));
                format!("(if {condition} {{ {then} }} else {{ {otherwise} }})")
            }
            3 => {
                let (first, second) = (self.expression(want, depth), self.expression(want, depth));
                format!("({first} ?? {second})")
            }
            4 => {
                let kind = WANTS[self.random.below(WANTS.len())];
                let value = self.expression(kind, depth);
                self.named += 1;
                let name = format!("v{}", self.named);
                self.variables.push((name.clone(), kind));
                let body = self.expression(want, depth);
                self.variables.pop();
                format!("(let {name} = {value}; {body})")
            }
            5 => format!("[{}][0]", self.expression(want, depth)),
            6 => format!("{{k: {}}}.k", self.expression(want, depth)),
            _ => {
                let dropped = self.expression(Want::Any, depth);
                format!("({dropped}; {})", self.expression(want, depth))
            }
        }
    }

    fn leaf(&mut self, want: Want) -> String {
        let variables: Vec<String> = self
            .variables
            .iter()
            .filter(|(_, kind)| *kind == want)
            .map(|(name, _)| name.clone())
            .collect();
        if !variables.is_empty() && self.random.one_in(2) {
            return variables[self.random.below(variables.len())].clone();
        }
        if let Some(path) = self.path(want)
            && !self.random.one_in(3)
        {
            return path;
        }
        match want {
            Want::Bool => self.random.pick(&["true", "false"]).to_owned(),
            Want::Number => self.random.pick(LITERALS).to_owned(),
            Want::Integer => self.random.pick(INTEGERS).to_owned(),
            Want::Text => self.literal_text(),
            Want::Numbers => self
                .random
                .pick(&["[]", "[1, 2, 3]", "1..4", "[0.5, 2]", "[3, 1, 2.0, 1]"])
                .to_owned(),
            Want::Texts => self
                .random
                .pick(&["[]", "[\"a\", \"b\"]", "[\"OK\", \"Alert\"]"])
                .to_owned(),
            Want::Items => self
                .random
                .pick(&["[]", "[{a: 1}, {a: 2}]", "[{name: \"x\", a: 1}]"])
                .to_owned(),
            Want::Object => self
                .random
                .pick(&["{}", "{a: 1}", "{\"a\": 1, b: [1, 2]}", "{name: \"OK\"}"])
                .to_owned(),
            Want::Any => self
                .random
                .pick(&["nil", "result", "$env", "1", "\"a\"", "[]", "{}", "result ?? 1"])
                .to_owned(),
            Want::Time => self.random.pick(TIMES).to_owned(),
            Want::Duration => self.random.pick(DURATIONS).to_owned(),
        }
    }

    fn literal_text(&mut self) -> String {
        let text = self.random.pick(TEXTS);
        match self.random.below(3) {
            0 => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            1 if !text.contains('`') => format!("`{text}`"),
            _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }

    /// Something of the result, or of the element of a predicate.
    fn path(&mut self, want: Want) -> Option<String> {
        let (root, shape) = match self.elements.last() {
            Some(shape) if !self.random.one_in(4) => ("#", *shape),
            _ => ("result", self.shape),
        };
        let shorthand = root == "#" && self.random.one_in(2);
        let field = |name: &str| {
            if shorthand {
                format!(".{name}")
            } else {
                format!("{root}.{name}")
            }
        };
        let dot = if self.random.one_in(6) { "?." } else { "." };
        Some(match (shape, want) {
            (Shape::Number, Want::Number | Want::Any)
            | (Shape::Text, Want::Text | Want::Any)
            | (Shape::Bool, Want::Bool | Want::Any)
            | (Shape::Numbers, Want::Numbers | Want::Any)
            | (Shape::Items, Want::Items | Want::Any)
            | (Shape::Object, Want::Object | Want::Any)
            | (Shape::Nil, _) => root.to_owned(),
            (Shape::Number, Want::Integer) => format!("int({root})"),
            (Shape::Numbers, Want::Number) => format!("{root}[{}]", self.random.pick(&["0", "-1", "1", "2"])),
            (Shape::Items, Want::Object) => format!("{root}[{}]", self.random.pick(&["0", "-1", "1"])),
            (Shape::Items, Want::Number) => format!("{root}[0]{dot}{}", self.random.pick(&["a", "count"])),
            (Shape::Object, Want::Number) => field(self.random.pick(&["a", "count", "b"])),
            (Shape::Object, Want::Text) => field(self.random.pick(&["name", "status"])),
            (Shape::Object, Want::Bool) => field("ok"),
            (Shape::Object, Want::Numbers) => field("values"),
            (Shape::Object, Want::Items) => field("items"),
            _ => return None,
        })
    }

    /// A predicate over elements of a shape.
    fn predicate(&mut self, shape: Shape, want: Want, depth: usize) -> String {
        self.elements.push(shape);
        let body = self.expression(want, depth);
        self.elements.pop();
        match self.random.below(3) {
            0 => format!("{{{body}}}"),
            _ => body,
        }
    }

    /// A list and the shape of its elements.
    fn list(&mut self, depth: usize) -> (String, Shape) {
        match self.random.below(5) {
            0 | 1 => (self.expression(Want::Numbers, depth), Shape::Number),
            2 | 3 => (self.expression(Want::Items, depth), Shape::Object),
            _ => (self.expression(Want::Texts, depth), Shape::Text),
        }
    }

    /// A call, with its first argument before a pipe now and then.
    fn call(&mut self, name: &str, arguments: &[String]) -> String {
        match arguments {
            [first, rest @ ..] if self.random.one_in(8) => format!("({first} | {name}({}))", rest.join(", ")),
            _ => format!("{name}({})", arguments.join(", ")),
        }
    }

    fn bool(&mut self, depth: usize) -> String {
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

    fn number(&mut self, depth: usize) -> String {
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

    fn integer(&mut self, depth: usize) -> String {
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

    fn text(&mut self, depth: usize) -> String {
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

    fn numbers(&mut self, depth: usize) -> String {
        match self.random.below(14) {
            0 => {
                let items: Vec<String> = (0..self.random.below(5))
                    .map(|_| self.expression(Want::Number, depth))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            1 => format!("({})..({})", self.random.pick(SMALL), self.random.pick(SMALL)),
            2 => {
                let (list, shape) = self.list(depth);
                let predicate = self.predicate(shape, Want::Number, depth);
                self.call("map", &[list, predicate])
            }
            3 => {
                let list = self.expression(Want::Numbers, depth);
                let predicate = self.predicate(Shape::Number, Want::Bool, depth);
                self.call("filter", &[list, predicate])
            }
            4 => {
                let name = self
                    .random
                    .pick(&["sort", "reverse", "uniq", "flatten", "concat"]);
                let list = self.expression(Want::Numbers, depth);
                self.call(name, &[list])
            }
            5 => {
                let arguments = [
                    self.expression(Want::Numbers, depth),
                    self.random.pick(&["\"asc\"", "\"desc\"", "'x'"]).to_owned(),
                ];
                self.call("sort", &arguments)
            }
            6 => {
                let (from, to) = (self.random.pick(INDEXES), self.random.pick(INDEXES));
                format!("({})[{from}:{to}]", self.expression(Want::Numbers, depth))
            }
            7 => {
                let count = self.random.pick(&["0", "1", "2", "9", "-1"]).to_owned();
                let arguments = [self.expression(Want::Numbers, depth), count];
                self.call("take", &arguments)
            }
            8 => {
                let arguments = [
                    self.expression(Want::Numbers, depth),
                    self.expression(Want::Numbers, depth),
                ];
                self.call("concat", &arguments)
            }
            9 => {
                let list = self.expression(Want::Numbers, depth);
                let predicate = self.predicate(Shape::Number, Want::Number, depth);
                let mut arguments = vec![list, predicate];
                if self.random.one_in(2) {
                    arguments.push(self.random.pick(&["\"asc\"", "\"desc\""]).to_owned());
                }
                self.call("sortBy", &arguments)
            }
            10 => {
                let list = self.expression(Want::Numbers, depth);
                format!("map({list}, #index)")
            }
            11 => format!(
                "flatten([{}, {}])",
                self.expression(Want::Numbers, depth),
                self.expression(Want::Numbers, depth)
            ),
            12 => {
                let other = self.expression(Want::Numbers, depth);
                format!("default(result, {other})")
            }
            _ => self.leaf(Want::Numbers),
        }
    }

    fn texts(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0 | 1 => {
                let name = self.random.pick(&["split", "splitAfter"]);
                let mut arguments = vec![
                    self.expression(Want::Text, depth),
                    self.expression(Want::Text, depth),
                ];
                if self.random.one_in(4) {
                    arguments.push(self.random.pick(&["0", "1", "2", "-1"]).to_owned());
                }
                self.call(name, &arguments)
            }
            2 => {
                let items: Vec<String> = (0..self.random.below(4))
                    .map(|_| self.expression(Want::Text, depth))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            3 => {
                let (list, shape) = self.list(depth);
                let predicate = self.predicate(shape, Want::Text, depth);
                self.call("map", &[list, predicate])
            }
            // The order of more keys than one is random in Go.
            4 => {
                let object = self.expression(Want::Object, depth);
                format!("sort(keys({object}))")
            }
            _ => self.leaf(Want::Texts),
        }
    }

    fn items(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => {
                let items: Vec<String> = (0..self.random.below(4))
                    .map(|_| self.expression(Want::Object, depth))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            1 => {
                let list = self.expression(Want::Items, depth);
                let predicate = self.predicate(Shape::Object, Want::Bool, depth);
                self.call("filter", &[list, predicate])
            }
            2 => {
                let list = self.expression(Want::Items, depth);
                let predicate = self.predicate(Shape::Object, Want::Number, depth);
                self.call("sortBy", &[list, predicate])
            }
            3 => {
                let list = self.expression(Want::Numbers, depth);
                let value = self.predicate(Shape::Number, Want::Number, depth);
                format!("map({list}, {{{{a: {}}}}})", value.trim_matches(['{', '}']))
            }
            4 => {
                let list = self.expression(Want::Items, depth);
                self.call("reverse", &[list])
            }
            _ => self.leaf(Want::Items),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        match self.random.below(9) {
            0 => {
                let fields: Vec<String> = (0..self.random.below(3))
                    .map(|_| {
                        let name = self.random.pick(&["a", "b", "\"x y\"", "1", "(\"c\")", "name"]);
                        format!("{name}: {}", self.expression(Want::Any, depth))
                    })
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            1 | 2 => {
                let name = self.random.pick(&["find", "findLast"]);
                let list = self.expression(Want::Items, depth);
                let predicate = self.predicate(Shape::Object, Want::Bool, depth);
                self.call(name, &[list, predicate])
            }
            3 => {
                let name = self.random.pick(&["first", "last"]);
                let list = self.expression(Want::Items, depth);
                self.call(name, &[list])
            }
            4 => {
                let (list, shape) = self.list(depth);
                let kind = [Want::Text, Want::Number, Want::Bool][self.random.below(3)];
                let predicate = self.predicate(shape, kind, depth);
                self.call("groupBy", &[list, predicate])
            }
            5 => {
                let object = self.expression(Want::Object, depth);
                format!("fromPairs(toPairs({object}))")
            }
            6 => {
                let argument = self.random.pick(&[
                    "'{\"a\": 1}'",
                    "'[1, {\"a\": null}]'",
                    "'nope'",
                    "toJSON(result)",
                    "'\"x\"'",
                ]);
                format!("fromJSON({argument})")
            }
            7 => {
                let object = self.expression(Want::Object, depth);
                let key = self.random.pick(&["\"a\"", "\"items\"", "0", "\"zz\""]);
                format!("get({object}, {key})")
            }
            _ => self.leaf(Want::Object),
        }
    }

    fn time(&mut self, depth: usize) -> String {
        match self.random.below(9) {
            0 => format!(
                "({}) {} ({})",
                self.expression(Want::Time, depth),
                self.random.pick(&["+", "-"]),
                self.expression(Want::Duration, depth)
            ),
            1 => format!(
                "({}).Add({})",
                self.expression(Want::Time, depth),
                self.expression(Want::Duration, depth)
            ),
            2 => {
                let [years, months, days] = [0, 1, 2].map(|_| self.random.pick(SMALL));
                format!(
                    "({}).AddDate({years}, {months}, {days})",
                    self.expression(Want::Time, depth)
                )
            }
            3 => {
                let method = self.random.pick(&["Truncate", "Round"]);
                format!(
                    "({}).{method}({})",
                    self.expression(Want::Time, depth),
                    self.expression(Want::Duration, depth)
                )
            }
            4 => format!(
                "({}).In(timezone({}))",
                self.expression(Want::Time, depth),
                self.random.pick(ZONES)
            ),
            5 => format!("date({}, {})", self.random.pick(DATES), self.random.pick(LAYOUTS)),
            6 => format!(
                "date({}, {}, {})",
                self.random.pick(DATES),
                self.random.pick(LAYOUTS),
                self.random.pick(ZONES)
            ),
            7 => format!(
                "date(timezone({}), {})",
                self.random.pick(ZONES),
                self.random.pick(DATES)
            ),
            _ => format!("date({})", self.random.pick(DATES)),
        }
    }

    fn duration(&mut self, depth: usize) -> String {
        match self.random.below(7) {
            0 => format!(
                "({}) {} ({})",
                self.expression(Want::Duration, depth),
                self.random.pick(&["+", "-", "*"]),
                self.expression(Want::Duration, depth)
            ),
            1 => format!(
                "({}) - ({})",
                self.expression(Want::Time, depth),
                self.expression(Want::Time, depth)
            ),
            2 => format!(
                "({}) * ({})",
                self.expression(Want::Integer, depth),
                self.expression(Want::Duration, depth)
            ),
            3 => format!(
                "({}).{}()",
                self.expression(Want::Duration, depth),
                self.random.pick(&["Abs", "Hours", "Seconds"])
            ),
            4 => {
                let method = self.random.pick(&["Truncate", "Round"]);
                format!(
                    "({}).{method}({})",
                    self.expression(Want::Duration, depth),
                    self.expression(Want::Duration, depth)
                )
            }
            5 => format!("duration({})", self.expression(Want::Text, depth)),
            _ => self.leaf(Want::Duration),
        }
    }
}
