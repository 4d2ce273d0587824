//! `gate`: a Deployment Gate of Datadog.

use std::time::Duration;

use serde_json::Value;

use super::ConfigError;
use super::fields::Fields;

/// `gate` (datadog-api-client 0.38 `DeploymentGatesEvaluationRequestAttributes`).
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The service deployed.
    pub service: String,
    /// Its environment.
    pub env: String,
    /// Which gate of that service; Datadog's default is `default`.
    pub identifier: Option<String>,
    /// The version deployed; faulty deployment detection needs it.
    pub version: Option<String>,
    /// A primary tag that narrows faulty deployment detection.
    pub primary_tag: Option<String>,
    /// Rules given here instead of a gate made in Datadog, handed on as they are.
    pub configuration: Option<Value>,
    /// How long to wait for a verdict. Default 2h30m, more than the longest rule (2h).
    pub timeout: Duration,
    /// Time between two looks. Default 15s, at least 1s.
    pub poll: Duration,
}

/// The longest a rule may observe (`DeploymentGatesMonitorRuleOptions.duration`).
const LONGEST_RULE: f64 = 7200.0;

pub(super) fn parse(fields: &mut Fields<'_>) -> Result<Option<Gate>, ConfigError> {
    let Some(value) = fields.value("gate") else {
        return Ok(None);
    };
    let mut fields = Fields::new("gate", value)?;
    let service = fields.text("service")?;
    let env = fields.text("env")?;
    let identifier = fields.text("identifier")?;
    let version = fields.text("version")?;
    let primary_tag = fields.text("primaryTag")?;
    let timeout = fields
        .duration("timeout", Duration::from_secs(1))?
        .unwrap_or(Duration::from_secs(9000));
    let poll = fields
        .duration("pollInterval", Duration::from_secs(1))?
        .unwrap_or(Duration::from_secs(15));
    let dry_run = fields.bool("dryRun")?;
    let rules = fields.value("rules");
    let configuration = rules
        .map(|rules| configuration(rules, dry_run, version.is_some()))
        .transpose()?;
    fields.finish()?;
    if dry_run.is_some() && configuration.is_none() {
        return Err(ConfigError::rule(
            "gate.dryRun",
            "it goes with rules; a gate made in Datadog has its own switch",
        ));
    }
    if configuration.is_some() && identifier.is_some() {
        return Err(ConfigError::rule(
            "gate.identifier",
            "it names a gate made in Datadog, and rules stand for one; keep one of them",
        ));
    }
    let missing = |name: &str| {
        ConfigError::rule(
            format!("gate.{name}"),
            format!("it is missing; write the {name} deployed"),
        )
    };
    Ok(Some(Gate {
        service: service.ok_or_else(|| missing("service"))?,
        env: env.ok_or_else(|| missing("env"))?,
        identifier,
        version,
        primary_tag,
        configuration,
        timeout,
        poll,
    }))
}

/// The rules as Datadog takes them, checked as far as a mistake here would only show after minutes.
fn configuration(rules: &Value, dry_run: Option<bool>, has_version: bool) -> Result<Value, ConfigError> {
    let rules = match rules {
        Value::Array(rules) if !rules.is_empty() => rules,
        other => {
            return Err(super::fields::wrong_type(
                "gate.rules".to_owned(),
                "a list of at least one rule",
                other,
            ));
        }
    };
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("gate.rules[{index}]");
        let mut fields = Fields::new(path.clone(), rule)?;
        let kind = fields.word(
            "type",
            &[
                ("monitor", "monitor"),
                ("faulty_deployment_detection", "faulty_deployment_detection"),
            ],
        )?;
        fields.text("name")?;
        fields.bool("dry_run")?;
        let options = fields.value("options");
        fields.finish()?;
        let Some(kind) = kind else {
            return Err(ConfigError::rule(
                format!("{path}.type"),
                "it is missing; write monitor or faulty_deployment_detection",
            ));
        };
        if kind == "faulty_deployment_detection" && !has_version {
            return Err(ConfigError::rule(
                "gate.version",
                format!("it is missing, and {path} needs it"),
            ));
        }
        let query = options
            .and_then(|options| options.get("query"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        if kind == "monitor" && query.trim().is_empty() {
            return Err(ConfigError::rule(
                format!("{path}.options.query"),
                "it is missing; write a search for monitors",
            ));
        }
        let duration = options.and_then(|options| options.get("duration"));
        if let Some(duration) = duration.filter(|duration| {
            !duration
                .as_f64()
                .is_some_and(|s| (0.0..=LONGEST_RULE).contains(&s))
        }) {
            return Err(super::fields::wrong_type(
                format!("{path}.options.duration"),
                "seconds, from 0 to 7200",
                duration,
            ));
        }
    }
    let mut configuration = serde_json::json!({ "rules": rules });
    if let Some(dry_run) = dry_run {
        configuration["dry_run"] = dry_run.into();
    }
    Ok(configuration)
}
