//! Scripts of users' own manifests.

use super::*;
use crate::manifests;

fn wishes() -> Wishes {
    Wishes {
        rollout: None,
        error_rate: 0.0,
        latency: Duration::ZERO,
        analysis: analysis::Settings::default(),
        path: None,
        host: None,
    }
}

fn rollout() -> Value {
    manifests::read("rollout.yaml", include_str!("../../../demo/rollout.yaml"))
        .unwrap()
        .remove(0)
}

fn route(rules: &str) -> Value {
    let text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: web}}\nspec:\n  hostnames: ['*.shop.example']\n  parentRefs: [{{name: edge, namespace: infra}}]\n  rules: {rules}\n"
    );
    manifests::read("route.yaml", &text).unwrap().remove(0)
}

const SPLIT: &str = "[{matches: [{path: {value: /buy}}], backendRefs: [{name: web-stable, port: 8080}, {name: web-canary, port: 8080, weight: 0}]}]";

#[test]
fn what_is_missing_is_made_up_and_said() {
    let mut with_analysis = wishes();
    with_analysis.error_rate = 0.2;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    let yours = script(vec![secret, rollout(), route(SPLIT)], &with_analysis).unwrap();
    assert_eq!(
        (yours.path.as_str(), yours.host.as_str()),
        ("/buy", "any.shop.example")
    );
    assert_eq!(yours.longest_pause, Duration::from_secs(60));
    assert_eq!(yours.script.acts[0].ending, Ending::Aborted);
    assert_eq!(
        yours.script.notes,
        [
            "left out, as the stage does not know them: Secret",
            "Gateway infra/edge is not in the manifests; the stage's gateway stands in",
            "Service demo/web-canary is not in the manifests; one is made up",
            "Service demo/web-stable is not in the manifests; one is made up",
            "the analysis asks the stage's gateway for a success rate of 95 %, not the templates' providers",
        ]
    );
    let service = yours
        .script
        .objects
        .iter()
        .find(|o| o["metadata"]["name"] == "web-canary")
        .unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 8080);
    let (before, after) = (
        &yours.script.before.rollout,
        &yours.script.acts[0].version.rollout,
    );
    assert_ne!(
        Spec::read(before).unwrap().template_hash,
        Spec::read(after).unwrap().template_hash
    );
}

#[test]
fn every_backend_of_a_route_is_there() {
    let rules = SPLIT.replace(
            "[{matches",
            "[{matches: [{path: {value: /api}}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 81}}}], backendRefs: [{name: api, port: 80}]}, {matches",
        );
    let script = script(vec![rollout(), route(&rules)], &wishes()).unwrap().script;
    for name in ["api", "copy"] {
        let note = format!("Service demo/{name} is not in the manifests; one is made up, without pods");
        assert!(script.notes.contains(&note), "{:?}", script.notes);
        let service = script
            .objects
            .iter()
            .find(|o| o["metadata"]["name"] == name)
            .unwrap();
        assert_eq!(service["spec"]["selector"], json!({}));
    }
}

#[test]
fn what_is_asked_for_reaches_the_split_rule() {
    let other = |matches: &str| {
        let other =
            format!("[{{matches: [{matches}], backendRefs: [{{name: web-stable, port: 8080}}]}}, {{matches");
        SPLIT.replace("[{matches", &other)
    };
    let exact = |path: &str| format!("{{path: {{type: Exact, value: {path}}}}}");
    let taken = "HTTPRoute demo/web: spec.rules[1] splits the traffic, but a GET of any.shop.example/buy is served by spec.rules[0] of HTTPRoute demo/web; name a path and a host that it serves with --path and --host";
    let elsewhere = "HTTPRoute demo/web: spec.rules[0] splits the traffic, but a GET of any.shop.example/sell is served by no rule; name a path and a host that it serves with --path and --host";
    let far = "HTTPRoute demo/web: spec.rules[0] splits the traffic, but a GET of other.example/buy is served by no rule; name a path and a host that it serves with --path and --host";
    let rewrite = "HTTPRoute demo/web: the stage's gateway does not accept it: spec.rules[0]: filters[0].type URLRewrite is not supported by this gateway";
    let regex = SPLIT.replace("value: /buy", "type: RegularExpression, value: '/b.y'");
    let cases = [
        (SPLIT.to_owned(), None, None, Ok("/buy")),
        (other(&exact("/buy")), None, None, Ok("/buy/")),
        (
            other(&format!("{}, {}", exact("/buy"), exact("/buy/"))),
            None,
            None,
            Ok("/buy/serinus"),
        ),
        (other("{path: {value: /buy}}"), None, None, Err(taken)),
        (SPLIT.to_owned(), Some("/buy/now"), None, Ok("/buy/now")),
        (SPLIT.to_owned(), Some("/sell"), None, Err(elsewhere)),
        (SPLIT.to_owned(), None, Some("other.example"), Err(far)),
        (regex, Some("/bay"), Some("www.shop.example:80"), Ok("/bay")),
        (
            SPLIT.replace("{matches", "{filters: [{type: URLRewrite}], matches"),
            None,
            None,
            Err(rewrite),
        ),
    ];
    for (rules, path, host, want) in cases {
        let mut wishes = wishes();
        (wishes.path, wishes.host) = (path.map(str::to_owned), host.map(str::to_owned));
        let found = script(vec![rollout(), route(&rules)], &wishes);
        let found = found.map(|yours| yours.path).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), want, "{rules}");
    }
}

#[test]
fn gateways_that_take_no_such_route_are_said() {
    let with = |listener: Value| {
        let mut full = json!({"name": "http", "port": 80, "protocol": "HTTP"});
        json_patch::merge(&mut full, &listener);
        let gateway = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": "infra"}, "spec": {"listeners": [full]},
        });
        script(vec![rollout(), route(SPLIT), gateway], &wishes())
    };
    assert_eq!(
        with(json!({})).unwrap_err().to_string(),
        "HTTPRoute demo/web: the stage's gateway does not accept it: Gateway infra/edge has no listener that takes routes from namespace demo (allowedRoutes.namespaces) (NotAllowedByListeners)"
    );
    let host = json!({"hostname": "eu.shop.example", "allowedRoutes": {"namespaces": {"from": "All"}}});
    assert_eq!(with(host).unwrap().host, "eu.shop.example");
    let selected = with(json!({"allowedRoutes": {"namespaces": {"from": "Selector"}}})).unwrap();
    let note =
        "Namespace demo is not in the manifests; it is taken for one from which Gateway edge takes routes";
    assert!(
        selected.script.notes.iter().any(|n| n == note),
        "{:?}",
        selected.script.notes
    );

    let named = route(SPLIT).to_string().replace(
        r#""namespace":"infra""#,
        r#""namespace":"infra","sectionName":"https""#,
    );
    let named: Value = serde_json::from_str(&named).unwrap();
    assert!(
        script(vec![rollout(), named], &wishes()).is_ok(),
        "a Gateway that is made up has every listener"
    );
}

#[test]
fn a_dry_run_ends_no_release() {
    let mut dry = rollout();
    dry["spec"]["strategy"]["canary"]["analysis"]["dryRun"] = json!([{"metricName": ".*"}]);
    let mut failing = wishes();
    failing.error_rate = 0.5;
    let script = script(vec![dry, route(SPLIT)], &failing).unwrap().script;
    assert_eq!(script.acts[0].ending, Ending::Promoted);
    let note = "the analysis is a dry run: it fails nothing".to_owned();
    assert!(script.notes.contains(&note), "{:?}", script.notes);
}

#[test]
fn an_analysis_before_any_traffic_decides_nothing() {
    let mut early = rollout();
    let canary = &mut early["spec"]["strategy"]["canary"];
    canary["analysis"] = Value::Null;
    canary["steps"] = json!([{"analysis": {}}, {"setWeight": 20}, {"pause": {}}]);
    let mut failing = wishes();
    failing.error_rate = 0.5;
    let script = script(vec![early, route(SPLIT)], &failing).unwrap().script;
    assert_eq!(script.acts[0].ending, Ending::Promoted);
    let note = "spec.strategy.canary.steps[0].analysis comes before any traffic: it passes on the stage";
    assert_eq!(script.notes.last().map(String::as_str), Some(note));
}

#[test]
fn a_mirror_beside_a_plugin_is_played_and_older_controllers_are_named() {
    let mut mirroring = rollout();
    let canary = &mut mirroring["spec"]["strategy"]["canary"];
    canary["analysis"] = Value::Null;
    canary["trafficRouting"]["managedRoutes"] = json!([{"name": "copy"}]);
    canary["steps"] = json!([{"setWeight": 20}, {"setMirrorRoute": {"name": "copy"}}, {"pause": {}}]);
    let script = script(vec![mirroring, route(SPLIT)], &wishes()).unwrap().script;
    let note = "spec.strategy.canary.steps[1].setMirrorRoute: controllers before argo-rollouts #4643 (1.10) refuse it beside a plugin";
    assert!(
        script.notes.iter().any(|known| known == note),
        "{:?}",
        script.notes
    );
}

#[test]
fn a_change_of_the_workload_is_the_release() {
    let mut referring = rollout();
    let spec = &mut referring["spec"];
    let template = spec["template"].take();
    spec["workloadRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "demo"},
        "spec": {"replicas": 0, "selector": spec["selector"].take(), "template": template.clone()},
    });
    let yours = script(vec![referring, deployment, route(SPLIT)], &wishes()).unwrap();
    let script = yours.script;
    assert_eq!(
        script.notes.last().unwrap(),
        "the pod template is that of Deployment web; the stage plays the Rollout's pods, and no others"
    );
    assert!(
        script.notes.iter().all(|note| !note.contains("left out")),
        "{:?}",
        script.notes
    );
    assert_eq!(
        script.acts[0].said,
        ["changed the pod template of Deployment web"]
    );
    assert_eq!(script.before.rollout["spec"]["template"], template);
    let selector = &script.before.rollout["spec"]["selector"];
    let service = script
        .objects
        .iter()
        .find(|o| o["metadata"]["name"] == "web-canary");
    assert_eq!(service.unwrap()["spec"]["selector"], selector["matchLabels"]);
    let hash = |rollout: &Value| Spec::read(rollout).unwrap().template_hash;
    assert_ne!(
        hash(&script.before.rollout),
        hash(&script.acts[0].version.rollout)
    );
}

#[test]
fn what_cannot_be_played_is_said() {
    let headers = SPLIT.replace("path: {value: /buy}", "headers: [{name: a, value: b}]");
    let mut mesh = route(SPLIT);
    mesh["spec"]["parentRefs"] = json!([{"kind": "Service", "group": "", "name": "web"}]);
    let mut other = rollout();
    other["metadata"]["name"] = "other".into();
    let cases = [
        (vec![route(SPLIT)], "no Rollout in the manifests"),
        (
            vec![rollout(), other],
            "2 Rollouts in the manifests (web, other); choose one with --rollout",
        ),
        (
            vec![rollout()],
            "no HTTPRoute in the manifests refers to Service web-canary in a rule that a plain request reaches",
        ),
        (
            vec![rollout(), route(&headers)],
            "no HTTPRoute in the manifests refers to Service web-canary in a rule that a plain request reaches",
        ),
        (
            vec![rollout(), mesh],
            "HTTPRoute web is attached to no Gateway; the stage plays no mesh",
        ),
    ];
    for (manifests, want) in cases {
        assert_eq!(script(manifests, &wishes()).unwrap_err().to_string(), want);
    }
    let bad = |kind: &str, more: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "bad"}});
        json_patch::merge(&mut object, &more);
        object
    };
    let gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "spec": 5});
    for (object, want) in [
        (
            bad("Service", json!({"metadata": "foo"})),
            r#"Service: metadata: "foo" is not an object"#,
        ),
        (
            bad("Service", json!({"spec": "foo"})),
            r#"Service bad: spec: "foo" is not an object"#,
        ),
        (
            bad("Service", json!({"spec": {"selector": "foo"}})),
            r#"Service bad: spec.selector: "foo" is not an object"#,
        ),
        (bad("Gateway", gateway), "Gateway bad: spec: 5 is not an object"),
    ] {
        let error = script(vec![rollout(), route(SPLIT), object], &wishes()).unwrap_err();
        assert_eq!(error.to_string(), want);
    }
    let mut nobody = wishes();
    nobody.rollout = Some("nobody".into());
    let error = script(vec![rollout()], &nobody).unwrap_err().to_string();
    assert_eq!(error, "no Rollout \"nobody\" in the manifests");
}
