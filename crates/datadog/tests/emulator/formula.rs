//! Arithmetic of formulas: names, numbers, `+ - * / ( )`. Functions have the value of their first argument.

use std::collections::HashMap;

pub(super) fn evaluate(formula: &str, values: &HashMap<String, Option<f64>>) -> Result<Option<f64>, String> {
    let tokens = tokens(formula);
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        values,
    };
    let value = parser.sum()?;
    match parser.tokens.get(parser.at) {
        None => Ok(value),
        Some(token) => Err(format!("Error parsing formula: unexpected {token}")),
    }
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
    values: &'a HashMap<String, Option<f64>>,
}

impl Parser<'_> {
    fn sum(&mut self) -> Result<Option<f64>, String> {
        let mut left = self.product()?;
        while let Some(operator @ ("+" | "-")) = self.peek() {
            let plus = operator == "+";
            self.at += 1;
            let right = self.product()?;
            left = left.zip(right).map(|(a, b)| if plus { a + b } else { a - b });
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Option<f64>, String> {
        let mut left = self.atom()?;
        while let Some(operator @ ("*" | "/")) = self.peek() {
            let times = operator == "*";
            self.at += 1;
            let right = self.atom()?;
            // Datadog has no value where it would divide by zero.
            left = left.zip(right).and_then(|(a, b)| {
                if times {
                    Some(a * b)
                } else {
                    (b != 0.0).then(|| a / b)
                }
            });
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Option<f64>, String> {
        let Some(token) = self.peek().map(str::to_owned) else {
            return Err("Error parsing formula: it ends early".to_owned());
        };
        self.at += 1;
        match token.as_str() {
            "-" => Ok(self.atom()?.map(|value| -value)),
            "(" => {
                let value = self.sum()?;
                self.at += 1;
                Ok(value)
            }
            number if number.starts_with(|c: char| c.is_ascii_digit() || c == '.') => number
                .parse()
                .map(Some)
                .map_err(|_| format!("Error parsing formula: {number}")),
            name if self.peek() == Some("(") => {
                let _ = name;
                self.at += 1;
                let value = self.sum()?;
                let mut depth = 1;
                while depth > 0 {
                    match self.peek() {
                        Some("(") => depth += 1,
                        Some(")") => depth -= 1,
                        Some(_) => {}
                        None => return Err("Error parsing formula: it ends early".to_owned()),
                    }
                    self.at += 1;
                }
                Ok(value)
            }
            name => self
                .values
                .get(name)
                .copied()
                .ok_or_else(|| format!("Error parsing formula: unknown query {name}")),
        }
    }

    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }
}

fn tokens(formula: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in formula.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '\'' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() && c != ',' {
            tokens.push(c.to_string());
        } else if c == ',' {
            tokens.push(",".to_owned());
        }
    }
    tokens
}
