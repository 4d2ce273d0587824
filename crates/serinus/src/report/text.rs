//! The report for a terminal or a log. Pure.

use std::fmt::Write as _;

use super::{PhaseReport, Report};
use crate::measure::expect::Check;
use crate::rehearsal::script::Ending;
use crate::view::paint::{Paint, Tone, percent, thousands};

/// Lines of text.
pub fn render(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    for (i, act) in report.acts.iter().enumerate() {
        let ended = match (act.ending, act.reached) {
            (Ending::Promoted, true) => paint.text(Tone::Good, "promoted"),
            (Ending::Aborted, true) => paint.text(Tone::Good, "rolled back"),
            (_, false) => paint.text(Tone::Bad, "not finished"),
        };
        let seconds = act.to.saturating_sub(act.from).as_secs_f64();
        let _ = writeln!(
            out,
            "{}  {ended} in {seconds:.1} s",
            paint.text(Tone::Strong, &act.title)
        );
        let head = format!(
            "  {:>6}  {:<10} {:>8}  {:>16}  {:>9}  allowed",
            "weight", "version", "share", "requests", "measured"
        );
        let _ = writeln!(out, "{}", paint.text(Tone::Dim, &head));
        for phase in report.phases.iter().filter(|p| p.act == Some(i)) {
            for check in &phase.checks {
                let _ = writeln!(out, "{}", line(report, phase, check, paint));
            }
        }
        out.push('\n');
    }
    out += &totals(report, paint);
    out
}

fn line(report: &Report, phase: &PhaseReport, check: &Check, paint: Paint) -> String {
    let (low, high) = check.allowed;
    let allowed = if low == high {
        thousands(low)
    } else {
        format!("{} to {}", thousands(low), thousands(high))
    };
    let verdict = if check.holds {
        paint.text(Tone::Good, "✔")
    } else {
        paint.text(Tone::Bad, "✘")
    };
    let who = &check.expected.who;
    let tone = if report.failing.contains(who) {
        Tone::Bad
    } else {
        Tone::Strong
    };
    let errors = phase.tally.of(who).errors;
    let failed = if errors > 0 {
        paint.text(Tone::Bad, &format!("  {} failed", thousands(errors)))
    } else {
        String::new()
    };
    format!(
        "  {:>6}  {} {:>8}  {:>16}  {:>7.1} %  {:<16} {verdict}{failed}",
        phase.weight,
        paint.text(tone, &format!("{who:<10}")),
        percent(check.expected.share),
        format!("{} of {}", thousands(check.count), thousands(check.of)),
        check.measured() * 100.0,
        allowed,
    )
}

fn totals(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    let requests: u64 = report.phases.iter().map(|p| p.tally.requests()).sum();
    let failed: u64 = report.phases.iter().map(|p| p.tally.failed()).sum();
    let by_bad: u64 = report
        .phases
        .iter()
        .flat_map(|p| report.failing.iter().map(|who| p.tally.of(who).errors))
        .sum();
    let _ = write!(
        out,
        "requests  {}, {} failed",
        thousands(requests),
        thousands(failed)
    );
    if by_bad > 0 {
        let who: Vec<&str> = report.failing.iter().map(String::as_str).collect();
        let all = if by_bad == failed { "all" } else { "" };
        let _ = write!(
            out,
            ", {}{} by {}",
            all,
            if all.is_empty() {
                thousands(by_bad)
            } else {
                String::new()
            },
            who.join(", ")
        );
    }
    let slowest = report.calls.iter().max_by_key(|c| c.took);
    let asked: Vec<String> = report
        .requests
        .iter()
        .map(|(verb, n)| format!("{n} {verb}"))
        .collect();
    let _ = writeln!(
        out,
        "\nrouter    {}: ready in {:.1} ms, {} calls, slowest {}, resident {:.1} MB; asked the API: {}",
        report.router.name,
        report.router.started_in.as_secs_f64() * 1e3,
        report.calls.len(),
        slowest.map_or("-".to_owned(), |c| format!(
            "{} {:.1} ms",
            c.call,
            c.took.as_secs_f64() * 1e3
        )),
        report.router.resident as f64 / 1e6,
        if asked.is_empty() {
            "nothing".to_owned()
        } else {
            asked.join(", ")
        },
    );
    for note in &report.notes {
        let _ = writeln!(out, "note      {note}");
    }
    for problem in &report.problems {
        let _ = writeln!(out, "{}   {problem}", paint.text(Tone::Bad, "problem"));
    }
    let checks = report.checks().count();
    let verdict = if report.passed() {
        paint.text(
            Tone::Good,
            &format!("passed    {checks} counts lie where their shares allow"),
        )
    } else {
        paint.text(
            Tone::Bad,
            &format!("failed    {} problems", report.problems.len()),
        )
    };
    let _ = writeln!(
        out,
        "{verdict}; a correct split passes a check {} of the time",
        percent(report.confidence)
    );
    out
}
