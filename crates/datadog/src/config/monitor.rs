//! `monitor`: the state of monitors as a verdict.

use super::ConfigError;
use super::fields::Fields;

/// `monitor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// Which monitors.
    pub target: MonitorTarget,
    /// `alert`: what a monitor in Alert means. Default fail.
    pub alert: Rule,
    /// `warn`: what one in Warn means. Default success.
    pub warn: Rule,
    /// `noData`: what one without data means. Default error.
    pub no_data: Rule,
    /// `muted`: what a muted one counts as; `ignore` leaves it out. Default: as any other, as its state says.
    pub muted: Rule,
}

/// Which monitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitorTarget {
    /// `id`.
    Id(String),
    /// `query`: a search, such as `tag:(service:web AND env:prod)`.
    Search(String),
}

/// What a state means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Healthy.
    Success,
    /// Sick.
    Fail,
    /// Neither.
    Inconclusive,
    /// Not measured.
    Error,
    /// Left out, as if it did not exist.
    Ignore,
    /// As the state says.
    State,
}

const RULES: [(&str, Rule); 5] = [
    ("success", Rule::Success),
    ("fail", Rule::Fail),
    ("inconclusive", Rule::Inconclusive),
    ("error", Rule::Error),
    ("ignore", Rule::Ignore),
];
const MUTED: [(&str, Rule); 3] = [
    ("ignore", Rule::Ignore),
    ("inconclusive", Rule::Inconclusive),
    ("state", Rule::State),
];

pub(super) fn parse(fields: &mut Fields<'_>) -> Result<Option<Monitor>, ConfigError> {
    let Some(value) = fields.value("monitor") else {
        return Ok(None);
    };
    let mut fields = Fields::new("monitor", value)?;
    let id = fields.id("id")?;
    let query = fields.text("query")?;
    let alert = fields.word("alert", &RULES)?.unwrap_or(Rule::Fail);
    let warn = fields.word("warn", &RULES)?.unwrap_or(Rule::Success);
    let no_data = fields.word("noData", &RULES)?.unwrap_or(Rule::Error);
    let muted = fields.word("muted", &MUTED)?.unwrap_or(Rule::State);
    fields.finish()?;
    let target = match (id, query) {
        (Some(id), None) if id.bytes().all(|byte| byte.is_ascii_digit()) => MonitorTarget::Id(id),
        (Some(id), None) => {
            return Err(super::fields::wrong_type(
                "monitor.id".to_owned(),
                "the number of a monitor",
                &id.into(),
            ));
        }
        (None, Some(query)) => MonitorTarget::Search(query),
        _ => {
            let problem = "write id (one monitor) or query (a search such as tag:(service:web AND env:prod)), one of them";
            return Err(ConfigError::rule("monitor", problem));
        }
    };
    Ok(Some(Monitor {
        target,
        alert,
        warn,
        no_data,
        muted,
    }))
}
