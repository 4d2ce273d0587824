//! Operators and how tightly they bind (`parser/operator/operator.go` of expr).

use std::fmt;

/// An operator between two operands. Two spellings of one operator are two, for they print differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `or`
    OrWord,
    /// `||`
    Or,
    /// `and`
    AndWord,
    /// `&&`
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    GreaterOrEqual,
    LessOrEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    /// `**`
    Power,
    /// `^`
    Caret,
    Coalesce,
}

impl Operator {
    /// The pipe is none of these: what follows it is a call.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"or" => Self::OrWord,
            b"||" => Self::Or,
            b"and" => Self::AndWord,
            b"&&" => Self::And,
            b"==" => Self::Equal,
            b"!=" => Self::NotEqual,
            b"<" => Self::Less,
            b">" => Self::Greater,
            b">=" => Self::GreaterOrEqual,
            b"<=" => Self::LessOrEqual,
            b"in" => Self::In,
            b"matches" => Self::Matches,
            b"contains" => Self::Contains,
            b"startsWith" => Self::StartsWith,
            b"endsWith" => Self::EndsWith,
            b".." => Self::Range,
            b"+" => Self::Add,
            b"-" => Self::Subtract,
            b"*" => Self::Multiply,
            b"/" => Self::Divide,
            b"%" => Self::Modulo,
            b"**" => Self::Power,
            b"^" => Self::Caret,
            b"??" => Self::Coalesce,
            _ => return None,
        })
    }

    pub(super) fn precedence(self) -> u32 {
        match self {
            Self::OrWord | Self::Or => 10,
            Self::AndWord | Self::And => 15,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::LessOrEqual
            | Self::In
            | Self::Matches
            | Self::Contains
            | Self::StartsWith
            | Self::EndsWith => 20,
            Self::Range => 25,
            Self::Add | Self::Subtract => 30,
            Self::Multiply | Self::Divide | Self::Modulo => 60,
            Self::Power | Self::Caret => 100,
            Self::Coalesce => 500,
        }
    }

    pub(super) fn is_right_associative(self) -> bool {
        matches!(self, Self::Power | Self::Caret)
    }

    /// One that may be chained: `0 < x <= 5`.
    pub(super) fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Less | Self::Greater | Self::GreaterOrEqual | Self::LessOrEqual
        )
    }

    pub(crate) fn is_and(self) -> bool {
        matches!(self, Self::AndWord | Self::And)
    }

    pub(crate) fn is_or(self) -> bool {
        matches!(self, Self::OrWord | Self::Or)
    }

    /// One that `not` may stand before.
    pub(super) fn is_negatable(self) -> bool {
        matches!(
            self,
            Self::In | Self::Matches | Self::Contains | Self::StartsWith | Self::EndsWith
        )
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrWord => "or",
            Self::Or => "||",
            Self::AndWord => "and",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::LessOrEqual => "<=",
            Self::In => "in",
            Self::Matches => "matches",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Range => "..",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "**",
            Self::Caret => "^",
            Self::Coalesce => "??",
        })
    }
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOperator {
    /// `not`
    NotWord,
    /// `!`
    Not,
    Minus,
    Plus,
}

impl UnaryOperator {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"not" => Self::NotWord,
            b"!" => Self::Not,
            b"-" => Self::Minus,
            b"+" => Self::Plus,
            _ => return None,
        })
    }

    pub(super) fn precedence(self) -> u32 {
        match self {
            Self::NotWord | Self::Not => 50,
            Self::Minus | Self::Plus => 90,
        }
    }
}

impl fmt::Display for UnaryOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWord => "not",
            Self::Not => "!",
            Self::Minus => "-",
            Self::Plus => "+",
        })
    }
}
