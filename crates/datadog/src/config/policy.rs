//! What to make of missing data, of Datadog's own troubles, and what to leave behind.

use std::time::Duration;

use serde_json::Value;

use super::fields::Fields;
use super::{ConfigError, duration};

/// `onNoData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoData {
    /// Not given: the conditions see nil, as with the controller's own provider, which ends in an error unless they
    /// use `default(result, …)`. Sources that judge themselves answer an error.
    #[default]
    Conditions,
    /// An error, whatever the conditions say.
    Error,
    /// Inconclusive: the Rollout pauses.
    Inconclusive,
    /// Successful: nobody calls, nobody is hurt.
    Success,
    /// Failed.
    Fail,
    /// Ask again for this long, then an error.
    Retry(Duration),
}

/// `onError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnError {
    /// `retryFor`: how long throttling and outages keep a measurement Running before it becomes an Error. Default 5m.
    pub retry_for: Duration,
    /// `useLastGood`: an answer at most this old stands in for Datadog while it is away. Default: none does.
    pub use_last_good: Option<Duration>,
}

/// `minSamples`: a formula (or query) that counts, and how much is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleGuard {
    /// A query of its own.
    pub query: Option<String>,
    /// A formula over the metric's queries.
    pub formula: Option<String>,
    /// Below this the metric is not judged.
    pub at_least: f64,
}

/// `annotate`: marks left in Datadog; all off unless asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotate {
    /// An event whenever the metric's verdict changes.
    pub event: bool,
    /// A DORA deployment when the metric's last measurement is successful.
    pub dora: Option<Dora>,
}

/// `annotate.dora`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dora {
    /// The service deployed.
    pub service: String,
    /// Its environment.
    pub env: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

pub(super) fn no_data(fields: &mut Fields<'_>) -> Result<NoData, ConfigError> {
    let Some(text) = fields.text("onNoData")? else {
        return Ok(NoData::Conditions);
    };
    let bad = |why: &str| {
        let expected = format!("error, inconclusive, success, fail or retry(<duration>){why}");
        Err(fields.refuse("onNoData", &Value::from(text.as_str()), &expected))
    };
    match text.trim() {
        "error" => Ok(NoData::Error),
        "inconclusive" => Ok(NoData::Inconclusive),
        "success" => Ok(NoData::Success),
        "fail" => Ok(NoData::Fail),
        other => match other
            .strip_prefix("retry(")
            .and_then(|rest| rest.strip_suffix(')'))
        {
            Some(text) => match duration::parse(text) {
                Ok(patience) if patience >= Duration::from_secs(1) => Ok(NoData::Retry(patience)),
                Ok(_) => bad(" of at least 1s"),
                Err(why) => bad(&format!(" ({why})")),
            },
            None => bad(""),
        },
    }
}

pub(super) fn on_error(fields: &mut Fields<'_>) -> Result<OnError, ConfigError> {
    let mut policy = OnError {
        retry_for: Duration::from_secs(300),
        use_last_good: None,
    };
    if let Some(value) = fields.value("onError") {
        let mut fields = Fields::new("onError", value)?;
        if let Some(patience) = fields.duration("retryFor", Duration::ZERO)? {
            policy.retry_for = patience;
        }
        policy.use_last_good = fields.duration("useLastGood", Duration::from_secs(1))?;
        fields.finish()?;
    }
    Ok(policy)
}

pub(super) fn min_samples(fields: &mut Fields<'_>) -> Result<Option<SampleGuard>, ConfigError> {
    let Some(value) = fields.value("minSamples") else {
        return Ok(None);
    };
    let mut fields = Fields::new("minSamples", value)?;
    let query = fields.text("query")?;
    let formula = fields.text("formula")?;
    let at_least = fields.number("atLeast")?;
    fields.finish()?;
    if query.is_some() == formula.is_some() {
        let problem = "write query (one that counts) or formula (over the metric's queries), one of them";
        return Err(ConfigError::rule("minSamples", problem));
    }
    match at_least {
        Some(at_least) if at_least > 0.0 => Ok(Some(SampleGuard {
            query,
            formula,
            at_least,
        })),
        _ => Err(ConfigError::rule("minSamples.atLeast", "write a number above 0")),
    }
}

pub(super) fn annotate(fields: &mut Fields<'_>) -> Result<Annotate, ConfigError> {
    let mut annotate = Annotate::default();
    if let Some(value) = fields.value("annotate") {
        let mut fields = Fields::new("annotate", value)?;
        annotate.event = fields.bool("event")?.unwrap_or(false);
        if let Some(value) = fields.value("dora") {
            let mut fields = Fields::new("annotate.dora", value)?;
            let service = fields.text("service")?;
            let env = fields.text("env")?;
            let version = fields.text("version")?;
            fields.finish()?;
            let Some(service) = service else {
                return Err(ConfigError::rule(
                    "annotate.dora.service",
                    "it is missing; write the service deployed",
                ));
            };
            annotate.dora = Some(Dora {
                service,
                env,
                version,
            });
        }
        fields.finish()?;
    }
    Ok(annotate)
}
