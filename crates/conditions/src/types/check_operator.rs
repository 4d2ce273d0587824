//! The types of operations.

use super::check::{Checked, Checker, compile};
use super::nature::{Class, Nature};
use super::{Kind, Type};
use crate::error::{Failure, Fault};
use crate::go::regexp::{self, Pattern};
use crate::syntax::{NodeId, Operator, UnaryOperator};

impl Checker<'_> {
    pub(super) fn unary(&mut self, id: NodeId, operator: UnaryOperator, node: NodeId) -> Checked {
        let nature = self.visit(node)?.deref();
        match operator {
            UnaryOperator::Not | UnaryOperator::NotWord if nature.is(Class::Bool) || nature.is_unknown() => {
                Ok(Nature::of(Type::Bool))
            }
            UnaryOperator::Minus | UnaryOperator::Plus if nature.is(Class::Number) => Ok(nature),
            UnaryOperator::Minus | UnaryOperator::Plus if nature.is_unknown() => Ok(Nature::unknown()),
            _ => {
                let message = format!(
                    "invalid operation: {operator} (mismatched type {})",
                    nature.shown()
                );
                Err(self.error(id, message))
            }
        }
    }

    pub(super) fn binary(&mut self, id: NodeId, operator: Operator, left: NodeId, right: NodeId) -> Checked {
        let l = self.visit(left)?.deref();
        let r = self.visit(right)?.deref();
        let both = |class| l.is(class) && r.is(class);
        let fit = |classes: &[Class]| l.may_fit(&r, classes);
        let bool = || Ok(Nature::of(Type::Bool));
        match operator {
            Operator::Equal | Operator::NotEqual if l.is_comparable_to(&r) => return bool(),
            Operator::OrWord | Operator::Or | Operator::AndWord | Operator::And
                if both(Class::Bool) || fit(&[Class::Bool]) =>
            {
                return bool();
            }
            Operator::Less | Operator::Greater | Operator::GreaterOrEqual | Operator::LessOrEqual => {
                let classes = [Class::Number, Class::Text, Class::Time, Class::Duration];
                if classes.into_iter().any(both) || fit(&classes) {
                    return bool();
                }
            }
            Operator::Add | Operator::Subtract | Operator::Multiply => {
                if let Some(nature) = arithmetic(operator, &l, &r) {
                    return Ok(nature);
                }
            }
            Operator::Divide | Operator::Power | Operator::Caret
                if both(Class::Number) || fit(&[Class::Number]) =>
            {
                return Ok(Nature::of(Type::Float64));
            }
            Operator::Modulo if both(Class::Integer) || fit(&[Class::Integer]) => {
                return Ok(Nature::of(Type::Int));
            }
            Operator::In => {
                if let Some(checked) = self.membership(id, &l, &r) {
                    return checked;
                }
            }
            Operator::Matches => {
                if let Some(pattern) = self.tree.literal_text(right) {
                    let pattern = compile(pattern).map_err(|why| self.error(id, why))?;
                    self.weigh(id, &pattern)?;
                }
                let is_text = l.is(Class::Text) || l.ty == Some(Type::SliceUint8);
                if is_text && r.is(Class::Text) || fit(&[Class::Text]) {
                    return bool();
                }
            }
            Operator::Contains | Operator::StartsWith | Operator::EndsWith
                if both(Class::Text) || fit(&[Class::Text]) =>
            {
                return bool();
            }
            Operator::Range if both(Class::Integer) || fit(&[Class::Integer]) => {
                return Ok(Nature::list_of(Nature::of(Type::Int)));
            }
            Operator::Coalesce => {
                return Ok(match (l.is_nil, r.is_nil) {
                    (true, false) => r,
                    (false, true) => l,
                    (true, true) => Nature::nil(),
                    (false, false) if r.is_assignable_to(&l) => l,
                    (false, false) => Nature::unknown(),
                });
            }
            _ => {}
        }
        let message = format!(
            "invalid operation: {operator} (mismatched types {} and {})",
            l.shown(),
            r.shown()
        );
        Err(self.error(id, message))
    }

    fn weigh(&mut self, id: NodeId, pattern: &Pattern) -> Result<(), Failure> {
        self.patterns += pattern.weight;
        if self.patterns > regexp::MAX_WEIGHT {
            let message = "compilation failed: the patterns of the condition are too large";
            return Err(Failure::new(self.tree[id].at, Fault::limit(message)));
        }
        Ok(())
    }

    fn membership(&self, id: NodeId, l: &Nature, r: &Nature) -> Option<Checked> {
        let bool = || Some(Ok(Nature::of(Type::Bool)));
        if (l.is(Class::Text) || l.is_unknown()) && r.kind() == Some(Kind::Struct) {
            return bool();
        }
        if r.is_map() {
            let key = r.key();
            if !l.is_unknown() && !l.is_assignable_to(&key) {
                let message = format!("cannot use {} as type {} in map key", l.shown(), key.shown());
                return Some(Err(self.error(id, message)));
            }
            return bool();
        }
        if r.is_list() {
            let elem = r.elem();
            if !l.is_comparable_to(&elem) {
                let message = format!("cannot use {} as type {} in array", l.shown(), elem.shown());
                return Some(Err(self.error(id, message)));
            }
            return bool();
        }
        if l.is_unknown() && r.is(Class::Text) || r.is_unknown() {
            bool()
        } else {
            None
        }
    }
}

fn arithmetic(operator: Operator, l: &Nature, r: &Nature) -> Option<Nature> {
    use Class::{Duration, Number, Text, Time};
    let are = |left, right| l.is(left) && r.is(right);
    if are(Number, Number) {
        return Some(l.promoted(r));
    }
    let (ty, classes): (_, &[Class]) = match operator {
        Operator::Add => (
            match () {
                () if are(Text, Text) => Some(Type::String),
                () if are(Time, Duration) || are(Duration, Time) => Some(Type::Time),
                () if are(Duration, Duration) => Some(Type::Duration),
                () => None,
            },
            &[Number, Text, Time, Duration],
        ),
        Operator::Subtract => (
            match () {
                () if are(Time, Time) || are(Duration, Duration) => Some(Type::Duration),
                () if are(Time, Duration) => Some(Type::Time),
                () => None,
            },
            &[Number, Time, Duration],
        ),
        _ => {
            let is_duration = are(Number, Duration) || are(Duration, Number) || are(Duration, Duration);
            (is_duration.then_some(Type::Duration), &[Number, Duration])
        }
    };
    match ty {
        Some(ty) => Some(Nature::of(ty)),
        None => l.may_fit(r, classes).then(Nature::unknown),
    }
}
