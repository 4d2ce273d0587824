//! One picture of a rehearsal under way. Pure.

use std::time::Duration;

use super::paint::{Paint, Tone, percent, thousands};
use crate::measure::interval::binomial_interval;
use crate::measure::tally::Tally;
use crate::rehearsal::journal::Pages;

/// Columns of a bar.
const BAR: usize = 30;
/// Lines of events.
const EVENTS: usize = 6;

/// What a picture shows.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Heading.
    pub title: &'a str,
    /// The journal.
    pub pages: &'a Pages,
    /// Counts of the phase under way.
    pub tally: &'a Tally,
    /// Time since the rehearsal began.
    pub now: Duration,
    /// How fast the controller's clock runs.
    pub speed: f64,
    /// Confidence of a single check.
    pub confidence: f64,
}

/// Lines without their ends.
pub fn render(scene: &Scene<'_>, paint: Paint) -> Vec<String> {
    let pages = scene.pages;
    let mut lines = vec![format!(
        "{}  {}",
        paint.text(Tone::Strong, scene.title),
        paint.text(
            Tone::Dim,
            &format!(
                "{:5.1} s, the controller's clock runs {}× as fast",
                scene.now.as_secs_f64(),
                scene.speed
            )
        )
    )];
    lines.push(String::new());
    for (i, act) in pages.acts.iter().enumerate() {
        let under_way = i + 1 == pages.acts.len() && act.to.is_none();
        let (mark, tone) = match (&act.problem, under_way) {
            (Some(_), _) => ("✘", Tone::Bad),
            (None, true) => ("▸", Tone::Strong),
            (None, false) => ("✔", Tone::Good),
        };
        lines.push(format!("{} {}", paint.text(tone, mark), act.title));
    }
    if pages.acts.is_empty() {
        lines.push(format!(
            "{} the first version is deployed",
            paint.text(Tone::Strong, "▸")
        ));
    }
    lines.push(steps(pages, paint));
    lines.push(String::new());
    lines.extend(versions(scene, paint));
    lines.push(String::new());
    let skip = pages.events.len().saturating_sub(EVENTS);
    for event in &pages.events[skip..] {
        let tone = if event.warning { Tone::Bad } else { Tone::Dim };
        let times = if event.count > 1 {
            format!(" (×{})", event.count)
        } else {
            String::new()
        };
        let head = format!(
            "{:5.1}  {:<10} {:<22}",
            event.at.as_secs_f64(),
            event.source,
            event.reason
        );
        lines.push(format!("{} {}{times}", paint.text(tone, &head), event.message));
    }
    lines
}

fn steps(pages: &Pages, paint: Paint) -> String {
    let Some(status) = &pages.status else {
        return String::new();
    };
    let current = status.current_step_index.unwrap_or(0);
    let mut parts: Vec<String> = pages
        .steps
        .iter()
        .enumerate()
        .map(|(i, step)| match i {
            _ if status.abort => paint.text(Tone::Dim, step),
            i if i < current => paint.text(Tone::Good, step),
            i if i == current => paint.text(Tone::Strong, step),
            _ => paint.text(Tone::Dim, step),
        })
        .collect();
    if !pages.steps.is_empty() {
        let over = current >= pages.steps.len();
        parts.push(paint.text(if over { Tone::Strong } else { Tone::Dim }, "promotion"));
    }
    let tone = match status.phase {
        "Healthy" => Tone::Good,
        "Degraded" => Tone::Bad,
        _ => Tone::Canary,
    };
    let separator = paint.text(Tone::Dim, " › ");
    format!("  {}  {}", paint.text(tone, status.phase), parts.join(&separator))
}

fn versions(scene: &Scene<'_>, paint: Paint) -> Vec<String> {
    let Some(phase) = scene.pages.phases.last() else {
        return Vec::new();
    };
    let tally = scene.tally;
    let named = tally.named();
    let stable = scene
        .pages
        .status
        .as_ref()
        .and_then(|s| scene.pages.versions.get(&s.stable_rs));
    let mut names: Vec<&String> = phase.shares.keys().collect();
    names.extend(tally.by.keys().filter(|name| !phase.shares.contains_key(*name)));
    let width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for name in names {
        let share = phase.shares.get(name).copied().unwrap_or(0.0);
        let count = tally.of(name);
        let measured = if named == 0 {
            0.0
        } else {
            count.answers as f64 / named as f64
        };
        let tone = match (scene.pages.failing.contains(name), Some(name) == stable) {
            (true, _) => Tone::Bad,
            (false, true) => Tone::Stable,
            (false, false) => Tone::Canary,
        };
        let filled = (measured * BAR as f64).round() as usize;
        let bar = format!(
            "{}{}",
            paint.text(tone, &"█".repeat(filled)),
            paint.text(Tone::Dim, &"░".repeat(BAR - filled))
        );
        let mut line = format!(
            "  {name:<width$} {bar} {:>6}  {:>13} requests  {:>5.1} %",
            percent(share),
            format!("{} of {}", thousands(count.answers), thousands(named)),
            measured * 100.0,
        );
        if phase.settled && named > 0 {
            let allowed = binomial_interval(named, share, scene.confidence);
            let (word, tone) = if allowed.contains(&count.answers) {
                ("within", Tone::Good)
            } else {
                ("outside", Tone::Bad)
            };
            let range = format!(
                "{word} {} to {}",
                thousands(*allowed.start()),
                thousands(*allowed.end())
            );
            line += &format!("  {}", paint.text(tone, &range));
        } else if !phase.settled {
            line += &format!("  {}", paint.text(Tone::Dim, "not verified yet"));
        }
        if count.errors > 0 {
            line += &format!(
                "  {}",
                paint.text(Tone::Bad, &format!("{} failed", thousands(count.errors)))
            );
        }
        lines.push(line);
    }
    lines
}
