//! What `serinus migrate` prints can be rehearsed: a change of the Deployment's template is the release.

mod common;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use serinus::manifests;
use serinus::migrate::{self, ScaleDown, Template, Wishes};
use serinus::rehearsal::journal::Journal;
use serinus::rehearsal::play::{Settings, play};
use serinus::rehearsal::yours::{self, script};
use serinus::report::judge::judge;
use serinus::stage::release::analysis;
use serinus::stage::release::call::{Answer, Call, CallError, Router};
use serinus::stage::{Config, Stage, gateway};

use common::FakeRouter;

const MANIFESTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: demo}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: 'registry.example/shop:v1'}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: demo}
spec:
  selector: {app: shop}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: demo}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - backendRefs: [{name: shop, port: 80}]
";

/// Looks at the Rollout that the router is called with, and at the one in the API.
struct Seeing {
    router: FakeRouter,
    referring: bool,
}

impl Router for Seeing {
    fn call<'a>(&'a self, rollout: &'a Value, call: &'a Call) -> BoxFuture<'a, Result<Answer, CallError>> {
        async move {
            assert!(
                rollout["spec"]["template"].is_object(),
                "a router gets the template"
            );
            let path = "/apis/argoproj.io/v1alpha1/namespaces/demo/rollouts/shop";
            let (_, stored) = self.router.send(http::Method::GET, path, None).await;
            assert_eq!(stored["spec"]["template"].is_null(), self.referring, "{stored}");
            self.router.call(rollout, call).await
        }
        .boxed()
    }
}

async fn rehearse(template: Template) {
    let wishes = Wishes {
        template,
        steps: "20,pause:1m,60,pause,100".to_owned(),
        ..Wishes::default()
    };
    let given = manifests::documents("given", MANIFESTS).expect("they can be read");
    let migration = migrate::plan(&given, &wishes).expect("they can be migrated");
    let printed = manifests::read("printed", &migrate::stream(&migration.stream)).expect("it can be read");
    let yours = script(
        printed,
        &yours::Wishes {
            rollout: None,
            error_rate: 0.0,
            latency: Duration::ZERO,
            analysis: analysis::Settings::default(),
            path: None,
            host: None,
        },
    )
    .expect("it can be rehearsed");

    let stage = Stage::start(&Config {
        namespace: "demo".into(),
        pod_start_delay: Duration::from_millis(50),
        gateway: gateway::Config::default(),
    })
    .await
    .expect("loopback can be listened on");
    let router = Seeing {
        router: FakeRouter::new(stage.api_url()),
        referring: template != Template::Inline,
    };
    let journal = Arc::new(Journal::default());
    let settings = Settings {
        speed: 40.0,
        rate: 500.0,
        path: yours.path,
        host: yours.host,
        analysis: analysis::Settings::default(),
        least_requests: 100,
        patience: Duration::from_secs(120),
        promote_after: Duration::from_secs(60),
        longest_pause: Duration::from_secs(10),
    };
    play(&yours.script, &stage, &router, &journal, &settings)
        .await
        .expect("it can be played");
    let judged = judge(&journal.read(), journal.now(), 0.999_999, |phase| {
        journal.tally(phase)
    });
    assert_eq!(judged.problems, Vec::<String>::new());
    let phases = judged.phases.iter().filter(|phase| !phase.checks.is_empty());
    let weights: Vec<_> = phases.map(|phase| (phase.act, phase.weight)).collect();
    assert_eq!(weights, [(None, 0), (Some(0), 20), (Some(0), 60), (Some(0), 100)]);
}

#[tokio::test]
async fn a_migrated_deployment_can_be_rehearsed() {
    rehearse(Template::Referenced(ScaleDown::OnSuccess)).await;
}

#[tokio::test]
async fn so_can_one_whose_template_moved_in() {
    rehearse(Template::Inline).await;
}

/// The page shows what the tool prints.
#[test]
fn the_page_is_true() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it is there");
    let mut given = Vec::new();
    for name in ["deployment.yaml", "traffic.yaml"] {
        given.extend(manifests::documents(name, &file(&format!("example/{name}"))).expect("it can be read"));
    }
    let migration = migrate::plan(&given, &Wishes::default()).expect("it can be migrated");
    let page = file("../../docs/serinus.md");
    let rollout = migration.stream.last().expect("a Rollout is in it");
    for text in [migration.guide.short(), rollout.text.clone()] {
        assert!(page.contains(&text), "docs/serinus.md does not have\n{text}");
    }
    let steps = format!("| `{}` |", migrate::STEPS);
    let router = format!("| `{}` |", migrate::ROUTER);
    assert!(page.contains(&steps) && page.contains(&router));
}
