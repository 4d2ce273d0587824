//! Budgets of requests, as a function of what Datadog says and of the clock.
//!
//! Datadog tells the state of a budget in every answer: `X-RateLimit-Limit`, `-Remaining`, `-Period`, `-Reset` (seconds
//! to the end of the period, which is aligned to the calendar) and `-Name`. The budget belongs to the whole
//! organisation, so a share of it is spent here, 50 % unless the operator says otherwise. Until the first answer, and
//! at the beginning of each period, what others have spent is not known: then requests start one at a time and double
//! every [`RAMP`].

use reqwest::header::HeaderMap;

/// How fast requests without an answer may double while the state of the budget is unknown.
const RAMP: u64 = 100;
/// The most of them: less than the smallest budget that Datadog is known to give (60 a period).
const MOST_UNANSWERED: u64 = 48;
/// Jitter after the end of a period: others wake then as well. In percent of the period.
const JITTER: u64 = 20;
const MOST_JITTER: u64 = 10_000;
/// Ends of a period as two answers tell them differ by rounding and by how long the answers took, in milliseconds.
const SAME_PERIOD: u64 = 4_000;
/// The first and the longest pause after a 429 that does not say how long, in milliseconds.
const FIRST_PAUSE: u64 = 2_000;
const LONGEST_PAUSE: u64 = 60_000;
/// A `Reset` beyond this is not believed, in milliseconds.
const LONGEST_RESET: u64 = 3_600_000;

/// The headers of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateHeaders {
    /// `X-RateLimit-Limit`: requests a period.
    pub limit: u64,
    /// `X-RateLimit-Remaining`.
    pub remaining: u64,
    /// `X-RateLimit-Period`, in milliseconds.
    pub period: u64,
    /// `X-RateLimit-Reset`, in milliseconds.
    pub reset: u64,
    /// `X-RateLimit-Name`: endpoints of one name share a budget.
    pub name: Option<String>,
}

impl RateHeaders {
    /// Reads the headers, if all that count are there and make sense.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let number = |name: &str| {
            let number: f64 = text(name)?.parse().ok()?;
            (number.is_finite() && number >= 0.0).then_some(number)
        };
        let reset = (number("x-ratelimit-reset")? * 1000.0) as u64;
        Some(Self {
            limit: number("x-ratelimit-limit")? as u64,
            remaining: number("x-ratelimit-remaining")? as u64,
            period: number("x-ratelimit-period").map_or(reset, |period| (period * 1000.0) as u64),
            reset: reset.min(LONGEST_RESET),
            name: text("x-ratelimit-name")
                .filter(|name| !name.is_empty() && name.len() <= 100)
                .map(str::to_owned),
        })
    }
}

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The share of Datadog's limit that is spent here, above 0 and at most 1.
    pub share: f64,
    /// No more than so many requests a minute and bucket, whatever Datadog allows.
    pub per_minute: Option<u64>,
}

/// One budget. Times are milliseconds since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    /// What the last answer said, and when the period it spoke of ends.
    known: Option<(RateHeaders, u64)>,
    /// Requests sent in this period.
    spent: u64,
    /// Of these, without an answer.
    pending: u64,
    /// When the first of the pending ones was sent.
    pending_since: u64,
    /// Nothing is sent before.
    closed_until: u64,
    /// 429s without headers in a row.
    pauses: u32,
    /// The operator's own limit: the minute and what was sent in it.
    minute: (u64, u64),
    /// Answers that came without headers: there is no budget to keep, as behind some proxies.
    unmetered: bool,
}

impl Bucket {
    /// Lets a request pass, or says when to ask again.
    ///
    /// # Errors
    /// The moment from which on it is worth asking again.
    pub fn admit(&mut self, now: u64, budget: Budget) -> Result<(), u64> {
        self.check(now, budget)?;
        if self.pending == 0 {
            self.pending_since = now;
        }
        self.pending += 1;
        self.spent += 1;
        self.minute.1 += 1;
        Ok(())
    }

    /// As [`Bucket::admit`], without sending.
    ///
    /// # Errors
    /// As there.
    pub fn check(&mut self, now: u64, budget: Budget) -> Result<(), u64> {
        if now < self.closed_until {
            return Err(self.closed_until);
        }
        let minute = now / 60_000;
        if self.minute.0 != minute {
            self.minute = (minute, 0);
        }
        if budget.per_minute.is_some_and(|most| self.minute.1 >= most) {
            return Err((minute + 1) * 60_000);
        }
        if let Some((headers, ends)) = self.known.clone() {
            if now < ends {
                let ours = ((headers.limit as f64 * budget.share) as u64).max(1);
                // What is on its way may not be counted in `remaining` yet.
                let left = headers.remaining.saturating_sub(self.pending);
                if self.spent >= ours || left == 0 {
                    self.close(ends + jitter(headers.period));
                    return Err(self.closed_until);
                }
                return Ok(());
            }
            // The period is over; what others spend in the new one is not known.
            self.known = None;
            self.spent = self.pending;
        }
        if self.unmetered {
            return Ok(());
        }
        let doublings = (now.saturating_sub(self.pending_since) / RAMP).min(16);
        match self.pending == 0 || self.pending < (1 << doublings).min(MOST_UNANSWERED) {
            true => Ok(()),
            false => Err(now + RAMP - now.saturating_sub(self.pending_since) % RAMP),
        }
    }

    /// Takes note of an answer, or of a request that got none.
    pub fn observe(&mut self, now: u64, status: Option<u16>, headers: Option<&RateHeaders>) {
        self.pending = self.pending.saturating_sub(1);
        self.pending_since = now;
        match (status, headers) {
            (_, Some(_)) | (Some(429), None) => self.unmetered = false,
            (Some(200..=299), None) => self.unmetered = true,
            // An outage says nothing of the budget: whatever stands before Datadog answers in its place.
            _ => {}
        }
        if let Some(headers) = headers {
            self.learn(headers, now + headers.reset);
        }
        match (status, headers) {
            (Some(429), Some(headers)) => {
                self.pauses = 0;
                self.close(now + headers.reset.max(1_000) + jitter(headers.period));
            }
            (Some(429), None) => {
                let pause = (FIRST_PAUSE << self.pauses.min(10)).min(LONGEST_PAUSE);
                self.pauses += 1;
                self.close(now + pause + jitter(pause));
            }
            (Some(_), _) => self.pauses = 0,
            (None, _) => {}
        }
    }

    /// Answers come back in any order. Within a period the lowest count is the newest; a late answer of the period before
    /// says nothing about this one.
    fn learn(&mut self, headers: &RateHeaders, ends: u64) {
        let remaining = match &self.known {
            Some((_, until)) if ends + SAME_PERIOD < *until => return,
            Some((known, until)) if ends <= *until + SAME_PERIOD => known.remaining.min(headers.remaining),
            Some(_) => {
                self.spent = self.pending + 1;
                headers.remaining
            }
            None => headers.remaining,
        };
        self.known = Some((
            RateHeaders {
                remaining,
                ..headers.clone()
            },
            ends,
        ));
    }

    /// How many more requests fit into this period, as far as it is known.
    pub fn room(&self, now: u64, budget: Budget) -> u64 {
        match &self.known {
            Some((headers, ends)) if now < *ends => {
                let ours = ((headers.limit as f64 * budget.share) as u64)
                    .max(1)
                    .saturating_sub(self.spent);
                ours.min(headers.remaining.saturating_sub(self.pending))
            }
            // Where nothing is known, a modest number: a hanging first request must not hold up everybody.
            _ => MOST_UNANSWERED.saturating_sub(self.pending),
        }
    }

    /// What the last answer said: requests left, and requests a period. [`None`] where its period is over.
    pub fn left(&self, now: u64) -> Option<(u64, u64)> {
        let (headers, ends) = self.known.as_ref()?;
        (now < *ends).then_some((headers.remaining, headers.limit))
    }

    /// What the last answer said, for people.
    pub fn describe(&self, now: u64) -> Option<String> {
        let (headers, ends) = self.known.as_ref().filter(|(_, ends)| now < *ends)?;
        let name = headers
            .name
            .as_deref()
            .map(|name| format!(" ({name})"))
            .unwrap_or_default();
        let left = (ends - now).div_ceil(1000);
        Some(format!(
            "{} of {} for {left}s{name}",
            headers.remaining, headers.limit
        ))
    }

    fn close(&mut self, until: u64) {
        self.closed_until = self.closed_until.max(until);
    }
}

fn jitter(period: u64) -> u64 {
    fastrand::u64(0..=(period * JITTER / 100).clamp(1, MOST_JITTER))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF: Budget = Budget {
        share: 0.5,
        per_minute: None,
    };

    fn headers(limit: u64, remaining: u64, reset: u64) -> RateHeaders {
        RateHeaders {
            limit,
            remaining,
            period: 60_000,
            reset,
            name: Some("query_scalar_public".to_owned()),
        }
    }

    #[test]
    fn starts_slowly_and_then_keeps_its_share() {
        let mut bucket = Bucket::default();
        assert!(bucket.admit(1_000, HALF).is_ok());
        assert_eq!(
            bucket.admit(1_000, HALF),
            Err(1_100),
            "one at a time until the first answer"
        );
        assert!(
            bucket.admit(1_100, HALF).is_ok(),
            "a slow first answer does not hold up everybody"
        );
        bucket.observe(1_150, Some(200), Some(&headers(60, 58, 30_000)));
        bucket.observe(1_160, Some(200), Some(&headers(60, 58, 30_000)));
        let admitted = (0..100).filter(|_| bucket.admit(1_200, HALF).is_ok()).count();
        assert_eq!(admitted, 28, "half of 60, less the two");
        let until = bucket.admit(1_200, HALF).unwrap_err();
        assert!(
            (31_150..=41_170).contains(&until),
            "{until}: after the period, with jitter"
        );
    }

    #[test]
    fn others_spend_from_the_same_budget() {
        let mut bucket = Bucket::default();
        bucket.admit(0, HALF).unwrap();
        bucket.observe(10, Some(200), Some(&headers(1600, 2, 5_000)));
        assert_eq!((0..9).filter(|_| bucket.admit(20, HALF).is_ok()).count(), 2);
    }

    #[test]
    fn a_429_closes_until_its_reset_and_longer_and_longer_without_one() {
        let mut bucket = Bucket::default();
        bucket.admit(0, HALF).unwrap();
        bucket.observe(0, Some(429), Some(&headers(60, 0, 7_000)));
        let until = bucket.admit(1, HALF).unwrap_err();
        assert!((7_000..=17_000).contains(&until), "{until}");
        let mut bucket = Bucket::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..7 {
            bucket.admit(now, HALF).unwrap();
            bucket.observe(now, Some(429), None);
            let until = bucket.admit(now, HALF).unwrap_err();
            pauses.push((until - now) / 1000);
            now = until;
        }
        assert!(
            pauses.windows(2).all(|pair| pair[0] <= pair[1] + 10) && pauses[0] < 3 && pauses[6] >= 60,
            "{pauses:?}"
        );
        bucket.admit(now, HALF).unwrap();
        bucket.observe(now, Some(200), None);
        assert!(
            bucket.admit(now, HALF).is_ok() && bucket.admit(now, HALF).is_ok(),
            "no headers, no budget"
        );
    }

    #[test]
    fn an_outage_without_headers_does_not_open_the_gates() {
        let mut bucket = Bucket::default();
        bucket.admit(0, HALF).unwrap();
        bucket.observe(10, Some(200), Some(&headers(60, 58, 5_000)));
        // The period ends during the outage.
        for now in [6_000, 7_000, 8_000] {
            bucket.admit(now, HALF).unwrap();
            bucket.observe(now, Some(503), None);
        }
        let admitted = (0..300).filter(|_| bucket.admit(9_000, HALF).is_ok()).count();
        assert_eq!(admitted, 1, "one at a time until an answer says what is left");
    }

    #[test]
    fn a_late_answer_of_the_period_before_says_nothing_about_this_one() {
        let mut bucket = Bucket::default();
        bucket.admit(0, HALF).unwrap();
        bucket.admit(100, HALF).unwrap();
        bucket.observe(60_500, Some(200), Some(&headers(60, 20, 59_500)));
        bucket.observe(60_900, Some(200), Some(&headers(60, 55, 1_000)));
        assert_eq!(
            bucket.describe(70_000).as_deref(),
            Some("20 of 60 for 50s (query_scalar_public)")
        );
    }

    #[test]
    fn the_operators_own_limit() {
        let budget = Budget {
            share: 1.0,
            per_minute: Some(3),
        };
        let mut bucket = Bucket {
            unmetered: true,
            ..Bucket::default()
        };
        assert_eq!((0..9).filter(|_| bucket.admit(59_000, budget).is_ok()).count(), 3);
        assert_eq!(bucket.admit(59_500, budget), Err(60_000));
        assert!(bucket.admit(60_000, budget).is_ok());
    }

    proptest! {
        /// A bucket of Datadog is never overdrawn, from the first call on, at any pace and with any latency.
        #[test]
        fn never_more_than_the_budget(
            limit in 60_u64..200,
            share in 10_u64..=100,
            steps in prop::collection::vec((0_u64..400, 0_u64..2_000), 1..600),
        ) {
            let budget = Budget { share: share as f64 / 100.0, per_minute: None };
            let mut bucket = Bucket::default();
            let (mut now, mut period, mut used) = (5_u64, 0_u64, 0_u64);
            let mut answers: Vec<(u64, RateHeaders)> = Vec::new();
            for (pause, latency) in steps {
                now += pause;
                answers.sort_by_key(|(at, _)| *at);
                while answers.first().is_some_and(|(at, _)| *at <= now) {
                    let (at, headers) = answers.remove(0);
                    bucket.observe(at, Some(200), Some(&headers));
                }
                if bucket.admit(now, budget).is_ok() {
                    if now / 60_000 != period {
                        (period, used) = (now / 60_000, 0);
                    }
                    used += 1;
                    prop_assert!(used <= limit, "{used} of {limit}");
                    // Counted when the request arrives, in whole seconds; the answer takes a while.
                    let reset = (60_000 - now % 60_000).div_ceil(1000) * 1000;
                    answers.push((now + latency, headers(limit, limit - used, reset)));
                }
            }
        }
    }
}
