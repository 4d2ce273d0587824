//! A small analysis: the share of requests that the canary answers well, counted at the gateway. Pure.
//!
//! It stands in for the AnalysisTemplates of a Rollout, which ask providers that are not on the stage. Like an
//! AnalysisRun with `interval`, `count` and `failureLimit: 0` it measures again and again, and fails at the first
//! measurement below the threshold.

use std::time::Duration;

use jiff::Timestamp;

use crate::stage::gateway::stats::Counts;

/// What is asked of a canary.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Least share of answers that are not 5xx, 0.0 to 1.0.
    pub success_rate: f64,
    /// Between measurements, on the controller's clock.
    pub interval: Duration,
    /// A measurement waits until the canary has answered so many requests since the last.
    pub least_requests: u64,
    /// Measurements that an analysis step needs. One beside the steps goes on until the release ends.
    pub count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            success_rate: 0.95,
            interval: Duration::from_secs(10),
            least_requests: 30,
            count: 3,
        }
    }
}

/// `AnalysisRun`'s phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Goes on.
    Running,
    /// All measurements were good.
    Successful,
    /// One was not; the sentence says which.
    Failed(String),
}

/// An AnalysisRun under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub phase: Phase,
    /// What the last measurement said.
    pub message: String,
    measured_at: Timestamp,
    counted: Counts,
    good: u32,
    /// `None`: until the release ends.
    count: Option<u32>,
    /// Measured and told, and never a failure.
    dry: bool,
}

impl Run {
    /// Begins to count.
    pub fn start(name: String, count: Option<u32>, dry: bool, counts: Counts, now: Timestamp) -> Self {
        Self {
            name,
            phase: Phase::Running,
            message: String::new(),
            measured_at: now,
            counted: counts,
            good: 0,
            count,
            dry,
        }
    }

    /// Passes without a measurement: nobody asks the canary yet.
    pub fn unasked(name: String, counts: Counts, now: Timestamp) -> Self {
        Self {
            phase: Phase::Successful,
            message: "not measured: no traffic goes to the canary yet".to_owned(),
            ..Self::start(name, Some(0), false, counts, now)
        }
    }

    /// Measures, if it is time and there is enough to measure. `counts` are the canary's since the stage began.
    pub fn measure(&mut self, settings: &Settings, counts: Counts, now: Timestamp) {
        let due = self.measured_at + settings.interval;
        let here = counts.since(self.counted);
        if self.phase != Phase::Running || now < due || here.requests < settings.least_requests {
            return;
        }
        (self.measured_at, self.counted) = (now, counts);
        let rate = 1.0 - here.errors as f64 / here.requests as f64;
        let good = here.requests - here.errors;
        let measured = format!(
            "success rate {:.1} % ({good} of {} requests)",
            rate * 100.0,
            here.requests
        );
        self.message = measured;
        if rate < settings.success_rate {
            self.message += &format!(" is below {:.1} %", settings.success_rate * 100.0);
            if !self.dry {
                self.phase = Phase::Failed(self.message.clone());
                return;
            }
            self.message += ", in a dry run";
        }
        self.good += 1;
        if self.count.is_some_and(|count| self.good >= count) {
            self.phase = Phase::Successful;
        }
    }

    /// When the next measurement is due.
    pub fn due(&self, settings: &Settings) -> Timestamp {
        self.measured_at + settings.interval
    }
}

impl Phase {
    /// As `status` spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Successful => "Successful",
            Self::Failed(_) => "Failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(requests: u64, errors: u64) -> Counts {
        Counts {
            requests,
            errors,
            latency: Duration::ZERO,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn measures_when_it_is_time_and_there_is_enough() {
        let settings = Settings {
            count: 2,
            ..Settings::default()
        };
        let mut run = Run::start("a".into(), Some(settings.count), false, counts(1000, 900), at(0));
        // (second, requests, errors), phase and message after it
        let cases = [
            (9, 1100, 900, "Running", ""),
            (10, 1029, 900, "Running", ""),
            (
                11,
                1040,
                902,
                "Running",
                "success rate 95.0 % (38 of 40 requests)",
            ),
            (
                20,
                1200,
                902,
                "Running",
                "success rate 95.0 % (38 of 40 requests)",
            ),
            (
                21,
                1200,
                902,
                "Successful",
                "success rate 100.0 % (160 of 160 requests)",
            ),
            (
                99,
                9000,
                9000,
                "Successful",
                "success rate 100.0 % (160 of 160 requests)",
            ),
        ];
        for (second, requests, errors, phase, message) in cases {
            run.measure(&settings, counts(requests, errors), at(second));
            assert_eq!(
                (run.phase.name(), run.message.as_str()),
                (phase, message),
                "second {second}"
            );
        }
    }

    #[test]
    fn one_bad_measurement_fails() {
        let settings = Settings::default();
        let mut run = Run::start("a".into(), None, false, counts(0, 0), at(0));
        run.measure(&settings, counts(100, 6), at(10));
        assert_eq!(
            run.phase,
            Phase::Failed("success rate 94.0 % (94 of 100 requests) is below 95.0 %".into())
        );
    }

    #[test]
    fn a_dry_run_never_fails() {
        let settings = Settings {
            count: 1,
            ..Settings::default()
        };
        let mut run = Run::start("a".into(), Some(1), true, counts(0, 0), at(0));
        run.measure(&settings, counts(100, 6), at(10));
        assert_eq!(run.phase, Phase::Successful);
        assert_eq!(
            run.message,
            "success rate 94.0 % (94 of 100 requests) is below 95.0 %, in a dry run"
        );
    }
}
