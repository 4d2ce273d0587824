//! The parameters that the dashboard shows.

use super::decide::{Decision, State};
use super::{Application, Plan, Settings};

/// One parameter as the dashboard shows it: a line of text with a title. Nothing else works there – the tooltip, the
/// type and whether it is required are not read, and maps lose edits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The parameter's name.
    pub name: String,
    /// The only free text that is shown; unique, as the dashboard tells parameters apart by it. It wraps after about 30
    /// characters.
    pub title: String,
    /// Sent for those who ask the API.
    pub tooltip: String,
    /// The value that is shown while the Application sets none: what holds now.
    pub string: String,
}

/// One parameter for all Rollouts, one for each, and one for each value whose Rollout is gone.
#[must_use]
pub fn announce(plan: &Plan, settings: &Settings, app: &Application) -> Vec<Announcement> {
    let mut list = vec![general(settings, app, None)];
    list.extend(plan.decisions.iter().map(|decision| Announcement {
        name: format!("canary/{}", decision.key),
        title: title(decision),
        tooltip: tooltip(decision),
        string: decision.effective.clone(),
    }));
    for unread in &plan.found.unread {
        let name = format!("canary/{}", unread.manifest);
        list.push(Announcement {
            title: format!("⚠ {}: line {} cannot be read", unread.manifest, unread.line),
            tooltip: unread.to_string(),
            name,
            string: String::new(),
        });
    }
    list.extend(plan.gone.iter().map(|key| left(key, GONE, app)));
    let is_canary = |decision: &Decision| !matches!(decision.state, State::NotCanary { .. });
    if !plan.decisions.iter().any(is_canary) && plan.found.unread.is_empty() {
        list[0].title = "all: no canary Rollout here".to_owned();
    }
    let general_problem = plan.problems.iter().find(|p| p.about == "canary");
    if let Some(problem) = general_problem {
        list[0].title = format!("⚠ all: {}", problem.text);
    }
    unique(list)
}

/// What is shown where no plan could be made. An announcement that fails is shown as a plain directory, so there is none.
#[must_use]
pub fn announce_problem(problem: &str, settings: &Settings, app: &Application) -> Vec<Announcement> {
    let first = problem.lines().next().unwrap_or_default();
    let mut list = vec![general(settings, app, Some(first))];
    list[0].tooltip = problem.to_owned();
    list.extend(app.parameters.rollouts.iter().map(|(key, _)| left(key, "?", app)));
    unique(list)
}

fn general(settings: &Settings, app: &Application, problem: Option<&str>) -> Announcement {
    let default = settings
        .default
        .as_ref()
        .map_or_else(|| "git".to_owned(), |(c, _)| c.word.to_string());
    let set = app
        .parameters
        .general
        .as_ref()
        .map(super::Setting::shown)
        .filter(|s| !s.is_empty());
    let presets: Vec<_> = settings.presets.keys().map(String::as_str).collect();
    Announcement {
        name: "canary".into(),
        title: match problem {
            Some(problem) => format!("⚠ {}", shorten(problem, 120)),
            None => format!("all: {}", words(&presets)),
        },
        tooltip: format!(
            "Steps of all canary Rollouts: on, off, git, {}, or steps like 25,pause,75,pause:30s,100. A Rollout's own \
             value beats this one; nothing written means {default}.",
            presets.join(", ")
        ),
        string: set.unwrap_or(default),
    }
}

/// What may be typed, as much as two lines of a title hold.
fn words(presets: &[&str]) -> String {
    const MOST: usize = 55;
    let mut text = "on, off, git".to_owned();
    for preset in presets {
        if text.len() + preset.len() > MOST {
            return text + ", …";
        }
        text.push_str(", ");
        text.push_str(preset);
    }
    text
}

const GONE: &str = "gone; Reset removes it";

fn left(key: &str, why: &str, app: &Application) -> Announcement {
    let setting = app.parameters.rollouts.iter().find(|(k, _)| k == key);
    Announcement {
        name: format!("canary/{key}"),
        title: format!("{key}: {why}"),
        tooltip: format!("{key} is not in the manifests; Reset removes the value."),
        string: setting.map(|(_, s)| s.shown()).unwrap_or_default(),
    }
}

fn title(decision: &Decision) -> String {
    let key = &decision.key;
    if let Some(problem) = &decision.problem {
        return format!("⚠ {key}: {}", shorten(&problem.text, 120));
    }
    let state = match &decision.state {
        State::Git(n) => format!("git, {}", count(*n)),
        State::On(n) => format!("on, {}", count(*n)),
        State::Off { cut_over: false } => "off".to_owned(),
        State::Off { cut_over: true } => "off, all traffic at once".to_owned(),
        State::Preset(name, n) => format!("{name}, {}", count(*n)),
        State::Own(n) => count(*n),
        State::NotCanary { blue_green: true } => "blueGreen, no steps".to_owned(),
        State::NotCanary { blue_green: false } => "no canary strategy".to_owned(),
        State::Unknown => "?".to_owned(),
    };
    let release = match &decision.release {
        Some((release, true)) => format!(", only for {release}"),
        // Whether that release is over or still to come cannot be known.
        Some((release, false)) => format!(", image is not {release}"),
        None => String::new(),
    };
    let warning = decision
        .warnings
        .first()
        .map(|w| format!(" ⚠ {w}"))
        .unwrap_or_default();
    format!("{key}: {state}{release}{warning}")
}

fn tooltip(decision: &Decision) -> String {
    let own = decision
        .own
        .as_ref()
        .map(super::Setting::shown)
        .filter(|s| !s.is_empty());
    let from = if own.is_some() { "set here" } else { "not set here" };
    let mut text = format!("{} ({from}).", decision.effective);
    if decision.state == (State::Off { cut_over: true }) {
        text.push_str(" Without steps, traffic routing moves all traffic at once and needs twice the pods; the preset ramp is gentler.");
    }
    for warning in &decision.warnings {
        text.push_str(" Note: ");
        text.push_str(warning);
        text.push('.');
    }
    text
}

fn count(steps: usize) -> String {
    match steps {
        0 => "no steps".into(),
        1 => "1 step".into(),
        n => format!("{n} steps"),
    }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most - 1).collect();
    format!("{cut}…")
}

/// Two parameters with one title are one to the dashboard, as is one that is called like its own NAME and ENV rows.
fn unique(mut list: Vec<Announcement>) -> Vec<Announcement> {
    let mut seen = std::collections::HashSet::from(["NAME".to_owned(), "ENV".to_owned()]);
    let mut names = std::collections::HashSet::new();
    list.retain(|a| names.insert(a.name.clone()));
    for announcement in &mut list {
        if !seen.insert(announcement.title.clone()) {
            announcement.title = format!("{} ({})", announcement.title, announcement.name);
            seen.insert(announcement.title.clone());
        }
    }
    list
}
