//! The smallest metric provider: it measures the number that its configuration gives, as in `{"value": 3}`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use rollouts_plugin::types::{AnalysisPhase, AnalysisRun, Measurement, Metric, RawJson, Time};
use rollouts_plugin::{MetricProvider, Plugin};

#[derive(serde::Deserialize)]
struct Config {
    value: i64,
}

struct Constant;

impl MetricProvider for Constant {
    fn kind(&self) -> String {
        "Constant".to_owned()
    }

    async fn run(&self, _: &AnalysisRun, metric: &Metric) -> Measurement {
        let started_at = Time::from_system(SystemTime::now()).ok();
        let config = metric
            .provider
            .plugin
            .values()
            .next()
            .map(RawJson::parse::<Config>);
        let (phase, value, message) = match config {
            Some(Ok(Config { value })) if value < 5 => {
                (AnalysisPhase::Successful, value.to_string(), String::new())
            }
            Some(Ok(Config { value })) => (AnalysisPhase::Failed, value.to_string(), String::new()),
            Some(Err(error)) => (
                AnalysisPhase::Error,
                String::new(),
                format!("metric {}: {error}", metric.name),
            ),
            None => (
                AnalysisPhase::Error,
                String::new(),
                format!("metric {}: no configuration", metric.name),
            ),
        };
        Measurement {
            phase,
            value,
            message,
            started_at,
            finished_at: started_at,
            ..Default::default()
        }
    }

    async fn resume(&self, _: &AnalysisRun, _: &Metric, measurement: &Measurement) -> Measurement {
        Measurement {
            phase: AnalysisPhase::Inconclusive,
            ..measurement.clone()
        }
    }

    async fn terminate(&self, _: &AnalysisRun, _: &Metric, measurement: &Measurement) -> Measurement {
        Measurement {
            phase: AnalysisPhase::Successful,
            message: "terminated".to_owned(),
            ..measurement.clone()
        }
    }

    async fn metadata(&self, metric: &Metric) -> BTreeMap<String, String> {
        BTreeMap::from([("condition".to_owned(), metric.success_condition.clone())])
    }
}

fn main() -> ExitCode {
    Plugin::metric_provider(Constant).serve()
}
