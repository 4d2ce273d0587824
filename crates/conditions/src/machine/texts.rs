//! Operators on strings.

use super::{Machine, Outcome};
use crate::builtins::not_of_type;
use crate::go::regexp::Pattern;
use crate::go::utf8;
use crate::value::{Datum, ListKind};

impl Machine<'_, '_, '_> {
    /// An operator on two strings that is false where one of both is nil.
    pub(super) fn texts(&mut self, holds: fn(&[u8], &[u8]) -> bool) -> Outcome {
        let (left, right) = self.pop_two()?;
        let holds = match (&left, &right) {
            _ if left.is_nil() || right.is_nil() => false,
            (Datum::Text(left), Datum::Text(right)) => {
                self.meter.read(left.len().saturating_add(right.len()))?;
                holds(left.as_bytes(), right.as_bytes())
            }
            (Datum::Text(_), other) | (other, _) => return Err(not_of_type(other, "string")),
        };
        self.push(Datum::Bool(holds));
        Ok(())
    }

    pub(super) fn matches(&mut self) -> Outcome {
        /// What it takes to compile a pattern, in steps.
        const COMPILE: usize = 5_000;
        /// And for each of its states.
        const STATE: usize = 40;

        let (text, pattern) = self.pop_two()?;
        if text.is_nil() || pattern.is_nil() {
            self.push(Datum::Bool(false));
            return Ok(());
        }
        let Datum::Text(pattern) = pattern else {
            return Err(not_of_type(&pattern, "string"));
        };
        let regex = match self.last_pattern.take() {
            Some((last, regex)) if last == pattern => regex,
            _ => {
                self.meter.steps(COMPILE)?;
                let regex = crate::types::compile(&pattern)?;
                self.meter.steps(STATE * regex.weight)?;
                regex
            }
        };
        let matched = self.is_match(&regex, &text)?;
        self.last_pattern = Some((pattern, regex));
        self.push(Datum::Bool(matched));
        Ok(())
    }

    pub(super) fn is_match(&mut self, pattern: &Pattern, text: &Datum) -> Outcome<bool> {
        let bytes = match text {
            nil if nil.is_nil() => return Ok(false),
            Datum::Text(text) => text.as_bytes().into(),
            Datum::List(list) if list.kind() == ListKind::Uint8 => {
                let bytes: Vec<u8> = list
                    .iter()
                    .filter_map(|item| item.as_int())
                    .map(|n| n as u8)
                    .collect();
                std::borrow::Cow::Owned(bytes)
            }
            other => return Err(not_of_type(other, "[]uint8")),
        };
        self.meter
            .steps(bytes.len().saturating_mul(1 + pattern.weight / 8))?;
        // Go matches what is not UTF-8 as U+FFFD.
        Ok(pattern.regex.is_match(utf8::lossy(&bytes).as_bytes()))
    }
}
