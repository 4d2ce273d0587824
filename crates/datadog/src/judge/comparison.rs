//! The new version against the old.

use rollouts_plugin::types::AnalysisPhase;
use serde_json::{Value, json};

use super::{Reading, Result, format_number, statistics};
use crate::config::{Compare, Direction, Method};

/// Compares two values by ratio or difference. Without a value on a side there is nothing to judge by: inconclusive.
///
/// `result` for conditions: `canary`, `baseline`, `ratio` (nil where the baseline is 0), `difference`.
pub fn compare_values(compare: &Compare, canary: Option<f64>, baseline: Option<f64>) -> Reading {
    let (Some(new), Some(old)) = (canary, baseline) else {
        let missing = match (canary, baseline) {
            (None, None) => "neither the canary nor the baseline has",
            (None, _) => "the canary has no data, the baseline has",
            _ => "the baseline has no data, the canary has",
        };
        let why = format!("nothing to compare: {missing} data");
        let object = json!({ "canary": canary, "baseline": baseline, "ratio": null, "difference": null });
        return Reading {
            own: Some((AnalysisPhase::Inconclusive, why)),
            // One side alone is data; what it means that the other has none is for people to say.
            without_data: canary.is_none() && baseline.is_none(),
            ..Reading::of(Result::Object(object))
        };
    };
    let difference = new - old;
    let ratio = (old != 0.0).then(|| new / old);
    // How much worse, in the unit of `tolerance`.
    let change = match (compare.method, ratio) {
        (Method::Difference, _) => difference,
        // Relative to the baseline's size, so that a baseline below 0 does not turn the sign.
        (_, Some(_)) => difference / old.abs(),
        // From nothing: any increase is beyond every ratio.
        (_, None) if difference == 0.0 => 0.0,
        (_, None) => difference.signum() * f64::INFINITY,
    };
    let bad = exceeds(compare, change);
    let sides = format!("canary {}, baseline {}", format_number(new), format_number(old));
    let how = match (compare.method, ratio) {
        (Method::Difference, _) => format!("difference {}", format_number(difference)),
        (_, Some(ratio)) => format!("ratio {}", format_number(round(ratio))),
        (_, None) => "no ratio to a baseline of 0".to_owned(),
    };
    let phase = if bad {
        AnalysisPhase::Failed
    } else {
        AnalysisPhase::Successful
    };
    let why = format!(
        "{sides}: {how}, tolerance {} ({})",
        format_number(compare.tolerance),
        direction(compare.direction)
    );
    let object = json!({ "canary": new, "baseline": old, "ratio": ratio, "difference": difference });
    Reading {
        own: Some((phase, why)),
        ..Reading::of(Result::Object(object))
    }
}

/// Compares the points of two series by the Mann-Whitney U test and the Hodges-Lehmann estimate of the shift: the
/// canary is sick where the shift is significant and larger than the tolerance (Kayenta's `MannWhitneyClassifier`
/// judges alike). Below `minSamples` points on a side it is inconclusive.
///
/// `result` for conditions: `canary`, `baseline` (medians), `canary_samples`, `baseline_samples`, `u`, `p_value`,
/// `shift`, `relative_shift`.
pub fn compare_series(compare: &Compare, canary: &[f64], baseline: &[f64]) -> Reading {
    let least = usize::try_from(compare.min_samples).unwrap_or(usize::MAX);
    let medians = (statistics::median(canary), statistics::median(baseline));
    if canary.len() < least || baseline.len() < least {
        let why = format!(
            "too few points to compare: canary {}, baseline {}; compare.minSamples is {}",
            canary.len(),
            baseline.len(),
            compare.min_samples
        );
        let object = json!({
            "canary": medians.0, "baseline": medians.1, "canary_samples": canary.len(), "baseline_samples": baseline.len(),
            "u": null, "p_value": null, "shift": null, "relative_shift": null,
        });
        return Reading {
            own: Some((AnalysisPhase::Inconclusive, why)),
            without_data: canary.is_empty() && baseline.is_empty(),
            ..Reading::of(Result::Object(object))
        };
    }
    let alternative = match compare.direction {
        Direction::Increase => statistics::Alternative::Greater,
        Direction::Decrease => statistics::Alternative::Less,
        Direction::Either => statistics::Alternative::TwoSided,
    };
    let test = statistics::mann_whitney_u(canary, baseline, alternative);
    let shift = statistics::hodges_lehmann(canary, baseline);
    let old = medians.1.unwrap_or_default();
    let relative = match old == 0.0 {
        true if shift == 0.0 => 0.0,
        true => shift.signum() * f64::INFINITY,
        false => shift / old.abs(),
    };
    let significant = test.p < compare.significance;
    let bad = significant && exceeds(compare, relative);
    let phase = if bad {
        AnalysisPhase::Failed
    } else {
        AnalysisPhase::Successful
    };
    let verdict = match (bad, significant) {
        (true, _) => "differs",
        (false, true) => "differs within tolerance",
        (false, false) => "does not differ significantly",
    };
    let why = format!(
        "the canary {verdict}: median {} against {}, shift {} ({}%), p {} of {}, {} and {} points ({})",
        format_number(round(medians.0.unwrap_or_default())),
        format_number(round(old)),
        format_number(round(shift)),
        format_number((relative * 1000.0).round() / 10.0),
        format_number(round(test.p)),
        format_number(compare.significance),
        canary.len(),
        baseline.len(),
        direction(compare.direction),
    );
    let finite = |value: f64| {
        if value.is_finite() {
            json!(value)
        } else {
            Value::Null
        }
    };
    let object = json!({
        "canary": medians.0, "baseline": medians.1, "canary_samples": canary.len(), "baseline_samples": baseline.len(),
        "u": test.u, "p_value": test.p, "shift": shift, "relative_shift": finite(relative),
    });
    Reading {
        own: Some((phase, why)),
        ..Reading::of(Result::Object(object))
    }
}

fn exceeds(compare: &Compare, change: f64) -> bool {
    match compare.direction {
        Direction::Increase => change > compare.tolerance,
        Direction::Decrease => -change > compare.tolerance,
        Direction::Either => change.abs() > compare.tolerance,
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Increase => "increase is bad",
        Direction::Decrease => "decrease is bad",
        Direction::Either => "any change is bad",
    }
}

/// Six significant digits are enough for a message.
fn round(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
