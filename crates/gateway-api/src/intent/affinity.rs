//! Who is on which version while a release is sticky.
//!
//! A user carries a cookie that says at which level of the release he was drawn, and for which version. Of those who
//! were drawn at a level, the share on the canary is the level's weight; what follows keeps it so. When the weight rises
//! from w1 to w2 the canary's users stay, and the others are drawn again with (w2-w1)/(1-w1); when it falls, the stable
//! version's users stay, and a part w2/w1 of the canary's. Over several levels the steps are joined, so that the share of
//! users is the weight of the present level whenever a user was last seen.
//!
//! Nothing is kept anywhere: levels are the `setWeight` steps up to the current one. The cookie also names the canary's
//! pod template and the level's weight, so cookies of another release or of other steps mean nothing.

use rollouts_plugin::types::{Action, Rollout};

use super::{MAX_WEIGHT, is_fully_promoted, recorded_weight};
use crate::config::SessionAffinity;

/// The users of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// Attributes of the cookie.
    pub cookie: SessionAffinity,
    /// Its name.
    pub name: String,
    /// Hash of the canary's pod template.
    hash: String,
    /// `maxTrafficWeight`.
    max: u64,
    /// The levels that were reached; the last is the present one.
    levels: Vec<Level>,
    /// Whether a route that cannot keep users where they are does without, rather than fail: where a release ends or its
    /// routes are taken back.
    pub is_dispensable: bool,
}

/// A weight that was held for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Index of the step that set it; the number of steps behind the last.
    pub step: usize,
    /// The canary's weight, 1 to `maxTrafficWeight` - 1.
    pub weight: u64,
}

/// The version that a user was drawn for; complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The stable version.
    Stable,
    /// The canary.
    Canary,
}

/// Users who are drawn alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// The canary's share among them.
    pub share: Share,
    /// What their cookies say: the place of a level, and the version.
    pub cookies: Vec<(usize, Side)>,
}

/// A part of users, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub of: u64,
    /// Of how many, 1 to [`MAX_WEIGHT`].
    pub all: u64,
}

impl Affinity {
    /// [`None`] where all users are on one version, so that no cookie is needed; and during an abort, which brings users
    /// back without asking where they were.
    pub(super) fn derive(
        rollout: &Rollout,
        cookie: &SessionAffinity,
        weight: i32,
        is_dispensable: bool,
    ) -> Option<Self> {
        let max = u64::try_from(rollout.max_traffic_weight()).ok()?;
        let weight = u64::try_from(weight)
            .ok()
            .filter(|weight| (1..max).contains(weight))?;
        if max > MAX_WEIGHT || rollout.status.abort || is_fully_promoted(rollout) {
            return None;
        }
        Some(Self {
            name: cookie.name_for(&rollout.key()),
            cookie: cookie.clone(),
            hash: rollout.status.current_pod_hash.clone(),
            max,
            levels: levels(rollout, weight),
            is_dispensable,
        })
    }

    /// Hash of the canary's pod template, with which the values of all its cookies begin.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Place of the present level.
    pub fn present(&self) -> usize {
        self.levels.len() - 1
    }

    /// A level.
    pub fn level(&self, place: usize) -> Level {
        self.levels[place]
    }

    /// What the cookie of a user says who was drawn at this level.
    pub fn value(&self, place: usize, side: Side) -> String {
        let Level { step, weight } = self.levels[place];
        let side = match side {
            Side::Stable => "stable",
            Side::Canary => "canary",
        };
        format!("{}-{step}-{weight}of{}-{side}", self.hash, self.max)
    }

    /// How users are drawn who have a cookie already: those who stay on the canary, those who stay on the stable version,
    /// and then the others, the last seen first. Users of whom a cookie tells no more than of one without are left out.
    pub fn draws(&self) -> Vec<Draw> {
        let present = self.present();
        let mut draws = vec![
            Draw {
                share: Share { of: 1, all: 1 },
                cookies: vec![(present, Side::Canary)],
            },
            Draw {
                share: Share { of: 0, all: 1 },
                cookies: vec![(present, Side::Stable)],
            },
        ];
        let anew = self.share_of(present);
        for place in (0..present).rev() {
            if !(1..self.max).contains(&self.levels[place].weight) {
                continue; // No cookie was given there.
            }
            for side in [Side::Canary, Side::Stable] {
                let share = self.carried(place, side);
                match draws.iter_mut().find(|draw| draw.share == share) {
                    Some(draw) => draw.cookies.push((place, side)),
                    None if share == anew => {}
                    None => draws.push(Draw {
                        share,
                        cookies: vec![(place, side)],
                    }),
                }
            }
        }
        draws
    }

    fn share_of(&self, place: usize) -> Share {
        Wide::new(self.levels[place].weight, self.max).share()
    }

    /// The chance to be on the canary now, for a user who was drawn for `side` at an earlier level.
    fn carried(&self, place: usize, side: Side) -> Share {
        let mut stable = match side {
            Side::Stable => Wide::new(1, 1),
            Side::Canary => Wide::new(0, 1),
        };
        for pair in self.levels[place..].windows(2) {
            let (before, now) = (pair[0].weight, pair[1].weight);
            stable = match now > before {
                true => stable.times(self.max - now, self.max - before),
                false => stable.complement().times(now, before).complement(),
            };
        }
        stable.complement().share()
    }
}

/// The weights up to the current step, each once in a row. While the canary's pods are not yet as many as a step asks
/// for, the controller keeps the weight of the step before (Go: `rollout/trafficrouting.go` `reconcileTrafficRouting`):
/// then that level is still the present one.
fn levels(rollout: &Rollout, weight: u64) -> Vec<Level> {
    let steps = rollout.steps();
    let current = rollout.current_step_index().unwrap_or(0);
    let mut levels: Vec<Level> = Vec::new();
    for (step, action) in steps
        .iter()
        .take(current + 1)
        .map(|step| step.action())
        .enumerate()
    {
        if let Action::SetWeight(set) = action
            && let Ok(weight) = u64::try_from(set)
            && levels.last().is_none_or(|last| last.weight != weight)
        {
            levels.push(Level { step, weight });
        }
    }
    if rollout.status.promote_full {
        // Nobody knows which of the steps were held before all others were skipped. Weights only rise since then, by the
        // canary's pods where the stable version shrinks with them, and what was set last is on record.
        levels.retain(|level| level.weight <= weight);
        let recorded = recorded_weight(rollout).and_then(|weight| u64::try_from(weight).ok());
        if let Some(recorded) = recorded.filter(|recorded| *recorded < weight)
            && levels.iter().all(|level| level.weight != recorded)
        {
            levels.push(Level {
                step: steps.len(),
                weight: recorded,
            });
        }
        levels.sort_by_key(|level| level.weight);
    }
    match levels.iter().rposition(|level| level.weight == weight) {
        Some(place) => levels.truncate(place + 1),
        None => levels.push(Level {
            step: current.min(steps.len()),
            weight,
        }),
    }
    levels
}

/// A fraction with room for products of several levels.
#[derive(Clone, Copy)]
struct Wide {
    of: u128,
    all: u128,
}

impl Wide {
    fn new(of: u64, all: u64) -> Self {
        Self {
            of: of.into(),
            all: all.into(),
        }
        .at_most(u128::from(MAX_WEIGHT).pow(2))
    }

    fn times(self, of: u64, all: u64) -> Self {
        Self {
            of: self.of * u128::from(of),
            all: self.all * u128::from(all),
        }
        .at_most(u128::from(MAX_WEIGHT).pow(2))
    }

    fn complement(self) -> Self {
        Self {
            of: self.all - self.of,
            all: self.all,
        }
    }

    /// In lowest terms; rounded down where they are larger than a bound, which makes products of any length possible.
    fn at_most(self, bound: u128) -> Self {
        let common = gcd(self.of, self.all);
        let (of, all) = (self.of / common, self.all / common);
        match all <= bound {
            true => Self { of, all },
            false => Self {
                of: of * bound / all,
                all: bound,
            },
        }
    }

    fn share(self) -> Share {
        let Self { of, all } = self.at_most(MAX_WEIGHT.into());
        // Both are at most `MAX_WEIGHT` now.
        Share {
            of: of as u64,
            all: all as u64,
        }
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    fn affinity(max: i32, steps: Value, index: usize, weight: i32) -> Option<Affinity> {
        let rollout = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"strategy": {"canary": {"trafficRouting": {"maxTrafficWeight": max}, "steps": steps}}},
            "status": {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": index}}))
        .unwrap();
        let config = Config::parse(
            "plugin",
            br#"{"httpRoute": "web", "sessionAffinity": {}}"#,
            "shop",
        )
        .unwrap();
        Affinity::derive(&rollout, &config.affinity.unwrap(), weight, false)
    }

    fn weights(weights: &[i32]) -> Value {
        weights
            .iter()
            .map(|weight| json!({"setWeight": weight}))
            .collect()
    }

    fn draws(max: i32, levels: &[i32]) -> Vec<String> {
        let last = levels.len() - 1;
        let affinity = affinity(max, weights(levels), last, levels[last]).unwrap();
        let draw = |draw: &Draw| {
            let cookies = draw
                .cookies
                .iter()
                .map(|(place, side)| affinity.value(*place, *side))
                .collect::<Vec<_>>();
            format!("{}/{} {}", draw.share.of, draw.share.all, cookies.join(" "))
        };
        affinity.draws().iter().map(draw).collect()
    }

    #[test]
    fn the_first_level_only_keeps_users() {
        assert_eq!(
            draws(1000, &[1]),
            ["1/1 b-0-1of1000-canary", "0/1 b-0-1of1000-stable"]
        );
    }

    #[test]
    fn only_stable_users_are_drawn_again_when_the_weight_rises() {
        assert_eq!(
            draws(100, &[10, 50]),
            [
                "1/1 b-1-50of100-canary b-0-10of100-canary",
                "0/1 b-1-50of100-stable",
                "4/9 b-0-10of100-stable"
            ]
        );
        assert_eq!(
            draws(100, &[10, 28, 50])[2..],
            ["11/36 b-1-28of100-stable", "4/9 b-0-10of100-stable"],
            "(50-28)/(100-28) and (50-10)/(100-10)"
        );
    }

    #[test]
    fn falling_weight_brings_canary_users_back_and_moves_nobody_else() {
        assert_eq!(
            draws(100, &[50, 20]),
            [
                "1/1 b-1-20of100-canary",
                "0/1 b-1-20of100-stable b-0-50of100-stable",
                "2/5 b-0-50of100-canary"
            ]
        );
        assert_eq!(
            draws(100, &[50, 0, 20]),
            ["1/1 b-2-20of100-canary", "0/1 b-2-20of100-stable"],
            "after nobody was on the canary everybody is drawn anew"
        );
        assert_eq!(
            draws(100, &[20, 50, 20]).last().unwrap(),
            "3/20 b-0-20of100-stable"
        );
    }

    /// The law on which everything rests: whenever a user was last seen, the share of users is the weight.
    #[test]
    fn the_share_of_users_is_the_weight() {
        for levels in [
            &[1, 10, 100, 500, 999][..],
            &[500, 100, 700, 300, 301, 2],
            &[1, 999, 1, 999, 1, 999],
            &[333, 667, 0, 20, 1000, 400],
        ] {
            let last = levels.len() - 1;
            let affinity = affinity(1000, weights(levels), last, levels[last]).unwrap();
            for (place, level) in levels.iter().enumerate() {
                let was = f64::from(*level) / 1000.0;
                let chance = |side| {
                    let share = affinity.carried(place, side);
                    share.of as f64 / share.all as f64
                };
                let now = was * chance(Side::Canary) + (1.0 - was) * chance(Side::Stable);
                let wanted = f64::from(levels[last]) / 1000.0;
                assert!(
                    (now - wanted).abs() < 5e-6,
                    "{levels:?} from {level}: {now} is not {wanted}"
                );
            }
        }
    }

    #[test]
    fn levels_are_those_of_the_steps_that_were_reached() {
        let steps =
            json!([{"setWeight": 10}, {"pause": {}}, {"setWeight": 10}, {"setWeight": 50}, {"pause": {}}]);
        let at = |index, weight| {
            let affinity = affinity(100, steps.clone(), index, weight)?;
            Some(
                affinity
                    .levels
                    .iter()
                    .map(|level| format!("{}:{}", level.step, level.weight))
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        };
        assert_eq!(at(0, 10).unwrap(), "0:10");
        assert_eq!(
            at(2, 10).unwrap(),
            "0:10",
            "the same weight again is the same level"
        );
        assert_eq!(
            at(3, 10).unwrap(),
            "0:10",
            "pods are missing yet, the weight of the step before holds"
        );
        assert_eq!(at(3, 50).unwrap(), "0:10 3:50");
        assert_eq!(at(4, 50).unwrap(), "0:10 3:50");
        assert_eq!(at(4, 37).unwrap(), "0:10 3:50 4:37", "a weight that no step set");
        assert_eq!(at(5, 100), None, "everybody is on the canary");
        assert_eq!(at(4, 0), None, "the canary has no pods");
    }

    /// The steps that were skipped were taken for held, and users of the canary were drawn back though the weight rose.
    #[test]
    fn users_stay_on_the_canary_when_all_steps_are_skipped() {
        let steps = weights(&[10, 50, 80]);
        let draws = |weight: i32, recorded: i32| {
            let mut rollout: Rollout = serde_json::from_value(json!({
                "spec": {"strategy": {"canary": {"steps": steps}}},
                "status": {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": 3, "promoteFull": true}}))
            .unwrap();
            let recorded = json!({"canary": {"weight": recorded, "podTemplateHash": "b"}});
            rollout.status.canary.weights = serde_json::from_value(recorded).unwrap();
            let config = Config::parse(
                "plugin",
                br#"{"httpRoute": "web", "sessionAffinity": {}}"#,
                "shop",
            );
            let affinity =
                Affinity::derive(&rollout, &config.unwrap().affinity.unwrap(), weight, true).unwrap();
            let stay = affinity.draws().remove(0).cookies.into_iter();
            stay.map(|(place, side)| affinity.value(place, side))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(draws(20, 10), "b-3-20of100-canary b-0-10of100-canary");
        assert_eq!(
            draws(30, 20),
            "b-3-30of100-canary b-3-20of100-canary b-0-10of100-canary"
        );
        assert_eq!(
            draws(50, 30),
            "b-1-50of100-canary b-3-30of100-canary b-0-10of100-canary"
        );
    }

    #[test]
    fn an_abort_asks_for_no_cookie() {
        let mut rollout: Rollout = serde_json::from_value(json!({
            "spec": {"strategy": {"canary": {"steps": weights(&[50])}}}, "status": {"stableRS": "a", "currentPodHash": "b"}}))
        .unwrap();
        let config = Config::parse(
            "plugin",
            br#"{"httpRoute": "web", "sessionAffinity": {}}"#,
            "shop",
        )
        .unwrap();
        let cookie = config.affinity.unwrap();
        assert!(Affinity::derive(&rollout, &cookie, 50, false).is_some());
        rollout.status.abort = true;
        assert_eq!(Affinity::derive(&rollout, &cookie, 50, false), None);
        rollout.status.abort = false;
        rollout.status.current_pod_hash = "a".into();
        assert_eq!(Affinity::derive(&rollout, &cookie, 50, false), None);
    }

    proptest::proptest! {
        #[test]
        fn the_share_of_users_is_the_weight_whatever_came_before(
            before in proptest::collection::vec(0..=1000i32, 1..8),
            last in 1..1000i32,
        ) {
            let levels = before.iter().copied().chain([last]).collect::<Vec<_>>();
            let affinity = affinity(1000, weights(&levels), levels.len() - 1, last).unwrap();
            for (place, level) in affinity.levels.iter().enumerate() {
                let was = level.weight as f64 / 1000.0;
                let chance = |side| {
                    let share = affinity.carried(place, side);
                    share.of as f64 / share.all as f64
                };
                let now = was * chance(Side::Canary) + (1.0 - was) * chance(Side::Stable);
                proptest::prop_assert!((now - f64::from(last) / 1000.0).abs() < 5e-6, "{levels:?}: {now}");
            }
        }
    }
}
