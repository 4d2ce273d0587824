//! Releases that Datadog decides: everything that a platform team shares, and a block that moved from the controller's
//! own provider, judge real requests to real versions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{API_KEY, APP_KEY, Behaviour, CONTROLLER, Emulator, Provider, open};
use crate::app::App;
use crate::cluster::{Kind, read};
use crate::example::Example;
use crate::plan;
use crate::scenarios::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::stage::{STEP, Stage};
use crate::traffic::Tally;

/// The name under which `manifests/` registers the plugin, and which its templates have.
const NAME: &str = "serinus/datadog";

pub(in crate::scenarios) const SCENE: Scene = Scene {
    name: "datadog-release",
    proves: "a healthy version is promoted and one with errors rolled back by Datadog's answers, with every shared template and a block that moved unchanged",
    plugins: Plugins::Datadog(NAME, &[]),
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// A secret argument; no output may have it.
const TEAM: &str = "team-secret-7c41d2";

async fn run(stage: Stage) -> Result<()> {
    let datadog = Arc::new(open(&stage, "datadog").await?);
    install(&stage).await?;
    let shop = stage.deploy(&example()?).await?;
    let agent = tokio::spawn(report(stage.clone(), shop.clone(), datadog.clone()));
    let played = release(&stage, &shop, &datadog).await;
    agent.abort();
    played
}

async fn release(stage: &Stage, shop: &App, datadog: &Emulator) -> Result<()> {
    set_version(stage, shop, "v2", "0").await?;
    shop.rollout.healthy(STEP).await?;
    shop.count("v2", 1.0).await?;
    let run = analysis(stage, "Successful").await?;
    let measured = values(&run);
    stage.say(&format!(
        "v2 is promoted; {}; {} requests",
        in_words(&measured),
        datadog.count()
    ));
    ensure!(
        measured["moved"] == measured["built-in"],
        "the same block has another outcome"
    );
    ensure!(
        measured.len() == TEMPLATES.len() + 2,
        "metrics are missing: {measured:?}"
    );

    set_version(stage, shop, "v3", "0.3").await?;
    let stopped = shop
        .rollout
        .becomes("to be given up", STEP, |rollout| {
            rollout["status"]["phase"] == "Degraded" && rollout["status"]["abort"] == true
        })
        .await?;
    shop.count("v2", 1.0).await?;
    let run = analysis(stage, "Failed").await?;
    let message = stopped["status"]["message"].as_str().unwrap_or_default();
    let measured = values(&run);
    stage.say(&format!("v3 is rolled back: {message}; {}", in_words(&measured)));
    // Requests go on between the two measurements.
    let share = |name: &str| measured[name].1.parse::<f64>();
    ensure!(
        measured["moved"].0 == "Failed"
            && measured["built-in"].0 == "Failed"
            && (share("moved")? - share("built-in")?).abs() < 0.1,
        "the moved block and the controller's own provider differ: {measured:?}"
    );
    silent(stage)?;
    let errors: f64 = measured["error-rate"].1.parse()?;
    ensure!(
        errors > 5.0 && measured["error-rate"].0 == "Failed" && measured["new-against-old"].0 == "Failed",
        "{measured:?}"
    );
    Ok(())
}

/// What the plugin wrote into the controller's log holds no secret.
fn silent(stage: &Stage) -> Result<()> {
    let log = std::fs::read(stage.world.controller.process().log()).context("read the controller's log")?;
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("plugin.datadog"))
        .collect();
    ensure!(!lines.is_empty(), "the plugin logged nothing");
    for secret in [API_KEY, APP_KEY, TEAM] {
        let told = lines.iter().find(|line| line.contains(secret));
        ensure!(told.is_none(), "the log shows {secret}: {told:?}");
    }
    stage.say(&format!(
        "neither keys nor the secret argument are in {} log lines and two AnalysisRuns",
        lines.len()
    ));
    Ok(())
}

/// Phases and, where they are numbers, values.
fn in_words(measured: &BTreeMap<&str, (&str, &str)>) -> String {
    let one = |(name, (phase, value)): (&&str, &(&str, &str))| match value.parse::<f64>() {
        Ok(_) => format!("{name} {phase} ({value})"),
        Err(_) => format!("{name} {phase}"),
    };
    measured.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Applies what `manifests/datadog` offers, with time compressed, and the block that moved.
async fn install(stage: &Stage) -> Result<()> {
    let folder = plan::repository().join("manifests/datadog");
    let rbac = read(&folder.join("rbac.yaml"), "", "")?;
    stage.cluster().apply_all(CONTROLLER, &rbac).await?;
    let templates = read(&folder.join("templates"), "", ".yaml")?;
    let mut templates: Vec<Value> = templates
        .into_iter()
        .filter(|template| template["kind"] == "ClusterAnalysisTemplate")
        .collect();
    ensure!(
        templates.len() == TEMPLATES.len(),
        "there are {} templates",
        templates.len()
    );
    // As they are first: the API server has to take them.
    stage.cluster().apply_all("", &templates).await?;
    for metric in templates
        .iter_mut()
        .flat_map(|template| template["spec"]["metrics"].as_array_mut().into_iter().flatten())
    {
        if metric.get("interval").is_some() {
            metric["interval"] = json!("2s");
            metric["count"] = json!(2);
            // A second failure ends the run; by then all other metrics have been measured.
            metric["failureLimit"] = json!(1);
        }
        if let Some(gate) = metric["provider"]["plugin"][NAME].get_mut("gate") {
            gate["pollInterval"] = json!("1s");
        }
    }
    stage.cluster().apply_all("", &templates).await?;
    stage.cluster().apply_all(&stage.namespace, &moved()).await
}

/// The names of the shared templates.
const TEMPLATES: [&str; 6] = [
    "datadog-error-rate",
    "datadog-gate",
    "datadog-latency",
    "datadog-monitors",
    "datadog-new-against-old",
    "datadog-slo-burn",
];

/// A template whose block was the controller's own provider's, beside that one as a dry run.
fn moved() -> [Value; 2] {
    let filter = "{team:{{args.team}},kube_namespace:{{args.namespace}},version:{{args.version}}}";
    let block = json!({
        "apiVersion": "v2",
        "interval": "5m",
        "queries": {
            "a": format!("sum:trace.http.request.errors{filter}.as_count()"),
            "b": format!("sum:trace.http.request.hits{filter}.as_count()"),
        },
        "formula": "default_zero(a) / b",
        "aggregator": "sum",
        "requestTimeout": "5s",
    });
    let metric = |name: &str, provider: Provider| super::metric(name, provider, &block);
    let mut moved = metric("moved", Provider::Plugin(NAME));
    moved["failureLimit"] = json!(1);
    moved["count"] = json!(2);
    moved["interval"] = json!("2s");
    [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "team"}, "stringData": {"team": TEAM},
        }),
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "moved"},
            "spec": {
                "args": [
                    {"name": "team", "valueFrom": {"secretKeyRef": {"name": "team", "key": "team"}}},
                    {"name": "namespace"},
                    {"name": "version"},
                ],
                "metrics": [moved, metric("built-in", Provider::BuiltIn)],
                "dryRun": [{"metricName": "built-in"}],
            },
        }),
    ]
}

/// The example as a canary by replicas, which all of the templates judge half way.
fn example() -> Result<Example> {
    let mut example = Example::read()?;
    let mut templates = vec![json!({"templateName": "moved"})];
    templates.extend(TEMPLATES.map(|name| json!({"templateName": name, "clusterScope": true})));
    let hash = |which: &str| json!({"podTemplateHashValue": which});
    example.rollout["spec"]["replicas"] = json!(4);
    example.rollout["spec"]["strategy"] = json!({"canary": {"steps": [
        {"setWeight": 50},
        {"pause": {"duration": "5s"}},
        {"analysis": {"templates": templates, "args": [
            {"name": "service", "value": "shop"},
            {"name": "env", "value": "test"},
            {"name": "slo", "value": "slo-7"},
            {"name": "namespace", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "version", "valueFrom": hash("Latest")},
            {"name": "new", "valueFrom": hash("Latest")},
            {"name": "old", "valueFrom": hash("Stable")},
        ]}},
    ]}});
    // Without services of their own, both versions are behind one service.
    example.route["spec"]["rules"][0]["backendRefs"] =
        json!([{"name": "shop-stable", "port": 80, "weight": 1}]);
    Ok(example)
}

/// Sets a version, a share of whose answers are errors.
async fn set_version(stage: &Stage, shop: &App, version: &str, fail_rate: &str) -> Result<()> {
    let mut containers = shop.rollout.read().await?["spec"]["template"]["spec"]["containers"].take();
    containers[0]["image"] = json!(format!("shop:{version}"));
    let annotations = json!({"realworld.serinus.dev/fail-rate": fail_rate});
    let patch = json!({"spec": {"template": {
        "metadata": {"annotations": annotations}, "spec": {"containers": containers},
    }}});
    stage.cluster().merge(&shop.rollout.address(), "", &patch).await?;
    Ok(())
}

/// The AnalysisRun of the newest release, which has ended in a phase and holds no secret.
async fn analysis(stage: &Stage, phase: &str) -> Result<Value> {
    let mut runs = stage
        .cluster()
        .list(Kind::analysis_run(), &stage.namespace)
        .await?;
    runs.sort_by_key(|run| {
        run["metadata"]["creationTimestamp"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    let run = runs.pop().context("there is no AnalysisRun")?;
    ensure!(
        run["status"]["phase"] == phase,
        "the AnalysisRun is not {phase}: {}",
        run["status"]
    );
    let text = run.to_string();
    for secret in [API_KEY, APP_KEY, TEAM] {
        ensure!(!text.contains(secret), "the AnalysisRun shows {secret}");
    }
    Ok(run)
}

/// Phase and value of each metric's first measurement.
fn values(run: &Value) -> BTreeMap<&str, (&str, &str)> {
    fn text(value: &Value) -> &str {
        value.as_str().unwrap_or_default()
    }
    let results = run["status"]["metricResults"].as_array().into_iter().flatten();
    results
        .map(|result| {
            let first = &result["measurements"][0];
            (
                text(&result["name"]),
                (text(&first["phase"]), text(&first["value"])),
            )
        })
        .collect()
}

/// What an agent of Datadog in each pod would report: sends requests through the gateway and has the emulator answer
/// with what came back, by version.
async fn report(stage: Stage, shop: App, datadog: Arc<Emulator>) {
    datadog
        .on("latency_p95", Behaviour::Value(0.12))
        .on("burn_rate", Behaviour::Value(0.4))
        .on("gate:shop", Behaviour::Gate(1, true))
        .on(
            "/api/v1/monitor/groups/search",
            Behaviour::Json(json!({
                "counts": {"status": [{"name": "OK", "count": 2}]},
                "groups": [
                    {"group": "*", "monitor_id": 1, "monitor_name": "errors", "status": "OK"},
                    {"group": "*", "monitor_id": 2, "monitor_name": "latency", "status": "OK"},
                ],
                "metadata": {"page": 0, "page_count": 1, "per_page": 100, "total_count": 2},
            })),
        );
    let mut tally = Tally::default();
    let mut hashes = BTreeMap::new();
    loop {
        // The API server may be busy; the next round finds what this one missed.
        if let Ok(sets) = stage.cluster().list(Kind::replica_set(), &stage.namespace).await {
            hashes.extend(sets.iter().filter_map(version_of));
        }
        if let Ok(more) = shop.load().send(40).await {
            tally = tally.merge(more);
        }
        for (version, hash) in &hashes {
            let answered = tally.of(version);
            let errors: u64 = tally
                .failed
                .iter()
                .filter(|(what, _)| what.ends_with(&format!("from {version}")))
                .map(|(_, count)| count)
                .sum();
            let of = |name: &str, filter: &str| format!("request.{name}{{{filter},version:{hash}}}");
            for filter in [
                "service:shop,env:test".to_owned(),
                format!("team:{TEAM},kube_namespace:{}", stage.namespace),
            ] {
                datadog
                    .on(&of("errors", &filter), Behaviour::Value(errors as f64))
                    .on(&of("hits", &filter), Behaviour::Value((answered + errors) as f64));
            }
            // An error costs the time of a timeout.
            let share = errors as f64 / (answered + errors).max(1) as f64;
            let points = (0..30).map(|minute| Some(0.1 + share + f64::from(minute % 7) / 1000.0));
            datadog.on(
                &format!("trace.http.request{{service:shop,env:test,version:{hash}}}"),
                Behaviour::Points(points.collect()),
            );
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Version and hash of a ReplicaSet.
fn version_of(set: &Value) -> Option<(String, String)> {
    let image = set["spec"]["template"]["spec"]["containers"][0]["image"].as_str()?;
    let hash = set["metadata"]["labels"]["rollouts-pod-template-hash"].as_str()?;
    Some((image.rsplit_once(':')?.1.to_owned(), hash.to_owned()))
}
