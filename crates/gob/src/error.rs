use std::fmt;
use std::io;

/// What went wrong while reading or writing a gob.
///
/// The text says where (the path of Go field names, element numbers and registered names from the top of the
/// value), what was seen and what is accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message ends before the item named here is complete.
    #[error("the message ends inside {0}")]
    Truncated(&'static str),

    /// The bytes are not a gob, or not one that a Go encoder can have written.
    #[error("malformed gob: {0}")]
    Malformed(String),

    /// A bound of [`Limits`](crate::Limits) is exceeded. Raise the field named here if the peer is right.
    #[error("{seen} exceeds the limit of {limit} for {what} (Limits::{field})")]
    Limit {
        /// What is bounded, in words.
        what: &'static str,
        /// The field of [`Limits`](crate::Limits) that bounds it.
        field: &'static str,
        /// What the peer sent or announced.
        seen: u64,
        /// The bound.
        limit: u64,
    },

    /// A value or a type refers to a type id that no message defined.
    #[error("type id {0} is used but was never defined")]
    UndefinedType(i64),

    /// A type id is defined twice on one stream, or is one of those that Go reserves.
    #[error("type id {0} is already defined")]
    DuplicateType(i64),

    /// The value and the type it is read into, or written as, do not fit.
    #[error("{0}")]
    Mismatch(String),

    /// A Go declaration given to [`Schema::parse`](crate::Schema::parse) is wrong.
    #[error("line {line}, column {column}: {message}")]
    Schema {
        /// Line of the text, from 1.
        line: usize,
        /// Column of the line, in characters, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },

    /// The error happened at this place of the value.
    #[error("{path}: {error}")]
    At {
        /// Go field names, element numbers and registered names, joined as in `Rollout.Spec.Strategy` or `Items[3]`.
        path: String,
        /// What happened there.
        error: Box<Error>,
    },

    /// The stream below a [`Reader`](crate::Reader) failed or ended inside a message.
    #[error("read the stream")]
    Io(#[from] io::Error),
}

impl Error {
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Error::Malformed(message.into())
    }

    pub(crate) fn mismatch(message: impl Into<String>) -> Self {
        Error::Mismatch(message.into())
    }

    /// Puts a step in front of the place where the error happened.
    #[cold]
    pub(crate) fn within(self, step: Step<'_>) -> Self {
        let step = step.to_string();
        match self {
            Error::At { path, error } => {
                let dot = if path.starts_with('[') { "" } else { "." };
                Error::At {
                    path: format!("{step}{dot}{path}"),
                    error,
                }
            }
            Error::Io(_) => self,
            error => Error::At {
                path: step,
                error: Box::new(error),
            },
        }
    }
}

/// One step of the path to a value.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    /// A struct's field, or the registered name of an interface value.
    Name(&'a str),
    /// An element of a list, or an entry of a map in the order it travelled.
    Element(usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Name(name) => f.write_str(name),
            Step::Element(number) => write!(f, "[{number}]"),
        }
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::Mismatch(message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::Mismatch(message.to_string())
    }
}
