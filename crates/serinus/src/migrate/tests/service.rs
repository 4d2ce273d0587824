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
