//! `compare`: the new version against the old.

use super::ConfigError;
use super::fields::Fields;
use super::scalar::{Formulas, Scalar};

/// `compare`.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// `canary`: the filter that selects the new version, such as `version:v2`.
    pub canary: String,
    /// `baseline`: the filter that selects the old one.
    pub baseline: String,
    /// `method`.
    pub method: Method,
    /// `direction`: which change is bad. Default increase.
    pub direction: Direction,
    /// `tolerance`: how much change is harmless. For ratio and mannWhitney relative to the baseline (0.25 is a
    /// quarter), for difference in the query's own unit. Default 0.25.
    pub tolerance: f64,
    /// `significance`: for mannWhitney, how likely a false alarm may be. Default 0.02, Kayenta's 98 %.
    pub significance: f64,
    /// `minSamples`: points each side needs; below it the comparison is inconclusive. Default 20 for mannWhitney, and
    /// else 1.
    pub min_samples: u64,
}

/// How two versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `canary / baseline`.
    Ratio,
    /// `canary - baseline`.
    Difference,
    /// Rank test over the points of both series.
    MannWhitney,
}

/// Which change is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More is worse: errors, latency.
    Increase,
    /// Less is worse: throughput, success rate.
    Decrease,
    /// Any change is bad.
    Either,
}

pub(super) fn parse(fields: &mut Fields<'_>) -> Result<Option<Compare>, ConfigError> {
    let Some(value) = fields.value("compare") else {
        return Ok(None);
    };
    let mut fields = Fields::new("compare", value)?;
    let canary = fields.text("canary")?;
    let baseline = fields.text("baseline")?;
    let methods = [
        ("ratio", Method::Ratio),
        ("difference", Method::Difference),
        ("diff", Method::Difference),
        ("mannWhitney", Method::MannWhitney),
    ];
    let method = fields.word("method", &methods)?.unwrap_or(Method::Ratio);
    let directions = [
        ("increase", Direction::Increase),
        ("decrease", Direction::Decrease),
        ("either", Direction::Either),
    ];
    let direction = fields
        .word("direction", &directions)?
        .unwrap_or(Direction::Increase);
    let tolerance = fields.number("tolerance")?.unwrap_or(0.25);
    let significance = fields.number("significance")?;
    let min_samples = fields.count("minSamples", 1, 10_000)?;
    fields.finish()?;
    let missing = |name: &str| {
        ConfigError::rule(
            format!("compare.{name}"),
            "it is missing; write the filter that selects its version, such as version:{{args.version}}",
        )
    };
    let canary = canary.ok_or_else(|| missing("canary"))?;
    let baseline = baseline.ok_or_else(|| missing("baseline"))?;
    if canary == baseline {
        return Err(ConfigError::rule(
            "compare.baseline",
            "it selects the same as compare.canary; write the old version's filter",
        ));
    }
    if tolerance < 0.0 {
        return Err(ConfigError::rule(
            "compare.tolerance",
            "it is negative; write 0 or more",
        ));
    }
    if significance.is_some() && method != Method::MannWhitney {
        return Err(ConfigError::rule(
            "compare.significance",
            "it goes with method: mannWhitney",
        ));
    }
    let significance = significance.unwrap_or(0.02);
    if !(significance > 0.0 && significance < 0.5) {
        return Err(ConfigError::rule(
            "compare.significance",
            "write a number above 0 and below 0.5, such as 0.02",
        ));
    }
    if min_samples.is_some() && method != Method::MannWhitney {
        return Err(ConfigError::rule(
            "compare.minSamples",
            "it counts the points of mannWhitney; for ratio and difference write minSamples beside compare",
        ));
    }
    let min_samples = min_samples.unwrap_or(if method == Method::MannWhitney { 20 } else { 1 });
    Ok(Some(Compare {
        canary,
        baseline,
        method,
        direction,
        tolerance,
        significance,
        min_samples,
    }))
}

/// What the queries of a comparison must be.
pub(super) fn check(scalar: &Scalar, compare: &Compare) -> Result<(), ConfigError> {
    if matches!(scalar.formulas, Formulas::Named(_)) {
        return Err(ConfigError::rule(
            "formulas",
            "compare judges one value; write formula",
        ));
    }
    if scalar.is_grouped() {
        return Err(ConfigError::rule(
            "query",
            "compare judges one value a version; remove the grouping (by {…}, group_by)",
        ));
    }
    // Neither takes a search, and without one both versions would be the same.
    let narrow = scalar.queries.iter().find(|query| {
        let source = query.body.get("data_source").and_then(serde_json::Value::as_str);
        matches!(source, Some("apm_resource_stats" | "apm_dependency_stats"))
            && !serde_json::Value::Object(query.body.clone())
                .to_string()
                .contains("$scope")
    });
    if let Some(query) = narrow {
        return Err(ConfigError::rule(
            "queries",
            format!(
                "{} cannot be narrowed to a version by itself; write $scope where the version belongs",
                query.name
            ),
        ));
    }
    if compare.method == Method::MannWhitney && scalar.guard.is_some() {
        return Err(ConfigError::rule(
            "minSamples",
            "mannWhitney counts points; write compare.minSamples",
        ));
    }
    Ok(())
}
