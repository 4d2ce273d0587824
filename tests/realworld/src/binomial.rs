//! Which counts are consistent with a share: exact binomial acceptance intervals.
//!
//! Of `n` requests, each of which reaches the canary with probability `p`, the count lies outside of the interval
//! with probability at most `1 - confidence`, half of that on either side. This is the dual of the Clopper–Pearson
//! interval: a count is accepted exactly when the Clopper–Pearson interval around it covers `p`.

use std::ops::RangeInclusive;

/// The confidence of every count that a scene checks: one false alarm in ten thousand counts, were the gateway to
/// draw at random. (Traefik's weighted round robin deals exactly, so there it is a generous bound.)
pub const CONFIDENCE: f64 = 0.9999;

/// The counts of successes among `n` draws that are consistent with a probability of `p`, at `confidence`.
///
/// `p` and `confidence` are probabilities in `0.0..=1.0`; both are clamped to that range.
#[must_use]
pub fn accepted(n: u64, p: f64, confidence: f64) -> RangeInclusive<u64> {
    let p = p.clamp(0.0, 1.0);
    let tail = (1.0 - confidence.clamp(0.0, 1.0)) / 2.0;
    if p == 0.0 {
        return 0..=0;
    }
    if p == 1.0 {
        return n..=n;
    }
    lowest(n, p, tail)..=n - lowest(n, 1.0 - p, tail)
}

/// The smallest count that may not be cut off: P(X ≤ count) > tail.
fn lowest(n: u64, p: f64, tail: f64) -> u64 {
    let mut below = 0.0;
    // ln P(X = 0), then by the ratio of neighbours; in logarithms, so that n may be large.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let (n_real, mut ln_point) = (n as f64, n as f64 * (1.0 - p).ln());
    let ln_odds = p.ln() - (1.0 - p).ln();
    let mut real = 0.0;
    for count in 0..n {
        below += ln_point.exp();
        if below > tail {
            return count;
        }
        ln_point += ((n_real - real) / (real + 1.0)).ln() + ln_odds;
        real += 1.0;
    }
    n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Figures of R: `qbinom(0.025, n, p)` and `qbinom(0.025, n, p, lower.tail = FALSE)`.
    #[test]
    fn known_quantiles() {
        assert_eq!(accepted(100, 0.5, 0.95), 40..=60);
        assert_eq!(accepted(10, 0.5, 0.95), 2..=8);
        assert_eq!(accepted(20, 0.1, 0.95), 0..=5);
    }

    #[test]
    fn nothing_and_everything_leave_no_room() {
        assert_eq!(accepted(300, 0.0, 0.9999), 0..=0);
        assert_eq!(accepted(300, 1.0, 0.9999), 300..=300);
        assert_eq!(accepted(0, 0.5, 0.9999), 0..=0);
    }

    #[test]
    fn large_samples_do_not_underflow() {
        let range = accepted(100_000, 0.6, 0.9999);
        assert!(*range.start() > 59_300 && *range.end() < 60_700, "{range:?}");
        assert!(range.contains(&60_000));
    }

    /// P(X = k) by a product, an independent way to the same figure.
    fn point(n: u64, p: f64, k: u64) -> f64 {
        let mut probability = 1.0;
        let mut others = n - k;
        for i in 1..=k {
            probability *= (n - k + i) as f64 / i as f64 * p;
            while probability > 1.0 && others > 0 {
                probability *= 1.0 - p;
                others -= 1;
            }
        }
        probability * (1.0 - p).powi(others as i32)
    }

    proptest! {
        #[test]
        fn covers_at_least_the_confidence_and_no_end_is_wasted(n in 1u64..400, p in 0.001f64..0.999, confidence in 0.5f64..0.999_99) {
            let range = accepted(n, p, confidence);
            let tail = (1.0 - confidence) / 2.0;
            let below: f64 = (0..*range.start()).map(|k| point(n, p, k)).sum();
            let above: f64 = (*range.end() + 1..=n).map(|k| point(n, p, k)).sum();
            prop_assert!(below <= tail + 1e-9 && above <= tail + 1e-9, "{below} {above} {tail}");
            prop_assert!(below + point(n, p, *range.start()) > tail - 1e-9);
            prop_assert!(above + point(n, p, *range.end()) > tail - 1e-9);
        }
    }
}
