//! Runs a program (`vm/vm.go` of expr), under budgets.

pub(crate) mod access;
mod arithmetic;
mod call;
pub(crate) mod compare;
mod meter;
mod scope;
mod texts;

pub(crate) use self::meter::Meter;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::scope::{Loop, Scope};
use crate::builtins::{not_of_type, to_int};
use crate::env::{self, Function};
use crate::error::{Failure, Fault};
use crate::go::regexp::Pattern;
use crate::go::strings;
use crate::program::{Op, Program};
use crate::value::{Datum, List, Map, Text};

/// # Errors
/// What failed and where, and exceeded budgets.
pub(crate) fn run(program: &Program, result: &Datum, meter: &mut Meter<'_>) -> Result<Datum, Failure> {
    let mut machine = Machine {
        program,
        result,
        meter,
        at: 0,
        stack: Vec::with_capacity(8),
        variables: vec![Datum::Nil; program.variables],
        scopes: Vec::new(),
        env: None,
        last_pattern: None,
    };
    let outcome = machine.run();
    let at = machine.at;
    outcome.map_err(|fault| Failure {
        at: program.places.get(at.wrapping_sub(1)).copied(),
        fault,
    })
}

struct Machine<'p, 'm, 'l> {
    program: &'p Program,
    result: &'p Datum,
    meter: &'m mut Meter<'l>,
    /// The instruction after the one being run.
    at: usize,
    stack: Vec<Datum>,
    variables: Vec<Datum>,
    scopes: Vec<Scope>,
    /// `$env`, once it was asked for: it is one map throughout a run.
    env: Option<Arc<Map>>,
    /// The last pattern that was not a literal.
    last_pattern: Option<(Text, Pattern)>,
}

/// What a group takes besides its elements, in elements.
const NEW_GROUP: usize = 32;

type Outcome<T = ()> = Result<T, Box<Fault>>;

impl Machine<'_, '_, '_> {
    fn run(&mut self) -> Outcome<Datum> {
        while let Some(op) = self.program.code.get(self.at) {
            self.meter.step()?;
            self.at += 1;
            self.execute(*op)?;
        }
        self.pop()
    }

    pub(super) fn push(&mut self, datum: Datum) {
        self.stack.push(datum);
    }

    fn charge_for_call(&mut self, arguments: &[Datum]) -> Outcome {
        /// Most functions that are values are methods of times: calendars take a while.
        const CALL: usize = 10;

        self.meter.steps(CALL)?;
        arguments
            .iter()
            .try_for_each(|argument| self.meter.look(argument))
    }

    /// What a function gave, which may be a string of some length.
    fn push_new(&mut self, datum: Datum) -> Outcome {
        if let Datum::Text(text) = &datum {
            self.meter.allocate(text.len())?;
        }
        self.push(datum);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Outcome<Datum> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn top(&self) -> Outcome<&Datum> {
        self.stack.last().ok_or_else(underflow)
    }

    /// The operands of a binary operator, left first.
    pub(super) fn pop_two(&mut self) -> Outcome<(Datum, Datum)> {
        let right = self.pop()?;
        Ok((self.pop()?, right))
    }

    fn top_bool(&self) -> Outcome<bool> {
        bool_of(self.top()?)
    }

    fn jump(&mut self, target: u32) {
        self.at = target as usize;
    }

    fn constant(&self, index: u32) -> &Datum {
        &self.program.constants[index as usize]
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes
            .last_mut()
            .expect("the compiler emits Begin before what needs a loop")
    }

    fn compare(&mut self, holds: fn(&Datum, &Datum) -> Outcome<bool>) -> Outcome {
        let (left, right) = self.pop_two()?;
        self.meter.look(&left)?;
        let holds = holds(&left, &right)?;
        self.push(Datum::Bool(holds));
        Ok(())
    }

    fn calculate(&mut self, operate: fn(&Datum, &Datum) -> Outcome<Datum>) -> Outcome {
        let (left, right) = self.pop_two()?;
        let value = operate(&left, &right)?;
        self.push(value);
        Ok(())
    }

    fn execute(&mut self, op: Op) -> Outcome {
        match op {
            Op::Push(constant) => self.push(self.constant(constant).clone()),
            Op::Int(n) => self.push(Datum::Int(n)),
            Op::Bool(b) => self.push(Datum::Bool(b)),
            Op::Nil => self.push(Datum::Nil),
            Op::Pop => drop(self.pop()?),
            Op::Store(variable) => self.variables[variable as usize] = self.pop()?,
            Op::LoadVariable(variable) => self.push(self.variables[variable as usize].clone()),
            Op::LoadResult => self.push(self.result.clone()),
            Op::LoadFunction(function) => self.push(Datum::Function(Arc::new(Function::Env(function)))),
            Op::LoadEnv => {
                let env = self.env();
                self.push(Datum::Map(env));
            }
            Op::Fetch => {
                let (from, key) = self.pop_two()?;
                self.meter.look(&key)?;
                self.push(access::fetch(&from, &key)?);
            }
            Op::FetchConstant(constant) => {
                let from = self.pop()?;
                self.meter.look(&self.program.constants[constant as usize])?;
                let value = access::fetch(&from, self.constant(constant))?;
                self.push(value);
            }
            Op::Method(method) => {
                let receiver = self.pop()?;
                self.push(call::bind(method, receiver)?);
            }
            Op::Negate => {
                let value = self.pop()?;
                self.push(arithmetic::negate(&value)?);
            }
            Op::Not => {
                let value = bool_of(&self.pop()?)?;
                self.push(Datum::Bool(!value));
            }
            Op::Equal => {
                let (left, right) = self.pop_two()?;
                let equal = compare::equal(&left, &right, self.meter)?;
                self.push(Datum::Bool(equal));
            }
            Op::EqualInt => match self.pop_two()? {
                (Datum::Int(left), Datum::Int(right)) => self.push(Datum::Bool(left == right)),
                (Datum::Int(_), other) | (other, _) => return Err(not_of_type(&other, "int")),
            },
            Op::EqualText => match self.pop_two()? {
                (Datum::Text(left), Datum::Text(right)) => {
                    self.meter.read(left.len())?;
                    self.push(Datum::Bool(left == right));
                }
                (Datum::Text(_), other) | (other, _) => return Err(not_of_type(&other, "string")),
            },
            Op::Jump(target) => self.jump(target),
            Op::JumpIfTrue(target) => {
                if self.top_bool()? {
                    self.jump(target);
                }
            }
            Op::JumpIfFalse(target) => {
                if !self.top_bool()? {
                    self.jump(target);
                }
            }
            Op::JumpIfNil(target) => {
                if self.top()?.is_nil() {
                    self.jump(target);
                }
            }
            Op::JumpIfNotNil(target) => {
                if !self.top()?.is_nil() {
                    self.jump(target);
                }
            }
            Op::JumpIfEnd(target) => {
                if self.scope().is_at_end() {
                    self.jump(target);
                }
            }
            Op::In => {
                let (needle, list) = self.pop_two()?;
                self.meter.look(&needle)?;
                let found = access::contains(&list, &needle, self.meter)?;
                self.push(Datum::Bool(found));
            }
            Op::Less => self.compare(compare::less)?,
            Op::More => self.compare(compare::more)?,
            Op::LessOrEqual => self.compare(compare::less_or_equal)?,
            Op::MoreOrEqual => self.compare(compare::more_or_equal)?,
            Op::Add => {
                let (left, right) = self.pop_two()?;
                let sum = arithmetic::add(&left, &right, self.meter)?;
                self.push(sum);
            }
            Op::Subtract => self.calculate(arithmetic::subtract)?,
            Op::Multiply => self.calculate(arithmetic::multiply)?,
            Op::Divide => self.calculate(arithmetic::divide)?,
            Op::Modulo => self.calculate(arithmetic::modulo)?,
            Op::Power => self.calculate(arithmetic::power)?,
            Op::Range => self.range()?,
            Op::Matches => self.matches()?,
            Op::MatchesConstant(index) => {
                let text = self.pop()?;
                let program = self.program;
                let matched = self.is_match(&program.patterns[index as usize], &text)?;
                self.push(Datum::Bool(matched));
            }
            Op::Contains => self.texts(|text, part| strings::index(text, part).is_some())?,
            Op::StartsWith => self.texts(<[u8]>::starts_with)?,
            Op::EndsWith => self.texts(<[u8]>::ends_with)?,
            Op::Slice => {
                let (to, from) = self.pop_two()?;
                let value = self.pop()?;
                let slice = access::slice(&value, &from, &to, self.meter)?;
                self.push(slice);
            }
            Op::Len => {
                let len = access::len(self.top()?)?;
                self.push(len);
            }
            Op::Call(count) => {
                let function = self.pop()?;
                let arguments = self.pop_many(count as usize)?;
                self.charge_for_call(&arguments)?;
                let value = call::call(&function, arguments, self.result)?;
                self.push_new(value)?;
            }
            Op::CallTyped(signature) => {
                let function = self.pop()?;
                let arguments = self.pop_many(signature.params.len())?;
                self.charge_for_call(&arguments)?;
                let value = call::call_typed(&function, signature, &arguments, self.result)?;
                self.push_new(value)?;
            }
            Op::CallDetached(signature) => {
                let function = self.pop()?;
                self.pop_many(signature.params.len() + 1)?;
                return Err(not_of_type(&function, &signature.to_string()));
            }
            Op::CallBuiltin(builtin, count) => {
                let from = self
                    .stack
                    .len()
                    .checked_sub(count as usize)
                    .ok_or_else(underflow)?;
                self.stack[from..]
                    .iter()
                    .try_for_each(|argument| self.meter.look(argument))?;
                let value = builtin.call(&self.stack[from..], self.meter)?;
                self.stack.truncate(from);
                self.push(value);
            }
            Op::Array => {
                let count = self.pop_count()?;
                self.meter.grow(count)?;
                self.meter.collect(count)?;
                let items = self.pop_many(count)?;
                let list = self.meter.list(List::any(items))?;
                self.push(list);
            }
            Op::Map => self.map()?,
            Op::Deref => {
                // Everything else is its own value.
                if let Some(Datum::Zone(zone)) = self.stack.last() {
                    let zone = zone.clone();
                    self.pop()?;
                    self.push(Datum::ZoneStruct(zone));
                }
            }
            Op::Begin => {
                let over = self.pop()?;
                self.scopes.push(Scope::over(over)?);
            }
            Op::End => drop(self.scopes.pop()),
            Op::Pointer => {
                let element = self.scope().element()?;
                self.push(element);
            }
            Op::NextIndex => self.scope().index += 1,
            Op::PreviousIndex => self.scope().index -= 1,
            Op::GetIndex => {
                let index = self.scope().index;
                self.push(Datum::Int(index));
            }
            Op::SetIndex => {
                let index = to_int(&self.pop()?)?;
                self.scope().index = index;
            }
            Op::NextCount => self.scope().count += 1,
            Op::GetCount => {
                let count = self.scope().count;
                self.push(Datum::Int(count));
            }
            Op::GetLen => {
                let len = self.scope().len();
                self.push(Datum::Int(len));
            }
            Op::GetAcc => {
                let accumulated = self.scope().accumulated()?;
                self.push(accumulated);
            }
            Op::SetAcc => {
                let value = self.pop()?;
                self.scope().accumulating = Loop::Value(value);
            }
            Op::Throw => return Err(Fault::run("reflect: slice index out of range")),
            Op::BeginGroups => self.scope().accumulating = Loop::groups(),
            Op::Group => {
                let key = self.pop()?;
                self.meter.look(&key)?;
                self.meter.collect(2)?;
                if self.scope().group(key)? {
                    self.meter.collect(NEW_GROUP)?;
                }
            }
            Op::Groups => {
                let groups = self.scope().take_groups();
                let groups = crate::builtins::grouped(groups, self.meter)?;
                self.push(groups);
            }
            Op::BeginSort => {
                let order = self.pop()?;
                self.scope().begin_sort(&order)?;
            }
            Op::SortValue => {
                let value = self.pop()?;
                self.meter.collect(2)?;
                self.scope().sort_value(value)?;
            }
            Op::Sort => {
                let (items, values, descending) = self.scope().take_sort();
                let len = items.len();
                let items = crate::builtins::sort_by(items, values, descending, self.meter)?;
                self.meter.grow(len)?;
                let list = self.meter.list(List::any(items))?;
                self.push(list);
            }
        }
        Ok(())
    }

    fn pop_many(&mut self, count: usize) -> Outcome<Vec<Datum>> {
        let from = self.stack.len().checked_sub(count).ok_or_else(underflow)?;
        Ok(self.stack.split_off(from))
    }

    /// How many elements lie below.
    fn pop_count(&mut self) -> Outcome<usize> {
        match self.pop()? {
            // The compiler emits the number, or the loop counted it.
            Datum::Int(count) => Ok(usize::try_from(count).unwrap_or(0)),
            other => Err(not_of_type(&other, "int")),
        }
    }

    fn env(&mut self) -> Arc<Map> {
        let result = self.result;
        let entries = || {
            env::NAMES.iter().map(|(name, function)| {
                let value = match function {
                    Some(function) => Datum::Function(Arc::new(Function::Env(*function))),
                    None => result.clone(),
                };
                (Text::from(*name), value)
            })
        };
        Arc::clone(
            self.env
                .get_or_insert_with(|| Arc::new(Map::texts(entries().collect()))),
        )
    }

    fn range(&mut self) -> Outcome {
        let (from, to) = self.pop_two()?;
        let (from, to) = (to_int(&from)?, to_int(&to)?);
        // The difference wraps around as it does in Go, where the range is empty then.
        let size = usize::try_from(to.wrapping_sub(from).wrapping_add(1)).unwrap_or(0);
        self.meter.grow(size)?;
        self.push(Datum::list(List::range(from, size)));
        Ok(())
    }

    fn map(&mut self) -> Outcome {
        let count = self.pop_count()?;
        self.meter.grow(count)?;
        self.meter.collect(count.saturating_mul(4))?;
        let items = self.pop_many(count.saturating_mul(2))?;
        let mut entries = BTreeMap::new();
        let mut items = items.into_iter();
        // From the last pair to the first, so that the first of equal keys wins.
        while let (Some(value), Some(key)) = (items.next_back(), items.next_back()) {
            match key {
                Datum::Text(key) => entries.insert(key, value),
                other => return Err(not_of_type(&other, "string")),
            };
        }
        let map = self.meter.map(Map::texts(entries))?;
        self.push(map);
        Ok(())
    }
}

fn bool_of(datum: &Datum) -> Outcome<bool> {
    match datum {
        Datum::Bool(b) => Ok(*b),
        other => Err(not_of_type(other, "bool")),
    }
}

fn underflow() -> Box<Fault> {
    Fault::run("stack underflow")
}
