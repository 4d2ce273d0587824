//! The metric provider for Datadog, beside the controller's own: an emulator of Datadog's API in this process, Secrets
//! that lead there, and AnalysisRuns by the hundred.

pub(super) mod crowd;
pub(super) mod neighbours;
pub(super) mod release;
pub(super) mod storm;

#[path = "../../../../crates/datadog/tests/emulator/mod.rs"]
mod emulator;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use self::emulator::{Behaviour, Emulator};
use crate::cluster::Kind;
use crate::plan::Plan;
use crate::stage::Stage;
use crate::wait::{Seen, wait_for};
use crate::world::{PluginKind, Registration};

/// The namespace of the controller, where Secrets of metrics are looked for.
const CONTROLLER: &str = "argo-rollouts";
/// Keys of the emulated organisation; no output may have them.
const API_KEY: &str = "0f9a61c2b5e44d0d8c1a7be2f3046d5e";
const APP_KEY: &str = "5b7d90aa31f84c0eb6a2c4d81e92f703bd16c8a4";

/// The metric provider, registered under a name.
pub(super) fn registration(plan: &Plan, name: &str, args: &[&str]) -> Result<Registration> {
    Ok(Registration {
        kind: PluginKind::MetricProvider,
        name: name.to_owned(),
        program: plan.datadog.clone().context("no metric provider in the plan")?,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: vec![],
    })
}

/// An emulated organisation of Datadog, its keys in a Secret of the controller's namespace that the controller's service
/// account may read.
async fn open(stage: &Stage, secret: &str) -> Result<Emulator> {
    let emulator = Emulator::start().await;
    emulator.accept_keys(API_KEY, APP_KEY);
    let role = format!("read-{secret}");
    let group = "rbac.authorization.k8s.io";
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret},
            // Keys from files end in a line feed; the controller's own provider would not get along with it.
            "stringData": {"api-key": API_KEY, "app-key": APP_KEY, "address": emulator.url()},
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": role},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}],
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": role},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "argo-rollouts", "namespace": CONTROLLER}],
        }),
    ];
    stage.cluster().apply_all(CONTROLLER, &objects).await?;
    Ok(emulator)
}

/// Who measures a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    /// The plugin, under the name it is registered by.
    Plugin(&'static str),
    /// The controller's own.
    BuiltIn,
}

impl Provider {
    /// `provider` of a metric: the same block for both.
    fn of(self, block: &Value) -> Value {
        match self {
            Self::Plugin(name) => json!({"plugin": {name: block}}),
            Self::BuiltIn => json!({"datadog": block}),
        }
    }
}

/// A metric that is measured once and is successful below 0.05.
fn metric(name: &str, provider: Provider, block: &Value) -> Value {
    json!({"name": name, "successCondition": "result < 0.05", "provider": provider.of(block)})
}

/// AnalysisRuns of a scene, by name, and their metrics.
type Runs = BTreeMap<String, Vec<Value>>;

/// Makes AnalysisRuns, all at once.
async fn make(stage: &Stage, runs: &Runs) -> Result<()> {
    let collection = format!(
        "/apis/argoproj.io/v1alpha1/namespaces/{}/analysisruns",
        stage.namespace
    );
    try_join_all(runs.iter().map(async |(name, metrics)| {
        let run = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": name, "namespace": stage.namespace},
            "spec": {"metrics": metrics},
        });
        stage.cluster().post(&collection, &run).await
    }))
    .await?;
    Ok(())
}

/// The AnalysisRuns with these names, as they are.
async fn read_all(stage: &Stage, runs: &Runs) -> Result<Vec<Value>> {
    let mut found = stage
        .cluster()
        .list(Kind::analysis_run(), &stage.namespace)
        .await?;
    found.retain(|run| runs.contains_key(run["metadata"]["name"].as_str().unwrap_or_default()));
    Ok(found)
}

/// The AnalysisRuns with these names, as soon as all of them meet the condition.
async fn become_so(
    stage: &Stage,
    runs: &Runs,
    what: &str,
    within: Duration,
    condition: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>> {
    wait_for(
        format!("{} AnalysisRuns {what}", runs.len()),
        within,
        async || {
            let found = read_all(stage, runs).await?;
            let good = found.iter().filter(|run| condition(run)).count();
            let words = format!("{good}; phases {:?}", phases(&found));
            Ok(Seen::when(good == runs.len(), found, || words))
        },
    )
    .await
}

/// The AnalysisRuns with these names, when all of them have come to an end.
async fn ended(stage: &Stage, runs: &Runs, within: Duration) -> Result<Vec<Value>> {
    become_so(stage, runs, "to end", within, |run| {
        let phase = run["status"]["phase"].as_str().unwrap_or_default();
        !matches!(phase, "" | "Pending" | "Running")
    })
    .await
}

/// How many AnalysisRuns are in which phase.
fn phases(runs: &[Value]) -> BTreeMap<String, usize> {
    let mut phases = BTreeMap::new();
    for run in runs {
        let phase = run["status"]["phase"].as_str().unwrap_or("none");
        *phases.entry(phase.to_owned()).or_default() += 1;
    }
    phases
}

fn expect_all(runs: &[Value], phase: &str) -> Result<()> {
    let other = runs.iter().find(|run| run["status"]["phase"] != phase);
    ensure!(
        other.is_none(),
        "{:?}, and all should be {phase}; one of them: {}",
        phases(runs),
        other.map(|run| run["status"].to_string()).unwrap_or_default()
    );
    Ok(())
}

/// Megabytes of memory that a process has now (`VmRSS`) or had at most (`VmHWM`).
fn resident(pid: u32, field: &str) -> Result<f64> {
    let file = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<f64>().ok());
    Ok(kilobytes.with_context(|| format!("{file} has no {field}"))? / 1024.0)
}

/// Leaves no AnalysisRun of these behind that would go on measuring.
async fn remove(stage: &Stage, runs: &Runs) -> Result<()> {
    let kind = Kind::analysis_run();
    try_join_all(runs.keys().map(async |name| {
        let address = crate::cluster::Address {
            kind: kind.clone(),
            namespace: &stage.namespace,
            name,
        };
        stage.cluster().delete(&address, &json!({})).await
    }))
    .await?;
    Ok(())
}
