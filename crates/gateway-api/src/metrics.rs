//! What an operator's Prometheus reads: plain text (Prometheus exposition format 0.0.4) on an address of one's choice.
//! Off unless an address is given.

mod endpoint;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::endpoint::parse_address;

/// Upper bounds of the buckets of verify latency, in seconds.
const BUCKETS: [f64; 9] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0];
/// A Rollout that was not heard of for so long is not reported any more.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Series of Rollouts and routes at most.
const SERIES: usize = 10_000;

/// Counters and gauges of a process.
#[derive(Default)]
pub(crate) struct Metrics {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    weights: HashMap<(String, String), Weights>,
    requests: BTreeMap<(&'static str, u16), u64>,
    conflicts: u64,
    drifts: u64,
    verified: Histogram,
}

struct Weights {
    seen: Instant,
    desired: i32,
    observed: Option<f64>,
}

#[derive(Default)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    /// A request to the API server was answered with this status, or with none (0).
    pub(crate) fn request(&self, verb: &'static str, code: u16) {
        *self.lock().requests.entry((verb, code)).or_default() += 1;
    }

    /// Somebody else had written a route meanwhile.
    pub(crate) fn conflict(&self) {
        self.lock().conflicts += 1;
    }

    /// Weights that somebody else had changed were set right.
    pub(crate) fn drift(&self) {
        self.lock().drifts += 1;
    }

    /// Gateways serve weights that were written so long ago.
    pub(crate) fn verified(&self, after: Duration) {
        let mut inner = self.lock();
        let seconds = after.as_secs_f64();
        inner.verified.count += 1;
        inner.verified.sum += seconds;
        if let Some(at) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            inner.verified.counts[at] += 1;
        }
    }

    /// The weight that the controller asked for, and the one that the route carries.
    pub(crate) fn weights(&self, rollout: String, route: String, desired: i32, observed: Option<f64>) {
        let seen = Instant::now();
        let mut inner = self.lock();
        let key = (rollout, route);
        if inner.weights.len() >= SERIES && !inner.weights.contains_key(&key) {
            inner
                .weights
                .retain(|_, weights| weights.seen.elapsed() < FORGOTTEN);
            if inner.weights.len() >= SERIES {
                return;
            }
        }
        inner.weights.insert(
            key,
            Weights {
                seen,
                desired,
                observed,
            },
        );
    }

    /// All of them, as Prometheus reads them.
    pub(crate) fn render(&self) -> String {
        let mut inner = self.lock();
        inner
            .weights
            .retain(|_, weights| weights.seen.elapsed() < FORGOTTEN);
        let mut series = inner.weights.iter().collect::<Vec<_>>();
        series.sort_unstable_by_key(|(key, _)| *key);
        let mut out = String::new();
        family(
            &mut out,
            "desired_weight",
            "gauge",
            "Weight of the canary that the controller asked for.",
        );
        for ((rollout, route), weights) in &series {
            line(
                &mut out,
                "desired_weight",
                &[("rollout", rollout), ("route", route)],
                f64::from(weights.desired),
            );
        }
        family(
            &mut out,
            "observed_weight",
            "gauge",
            "Weight of the canary that the route carries.",
        );
        for ((rollout, route), weights) in &series {
            if let Some(observed) = weights.observed {
                line(
                    &mut out,
                    "observed_weight",
                    &[("rollout", rollout), ("route", route)],
                    observed,
                );
            }
        }
        family(
            &mut out,
            "api_requests_total",
            "counter",
            "Requests to the API server, by verb and status; 0 is no answer.",
        );
        for ((verb, code), count) in &inner.requests {
            let code = code.to_string();
            line(
                &mut out,
                "api_requests_total",
                &[("verb", verb), ("code", &code)],
                *count as f64,
            );
        }
        for (name, help, count) in [
            (
                "conflicts_total",
                "Writes that met another writer's and were planned anew.",
                inner.conflicts,
            ),
            (
                "drifts_total",
                "Weights that another writer had changed and that were set right.",
                inner.drifts,
            ),
        ] {
            family(&mut out, name, "counter", help);
            line(&mut out, name, &[], count as f64);
        }
        let Histogram { counts, count, sum } = &inner.verified;
        family(
            &mut out,
            "verify_seconds",
            "histogram",
            "Time from writing weights until gateways reported them served.",
        );
        let mut below = 0;
        for (bound, count) in BUCKETS.iter().zip(counts) {
            below += count;
            line(
                &mut out,
                "verify_seconds_bucket",
                &[("le", &bound.to_string())],
                below as f64,
            );
        }
        line(
            &mut out,
            "verify_seconds_bucket",
            &[("le", "+Inf")],
            *count as f64,
        );
        line(&mut out, "verify_seconds_sum", &[], *sum);
        line(&mut out, "verify_seconds_count", &[], *count as f64);
        out
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PREFIX: &str = "serinus_gateway_api_";

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    _ = writeln!(out, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    // Names of Kubernetes objects need no escaping; what does is escaped as Rust does, which is a superset.
    let labels = labels
        .iter()
        .map(|(label, value)| format!("{label}={value:?}"))
        .collect::<Vec<_>>()
        .join(",");
    let braces = if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    };
    _ = writeln!(out, "{PREFIX}{name}{braces} {value}");
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn everything_is_told_as_prometheus_reads_it() {
        let metrics = Metrics::default();
        metrics.weights("shop/web".into(), "HTTPRoute shop/web".into(), 20, Some(20.0));
        metrics.weights("shop/api".into(), "GRPCRoute shop/api".into(), 5, None);
        metrics.request("get", 200);
        metrics.request("patch", 0);
        metrics.request("get", 200);
        metrics.conflict();
        metrics.drift();
        for millis in [200, 900, 400_000] {
            metrics.verified(Duration::from_millis(millis));
        }
        let text = metrics.render();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.contains("le=\"2\""));
        expect![[r#"
            serinus_gateway_api_desired_weight{rollout="shop/api",route="GRPCRoute shop/api"} 5
            serinus_gateway_api_desired_weight{rollout="shop/web",route="HTTPRoute shop/web"} 20
            serinus_gateway_api_observed_weight{rollout="shop/web",route="HTTPRoute shop/web"} 20
            serinus_gateway_api_api_requests_total{verb="get",code="200"} 2
            serinus_gateway_api_api_requests_total{verb="patch",code="0"} 1
            serinus_gateway_api_conflicts_total 1
            serinus_gateway_api_drifts_total 1
            serinus_gateway_api_verify_seconds_bucket{le="0.5"} 1
            serinus_gateway_api_verify_seconds_bucket{le="1"} 2
            serinus_gateway_api_verify_seconds_bucket{le="5"} 2
            serinus_gateway_api_verify_seconds_bucket{le="10"} 2
            serinus_gateway_api_verify_seconds_bucket{le="20"} 2
            serinus_gateway_api_verify_seconds_bucket{le="30"} 2
            serinus_gateway_api_verify_seconds_bucket{le="60"} 2
            serinus_gateway_api_verify_seconds_bucket{le="300"} 2
            serinus_gateway_api_verify_seconds_bucket{le="+Inf"} 3
            serinus_gateway_api_verify_seconds_sum 401.1
            serinus_gateway_api_verify_seconds_count 3
        "#]]
        .assert_eq(&lines.map(|line| format!("{line}\n")).collect::<String>());
    }
}
