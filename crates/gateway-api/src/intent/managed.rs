//! Header and mirror routes, derived from the steps that were reached.

use rollouts_plugin::types::{Action, Rollout, SetHeaderRoute, SetMirrorRoute};

/// Which header and mirror routes a route should carry for a Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Managed {
    /// Those that are there stay as they are.
    Keep,
    /// Exactly these, the first at the front.
    Exactly(Vec<ManagedRoute>),
}

impl Managed {
    /// No managed route.
    pub const NONE: Self = Self::Exactly(Vec::new());
}

/// A header or mirror route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManagedRoute {
    /// `setHeaderRoute`.
    Header(SetHeaderRoute),
    /// `setMirrorRoute`.
    Mirror(SetMirrorRoute),
}

impl ManagedRoute {
    /// Its name in `managedRoutes`.
    pub fn name(&self) -> &str {
        match self {
            Self::Header(route) => &route.name,
            Self::Mirror(route) => &route.name,
        }
    }
}

/// The managed routes of all steps up to the current one: of each name the last step counts, and a step without a match
/// removes. Their order is that of `managedRoutes`, which is their precedence.
pub(super) fn managed_routes(rollout: &Rollout, call: Option<ManagedRoute>) -> Vec<ManagedRoute> {
    let done = rollout.current_step_index().map_or(0, |index| index + 1);
    let mut routes: Vec<ManagedRoute> = Vec::new();
    let mut set = |route: ManagedRoute| {
        let place = routes.iter().position(|known| known.name() == route.name());
        let removes = match &route {
            ManagedRoute::Header(route) => route.matches.is_empty(),
            ManagedRoute::Mirror(route) => route.matches.is_empty(),
        };
        match (place, removes) {
            (Some(place), true) => drop(routes.remove(place)),
            (Some(place), false) => routes[place] = route,
            (None, true) => {}
            (None, false) => routes.push(route),
        }
    };
    for step in rollout.steps().iter().take(done) {
        match step.action() {
            Action::SetHeaderRoute(route) => set(ManagedRoute::Header(route.clone())),
            Action::SetMirrorRoute(route) => set(ManagedRoute::Mirror(route.clone())),
            _ => {}
        }
    }
    call.into_iter().for_each(set);

    let order = rollout
        .canary()
        .and_then(|canary| canary.traffic_routing.as_ref())
        .map_or(&[][..], |routing| &routing.managed_routes);
    routes.sort_by_key(|route| {
        order
            .iter()
            .position(|managed| managed.name == route.name())
            .unwrap_or(order.len())
    });
    routes
}
