//! Exact statistics of counts: which counts a share allows, and which shares a count allows. Pure.
//!
//! Both are exact (no normal approximation), because canaries live where approximations fail: small shares, small
//! counts. Probabilities are summed from the mode outwards with the ratio of neighbours, which needs neither
//! factorials nor logarithms and loses nothing to cancellation.

use std::ops::RangeInclusive;

/// The counts that `n` requests may show for a version whose share is `p`, if each request is drawn by itself: the
/// smallest central interval that holds with at least `confidence` (0.0 to 1.0). A count outside has less than
/// `1 - confidence` of a chance.
///
/// `p` of 0 or 1 allows exactly none or all.
///
/// ```
/// use serinus::measure::interval::binomial_interval;
///
/// assert_eq!(binomial_interval(500, 0.2, 0.95), 83..=118);
/// assert_eq!(binomial_interval(500, 0.0, 0.95), 0..=0);
/// ```
pub fn binomial_interval(n: u64, p: f64, confidence: f64) -> RangeInclusive<u64> {
    if n == 0 || p <= 0.0 {
        return 0..=0;
    }
    if p >= 1.0 {
        return n..=n;
    }
    let tail = (1.0 - confidence) / 2.0;
    // The largest interval end that leaves at most `tail` below it, and the same from above.
    let masses = Masses::of(n, p);
    let mut below = 0.0;
    let mut low = masses.first;
    for (k, mass) in masses.each() {
        below += mass;
        if below > tail {
            low = k;
            break;
        }
    }
    let mut above = 0.0;
    let mut high = masses.last();
    for (k, mass) in masses.each().rev() {
        above += mass;
        if above > tail {
            high = k;
            break;
        }
    }
    low..=high
}

/// The shares that are compatible with `k` of `n` requests (Clopper and Pearson 1934): those for which neither the
/// count nor a more extreme one has less than half of `1 - confidence` of a chance.
///
/// ```
/// use serinus::measure::interval::clopper_pearson;
///
/// let (low, high) = clopper_pearson(100, 500, 0.95);
/// assert!((low - 0.1658).abs() < 1e-4 && (high - 0.2378).abs() < 1e-4);
/// ```
pub fn clopper_pearson(k: u64, n: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let low = if k == 0 {
        0.0
    } else {
        bisect(|p| at_least(k, n, p) < tail)
    };
    let high = if k == n {
        1.0
    } else {
        bisect(|p| 1.0 - at_least(k + 1, n, p) > tail)
    };
    (low, high)
}

/// P(X ≥ k) for X binomial.
fn at_least(k: u64, n: u64, p: f64) -> f64 {
    Masses::of(n, p)
        .each()
        .filter(|(x, _)| *x >= k)
        .map(|(_, mass)| mass)
        .sum()
}

/// The `p` up to which `holds` is true.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The part of a binomial distribution that is not negligible.
struct Masses {
    first: u64,
    masses: Vec<f64>,
}

impl Masses {
    /// Below this, relative to the mode, a mass changes no decision here: the tails that are asked for are above 1e-9,
    /// and a million masses of this size are not.
    const NEGLIGIBLE: f64 = 1e-18;

    fn of(n: u64, p: f64) -> Self {
        if p <= 0.0 || p >= 1.0 {
            let first = if p <= 0.0 { 0 } else { n };
            return Self {
                first,
                masses: vec![1.0],
            };
        }
        let mode = (((n + 1) as f64 * p) as u64).min(n);
        let odds = p / (1.0 - p);
        // P(x+1) / P(x) = (n - x) / (x + 1) · p / (1 - p)
        let up = |x: u64| (n - x) as f64 / (x + 1) as f64 * odds;
        let mut below = Vec::new();
        let (mut x, mut mass) = (mode, 1.0);
        while x > 0 {
            mass /= up(x - 1);
            if mass < Self::NEGLIGIBLE {
                break;
            }
            x -= 1;
            below.push(mass);
        }
        let first = x;
        let mut masses: Vec<f64> = below.into_iter().rev().collect();
        masses.push(1.0);
        let (mut x, mut mass) = (mode, 1.0);
        while x < n {
            mass *= up(x);
            if mass < Self::NEGLIGIBLE {
                break;
            }
            x += 1;
            masses.push(mass);
        }
        let total: f64 = masses.iter().sum();
        masses.iter_mut().for_each(|m| *m /= total);
        Self { first, masses }
    }

    fn last(&self) -> u64 {
        self.first + self.masses.len() as u64 - 1
    }

    fn each(&self) -> impl DoubleEndedIterator<Item = (u64, f64)> + ExactSizeIterator {
        let first = self.first;
        self.masses
            .iter()
            .enumerate()
            .map(move |(i, mass)| (first + i as u64, *mass))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The expected values are SciPy's (`scipy.stats.binom.cdf` and `sf`, searched for the ends).
    #[test]
    fn intervals_as_scipy_has_them() {
        let cases = [
            (500, 0.2, 0.95, 83..=118),
            (1000, 0.2, 0.99999, 146..=258),
            (1800, 0.6, 0.99999, 988..=1171),
            (2000, 0.001, 0.999, 0..=8),
            (10, 0.5, 0.95, 2..=8),
            (1_000_000, 0.2, 0.99, 198_970..=201_031),
            (37, 0.97, 0.999, 31..=37),
            (300, 0.0, 0.99999, 0..=0),
            (300, 1.0, 0.99999, 300..=300),
            (0, 0.5, 0.95, 0..=0),
        ];
        for (n, p, confidence, want) in cases {
            assert_eq!(binomial_interval(n, p, confidence), want, "{n} {p} {confidence}");
        }
    }

    /// SciPy: `beta.ppf(tail, k, n - k + 1)`, `beta.ppf(1 - tail, k + 1, n - k)`.
    #[test]
    fn clopper_pearson_as_scipy_has_it() {
        let cases = [
            (100, 500, 0.95, 0.165_800_125_84, 0.237_791_830_28),
            (0, 100, 0.95, 0.0, 0.036_216_692_65),
            (100, 100, 0.95, 0.963_783_307_35, 1.0),
            (1, 1000, 0.99, 5.012_529_26e-6, 0.007_406_286_94),
            (120, 600, 0.99999, 0.134_208_895_54, 0.279_200_673_14),
            (7, 10, 0.9, 0.393_375_783_89, 0.912_735_566_09),
            (200_123, 1_000_000, 0.95, 0.199_339_202_99, 0.200_908_534_35),
        ];
        for (k, n, confidence, low, high) in cases {
            let seen = clopper_pearson(k, n, confidence);
            assert!(
                (seen.0 - low).abs() < 1e-8 && (seen.1 - high).abs() < 1e-8,
                "{k} of {n}: {seen:?}"
            );
        }
    }

    proptest! {
        /// Both are the same test read from two sides: the interval around a share holds a count just when the
        /// interval around the count holds the share.
        #[test]
        fn one_is_the_other_inside_out(n in 1_u64..400, k in 0_u64..400, p in 0.001_f64..0.999) {
            let k = k.min(n);
            let (low, high) = clopper_pearson(k, n, 0.99);
            // At the very ends rounding decides.
            prop_assume!((p - low).abs() > 1e-9 && (p - high).abs() > 1e-9);
            prop_assert_eq!(binomial_interval(n, p, 0.99).contains(&k), (low..=high).contains(&p));
        }
    }
}
