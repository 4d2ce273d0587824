//! Whether counts are what was expected. Pure.

use std::str::FromStr;

use serde::Serialize;

use super::interval::{binomial_interval, clopper_pearson};
use super::tally::Tally;

/// An expected share: `canary=20` is 20 percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// Who should serve it, as the answers spell it.
    pub who: String,
    /// Share of the requests, 0.0 to 1.0.
    pub share: f64,
}

/// An `--expect` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an expectation; write NAME=PERCENT with a percentage from 0 to 100, such as canary=20 or v2=0.1"
)]
pub struct ExpectationError(String);

impl FromStr for Expectation {
    type Err = ExpectationError;

    fn from_str(text: &str) -> Result<Self, ExpectationError> {
        let error = || ExpectationError(text.to_owned());
        let (who, percent) = text.rsplit_once('=').ok_or_else(error)?;
        let percent: f64 = percent
            .trim()
            .trim_end_matches('%')
            .trim()
            .parse()
            .map_err(|_| error())?;
        if who.trim().is_empty() || !(0.0..=100.0).contains(&percent) {
            return Err(error());
        }
        Ok(Self {
            who: who.trim().to_owned(),
            share: percent / 100.0,
        })
    }
}

/// A share compared with its count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What was expected.
    #[serde(flatten)]
    pub expected: Expectation,
    /// Answers of that version.
    pub count: u64,
    /// Answers of all versions.
    pub of: u64,
    /// Fewest and most answers that the expected share allows, with this confidence.
    pub allowed: (u64, u64),
    /// Smallest and largest share that the count allows (Clopper-Pearson), with this confidence.
    pub plausible: (f64, f64),
    /// 0.0 to 1.0: how often a correct split passes.
    pub confidence: f64,
    /// Whether the count is allowed.
    pub holds: bool,
}

impl Check {
    /// Compares a tally with an expectation.
    pub fn judge(expected: Expectation, tally: &Tally, confidence: f64) -> Self {
        let (count, of) = (tally.of(&expected.who).answers, tally.named());
        let allowed = binomial_interval(of, expected.share, confidence);
        let plausible = if of == 0 {
            (0.0, 1.0)
        } else {
            clopper_pearson(count, of, confidence)
        };
        Self {
            count,
            of,
            plausible,
            confidence,
            // No answer is no evidence.
            holds: of > 0 && allowed.contains(&count),
            allowed: (*allowed.start(), *allowed.end()),
            expected,
        }
    }

    /// The measured share, 0.0 to 1.0.
    pub fn measured(&self) -> f64 {
        if self.of == 0 {
            0.0
        } else {
            self.count as f64 / self.of as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tally::Count;

    #[test]
    fn expectations() {
        let share = |who: &str, share| {
            Ok(Expectation {
                who: who.into(),
                share,
            })
        };
        let cases = [
            ("canary=20", share("canary", 0.2)),
            ("v2 = 12.5 %", share("v2", 0.125)),
            ("build=7=100", share("build=7", 1.0)),
            ("canary", Err(())),
            ("=20", Err(())),
            ("canary=101", Err(())),
            ("canary=-1", Err(())),
            ("canary=NaN", Err(())),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Expectation>().map_err(|_| ()), want, "{text}");
        }
    }

    #[test]
    fn verdicts() {
        // answers of v1 and v2, share expected of v2, holds
        let cases = [
            (800, 200, 0.2, true),
            (850, 150, 0.2, false),
            (750, 250, 0.2, false),
            (1000, 0, 0.0, true),
            (999, 1, 0.0, false),
            (0, 1000, 1.0, true),
            (1, 999, 1.0, false),
            (0, 0, 0.5, false),
        ];
        for (v1, v2, share, holds) in cases {
            let mut tally = Tally::default();
            for (who, answers) in [("v1", v1), ("v2", v2)] {
                tally.by.insert(who.into(), Count { answers, errors: 0 });
            }
            let check = Check::judge(
                Expectation {
                    who: "v2".into(),
                    share,
                },
                &tally,
                0.999,
            );
            assert_eq!(check.holds, holds, "{check:?}");
        }
    }
}
