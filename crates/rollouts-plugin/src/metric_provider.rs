//! Metric providers: who says whether a version is healthy.

use std::collections::BTreeMap;
use std::future::Future;

use crate::RpcResult;
use crate::types::{AnalysisRun, Measurement, Metric};

/// A metric provider, as the controller calls it.
///
/// A measurement begins with [`MetricProvider::run`]. An answer in phase `Running` is continued by
/// [`MetricProvider::resume`] at `resume_at`, or ended by [`MetricProvider::terminate`] (Go:
/// `analysis/analysis.go` `runMeasurements`). Up to thirty calls overlap.
///
/// There is no error beside the measurement: what goes wrong is a [`Measurement`] in phase `Error` with a message.
pub trait MetricProvider: Send + Sync + 'static {
    /// Called once after the start, under a mutex that holds up every analysis of the controller: no network I/O here. An
    /// error is told once; the controller then goes on with the plugin as it is.
    fn init(&self) -> impl Future<Output = RpcResult> + Send {
        async { Ok(()) }
    }

    /// A word for the controller's log.
    fn kind(&self) -> String;

    /// Begins a measurement.
    fn run(&self, analysis_run: &AnalysisRun, metric: &Metric) -> impl Future<Output = Measurement> + Send;

    /// Continues a measurement that is `Running`.
    fn resume(
        &self,
        analysis_run: &AnalysisRun,
        metric: &Metric,
        measurement: &Measurement,
    ) -> impl Future<Output = Measurement> + Send;

    /// Ends a measurement that is `Running`.
    fn terminate(
        &self,
        analysis_run: &AnalysisRun,
        metric: &Metric,
        measurement: &Measurement,
    ) -> impl Future<Output = Measurement> + Send;

    /// Removes what was left outside of the cluster by all but the last `limit` measurements.
    fn garbage_collect(
        &self,
        analysis_run: &AnalysisRun,
        metric: &Metric,
        limit: i64,
    ) -> impl Future<Output = RpcResult> + Send {
        let _ = (analysis_run, metric, limit);
        async { Ok(()) }
    }

    /// What to show beside the metric's results, for example the query with its arguments resolved.
    fn metadata(&self, metric: &Metric) -> impl Future<Output = BTreeMap<String, String>> + Send {
        let _ = metric;
        async { BTreeMap::new() }
    }
}
