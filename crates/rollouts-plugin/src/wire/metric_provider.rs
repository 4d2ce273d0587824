//! Go: `metricproviders/plugin/rpc/rpc.go`.

use serde::{Deserialize, Serialize};

use crate::types::{AnalysisRun, Measurement, Metric};

/// Value of the cookie.
pub(crate) const COOKIE: &str = "metricprovider";
/// Name to dispense.
pub(crate) const NAME: &str = "RpcMetricProviderPlugin";

/// An argument, by its registered name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Arguments {
    #[serde(rename = "RunArgs")]
    Run(Run),
    #[serde(rename = "TerminateAndResumeArgs")]
    Continue(Continue),
    #[serde(rename = "GarbageCollectArgs")]
    GarbageCollect(GarbageCollect),
    #[serde(rename = "GetMetadataArgs")]
    Metadata(Metadata),
}

/// `RunArgs`. The AnalysisRun is a pointer in Go; nil reads as an empty one.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Run {
    pub(crate) analysis_run: AnalysisRun,
    pub(crate) metric: Metric,
}

/// `TerminateAndResumeArgs`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Continue {
    pub(crate) analysis_run: AnalysisRun,
    pub(crate) metric: Metric,
    pub(crate) measurement: Measurement,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct GarbageCollect {
    pub(crate) analysis_run: AnalysisRun,
    pub(crate) metric: Metric,
    pub(crate) limit: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Metadata {
    pub(crate) metric: Metric,
}
