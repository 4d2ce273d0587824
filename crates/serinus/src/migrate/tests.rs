//! What becomes of manifests.

use expect_test::{Expect, expect};
use serde_json::Value;

use super::*;
use crate::manifests;

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
fn the_guide() {
    let with_scaler = Wishes {
        replicas: Some(4),
        ..Wishes::default()
    };
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: old}\nspec: {defaultBackend: {service: {name: shop, port: {number: 80}}}}\n";
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: shop}\nspec: {minAvailable: 1, selector: {matchLabels: {app: shop}}}\n";
    let admin = SERVICE
        .replace("name: shop", "name: admin")
        .replace("port: 80\n", "port: 81\n");
    let manifests = [DEPLOYMENT, SERVICE, ROUTE, SCALER, ingress, budget, &admin];
    let guide = migrate(&manifests, &with_scaler).unwrap().guide;
    expect![[r#"
        Deployment shop becomes Rollout shop
          1. Service shop-canary
          2. HTTPRoute shop
          3. Rollout shop
             then wait: kubectl wait rollout/shop --for=jsonpath={.status.phase}=Healthy --timeout=15m
          4. HorizontalPodAutoscaler shop
          5. Deployment shop with replicas: 0
        note: Service admin: it selects the pods of every version; who calls it meets the new one by its share of the pods, not of the weights
        note: Ingress old: what comes in by it goes to the stable version alone, whatever the weights
        note: PodDisruptionBudget shop: unchanged; it selects pods by their labels, and those of the Rollout have the same
    "#]].assert_eq(&guide.short());
    expect![[r##"
        # Deployment shop becomes Rollout shop

        ## In this order

        1. **Service shop-canary**: it is new, and nothing refers to it. It selects what Service shop selects.
        2. **HTTPRoute shop**: the second backend has the weight 0: every request goes where it went. It comes before the Rollout, because the traffic router refuses a route without both Services, and a refused call starts no pods.
        3. **Rollout shop**: a Rollout's first version goes without its steps. Its 4 pods have the labels that Service shop selects, so they serve beside the Deployment's. When all are ready the controller points the Service at them alone. Then it takes the Deployment's away, which serve nobody by now; until then there are 4 more.
           - then wait: `kubectl wait rollout/shop --for=jsonpath={.status.phase}=Healthy --timeout=15m`
        4. **HorizontalPodAutoscaler shop**: the Rollout stands with a fixed number of pods until now, and none of the Deployment's is left to be scaled.
        5. **Deployment shop with replicas: 0**: the cluster is so already. With it Git says the same; without it the next sync would start pods that serve nobody.

        ## To know

        - Service admin: it selects the pods of every version; who calls it meets the new one by its share of the pods, not of the weights
        - Ingress old: what comes in by it goes to the stable version alone, whatever the weights
        - PodDisruptionBudget shop: unchanged; it selects pods by their labels, and those of the Rollout have the same

        ## What is different afterwards

        - A release is a change of the pod template of Deployment shop, as ever: an image in Git, `kubectl set image deployment/shop`, `kubectl rollout restart deployment/shop`. The number of pods is that of the Rollout.
        - It walks 5 steps; one that pauses without a duration waits for `kubectl argo rollouts promote shop` or the button in Argo CD.
        - Service shop selects the stable version alone (`rollouts-pod-template-hash` in its selector), for everybody who calls it; the controller writes that, Git need not.
        - Pods carry the label `rollouts-pod-template-hash` in place of `pod-template-hash`, and belong to Rollout shop.
        - `kubectl rollout status deployment/shop`, `helm --wait` and Argo CD's health of the Deployment speak of no pods; ask `kubectl argo rollouts status shop` and the Rollout's health.
        - A release has up to twice the pods: maxSurge and maxUnavailable mean nothing where traffic is divided by weights.
        - Weights change in the live route in mid-release. Where Argo CD syncs it, let it ignore `.spec.rules[].backendRefs[].weight` of the route.

        ## The way back

        1. **Deployment shop has its pods again**: in a quiet moment, with no release under way: its pods serve nobody yet, the Service still names the Rollout's. (Scaling the Rollout to 0 now, as Argo's page on migrating says, would leave the Service without a pod.)
           - `kubectl patch rollout shop --type merge -p '{"spec":{"workloadRef":{"scaleDown":"never"}}}'`
           - `kubectl scale deployment/shop --replicas=4`
           - `kubectl rollout status deployment/shop`
        2. **Rollout shop goes, its pods stay**: the controller gives both Services their selectors back, and Service shop selects the pods of both. Without --cascade=orphan the Rollout's pods would end first.
           - `kubectl delete rollout shop --cascade=orphan`
           - then wait: until `kubectl get service shop -o jsonpath={.spec.selector}` shows no rollouts-pod-template-hash
        3. **HTTPRoute shop as before, and HorizontalPodAutoscaler shop as before**: the backend that goes has the weight 0 when no release is under way.
           - apply these manifests as you gave them to serinus migrate
        4. **the rest**: pods end as in every scale-down, and the Deployment's serve.
           - `kubectl delete replicaset -l app=shop,rollouts-pod-template-hash`
           - `kubectl delete service shop-canary`

    "##]].assert_eq(&guide.full());
    let guide = migrate(&[DEPLOYMENT, SERVICE, ROUTE], &inline()).unwrap().guide;
    expect![[r#"
        # Deployment shop becomes Rollout shop

        ## In this order

        1. **Service shop-canary**: it is new, and nothing refers to it. It selects what Service shop selects.
        2. **HTTPRoute shop**: the second backend has the weight 0: every request goes where it went. It comes before the Rollout, because the traffic router refuses a route without both Services, and a refused call starts no pods.
        3. **Rollout shop**: a Rollout's first version goes without its steps. Its 3 pods have the labels that Service shop selects, so they serve beside the Deployment's. When all are ready the controller points the Service at them alone. The Deployment keeps its pods, which serve nobody by then.
           - then wait: `kubectl wait rollout/shop --for=jsonpath={.status.phase}=Healthy --timeout=15m`
        4. **delete Deployment shop**: no Service that the route knows selects its pods any more. Take it out of Git before it is synced again; Rollout shop has all of it.
           - `kubectl delete deployment shop`

        ## What is different afterwards

        - A release is a change of the pod template of Rollout shop.
        - It walks 5 steps; one that pauses without a duration waits for `kubectl argo rollouts promote shop` or the button in Argo CD.
        - Service shop selects the stable version alone (`rollouts-pod-template-hash` in its selector), for everybody who calls it; the controller writes that, Git need not.
        - Pods carry the label `rollouts-pod-template-hash` in place of `pod-template-hash`, and belong to Rollout shop.
        - `kubectl rollout status deployment/shop`, `helm --wait` and Argo CD's health of the Deployment speak of no pods; ask `kubectl argo rollouts status shop` and the Rollout's health.
        - A release has up to twice the pods: maxSurge and maxUnavailable mean nothing where traffic is divided by weights.
        - Weights change in the live route in mid-release. Where Argo CD syncs it, let it ignore `.spec.rules[].backendRefs[].weight` of the route.

        ## The way back

        1. **apply the Deployment as it was, with the image that is stable now**: in a quiet moment, with no release under way: its pods serve nobody yet, the Service still names the Rollout's. (Scaling the Rollout to 0 now, as Argo's page on migrating says, would leave the Service without a pod.)
           - `kubectl rollout status deployment/shop`
        2. **Rollout shop goes, its pods stay**: the controller gives both Services their selectors back, and Service shop selects the pods of both. Without --cascade=orphan the Rollout's pods would end first.
           - `kubectl delete rollout shop --cascade=orphan`
           - then wait: until `kubectl get service shop -o jsonpath={.spec.selector}` shows no rollouts-pod-template-hash
        3. **HTTPRoute shop as before**: the backend that goes has the weight 0 when no release is under way.
           - apply these manifests as you gave them to serinus migrate
        4. **the rest**: pods end as in every scale-down, and the Deployment's serve.
           - `kubectl delete replicaset -l app=shop,rollouts-pod-template-hash`
           - `kubectl delete service shop-canary`

    "#]].assert_eq(&guide.full());
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

/// What of the user's objects is changed in the words of the manifests.
#[test]
fn routes() {
    let one = |text: &str, canary: &str| {
        let wishes = Wishes {
            canary_service: Some(canary.to_owned()),
            ..Wishes::default()
        };
        let migration = migrate(&[DEPLOYMENT, SERVICE, text], &wishes).unwrap();
        (
            migration.stream[3].text.clone(),
            migration.stream.last().unwrap().value.clone(),
        )
    };
    let backend = "    - name: shop   # the only one\n      port: 80\n";
    let next = "    - name: next\n      port: 80\n      weight: 0\n";
    let (text, rollout) = one(ROUTE, "next");
    assert_eq!(text, ROUTE.replace(backend, &format!("{backend}{next}")));
    let settings = |rollout: &Value| {
        rollout["spec"]["strategy"]["canary"]["trafficRouting"]["plugins"][ROUTER].to_string()
    };
    assert_eq!(settings(&rollout), r#"{"httpRoute":"shop"}"#);

    // Whatever a backend has, its twin has too.
    let rich = ROUTE.replace(
        backend,
        "    - {group: '', kind: Service, name: shop, port: 80, weight: 7, filters: [{type: X, x: {z: 1}}]}\n",
    );
    let (text, _) = one(&rich, "next");
    let value = edit_read(&text);
    let twin = &value["spec"]["rules"][0]["backendRefs"][1];
    assert_eq!(
        twin.to_string(),
        r#"{"filters":[{"type":"X","x":{"z":1}}],"group":"","kind":"Service","name":"next","port":80,"weight":0}"#
    );
    // A rule that has it already is left alone.
    let done = ROUTE.replace(backend, &format!("{backend}{next}"));
    assert_eq!(one(&done, "next").0, done);
    // Other Services of the same name are other Services.
    let elsewhere = ROUTE.replace(
        "{name: pages, port: 80}",
        "{name: shop, namespace: other, kind: Elsewhere, port: 80}",
    );
    assert!(one(&elsewhere, "next").0.contains("kind: Elsewhere, port: 80}]"));

    // Text that cannot be changed in place.
    let alias = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: shop}\nspec:\n  x: &b [{name: shop, port: 80}]\n  rules: [{backendRefs: *b}] # lost\n";
    let migration = migrate(&[DEPLOYMENT, SERVICE, alias], &Wishes::default()).unwrap();
    assert!(
        migration.guide.notes[0].contains("comments in it are gone"),
        "{:?}",
        migration.guide.notes
    );
    assert!(migration.stream[3].text.contains("shop-canary"));
    assert_eq!(
        migration.stream[3].value["spec"]["x"].as_array().unwrap().len(),
        1
    );

    // Several routes, of several kinds, one elsewhere.
    let deployment = DEPLOYMENT.replace(
        "  name: shop\n  labels",
        "  name: shop\n  namespace: demo\n  labels",
    );
    let second = ROUTE
        .replace("{name: shop}", "{name: more, namespace: edge}")
        .replace(
            "- name: shop   # the only one",
            "- name: shop\n      namespace: demo",
        );
    let grpc = ROUTE
        .replace("HTTPRoute", "GRPCRoute")
        .replace("matches: [{path: {value: /buy}}]", "name: x");
    let migration = migrate(&[&deployment, SERVICE, ROUTE, &second, &grpc], &Wishes::default()).unwrap();
    assert_eq!(
        settings(&migration.stream.last().unwrap().value),
        r#"{"grpcRoute":"shop","httpRoutes":[{"name":"shop"},{"name":"more","namespace":"edge"}]}"#
    );
}

fn edit_read(text: &str) -> Value {
    canary_steps::edit::read(text).unwrap()
}

#[test]
fn what_a_service_can_have_only_once() {
    let service = "\
# The front.
apiVersion: v1
kind: Service
metadata:
  name: shop
  labels: {app: shop, argocd.argoproj.io/instance: shop}
  uid: 0a
  annotations:
    external-dns.alpha.kubernetes.io/hostname: shop.example
    cloud.google.com/app-protocols: '{\"http\": \"HTTP2\"}'
spec:
  type: LoadBalancer
  clusterIP: 10.0.0.1
  clusterIPs: [10.0.0.1]
  loadBalancerIP: 10.1.0.1
  externalTrafficPolicy: Local
  sessionAffinity: ClientIP
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: http, appProtocol: h2c, nodePort: 30080}]
status: {loadBalancer: {}}
";
    let migration = migrate(&[DEPLOYMENT, service, ROUTE], &Wishes::default()).unwrap();
    check(
        &migration.stream[..1],
        &expect![[r##"
        # As Service shop; the controller points it at the new version in a release.
        apiVersion: v1
        kind: Service
        metadata:
          name: shop-canary
          labels: {app: shop}
          annotations:
            cloud.google.com/app-protocols: '{"http": "HTTP2"}'
        spec:
          sessionAffinity: ClientIP
          selector: {app: shop}
          ports:
          - appProtocol: h2c
            name: http
            port: 80
            targetPort: http
    "##]],
    );
    assert!(
        migration
            .guide
            .notes
            .iter()
            .any(|note| note.contains("type LoadBalancer"))
    );
    let headless = service.replace("10.0.0.1", "None");
    let migration = migrate(&[DEPLOYMENT, &headless, ROUTE], &Wishes::default()).unwrap();
    assert_eq!(migration.stream[0].value["spec"]["clusterIP"], "None");
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

#[test]
fn json_stays_json() {
    let route = edit_read(ROUTE).to_string();
    let migration = migrate(&[DEPLOYMENT, SERVICE, &format!("{route}\n")], &Wishes::default()).unwrap();
    let changed: Value = serde_json::from_str(&migration.stream[3].text).unwrap();
    assert_eq!(
        changed["spec"]["rules"][0]["backendRefs"][1]["name"],
        "shop-canary"
    );
}

#[test]
fn selectors_with_expressions_are_taken_over() {
    let expressions = DEPLOYMENT.replace(
        "matchLabels: {app: shop}",
        "matchExpressions: [{key: app, operator: In, values: [shop]}]",
    );
    let migration = migrate(&[&expressions, SERVICE, ROUTE], &Wishes::default()).unwrap();
    assert_eq!(
        migration.stream.last().unwrap().value["spec"]["selector"].to_string(),
        r#"{"matchExpressions":[{"key":"app","operator":"In","values":["shop"]}]}"#
    );
}

#[test]
fn steps() {
    let rollout = |steps: &str| {
        let wishes = Wishes {
            steps: steps.to_owned(),
            ..Wishes::default()
        };
        migrate(&[DEPLOYMENT, SERVICE, ROUTE], &wishes).map(|migration| {
            migration.stream.last().unwrap().value["spec"]["strategy"]["canary"]["steps"].to_string()
        })
    };
    for (typed, want) in [
        (
            "20,pause:1m,100",
            Ok(r#"[{"setWeight":20},{"pause":{"duration":"1m"}},{"setWeight":100}]"#),
        ),
        ("off", Ok("null")),
        (
            "20,paus",
            Err(r#"--steps: item 2 "paus" is not a step; did you mean "pause"?"#),
        ),
        (
            "git",
            Err(
                r#"--steps: "git" says nothing about a new Rollout; accepted are steps like 20,pause,100, ramp and off"#,
            ),
        ),
        (
            "",
            Err(
                r#"--steps: "" says nothing about a new Rollout; accepted are steps like 20,pause,100, ramp and off"#,
            ),
        ),
    ] {
        assert_eq!(
            rollout(typed).as_deref(),
            want.map_err(str::to_owned).as_deref(),
            "{typed}"
        );
    }
    assert!(rollout("ramp").unwrap().starts_with("[{\"setWeight\":10}"));
    assert!(rollout("nonsense").unwrap_err().starts_with("--steps: "));
}

#[test]
fn what_stands_in_the_way_is_named() {
    let deployment = |from: &str, to: &str| DEPLOYMENT.replace(from, to);
    let service = |from: &str, to: &str| SERVICE.replace(from, to);
    let route = |from: &str, to: &str| ROUTE.replace(from, to);
    let rollout = |name: &str, of: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: {name}}}\nspec: {{workloadRef: {{name: {of}}}}}\n"
        )
    };
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: shop}\nspec: {defaultBackend: {service: {name: shop}}}\n";
    let mesh = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop}\nspec: {http: [{route: [{destination: {host: shop.demo.svc}}]}]}\n";
    let kinds = "accepted are HTTPRoute, GRPCRoute, TCPRoute, TLSRoute, UDPRoute";
    let cases: Vec<(Vec<String>, String)> = vec![
        (vec![SERVICE.into(), ROUTE.into()], "no Deployment in the manifests".into()),
        (
            vec![deployment("kind: Deployment", "kind: StatefulSet"), SERVICE.into()],
            "no Deployment in the manifests; there is StatefulSet shop, which a Rollout cannot replace".into(),
        ),
        (
            vec![DEPLOYMENT.into(), deployment("name: shop\n  labels", "name: cart\n  labels")],
            "2 Deployments in the manifests (shop, cart); choose one with --deployment".into(),
        ),
        (
            vec![deployment("apps/v1", "apps/v1beta2"), SERVICE.into(), ROUTE.into()],
            "Deployment shop: apiVersion: \"apps/v1beta2\"; a Rollout refers to apps/v1".into(),
        ),
        (
            vec![
                deployment("  replicas: 3\n", "  replicas: 0\n  paused: true\n")
                    .replace("rollingUpdate: {maxSurge: 1}", "type: Recreate"),
                SERVICE.into(),
            ],
            "Deployment shop: spec.paused: true: its pods may be older than its template; resume it and let it finish first\n\
             Deployment shop: spec.strategy.type: Recreate: two versions must never run at once, and a canary is just that; accepted is RollingUpdate\n\
             Deployment shop: spec.replicas: 0: it serves nobody; give the Rollout's number of pods with --replicas"
                .into(),
        ),
        (
            vec![deployment("replicas: 3", "replicas: many"), SERVICE.into(), ROUTE.into()],
            "Deployment shop: spec.replicas: \"many\"; it takes a whole number from 0".into(),
        ),
        (
            vec![deployment("labels: {team: web}", "ownerReferences: [{kind: Shop, name: big}]"), SERVICE.into()],
            "Deployment shop: metadata.ownerReferences: Shop big makes it and would make it again; migrate what Shop big is made from".into(),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into(), ROUTE.into(), SCALER.into()],
            "Deployment shop: spec.replicas: HorizontalPodAutoscaler shop decides how many pods there are, so the manifest does not say it; give --replicas, as many as run now".into(),
        ),
        (
            vec![DEPLOYMENT.into(), rollout("shop", "other")],
            "Rollout shop: metadata.name: shop: the Rollout that Deployment shop becomes would have this name".into(),
        ),
        (
            vec![DEPLOYMENT.into(), rollout("new", "shop")],
            "Rollout new: spec.workloadRef.name: shop: Deployment shop is migrated already".into(),
        ),
        (
            vec![DEPLOYMENT.into(), ROUTE.into()],
            "no Service in the manifests; give the one that selects the pods of Deployment shop with -f".into(),
        ),
        (
            vec![DEPLOYMENT.into(), service("{app: shop}", "{app: shop, tier: api}"), ROUTE.into()],
            "Service shop: spec.selector: app=shop,tier=api does not select the pods of Deployment shop, which have app=shop,tier=web".into(),
        ),
        (
            vec![
                DEPLOYMENT.into(),
                service("metadata:\n", "metadata:\n  annotations: {argo-rollouts.argoproj.io/managed-by-rollouts: cart}\n"),
                ROUTE.into(),
            ],
            "Service shop: metadata.annotations[argo-rollouts.argoproj.io/managed-by-rollouts]: cart: another Rollout points it at its pods; a Service can be that of one".into(),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into()],
            format!("no route in the manifests refers to Service shop; {kinds}"),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into(), ingress.into()],
            format!("no route in the manifests refers to Service shop; Ingress shop does, and requests that come by it cannot be divided by this traffic router; {kinds}"),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into(), mesh.into()],
            format!("no route in the manifests refers to Service shop; VirtualService shop does, and requests that come by it cannot be divided by this traffic router; {kinds}"),
        ),
        (
            vec![
                DEPLOYMENT.into(),
                SERVICE.into(),
                service("name: shop", "name: pages"),
                ROUTE.into(),
            ],
            "routes refer to 2 Services that select the pods of Deployment shop (shop, pages); choose one with --service".into(),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into(), route("port: 80\n", "port: 8080\n")],
            "HTTPRoute shop: spec.rules[0].backendRefs[0].port: 8080 is no port of Service shop; it has 80".into(),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into(), route("    - name: shop   #", "    - {name: shop, port: 80}\n    - name: shop   #")],
            "HTTPRoute shop: spec.rules[0].backendRefs: Service shop is in it 2 times; a rule can divide the requests of one".into(),
        ),
        (
            vec![DEPLOYMENT.into(), SERVICE.into(), ROUTE.into(), service("name: shop", "name: shop-canary")],
            "Service shop-canary: metadata.name: shop-canary: it is there already; give the canary's another name with --canary-service".into(),
        ),
        (
            vec![
                DEPLOYMENT.into(),
                service("name: shop", &format!("name: {}", "s".repeat(60))),
                route("name: shop   #", &format!("name: {}   #", "s".repeat(60))),
            ],
            format!("Service {0}: metadata.name: the canary's Service cannot be called {0}-canary; give another name of at most 63 letters with --canary-service", "s".repeat(60)),
        ),
    ];
    for (texts, want) in cases {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(migrate(&texts, &Wishes::default()).map(|_| ()).unwrap_err(), want);
    }
    for (wishes, want) in [
        (
            Wishes {
                deployment: Some("cart".into()),
                ..Wishes::default()
            },
            "no Deployment \"cart\" in the manifests",
        ),
        (
            Wishes {
                service: Some("cart".into()),
                ..Wishes::default()
            },
            "no Service \"cart\" in the manifests; give the one that selects the pods of Deployment shop with -f",
        ),
    ] {
        assert_eq!(
            migrate(&[DEPLOYMENT, SERVICE, ROUTE], &wishes)
                .map(|_| ())
                .unwrap_err(),
            want
        );
    }
}
