//! The executable as the controller starts and calls it.
#![allow(clippy::unwrap_used)]

mod scene;

use rollouts_plugin::host::Host;
use rollouts_plugin::types::AnalysisPhase::{Failed, Successful};
use scene::{API_KEY, APP_KEY, Behaviour, Emulator, asking};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_from_handshake_to_verdict() {
    let emulator = Emulator::start().await;
    emulator.on("errors", Behaviour::Value(0.2));
    let host = Host::metric_provider(env!("CARGO_BIN_EXE_rollouts-plugin-metric-datadog"))
        .arg("--patience=5s")
        .env("DD_API_KEY", API_KEY)
        .env("DD_APP_KEY", APP_KEY)
        .env("DD_ADDRESS", emulator.url())
        .start()
        .await
        .unwrap();
    let provider = host.connect().await.unwrap();
    provider.init().await.unwrap();
    assert_eq!(provider.kind().await.unwrap(), "Datadog");
    assert_eq!(emulator.count(), 0, "no I/O before there is a metric");
    let metric = asking(json!({"query": "avg:errors{*}"}), "result < 0.05");
    let measured = provider.run(&metric.run, &metric.metric).await.unwrap();
    assert_eq!(
        (measured.phase, measured.value.as_str()),
        (Failed, "0.2"),
        "{}",
        measured.message
    );
    assert_eq!(provider.metadata(&metric.metric).await.unwrap()["interval"], "5m");
    let hanging = asking(
        json!({"apiVersion": "v2", "query": "avg:hang{*}"}),
        "result < 0.05",
    );
    emulator.on("hang", Behaviour::Status(503, String::new()));
    let first = provider.run(&hanging.run, &hanging.metric).await.unwrap();
    assert!(first.resume_at.is_some(), "{first:?}");
    let ended = provider
        .terminate(&hanging.run, &hanging.metric, &first)
        .await
        .unwrap();
    assert_eq!(ended.phase, Successful);
    provider
        .garbage_collect(&metric.run, &metric.metric, 10)
        .await
        .unwrap();
    host.quit().await.unwrap();
}

/// The controller holds a lock over all metric plugins while it calls InitPlugin.
#[tokio::test]
async fn a_start_asks_nobody() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    let kubeconfig = json!({
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), kubeconfig.to_string()).unwrap();
    let host = Host::metric_provider(env!("CARGO_BIN_EXE_rollouts-plugin-metric-datadog"))
        .env("KUBECONFIG", file.path())
        .env("DD_ADDRESS", &address)
        .env("DD_API_KEY", API_KEY)
        .env("DD_APP_KEY", APP_KEY)
        .start()
        .await
        .unwrap();
    let provider = host.connect().await.unwrap();
    provider.init().await.unwrap();
    provider.kind().await.unwrap();
    assert!(nobody.accept().is_err(), "somebody was asked");
    let metric = asking(json!({"query": "avg:errors{*}"}), "result < 0.05");
    let measured = provider.run(&metric.run, &metric.metric).await.unwrap();
    assert_eq!(measured.phase.as_str(), "Running");
    // On a busy machine the worker's patience ends before the request is on its way.
    let mut asked = nobody.accept().is_ok();
    for _ in 0..100 {
        if asked {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        asked = nobody.accept().is_ok();
    }
    assert!(asked, "the first metric asks");
    host.quit().await.unwrap();
}
