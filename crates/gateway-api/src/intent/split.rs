//! The Services of a canary and how traffic is divided among them.

use rollouts_plugin::types::{Rollout, WeightDestination};

use super::{IntentError, nameless};

/// The largest weight a backendRef may carry (Gateway API `BackendRef.weight`).
pub const MAX_WEIGHT: u64 = 1_000_000;

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
    /// Weight that the controller asks for experiments whose Services nobody can name. The stable Service has it.
    pub unnamed: u64,
}

/// An experiment's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Service of the experiment's pods.
    pub service: String,
    /// Its weight.
    pub weight: u64,
    /// Whether the controller did not say the Service's name, so that it follows from the Rollout.
    pub is_derived: bool,
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

/// The Services, with ping-pong resolved (Go: `rollout/trafficrouting/service_helper.go` `GetStableAndCanaryServices`
/// with ping-pong not preferred, as for plugins).
pub(super) fn services(rollout: &Rollout) -> Result<Services, IntentError> {
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

pub(super) fn split(
    rollout: &Rollout,
    desired: i32,
    additional: &[WeightDestination],
) -> Result<Split, IntentError> {
    let found = rollout.max_traffic_weight();
    let max = u64::try_from(found)
        .ok()
        .filter(|max| (1..=MAX_WEIGHT).contains(max))
        .ok_or(IntentError::MaxWeight { found })?;
    let canary = u64::try_from(desired).unwrap_or(0).min(max);
    let mut experiments: Vec<Experiment> = Vec::with_capacity(additional.len());
    let mut unnamed = 0;
    let mut derived = nameless::services(rollout, additional).into_iter();
    for destination in additional {
        let is_derived = destination.service_name.is_empty();
        let service = match is_derived {
            true => derived.next().flatten(),
            false => Some(destination.service_name.clone()),
        };
        let Some(service) = service else {
            unnamed += u64::try_from(destination.weight).unwrap_or(0);
            continue;
        };
        let weight = u64::try_from(destination.weight)
            .ok()
            .filter(|weight| *weight <= max)
            .ok_or_else(|| IntentError::ExperimentWeight {
                service: service.clone(),
                found: destination.weight,
                max,
            })?;
        match experiments.iter_mut().find(|known| known.service == service) {
            Some(known) => known.weight += weight,
            None => experiments.push(Experiment {
                service,
                weight,
                is_derived,
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
            unnamed,
        }),
        false => Err(IntentError::TooMuch {
            canary,
            experiments: sum,
            max,
        }),
    }
}
