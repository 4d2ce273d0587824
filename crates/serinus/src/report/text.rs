//! The report for a terminal or a log.

use std::fmt::Write as _;

use super::Report;

/// Lines of text.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    for phase in report.phases.iter().filter(|p| !p.checks.is_empty()) {
        for check in &phase.checks {
            let _ = writeln!(out, "{check:?}");
        }
    }
    for problem in &report.problems {
        let _ = writeln!(out, "problem: {problem}");
    }
    out
}
