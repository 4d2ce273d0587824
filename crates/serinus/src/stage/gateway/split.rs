//! Which backend of a rule gets a request. Pure but for the random number that comes in.

use super::table::Backend;

/// The backend whose share `draw` (uniform in `0.0..1.0`) falls into. `None` when there is no backend or every weight
/// is 0; the Gateway API then wants a 500.
///
/// Each request is drawn by itself, as Envoy does for weighted clusters (`Router::RouteEntryImplBase`): counts are
/// then binomial, which is what the interval that they are compared with assumes. A round robin would hold the ratio
/// to a fraction of a request, and would prove nothing about the share of users, because a client that asks in step
/// with it sees one version only.
pub fn choose(backends: &[Backend], draw: f64) -> Option<&Backend> {
    let total: u64 = backends.iter().map(|b| u64::from(b.weight)).sum();
    // At most 16 weights of up to a million: exact in f64.
    let mut point = (draw * total as f64) as u64;
    backends.iter().find(|backend| {
        let weight = u64::from(backend.weight);
        let here = point < weight;
        point = point.saturating_sub(weight);
        here
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stage::gateway::filter::Edits;

    fn backends(weights: &[u32]) -> Vec<Backend> {
        let backend = |(i, &weight): (usize, &u32)| Backend {
            service: Ok(i.to_string()),
            weight,
            edits: Edits::default(),
            mirrors: Vec::new(),
        };
        weights.iter().enumerate().map(backend).collect()
    }

    #[test]
    fn shares() {
        let cases: [(&[u32], f64, Option<&str>); 9] = [
            (&[80, 20], 0.0, Some("0")),
            (&[80, 20], 0.7999, Some("0")),
            (&[80, 20], 0.8, Some("1")),
            (&[80, 20], 0.999_999, Some("1")),
            (&[0, 100], 0.0, Some("1")),
            (&[100, 0], 0.999_999, Some("0")),
            (&[999_999, 1], 0.999_999_5, Some("1")),
            (&[0, 0], 0.5, None),
            (&[], 0.5, None),
        ];
        for (weights, draw, want) in cases {
            let backends = backends(weights);
            let chosen = choose(&backends, draw).map(|b| b.service.as_deref().unwrap());
            assert_eq!(chosen, want, "{weights:?} at {draw}");
        }
    }

    proptest! {
        #[test]
        fn every_share_is_exact(weights in prop::collection::vec(0u32..1000, 1..16)) {
            let backends = backends(&weights);
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0; weights.len()];
            for i in 0..total {
                let chosen = choose(&backends, (f64::from(i) + 0.5) / f64::from(total)).unwrap();
                counts[chosen.service.as_deref().unwrap().parse::<usize>().unwrap()] += 1;
            }
            prop_assert_eq!(counts, weights);
        }
    }
}
