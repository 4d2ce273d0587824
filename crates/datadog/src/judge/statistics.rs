//! The Mann-Whitney U test and the Hodges-Lehmann estimate, as SciPy 1.17 calculates them.

/// What is suspected of the first sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// It tends to be larger.
    Greater,
    /// It tends to be smaller.
    Less,
    /// Either.
    TwoSided,
}

/// The outcome of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The U statistic of the first sample.
    pub u: f64,
    /// How likely such a difference is between samples of one kind.
    pub p: f64,
}

/// Where a sample has at most so many points, and no two are equal, the exact distribution is used
/// (`scipy.stats.mannwhitneyu`, `method="auto"`).
const SMALL: usize = 8;
/// Above this in the other sample the exact distribution costs more than it tells; SciPy would still count.
const LARGE: usize = 500;

/// The Mann-Whitney U test (`scipy.stats.mannwhitneyu` with its defaults: exact for small samples without ties, else
/// the normal approximation with corrections for ties and continuity). Empty samples have p 1.
pub fn mann_whitney_u(x: &[f64], y: &[f64], alternative: Alternative) -> Test {
    if x.is_empty() || y.is_empty() {
        return Test { u: 0.0, p: 1.0 };
    }
    let (n1, n2) = (x.len() as f64, y.len() as f64);
    let (ranks, ties) = ranks(x, y);
    let r1: f64 = ranks[..x.len()].iter().sum();
    let u1 = r1 - n1 * (n1 + 1.0) / 2.0;
    let u2 = n1 * n2 - u1;
    let (u, factor) = match alternative {
        Alternative::Greater => (u1, 1.0),
        Alternative::Less => (u2, 1.0),
        Alternative::TwoSided => (u1.max(u2), 2.0),
    };
    let small = x.len().min(y.len()) <= SMALL && x.len().max(y.len()) <= LARGE;
    let tail = match small && ties.is_empty() {
        true => exact_tail(u, x.len(), y.len()),
        false => {
            let n = n1 + n2;
            let tie_term: f64 = ties.iter().map(|t| t.powi(3) - t).sum();
            let s = (n1 * n2 / 12.0 * ((n + 1.0) - tie_term / (n * (n - 1.0)))).sqrt();
            // Identical samples have no spread at all.
            if s == 0.0 {
                return Test { u: u1, p: 1.0 };
            }
            normal_tail((u - n1 * n2 / 2.0 - 0.5) / s)
        }
    };
    Test {
        u: u1,
        p: (factor * tail).clamp(0.0, 1.0),
    }
}

/// The median of all differences between a point of the first and one of the second sample: by how much the first is
/// shifted.
pub fn hodges_lehmann(x: &[f64], y: &[f64]) -> f64 {
    // 10,000 points a side would make 10^8 differences; evenly thinned samples estimate the same shift.
    let (x, y) = (thinned(x), thinned(y));
    let differences: Vec<f64> = x.iter().flat_map(|a| y.iter().map(move |b| a - b)).collect();
    median(&differences).unwrap_or(0.0)
}

const MOST_PAIRED: usize = 1000;

fn thinned(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() > MOST_PAIRED {
        true => (0..MOST_PAIRED)
            .map(|index| sorted[index * (sorted.len() - 1) / (MOST_PAIRED - 1)])
            .collect(),
        false => sorted,
    }
}

/// The middle value.
pub fn median(sample: &[f64]) -> Option<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Ranks from 1, equal values sharing the mean of theirs; and the sizes of the groups of equal values.
fn ranks(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let all: Vec<f64> = x.iter().chain(y).copied().collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*a].total_cmp(&all[*b]));
    let mut ranks = vec![0.0; all.len()];
    let mut ties = Vec::new();
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && all[order[end]] == all[order[start]] {
            end += 1;
        }
        let rank = (start + 1 + end) as f64 / 2.0;
        for index in &order[start..end] {
            ranks[*index] = rank;
        }
        if end - start > 1 {
            ties.push((end - start) as f64);
        }
        start = end;
    }
    (ranks, ties)
}

/// How likely U is at least this, counting the ways to reach each value of U: as many as there are partitions of it
/// into at most `m` parts of at most `n`.
fn exact_tail(u: f64, m: usize, n: usize) -> f64 {
    let (m, n) = (m.min(n), m.max(n));
    let size = m * n + 1;
    let mut ways = vec![vec![0.0_f64; size]; m + 1];
    ways[0][0] = 1.0;
    for part in 1..=n {
        for parts in 1..=m {
            let (fewer, these) = ways.split_at_mut(parts);
            for sum in part..size {
                these[0][sum] += fewer[parts - 1][sum - part];
            }
        }
    }
    let frequency = |sum: usize| ways.iter().map(|parts| parts[sum]).sum::<f64>();
    let total: f64 = (0..size).map(frequency).sum();
    let from = u.ceil().max(0.0) as usize;
    (from..size).map(frequency).sum::<f64>() / total
}

/// The upper tail of the standard normal distribution.
fn normal_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// The complementary error function, by its continued fraction or series; relative error below 1e-12 for |x| < 25.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.5 {
        // erf as a series of positive terms: exp(-x²) Σ 2^n x^(2n+1) / (1·3·5…(2n+1)).
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum;
    }
    // Lentz's method on the continued fraction x + (1/2)/(x + 1/(x + (3/2)/(x + …))).
    let mut fraction = x;
    for k in (1..200_u32).rev() {
        fraction = x + f64::from(k) / 2.0 / if k == 199 { x } else { fraction };
    }
    (-x * x).exp() / std::f64::consts::PI.sqrt() / fraction
}
