//! Why a condition cannot be said on a rule.

use thiserror::Error;

use super::text::{MAX_HEADER_VALUE, METHODS};
use crate::RouteKind;

/// Why a managed route cannot be expressed on a rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MatchProblem {
    /// None, or more than one, of `exact`, `prefix` and `regex`.
    #[error("{field} needs one of exact, prefix and regex")]
    NotOne {
        /// Which field.
        field: String,
    },
    /// Not the name of a header.
    #[error("headerName is {name:?}, accepted is the name of an HTTP header")]
    HeaderName {
        /// What was found.
        name: String,
    },
    /// A value that header matches do not take.
    #[error(
        "the value of header {name} is {value:?}, accepted are at most {MAX_HEADER_VALUE} visible ASCII characters, \
         single blanks between them"
    )]
    HeaderValue {
        /// Name of the header.
        name: String,
        /// What was found.
        value: String,
    },
    /// Not a regular expression.
    #[error("{field} is not a regular expression that gateways take: {message}")]
    Regex {
        /// Which field.
        field: String,
        /// What the parser says.
        message: String,
    },
    /// The user's rule has a condition on the same header, and both cannot be said at once.
    #[error(
        "the rule already matches header {name} by another expression, a header can be matched only once"
    )]
    HeaderTwice {
        /// Name of the header.
        name: String,
    },
    /// A query parameter that matches do not take.
    #[error(
        "queryParams: {name:?} with the value {value:?} cannot be matched, accepted are a token and at most 1024 characters"
    )]
    QueryParam {
        /// Name of the parameter.
        name: String,
        /// What was found.
        value: String,
    },
    /// The user's rule has a condition on the same query parameter, and both cannot be said at once.
    #[error(
        "the rule already matches query parameter {name} by another expression, it can be matched only once"
    )]
    QueryParamTwice {
        /// Name of the parameter.
        name: String,
    },
    /// The user's rule has a condition on the path, and both cannot be said at once.
    #[error("the rule already matches the path by another expression, a path can be matched only once")]
    PathTwice,
    /// A path that cannot be matched.
    #[error(
        "match.path is {found:?}, accepted is an absolute path of at most 1024 characters, without //, /./, /../ and %2F"
    )]
    Path {
        /// What was found.
        found: String,
    },
    /// A method that cannot be matched.
    #[error("match.method is {found:?}, accepted are {}", METHODS.join(", "))]
    Method {
        /// What was found.
        found: String,
    },
    /// Methods are matched whole.
    #[error("match.method must be exact, the Gateway API matches methods whole")]
    MethodNotExact,
    /// A condition that this kind of route cannot carry.
    #[error("match.{field} cannot be used with {kind}")]
    NotForKind {
        /// Which field.
        field: &'static str,
        /// Kind of the route.
        kind: RouteKind,
    },
    /// The user's matches and the managed route's exclude each other.
    #[error("no request can match both the rule and the managed route")]
    Never,
}
