//! The report as one HTML file that needs nothing else. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::chart::{palette, svg};
use super::{PhaseReport, Report};
use crate::measure::expect::Check;
use crate::rehearsal::script::Ending;
use crate::view::paint::{percent, thousands};

/// The page.
pub fn render(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n{}</style>\n<main>\n",
        escape(&report.title),
        include_str!("style.css")
    );
    out += &header(report);
    out += &problems(report);
    let _ = write!(
        out,
        "<section>\n<h2>Who answered</h2>\n{}{}</section>\n",
        svg(report),
        legend(report)
    );
    for (i, act) in report.acts.iter().enumerate() {
        let ended = match (act.ending, act.reached) {
            (Ending::Promoted, true) => "<span class=\"good\">promoted</span>",
            (Ending::Aborted, true) => "<span class=\"good\">rolled back</span>",
            (_, false) => "<span class=\"bad\">not finished</span>",
        };
        let took = seconds(act.to.saturating_sub(act.from));
        let _ = write!(
            out,
            "<section>\n<h2>{} &nbsp;{ended} <span class=\"soft\">in {took}</span></h2>\n{}</section>\n",
            escape(&act.title),
            counts(report, i)
        );
    }
    out += &facts(report);
    out += &events(report);
    out += &calls(report);
    out += "</main>\n</html>\n";
    out
}

/// Text in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn header(report: &Report) -> String {
    let (class, word) = if report.passed() {
        ("good", "passed")
    } else {
        ("bad", "failed")
    };
    format!(
        "<header><h1>{}</h1><span class=\"verdict {class}\">{word}</span><span class=\"when\">{}, {}; the controller's clock ran {}× as fast</span></header>\n",
        escape(&report.title),
        escape(&report.started),
        seconds(report.took),
        report.speed
    )
}

fn problems(report: &Report) -> String {
    if report.passed() {
        return String::new();
    }
    let items: String = report
        .problems
        .iter()
        .map(|p| format!("<li>{}</li>\n", escape(p)))
        .collect();
    format!("<section><h2 class=\"bad\">What is wrong</h2><ul class=\"problems\">\n{items}</ul></section>\n")
}

fn legend(report: &Report) -> String {
    let mut out = String::from("<div class=\"legend\">");
    for (name, colour) in palette(report) {
        let bad = if report.failing.contains(&name) {
            " (fails on purpose)"
        } else {
            ""
        };
        let _ = write!(
            out,
            "<span><i style=\"background:{colour}\"></i>{}{bad}</span>",
            escape(&name)
        );
    }
    out += "<span><i class=\"rule\"></i>wanted; dashed until the router has verified it</span></div>\n";
    out
}

fn counts(report: &Report, act: usize) -> String {
    let colours: BTreeMap<String, &str> = palette(report).into_iter().collect();
    let mut out = String::from(
        "<table><tr><th class=\"n\">Weight</th><th>Version</th><th class=\"n\">Share</th><th class=\"n\">Requests</th><th class=\"n\">Measured</th><th>against what the share allows</th><th class=\"n\">Failed</th><th></th></tr>\n",
    );
    for phase in report.phases.iter().filter(|p| p.act == Some(act)) {
        for check in &phase.checks {
            let colour = colours.get(&check.expected.who).copied().unwrap_or("var(--soft)");
            out += &row(phase, check, colour);
        }
    }
    out += "</table>\n";
    out
}

fn row(phase: &PhaseReport, check: &Check, colour: &str) -> String {
    let part = |count: u64| {
        if check.of == 0 {
            0.0
        } else {
            count as f64 / check.of as f64 * 100.0
        }
    };
    let (low, high) = check.allowed;
    let errors = phase.tally.of(&check.expected.who).errors;
    let failed = if errors > 0 {
        format!("<span class=\"bad\">{}</span>", thousands(errors))
    } else {
        "0".to_owned()
    };
    let verdict = if check.holds {
        "<span class=\"good\">within</span>"
    } else {
        "<span class=\"bad\">outside</span>"
    };
    let allowed = if low == high {
        thousands(low)
    } else {
        format!("{} to {}", thousands(low), thousands(high))
    };
    format!(
        "<tr><td class=\"n\">{}</td><td><span class=\"chip\" style=\"background:{colour}\"></span>{}</td><td class=\"n\">{}</td><td class=\"n\">{} of {}</td><td class=\"n\">{:.1} %</td><td><span class=\"bar\"><b style=\"width:{:.2}%;background:{colour}\"></b><u style=\"left:{:.2}%;width:{:.2}%\"></u></span> <span class=\"soft\">{allowed}</span></td><td class=\"n\">{failed}</td><td>{verdict}</td></tr>\n",
        phase.weight,
        escape(&check.expected.who),
        percent(check.expected.share),
        thousands(check.count),
        thousands(check.of),
        check.measured() * 100.0,
        part(check.count),
        part(low),
        part(high) - part(low),
    )
}

fn facts(report: &Report) -> String {
    let requests: u64 = report.phases.iter().map(|p| p.tally.requests()).sum();
    let asked: Vec<String> = report
        .requests
        .iter()
        .map(|(verb, n)| format!("{n} {verb}"))
        .collect();
    let mut out = String::from("<section><h2>The router and the run</h2><dl class=\"facts\">\n");
    let mut fact = |name: &str, value: String| {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", escape(&value));
    };
    fact("Router", report.router.name.clone());
    let program = std::path::Path::new(&report.router.program).file_name();
    fact(
        "Executable",
        program.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    );
    fact(
        "From start to first answer",
        format!("{:.1} ms", report.router.started_in.as_secs_f64() * 1e3),
    );
    fact("Calls", thousands(report.calls.len() as u64));
    fact(
        "It asked the API",
        if asked.is_empty() {
            "nothing".to_owned()
        } else {
            asked.join(", ")
        },
    );
    if report.router.resident > 0 {
        fact(
            "Resident memory",
            format!("{:.1} MB", report.router.resident as f64 / 1e6),
        );
    }
    fact("Requests", thousands(requests));
    fact(
        "A correct split passes a check",
        format!("{} of the time", percent(report.confidence)),
    );
    out += "</dl>";
    for note in &report.notes {
        let _ = write!(out, "<p class=\"soft\">{}</p>", escape(note));
    }
    out += "</section>\n";
    out
}

fn events(report: &Report) -> String {
    let mut out = String::from(
        "<section><details open><summary>Events</summary><table>\n<tr><th class=\"n\">At</th><th>From</th><th>Reason</th><th>Message</th></tr>\n",
    );
    for event in &report.events {
        let class = if event.warning { " class=\"bad\"" } else { "" };
        let times = if event.count > 1 {
            format!(" <span class=\"soft\">×{}</span>", event.count)
        } else {
            String::new()
        };
        let _ = writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td>{}</td><td{class}>{}</td><td>{}{times}</td></tr>",
            seconds(event.at),
            escape(&event.source),
            escape(&event.reason),
            escape(&event.message)
        );
    }
    out += "</table></details></section>\n";
    out
}

fn calls(report: &Report) -> String {
    let mut out = String::from(
        "<section><details><summary>Calls of the router, in order</summary><table>\n<tr><th class=\"n\">At</th><th>Call</th><th>Answer</th><th class=\"n\">Took</th></tr>\n",
    );
    for call in &report.calls {
        let class = if call.failed { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td><code>{}</code></td><td{class}>{}</td><td class=\"n\">{:.2} ms</td></tr>",
            seconds(call.at),
            escape(&call.call),
            escape(&call.answer),
            call.took.as_secs_f64() * 1e3
        );
    }
    out += "</table></details></section>\n";
    out
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
