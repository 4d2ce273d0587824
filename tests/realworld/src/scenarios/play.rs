//! Plays a plan: starts its world, plays its scenes, keeps what explains a failure, ends the world.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use super::{Controllers, SCENES, Scene, Turn, find};
use crate::console;
use crate::plan::{CONTROLLERS, Form, Plan, Report};
use crate::stage::Stage;
use crate::world::{Registration, World};

/// How many scenes are played at once in each of two worlds: enough to fill each other's waits, few enough for two cores to
/// answer in time.
const AT_ONCE: usize = 6;

/// How the end of the world is called in a report.
const CURTAIN: &str = "curtain";

/// Starts the plan's world and plays its scenes there: those that can be played together at once, then the others one
/// by one. A failure is in the report, and what explains it in the plan's folder.
///
/// All scenes share this thread, so that they may hold what cannot be sent to another; what makes load (requests,
/// pods) runs on the others.
pub async fn play(plan: Plan) -> Report {
    LocalSet::new().run_until(Box::pin(play_here(plan))).await
}

async fn play_here(plan: Plan) -> Report {
    let speaker = format!("{} world", plan.controller);
    let folder = plan.folder.clone();
    let scenes: Vec<&Scene> = plan.scenes.iter().filter_map(|name| find(name)).collect();
    let world = match start(plan, &scenes).await {
        Ok(world) => Arc::new(world),
        Err(error) => {
            console::say(
                &speaker,
                &format!(
                    "did not start: {error:#}\nlogs: {}",
                    folder.join("logs").display()
                ),
            );
            let why = format!("the world did not start: {error:#}");
            return Report {
                failed: scenes.iter().map(|s| (s.name.to_owned(), why.clone())).collect(),
                ..Report::default()
            };
        }
    };
    let mut report = Report::default();
    let mut together = JoinSet::new();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    for scene in scenes.iter().filter(|scene| scene.turn == Turn::Together) {
        let (world, scene, places) = (world.clone(), **scene, places.clone());
        together.spawn_local(async move {
            // In the order of the table; nobody closes it.
            let _place = places.acquire().await;
            (scene.name, perform(world, scene).await)
        });
    }
    while let Some(joined) = together.join_next().await {
        // `perform` catches panics of scenes.
        let (name, outcome) = joined.expect("a scene's task neither panics nor is aborted");
        note(&mut report, name, outcome);
    }
    for scene in scenes.iter().filter(|scene| scene.turn == Turn::Alone) {
        note(&mut report, scene.name, perform(world.clone(), **scene).await);
    }
    if let Err(error) = world.stop().await {
        console::say(&speaker, &format!("FAILED: {error:#}"));
        report.failed.push((CURTAIN.to_owned(), format!("{error:#}")));
    }
    if !report.failed.is_empty() {
        console::say(&speaker, &format!("the ends of its logs:\n{}", world.tails()));
        console::say(
            &speaker,
            &format!("logs and objects are kept in {}", folder.display()),
        );
    }
    report
}

async fn start(plan: Plan, scenes: &[&Scene]) -> Result<World> {
    let mut registrations: Vec<Registration> = Vec::new();
    for scene in scenes {
        for registration in scene.registrations(&plan)? {
            if !registrations.contains(&registration) {
                registrations.push(registration);
            }
        }
    }
    World::start(plan, &registrations).await
}

fn note(report: &mut Report, name: &str, outcome: Result<()>) {
    match outcome {
        Ok(()) => report.passed.push(name.to_owned()),
        Err(error) => report.failed.push((name.to_owned(), format!("{error:#}"))),
    }
}

/// Plays one scene to its end, whatever that is.
async fn perform(world: Arc<World>, scene: Scene) -> Result<()> {
    let begin = Instant::now();
    let stage = Stage::set(world.clone(), scene.name, scene.gateway).await?;
    stage.say(&format!("to prove: {}", scene.proves));
    // A task of its own, so that a panic is a failure of this scene alone.
    let mut playing = tokio::task::spawn_local((scene.run)(stage.clone()));
    let limit = limit(world.plan.form);
    let outcome = match timeout(limit, &mut playing).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(anyhow!("the scene panicked: {panic}")),
        Err(_elapsed) => {
            playing.abort();
            Err(anyhow!("the scene took longer than {} s", limit.as_secs()))
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    match &outcome {
        Ok(()) => stage.say(&format!("passed in {seconds:.1} s")),
        Err(error) => {
            let folder = world.plan.folder.join("objects").join(scene.name);
            let kept = world
                .keep(&stage.namespace, &folder)
                .await
                .context("keep objects");
            let kept = kept.unwrap_or_else(|error| format!("{error:#}"));
            stage.say(&format!("FAILED after {seconds:.1} s: {error:#}\n{kept}"));
        }
    }
    outcome
}

/// Longer than any scene takes; a scene that hangs must not hang the run.
fn limit(form: Form) -> Duration {
    match form {
        Form::Short => Duration::from_secs(900),
        Form::Long => Duration::from_secs(3600),
    }
}

/// Names of the scenes that are played with a controller when nobody asks for particular ones.
#[must_use]
pub fn names_for(controller: &str, form: Form) -> Vec<String> {
    let newest = controller == CONTROLLERS[0].version;
    SCENES
        .iter()
        .filter(|scene| match scene.controllers {
            Controllers::All => true,
            Controllers::Newest => newest,
            Controllers::NewestAtLength => newest && form == Form::Long,
        })
        .map(|scene| scene.name.to_owned())
        .collect()
}
