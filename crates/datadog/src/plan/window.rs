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
    let from = match beginning(config, clock) {
        // An empty window would be refused; it is not asked for, see [`until_window`].
        Some(beginning) => beginning.min(to - 1),
        None => to - seconds(config.interval).max(1),
    };
    Window { from, to }
}

/// How long the window of a run that has only just begun is empty; [`None`] where there is something in it.
pub fn until_window(config: &Config, clock: Clock) -> Option<Duration> {
    let window = plan_window(config, clock);
    let beginning = beginning(config, clock).filter(|beginning| window.to <= *beginning)?;
    // Its end is rounded down.
    let first = (beginning.div_euclid(step(config.interval)) + 1) * step(config.interval);
    let wait = first + seconds(config.delay) - clock.now;
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0).max(1)))
}

/// Where the window begins, if not at a distance from its end.
fn beginning(config: &Config, clock: Clock) -> Option<i64> {
    match config.since? {
        Since::Run => clock.run_started.or(clock.run_created),
        Since::Rollout => clock.run_created.or(clock.run_started),
    }
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

    /// One second of the old version's time was asked for, and its answer was the new one's verdict.
    #[test]
    fn a_run_that_has_only_just_begun_waits() {
        let wait = |block: serde_json::Value, now: i64| {
            let mut block = block;
            block["query"] = "avg:a{*}".into();
            let clock = Clock {
                now,
                run_started: Some(999_999),
                run_created: None,
            };
            until_window(&Config::parse(&block).unwrap(), clock).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(json!({"since": "run"}), 999_999), Some(6), "until 1,000,005");
        assert_eq!(wait(json!({"since": "run"}), 1_000_005), None);
        assert_eq!(wait(json!({"since": "run", "delay": "5m"}), 1_000_005), Some(300));
        assert_eq!(wait(json!({"since": "run", "delay": "5m"}), 1_000_305), None);
        assert_eq!(wait(json!({}), 999_999), None);
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
