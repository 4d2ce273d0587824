//! The course of one condition: which form stands where one type is wanted.

use super::{Shape, WANTS, Want};
use crate::random::Random;
use crate::vocabulary::{DURATIONS, INTEGERS, LITERALS, ODD, TEXTS, TIMES};

/// Writes one condition.
pub(super) struct Writer<'r> {
    pub(super) random: &'r mut Random,
    pub(super) shape: Shape,
    /// What `#` is, for each predicate around the cursor.
    pub(super) elements: Vec<Shape>,
    pub(super) variables: Vec<(String, Want)>,
    /// How many variables were declared so far.
    pub(super) named: usize,
}

impl Writer<'_> {
    pub(super) fn expression(&mut self, want: Want, depth: usize) -> String {
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
    pub(super) fn wrapped(&mut self, want: Want, depth: usize) -> String {
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

    pub(super) fn leaf(&mut self, want: Want) -> String {
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

    pub(super) fn literal_text(&mut self) -> String {
        let text = self.random.pick(TEXTS);
        match self.random.below(3) {
            0 => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            1 if !text.contains('`') => format!("`{text}`"),
            _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }

    /// Something of the result, or of the element of a predicate.
    pub(super) fn path(&mut self, want: Want) -> Option<String> {
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
    pub(super) fn predicate(&mut self, shape: Shape, want: Want, depth: usize) -> String {
        self.elements.push(shape);
        let body = self.expression(want, depth);
        self.elements.pop();
        match self.random.below(3) {
            0 => format!("{{{body}}}"),
            _ => body,
        }
    }

    /// A list and the shape of its elements.
    pub(super) fn list(&mut self, depth: usize) -> (String, Shape) {
        match self.random.below(5) {
            0 | 1 => (self.expression(Want::Numbers, depth), Shape::Number),
            2 | 3 => (self.expression(Want::Items, depth), Shape::Object),
            _ => (self.expression(Want::Texts, depth), Shape::Text),
        }
    }

    /// A call, with its first argument before a pipe now and then.
    pub(super) fn call(&mut self, name: &str, arguments: &[String]) -> String {
        match arguments {
            [first, rest @ ..] if self.random.one_in(8) => format!("({first} | {name}({}))", rest.join(", ")),
            _ => format!("{name}({})", arguments.join(", ")),
        }
    }
}
