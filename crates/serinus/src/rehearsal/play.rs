//! Plays a script on the stage.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;
use tokio::time::Instant;

use super::journal::Journal;
use super::script::{Act, Ending, Script, Version};
use crate::measure::ask::{AskError, Asker, Question};
use crate::measure::by::By;
use crate::measure::load::Load;
use crate::stage::Stage;
use crate::stage::api::failure::Failure;
use crate::stage::api::store::ChangeKind;
use crate::stage::app::VERSION_HEADER;
use crate::stage::http::Owned;
use crate::stage::release::analysis::Settings as Analysis;
use crate::stage::release::call::Router;
use crate::stage::release::driver::{Clock, DriveError, Driver, Way};
use crate::stage::release::spec::SpecError;
use crate::stage::release::state::{Observed, Release};

/// How it is played.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How much faster than ours the controller's clock runs.
    pub speed: f64,
    /// Requests a second.
    pub rate: f64,
    /// What the load asks for, below the gateway's URL.
    pub path: String,
    /// `Host` of the load's requests; the gateway's address where empty.
    pub host: String,
    /// The analysis that stands in for AnalysisTemplates.
    pub analysis: Analysis,
    /// Requests to count once a release is over, before the next begins.
    pub least_requests: u64,
    /// How long a release may stand still, on our clock.
    pub patience: Duration,
    /// After how long, on the controller's clock, somebody ends a pause that has no duration.
    pub promote_after: Duration,
    /// A pause is cut short after so long on our clock.
    pub longest_pause: Duration,
}

/// Why the rehearsal could not be played at all.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// An object of the script was refused.
    #[error("{object}: {failure}")]
    Object {
        /// Kind and name.
        object: String,
        /// Why.
        failure: Failure,
    },
    /// The Rollout cannot be played.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The first version did not get as far as serving.
    #[error("the first version could not be deployed: {0}")]
    Before(String),
    /// The stage broke.
    #[error("the stage broke")]
    Stage(#[from] io::Error),
    /// The load could not be started.
    #[error(transparent)]
    Load(#[from] AskError),
}

/// Plays the script; what happens stands in the journal. A release that does not end as it must is written there and
/// ends the play.
pub async fn play(
    script: &Script,
    stage: &Stage,
    router: &dyn Router,
    journal: &Arc<Journal>,
    settings: &Settings,
) -> Result<(), PlayError> {
    for object in &script.objects {
        let name = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        stage
            .api
            .apply(object.clone())
            .map_err(|failure| PlayError::Object {
                object: name,
                failure,
            })?;
    }
    let _events = Owned::spawn(follow_events(stage.api.clone(), Arc::clone(journal)));

    let clock = Clock::start(settings.speed);
    let (release, events) = Release::new(script.before.rollout.clone(), settings.analysis.clone())?;
    deploy(stage, journal, &release, &script.before).await?;
    let mut driver = Driver::new(release, stage, router, journal.as_ref(), clock);
    driver.promote_after = Some(settings.promote_after);
    driver.longest_pause = Some(settings.longest_pause);
    let before = |error: DriveError| PlayError::Before(problem(&error, journal));
    driver.publish(events).map_err(before)?;
    driver
        .until("a healthy first version", settings.patience, to_promotion)
        .await
        .map_err(before)?;

    let asker = Asker::new(question(stage, settings))?;
    answered(&asker, settings.patience).await?;
    journal.count(Load::start(&asker, clients(settings.rate, script), settings.rate));
    let sampled = Arc::clone(journal);
    let counted = stage.workload.clone();
    let _samples = Owned::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            sampled.sample(counted.available());
        }
    });
    enough(journal, settings).await;

    for act in &script.acts {
        let played = play_act(act, &mut driver, stage, journal, settings).await;
        let failed = played.is_err();
        journal.end_act(played.err().map(|error| problem(&error, journal)));
        if failed {
            break;
        }
    }
    journal.close();
    Ok(())
}

async fn play_act(
    act: &Act,
    driver: &mut Driver<'_>,
    stage: &Stage,
    journal: &Arc<Journal>,
    settings: &Settings,
) -> Result<(), DriveError> {
    let events = driver.release.apply(act.version.rollout.clone())?;
    journal.begin_act(&act.title, act.ending, &driver.release.spec.steps);
    for said in &act.said {
        journal.foreign_event("user", false, "Changed", said);
    }
    deploy(stage, journal, &driver.release, &act.version)
        .await
        .map_err(DriveError::Stage)?;
    driver.publish(events)?;
    match act.ending {
        Ending::Promoted => driver.until("promotion", settings.patience, to_promotion).await?,
        Ending::Aborted => driver.until("a rollback", settings.patience, to_rollback).await?,
    }
    enough(journal, settings).await;
    Ok(())
}

/// Why a release did not end as it must, with what the router complained of last where the release stands still.
fn problem(error: &DriveError, journal: &Journal) -> String {
    match (error, journal.last_complaint()) {
        (DriveError::Stuck { .. }, Some(complaint)) => format!("{error}; last warning: {complaint}"),
        _ => error.to_string(),
    }
}

async fn deploy(stage: &Stage, journal: &Journal, release: &Release, version: &Version) -> io::Result<()> {
    let labels = version
        .rollout
        .pointer("/spec/template/metadata/labels")
        .and_then(Value::as_object);
    let labels: BTreeMap<String, String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let hash = &release.status.current_pod_hash;
    let behaviour = version.behaviour.clone();
    journal.name_version(hash, &behaviour.version, behaviour.error_rate > 0.0);
    stage.workload.deploy(hash, labels, behaviour).await
}

fn to_promotion(release: &Release, _: &Observed) -> Way {
    if is_promoted(release) {
        Way::Reached
    } else if is_aborted(release) {
        let why = release.status.message.trim_start_matches("RolloutAborted: ");
        Way::Ended(format!("the release was rolled back: {why}"))
    } else {
        Way::Open
    }
}

fn to_rollback(release: &Release, _: &Observed) -> Way {
    if is_aborted(release) {
        Way::Reached
    } else if is_promoted(release) {
        Way::Ended(
            "the release was promoted, as no measurement of its analysis was below the success rate"
                .to_owned(),
        )
    } else {
        Way::Open
    }
}

fn is_promoted(release: &Release) -> bool {
    let weights = release.status.canary.weights.as_ref();
    let settled = weights.is_some_and(|w| w.canary.weight == 0 && w.verified != Some(false));
    release.is_fully_promoted() && release.status.phase == "Healthy" && settled
}

fn is_aborted(release: &Release) -> bool {
    let weights = release.status.canary.weights.as_ref();
    let settled = weights.is_some_and(|w| w.canary.weight == 0 && w.verified != Some(false));
    release.status.abort && settled
}

fn question(stage: &Stage, settings: &Settings) -> Question {
    let uri = format!("{}{}", stage.gateway.url(), settings.path);
    let mut headers = HeaderMap::new();
    if let Ok(host) = settings.host.parse() {
        headers.insert(http::header::HOST, host);
    }
    Question {
        uri: uri.parse().unwrap_or_default(),
        method: Method::GET,
        headers,
        by: By::Header(HeaderName::from_static(VERSION_HEADER)),
        timeout: Duration::from_secs(10),
        keep_alive: true,
    }
}

/// Waits until the gateway serves the first version.
async fn answered(asker: &Asker, patience: Duration) -> Result<(), AskError> {
    let gives_up = Instant::now() + patience;
    loop {
        let answer = asker.ask().await?;
        if answer.who.is_some() || Instant::now() > gives_up {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Clients of the load: as many as keep to the rate while the slowest version serves. Each costs four open files, of
/// which a process may usually have 1,024.
fn clients(rate: f64, script: &Script) -> u32 {
    let slowest = script.acts.iter().map(|act| act.version.behaviour.latency).max();
    let waiting = rate * slowest.unwrap_or_default().as_secs_f64();
    waiting.ceil().clamp(4.0, 128.0) as u32
}

/// Lets the load go on until the last phase has the requests it needs.
async fn enough(journal: &Journal, settings: &Settings) {
    let gives_up = Instant::now() + settings.patience;
    while Instant::now() < gives_up {
        let phase = journal.with(|pages| pages.phases.last().cloned());
        if phase.is_none_or(|phase| journal.tally(&phase).requests() >= settings.least_requests) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Writes events that others than the controller put on the Rollout into the journal.
async fn follow_events(api: crate::stage::api::Api, journal: Arc<Journal>) {
    let mut revisions = api.revisions();
    let mut seen = *revisions.borrow_and_update();
    while revisions.changed().await.is_ok() {
        let Ok(changes) = api.changes_since(seen) else {
            seen = *revisions.borrow();
            continue;
        };
        for change in changes {
            seen = change.revision;
            if !change.key.kind.starts_with("events") || change.kind == ChangeKind::Deleted {
                continue;
            }
            let event = &change.object;
            let source = [
                text(event, "/source/component"),
                text(event, "/reportingComponent"),
                text(event, "/reportingController"),
            ]
            .into_iter()
            .find(|s| !s.is_empty())
            .unwrap_or_default();
            if source != "rollouts-controller" {
                let message = if text(event, "/message").is_empty() {
                    text(event, "/note")
                } else {
                    text(event, "/message")
                };
                let warning = text(event, "/type") == "Warning";
                journal.foreign_event(source, warning, text(event, "/reason"), message);
            }
        }
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::release::call::WeightDestination;
    use crate::stage::release::status::Weights;

    #[test]
    fn a_release_that_has_ended_otherwise_is_not_waited_for() {
        let rollout = crate::manifests::read("rollout.yaml", include_str!("../../demo/rollout.yaml"))
            .unwrap()
            .remove(0);
        let (mut release, _) = Release::new(rollout, Analysis::default()).unwrap();
        let observed = Observed::default();
        assert_eq!(to_promotion(&release, &observed), Way::Open);
        assert_eq!(to_rollback(&release, &observed), Way::Open);

        release.status.canary.weights = Some(Weights {
            canary: WeightDestination::default(),
            stable: WeightDestination::default(),
            verified: Some(true),
        });
        release.status.abort = true;
        release.status.message = "RolloutAborted: success rate 90.0 %".to_owned();
        assert_eq!(to_rollback(&release, &observed), Way::Reached);
        let ended = Way::Ended("the release was rolled back: success rate 90.0 %".to_owned());
        assert_eq!(to_promotion(&release, &observed), ended);

        release.status.abort = false;
        release
            .status
            .stable_rs
            .clone_from(&release.status.current_pod_hash);
        release.status.phase = "Healthy";
        assert_eq!(to_promotion(&release, &observed), Way::Reached);
        assert!(matches!(to_rollback(&release, &observed), Way::Ended(_)));
    }
}
