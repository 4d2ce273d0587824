//! Manifests that cannot be migrated, and what says so.

use super::*;

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
        (
            Wishes {
                canary_service: Some("Bad_Name".into()),
                router: String::new(),
                ..Wishes::default()
            },
            "--canary-service: \"Bad_Name\" cannot be the name of a Service; accepted are up to 63 letters from a to z, digits and -, a letter first and no - last\n\
             --router: \"\" cannot be the name of a plugin; accepted is ORGANISATION/NAME as in argo-rollouts-config: letters, digits and -, in NAME also _ and .",
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
