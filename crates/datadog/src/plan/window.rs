//! From when to when.

use std::time::Duration;

use crate::config::{Config, Since};

/// A window in whole Unix seconds; its end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Beginning.
    pub from: i64,
    /// End.
    pub to: i64,
}

/// The moments a window depends on, in Unix seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Now.
    pub now: i64,
    /// When the AnalysisRun began, if it is known.
    pub run_started: Option<i64>,
    /// When the AnalysisRun was made, which for a Rollout's own runs is when its step or update began.
    pub run_created: Option<i64>,
}

/// The window of a measurement that is made now.
///
/// Its end is rounded down, to at most 15 s and at most a twentieth of `interval`, so that metrics which are due
/// together ask for the same window and travel in one request.
pub fn plan_window(config: &Config, clock: Clock) -> Window {
    let step = step(config.interval);
    let to = (clock.now - seconds(config.delay)).div_euclid(step) * step;
    let beginning = match config.since {
        Some(Since::Run) => clock.run_started.or(clock.run_created),
        Some(Since::Rollout) => clock.run_created.or(clock.run_started),
        None => None,
    };
    let from = match beginning {
        // A run that has just begun still gets a window; an empty one would be refused.
        Some(beginning) => beginning.min(to - 1),
        None => to - seconds(config.interval).max(1),
    };
    Window { from, to }
}

/// To what the end of a window is rounded, in seconds.
fn step(interval: Duration) -> i64 {
    (seconds(interval) / 20).clamp(1, 15)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

impl Window {
    /// Its length.
    pub fn length(self) -> Duration {
        Duration::from_secs(u64::try_from(self.to - self.from).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn window(mut block: serde_json::Value, clock: Clock) -> (i64, i64) {
        block["query"] = "avg:a{*}".into();
        let window = plan_window(&Config::parse(&block).unwrap(), clock);
        (window.from, window.to)
    }

    #[test]
    fn interval_delay_and_rounding() {
        let clock = Clock {
            now: 1_000_004,
            ..Clock::default()
        };
        assert_eq!(window(json!({}), clock), (999_690, 999_990), "rounded to 15 s");
        assert_eq!(
            window(json!({"interval": "1m"}), clock),
            (999_942, 1_000_002),
            "to 3 s"
        );
        assert_eq!(
            window(json!({"interval": "10s"}), clock),
            (999_994, 1_000_004),
            "to 1 s"
        );
        assert_eq!(window(json!({"delay": "1m"}), clock), (999_630, 999_930));
    }

    #[test]
    fn since_the_run_or_the_rollout() {
        let clock = Clock {
            now: 1_000_000,
            run_started: Some(999_800),
            run_created: Some(999_790),
        };
        assert_eq!(window(json!({"since": "run"}), clock), (999_800, 999_990));
        assert_eq!(window(json!({"since": "rollout"}), clock), (999_790, 999_990));
        let young = Clock {
            run_started: Some(999_999),
            ..clock
        };
        assert_eq!(
            window(json!({"since": "run"}), young),
            (999_989, 999_990),
            "never empty"
        );
    }
}
