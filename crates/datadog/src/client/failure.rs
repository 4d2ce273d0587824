//! Why a request has no answer.

use std::time::Duration;

use super::Account;

/// Why a request has no answer, sorted by what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The budget of requests is used up, ours or Datadog's. Ask again after so long; nothing was wrong.
    #[error("{why}")]
    Throttled {
        /// How long to wait.
        wait: Duration,
        /// Which budget.
        why: String,
    },
    /// Datadog is away: a timeout, a broken connection, a status of 5xx. Ask again.
    #[error("Datadog is unavailable: {0}")]
    Unavailable(String),
    /// The keys are not accepted, with status 401 or 403.
    #[error("{why}")]
    Unauthorized {
        /// The status.
        status: u16,
        /// What Datadog says.
        why: String,
    },
    /// The request is wrong; asking again will not help.
    #[error("{0}")]
    Refused(String),
    /// There is no such monitor, SLO, gate or evaluation.
    #[error("{0}")]
    Missing(String),
    /// The answer is not what Datadog documents, or too large.
    #[error("{0}")]
    Unreadable(String),
}

impl Failure {
    /// The failure without an account's keys: an answer may repeat what was sent.
    pub(super) fn without(self, account: &Account) -> Self {
        let clean = |text: String| {
            text.replace(&account.api_key, "*****")
                .replace(&account.app_key, "*****")
        };
        match self {
            Self::Throttled { wait, why } => Self::Throttled {
                wait,
                why: clean(why),
            },
            Self::Unavailable(why) => Self::Unavailable(clean(why)),
            Self::Unauthorized { status, why } => Self::Unauthorized {
                status,
                why: clean(why),
            },
            Self::Refused(why) => Self::Refused(clean(why)),
            Self::Missing(why) => Self::Missing(clean(why)),
            Self::Unreadable(why) => Self::Unreadable(clean(why)),
        }
    }
}

impl From<crate::judge::Unreadable> for Failure {
    fn from(error: crate::judge::Unreadable) -> Self {
        Self::Unreadable(error.to_string())
    }
}
