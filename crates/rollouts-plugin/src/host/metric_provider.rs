//! Go: `MetricsPluginRPC` in `metricproviders/plugin/rpc/rpc.go`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gob::Type;

use super::{PluginClient, Stub, any};
use crate::RpcResult;
use crate::types::{AnalysisRun, Measurement, Metric};
use crate::wire::metric_provider::{Arguments, COOKIE, Continue, GarbageCollect, Metadata, NAME, Run};

static ANY: LazyLock<Type> = LazyLock::new(|| any(include_str!("../schema/metricprovider.schema")));

/// Calls a metric provider.
#[derive(Clone)]
pub struct MetricProviderClient(Stub);

impl PluginClient for MetricProviderClient {
    const COOKIE: &'static str = COOKIE;
    const NAME: &'static str = NAME;
    fn new(stub: Stub) -> Self {
        Self(stub)
    }
}

/// Each method answers as the plugin's method of that name, or with `<Method> rpc call error: …`. The controller turns
/// such an error into a measurement in phase `Error`, and writes `failed to run via plugin: ` before an error's message;
/// this client does neither.
impl MetricProviderClient {
    /// `InitPlugin`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn init(&self) -> RpcResult {
        self.0.init(&ANY).await
    }

    /// `Type`.
    ///
    /// # Errors
    /// The call's.
    pub async fn kind(&self) -> RpcResult<String> {
        self.0.call_nil("Type", &ANY).await
    }

    /// `Run`.
    ///
    /// # Errors
    /// The call's.
    pub async fn run(&self, analysis_run: &AnalysisRun, metric: &Metric) -> RpcResult<Measurement> {
        let arguments = Arguments::Run(Run {
            analysis_run: analysis_run.clone(),
            metric: metric.clone(),
        });
        self.0.call("Run", &ANY, &arguments).await
    }

    /// `Resume`.
    ///
    /// # Errors
    /// The call's.
    pub async fn resume(
        &self,
        analysis_run: &AnalysisRun,
        metric: &Metric,
        measurement: &Measurement,
    ) -> RpcResult<Measurement> {
        self.0
            .call("Resume", &ANY, &continued(analysis_run, metric, measurement))
            .await
    }

    /// `Terminate`.
    ///
    /// # Errors
    /// The call's.
    pub async fn terminate(
        &self,
        analysis_run: &AnalysisRun,
        metric: &Metric,
        measurement: &Measurement,
    ) -> RpcResult<Measurement> {
        self.0
            .call("Terminate", &ANY, &continued(analysis_run, metric, measurement))
            .await
    }

    /// `GarbageCollect`.
    ///
    /// # Errors
    /// The plugin's, or the call's.
    pub async fn garbage_collect(
        &self,
        analysis_run: &AnalysisRun,
        metric: &Metric,
        limit: i64,
    ) -> RpcResult {
        let arguments = Arguments::GarbageCollect(GarbageCollect {
            analysis_run: analysis_run.clone(),
            metric: metric.clone(),
            limit,
        });
        self.0.call_for_error("GarbageCollect", &ANY, &arguments).await
    }

    /// `GetMetadata`.
    ///
    /// # Errors
    /// The call's.
    pub async fn metadata(&self, metric: &Metric) -> RpcResult<BTreeMap<String, String>> {
        self.0
            .call(
                "GetMetadata",
                &ANY,
                &Arguments::Metadata(Metadata {
                    metric: metric.clone(),
                }),
            )
            .await
    }
}

fn continued(analysis_run: &AnalysisRun, metric: &Metric, measurement: &Measurement) -> Arguments {
    Arguments::Continue(Continue {
        analysis_run: analysis_run.clone(),
        metric: metric.clone(),
        measurement: measurement.clone(),
    })
}
