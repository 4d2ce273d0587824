//! Routes of every kind, in the versions that the API server serves: a release that leaves no trace.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::driven::{Driven, are_requests};
use super::{Controllers, Gateway, Plugins, Scene, Turn};
use crate::stage::Stage;
use crate::world::credentials::{PROFILES, ROLLOUTS, User};

pub(super) const SCENE: Scene = Scene {
    name: "kinds",
    proves: "HTTPRoute, GRPCRoute, TLSRoute, TCPRoute and UDPRoute are weighed by patches and by replacements, and nothing of a release is left, not even in managedFields",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// A kind, the version in which this API server serves it, and the field that names one.
struct Kind {
    kind: &'static str,
    version: &'static str,
    field: &'static str,
    has_headers: bool,
}

const KINDS: [Kind; 5] = [
    kind("HTTPRoute", "v1", "httpRoute", true),
    kind("GRPCRoute", "v1", "grpcRoute", true),
    kind("TLSRoute", "v1", "tlsRoute", false),
    kind("TCPRoute", "v1alpha2", "tcpRoute", false),
    kind("UDPRoute", "v1alpha2", "udpRoute", false),
];

const fn kind(kind: &'static str, version: &'static str, field: &'static str, has_headers: bool) -> Kind {
    Kind {
        kind,
        version,
        field,
        has_headers,
    }
}

async fn run(stage: Stage) -> Result<()> {
    // With every right, and with the one that has no patch.
    let [helm, ..] = PROFILES;
    super::rbac::grant(&stage, &helm).await?;
    let cases = [("patch", ROLLOUTS), ("update", helm)];
    let releases = cases.iter().map(async |(verb, user)| {
        let each = KINDS.iter().map(async |kind| {
            let name = format!("{}-{verb}", kind.kind.to_lowercase());
            release(&stage, kind, &name, verb, user).await.context(name)
        });
        try_join_all(each).await
    });
    try_join_all(releases).await?;
    Ok(())
}

async fn release(stage: &Stage, kind: &Kind, name: &str, verb: &str, user: &User) -> Result<()> {
    let backend = |service: &str, weight: u64| json!({"name": service, "port": 80, "weight": weight});
    let mut route = json!({"apiVersion": format!("gateway.networking.k8s.io/{}", kind.version), "kind": kind.kind,
        "metadata": {"name": name}, "spec": {"rules": [{"backendRefs": [backend("stable", 100), backend("canary", 0)]}]}});
    if kind.kind != "TCPRoute" && kind.kind != "UDPRoute" {
        route["spec"]["hostnames"] = json!([format!("{name}.test")]);
    }
    let mut driven = Driven::start_on(stage, &route, &json!({kind.field: name}), user, true).await?;
    let before = driven.route().await?;
    driven.rest("").await?;
    let said = |result: Result<(), String>| result.map_err(anyhow::Error::msg);
    if kind.has_headers {
        said(driven.set_header("x-canary", "always").await)?;
        let rules = driven.route().await?["spec"]["rules"].take();
        ensure!(
            rules.as_array().map(Vec::len) == Some(2),
            "the header route: {rules}"
        );
    } else {
        let refused = driven.set_header("x-canary", "always").await;
        let words = "needs an HTTPRoute or a GRPCRoute";
        ensure!(
            refused.as_ref().is_err_and(|error| error.contains(words)),
            "{refused:?}"
        );
    }
    said(driven.set(20).await)?;
    ensure!(
        driven.weights().await? == "80:20",
        "weights are {}",
        driven.weights().await?
    );
    let route = driven.route().await?;
    ensure!(
        managers(&route).contains(&OURS),
        "managers are {:?}",
        managers(&route)
    );
    ensure!(route["metadata"]["labels"] != Value::Null, "no label: {route}");

    driven.promoted();
    said(driven.remove().await)?;
    said(driven.set(0).await)?;
    // The reconcile after a release takes our name away, and those after it do nothing.
    driven.proxy.seen();
    said(driven.set(0).await)?;
    let requests = driven.proxy.seen();
    let expected = if verb == "patch" { "patch" } else { "get update" };
    ensure!(
        are_requests(&requests, expected),
        "{requests}, and {expected} was expected"
    );
    driven.rest("").await?;
    let after = driven.route().await?;
    for part in ["/spec", "/metadata/labels", "/metadata/annotations"] {
        ensure!(
            after.pointer(part) == before.pointer(part),
            "{part} was {:?} and is {:?}",
            before.pointer(part),
            after.pointer(part)
        );
    }
    // Who has applied nothing but rules, which we wrote in the meantime, is not named any more either.
    let (was, is) = (managers(&before), managers(&after));
    ensure!(
        is.iter().all(|manager| was.contains(manager)),
        "managers were {was:?} and are {is:?}"
    );
    stage.say(&format!(
        "{} {}: released by {verb}, no trace is left",
        kind.kind, kind.version
    ));
    driven.quit().await
}

/// The router's name in `managedFields`.
const OURS: &str = "serinus.dev/gateway-api";

/// Who manages fields of the route; gateways and meshes, which manage its status, do not count.
fn managers(route: &Value) -> Vec<&str> {
    let entries = route["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    entries
        .filter(|entry| entry["subresource"] != "status")
        .filter_map(|entry| entry["manager"].as_str())
        .collect()
}
