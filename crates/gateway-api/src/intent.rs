//! What a Rollout wants of its routes, derived from its spec, its status and one call of the controller.
//!
//! Everything is derived from scratch at each call (level-based): what a flap of the canary, a restart or another
//! writer took away comes back with the next call.

use rollouts_plugin::types::{Action, Rollout, SetHeaderRoute, SetMirrorRoute, WeightDestination};
use thiserror::Error;

use crate::plan::Leftovers;

/// The largest weight a backendRef may carry (Gateway API `BackendRef.weight`).
pub const MAX_WEIGHT: u64 = 1_000_000;

/// Why a Rollout cannot be turned into routing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IntentError {
    /// No canary strategy.
    #[error("spec.strategy.canary is missing, there is nothing to route")]
    NoCanary,
    /// A Service is not named.
    #[error("spec.strategy.canary.{field} is empty, a Service name is needed")]
    NoService {
        /// Which field.
        field: &'static str,
    },
    /// Both names are the same.
    #[error("spec.strategy.canary names the same Service {service:?} for both versions, two are needed")]
    SameService {
        /// Their name.
        service: String,
    },
    /// `maxTrafficWeight` is out of range.
    #[error("spec.strategy.canary.trafficRouting.maxTrafficWeight is {found}, accepted is 1 to {MAX_WEIGHT}")]
    MaxWeight {
        /// The value.
        found: i32,
    },
    /// An experiment's weight is out of range.
    #[error("the weight of experiment Service {service:?} is {found}, accepted is 0 to {max}")]
    ExperimentWeight {
        /// The Service.
        service: String,
        /// The value.
        found: i32,
        /// `maxTrafficWeight`.
        max: u64,
    },
    /// Canary and experiments together are more than everything.
    #[error("the canary's weight {canary} and the experiments' {experiments} exceed maxTrafficWeight {max}")]
    TooMuch {
        /// Weight of the canary.
        canary: u64,
        /// Sum of the experiments.
        experiments: u64,
        /// `maxTrafficWeight`.
        max: u64,
    },
}

/// What a Rollout wants of each of its routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// `namespace/name` of the Rollout: the owner of what is added to a route.
    pub owner: String,
    /// Namespace of the Rollout and so of its Services.
    pub namespace: String,
    /// The two Services.
    pub services: Services,
    /// The split; [`None`] leaves the weights as they are.
    pub split: Option<Split>,
    /// Header and mirror routes.
    pub managed: Managed,
    /// What the Go plugin may have left on the routes.
    pub leftovers: Leftovers,
}

/// The two Services of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// Where the stable version answers.
    pub stable: String,
    /// Where the canary answers.
    pub canary: String,
}

/// How traffic is divided. The stable Service receives what the others leave of `max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The sum of all weights: `maxTrafficWeight`, 1 to 1,000,000.
    pub max: u64,
    /// Weight of the canary.
    pub canary: u64,
    /// Weights of experiment Services.
    pub experiments: Vec<Experiment>,
}

/// An experiment's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Service of the experiment's pods.
    pub service: String,
    /// Its weight.
    pub weight: u64,
    /// Ports of the Service. Asked for only where a rule does not have the Service yet
    /// ([`Problem::NeedsPorts`](crate::plan::Problem::NeedsPorts)).
    pub ports: Vec<u16>,
}

impl Split {
    /// Weight of the stable Service.
    pub fn stable(&self) -> u64 {
        self.max
            - self.canary
            - self
                .experiments
                .iter()
                .map(|experiment| experiment.weight)
                .sum::<u64>()
    }

    /// Whether everything goes to the stable Service.
    pub fn is_all_stable(&self) -> bool {
        self.canary == 0 && self.experiments.is_empty()
    }
}

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

/// The call of the controller that an intent answers.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// `SetWeight`, with what experiments get.
    SetWeight(i32, &'a [WeightDestination]),
    /// `SetHeaderRoute`.
    SetHeaderRoute(&'a SetHeaderRoute),
    /// `SetMirrorRoute`.
    SetMirrorRoute(&'a SetMirrorRoute),
    /// `RemoveManagedRoutes`.
    RemoveManagedRoutes,
}

impl Intent {
    /// What `rollout` wants when the controller makes this call.
    ///
    /// `removed` says that the controller asked to remove managed routes in this very reconcile: then `SetWeight` does
    /// not bring them back. A weight outside of 0 to `maxTrafficWeight` is taken for the nearest bound: it comes from
    /// the controller's arithmetic on replica counts (argo-rollouts #3589, #4424), and an error would block the abort
    /// in which it happens.
    ///
    /// # Errors
    /// Where the Rollout lacks what routing needs, or the weights do not add up.
    pub fn derive(rollout: &Rollout, call: Call<'_>, removed: bool) -> Result<Self, IntentError> {
        let services = services(rollout)?;
        let split = match call {
            Call::SetWeight(desired, additional) => Some(split(rollout, desired, additional)?),
            Call::SetHeaderRoute(_) | Call::SetMirrorRoute(_) | Call::RemoveManagedRoutes => None,
        };
        let managed = match call {
            Call::RemoveManagedRoutes => Managed::NONE,
            _ if removed || is_over(rollout) => Managed::NONE,
            Call::SetWeight(..) => Managed::Exactly(managed_routes(rollout, None)),
            Call::SetHeaderRoute(route) => {
                Managed::Exactly(managed_routes(rollout, Some(ManagedRoute::Header(route.clone()))))
            }
            Call::SetMirrorRoute(route) => {
                Managed::Exactly(managed_routes(rollout, Some(ManagedRoute::Mirror(route.clone()))))
            }
        };
        Ok(Self {
            owner: rollout.key(),
            namespace: rollout.metadata.namespace.clone(),
            services,
            split,
            managed,
            leftovers: Leftovers::of(rollout),
        })
    }
}

/// The Services, with ping-pong resolved (Go: `rollout/trafficrouting/service_helper.go` `GetStableAndCanaryServices`
/// with ping-pong not preferred, as for plugins).
fn services(rollout: &Rollout) -> Result<Services, IntentError> {
    let canary = rollout.canary().ok_or(IntentError::NoCanary)?;
    let plain = [canary.stable_service.as_str(), canary.canary_service.as_str()];
    let fields = match (&canary.ping_pong, plain) {
        (Some(pair), ["", ""]) => {
            let ping = ("pingPong.pingService", pair.ping_service.as_str());
            let pong = ("pingPong.pongService", pair.pong_service.as_str());
            match rollout.status.canary.stable_ping_pong == "ping" {
                true => [ping, pong],
                false => [pong, ping],
            }
        }
        _ => [("stableService", plain[0]), ("canaryService", plain[1])],
    };
    if let Some((field, _)) = fields.iter().find(|(_, name)| name.is_empty()) {
        return Err(IntentError::NoService { field });
    }
    let [(_, stable), (_, canary)] = fields;
    match stable == canary {
        true => Err(IntentError::SameService {
            service: stable.to_owned(),
        }),
        false => Ok(Services {
            stable: stable.to_owned(),
            canary: canary.to_owned(),
        }),
    }
}

fn split(rollout: &Rollout, desired: i32, additional: &[WeightDestination]) -> Result<Split, IntentError> {
    let found = rollout.max_traffic_weight();
    let max = u64::try_from(found)
        .ok()
        .filter(|max| (1..=MAX_WEIGHT).contains(max))
        .ok_or(IntentError::MaxWeight { found })?;
    let canary = u64::try_from(desired).unwrap_or(0).min(max);
    let mut experiments: Vec<Experiment> = Vec::with_capacity(additional.len());
    for destination in additional {
        let service = &destination.service_name;
        if service.is_empty() {
            // The controller names a Service for each destination that takes part in the split.
            continue;
        }
        let weight = u64::try_from(destination.weight)
            .ok()
            .filter(|weight| *weight <= max)
            .ok_or_else(|| IntentError::ExperimentWeight {
                service: service.clone(),
                found: destination.weight,
                max,
            })?;
        match experiments.iter_mut().find(|known| known.service == *service) {
            Some(known) => known.weight += weight,
            None => experiments.push(Experiment {
                service: service.clone(),
                weight,
                ports: Vec::new(),
            }),
        }
    }
    let sum = experiments
        .iter()
        .map(|experiment| experiment.weight)
        .sum::<u64>();
    match canary + sum <= max {
        true => Ok(Split {
            max,
            canary,
            experiments,
        }),
        false => Err(IntentError::TooMuch {
            canary,
            experiments: sum,
            max,
        }),
    }
}

/// Whether the release has ended or gives up its managed routes: the states in which the controller calls
/// `RemoveManagedRoutes` and which the status tells (Go: `rollout/trafficrouting.go` `reconcileTrafficRouting`).
pub(crate) fn is_over(rollout: &Rollout) -> bool {
    let status = &rollout.status;
    status.abort || status.promote_full || is_fully_promoted(rollout)
}

/// Whether the stable version is the wanted one (Go: `utils/rollout/rolloututil.go` `IsFullyPromoted`).
pub(crate) fn is_fully_promoted(rollout: &Rollout) -> bool {
    rollout.status.stable_rs == rollout.status.current_pod_hash
}

/// The managed routes of all steps up to the current one: of each name the last step counts, and a step without a match
/// removes. Their order is that of `managedRoutes`, which is their precedence.
fn managed_routes(rollout: &Rollout, call: Option<ManagedRoute>) -> Vec<ManagedRoute> {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rollout(canary: Value, status: Value) -> Rollout {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"strategy": {"canary": canary}}, "status": status}))
        .unwrap()
    }

    fn plain(canary: Value) -> Rollout {
        let mut base = json!({"stableService": "stable", "canaryService": "canary"});
        base.as_object_mut()
            .unwrap()
            .extend(canary.as_object().unwrap().clone());
        rollout(base, json!({"stableRS": "a", "currentPodHash": "b"}))
    }

    fn destination(service: &str, weight: i32) -> WeightDestination {
        WeightDestination {
            service_name: service.into(),
            weight,
            ..Default::default()
        }
    }

    fn derive(rollout: &Rollout, weight: i32, additional: &[WeightDestination]) -> Result<Split, String> {
        Intent::derive(rollout, Call::SetWeight(weight, additional), false)
            .map(|intent| intent.split.unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn weights_are_shares_of_the_maximum() {
        let thousand = plain(json!({"trafficRouting": {"maxTrafficWeight": 1000}}));
        let cases = [
            (&plain(json!({})), 20, (80, 20)),
            (&plain(json!({})), 0, (100, 0)),
            (&plain(json!({})), 100, (0, 100)),
            (&thousand, 1, (999, 1)),
            (&plain(json!({})), -20, (100, 0)),
            (&plain(json!({})), 120, (0, 100)),
        ];
        for (rollout, desired, (stable, canary)) in cases {
            let split = derive(rollout, desired, &[]).unwrap();
            assert_eq!((split.stable(), split.canary), (stable, canary), "{desired}");
        }
    }

    #[test]
    fn experiments_take_from_the_stable_share() {
        let split = derive(
            &plain(json!({})),
            20,
            &[destination("e1", 5), destination("", 7), destination("e1", 5)],
        )
        .unwrap();
        assert_eq!((split.stable(), split.canary), (70, 20));
        assert_eq!(
            split.experiments,
            [Experiment {
                service: "e1".into(),
                weight: 10,
                ports: Vec::new()
            }]
        );
    }

    #[test]
    fn weights_that_do_not_add_up_are_named() {
        let wide = plain(json!({"trafficRouting": {"maxTrafficWeight": 2_000_000}}));
        let cases = [
            (
                derive(&wide, 1, &[]),
                "maxTrafficWeight is 2000000, accepted is 1 to 1000000",
            ),
            (
                derive(&plain(json!({})), 1, &[destination("e", -1)]),
                "Service \"e\" is -1, accepted is 0 to 100",
            ),
            (
                derive(&plain(json!({})), 60, &[destination("e", 50)]),
                "weight 60 and the experiments' 50 exceed",
            ),
            (
                derive(&rollout(json!({"stableService": "s"}), json!({})), 1, &[]),
                "canary.canaryService is empty",
            ),
            (
                derive(
                    &rollout(json!({"pingPong": {"pingService": "p"}}), json!({})),
                    1,
                    &[],
                ),
                "canary.pingPong.pongService is empty",
            ),
            (
                derive(
                    &rollout(json!({"stableService": "s", "canaryService": "s"}), json!({})),
                    1,
                    &[],
                ),
                "the same Service \"s\" for both",
            ),
            (
                derive(&Rollout::default(), 1, &[]),
                "spec.strategy.canary is missing",
            ),
        ];
        for (result, expected) in cases {
            let error = result.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn ping_pong_takes_turns() {
        let pair = json!({"pingPong": {"pingService": "ping", "pongService": "pong"}});
        for (stable, expected) in [
            ("", ("pong", "ping")),
            ("pong", ("pong", "ping")),
            ("ping", ("ping", "pong")),
        ] {
            let rollout = rollout(pair.clone(), json!({"canary": {"stablePingPong": stable}}));
            let services = services(&rollout).unwrap();
            assert_eq!(
                (services.stable.as_str(), services.canary.as_str()),
                expected,
                "{stable:?}"
            );
        }
        let both = plain(json!({"pingPong": {"pingService": "ping", "pongService": "pong"}}));
        assert_eq!(
            services(&both).unwrap().stable,
            "stable",
            "ping-pong is not preferred for plugins"
        );
    }

    fn header(name: &str, value: &str) -> Value {
        json!({"setHeaderRoute": {"name": name, "match": [{"headerName": "x", "headerValue": {"exact": value}}]}})
    }

    fn managed(status: Value, call: Call<'_>, removed: bool) -> Vec<String> {
        let rollout = rollout(
            json!({"stableService": "stable", "canaryService": "canary",
                "trafficRouting": {"managedRoutes": [{"name": "b"}, {"name": "a"}]},
                "steps": [header("a", "1"), {"setWeight": 20}, header("b", "2"), {"setWeight": 40}, header("a", "3"),
                    {"setHeaderRoute": {"name": "b"}}]}),
            status,
        );
        match Intent::derive(&rollout, call, removed).unwrap().managed {
            Managed::Keep => vec!["keep".into()],
            Managed::Exactly(routes) => routes
                .iter()
                .map(|route| match route {
                    ManagedRoute::Header(route) => {
                        format!(
                            "{}={}",
                            route.name,
                            route.matches[0].header_value.as_ref().unwrap().exact
                        )
                    }
                    ManagedRoute::Mirror(route) => format!("mirror {}", route.name),
                })
                .collect(),
        }
    }

    #[test]
    fn managed_routes_follow_the_steps_that_were_reached() {
        let weight = Call::SetWeight(0, &[]);
        let at = |index: i32| json!({"stableRS": "a", "currentPodHash": "b", "currentStepIndex": index});
        let cases: [(i32, &[&str]); 6] = [
            (0, &["a=1"]),
            (1, &["a=1"]),
            (2, &["b=2", "a=1"]),
            (4, &["b=2", "a=3"]),
            (5, &["a=3"]),
            (6, &["a=3"]),
        ];
        for (index, expected) in cases {
            assert_eq!(managed(at(index), weight, false), expected, "step {index}");
        }
        assert!(
            managed(at(4), weight, true).is_empty(),
            "removed in this reconcile"
        );
        assert!(managed(at(4), Call::RemoveManagedRoutes, false).is_empty());
        let nothing = SetHeaderRoute {
            name: "a".into(),
            matches: Vec::new(),
        };
        assert_eq!(
            managed(at(3), Call::SetHeaderRoute(&nothing), false),
            ["b=2"],
            "only the named one goes"
        );
    }

    #[test]
    fn managed_routes_end_with_the_release() {
        let weight = Call::SetWeight(0, &[]);
        for (state, extra) in [
            ("promoted", json!({"currentPodHash": "a"})),
            ("aborted", json!({"abort": true})),
            ("promote full", json!({"promoteFull": true})),
        ] {
            let mut status = json!({"stableRS": "a", "currentPodHash": "b", "currentStepIndex": 4});
            status
                .as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            assert!(managed(status, weight, false).is_empty(), "{state}");
        }
    }
}
