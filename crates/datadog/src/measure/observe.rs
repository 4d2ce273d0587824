//! One look at Datadog.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::engine::{EVALUATION, FAILING_SINCE};
use super::{Engine, Progress, Subject};
use crate::client::{Account, Answered, Asked, Failure, Via};
use crate::config::{Compare, Config, Gate, Method, Monitor, MonitorTarget, Rule, Scalar, Source};
use crate::judge::{self, Evaluation, Found, Reading};
use crate::plan::{self, Ask, Endpoint, Window};

/// The most pages of a monitor search: 500 groups.
const MOST_PAGES: u32 = 5;

/// Asks what the subject's source asks, once.
///
/// # Errors
/// Why there is no reading.
pub async fn observe(
    engine: &Engine,
    subject: &Subject,
    account: &Arc<Account>,
    window: Window,
    began: Timestamp,
    alone: bool,
    progress: &watch::Sender<Progress>,
) -> Result<Reading, Failure> {
    let config = &subject.config;
    let mut reading = match &config.source {
        Source::V1 { .. } | Source::Scalar(_) => ask(engine, config, account, window, alone).await?,
        Source::Compare(scalar, compare) => match compare.method {
            Method::MannWhitney => compare_series(engine, config, scalar, compare, account, window).await?,
            Method::Ratio | Method::Difference => ask(engine, config, account, window, alone).await?,
        },
        Source::Monitor(monitor) => look_at_monitors(engine, config, monitor, account).await?,
        Source::Slo(slo) => {
            let reply = engine
                .exchange
                .call(
                    account,
                    &plan::slo_status(&slo.id, window),
                    config.request_timeout,
                )
                .await?;
            judge::read_slo(&reply.body)?
        }
        Source::Gate(gate) => return ask_gate(engine, config, gate, account, began, progress).await,
    };
    if let Some(left) = engine.exchange.budget_left(account, endpoint(&config.source)) {
        reading.notes.push(("budget", left));
    }
    Ok(reading)
}

/// The requests that a look consists of, as a metric on its own sends them.
pub fn plan_calls(config: &Config, window: Window) -> Vec<plan::Call> {
    match &config.source {
        Source::V1 { query } => vec![plan::v1(&[query], window)],
        Source::Scalar(scalar) => vec![plan::scalar(&Ask::of(scalar), window)],
        Source::Compare(scalar, compare) => {
            let ask = plan::plan_comparison(scalar, compare);
            match compare.method {
                Method::MannWhitney => vec![plan::timeseries(&ask, window)],
                Method::Ratio | Method::Difference => vec![plan::scalar(&ask, window)],
            }
        }
        Source::Monitor(monitor) => match &monitor.target {
            MonitorTarget::Id(id) => vec![plan::monitor(id)],
            MonitorTarget::Search(query) => plan::monitor_searches(query, monitor.muted)
                .iter()
                .map(|search| plan::monitor_search(&search.query, 0))
                .collect(),
        },
        Source::Slo(slo) => vec![plan::slo_status(&slo.id, window)],
        Source::Gate(gate) => vec![plan::gate_start(gate), plan::gate_result("<evaluation id>")],
    }
}

/// The endpoint whose budget a source spends.
pub(super) fn endpoint(source: &Source) -> Endpoint {
    match source {
        Source::V1 { .. } => Endpoint::V1Query,
        Source::Scalar(_) => Endpoint::Scalar,
        Source::Compare(_, compare) if compare.method == Method::MannWhitney => Endpoint::Timeseries,
        Source::Compare(..) => Endpoint::Scalar,
        Source::Monitor(monitor) => match monitor.target {
            MonitorTarget::Id(_) => Endpoint::Monitor,
            MonitorTarget::Search(_) => Endpoint::MonitorSearch,
        },
        Source::Slo(_) => Endpoint::SloStatus,
        Source::Gate(_) => Endpoint::GateResult,
    }
}

/// The part of a source that can be asked together with others.
pub(super) fn question(source: &Source) -> Option<Asked> {
    match source {
        Source::V1 { query } => Some(Asked::V1(query.clone())),
        Source::Scalar(scalar) => Some(Asked::Scalar(Ask::of(scalar))),
        Source::Compare(scalar, compare) if compare.method != Method::MannWhitney => {
            Some(Asked::Scalar(plan::plan_comparison(scalar, compare)))
        }
        Source::Compare(..) | Source::Monitor(_) | Source::Slo(_) | Source::Gate(_) => None,
    }
}

/// What an answer to [`question`] says.
pub(super) fn read(config: &Config, answer: &Answered) -> Reading {
    match (&config.source, answer) {
        (Source::Compare(scalar, compare), Answered::Columns(columns)) => {
            let value = |index: usize| columns.numbers.get(index).and_then(judge::Column::single);
            let mut reading = judge::compare_values(compare, value(0), value(1));
            if scalar.guard.is_some() {
                reading.samples = Some(value(2).unwrap_or(0.0).min(value(3).unwrap_or(0.0)));
            }
            reading.unit = columns.numbers.first().and_then(|column| column.unit.clone());
            reading
        }
        (Source::Scalar(scalar), Answered::Columns(columns)) => Reading::of_columns(scalar, columns.clone()),
        (_, Answered::Series(series)) => Reading::of_series(series.as_ref(), config.drop_last_point),
        // A question of one kind never gets an answer of the other.
        (_, Answered::Columns(_)) => Reading::of(judge::Result::Number(None)),
    }
}

/// Reads a recorded answer of Datadog as if it had come now.
///
/// # Errors
/// Where it is not an answer to what the metric asks.
pub fn read_recorded(config: &Config, body: &Value, now: i64) -> Result<Reading, Failure> {
    if let Some(problem) = judge::problem_of(body) {
        return Err(Failure::Refused(format!("Datadog refused the query: {problem}")));
    }
    match &config.source {
        Source::V1 { .. } => {
            let series = judge::read_v1(body, 1)?.pop().flatten();
            Ok(Reading::of_series(series.as_ref(), config.drop_last_point))
        }
        Source::Compare(_, compare) if compare.method == Method::MannWhitney => {
            let series = judge::read_timeseries(body, 2)?;
            let values = |index: usize| series[index].values(config.drop_last_point);
            Ok(judge::compare_series(compare, &values(0), &values(1)))
        }
        Source::Scalar(_) | Source::Compare(..) => {
            let Some(Asked::Scalar(ask)) = question(&config.source) else {
                unreachable!("both ask the scalar endpoint")
            };
            let columns = ask
                .in_order(judge::Columns::read(body)?)
                .map_err(Failure::Unreadable)?;
            Ok(read(config, &Answered::Columns(columns)))
        }
        Source::Monitor(monitor) => Ok(match monitor.target {
            MonitorTarget::Id(_) => judge::read_monitor(monitor, body, now)?,
            MonitorTarget::Search(_) => {
                // The recorded search is taken for the one that leaves out the muted, where there is such a one.
                let found = Found {
                    muted: (monitor.muted != Rule::State).then_some(false),
                    pages: vec![body.clone()],
                };
                judge::read_monitor_search(monitor, &[found])?
            }
        }),
        Source::Slo(_) => Ok(judge::read_slo(body)?),
        Source::Gate(_) => match Evaluation::read(body)? {
            Evaluation::Done(reading) => Ok(*reading),
            Evaluation::InProgress(_) => Err(Failure::Unreadable(
                "the recorded evaluation is still in progress".to_owned(),
            )),
        },
    }
}

async fn ask(
    engine: &Engine,
    config: &Config,
    account: &Arc<Account>,
    window: Window,
    alone: bool,
) -> Result<Reading, Failure> {
    let asked = question(&config.source).expect("only sources with a question come here");
    if let Some(closed) = engine.exchange.closed(account, asked.endpoint()) {
        return Err(closed);
    }
    let (answer, via) = engine
        .exchange
        .ask(account, &asked, window, config.request_timeout, alone)
        .await?;
    let mut reading = read(config, &answer);
    reading.notes.push((
        "via",
        match via {
            Via::Request(1) => "a request of its own".to_owned(),
            Via::Request(members) => format!("a request with {members} metrics"),
            Via::Shared => "another metric's request for the same".to_owned(),
            Via::Cache => "the cache: the same was asked for this window before".to_owned(),
        },
    ));
    Ok(reading)
}

async fn compare_series(
    engine: &Engine,
    config: &Config,
    scalar: &Scalar,
    compare: &Compare,
    account: &Arc<Account>,
    window: Window,
) -> Result<Reading, Failure> {
    let ask = plan::plan_comparison(scalar, compare);
    let reply = engine
        .exchange
        .call(account, &plan::timeseries(&ask, window), config.request_timeout)
        .await?;
    let series = judge::read_timeseries(&reply.body, 2)?;
    let values = |index: usize| series[index].values(config.drop_last_point);
    let mut reading = judge::compare_series(compare, &values(0), &values(1));
    reading.unit = series.iter().find_map(|series| series.unit.clone());
    Ok(reading)
}

async fn look_at_monitors(
    engine: &Engine,
    config: &Config,
    monitor: &Monitor,
    account: &Arc<Account>,
) -> Result<Reading, Failure> {
    let now = engine.clock.now().as_second();
    match &monitor.target {
        MonitorTarget::Id(id) => {
            let call = plan::monitor(id);
            let reply = engine
                .exchange
                .call(account, &call, config.request_timeout)
                .await?;
            Ok(judge::read_monitor(monitor, &reply.body, now)?)
        }
        MonitorTarget::Search(query) => {
            let mut found = Vec::new();
            for search in plan::monitor_searches(query, monitor.muted) {
                let one = Found {
                    muted: search.muted,
                    pages: search_monitors(engine, config, account, &search.query).await?,
                };
                let enough = monitor.muted == Rule::Ignore && !one.is_empty();
                found.push(one);
                if enough {
                    break;
                }
            }
            Ok(judge::read_monitor_search(monitor, &found)?)
        }
    }
}

async fn search_monitors(
    engine: &Engine,
    config: &Config,
    account: &Arc<Account>,
    query: &str,
) -> Result<Vec<Value>, Failure> {
    let mut pages = Vec::new();
    for page in 0..MOST_PAGES {
        let call = plan::monitor_search(query, page);
        let mut body = engine
            .exchange
            .call(account, &call, config.request_timeout)
            .await?
            .body;
        // By far the largest part of the answer, and of no use here.
        if let Some(counts) = body.get_mut("counts").and_then(Value::as_object_mut) {
            counts.remove("tag");
        }
        let count = body
            .pointer("/metadata/page_count")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        pages.push(body);
        if u64::from(page) + 1 >= count {
            break;
        }
    }
    Ok(pages)
}

/// Starts an evaluation, or finds the one that was started, and looks at it until it is done.
async fn ask_gate(
    engine: &Engine,
    config: &Config,
    gate: &Gate,
    account: &Arc<Account>,
    began: Timestamp,
    progress: &watch::Sender<Progress>,
) -> Result<Reading, Failure> {
    let noted = progress.borrow().notes.get(EVALUATION).cloned();
    let id = match noted {
        Some(id) => id,
        None => {
            let reply = engine
                .exchange
                .call(account, &plan::gate_start(gate), config.request_timeout)
                .await?;
            let id = judge::evaluation_id(&reply.body)?;
            progress.send_modify(|progress| _ = progress.notes.insert(EVALUATION, id.clone()));
            engine
                .wait(progress, gate.poll, "the gate is being evaluated")
                .await;
            id
        }
    };
    loop {
        let age = (engine.clock.now() - began)
            .total(jiff::Unit::Second)
            .unwrap_or(0.0);
        match engine
            .exchange
            .call(account, &plan::gate_result(&id), config.request_timeout)
            .await
        {
            Ok(reply) => match Evaluation::read(&reply.body)? {
                Evaluation::Done(mut reading) => {
                    reading.notes.push((EVALUATION, id));
                    return Ok(*reading);
                }
                Evaluation::InProgress(url) => progress.send_modify(|progress| {
                    // Datadog is back, and an outage an hour later is another one.
                    progress.notes.remove(FAILING_SINCE);
                    if let Some(url) = url {
                        progress.notes.insert("link", url);
                    }
                }),
            },
            // An evaluation is not to be seen at once.
            Err(Failure::Missing(_)) if age < 60.0 + gate.poll.as_secs_f64() => {}
            Err(failure) => return Err(failure),
        }
        if age > gate.timeout.as_secs_f64() {
            let waited = crate::config::duration::render(gate.timeout);
            return Err(Failure::Refused(format!(
                "gate.timeout: no verdict within {waited}"
            )));
        }
        engine
            .wait(progress, gate.poll, "the gate is being evaluated")
            .await;
    }
}
