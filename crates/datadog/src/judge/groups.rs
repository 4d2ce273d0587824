//! Groups in metadata and messages.

use serde_json::json;

use super::number::format_number;

/// The most groups that metadata lists. Go: `maxGroupsInMetadata`.
const MOST: usize = 100;
/// The most bytes of that list; ten measurements of each metric live in the AnalysisRun.
const MOST_BYTES: usize = 4096;
/// The longest name of a group, in bytes.
const LONGEST_NAME: usize = 100;

/// The groups as JSON, and whether some were left out. Go: `groupsMetadata`: the lowest and the highest are kept,
/// because either may be the sick ones. Here the size in bytes is bounded too.
pub(super) fn list(groups: &[(String, f64)]) -> (String, bool) {
    let mut most = MOST;
    loop {
        let kept = extremes(groups, most);
        let entries: Vec<_> = kept
            .iter()
            .map(|(name, value)| json!({ "name": cut(name), "value": value }))
            .collect();
        let text = serde_json::Value::from(entries).to_string();
        if text.len() <= MOST_BYTES || most <= 2 {
            return (text, kept.len() < groups.len());
        }
        most = most * 3 / 4;
    }
}

fn extremes(groups: &[(String, f64)], most: usize) -> Vec<(String, f64)> {
    if groups.len() <= most {
        return groups.to_vec();
    }
    let mut sorted = groups.to_vec();
    sorted.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let low = most / 2;
    let high = most - low;
    sorted[..low]
        .iter()
        .chain(&sorted[sorted.len() - high..])
        .cloned()
        .collect()
}

/// Names the sick groups, at most five of them.
pub(super) fn name_failing(failing: &[(String, f64)], all: usize) -> String {
    let named: Vec<String> = failing
        .iter()
        .take(5)
        .map(|(name, value)| format!("{}={}", cut(name), format_number(*value)))
        .collect();
    let more = failing.len().saturating_sub(5);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{} of {all} groups: {}{more}", failing.len(), named.join(", "))
}

fn cut(name: &str) -> String {
    super::cut(name.to_owned(), LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_within_the_bound() {
        let groups: Vec<(String, f64)> = (0..1000)
            .map(|n| (format!("{}-{n}", "é".repeat(80)), f64::from(n)))
            .collect();
        let (text, truncated) = list(&groups);
        assert!(truncated && text.len() <= MOST_BYTES, "{}", text.len());
        let listed: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(listed.first().unwrap()["value"], 0.0);
        assert_eq!(listed.last().unwrap()["value"], 999.0);
        let (text, truncated) = list(&groups[..2]);
        assert!(!truncated);
        assert_eq!(
            serde_json::from_str::<Vec<serde_json::Value>>(&text)
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn the_sick_are_named() {
        let failing: Vec<(String, f64)> = (0..7).map(|n| (format!("h{n}"), 0.5)).collect();
        assert_eq!(
            name_failing(&failing, 9),
            "7 of 9 groups: h0=0.5, h1=0.5, h2=0.5, h3=0.5, h4=0.5 and 2 more"
        );
    }
}
