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

    /// Requests that failed: 5xx from anybody, and no answer.
    pub fn failed(&self) -> u64 {
        self.by.values().map(|c| c.errors).sum::<u64>() + self.unnamed.errors + self.unanswered
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
