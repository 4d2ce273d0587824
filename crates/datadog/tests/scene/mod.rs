//! A provider beside an emulator, and calls as the controller makes them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "../emulator/mod.rs"]
pub mod emulator;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use datadog::Provider;
use datadog::client::{AllowList, Credentials, Environment, Exchange, ExchangeSettings, Http};
use datadog::measure::{Engine, WallClock};
use rollouts_plugin::MetricProvider;
use rollouts_plugin::types::{AnalysisPhase, AnalysisRun, Measurement, Metric};
use serde_json::{Value, json};

pub use self::emulator::{Behaviour, Emulator};

pub const API_KEY: &str = "api-key-0123456789abcdef";
pub const APP_KEY: &str = "app-key-0123456789abcdef";

pub struct Scene {
    pub emulator: Arc<Emulator>,
    pub provider: Arc<Provider>,
    pub engine: Engine,
}

/// What differs from metric to metric.
pub struct Asking {
    pub run: AnalysisRun,
    pub metric: Metric,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with(ExchangeSettings::default(), Duration::from_millis(500)).await
    }

    /// Without sockets, and with a clock that goes with tokio's: for tests whose clock stands still.
    pub fn in_memory() -> Self {
        Self::in_memory_with(ExchangeSettings::default())
    }

    pub fn in_memory_with(settings: ExchangeSettings) -> Self {
        let emulator = Arc::new(Emulator::in_memory());
        let answering = emulator.clone();
        let http = Http::carried_by(Arc::new(move |request| carry(&answering, &request)));
        let clock = WallClock::of_tokio(jiff::Timestamp::now());
        Self::over(
            emulator,
            Exchange::over(settings, http),
            clock,
            Duration::from_millis(500),
        )
    }

    pub async fn with(settings: ExchangeSettings, patience: Duration) -> Self {
        let emulator = Arc::new(Emulator::start().await);
        let clock = WallClock::of_the_machine();
        Self::over(emulator, Exchange::new(settings), clock, patience)
    }

    fn over(emulator: Arc<Emulator>, exchange: Exchange, clock: WallClock, patience: Duration) -> Self {
        _ = rustls::crypto::ring::default_provider().install_default();
        let environment = Environment {
            api_key: Some(format!("{API_KEY}\n")),
            app_key: Some(APP_KEY.to_owned()),
            address: Some(emulator.url()),
            site: None,
            namespace: "argo-rollouts".to_owned(),
        };
        let credentials = Arc::new(Credentials::new(environment, AllowList::default()));
        let engine = Engine {
            exchange,
            credentials,
            clock,
        };
        let provider = Arc::new(Provider::new(engine.clone(), patience));
        Self {
            emulator,
            provider,
            engine,
        }
    }

    /// With keys from an environment, or from Secrets where it has none.
    pub async fn with_environment(environment: Environment) -> Self {
        let scene = Self::start().await;
        let environment = Environment {
            namespace: "argo-rollouts".to_owned(),
            ..environment
        };
        let credentials = Arc::new(Credentials::new(environment, AllowList::default()));
        let engine = Engine {
            exchange: Exchange::new(ExchangeSettings {
                cache: Duration::ZERO,
                ..ExchangeSettings::default()
            }),
            credentials,
            clock: scene.engine.clock,
        };
        let provider = Arc::new(Provider::new(engine.clone(), Duration::from_millis(500)));
        Self {
            provider,
            engine,
            ..scene
        }
    }

    /// One call of Run.
    pub async fn run(&self, asking: &Asking) -> Measurement {
        self.provider.run(&asking.run, &asking.metric).await
    }

    /// Run, and Resume at the moments asked for, until the measurement is completed.
    pub async fn measure(&self, asking: &Asking) -> Measurement {
        self.share().measure(asking).await
    }
}

impl Scene {
    /// Measures all at once.
    pub async fn measure_all(&self, metrics: impl Iterator<Item = Asking>) -> Vec<Measurement> {
        let mut tasks = tokio::task::JoinSet::new();
        for metric in metrics {
            let scene = self.share();
            tasks.spawn(async move { scene.measure(&metric).await });
        }
        tasks.join_all().await
    }

    fn share(&self) -> Calls {
        Calls(self.provider.clone(), self.engine.clock)
    }
}

/// Hands a request to an emulator without a socket.
fn carry(
    emulator: &Emulator,
    request: &reqwest::Request,
) -> Pin<Box<dyn Future<Output = reqwest::Result<reqwest::Response>> + Send>> {
    let mut plain = hyper::Request::builder()
        .method(request.method().clone())
        .uri(request.url().as_str());
    for (name, value) in request.headers() {
        plain = plain.header(name, value);
    }
    let body = request
        .body()
        .and_then(|body| body.as_bytes())
        .unwrap_or_default();
    let plain = plain.body(hyper::body::Bytes::copy_from_slice(body)).unwrap();
    let answer = emulator.answer(plain);
    Box::pin(async move {
        let (parts, body) = answer.await.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        Ok(hyper::Response::from_parts(parts, body).into())
    })
}

/// The controller's side.
struct Calls(Arc<Provider>, WallClock);

impl Calls {
    async fn measure(&self, asking: &Asking) -> Measurement {
        let mut measurement = self.0.run(&asking.run, &asking.metric).await;
        let mut calls = 0;
        while !measurement.phase.is_completed() {
            assert_eq!(measurement.phase, AnalysisPhase::Running, "{measurement:?}");
            let at = measurement
                .resume_at
                .expect("a measurement under way says when to ask again")
                .0;
            assert_eq!(at.subsec_nanosecond(), 0, "whole seconds");
            let wait = at.duration_since(self.1.now());
            tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
            measurement = self.0.resume(&asking.run, &asking.metric, &measurement).await;
            calls += 1;
            assert!(calls < 60, "{measurement:?}");
        }
        measurement
    }
}

/// A metric with a block and a success condition.
pub fn asking(block: Value, success: &str) -> Asking {
    asking_as("run", block, success, "")
}

#[expect(clippy::needless_pass_by_value, reason = "tests hand over literals")]
pub fn asking_as(run: &str, block: Value, success: &str, failure: &str) -> Asking {
    let metric = json!({
        "name": "m",
        "successCondition": success,
        "failureCondition": failure,
        "provider": {"plugin": {"any/name": block}},
    });
    let run = json!({
        "metadata": {"name": run, "namespace": "team", "uid": run, "creationTimestamp": "2026-11-21T10:00:00Z"},
        "spec": {"metrics": [metric], "args": []},
        "status": {"startedAt": "2026-11-21T10:00:05Z"},
    });
    Asking {
        run: serde_json::from_value(run).unwrap(),
        metric: serde_json::from_value(metric).unwrap(),
    }
}
