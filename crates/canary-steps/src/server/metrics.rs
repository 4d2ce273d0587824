//! Counters for the operator, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tonic::Code;

/// Upper bounds of the duration's buckets, in seconds.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// What the server has done so far.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    calls: Mutex<BTreeMap<&'static str, Calls>>,
    in_flight: AtomicI64,
}

#[derive(Debug, Default)]
struct Calls {
    by_code: BTreeMap<i32, u64>,
    buckets: [u64; BUCKETS.len()],
    seconds: f64,
    count: u64,
}

impl Metrics {
    /// Counts a call as under way until the guard is dropped.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self)
    }

    /// Counts a call that has ended.
    pub(super) fn ended(&self, method: &'static str, code: Code, took: Duration) {
        let mut all = self
            .calls
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let calls = all.entry(method).or_default();
        *calls.by_code.entry(code as i32).or_default() += 1;
        calls.count += 1;
        calls.seconds += took.as_secs_f64();
        for (bucket, bound) in calls.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(took.as_secs_f64() <= bound);
        }
    }

    /// All of it as text.
    pub(super) fn render(&self) -> String {
        let all = self
            .calls
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = writeln!(out, "{text}");
        };
        line(format_args!(
            "# HELP serinus_canary_steps_calls_total Calls of the plugin service that have ended."
        ));
        line(format_args!("# TYPE serinus_canary_steps_calls_total counter"));
        for (method, calls) in all.iter() {
            for (code, count) in &calls.by_code {
                let code = format!("{:?}", Code::from_i32(*code));
                line(format_args!(
                    "serinus_canary_steps_calls_total{{method=\"{method}\",code=\"{code}\"}} {count}"
                ));
            }
        }
        line(format_args!(
            "# HELP serinus_canary_steps_call_duration_seconds How long calls took."
        ));
        line(format_args!(
            "# TYPE serinus_canary_steps_call_duration_seconds histogram"
        ));
        for (method, calls) in all.iter() {
            let name = "serinus_canary_steps_call_duration_seconds";
            for (bucket, bound) in calls.buckets.iter().zip(BUCKETS) {
                line(format_args!(
                    "{name}_bucket{{method=\"{method}\",le=\"{bound}\"}} {bucket}"
                ));
            }
            line(format_args!(
                "{name}_bucket{{method=\"{method}\",le=\"+Inf\"}} {}",
                calls.count
            ));
            line(format_args!(
                "{name}_sum{{method=\"{method}\"}} {}",
                calls.seconds
            ));
            line(format_args!(
                "{name}_count{{method=\"{method}\"}} {}",
                calls.count
            ));
        }
        line(format_args!(
            "# HELP serinus_canary_steps_calls_in_flight Calls under way."
        ));
        line(format_args!("# TYPE serinus_canary_steps_calls_in_flight gauge"));
        line(format_args!(
            "serinus_canary_steps_calls_in_flight {}",
            self.in_flight.load(Ordering::Relaxed)
        ));
        out
    }
}

/// A call under way.
pub(super) struct InFlight<'m>(&'m Metrics);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted() {
        let metrics = Metrics::default();
        let under_way = metrics.enter();
        metrics.ended("GenerateManifest", Code::Ok, Duration::from_millis(7));
        metrics.ended("GenerateManifest", Code::InvalidArgument, Duration::from_secs(2));
        let text = metrics.render();
        for line in [
            "serinus_canary_steps_calls_total{method=\"GenerateManifest\",code=\"Ok\"} 1",
            "serinus_canary_steps_calls_total{method=\"GenerateManifest\",code=\"InvalidArgument\"} 1",
            "serinus_canary_steps_call_duration_seconds_bucket{method=\"GenerateManifest\",le=\"0.005\"} 0",
            "serinus_canary_steps_call_duration_seconds_bucket{method=\"GenerateManifest\",le=\"0.01\"} 1",
            "serinus_canary_steps_call_duration_seconds_bucket{method=\"GenerateManifest\",le=\"+Inf\"} 2",
            "serinus_canary_steps_call_duration_seconds_sum{method=\"GenerateManifest\"} 2.007",
            "serinus_canary_steps_calls_in_flight 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        drop(under_way);
        assert!(metrics.render().ends_with("in_flight 0\n"));
    }
}
