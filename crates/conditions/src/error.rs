//! What is wrong with a condition, and where.

use std::fmt;

/// Why a condition has no answer. Argo Rollouts makes the measurement an Error then.
///
/// ```text
/// unknown name results (1:1)
///  | results[0] < 0.05
///  | ^
/// help: did you mean `result`?
/// ```
///
/// The message is Go's own wherever there is one to search for; Argo Rollouts shows it without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Details>);

/// Boxed, so that an answer is small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    kind: ErrorKind,
    message: String,
    place: Option<Place>,
    help: Option<String>,
}

/// At which stage a condition failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not an expression.
    Syntax,
    /// The types do not fit together, as known before the run from the type of `result`.
    Type,
    /// The run failed: a field of nil, an index out of range, a text that is no number.
    Evaluation,
    /// The answer is not true or false.
    NotBool,
    /// One of the [`Limits`](crate::Limits) was exceeded.
    Limit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    /// The line, or what is around the place of a long one.
    text: String,
    /// How many characters of it come before the place.
    before: usize,
}

impl Error {
    pub(crate) fn new(failure: Failure, source: &str, help: Option<String>) -> Self {
        let Fault { kind, mut message } = *failure.fault;
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        let place = failure.at.and_then(|at| Place::of(source, at));
        Self(Box::new(Details {
            kind,
            message,
            place,
            help,
        }))
    }

    /// At which stage the condition failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What is wrong, in one line, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Line and column, both from 1, of what the message is about; a column is a character. `None` where the condition
    /// as a whole is at fault.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        self.0.place.as_ref().map(|place| (place.line, place.column))
    }

    /// What to write instead, where that can be guessed.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(Place {
            line,
            column,
            text,
            before,
        }) = &self.0.place
        {
            write!(f, " ({line}:{column})\n | {text}\n | {:.<before$}^", "")?;
        }
        match &self.0.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Longer messages are cut: some quote a string of the condition or of its result.
const MAX_MESSAGE: usize = 1000;

/// Longer lines than this are cut around the place: an error goes into the status of an object.
const MAX_LINE: usize = 200;

impl Place {
    /// The place of the character with this index (`Bind` in `file/error.go` of expr).
    fn of(source: &str, at: u32) -> Option<Self> {
        let (mut line, mut column, mut begin) = (1, 0_usize, 0);
        for (index, (byte, c)) in source.char_indices().enumerate() {
            if index == at as usize {
                break;
            }
            if c == '\n' {
                (line, column, begin) = (line + 1, 0, byte + 1);
            } else {
                column += 1;
            }
        }
        let whole: Vec<char> = source[begin..].chars().take_while(|c| *c != '\n').collect();
        if whole.is_empty() {
            return None;
        }
        let begin = column
            .saturating_sub(MAX_LINE / 2)
            .min(whole.len().saturating_sub(MAX_LINE));
        let end = whole.len().min(begin + MAX_LINE);
        let text = tabless(&whole[begin..end]);
        Some(Self {
            line,
            column: column + 1,
            text,
            before: column - begin,
        })
    }
}

/// A tab would move the caret.
fn tabless(line: &[char]) -> String {
    line.iter().map(|c| if *c == '\t' { ' ' } else { *c }).collect()
}

/// What went wrong, before it has a place. Boxed where it travels, so that what works stays cheap.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn run(message: impl Into<String>) -> Box<Self> {
        Self::of(ErrorKind::Evaluation, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Box<Self> {
        Self::of(ErrorKind::Limit, message)
    }

    fn of(kind: ErrorKind, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            kind,
            message: message.into(),
        })
    }
}

/// A built-in that fails says so in a sentence.
impl From<String> for Box<Fault> {
    fn from(message: String) -> Self {
        Fault::run(message)
    }
}

/// What went wrong, and at which character.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) at: Option<u32>,
    pub(crate) fault: Box<Fault>,
}

impl Failure {
    pub(crate) fn new(at: u32, fault: Box<Fault>) -> Self {
        Self { at: Some(at), fault }
    }

    pub(crate) fn syntax(at: u32, message: impl Into<String>) -> Self {
        Self::new(at, Fault::of(ErrorKind::Syntax, message))
    }

    pub(crate) fn ty(at: u32, message: impl Into<String>) -> Self {
        Self::new(at, Fault::of(ErrorKind::Type, message))
    }

    pub(crate) fn not_bool(message: impl Into<String>) -> Self {
        Self {
            at: None,
            fault: Fault::of(ErrorKind::NotBool, message),
        }
    }
}
