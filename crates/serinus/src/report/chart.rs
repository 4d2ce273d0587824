//! The traffic over time as SVG: who answered, and what was wanted. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::html::escape;
use super::{Report, Sample};
use crate::measure::tally::Count;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 260.0;
/// Each measured point looks back over so many seconds.
const WINDOW: f64 = 0.5;

/// Colours of versions, by order of appearance; a version that fails on purpose gets the last.
const COLOURS: [&str; 5] = ["var(--v1)", "var(--v2)", "var(--v3)", "var(--v4)", "var(--v5)"];
const FAILING: &str = "var(--failing)";

/// The names of the versions in order of appearance, with their colours.
pub(super) fn palette(report: &Report) -> Vec<(String, &'static str)> {
    let mut names: Vec<String> = Vec::new();
    for phase in &report.phases {
        for name in phase.shares.keys().chain(phase.tally.by.keys()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let mut healthy = COLOURS.iter().cycle();
    let colour = |name: &String| {
        if report.failing.contains(name) {
            FAILING
        } else {
            healthy.next().copied().unwrap_or(FAILING)
        }
    };
    let colours: Vec<&'static str> = names.iter().map(colour).collect();
    names.into_iter().zip(colours).collect()
}

/// A stacked area of measured shares, with the wanted shares as a dashed line and verified phases marked.
pub(super) fn svg(report: &Report) -> String {
    let end = report.took.as_secs_f64().max(0.1);
    let x = |seconds: f64| seconds / end * WIDTH;
    let y = |share: f64| HEIGHT - share * HEIGHT;
    let mut out = format!(
        "<svg viewBox=\"-44 -26 {} {}\" role=\"img\" aria-label=\"Share of the requests by version over time\">\n",
        WIDTH + 60.0,
        HEIGHT + 62.0
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text class=\"tick\" x=\"-8\" y=\"{1:.1}\" text-anchor=\"end\">{2:.0} %</text>",
            y(share),
            y(share) + 4.0,
            share * 100.0
        );
    }
    let versions = palette(report);
    let points = measured(report);
    let mut floor: Vec<f64> = vec![0.0; points.len()];
    for (name, colour) in &versions {
        let tops: Vec<f64> = points
            .iter()
            .zip(&floor)
            .map(|((_, shares), low)| low + shares.get(name).copied().unwrap_or(0.0))
            .collect();
        let mut path = String::new();
        for (i, (at, _)) in points.iter().enumerate() {
            let _ = write!(
                path,
                "{}{:.1} {:.1}",
                if i == 0 { "M" } else { "L" },
                x(*at),
                y(tops[i])
            );
        }
        for (i, (at, _)) in points.iter().enumerate().rev() {
            let _ = write!(path, "L{:.1} {:.1}", x(*at), y(floor[i]));
        }
        if !path.is_empty() {
            let _ = writeln!(
                out,
                "<path d=\"{path}Z\" fill=\"{colour}\" class=\"area\"><title>{}</title></path>",
                escape(name)
            );
        }
        floor = tops;
    }
    for act in &report.acts {
        let at = x(act.from.as_secs_f64());
        // A heading that would run out at the right stands left of its line.
        let (anchor, label) = if at > WIDTH * 0.75 {
            ("end", at - 6.0)
        } else {
            ("start", at + 6.0)
        };
        let _ = writeln!(
            out,
            "<line class=\"act\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"-16\" y2=\"{HEIGHT}\"/><text class=\"act\" x=\"{label:.1}\" y=\"-8\" text-anchor=\"{anchor}\">{}</text>",
            escape(act.title.split(':').next().unwrap_or_default())
        );
    }
    out += &wanted(report, &versions, &x, &y);
    let step = if end > 40.0 {
        10.0
    } else if end > 12.0 {
        2.0
    } else {
        1.0
    };
    let mut at = 0.0;
    while at <= end {
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at:.0} s</text>",
            x(at),
            HEIGHT + 18.0
        );
        at += step;
    }
    out += "</svg>\n";
    out
}

/// The wanted borders between versions: dashed while not verified, solid afterwards.
fn wanted(
    report: &Report,
    versions: &[(String, &str)],
    x: &dyn Fn(f64) -> f64,
    y: &dyn Fn(f64) -> f64,
) -> String {
    let mut out = String::new();
    for phase in &report.phases {
        let (from, to) = (x(phase.from.as_secs_f64()), x(phase.to.as_secs_f64()));
        let class = if phase.settled { "wanted" } else { "wanted pending" };
        let mut border = 0.0;
        for (name, _) in versions {
            border += phase.shares.get(name).copied().unwrap_or(0.0);
            if border > 0.000_001 && border < 0.999_999 {
                let _ = writeln!(
                    out,
                    "<line class=\"{class}\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>",
                    y(border)
                );
            }
        }
    }
    out
}

/// Measured shares over a sliding window.
fn measured(report: &Report) -> Vec<(f64, BTreeMap<String, f64>)> {
    let samples = &report.samples;
    let mut points = Vec::new();
    let mut back = 0;
    for (i, sample) in samples.iter().enumerate() {
        while back < i && samples[back].at.as_secs_f64() < sample.at.as_secs_f64() - WINDOW {
            back += 1;
        }
        let before = &samples[back.saturating_sub(usize::from(back == i))];
        let counts: BTreeMap<&String, u64> = sample
            .answers
            .iter()
            .map(|(who, count)| (who, count.answers - answers(before, who)))
            .filter(|(_, n)| *n > 0)
            .collect();
        let total: u64 = counts.values().sum();
        if total > 0 {
            let shares = counts
                .into_iter()
                .map(|(who, n)| (who.clone(), n as f64 / total as f64))
                .collect();
            points.push((sample.at.as_secs_f64(), shares));
        }
    }
    points
}

fn answers(sample: &Sample, who: &str) -> u64 {
    sample.answers.get(who).map_or(0, |count: &Count| count.answers)
}
