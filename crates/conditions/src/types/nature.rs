//! What the checker knows of a value (`checker/nature/nature.go` of expr).

use std::rc::Rc;

use super::{Kind, Type};
use crate::builtins::Builtin;

/// The type of a value, as far as it is known, and a little more than the type says.
#[derive(Clone, Debug, Default)]
pub(super) struct Nature {
    /// `None` for a value of which nothing is known, and for nil.
    pub(super) ty: Option<Type>,
    pub(super) is_nil: bool,
    /// What the elements of a `[]any` are known to be; the value of a predicate.
    pub(super) elem: Option<Rc<Nature>>,
    /// The built-in that the value is.
    pub(super) builtin: Option<Builtin>,
}

/// Kinds of operands that an operator takes.
#[derive(Clone, Copy)]
pub(super) enum Class {
    Bool,
    Text,
    Integer,
    Number,
    Time,
    Duration,
}

impl Nature {
    pub(super) fn of(ty: Type) -> Self {
        Self {
            ty: Some(ty),
            ..Self::default()
        }
    }

    pub(super) fn unknown() -> Self {
        Self::default()
    }

    pub(super) fn nil() -> Self {
        Self {
            is_nil: true,
            ..Self::default()
        }
    }

    /// `[]any` whose elements are known.
    pub(super) fn list_of(elem: Self) -> Self {
        Self {
            elem: Some(Rc::new(elem)),
            ..Self::of(Type::SliceAny)
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.ty.map(Type::kind)
    }

    pub(super) fn is_unknown(&self) -> bool {
        match self.ty {
            None => !self.is_nil,
            Some(ty) => ty == Type::Any,
        }
    }

    /// As messages show it. Nil too is "unknown".
    pub(super) fn shown(&self) -> String {
        self.ty.map_or_else(|| "unknown".to_owned(), |ty| ty.to_string())
    }

    pub(super) fn deref(&self) -> Self {
        match self.ty {
            Some(Type::Location) => Self::of(Type::LocationStruct),
            _ => self.clone(),
        }
    }

    /// What an element of a list or a value of a map is.
    pub(super) fn elem(&self) -> Self {
        match (self.kind(), &self.elem) {
            (Some(Kind::Slice), Some(elem)) => (**elem).clone(),
            (Some(Kind::Slice | Kind::Map), _) => {
                self.ty.and_then(Type::elem).map_or_else(Self::unknown, Self::of)
            }
            (Some(Kind::Pointer), _) => self.deref(),
            _ => Self::unknown(),
        }
    }

    pub(super) fn key(&self) -> Self {
        self.ty.and_then(Type::key).map_or_else(Self::unknown, Self::of)
    }

    pub(super) fn is_assignable_to(&self, other: &Self) -> bool {
        if self.is_nil
            && matches!(
                other.kind(),
                Some(Kind::Pointer | Kind::Interface | Kind::Func | Kind::Map | Kind::Slice)
            )
        {
            return true;
        }
        match (self.ty, other.ty) {
            (Some(ty), Some(other)) => ty.is_assignable_to(other),
            _ => false,
        }
    }

    pub(super) fn is(&self, class: Class) -> bool {
        match class {
            Class::Bool => self.ty == Some(Type::Bool),
            Class::Text => self.ty == Some(Type::String),
            Class::Integer => matches!(self.ty, Some(Type::Int | Type::Int64 | Type::Uint8)),
            Class::Number => self.is(Class::Integer) || self.ty == Some(Type::Float64),
            Class::Time => self.ty == Some(Type::Time),
            Class::Duration => self.ty == Some(Type::Duration),
        }
    }

    pub(super) fn is_list(&self) -> bool {
        self.kind() == Some(Kind::Slice)
    }

    pub(super) fn is_map(&self) -> bool {
        self.kind() == Some(Kind::Map)
    }

    pub(super) fn is_comparable_to(&self, other: &Self) -> bool {
        let both = |class| self.is(class) && other.is(class);
        self.is_unknown()
            || other.is_unknown()
            || self.is_nil
            || other.is_nil
            || both(Class::Number)
            || both(Class::Duration)
            || both(Class::Time)
            || self.is_list() && other.is_list()
            || self.is_assignable_to(other)
    }

    /// Whether one of both is unknown and the other of one of the classes, or both are unknown.
    pub(super) fn may_fit(&self, other: &Self, classes: &[Class]) -> bool {
        let fits = |nature: &Self| classes.iter().any(|class| nature.is(*class));
        match (self.is_unknown(), other.is_unknown()) {
            (true, true) => true,
            (true, false) => fits(other),
            (false, true) => fits(self),
            (false, false) => false,
        }
    }

    /// The type of a sum of two numbers.
    pub(super) fn promoted(&self, other: &Self) -> Self {
        let is_float = |nature: &Self| nature.ty == Some(Type::Float64);
        Self::of(if is_float(self) || is_float(other) {
            Type::Float64
        } else {
            Type::Int
        })
    }
}
