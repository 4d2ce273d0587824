//! The executable as the controller sees it: size, start, memory, and three hundred metrics at once.
//!
//!     cargo bench -p datadog --bench plugin -- serinus=dist/linux-amd64/rollouts-plugin-metric-datadog go=path/to/another
//!
//! Whatever else is named is a metric provider of any kind: of it size, start and memory are measured alone.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a report for a human")]

#[path = "../tests/emulator/mod.rs"]
mod emulator;

use std::sync::Arc;
use std::time::{Duration, Instant};

use emulator::{Behaviour, Emulator};
use rollouts_plugin::host::{Host, MetricProviderClient};
use rollouts_plugin::types::{AnalysisPhase, AnalysisRun, Metric};
use serde_json::json;

/// Starts measured of each plugin.
const STARTS: usize = 20;
/// How long a plugin rests before its memory is read.
const REST: Duration = Duration::from_secs(3);

fn main() {
    let named: Vec<(String, String)> = std::env::args()
        .filter_map(|arg| {
            arg.split_once('=')
                .map(|(name, path)| (name.to_owned(), path.to_owned()))
        })
        .collect();
    if named.is_empty() {
        println!("name a plugin: serinus=dist/linux-amd64/rollouts-plugin-metric-datadog");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!(
            "{:<12} {:>9} {:>12} {:>12} {:>9}",
            "provider", "MB", "start ms", "slowest ms", "idle MB"
        );
        for (name, path) in &named {
            let size = std::fs::metadata(path).unwrap().len() as f64 / 1e6;
            let starts = starts(path).await;
            let idle = idle(path).await;
            let [median, slowest] = [STARTS / 2, STARTS - 1].map(|index| starts[index].as_secs_f64() * 1e3);
            println!("{name:<12} {size:>9.2} {median:>12.1} {slowest:>12.1} {idle:>9.1}");
        }
        let is_ours = |path: &str| path.ends_with("rollouts-plugin-metric-datadog");
        for (name, path) in named.iter().filter(|(_, path)| is_ours(path)) {
            crowd(name, path).await;
            monsters(name, path).await;
        }
    });
}

async fn start(path: &str, address: &str) -> (Host<MetricProviderClient>, MetricProviderClient) {
    let host = Host::metric_provider(path)
        .env("DD_API_KEY", "api-key")
        .env("DD_APP_KEY", "app-key")
        .env("DD_ADDRESS", address)
        .start()
        .await
        .unwrap();
    let provider = host.connect().await.unwrap();
    // What the controller asks before the first measurement.
    provider.init().await.unwrap();
    provider.kind().await.unwrap();
    (host, provider)
}

/// From exec to the first answer, in order.
async fn starts(path: &str) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..=STARTS {
        let began = Instant::now();
        let (host, _provider) = start(path, "http://127.0.0.1:9").await;
        took.push(began.elapsed());
        host.quit().await.unwrap();
    }
    // The first one reads the file from the disk.
    took.remove(0);
    took.sort();
    took
}

/// Resident megabytes at rest.
async fn idle(path: &str) -> f64 {
    let (host, _provider) = start(path, "http://127.0.0.1:9").await;
    tokio::time::sleep(REST).await;
    let resident = resident(host.id().unwrap(), "VmRSS:");
    host.quit().await.unwrap();
    resident
}

/// A hundred AnalysisRuns with three metrics each, all due at the same moment.
async fn crowd(name: &str, path: &str) {
    println!("\n300 metrics due at once       requests   all done ms   peak MB");
    for (title, queries) in [("300 queries", 300), ("10 queries", 10)] {
        let datadog = Emulator::start().await;
        datadog.on("avg:errors", Behaviour::Value(0.01));
        datadog.limit(1600, Duration::from_secs(60), true);
        let (host, provider) = start(path, &datadog.url()).await;
        let provider = Arc::new(provider);
        let began = Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for index in 0..300 {
            let provider = provider.clone();
            calls.spawn(async move {
                let (run, metric) = asking(index, index % queries);
                let mut measured = provider.run(&run, &metric).await.unwrap();
                while measured.phase == AnalysisPhase::Running {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    measured = provider.resume(&run, &metric, &measured).await.unwrap();
                }
                measured.phase
            });
        }
        let phases = calls.join_all().await;
        let took = began.elapsed().as_secs_f64() * 1e3;
        assert!(phases.iter().all(|phase| *phase == AnalysisPhase::Successful));
        let peak = resident(host.id().unwrap(), "VmHWM:");
        println!(
            "{name:<12} {title:<14} {:>10} {took:>13.0} {peak:>9.1}",
            datadog.count()
        );
        host.quit().await.unwrap();
    }
}

/// Answers without measure, six of each kind at once.
async fn monsters(name: &str, path: &str) {
    let datadog = Emulator::start().await;
    datadog
        .on("service:s0}", Behaviour::Huge(50 << 20))
        .on("service:s1}", Behaviour::GzipBomb(100 << 20))
        .on("service:s2}", Behaviour::Endless);
    let (host, provider) = start(path, &datadog.url()).await;
    let provider = Arc::new(provider);
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..18 {
        let provider = provider.clone();
        calls.spawn(async move {
            // Another window each: nobody shares an answer.
            let (run, mut metric) = asking(index, index % 3);
            let block = json!({
                "apiVersion": "v2", "query": format!("avg:errors{{service:s{}}}", index % 3),
                "interval": format!("{}m", index + 1),
            });
            metric.provider = serde_json::from_value(json!({"plugin": {"serinus/datadog": block}})).unwrap();
            let mut measured = provider.run(&run, &metric).await.unwrap();
            while measured.phase == AnalysisPhase::Running {
                tokio::time::sleep(Duration::from_millis(100)).await;
                measured = provider.resume(&run, &metric, &measured).await.unwrap();
            }
            measured.phase
        });
    }
    let phases = calls.join_all().await;
    assert!(
        phases.iter().all(|phase| *phase == AnalysisPhase::Error),
        "{phases:?}"
    );
    let peak = resident(host.id().unwrap(), "VmHWM:");
    println!("\n18 answers of 50 MB and more at once: {name} has {peak:.1} MB at most");
    host.quit().await.unwrap();
}

fn asking(index: usize, query: usize) -> (AnalysisRun, Metric) {
    let block = json!({"apiVersion": "v2", "query": format!("avg:errors{{service:s{query}}}")});
    let metric = json!({
        "name": format!("m{}", index % 3), "successCondition": "result < 0.05",
        "provider": {"plugin": {"serinus/datadog": block}},
    });
    let run = json!({
        "metadata": {"name": format!("run-{}", index / 3), "namespace": "team", "uid": format!("u{}", index / 3)},
        "spec": {"metrics": [metric, metric, metric], "args": []},
        "status": {},
    });
    (
        serde_json::from_value(run).unwrap(),
        serde_json::from_value(metric).unwrap(),
    )
}

fn resident(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches([' ', '\t', 'k', 'B']).parse::<f64>().unwrap() / 1e3
}
