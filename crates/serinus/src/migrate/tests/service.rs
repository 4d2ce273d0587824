//! The canary's Service.

use super::*;

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
fn workloads_that_lose_the_service_are_named() {
    let workload = |kind: &str, version: &str, namespace: &str, labels: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: other, namespace: {namespace}}}\nspec:\n  template:\n    metadata: {{labels: {labels}}}\n"
        )
    };
    let deployment = DEPLOYMENT.replace(
        "  name: shop\n  labels",
        "  name: shop\n  namespace: demo\n  labels",
    );
    let service = SERVICE.replace("name: shop\n", "name: shop\n  namespace: demo\n");
    let wishes = Wishes {
        deployment: Some("shop".to_owned()),
        ..Wishes::default()
    };
    for (kind, version, namespace, labels, named) in [
        ("StatefulSet", "apps/v1", "demo", "{app: shop, tier: cache}", true),
        ("DaemonSet", "apps/v1", "demo", "{app: shop}", true),
        ("Deployment", "apps/v1", "demo", "{app: shop}", true),
        ("Rollout", "argoproj.io/v1alpha1", "demo", "{app: shop}", true),
        // It may be in the same namespace.
        ("Deployment", "apps/v1", "''", "{app: shop}", true),
        ("Deployment", "apps/v1", "elsewhere", "{app: shop}", false),
        ("StatefulSet", "apps/v1", "demo", "{app: cache}", false),
        ("StatefulSet", "apps/v1", "demo", "{}", false),
        // Labels of secrets.
        (
            "SealedSecret",
            "bitnami.com/v1alpha1",
            "demo",
            "{app: shop}",
            false,
        ),
    ] {
        let other = workload(kind, version, namespace, labels);
        let route = ROUTE.replace(
            "metadata: {name: shop}",
            "metadata: {name: shop, namespace: demo}",
        );
        let migration = migrate(&[&deployment, &service, &route, &other], &wishes).unwrap();
        let title = match namespace {
            "''" => format!("{kind} other: "),
            namespace => format!("{kind} {namespace}/other: "),
        };
        let note = migration.guide.notes.iter().find(|note| note.starts_with(&title));
        assert_eq!(
            note.is_some_and(|note| note.contains("Service shop selects its pods too")),
            named,
            "{other}: {:?}",
            migration.guide.notes
        );
    }
}
