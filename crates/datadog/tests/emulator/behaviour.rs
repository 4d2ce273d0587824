//! How the emulator answers.

use std::time::Duration;

use serde_json::Value;

/// How a query, or a whole request, is answered.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// A query has this value.
    Value(f64),
    /// A query has `[null]`.
    Null,
    /// A query has no values at all.
    Nothing,
    /// A query has a value a group.
    Groups(Vec<(String, Option<f64>)>),
    /// A query has these points, a minute apart.
    Points(Vec<Option<f64>>),
    /// The request is answered with this status and body.
    Status(u16, String),
    /// The request is answered with 200 and this JSON.
    Json(Value),
    /// The request is never answered.
    Hang,
    /// The request is answered after so long, as the other behaviour says.
    Slow(Duration, Box<Behaviour>),
    /// The request is answered with so many bytes of JSON.
    Huge(usize),
    /// As `Huge`, compressed.
    GzipBomb(usize),
    /// The request is answered without end.
    Endless,
    /// The request is redirected there.
    Redirect(String),
    /// A gate: how many looks it stays in progress, and whether it passes.
    Gate(usize, bool),
}

impl Behaviour {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Status(status, _) => *status,
            Self::Redirect(_) => 307,
            Self::Hang => 0,
            Self::Slow(_, then) => then.status(),
            _ => 200,
        }
    }

    /// Whether it is about one query, not about the whole request.
    pub(super) fn is_of_query(&self) -> bool {
        matches!(
            self,
            Self::Value(_) | Self::Null | Self::Nothing | Self::Groups(_) | Self::Points(_)
        )
    }
}
