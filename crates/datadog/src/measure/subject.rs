//! What is measured: a metric of an AnalysisRun.

use rollouts_plugin::types::{AnalysisPhase, AnalysisRun, Metric, Time};
use serde_json::Value;

use super::Redactor;
use crate::config::Config;
use crate::judge::Conditions;
use crate::plan::Clock;

/// Which measurement: the same for every call about it, also after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The AnalysisRun's UID, or its name where it has none.
    pub run: String,
    /// The metric's name.
    pub metric: String,
    /// How many measurements of the metric were completed before.
    pub ordinal: i64,
}

/// A metric of an AnalysisRun, read and checked.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Which measurement.
    pub key: Key,
    /// Namespace of the AnalysisRun.
    pub namespace: String,
    /// Name of the AnalysisRun.
    pub run: String,
    /// The block.
    pub config: Config,
    /// `successCondition`.
    pub success: String,
    /// `failureCondition`.
    pub failure: String,
    /// When the AnalysisRun began, in Unix seconds.
    pub run_started: Option<i64>,
    /// When the AnalysisRun was made.
    pub run_created: Option<i64>,
    /// The phase of the metric's measurement before this one.
    pub phase_before: Option<AnalysisPhase>,
    /// Whether a success of this measurement is the metric's last word.
    pub is_last: bool,
    /// How many metrics of the AnalysisRun come here.
    pub siblings: usize,
    /// What must not be shown: secret arguments.
    pub redactor: Redactor,
}

impl Subject {
    /// Reads a call of the controller.
    ///
    /// # Errors
    /// What is wrong with the metric's block.
    pub fn read(run: &AnalysisRun, metric: &Metric) -> Result<Self, String> {
        let block = block(metric)?;
        let template = run
            .spec
            .metrics
            .iter()
            .find(|template| template.name == metric.name);
        let redactor = Redactor::of_arguments(run, template, metric, &block);
        // What is wrong may be the value of a secret argument.
        let config = Config::parse(&block).map_err(|error| redactor.clean(&error.to_string()))?;
        let result = run
            .status
            .metric_results
            .iter()
            .find(|result| result.name == metric.name);
        let done = result.map_or(0, |result| i64::from(result.count) + i64::from(result.error));
        let is_ours = |other: &&Metric| other.provider.plugin.keys().eq(metric.provider.plugin.keys());
        let seconds = |time: Option<Time>| time.map(|time| time.0.as_second());
        let last = |measurements: &[rollouts_plugin::types::Measurement]| {
            measurements
                .iter()
                .rev()
                .find(|one| one.phase.is_completed())
                .map(|one| one.phase.clone())
        };
        let count = metric
            .count
            .as_ref()
            .and_then(|count| count.to_string().parse::<i64>().ok());
        let successful = result.map_or(0, |result| i64::from(result.count));
        Ok(Self {
            key: key(run, metric, done),
            namespace: run.metadata.namespace.clone(),
            run: run.metadata.name.clone(),
            config,
            success: metric.success_condition.clone(),
            failure: metric.failure_condition.clone(),
            run_started: seconds(run.status.started_at),
            run_created: seconds(run.metadata.creation_timestamp),
            phase_before: result.and_then(|result| last(&result.measurements)),
            is_last: metric.interval.is_empty() || count.is_some_and(|count| successful + 1 >= count),
            siblings: run.spec.metrics.iter().filter(is_ours).count(),
            redactor,
        })
    }

    /// The metric's conditions.
    pub fn conditions(&self) -> Conditions<'_> {
        Conditions {
            success: &self.success,
            failure: &self.failure,
        }
    }

    /// The moments its window depends on.
    pub fn clock(&self, now: i64) -> Clock {
        Clock {
            now,
            run_started: self.run_started,
            run_created: self.run_created,
        }
    }
}

/// Which measurement a call is about, also where its block is broken.
pub(crate) fn key(run: &AnalysisRun, metric: &Metric, ordinal: i64) -> Key {
    let name = match run.metadata.uid.is_empty() {
        true => format!("{}/{}", run.metadata.namespace, run.metadata.name),
        false => run.metadata.uid.clone(),
    };
    Key {
        run: name,
        metric: metric.name.clone(),
        ordinal,
    }
}

/// The only block of the metric. Its key is whatever name the operator registered the plugin by (Go:
/// `utils/analysis` `ValidateMetric` accepts exactly one).
pub(crate) fn block(metric: &Metric) -> Result<Value, String> {
    let mut blocks = metric.provider.plugin.values();
    match (blocks.next(), blocks.next()) {
        (Some(block), None) => block.parse().map_err(|error| format!("provider.plugin: the block is no JSON: {error}")),
        (None, _) => Err("provider.plugin: the block is missing; write the fields of the datadog provider under the plugin's name".to_owned()),
        (Some(_), Some(_)) => Err("provider.plugin: there are several blocks; write one".to_owned()),
    }
}
