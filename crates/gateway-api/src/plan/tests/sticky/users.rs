//! Simulated users of a sticky release: how many are on the canary, and who changes.

use std::collections::BTreeMap;

use super::*;

/// A pseudo-random number from 0 to 1 (SplitMix64): the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Users with a cookie jar each, and the version that each saw last.
struct Users {
    jars: Vec<BTreeMap<String, String>>,
    last: Vec<String>,
    dice: Dice,
}

impl Users {
    fn new(count: usize, seed: u64) -> Self {
        Self {
            jars: vec![BTreeMap::new(); count],
            last: vec![String::new(); count],
            dice: Dice(seed),
        }
    }

    /// A number of requests by each user of whom `comes` says so; answers how many saw more than one version.
    fn visit(&mut self, route: &Value, requests: usize, comes: impl Fn(usize) -> bool) -> usize {
        let gateway = Gateway::new(route);
        let mut torn = 0;
        for user in (0..self.jars.len()).filter(|user| comes(*user)) {
            let mut seen = None;
            let mut is_torn = false;
            for _ in 0..requests {
                let jar = self.jars[user]
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"));
                let cookies = jar.fold(OTHER_COOKIES.to_owned(), |all, cookie| all + "; " + &cookie);
                let request = Request {
                    path: "/",
                    headers: &[("cookie", cookies)],
                };
                let response = gateway.serve(&request, self.dice.roll()).unwrap();
                for (name, value) in response.cookies {
                    self.jars[user].insert(name.to_owned(), value.to_owned());
                }
                is_torn |= seen
                    .replace(response.backend)
                    .is_some_and(|before| before != response.backend);
                self.last[user] = response.backend.to_owned();
            }
            torn += usize::from(is_torn);
        }
        torn
    }

    fn on_canary(&self) -> usize {
        self.last
            .iter()
            .filter(|backend| *backend == "web-canary")
            .count()
    }
}

/// Whether a share of users is within 4 standard deviations of what was asked: one run in 16,000 is not.
fn is_within(users: usize, found: usize, wanted: f64) -> bool {
    let users = users as f64;
    (found as f64 - users * wanted).abs() <= 4.0 * (users * wanted * (1.0 - wanted)).sqrt()
}

const STEPS: [i32; 5] = [1, 10, 100, 500, 1000];
const USERS: usize = 20_000;

#[test]
fn the_share_of_users_is_the_weight_at_every_step() {
    let mut users = Users::new(USERS, 1);
    let mut route = simple();
    let mut before = Vec::new();
    for (step, weight) in STEPS.iter().enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &STEPS, step), *weight));
        let torn = users.visit(&route, 4, |_| true);
        let found = users.on_canary();
        assert_eq!(torn, 0, "step {step}: nobody sees two versions within a step");
        assert!(
            is_within(USERS, found, f64::from(*weight) / 1000.0),
            "step {step}: {found} of {USERS}"
        );
        let left = before
            .iter()
            .zip(&users.last)
            .filter(|(was, is)| **was == "web-canary" && *is != "web-canary");
        assert_eq!(
            left.count(),
            0,
            "step {step}: nobody leaves the canary while the weight rises"
        );
        before.clone_from(&users.last);
    }
    let ended = apply(&web(), &route, &end_of(&STEPS));
    users.visit(&ended, 1, |_| true);
    assert_eq!((ended, users.on_canary()), (simple(), 0), "nothing to clean up");
}

fn end_of(steps: &[i32]) -> Intent {
    let mut done = at(1000, steps, steps.len());
    done["status"]["currentPodHash"] = json!("a");
    intent(&done, 0)
}

#[test]
fn users_who_stay_away_for_some_steps_are_drawn_as_if_they_had_come() {
    let mut users = Users::new(USERS, 2);
    let mut route = simple();
    for (step, weight) in STEPS.iter().take(4).enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &STEPS, step), *weight));
        // Each comes at another set of steps, and all to the last.
        users.visit(&route, 2, |user| step == 3 || (user >> step) & 1 == 1);
    }
    assert!(
        is_within(USERS, users.on_canary(), 0.5),
        "{} of {USERS}",
        users.on_canary()
    );
    for group in 0..8 {
        let of_group = |user: &&usize| *user % 8 == group;
        let found = (0..USERS)
            .filter(|user| of_group(&user))
            .filter(|user| users.last[*user] == "web-canary")
            .count();
        assert!(
            is_within(USERS / 8, found, 0.5),
            "those who came at {group:03b}: {found} of {}",
            USERS / 8
        );
    }
}

#[test]
fn falling_weight_an_abort_and_a_second_try_bring_users_back_at_once() {
    let steps = [100, 500, 200];
    let mut users = Users::new(USERS, 3);
    let mut route = simple();
    for (step, weight) in steps.iter().enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &steps, step), *weight));
        users.visit(&route, 2, |_| true);
        assert!(
            is_within(USERS, users.on_canary(), f64::from(*weight) / 1000.0),
            "{weight}: {}",
            users.on_canary()
        );
    }
    let mut aborted = at(1000, &steps, 0);
    aborted["status"]["abort"] = json!(true);
    route = apply(&web(), &route, &intent(&aborted, 0));
    assert_eq!(route, simple());
    users.visit(&route, 1, |_| true);
    assert_eq!(users.on_canary(), 0);
    // The same pods again: the cookies of the first try must not bring more users than the first step asks for.
    for (step, weight) in steps.iter().enumerate() {
        route = apply(&web(), &route, &intent(&at(1000, &steps, step), *weight));
        users.visit(&route, 2, |_| true);
        assert!(
            is_within(USERS, users.on_canary(), f64::from(*weight) / 1000.0),
            "again {weight}: {}",
            users.on_canary()
        );
    }
}

/// What Flagger 1.44 writes (`pkg/router/gateway_api.go` `makeSessionAffinityRoute`) for the same weights: one value for
/// the canary's cookie, a stable cookie that ends with each interval or, without `primaryCookieName`, none.
#[test]
fn flaggers_shape_would_have_drifted() {
    let flagger = |weight: i32, interval: Option<usize>| {
        let set = |name: &str, value: &str| {
            json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [
                {"name": "Set-Cookie", "value": format!("{name}={value}; Max-Age=60")}]}}])
        };
        let cookie = |name: &str, value: &str| json!([{"headers": [{"name": "Cookie", "type": "RegularExpression", "value": format!(".*{name}.*{value}.*")}]}]);
        let mut stable = backend("web-stable", (1000 - weight).try_into().unwrap());
        let mut canary = backend("web-canary", weight.try_into().unwrap());
        canary["filters"] = set("flagger-cookie", "AbCdEfGhIj");
        let mut rules = vec![
            json!({"matches": cookie("flagger-cookie", "AbCdEfGhIj"), "backendRefs": [backend("web-canary", 100)]}),
        ];
        if let Some(interval) = interval {
            let value = format!("KlMnOpQrSt{interval}");
            stable["filters"] = set("primary-cookie", &value);
            rules.push(json!({"matches": cookie("primary-cookie", &value), "backendRefs": [backend("web-stable", 100)]}));
        }
        rules.push(json!({"backendRefs": [stable, canary]}));
        route(rules)
    };
    let shares = |with_stable_cookie: bool| {
        let mut users = Users::new(USERS, 4);
        let share = |(step, weight): (usize, &i32)| {
            // A new value stands for the expiry of the old one.
            users.visit(&flagger(*weight, with_stable_cookie.then_some(step)), 4, |_| true);
            users.on_canary()
        };
        STEPS.iter().take(4).enumerate().map(share).collect::<Vec<_>>()
    };
    let drawn_at_each_interval = shares(true);
    let drawn_at_each_request = shares(false);
    // 1 - 0.999 * 0.99 * 0.9 * 0.5, and the same with each factor to the fourth power.
    assert!(
        is_within(USERS, drawn_at_each_interval[3], 0.5550),
        "{drawn_at_each_interval:?}"
    );
    assert!(
        is_within(USERS, drawn_at_each_request[3], 0.9608),
        "{drawn_at_each_request:?}"
    );
    assert!(
        !is_within(USERS, drawn_at_each_interval[3], 0.5)
            && !is_within(USERS, drawn_at_each_request[0], 0.001)
    );
}
