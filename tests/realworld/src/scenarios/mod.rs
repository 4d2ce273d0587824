//! The scenes, and how they are played in a world.
//!
//! A scene is a file here with a `SCENE`, and a line in [`SCENES`].

mod abort;
mod argocd;
mod bad_input;
mod commands;
mod controller_killed;
mod dark_canary;
mod datadog;
mod drift;
mod driven;
mod dynamic_stable_scale;
mod experiment;
mod faults;
mod flap;
mod idle;
mod kills_at_random;
mod kinds;
mod migration;
mod mirror;
mod no_503;
mod ping_pong;
mod play;
mod plugin_killed;
mod rbac;
mod release;
mod replica_canary;
mod rollout_deleted;
mod route_weights;
mod shared_route;
mod small_shares;
mod sticky;

use anyhow::Result;
use futures::future::LocalBoxFuture;

use crate::example::ROUTER;
use crate::plan::Plan;
use crate::plugin::{self, Plugin};
use crate::stage::Stage;
use crate::world::{Gateway, PluginKind, Registration};

pub use play::{names_for, play};

/// Something that happens in a world and proves something.
#[derive(Clone, Copy)]
pub struct Scene {
    /// On the command line; also its namespace, so lower case with dashes.
    pub name: &'static str,
    /// What it proves, in a line.
    pub proves: &'static str,
    /// What it registers with the controller.
    pub plugins: Plugins,
    /// Beside which others it can be played.
    pub turn: Turn,
    /// With which controllers it is played when nobody asks for one in particular.
    pub controllers: Controllers,
    /// The gateway that its routes attach to.
    pub gateway: Gateway,
    /// The scene.
    pub run: fn(Stage) -> LocalBoxFuture<'static, Result<()>>,
}

/// What a scene registers with the controller.
#[derive(Clone, Copy)]
pub enum Plugins {
    /// Nothing.
    None,
    /// The traffic router under the name of `manifests/`, shared with other scenes.
    Router,
    /// The traffic router under a name of its own: its process is not shared.
    OwnRouter(&'static str),
    /// The traffic router, as the function says.
    Registered(fn(&Plan) -> Result<Vec<Registration>>),
    /// The traffic router under the name of `manifests/`, and Argo CD's plugin.
    RouterAndCanarySteps,
    /// The metric provider for Datadog under this name, with these arguments.
    Datadog(&'static str, &'static [&'static str]),
}

/// Beside which others a scene can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It touches nothing but its own namespace.
    Together,
    /// It breaks what others stand on; it is played after them.
    Alone,
}

/// With which controllers a scene is played when nobody asks for one in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controllers {
    /// With each of [`crate::plan::CONTROLLERS`]: what the protocol's peer decides.
    All,
    /// With the newest: what older ones cannot do, or would do alike.
    Newest,
    /// With the newest, and only in the long form.
    NewestAtLength,
}

/// Every scene.
pub const SCENES: &[Scene] = &[
    replica_canary::SCENE,
    route_weights::SCENE,
    release::SCENE,
    abort::SCENE,
    bad_input::SCENE,
    migration::SCENE,
    plugin_killed::SCENE,
    idle::SCENE,
    rollout_deleted::SCENE,
    controller_killed::SCENE,
    kills_at_random::SCENE,
    dark_canary::ON_TRAEFIK,
    dark_canary::ON_ENVOY,
    dark_canary::ON_CONTOUR,
    dark_canary::ON_ISTIO,
    mirror::SCENE,
    no_503::ON_TRAEFIK,
    no_503::ON_ENVOY,
    no_503::ON_CONTOUR,
    no_503::ON_ISTIO,
    commands::SCENE,
    shared_route::SCENE,
    flap::SCENE,
    drift::SCENE,
    ping_pong::SCENE,
    experiment::SCENE,
    small_shares::SCENE,
    dynamic_stable_scale::SCENE,
    sticky::ON_ENVOY,
    sticky::ON_CONTOUR,
    sticky::ON_ISTIO,
    rbac::SCENE,
    kinds::SCENE,
    faults::SCENE,
    argocd::SCENE,
    datadog::release::SCENE,
    datadog::crowd::SCENE,
    datadog::neighbours::SCENE,
    datadog::storm::SCENE,
];

/// The scene of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Scene> {
    SCENES.iter().find(|scene| scene.name == name)
}

impl Scene {
    /// The plugins whose binaries it needs.
    #[must_use]
    pub fn needs(&self) -> &'static [Plugin] {
        match self.plugins {
            Plugins::None => &[],
            Plugins::Router | Plugins::OwnRouter(_) | Plugins::Registered(_) => &[plugin::ROUTER],
            Plugins::RouterAndCanarySteps => &[plugin::ROUTER, plugin::CANARY_STEPS],
            Plugins::Datadog(..) => &[plugin::DATADOG],
        }
    }

    /// What the controller of its world must have registered.
    ///
    /// # Errors
    /// When the plan has no binary for it.
    pub fn registrations(&self, plan: &Plan) -> Result<Vec<Registration>> {
        match self.plugins {
            Plugins::None => Ok(vec![]),
            Plugins::Router | Plugins::RouterAndCanarySteps => Ok(vec![router(plan, ROUTER)?]),
            Plugins::OwnRouter(name) => Ok(vec![router(plan, name)?]),
            Plugins::Registered(registrations) => registrations(plan),
            Plugins::Datadog(name, args) => Ok(vec![datadog::registration(plan, name, args)?]),
        }
    }
}

/// The traffic router, registered under a name.
pub(crate) fn router(plan: &Plan, name: &str) -> Result<Registration> {
    let program = plan
        .router
        .clone()
        .ok_or_else(|| anyhow::anyhow!("no traffic router in the plan"))?;
    Ok(Registration {
        kind: PluginKind::TrafficRouter,
        name: name.to_owned(),
        program,
        args: vec![],
        env: vec![],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_can_be_namespaces() {
        let names: BTreeSet<_> = SCENES.iter().map(|scene| scene.name).collect();
        assert_eq!(names.len(), SCENES.len());
        for name in names {
            assert!(
                name.len() <= 63
                    && name
                        .chars()
                        .all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()),
                "{name}"
            );
        }
    }

    #[test]
    fn own_names_of_the_router_are_not_shared() {
        let own: Vec<_> = SCENES
            .iter()
            .filter_map(|scene| match scene.plugins {
                Plugins::OwnRouter(name) => Some(name),
                _ => None,
            })
            .collect();
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), own.len());
        assert!(!own.contains(&ROUTER));
    }
}
