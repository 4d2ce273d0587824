//! Our host against the sample plugins of the argo-rollouts module, which are Go plugins as their authors mean them.
#![cfg(feature = "host")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use rollouts_plugin::host::Host;
use rollouts_plugin::types::{
    AnalysisPhase, AnalysisRun, Measurement, Metric, MetricProviderSpec, RawJson, Rollout, SetHeaderRoute,
    SetMirrorRoute,
};
use rollouts_plugin::{StepContext, StepPhase, Verified};
use serde_json::{Value, json};

/// A sample plugin of the module that `tests/interop/go/rollouts` requires; [`None`] without Go.
fn sample(name: &str) -> Option<PathBuf> {
    interop::go_package(
        "rollouts",
        &format!("github.com/argoproj/argo-rollouts/test/cmd/{name}"),
    )
}

fn rollout() -> Rollout {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "4711", "creationTimestamp": "2026-11-21T10:20:30Z"},
        "spec": {"strategy": {"canary": {
            "canaryService": "web-canary", "stableService": "web-stable",
            "steps": [{"setWeight": 20}, {"plugin": {"name": "example/step", "config": {"aggregate": false}}}],
            "trafficRouting": {"plugins": {"argoproj/sample-nginx": {"stableIngress": "web"}}}}}},
        "status": {"currentStepIndex": 1, "currentPodHash": "new", "stableRS": "old"},
    }))
    .expect("a valid Rollout")
}

#[tokio::test]
async fn step_plugin_sample() {
    let Some(path) = sample("step-plugin-sample") else {
        return;
    };
    let host = Host::step(path)
        .arg("--seed")
        .arg("7")
        .start()
        .await
        .expect("the sample starts");
    let step = host.connect().await.expect("the sample serves");
    step.init().await.expect("InitPlugin");
    assert_eq!(step.kind().await.expect("Type"), "plugin-example");

    let context = StepContext {
        plugin_name: "example/step".to_owned(),
        config: RawJson::new(r#"{"Async":false}"#),
        status: RawJson::default(),
    };
    let first = step.run(&rollout(), &context).await.expect("Run");
    assert_eq!(
        (first.phase, first.message.as_str()),
        (StepPhase::Successful, "Operation completed")
    );
    let status: Value = first.status.parse().expect("the sample's state is JSON");
    assert!(!status["Id"].as_str().expect("an id").is_empty(), "{status}");
    let value: u32 = status["Value"]
        .as_str()
        .expect("a value")
        .parse()
        .expect("a number");
    assert!(value < 100, "{status}");

    // The sample finds its state again in what we send back, and does not draw a second number.
    let again = StepContext {
        status: first.status.clone(),
        ..context.clone()
    };
    assert_eq!(
        step.run(&rollout(), &again).await.expect("second Run").status,
        first.status
    );

    let later = StepContext {
        config: RawJson::new(r#"{"Async":true}"#),
        ..context.clone()
    };
    let running = step.run(&rollout(), &later).await.expect("Run in the background");
    assert_eq!(
        (running.phase, running.requeue_after.as_secs()),
        (StepPhase::Running, 15)
    );
    let ended = step
        .terminate(
            &rollout(),
            &StepContext {
                status: running.status,
                ..later
            },
        )
        .await
        .expect("Terminate");
    assert_eq!(ended.status.parse::<Value>().expect("JSON")["Value"], "0");
    step.abort(&rollout(), &again).await.expect("Abort");

    let broken = StepContext {
        config: RawJson::new("{"),
        ..context
    };
    let error = step
        .run(&rollout(), &broken)
        .await
        .expect_err("the config is no JSON")
        .to_string();
    assert_eq!(error, "could not unmarshal config: unexpected end of JSON input");
    host.quit().await.expect("the sample ends");
}

#[tokio::test]
async fn metrics_plugin_sample() {
    let Some(path) = sample("metrics-plugin-sample") else {
        return;
    };
    let host = Host::metric_provider(path)
        .start()
        .await
        .expect("the sample starts");
    let provider = host.connect().await.expect("the sample serves");
    provider.init().await.expect("InitPlugin");
    assert_eq!(provider.kind().await.expect("Type"), "RPCPlugin");

    let address = prometheus();
    let metric = |query: &str, success: &str| Metric {
        name: "errors".to_owned(),
        success_condition: success.to_owned(),
        provider: MetricProviderSpec {
            plugin: BTreeMap::from([(
                "argoproj/sample-prometheus".to_owned(),
                RawJson::from(&json!({"address": address, "query": query})),
            )]),
        },
        ..Metric::default()
    };
    let run = AnalysisRun::default();
    let good = provider
        .run(&run, &metric("errors", "result < 5"))
        .await
        .expect("Run");
    assert_eq!(
        (good.phase, good.value.as_str()),
        (AnalysisPhase::Successful, "3"),
        "{}",
        good.message
    );
    assert!(
        good.started_at.is_some() && good.started_at <= good.finished_at,
        "moments of Go's clock arrive"
    );
    let bad = provider
        .run(&run, &metric("errors", "result < 2"))
        .await
        .expect("Run");
    assert_eq!(bad.phase, AnalysisPhase::Failed);
    let error = provider
        .run(&run, &metric("errors", "result <"))
        .await
        .expect("Run");
    assert_eq!(error.phase, AnalysisPhase::Error);
    assert!(error.message.contains("unexpected token"), "{}", error.message);

    // What the sample hands back unchanged shows that both directions carry every field.
    let measurement = Measurement {
        phase: AnalysisPhase::Running,
        metadata: BTreeMap::from([("job".to_owned(), "17".to_owned())]),
        resume_at: good.started_at,
        ..good
    };
    assert_eq!(
        provider
            .resume(&run, &metric("errors", ""), &measurement)
            .await
            .expect("Resume"),
        measurement
    );
    assert_eq!(
        provider
            .terminate(&run, &metric("errors", ""), &measurement)
            .await
            .expect("Terminate"),
        measurement
    );
    provider
        .garbage_collect(&run, &metric("errors", ""), 0)
        .await
        .expect("GarbageCollect");
    assert_eq!(
        provider
            .metadata(&metric("errors", ""))
            .await
            .expect("GetMetadata"),
        BTreeMap::from([("ResolvedPrometheusQuery".to_owned(), "errors".to_owned())])
    );
    host.quit().await.expect("the sample ends");
}

#[tokio::test]
async fn trafficrouter_plugin_sample() {
    let Some(path) = sample("trafficrouter-plugin-sample") else {
        return;
    };
    let no_cluster = ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];
    let mut launch = Host::traffic_router(path).env("HOME", "/nonexistent");
    for name in no_cluster {
        launch.command.env_remove(name);
    }
    let host = launch.start().await.expect("the sample starts");
    let router = host.connect().await.expect("the sample serves");
    assert_eq!(router.kind().await.expect("Type"), "plugin-nginx");
    let error = router.init().await.expect_err("there is no cluster").to_string();
    assert!(
        error.starts_with("invalid configuration: no configuration has been provided"),
        "{error}"
    );

    let rollout = rollout();
    router
        .update_hash(&rollout, "new", "old", &[])
        .await
        .expect("UpdateHash");
    router
        .set_header_route(&rollout, &SetHeaderRoute::default())
        .await
        .expect("SetHeaderRoute");
    router
        .set_mirror_route(&rollout, &SetMirrorRoute::default())
        .await
        .expect("SetMirrorRoute");
    router
        .remove_managed_routes(&rollout)
        .await
        .expect("RemoveManagedRoutes");
    assert_eq!(
        router
            .verify_weight(&rollout, 20, &[])
            .await
            .expect("VerifyWeight"),
        Verified::NotImplemented
    );

    // Its configuration says another plugin's name, so the sample cannot read its own.
    let mut other = rollout.clone();
    let routing = other
        .spec
        .strategy
        .canary
        .as_mut()
        .and_then(|canary| canary.traffic_routing.as_mut());
    routing.expect("the Rollout has traffic routing").plugins.clear();
    let error = router
        .set_weight(&other, 20, &[])
        .await
        .expect_err("no configuration")
        .to_string();
    assert_eq!(error, "could not unmarshal nginx config");

    // Without InitPlugin the sample dereferences nil, which in Go kills the whole plugin: the caller must hear of it.
    let error = router
        .set_weight(&rollout, 20, &[])
        .await
        .expect_err("the sample dies")
        .to_string();
    assert!(error.starts_with("SetWeight rpc call error: "), "{error}");
    assert!(host.ping().await.is_err());
}

/// A Prometheus that answers every query with 3.
fn prometheus() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let body = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"3"]}}"#;
                let mut request = [0; 4096];
                while let Ok(1..) = stream.read(&mut request) {
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
