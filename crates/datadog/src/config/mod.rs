//! The block under the plugin's key in an AnalysisTemplate, read and checked.
//!
//! Go: `pkg/apis/rollouts/v1alpha1` `DatadogMetric` for the fields that the controller's own provider has, and
//! `metricproviders/datadog/datadog.go` `validateIncomingProps` for what goes together. No CRD schema stands behind a
//! plugin's block, so the defaults of the CRD are applied here and what is unknown is refused here.

mod compare;
pub mod duration;
mod fields;
mod gate;
mod monitor;
mod policy;
mod scalar;
mod site;
mod slo;

use std::time::Duration;

use serde_json::Value;

pub use self::compare::{Compare, Direction, Method};
pub use self::gate::Gate;
pub use self::monitor::{Monitor, MonitorTarget, Rule};
pub use self::policy::{Annotate, Dora, NoData, OnError, SampleGuard};
pub use self::scalar::{DATA_SOURCES, Formulas, NamedQuery, Scalar};
pub use self::site::{SITES, Site};
pub use self::slo::SloStatus;

use self::fields::Fields;

/// A metric's block.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What is asked.
    pub source: Source,
    /// `interval`: how far back the window goes. Default 5m, at least 1s.
    pub interval: Duration,
    /// `since`: the window begins with the analysis or the rollout instead.
    pub since: Option<Since>,
    /// `delay`: how long ago the window ends, so that its last bucket is complete. Default 0s.
    pub delay: Duration,
    /// `dropLastPoint`: leave out the newest point of a series, which may be half filled.
    pub drop_last_point: bool,
    /// `secretRef`: where the keys are.
    pub secret_ref: Option<SecretRef>,
    /// `site`: the Datadog site, where neither Secret nor environment name one.
    pub site: Option<Site>,
    /// `requestTimeout`: how long one request may take. Default 10s.
    pub request_timeout: Duration,
    /// `onNoData`: what no data means. Default: what the conditions make of it, usually an error.
    pub on_no_data: NoData,
    /// `onError`: patience with Datadog's own troubles.
    pub on_error: OnError,
    /// `minSamples`: below this the answer is inconclusive.
    pub min_samples: Option<SampleGuard>,
    /// `annotate`: marks that are left in Datadog. Default none.
    pub annotate: Annotate,
}

/// What a metric asks Datadog.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// `apiVersion: v1` with `query`: the newest point of the first series.
    V1 {
        /// The query.
        query: String,
    },
    /// `apiVersion: v2`: one value, one value a group, or one value a formula.
    Scalar(Scalar),
    /// `compare`: the same query for two scopes.
    Compare(Scalar, Compare),
    /// `monitor`: states of monitors.
    Monitor(Monitor),
    /// `slo` with `measure: status`: the state of an SLO.
    Slo(SloStatus),
    /// `gate`: a Deployment Gate.
    Gate(Gate),
}

/// Where a window begins, if not `interval` ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The start of the AnalysisRun.
    Run,
    /// The creation of the AnalysisRun's owner's current revision: the AnalysisRun's own creation for background and
    /// step analyses of a Rollout.
    Rollout,
}

/// `secretRef`. Go: `v1alpha1.SecretRef`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
    /// In the AnalysisRun's namespace instead of the controller's.
    pub namespaced: bool,
}

/// Why a block is not accepted. The first line names the field and says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The value of a field is not what it must be.
    #[error("{path}: {seen} is not accepted; write {expected}")]
    Value {
        /// The field, with dots.
        path: String,
        /// The value seen.
        seen: String,
        /// What is accepted.
        expected: String,
    },
    /// A field that does not exist.
    #[error("{path}: no such field; {hint}")]
    UnknownField {
        /// The field, with dots.
        path: String,
        /// The nearest name and all known ones.
        hint: String,
    },
    /// Fields that do not go together, or one that is missing.
    #[error("{path}: {problem}")]
    Rule {
        /// The field at fault.
        path: String,
        /// What is wrong and what to write.
        problem: String,
    },
}

impl ConfigError {
    fn rule(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Rule {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

impl Config {
    /// Reads a block.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(block: &Value) -> Result<Self, ConfigError> {
        let mut fields = Fields::new("", block)?;
        let secret_ref = secret_ref(&mut fields)?;
        let site = site::parse(&mut fields)?;
        let interval = fields.duration("interval", SECOND)?;
        let delay = fields.duration("delay", Duration::ZERO)?.unwrap_or_default();
        let since = fields.word("since", &[("run", Since::Run), ("rollout", Since::Rollout)])?;
        let drop_last_point = fields.bool("dropLastPoint")?.unwrap_or(false);
        let request_timeout = fields.duration("requestTimeout", Duration::from_millis(1))?;
        let on_no_data = policy::no_data(&mut fields)?;
        let on_error = policy::on_error(&mut fields)?;
        let annotate = policy::annotate(&mut fields)?;
        let min_samples = policy::min_samples(&mut fields)?;
        let source = source(&mut fields, min_samples.as_ref())?;
        fields.finish()?;

        if since.is_some() && interval.is_some() {
            return Err(ConfigError::rule(
                "since",
                "it sets the beginning of the window, and so does interval; keep one of them",
            ));
        }
        if drop_last_point && !source.has_points() {
            let problem =
                "only series have points: apiVersion v1 and compare with mannWhitney; use delay here";
            return Err(ConfigError::rule("dropLastPoint", problem));
        }
        if min_samples.is_some() && !matches!(source, Source::Scalar(_) | Source::Compare(..)) {
            let problem =
                "it needs a query of apiVersion v2; write apiVersion: v2, or use a failureCondition";
            return Err(ConfigError::rule("minSamples", problem));
        }
        Ok(Self {
            source,
            interval: interval.unwrap_or(Duration::from_secs(300)),
            since,
            delay,
            drop_last_point,
            secret_ref,
            site,
            request_timeout: request_timeout.unwrap_or(Duration::from_secs(10)),
            on_no_data,
            on_error,
            min_samples,
            annotate,
        })
    }
}

impl Source {
    fn has_points(&self) -> bool {
        match self {
            Self::V1 { .. } => true,
            Self::Compare(_, compare) => compare.method == Method::MannWhitney,
            Self::Scalar(_) | Self::Monitor(_) | Self::Slo(_) | Self::Gate(_) => false,
        }
    }

    /// A word for metadata and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::V1 { .. } => "v1",
            Self::Scalar(_) => "v2",
            Self::Compare(..) => "compare",
            Self::Monitor(_) => "monitor",
            Self::Slo(_) => "slo",
            Self::Gate(_) => "gate",
        }
    }

    /// Whether the verdict is the source's own where the metric has no condition.
    pub fn judges_itself(&self) -> bool {
        matches!(
            self,
            Self::Compare(..) | Self::Monitor(_) | Self::Slo(_) | Self::Gate(_)
        )
    }
}

#[derive(Clone, Copy, PartialEq)]
enum ApiVersion {
    V1,
    V2,
}

fn source(fields: &mut Fields<'_>, guard: Option<&SampleGuard>) -> Result<Source, ConfigError> {
    let version = fields.word("apiVersion", &[("v1", ApiVersion::V1), ("v2", ApiVersion::V2)])?;
    let monitor = monitor::parse(fields)?.map(Source::Monitor);
    let slo = slo::parse(fields)?;
    let gate = gate::parse(fields)?.map(Source::Gate);
    let compare = compare::parse(fields)?;
    let query = fields.text("query")?;
    let aggregator = scalar::aggregator(fields)?;
    let queries = scalar::queries(fields, aggregator)?;
    let formula = fields.text("formula")?;
    let formulas = scalar::formulas(fields)?;

    let special = [
        ("monitor", monitor.is_some()),
        ("slo", slo.is_some()),
        ("gate", gate.is_some()),
    ];
    let asked = [
        ("query", query.is_some()),
        ("queries", !queries.is_empty()),
        ("formula", formula.is_some()),
        ("formulas", formulas.is_some()),
        ("compare", compare.is_some()),
        ("aggregator", aggregator.is_some()),
    ];
    let given: Vec<&str> = special
        .iter()
        .chain(&asked)
        .filter(|(_, given)| *given)
        .map(|(name, _)| *name)
        .collect();
    if let Some((name, _)) = special.iter().find(|(_, given)| *given) {
        if given.len() > 1 {
            let others = given
                .iter()
                .filter(|other| *other != name)
                .copied()
                .collect::<Vec<_>>()
                .join(", ");
            return Err(ConfigError::rule(
                *name,
                format!("it stands alone; remove {others}"),
            ));
        }
        if version == Some(ApiVersion::V1) {
            return Err(ConfigError::rule(
                "apiVersion",
                format!("v1 has no {name}; remove apiVersion"),
            ));
        }
        return Ok(match slo {
            Some(slo::Slo::Status(status)) => Source::Slo(status),
            Some(slo::Slo::Measure(scalar)) => Source::Scalar(scalar),
            None => monitor.or(gate).expect("one of the three was given"),
        });
    }

    if query.is_none() && queries.is_empty() {
        let problem = "the block asks nothing; write query, queries, monitor, slo or gate";
        return Err(ConfigError::rule("query", problem));
    }
    if query.is_some() && !queries.is_empty() {
        return Err(ConfigError::rule(
            "queries",
            "there is a query as well; keep one of them, query for a single query",
        ));
    }
    let v2_only = [
        ("queries", !queries.is_empty()),
        ("formulas", formulas.is_some()),
        ("compare", compare.is_some()),
        ("minSamples", guard.is_some()),
    ];
    let needs_v2 = v2_only.iter().find(|(_, given)| *given);
    match (version, needs_v2) {
        (Some(ApiVersion::V1), Some((name, _))) => {
            return Err(ConfigError::rule(
                *name,
                "apiVersion v1 knows only query; write apiVersion: v2",
            ));
        }
        // Go answers an error here, because its default is v1: nothing that works there reads differently.
        (None, Some(_)) | (Some(ApiVersion::V2), _) => {}
        (None | Some(ApiVersion::V1), None) => {
            if aggregator.is_some() {
                return Err(ConfigError::rule(
                    "aggregator",
                    "apiVersion v1 has none; write apiVersion: v2",
                ));
            }
            if formula.is_some() {
                return Err(ConfigError::rule(
                    "formula",
                    "it needs queries and apiVersion: v2; for a single query put the functions into query",
                ));
            }
            return Ok(Source::V1 {
                query: query.expect("checked above"),
            });
        }
    }
    let scalar = scalar::assemble(
        query,
        queries,
        aggregator,
        formula,
        formulas,
        guard,
        compare.is_some(),
    )?;
    match compare {
        Some(compare) => {
            compare::check(&scalar, &compare)?;
            Ok(Source::Compare(scalar, compare))
        }
        None => Ok(Source::Scalar(scalar)),
    }
}

fn secret_ref(fields: &mut Fields<'_>) -> Result<Option<SecretRef>, ConfigError> {
    let Some(value) = fields.value("secretRef") else {
        return Ok(None);
    };
    let mut fields = Fields::new("secretRef", value)?;
    let name = fields.text("name")?;
    let namespaced = fields.bool("namespaced")?.unwrap_or(false);
    fields.finish()?;
    match name {
        Some(name) => Ok(Some(SecretRef { name, namespaced })),
        None if namespaced => Err(ConfigError::rule(
            "secretRef.name",
            "it is missing; namespaced keys need the name of their Secret",
        )),
        None => Ok(None),
    }
}
