//! Many metrics, few requests, and nobody delayed by another.

mod scene;

use std::time::Duration;

use rollouts_plugin::types::AnalysisPhase::{Error, Running, Successful};
use scene::{Behaviour, Scene, asking_as};
use serde_json::json;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn three_hundred_metrics_due_at_once_take_few_requests() {
    for (version, most) in [("v2", 8), ("v1", 10)] {
        let scene = Scene::in_memory();
        scene
            .emulator
            .on("avg:errors", Behaviour::Value(0.01))
            .on("service:s7}", Behaviour::Value(0.5));
        let metrics = (0..300).map(|run| {
            let block = json!({"apiVersion": version, "query": format!("avg:errors{{service:s{run}}}")});
            asking_as(&format!("run-{run}"), block, "result < 0.05", "")
        });
        let measured = scene.measure_all(metrics).await;
        assert_eq!(
            measured.iter().filter(|one| one.phase == Successful).count(),
            299,
            "each gets its own answer"
        );
        assert!(
            scene.emulator.count() <= most,
            "{version}: {} requests",
            scene.emulator.count()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_asked_once() {
    let scene = Scene::in_memory();
    scene.emulator.on("avg:errors", Behaviour::Value(0.01));
    let metrics = (0..300).map(|run| {
        let block =
            json!({"apiVersion": "v2", "query": format!("avg:errors{{service:s{}}} by {{host}}", run % 10)});
        asking_as(&format!("run-{run}"), block, "", "")
    });
    let measured = scene.measure_all(metrics).await;
    assert!(measured.iter().all(|one| one.phase == Successful));
    assert!(
        scene.emulator.count() <= 20,
        "at most two windows of ten: {}",
        scene.emulator.count()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_member_is_found_and_the_others_are_served() {
    let scene = Scene::in_memory();
    scene.emulator.on("avg:errors", Behaviour::Value(0.01));
    scene.emulator.on(
        "service:s13}",
        Behaviour::Status(400, r#"{"errors":["unknown tag"]}"#.to_owned()),
    );
    let metrics = (0..40).map(|run| {
        let block = json!({"apiVersion": "v2", "query": format!("avg:errors{{service:s{run}}}")});
        asking_as(&format!("run-{run}"), block, "result < 0.05", "")
    });
    let measured = scene.measure_all(metrics).await;
    let bad: Vec<_> = measured.iter().filter(|one| one.phase != Successful).collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].phase, Error);
    assert!(bad[0].message.contains("unknown tag"));
    assert!(
        scene.emulator.count() <= 14,
        "found by halving: {}",
        scene.emulator.count()
    );
}

#[tokio::test(start_paused = true)]
async fn a_healthy_metric_beside_forty_hanging_ones() {
    let scene = Scene::in_memory();
    scene
        .emulator
        .on("avg:errors", Behaviour::Value(0.01))
        .on("service:hang", Behaviour::Hang);
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for run in 0..40 {
        let provider = scene.provider.clone();
        tasks.spawn(async move {
            let block = json!({"apiVersion": "v2", "query": format!("avg:errors{{service:hang{run}}}")});
            let metric = asking_as(&format!("hang-{run}"), block, "result < 0.05", "");
            rollouts_plugin::MetricProvider::run(&*provider, &metric.run, &metric.metric).await
        });
    }
    let block = json!({"apiVersion": "v2", "query": "avg:errors{service:healthy}"});
    let healthy = scene
        .measure(&asking_as("healthy", block, "result < 0.05", ""))
        .await;
    assert_eq!(healthy.phase, Successful, "{}", healthy.message);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(
        tasks.join_all().await.iter().all(|one| one.phase == Running),
        "no worker of the controller is kept"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_and_endless_answers_are_given_up_early() {
    let scene = Scene::start().await;
    scene.emulator.on("service:huge", Behaviour::Huge(50 << 20));
    scene.emulator.on("service:bomb", Behaviour::GzipBomb(100 << 20));
    scene.emulator.on("service:endless", Behaviour::Endless);
    for service in ["huge", "bomb", "endless"] {
        let block = json!({"apiVersion": "v2", "query": format!("avg:errors{{service:{service}}}")});
        let measured = scene
            .measure(&asking_as(service, block, "result < 0.05", ""))
            .await;
        assert_eq!(measured.phase, Error, "{service}");
        assert!(
            measured.message.contains("larger than 512 KiB"),
            "{service}: {}",
            measured.message
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_runs_through_the_controllers_workers_take_few_requests() {
    through_the_controllers_workers(Duration::from_millis(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_runs_over_a_second_and_a_half_take_few_requests() {
    through_the_controllers_workers(Duration::from_millis(15)).await;
}

/// A hundred AnalysisRuns that are made one after the other, through the controller's thirty workers (Go:
/// `DefaultAnalysisThreads`), each of which waits for the three metrics of its AnalysisRun.
async fn through_the_controllers_workers(pace: Duration) {
    let scene = Scene::in_memory();
    scene.emulator.on("avg:errors", Behaviour::Value(0.01));
    scene.emulator.latency(Duration::from_millis(20));
    let workers = std::sync::Arc::new(tokio::sync::Semaphore::new(30));
    let mut runs = tokio::task::JoinSet::new();
    for run in 0..100_u32 {
        let (provider, workers) = (scene.provider.clone(), workers.clone());
        runs.spawn(async move {
            tokio::time::sleep(pace * run).await;
            let _worker = workers.acquire_owned().await;
            let mut metrics = tokio::task::JoinSet::new();
            for metric in 0..3 {
                let provider = provider.clone();
                metrics.spawn(async move {
                    let query = format!("avg:errors{{service:s{run},part:{metric}}}");
                    let block = json!({"apiVersion": "v2", "query": query});
                    let asking = asking_as(&format!("run-{run}-{metric}"), block, "result < 0.05", "");
                    rollouts_plugin::MetricProvider::run(&*provider, &asking.run, &asking.metric).await
                });
            }
            metrics.join_all().await
        });
    }
    let measured: Vec<_> = runs.join_all().await.into_iter().flatten().collect();
    assert!(measured.iter().all(|one| one.phase == Successful));
    assert!(
        scene.emulator.count() <= 10,
        "{} requests",
        scene.emulator.count()
    );
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_slow_nobody_travels_alone() {
    for latency in [1, 2] {
        let scene = Scene::in_memory();
        scene.emulator.on("avg:errors", Behaviour::Value(0.01));
        scene.emulator.limit(1600, Duration::from_secs(60), true);
        scene.emulator.latency(Duration::from_secs(latency));
        let metrics = |wave: usize, count: usize| {
            (0..count).map(move |run| {
                let block = json!({"apiVersion": "v2", "query": format!("avg:errors{{service:s{run}}}")});
                asking_as(&format!("run-{wave}-{run}"), block, "result < 0.05", "")
            })
        };
        scene.measure_all(metrics(1, 40)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        // The budget of this period is known, and would allow to ask for each alone.
        scene.measure_all(metrics(2, 1)).await;
        scene.emulator.forget();
        let measured = scene.measure_all(metrics(3, 300)).await;
        assert!(measured.iter().all(|one| one.phase == Successful));
        let count = scene.emulator.count();
        assert!(count <= 10, "{latency}s: {count} requests");
    }
}
