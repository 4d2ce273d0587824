//! Routes get a second backend, and keep the rest of their text.

use super::*;

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
