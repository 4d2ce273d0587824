//! What the router makes of the rights it is given.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;

use super::driven::{Driven, are_requests, doctor};
use super::{Plugins, Scene, Turn};
use crate::cluster::read;
use crate::example::Example;
use crate::plan;
use crate::stage::{STEP, Stage};
use crate::wait::{Seen, wait_for};
use crate::world::Gateway;
use crate::world::credentials::{ADMIN, PROFILES, ROLLOUTS, User};

pub(super) const SCENE: Scene = Scene {
    name: "rbac",
    proves: "with each role of manifests/ a release goes through, at the price that the role permits",
    plugins: Plugins::Router,
    turn: Turn::Together,
    controllers: super::Controllers::Newest,
    gateway: Gateway::Traefik,
    run: |stage| Box::pin(run(stage)),
};

/// What a role costs, in requests about the route.
struct Price {
    user: User,
    /// A reconcile that changes nothing.
    rest: &'static str,
    /// The first change, which finds out what may be done.
    first: &'static str,
    /// Each further one.
    change: &'static str,
    /// What `doctor` says is missing.
    missing: &'static [&'static str],
}

fn prices() -> [Price; 4] {
    let price = |user, rest, first, change, missing| Price {
        user,
        rest,
        first,
        change,
        missing,
    };
    let [helm, installation, quick_start] = PROFILES;
    [
        price(ROLLOUTS, "", "patch", "patch", &[]),
        price(helm, "", "patch update", "update", &["patch"]),
        price(installation, "get", "get patch", "get patch", &["watch"]),
        price(quick_start, "get", "get patch", "get patch", &["list", "watch"]),
    ]
}

async fn run(stage: Stage) -> Result<()> {
    for user in PROFILES {
        grant(&stage, &user).await.context(user.name)?;
    }
    try_join_all(
        prices()
            .iter()
            .map(async |price| release(&stage, price).await.context(price.user.name)),
    )
    .await?;
    examine(&stage).await.context("doctor")
}

/// `doctor` on a Rollout of the example, as one who may do anything.
async fn examine(stage: &Stage) -> Result<()> {
    stage.apply(&Example::read()?).await?;
    let told = wait_for("doctor to find nothing bad", STEP, async || {
        let (good, told) = doctor(stage, &ADMIN, &["shop"]).await?;
        Ok(if good { Seen::Yes(told) } else { Seen::Not(told) })
    })
    .await?;
    for words in [
        "Service rbac/shop-canary has the ports",
        "HTTPRoute rbac/shop: traefik.io/gateway-controller accepts it",
        "a release can be planned from step to step",
        "CRDs of the Gateway API v1.",
        "    name: shop\n    namespace: rbac\n    jqPathExpressions: ['.spec.rules[]?.backendRefs[]?.weight']",
    ] {
        ensure!(told.contains(words), "doctor does not say {words:?}:\n{told}");
    }
    stage.say(&format!("doctor: {} lines, nothing bad", told.lines().count()));
    let (good, told) = doctor(stage, &ADMIN, &["nobody"]).await?;
    ensure!(
        !good && told.contains("Rollout rbac/nobody cannot be read"),
        "doctor on a Rollout that is not there:\n{told}"
    );
    Ok(())
}

/// Binds the role of that name to the user.
pub(super) async fn grant(stage: &Stage, user: &User) -> Result<()> {
    let file = plan::repository().join(format!("manifests/gateway-api/profiles/{}.yaml", user.name));
    let role = read(&file, "", "")?.pop().context("no role")?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": user.name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name}]});
    stage.cluster().apply_all("", &[role, binding]).await
}

async fn release(stage: &Stage, price: &Price) -> Result<()> {
    let driven = Driven::start(stage, &format!("as-{}", price.user.token), &price.user, true).await?;
    let original = driven.route().await?["spec"].take();
    // The API server's authorizer learns of a new role a moment later.
    wait_for("the role to be in force", STEP, async || {
        let set = driven.set(0).await;
        Ok(Seen::when(set.is_ok(), (), || format!("{set:?}")))
    })
    .await?;
    driven.rest(price.rest).await?;
    driven.proxy.seen();
    let mut lines = Vec::new();
    for (what, weight, expected) in [
        ("a rest", 0, price.rest),
        ("the first change", 20, price.first),
        ("a change", 60, price.change),
        ("a rest", 60, price.rest),
        ("the end", 0, price.change),
    ] {
        driven.set(weight).await.map_err(anyhow::Error::msg)?;
        let seen = driven.proxy.seen();
        ensure!(
            are_requests(&seen, expected),
            "{what}: the requests were {seen:?}, and {expected:?} were expected"
        );
        lines.push(format!(
            "{what} {}",
            if seen.is_empty() { "nothing" } else { &seen }
        ));
    }
    ensure!(
        driven.route().await?["spec"] == original,
        "the route is not what it was"
    );
    stage.say(&format!("{}: {}", price.user.token, lines.join(", ")));
    let (good, told) = doctor(stage, &price.user, &[]).await?;
    let may_not = |verb: &str| told.contains(&format!("may not {verb} httproutes"));
    let missing: Vec<_> = ["get", "list", "watch", "update", "patch"]
        .into_iter()
        .filter(|verb| may_not(verb))
        .collect();
    ensure!(
        good && missing == price.missing,
        "doctor as {}:\n{told}",
        price.user.name
    );
    driven.quit().await
}
