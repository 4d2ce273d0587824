//! Lists, objects, times and durations.

use super::writer::Writer;
use super::{Shape, Want};
use crate::vocabulary::{DATES, INDEXES, LAYOUTS, SMALL, ZONES};

impl Writer<'_> {
    pub(super) fn numbers(&mut self, depth: usize) -> String {
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

    pub(super) fn texts(&mut self, depth: usize) -> String {
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

    pub(super) fn items(&mut self, depth: usize) -> String {
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

    pub(super) fn object(&mut self, depth: usize) -> String {
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

    pub(super) fn time(&mut self, depth: usize) -> String {
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

    pub(super) fn duration(&mut self, depth: usize) -> String {
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
