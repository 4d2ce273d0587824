//! What becomes of manifests.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;
use crate::manifests;

mod guide;
mod refusals;
mod rollout;
mod route;
mod service;

const DEPLOYMENT: &str = "\
# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  labels: {team: web}
spec:
  replicas: 3
  minReadySeconds: 5   # slow caches
  selector:
    matchLabels: {app: shop}
  strategy:
    rollingUpdate: {maxSurge: 1}
  template:
    metadata:
      labels: {app: shop, tier: web}
    spec:
      containers:
      - name: shop
        image: registry.example/shop:v1   # the release
        env: [{name: MODE, value: 'on'}]
";

const SERVICE: &str = "\
# For everybody.
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  selector: {app: shop}
  ports:
  - name: http   # as in the mesh
    port: 80
    targetPort: 8080
";

const ROUTE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gateway}]
  rules:
  # buying
  - matches: [{path: {value: /buy}}]
    timeouts: {request: 3s}   # impatient
    backendRefs:
    - name: shop   # the only one
      port: 80
  - backendRefs: [{name: pages, port: 80}]
";

const SCALER: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}   # the shop
  minReplicas: 2
  maxReplicas: 9
";

fn documents(texts: &[&str]) -> Vec<Document> {
    manifests::documents("a.yaml", &texts.join("---\n")).unwrap()
}

fn migrate(texts: &[&str], wishes: &Wishes) -> Result<Migration, String> {
    plan(&documents(texts), wishes).map_err(|refusal| refusal.to_string())
}

fn inline() -> Wishes {
    Wishes {
        template: Template::Inline,
        ..Wishes::default()
    }
}

fn check(migration: &[Document], want: &Expect) {
    want.assert_eq(&stream(migration));
    // What is read again is what was meant.
    let again = manifests::read("again", &stream(migration)).unwrap();
    let meant: Vec<Value> = migration.iter().map(|document| document.value.clone()).collect();
    assert_eq!(again, meant);
}

fn edit_read(text: &str) -> Value {
    canary_steps::edit::read(text).unwrap()
}

#[test]
fn a_deployment_is_referred_to() {
    let migration = migrate(&[DEPLOYMENT, SERVICE, ROUTE], &Wishes::default()).unwrap();
    check(
        &migration.stream,
        &expect![[r#"
        # As Service shop; the controller points it at the new version in a release.
        apiVersion: v1
        kind: Service
        metadata:
          name: shop-canary
        spec:
          selector: {app: shop}
          ports:
          - name: http   # as in the mesh
            port: 80
            targetPort: 8080
        ---
        # The shop.
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: shop
          labels: {team: web}
        spec:
          replicas: 3
          minReadySeconds: 5   # slow caches
          selector:
            matchLabels: {app: shop}
          strategy:
            rollingUpdate: {maxSurge: 1}
          template:
            metadata:
              labels: {app: shop, tier: web}
            spec:
              containers:
              - name: shop
                image: registry.example/shop:v1   # the release
                env: [{name: MODE, value: 'on'}]
        ---
        # For everybody.
        apiVersion: v1
        kind: Service
        metadata:
          name: shop
        spec:
          selector: {app: shop}
          ports:
          - name: http   # as in the mesh
            port: 80
            targetPort: 8080
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata: {name: shop}
        spec:
          parentRefs: [{name: gateway}]
          rules:
          # buying
          - matches: [{path: {value: /buy}}]
            timeouts: {request: 3s}   # impatient
            backendRefs:
            - name: shop   # the only one
              port: 80
            - name: shop-canary
              port: 80
              weight: 0
          - backendRefs: [{name: pages, port: 80}]
        ---
        # Takes its pods from Deployment shop, whose pod template is what is released.
        apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        metadata:
          name: shop
          labels:
            team: web
        spec:
          replicas: 3
          minReadySeconds: 5
          selector:
            matchLabels:
              app: shop
          workloadRef:
            apiVersion: apps/v1
            kind: Deployment
            name: shop
            scaleDown: onsuccess
          strategy:
            canary:
              stableService: shop
              canaryService: shop-canary
              trafficRouting:
                plugins:
                  argoproj-labs/gatewayAPI:
                    httpRoute: shop
              steps:
              - setWeight: 20
              - pause: {}
              - setWeight: 60
              - pause:
                  duration: 5m
              - setWeight: 100
    "#]],
    );
    check(
        &migration.finish,
        &expect![[r#"
        # The shop.
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: shop
          labels: {team: web}
        spec:
          replicas: 0
          minReadySeconds: 5   # slow caches
          selector:
            matchLabels: {app: shop}
          strategy:
            rollingUpdate: {maxSurge: 1}
          template:
            metadata:
              labels: {app: shop, tier: web}
            spec:
              containers:
              - name: shop
                image: registry.example/shop:v1   # the release
                env: [{name: MODE, value: 'on'}]
    "#]],
    );
}

#[test]
fn a_template_moves_in() {
    let migration = migrate(&[DEPLOYMENT, SERVICE, ROUTE], &inline()).unwrap();
    check(
        &migration.stream[4..],
        &expect![[r#"
        # The shop.
        apiVersion: argoproj.io/v1alpha1
        kind: Rollout
        metadata:
          name: shop
          labels: {team: web}
        spec:
          replicas: 3
          minReadySeconds: 5   # slow caches
          selector:
            matchLabels: {app: shop}
          strategy:
            canary:
              canaryService: shop-canary
              stableService: shop
              steps:
              - setWeight: 20
              - pause: {}
              - setWeight: 60
              - pause:
                  duration: 5m
              - setWeight: 100
              trafficRouting:
                plugins:
                  argoproj-labs/gatewayAPI:
                    httpRoute: shop
          template:
            metadata:
              labels: {app: shop, tier: web}
            spec:
              containers:
              - name: shop
                image: registry.example/shop:v1   # the release
                env: [{name: MODE, value: 'on'}]
    "#]],
    );
    check(&migration.finish, &expect![[""]]);
}

#[test]
fn autoscalers_get_another_target() {
    let wishes = Wishes {
        replicas: Some(4),
        ..Wishes::default()
    };
    let keda = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: shop}\nspec:\n  scaleTargetRef:\n    name: shop\n";
    let other = SCALER.replace("name: shop}   #", "name: other}   #");
    let migration = migrate(&[DEPLOYMENT, SERVICE, ROUTE, SCALER, keda, &other], &wishes).unwrap();
    check(
        &migration.finish[..2],
        &expect![[r#"
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata: {name: shop}
        spec:
          scaleTargetRef: {apiVersion: "argoproj.io/v1alpha1", kind: "Rollout", name: shop}   # the shop
          minReplicas: 2
          maxReplicas: 9
        ---
        apiVersion: keda.sh/v1alpha1
        kind: ScaledObject
        metadata: {name: shop}
        spec:
          scaleTargetRef:
            kind: Rollout
            apiVersion: argoproj.io/v1alpha1
            name: shop
    "#]],
    );
    assert_eq!(migration.finish.len(), 3, "and the Deployment without pods");
    assert_eq!(migration.stream.last().unwrap().value["spec"]["replicas"], 4);
    // It goes on scaling the Deployment until the Rollout is healthy.
    assert_eq!(migration.stream[4].text, SCALER);
}

#[test]
fn objects_of_a_list_and_of_a_cluster() {
    let items: Vec<String> = [DEPLOYMENT, SERVICE, ROUTE]
        .map(|text| edit_read(text).to_string())
        .to_vec();
    let list = format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{}]}}",
        items.join(",")
    );
    let migration = migrate(&[&list], &Wishes::default()).unwrap();
    assert!(migration.guide.notes[0].starts_with("objects of a List are written one by one"));
    let own = migrate(&[DEPLOYMENT, SERVICE, ROUTE], &Wishes::default()).unwrap();
    let values = |migration: &Migration| -> Vec<Value> {
        migration
            .stream
            .iter()
            .map(|document| document.value.clone())
            .collect()
    };
    assert_eq!(values(&migration), values(&own));

    let live = DEPLOYMENT.replace("  name: shop\n  labels", "  name: shop\n  uid: 0b\n  resourceVersion: '7'\n  annotations: {deployment.kubernetes.io/revision: '3', team: web}\n  labels") + "status: {replicas: 3}\n";
    let migration = migrate(&[&live, SERVICE, ROUTE, SCALER], &inline()).unwrap();
    let rollout = &migration.stream.last().unwrap().value;
    assert_eq!(
        rollout["metadata"].to_string(),
        r#"{"annotations":{"team":"web"},"labels":{"team":"web"},"name":"shop"}"#
    );
    assert_eq!(
        (&rollout["status"], &rollout["spec"]["replicas"]),
        (&Value::Null, &3.into())
    );
}
