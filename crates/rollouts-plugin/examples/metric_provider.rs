//! The smallest metric provider: it measures the number that its configuration gives, as in `{"value": 3}`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use rollouts_plugin::types::{AnalysisPhase, AnalysisRun, Measurement, Metric};
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
        let Config { value } = match metric.parse_config() {
            Ok(config) => config,
            Err(error) => return Measurement::error(error.to_string()),
        };
        let phase = match value < 5 {
            true => AnalysisPhase::Successful,
            false => AnalysisPhase::Failed,
        };
        Measurement::completed(phase, value.to_string())
    }

    async fn resume(&self, _: &AnalysisRun, _: &Metric, measurement: &Measurement) -> Measurement {
        measurement.clone().with_phase(AnalysisPhase::Inconclusive)
    }

    async fn terminate(&self, _: &AnalysisRun, _: &Metric, measurement: &Measurement) -> Measurement {
        let ended = measurement.clone().with_message("terminated");
        ended.with_phase(AnalysisPhase::Successful)
    }

    async fn metadata(&self, metric: &Metric) -> BTreeMap<String, String> {
        BTreeMap::from([("condition".to_owned(), metric.success_condition.clone())])
    }
}

fn main() -> ExitCode {
    Plugin::metric_provider(Constant).serve()
}
