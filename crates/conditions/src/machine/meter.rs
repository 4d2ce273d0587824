//! What an evaluation has used of its budgets.

use std::time::SystemTime;

use crate::error::Fault;
use crate::limits::Limits;
use crate::value::{Datum, List, Map, Text};

/// Counts steps, elements and bytes, and makes the values that cost them.
pub(crate) struct Meter<'l> {
    limits: &'l Limits,
    steps_left: u64,
    elements: usize,
    bytes: usize,
    /// The clock, for `now()`.
    pub(crate) now: fn() -> SystemTime,
}

/// What an element of a list takes, in bytes.
const ELEMENT: usize = size_of::<Datum>();

impl<'l> Meter<'l> {
    pub(crate) fn new(limits: &'l Limits, now: fn() -> SystemTime) -> Self {
        Self {
            limits,
            steps_left: limits.steps,
            elements: 0,
            bytes: 0,
            now,
        }
    }

    pub(crate) fn step(&mut self) -> Result<(), Box<Fault>> {
        self.steps(1)
    }

    pub(crate) fn steps(&mut self, steps: usize) -> Result<(), Box<Fault>> {
        match self.steps_left.checked_sub(steps as u64) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(self.out_of_steps()),
        }
    }

    #[cold]
    fn out_of_steps(&self) -> Box<Fault> {
        Fault::limit(format!("step budget exceeded ({} steps)", self.limits.steps))
    }

    /// Reading so many bytes.
    pub(crate) fn read(&mut self, bytes: usize) -> Result<(), Box<Fault>> {
        self.steps(bytes / 8)
    }

    /// Looking at a value that may be a long string; a list or map costs by element, elsewhere.
    pub(crate) fn look(&mut self, datum: &Datum) -> Result<(), Box<Fault>> {
        match datum {
            Datum::Text(text) => self.read(text.len()),
            _ => Ok(()),
        }
    }

    /// Elements that Go counts (`memGrow` in `vm/vm.go` of expr). The budget itself is already too much.
    pub(crate) fn grow(&mut self, elements: usize) -> Result<(), Box<Fault>> {
        self.elements = self.elements.saturating_add(elements);
        if self.elements >= self.limits.elements {
            return Err(Fault::limit("memory budget exceeded"));
        }
        Ok(())
    }

    /// Bytes to be allocated.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(), Box<Fault>> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(Fault::limit(format!(
                "memory budget exceeded ({} bytes)",
                self.limits.bytes
            )));
        }
        Ok(())
    }

    /// How much may still be allocated.
    pub(crate) fn bytes_left(&self) -> usize {
        self.limits.bytes - self.bytes.min(self.limits.bytes)
    }

    /// Elements about to be collected.
    pub(crate) fn collect(&mut self, elements: usize) -> Result<(), Box<Fault>> {
        self.steps(elements)?;
        self.allocate(elements.saturating_mul(ELEMENT))
    }

    pub(crate) fn text(&mut self, bytes: Vec<u8>) -> Result<Datum, Box<Fault>> {
        self.read(bytes.len())?;
        self.allocate(bytes.len())?;
        Ok(Datum::Text(Text::new(bytes)))
    }

    /// A list whose elements were counted by [`Meter::collect`].
    pub(crate) fn list(&mut self, list: List) -> Result<Datum, Box<Fault>> {
        self.check_depth(list.depth())?;
        Ok(Datum::list(list))
    }

    /// A map whose entries were counted by [`Meter::collect`].
    pub(crate) fn map(&mut self, map: Map) -> Result<Datum, Box<Fault>> {
        self.check_depth(map.depth())?;
        Ok(Datum::map(map))
    }

    pub(crate) fn check_depth(&self, depth: u32) -> Result<(), Box<Fault>> {
        if depth > self.limits.value_depth {
            let most = self.limits.value_depth;
            return Err(Fault::limit(format!(
                "lists and maps are nested more than {most} levels deep"
            )));
        }
        Ok(())
    }

    pub(crate) fn max_value_depth(&self) -> u32 {
        self.limits.value_depth
    }
}
