//! Counts of answers by who served them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ask::Answer;

/// What came back in one phase of a measurement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Answers by the name of who served.
    pub by: BTreeMap<String, Count>,
    /// Answers that do not say who served; a gateway's own errors are among them.
    pub unnamed: Count,
    /// Requests without an answer.
    pub unanswered: u64,
}

/// Answers of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// All of them.
    pub answers: u64,
    /// Of these with a 5xx.
    pub errors: u64,
}

impl Tally {
    /// Counts an answer, or that there was none.
    pub fn add<E>(&mut self, answer: &Result<Answer, E>) {
        let Ok(answer) = answer else {
            self.unanswered += 1;
            return;
        };
        let count = match &answer.who {
            Some(who) => self.by.entry(who.clone()).or_default(),
            None => &mut self.unnamed,
        };
        count.answers += 1;
        count.errors += u64::from(answer.status.is_server_error());
    }

    /// Both together.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (who, count) in &other.by {
            self.by.entry(who.clone()).or_default().add(*count);
        }
        self.unnamed.add(other.unnamed);
        self.unanswered += other.unanswered;
        self
    }

    /// Answers that say who served.
    pub fn named(&self) -> u64 {
        self.by.values().map(|c| c.answers).sum()
    }

    /// Requests sent.
    pub fn requests(&self) -> u64 {
        self.named() + self.unnamed.answers + self.unanswered
    }

    /// Answers with a 5xx from those who say who they are.
    pub fn errors(&self) -> u64 {
        self.by.values().map(|c| c.errors).sum()
    }

    /// Requests that failed: a 5xx, an answer that does not say who served, no answer.
    pub fn failed(&self) -> u64 {
        self.errors() + self.unnamed.answers + self.unanswered
    }

    /// Answers of one version.
    pub fn of(&self, who: &str) -> Count {
        self.by.get(who).copied().unwrap_or_default()
    }
}

impl Count {
    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.errors += other.errors;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    #[test]
    fn what_names_nobody_failed() {
        // who, status (0: no answer), failed
        let cases = [
            (Some("v1"), 200, 0),
            (Some("v1"), 404, 0),
            (Some("v1"), 503, 1),
            (None, 200, 1),
            (None, 404, 1),
            (None, 503, 1),
            (None, 0, 1),
        ];
        let mut all = Tally::default();
        for (who, status, failed) in cases {
            let answer = StatusCode::from_u16(status).map(|status| Answer {
                who: who.map(str::to_owned),
                status,
                took: Duration::ZERO,
            });
            let mut tally = Tally::default();
            tally.add(&answer);
            assert_eq!(
                (tally.requests(), tally.failed()),
                (1, failed),
                "{who:?} {status}"
            );
            all = all.plus(&tally);
        }
        assert_eq!((all.requests(), all.named(), all.failed()), (7, 3, 5));
    }
}
