//! Random results and random conditions about them.
//!
//! Most conditions have the types that fit, so that they get past the checker; every now and then any other expression
//! stands where one type is wanted. Others are what is left of a known condition after words or characters of it were
//! lost, doubled, swapped or replaced.

mod composites;
mod scalars;
mod writer;

use self::writer::Writer;
use crate::random::Random;
use crate::vocabulary::{FIELDS, NUMBERS, TEXTS, WORDS};

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
