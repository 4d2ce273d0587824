//! What the router makes of the rights it is given.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use serde_json::json;

use super::driven::Driven;
use super::{Plugins, Scene, Turn};
use crate::cluster::read;
use crate::plan;
use crate::stage::Stage;
use crate::world::Gateway;
use crate::world::credentials::{PROFILES, ROLLOUTS, User};

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
}

fn prices() -> [Price; 4] {
    let price = |user, rest, first, change| Price {
        user,
        rest,
        first,
        change,
    };
    let [helm, installation, quick_start] = PROFILES;
    [
        price(ROLLOUTS, "", "patch", "patch"),
        price(helm, "", "patch update", "update"),
        price(installation, "get", "get patch", "get patch"),
        price(quick_start, "get", "get patch", "get patch"),
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
    Ok(())
}

/// Binds the role of that name to the user.
async fn grant(stage: &Stage, user: &User) -> Result<()> {
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
    crate::wait::wait_for("the role to be in force", crate::stage::STEP, async || {
        let set = driven.set(0).await;
        Ok(crate::wait::Seen::when(set.is_ok(), (), || format!("{set:?}")))
    })
    .await?;
    driven.rest().await?;
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
            seen == expected,
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
    driven.quit().await
}
