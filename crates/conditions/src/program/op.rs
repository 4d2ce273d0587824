//! The instructions.

use crate::builtins::Builtin;
use crate::env::EnvFunction;
use crate::go::regexp::Pattern;
use crate::time::methods::Method;
use crate::types::Signature;
use crate::value::Datum;

/// An index into [`Program::constants`].
pub(crate) type Constant = u32;
/// An index into [`Program::code`].
pub(crate) type Target = u32;

/// One instruction. "Takes" is a pop, "gives" a push; operands are taken last first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Push(Constant),
    Int(i64),
    Bool(bool),
    Nil,
    Pop,
    /// Takes the value of a variable.
    Store(u32),
    LoadVariable(u32),
    LoadResult,
    LoadFunction(EnvFunction),
    /// Gives `$env`.
    LoadEnv,
    /// Takes a key and what it is a key of.
    Fetch,
    /// `Push` and `Fetch` in one.
    FetchConstant(Constant),
    /// Takes a receiver.
    Method(&'static Method),
    Negate,
    Not,
    Equal,
    /// `==` of what the checker took for two ints.
    EqualInt,
    /// `==` of what the checker took for two strings.
    EqualText,
    Jump(Target),
    JumpIfTrue(Target),
    JumpIfFalse(Target),
    JumpIfNil(Target),
    JumpIfNotNil(Target),
    /// Where the loop's list ends.
    JumpIfEnd(Target),
    In,
    Less,
    More,
    LessOrEqual,
    MoreOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Range,
    Matches,
    MatchesConstant(Constant),
    Contains,
    StartsWith,
    EndsWith,
    /// Takes the start, the end and what to slice.
    Slice,
    /// Gives the length of what lies on top.
    Len,
    /// Takes a function and so many arguments.
    Call(u32),
    /// Takes a function of this type and its arguments.
    CallTyped(&'static Signature),
    /// Takes a method that lost its receiver to a variable, a receiver and arguments, and fails: expr takes the type with
    /// the receiver for the type without.
    CallDetached(&'static Signature),
    CallBuiltin(Builtin, u32),
    /// Takes a number and so many elements.
    Array,
    /// Takes a number and so many keys and values.
    Map,
    /// Leaves what a pointer points to.
    Deref,
    /// Takes a list to loop over.
    Begin,
    End,
    /// Gives the element of the loop.
    Pointer,
    NextIndex,
    PreviousIndex,
    GetIndex,
    SetIndex,
    NextCount,
    GetCount,
    GetLen,
    GetAcc,
    SetAcc,
    /// Fails, because nothing was found.
    Throw,
    BeginGroups,
    /// Takes a key.
    Group,
    /// Takes "asc" or "desc".
    BeginSort,
    /// Takes a value.
    SortValue,
    Sort,
    /// Gives the groups, or whatever the loop accumulated.
    Groups,
}

/// What a compiled condition is made of.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) code: Vec<Op>,
    /// For each instruction the character that a failure points at.
    pub(crate) places: Vec<u32>,
    pub(crate) constants: Vec<Datum>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) variables: usize,
}
