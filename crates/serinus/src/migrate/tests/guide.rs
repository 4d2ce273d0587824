//! The order of moves and the way back.

use super::*;

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
fn the_way_back_deletes_no_replicaset_of_others() {
    let rest = |selector: &str| {
        let deployment = DEPLOYMENT.replace("matchLabels: {app: shop}", selector);
        let guide = migrate(&[&deployment, SERVICE, ROUTE], &Wishes::default())
            .unwrap()
            .guide;
        match &guide.back.last().unwrap().how {
            How::Run(commands) => commands[0].clone(),
            How::Apply(_) => String::new(),
        }
    };
    let by_hand = "delete the ReplicaSets called shop-HASH that have no owner, one by one: the Deployment's selector does not tell them \
         from those of other Rollouts. `kubectl get replicaset -l rollouts-pod-template-hash -o \
         custom-columns=NAME:.metadata.name,OWNER:.metadata.ownerReferences[*].name` lists them all";
    for (selector, want) in [
        (
            "matchExpressions: [{key: app, operator: In, values: [shop]}]",
            "kubectl delete replicaset -l 'app in (shop),rollouts-pod-template-hash'",
        ),
        (
            "{matchLabels: {app: shop}, matchExpressions: [{key: batch, operator: DoesNotExist}]}",
            "kubectl delete replicaset -l 'app=shop,!batch,rollouts-pod-template-hash'",
        ),
        (
            "matchExpressions: [{key: app, operator: NotIn, values: [cart]}]",
            by_hand,
        ),
        ("matchLabels: {}", by_hand),
    ] {
        assert_eq!(rest(selector), want, "{selector}");
    }
}
